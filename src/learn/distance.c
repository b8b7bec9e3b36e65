/* SPDX-License-Identifier: BSD-3-Clause */
#include "learn/distance.h"

#include "kern/isa.h"

#define DECLARE(isa) extern const struct cox_distance_kernels cox_distance_##isa;
COX_ISA_LIST(DECLARE)
#define ENTRY(isa) &cox_distance_##isa,
static const struct cox_distance_kernels *const tables[] = {COX_ISA_LIST(ENTRY)};

int cox_distance_select(const struct cox_distance_kernels **out, const char *isa,
                        struct cox_err *err)
{
    int index;
    const int rc = cox_isa_select(&index, isa, err);
    if (!rc)
        *out = tables[index];
    return rc;
}
