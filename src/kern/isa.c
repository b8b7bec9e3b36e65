/* SPDX-License-Identifier: BSD-3-Clause */
#include "kern/isa.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define NAME(isa) #isa,
static const char *const names[] = {COX_ISA_LIST(NAME)};
#define COUNT ((int)(sizeof names / sizeof names[0]))

int cox_isa_count(void)
{
    return COUNT;
}

const char *cox_isa_name(int index)
{
    return index >= 0 && index < COUNT ? names[index] : NULL;
}

bool cox_isa_supported(int index)
{
    if (index < 0 || index >= COUNT)
        return false;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (index == 1)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (index == 2)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
#endif
    return true; /* the baseline of the platform */
}

static int refuse(struct cox_err *err, int status, const char *wanted)
{
    struct cox_str list;
    cox_str_init(&list, 256);
    for (int i = 0; i < COUNT; i++)
        if (cox_isa_supported(i))
            cox_str_addf(&list, "%s%s", list.length ? ", " : "", names[i]);
    const char *why = status == COX_EINVAL ? "unknown instruction set" : "this machine cannot run";
    cox_err_set(err, status, "%s '%s'; available here: %s", why, wanted, cox_str_text(&list));
    cox_str_deinit(&list);
    return status;
}

int cox_isa_select(int *index, const char *wanted, struct cox_err *err)
{
    if (!wanted || !wanted[0])
        wanted = getenv("COX_ISA");
    if (wanted && wanted[0]) {
        for (int i = 0; i < COUNT; i++)
            if (!strcmp(names[i], wanted)) {
                *index = i;
                return cox_isa_supported(i) ? COX_OK : refuse(err, COX_EUNSUPPORTED, wanted);
            }
        return refuse(err, COX_EINVAL, wanted);
    }
    int best = 0;
    for (int i = 0; i < COUNT; i++)
        if (cox_isa_supported(i))
            best = i;
    *index = best;
    return COX_OK;
}
