/* SPDX-License-Identifier: BSD-3-Clause */
/* Every model fitted in every way to groups of observed lifetimes, how well each describes them,
 * and the file that keeps it: made once, named by the bags that use it. */
#ifndef COX_SERVERS_FITS_H
#define COX_SERVERS_FITS_H

#include "base/json.h"
#include "servers/traces.h"

enum cox_fit_method {
    COX_FIT_LEAST_SQUARES, /* of F on Kaplan and Meier's estimate */
    COX_FIT_LIKELIHOOD,    /* maximum likelihood, censoring and all */
    COX_FIT_NAIVE          /* as published: least squares on the preempted alone */
};
enum { COX_FIT_METHODS = 3, COX_FIT_MODELS = 3 };
/* In the order of enum cox_fit_method, then NULL: for tables of options. */
extern const char *const cox_fit_method_names[COX_FIT_METHODS + 1];

struct cox_fit {
    struct cox_lifetime life;
    enum cox_fit_method method;
    bool found;      /* else nothing else here is set */
    double residual; /* root mean square distance from Kaplan and Meier's F at observed times … */
    double distance; /* … and the largest: also of the naive fits, which were not made to it */
    double log_likelihood, aic; /* −∞, ∞ where the model forbids what was seen */
};

struct cox_fit_group {
    char name[64];
    struct cox_traces traces;
    int preempted;
    double *time, *cdf;           /* [traces.n] Kaplan and Meier's estimate, owned */
    int n_naive;                  /* of the published one */
    double *naive_time, *naive_f; /* owned */
    struct cox_fit fit[COX_FIT_METHODS][COX_FIT_MODELS]; /* models: exponential, Weibull, bathtub */
};

/* Fewer preempted servers than this are not fitted: `found` is false. */
enum { COX_FITS_MIN = 10 };

/* Takes ownership of `traces`, also on failure. */
int cox_fit_group_create(struct cox_fit_group *out, const char *name, struct cox_traces *traces,
                         struct cox_err *err) COX_MUST_CHECK;
void cox_fit_group_deinit(struct cox_fit_group *group);
/* The estimate's F(t); and the share of the preempted alone. */
double cox_fit_group_cdf(const struct cox_fit_group *group, double t);
double cox_fit_group_naive_cdf(const struct cox_fit_group *group, double t);

/* The file, or what --json prints; the caller destroys it. `source`: the traces; `by` nullable. */
struct cox_json *cox_fits_json(const struct cox_fit_group *groups, int n, const char *source,
                               const char *by);
struct cox_fits_choice {
    const char *group; /* NULL: the file has only one */
    enum cox_lifetime_kind kind;
    enum cox_fit_method method; /* without meaning for empirical ones */
};
/* A model out of such a file. *arrays gets what an empirical one borrows (free with cox_free; else
 * NULL): Kaplan and Meier's, whose rest, where the longest-lived server was stopped by its user, is
 * taken to end there (Efron 1967). COX_ENOTFOUND says what the file has. */
int cox_fits_read(struct cox_lifetime *out, double **arrays, const char *path,
                  const struct cox_fits_choice *choice, struct cox_err *err) COX_MUST_CHECK;

#endif
