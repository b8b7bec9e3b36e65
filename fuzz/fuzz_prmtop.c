/* SPDX-License-Identifier: BSD-3-Clause */
/* Amber topologies and coordinates: what is accepted is a sound system. The input is a prmtop, or
 * one followed by a line "=====" and an inpcrd. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "fuzz.h"
#include "molecule/prmtop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char mark[] = "=====\n";
    const char *text = (const char *)data;
    const char *second = memmem(text, size, mark, sizeof mark - 1);
    size_t first_size = second ? (size_t)(second - text) : size;
    struct cox_system *system = NULL;
    struct cox_err err = COX_ERR_INIT;
    struct cox_str notes;
    cox_str_init(&notes, (size_t)1 << 20);
    int rc = cox_prmtop_parse(&system, text, first_size, "f.prmtop", &notes, &err);
    if (!rc && second) {
        second += sizeof mark - 1;
        rc = cox_inpcrd_parse(system, second, size - (size_t)(second - text), "f.rst7", &notes,
                              &err);
    }
    if (!rc && cox_system_check(system, &err))
        abort();
    if (rc && !err.text[0])
        abort();
    cox_system_destroy(system);
    cox_str_deinit(&notes);
    return 0;
}
