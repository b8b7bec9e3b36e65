/* SPDX-License-Identifier: BSD-3-Clause */
/* Was it worth it: several runs (arms) of one system side by side. One model embeds every frame of
 * all arms, k-means cuts the latent space into k states, and each arm is measured by the share of
 * them that it has visited after so much simulated time (Brace et al. SC21, figure 6), beside the
 * best RMSD, the time to a fold and the number of distinct ancestors.
 *
 * The honest control is an unsteered ensemble of the same replicas at the same aggregate time; the
 * arms with control: true are the baseline, else the first arm. */
#ifndef COX_STEER_REPORT_COMPARE_H
#define COX_STEER_REPORT_COMPARE_H

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"
#include "cox/err.h"

struct cox_compare_options {
    const char *model; /* a CVAE's file; NULL: train one on frames of all arms, equally many each */
    int states;        /* k */
    int samples;       /* frames of that training in all */
    int epochs;
    double
        fold_A;  /* RMSD that counts as folded; NaN: stop.target.rmsd_A of the first arm with one */
    int threads; /* 0: every processor */
    uint64_t seed;
    void (*progress)(void *user, const char *stage); /* may be NULL */
    void *user;
    const atomic_int *cancel; /* may be NULL */
};
#define COX_COMPARE_OPTIONS_INIT                                                                  \
    {                                                                                             \
        .model = NULL, .states = 100, .samples = 4000, .epochs = 15, .fold_A = NAN, .threads = 0, \
        .seed = 1, .progress = NULL, .user = NULL, .cancel = NULL                                 \
    }

struct cox_comparison;

/* Refuses arms of different systems or features (COX_EINVAL, saying what differs) and arms without
 * a frame. Needs at least one arm; with one arm there is nothing to be faster than. */
int cox_compare(struct cox_comparison **out, const char *const *directories, int n,
                const struct cox_compare_options *options, struct cox_err *err) COX_MUST_CHECK;
void cox_comparison_destroy(struct cox_comparison *comparison);

/* All figures; the caller destroys it. NULL when out of memory. */
struct cox_json *cox_comparison_json(const struct cox_comparison *comparison);
/* The page. */
void cox_comparison_html(const struct cox_comparison *comparison, struct cox_str *out);
/* One chart as an SVG file: states visited against aggregate simulated time. */
void cox_comparison_svg(const struct cox_comparison *comparison, struct cox_str *out);
/* A few lines for the terminal. */
void cox_comparison_text(const struct cox_comparison *comparison, struct cox_str *out);

#endif
