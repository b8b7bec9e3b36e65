/* SPDX-License-Identifier: BSD-3-Clause */
/* The checkpoint of `cox md`. Numbers are in the byte order of the machine that wrote them; a
 * SHA-256 covers all. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/md_run.h"

#define MAGIC "coxswain md state 1\n"
enum { DIGEST = 64, WORDS = 640, LARGEST = INT_MAX };

struct head {
    char magic[24];
    char words[WORDS]; /* the options that make the trajectory what it is */
    int64_t done, blown, observed, left;
};

static void state_path(const struct md_run *m, char *path, size_t size)
{
    snprintf(path, size, "%s.state", m->output);
}

/* All but the length, so that a run may be made longer. */
static void words_of(const struct md_run *m, char *out, size_t size)
{
    int n =
        snprintf(out, size,
                 "%s; %d atoms; replicas %d; seed %lld; timestep_fs %.17g; temperature_K %.17g; "
                 "friction_per_ps %.17g; hydrogen_mass_u %.17g; slow_every %lld; frame_ps "
                 "%.17g; minimize %lld; skip_ps %.17g; observe",
                 cox_engine_version(m->engine), m->system->n_atoms, m->replicas, m->o.seed,
                 m->o.timestep_fs, m->o.temperature_K, m->o.friction_per_ps, m->o.hydrogen_mass_u,
                 m->o.slow_every, m->frame_ps, m->minimize, m->skip_ps);
    for (int i = 0; i < m->observe.names.n && n > 0 && (size_t)n < size; i++)
        n += snprintf(out + n, size - (size_t)n, " %s", m->observe.names.items[i]);
}

/* What stands behind the head, in this order. */
struct part {
    void *bytes;
    size_t size;
};
enum { PARTS = 5 };
static void parts_of(const struct md_run *m, struct part *part)
{
    size_t r = (size_t)m->replicas;
    part[0] = (struct part){m->step, r * sizeof *m->step};
    part[1] = (struct part){m->base, r * sizeof *m->base};
    part[2] = (struct part){m->blows, r * sizeof *m->blows};
    part[3] = (struct part){m->last, r * (size_t)m->system->n_atoms * sizeof *m->last};
    part[4] =
        (struct part){m->observe.sum, r * (size_t)m->observe.names.n * sizeof *m->observe.sum};
}

static size_t state_size(const struct md_run *m)
{
    struct part part[PARTS];
    size_t size = sizeof(struct head) + (size_t)m->replicas * cox_engine_lane_size(m->engine);
    parts_of(m, part);
    for (int i = 0; i < PARTS; i++)
        size += part[i].size;
    return size + DIGEST + 1;
}

int md_state_save(const struct md_run *m, struct cox_err *err)
{
    char path[PATH_MAX];
    struct part part[PARTS];
    size_t size = state_size(m), lane = cox_engine_lane_size(m->engine);
    char *bytes = cox_alloc(size, 1), *to = bytes;
    if (!bytes)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint of %zu bytes", size);
    struct head head = {.magic = MAGIC,
                        .done = m->done,
                        .blown = m->blown,
                        .observed = m->observe.frames,
                        .left = m->left};
    words_of(m, head.words, sizeof head.words);
    memcpy(to, &head, sizeof head);
    to += sizeof head;
    parts_of(m, part);
    for (int i = 0; i < PARTS; i++) {
        memcpy(to, part[i].bytes, part[i].size);
        to += part[i].size;
    }
    int rc = COX_OK;
    for (int l = 0; !rc && l < m->replicas; l++, to += lane)
        rc = cox_engine_save_lane(m->engine, l, to, err);
    cox_sha256_hex(bytes, size - DIGEST - 1, bytes + size - DIGEST - 1);
    state_path(m, path, sizeof path);
    if (!rc)
        rc = cox_file_replace(path, bytes, size, err);
    cox_free(bytes);
    return rc;
}

static int check(const struct md_run *m, const char *bytes, size_t size, const char *path,
                 struct cox_err *err)
{
    struct head head;
    char digest[DIGEST + 1], words[WORDS];
    if (size < sizeof head + DIGEST + 1 || memcmp(bytes, MAGIC, sizeof MAGIC))
        return cox_err_set(err, COX_EFORMAT, "'%s' is no checkpoint of cox md", path);
    cox_sha256_hex(bytes, size - DIGEST - 1, digest);
    if (memcmp(digest, bytes + size - DIGEST - 1, DIGEST))
        return cox_err_set(err, COX_EFORMAT, "'%s' is damaged: its checksum is wrong", path);
    memcpy(&head, bytes, sizeof head);
    head.words[WORDS - 1] = 0;
    words_of(m, words, sizeof words);
    if (strcmp(words, head.words))
        return cox_err_set(err, COX_EINVAL, "'%s' is of a run with other options (%s), not %s",
                           path, head.words, words);
    if (size != state_size(m) || head.done < 0 || head.left < 1 || head.left > m->steps_per_frame)
        return cox_err_set(err, COX_EFORMAT, "'%s' does not fit this run", path);
    return COX_OK;
}

static int take(struct md_run *m, const char *bytes, struct cox_err *err)
{
    struct head head;
    struct part part[PARTS];
    size_t lane = cox_engine_lane_size(m->engine);
    memcpy(&head, bytes, sizeof head);
    bytes += sizeof head;
    m->done = head.done;
    m->blown = head.blown;
    m->observe.frames = head.observed;
    m->left = (int)head.left;
    parts_of(m, part);
    for (int i = 0; i < PARTS; i++) {
        memcpy(part[i].bytes, bytes, part[i].size);
        bytes += part[i].size;
    }
    int rc = COX_OK;
    for (int l = 0; !rc && l < m->replicas; l++, bytes += lane)
        rc = cox_engine_restore_lane(m->engine, l, bytes, err);
    return rc;
}

int md_state_remove(const struct md_run *m, struct cox_err *err)
{
    char path[PATH_MAX];
    state_path(m, path, sizeof path);
    if (unlink(path) && errno != ENOENT)
        return cox_err_errno(err, "cannot remove '%s'", path);
    return COX_OK;
}

int md_state_load(struct md_run *m, struct cox_err *err)
{
    char path[PATH_MAX], *bytes;
    size_t size;
    state_path(m, path, sizeof path);
    if (!cox_file_exists(path)) {
        if (cox_file_exists(m->output) && unlink(m->output))
            return cox_err_errno(err, "cannot begin '%s' anew", m->output);
        return COX_OK;
    }
    int rc = cox_file_read(&bytes, &size, path, LARGEST, err);
    if (rc)
        return rc;
    rc = check(m, bytes, size, path, err);
    if (!rc)
        rc = take(m, bytes, err);
    cox_free(bytes);
    if (!rc)
        rc = cox_traj_open_append(&m->traj, m->output, err);
    if (!rc && cox_traj_frames(m->traj) < m->done * m->replicas)
        rc = cox_err_set(err, COX_EFORMAT, "'%s' has %lld frames, its checkpoint knows of %lld",
                         m->output, (long long)cox_traj_frames(m->traj),
                         (long long)m->done * m->replicas);
    if (!rc && cox_traj_frames(m->traj) > m->done * m->replicas)
        rc = cox_traj_truncate(m->traj, m->done * m->replicas, err);
    return rc;
}
