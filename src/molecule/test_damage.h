/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of readers: damaged copies of a good file, in blocks whose last byte is the text's
 * last, so that the address sanitizer sees one byte too far. */
#ifndef COX_MOLECULE_TEST_DAMAGE_H
#define COX_MOLECULE_TEST_DAMAGE_H

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

struct damaged {
    char *block, *text; /* cox_free(block) */
    size_t length;
};

/* Half of the copies are cut short; up to three bytes differ. */
static inline struct damaged damage(struct cox_rng *rng, const char *whole, size_t length)
{
    struct damaged d = {.length = length};
    if (length && cox_rng_below(rng, 2))
        d.length = cox_rng_below(rng, (uint32_t)length);
    size_t room = (d.length + 63) / 64 * 64;
    d.block = cox_alloc(room, 1);
    if (!d.block)
        return d;
    d.text = d.block + (room - d.length);
    memcpy(d.text, whole, d.length);
    for (uint32_t k = cox_rng_below(rng, 4); k > 0 && d.length; k--)
        d.text[cox_rng_below(rng, (uint32_t)d.length)] = (char)(cox_rng_below(rng, 96) + 31);
    return d;
}

#endif
