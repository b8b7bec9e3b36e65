/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void cox_str_init(struct cox_str *s, size_t maximum)
{
    *s = (struct cox_str){.maximum = maximum};
}

void cox_str_deinit(struct cox_str *s)
{
    cox_free(s->text);
    *s = (struct cox_str){0};
}

/* Makes room for `more` bytes and the terminator. */
static bool reserve(struct cox_str *s, size_t more)
{
    if (s->status)
        return false;
    if (more > s->maximum || s->length > s->maximum - more) {
        s->status = COX_EINVAL;
        return false;
    }
    size_t need = s->length + more + 1;
    if (need <= s->capacity)
        return true;
    size_t capacity = s->capacity ? s->capacity : 256;
    while (capacity < need)
        capacity *= 2;
    char *text = cox_realloc(s->text, capacity, 1);
    if (!text) {
        s->status = COX_ENOMEM;
        return false;
    }
    s->text = text;
    s->capacity = capacity;
    return true;
}

void cox_str_addn(struct cox_str *s, const char *bytes, size_t n)
{
    if (!reserve(s, n))
        return;
    memcpy(s->text + s->length, bytes, n);
    s->length += n;
    s->text[s->length] = '\0';
}

void cox_str_add(struct cox_str *s, const char *text)
{
    cox_str_addn(s, text, strlen(text));
}

void cox_str_addf(struct cox_str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || !reserve(s, (size_t)n))
        return;
    va_start(args, fmt);
    vsnprintf(s->text + s->length, (size_t)n + 1, fmt, args);
    va_end(args);
    s->length += (size_t)n;
}

const char *cox_str_text(const struct cox_str *s)
{
    return s->text ? s->text : "";
}

int cox_str_status(const struct cox_str *s, struct cox_err *err)
{
    if (s->status == COX_ENOMEM)
        return cox_err_set(err, COX_ENOMEM, "out of memory while building a text of %zu bytes",
                           s->length);
    if (s->status)
        return cox_err_set(err, s->status, "a text grew past its maximum of %zu bytes", s->maximum);
    return COX_OK;
}

static bool only_blanks(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return !*text;
}

int cox_parse_double(const char *text, double *out)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || !only_blanks(end))
        return COX_EINVAL;
    *out = value;
    return COX_OK;
}

int cox_parse_int(const char *text, long long *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || !only_blanks(end) || errno == ERANGE)
        return COX_EINVAL;
    *out = value;
    return COX_OK;
}

bool cox_str_ends(const char *text, const char *suffix)
{
    size_t n = strlen(text);
    size_t m = strlen(suffix);
    return n >= m && !memcmp(text + n - m, suffix, m);
}

bool cox_str_starts(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

#define DISTANCE_MAX 32

int cox_str_distance(const char *a, const char *b)
{
    int n = (int)strnlen(a, DISTANCE_MAX);
    int m = (int)strnlen(b, DISTANCE_MAX);
    int d[DISTANCE_MAX + 1][DISTANCE_MAX + 1];
    for (int i = 0; i <= n; i++)
        d[i][0] = i;
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++) {
        for (int j = 1; j <= m; j++) {
            int swap = a[i - 1] != b[j - 1];
            int best = d[i - 1][j - 1] + swap;
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

int cox_str_nearest(const char *text, const char *const *candidates, int n)
{
    int best = -1;
    int best_distance = 1 << 20;
    for (int i = 0; i < n; i++) {
        int distance = cox_str_distance(text, candidates[i]);
        if (distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    if (best < 0)
        return -1;
    int longest = (int)strlen(text) > (int)strlen(candidates[best]) ? (int)strlen(text)
                                                                    : (int)strlen(candidates[best]);
    /* a shared prefix ("rmsd" for "rmsd_A") counts as near too */
    if (best_distance * 2 <= longest || cox_str_starts(candidates[best], text))
        return best;
    return -1;
}
