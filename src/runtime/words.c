/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/words.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char PLACE[] = "{epoch}";
enum { PLACE_LENGTH = sizeof PLACE - 1, DIGITS = 20 }; /* of any int64, with its sign */

static size_t places(const char *text)
{
    size_t n = 0;
    for (const char *at = strstr(text, PLACE); at; at = strstr(at + PLACE_LENGTH, PLACE))
        n++;
    return n;
}

int cox_words_init(struct cox_words *words, const char *const *list, struct cox_err *err)
{
    *words = (struct cox_words){NULL, NULL};
    if (!list)
        return COX_OK;
    size_t n = 0, bytes = 0;
    for (; list[n]; n++) {
        size_t here = places(list[n]);
        size_t length = strlen(list[n]) + 1;
        bytes += length + (here ? length + here * DIGITS : 0);
    }
    /* one block: both lists of pointers, then the characters */
    char *block = cox_alloc(2 * (n + 1) * sizeof(char *) + bytes, 1);
    if (!block)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    words->list = (const char **)block;
    words->patterns = words->list + n + 1;
    char *at = block + 2 * (n + 1) * sizeof(char *);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(list[i]) + 1;
        size_t here = places(list[i]);
        memcpy(at, list[i], length);
        words->list[i] = at;
        at += length;
        if (here) {
            words->patterns[i] = words->list[i];
            words->list[i] = at;
            at += length + here * DIGITS;
        }
    }
    return COX_OK;
}

void cox_words_deinit(struct cox_words *words)
{
    cox_free(words->list);
    *words = (struct cox_words){NULL, NULL};
}

void cox_words_set_epoch(struct cox_words *words, int64_t epoch)
{
    for (size_t i = 0; words->list && words->list[i]; i++) {
        const char *pattern = words->patterns[i];
        if (!pattern)
            continue;
        size_t size = strlen(pattern) + 1 + places(pattern) * DIGITS;
        char *out = (char *)words->list[i]; /* our own block */
        size_t used = 0;
        for (const char *place; (place = strstr(pattern, PLACE)); pattern = place + PLACE_LENGTH)
            used += (size_t)snprintf(out + used, size - used, "%.*s%lld", (int)(place - pattern),
                                     pattern, (long long)epoch);
        snprintf(out + used, size - used, "%s", pattern);
    }
}
