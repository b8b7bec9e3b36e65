/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts with placeholders, parsed once and rendered for every point. Placeholders are those of
 * sweep/job.h. */
#ifndef COX_SWEEP_JOB_TEMPLATE_H
#define COX_SWEEP_JOB_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"
#include "sweep/settings.h"

#define COX_TEMPLATE_MAX_BYTES ((size_t)64 << 20)

/* What placeholders there are; `used` learns which parameters were met. */
struct cox_template_scope {
    int n;
    const struct cox_sweep_parameter *parameter; /* [n] */
    bool *used;                                  /* [n]; may be NULL */
};

struct cox_template_piece;
struct cox_template {
    int n;
    const struct cox_template_piece *piece; /* [n], in the arena */
};

/* What stands for a placeholder at one point. */
struct cox_template_values {
    const double *x; /* [scope.n], as struct cox_points */
    uint64_t seed;
    int cores, point;
    const char *bag;
    bool for_key; /* cores, point and bag as they are written: they make no other result */
};

/* An argument of a command: {word} that is no placeholder is an error, {{ and }} are braces. The
 * text is borrowed. Messages name the placeholder and the nearest one, no place. */
int cox_template_argument(struct cox_template *out, const char *text,
                          const struct cox_template_scope *scope, struct cox_arena *arena,
                          struct cox_err *err) COX_MUST_CHECK;
/* A file: only known names are placeholders, {{name}} of a known name is {name}, all other braces
 * stand. What looks like a slip (a name that is nearly one, a format that is none) is an error with
 * "<name>:<line>:<column>". The bytes are borrowed. */
int cox_template_file(struct cox_template *out, const char *name, const char *bytes, size_t length,
                      const struct cox_template_scope *scope, struct cox_arena *arena,
                      struct cox_err *err) COX_MUST_CHECK;
void cox_template_render(const struct cox_template *t, const struct cox_template_scope *scope,
                         const struct cox_template_values *values, struct cox_str *out);
/* Whether every point gives the same text. */
bool cox_template_is_constant(const struct cox_template *t);

/* Whether it may be the name of a parameter or an output: a letter or _, then digits, too. */
bool cox_template_is_name(const char *text);
/* seed, cores, point, bag */
bool cox_template_is_reserved(const char *name);
/* The fewest digits that give the value back. */
void cox_template_number(struct cox_str *out, double value);

#endif
