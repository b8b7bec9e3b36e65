/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of `gmx dump`: what is accepted is a sound system. */
#include <stdlib.h>

#include "fuzz.h"
#include "molecule/gromacs_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cox_system *system = NULL;
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_gromacs_dump_parse(&system, (const char *)data, size, &err);
    if (rc && !err.text[0])
        abort();
    cox_system_destroy(system);
    return 0;
}
