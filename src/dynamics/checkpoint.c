/* SPDX-License-Identifier: BSD-3-Clause */
/* checkpoint: a header, the dynamics' state, the counts of distances, SHA-256 of all that. Written
 * whole or not at all; the output it tells of was synced before. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "dynamics/output.h"
#include "base/digest.h"

#define MAGIC 0x31746b7063786f63ULL /* "coxcpkt1" */
#define DIGEST 65

struct header {
    uint64_t magic, state_size, rdf_size;
    struct cox_dyn_marks marks;
};

int cox_dyn_checkpoint_save(const char *path, const struct cox_dyn_checkpoint *c,
                            struct cox_err *err)
{
    const struct header h = {
        .magic = MAGIC, .state_size = c->state_size, .rdf_size = c->rdf_size, .marks = c->marks};
    const size_t length = sizeof h + c->state_size + c->rdf_size;
    char *bytes = cox_alloc(length + DIGEST, 1);
    if (!bytes)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint of %zu bytes", length);
    memcpy(bytes, &h, sizeof h);
    memcpy(bytes + sizeof h, c->state, c->state_size);
    if (c->rdf_size)
        memcpy(bytes + sizeof h + c->state_size, c->rdf, c->rdf_size);
    cox_sha256_hex(bytes, length, bytes + length);
    int rc = cox_file_replace(path, bytes, length + DIGEST, err);
    cox_free(bytes);
    return rc;
}

int cox_dyn_checkpoint_load(struct cox_dyn_checkpoint *out, const char *path, struct cox_err *err)
{
    struct header h = {0};
    char digest[DIGEST] = "";
    char *bytes = NULL;
    size_t length = 0;
    memset(out, 0, sizeof *out);
    int rc = cox_file_read(&bytes, &length, path, (size_t)1 << 40, err);
    if (rc)
        return rc;
    if (length >= sizeof h + DIGEST) {
        memcpy(&h, bytes, sizeof h);
        cox_sha256_hex(bytes, length - DIGEST, digest);
    }
    if (h.magic != MAGIC || h.state_size > length || h.rdf_size > length ||
        length != sizeof h + h.state_size + h.rdf_size + DIGEST ||
        memcmp(digest, bytes + length - DIGEST, DIGEST) != 0) {
        cox_free(bytes);
        return cox_err_set(err, COX_EFORMAT, "'%s' is damaged, or no checkpoint of this program",
                           path);
    }
    memmove(bytes, bytes + sizeof h, h.state_size + h.rdf_size);
    out->marks = h.marks;
    out->state_size = h.state_size;
    out->rdf_size = h.rdf_size;
    out->state = bytes;
    out->rdf = bytes + h.state_size;
    return COX_OK;
}
