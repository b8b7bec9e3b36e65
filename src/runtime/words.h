/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of argument and environment lists whose "{epoch}" is replaced anew for each attempt,
 * without allocating then. Only src/runtime includes this. */
#ifndef COX_RUNTIME_WORDS_H
#define COX_RUNTIME_WORDS_H

#include <stdint.h>

#include "cox/err.h"

struct cox_words {
    const char **list;     /* NULL-terminated, as exec wants it; NULL for a NULL list */
    const char **patterns; /* beside each: the text with "{epoch}" in it, NULL without one */
};

int cox_words_init(struct cox_words *words, const char *const *list,
                   struct cox_err *err) COX_MUST_CHECK;
void cox_words_deinit(struct cox_words *words);
void cox_words_set_epoch(struct cox_words *words, int64_t epoch);

#endif
