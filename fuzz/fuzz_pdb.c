/* SPDX-License-Identifier: BSD-3-Clause */
/* PDB files: parsed strictly and leniently, renamed, checked, written. */
#include <stdlib.h>

#include "base/str.h"
#include "fuzz.h"
#include "molecule/pdb.h"

static void parse(const char *text, size_t size, const struct cox_pdb_options *options)
{
    struct cox_pdb *pdb = NULL;
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_pdb_parse(&pdb, text, size, "f.pdb", options, &err);
    if (rc && !err.text[0])
        abort();
    if (!rc) {
        struct cox_str out;
        cox_str_init(&out, (size_t)16 << 20);
        rc = cox_pdb_rename_charmm(pdb, &err);
        if (!rc)
            rc = cox_pdb_check_complete(pdb, "f.pdb", &err);
        if (!rc)
            rc = cox_pdb_format(pdb, size % 2, &out, &err);
        if (rc && !err.text[0])
            abort();
        cox_str_deinit(&out);
    }
    cox_pdb_destroy(pdb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct cox_pdb_options lenient = {.model = size % 3, .any_residue = true};
    parse((const char *)data, size, NULL);
    parse((const char *)data, size, &lenient);
    return 0;
}
