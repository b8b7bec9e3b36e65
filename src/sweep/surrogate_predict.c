/* SPDX-License-Identifier: BSD-3-Clause */
/* Predictions of any inputs, with half-widths and the switching rule. */
#include <math.h>

#include "base/mem.h"
#include "sweep/surrogate_internal.h"

#define CHUNK 256

struct room { /* of one chunk */
    double *mean, *sd, *scratch;
};

static int predict_some(const struct cox_surrogate *s, struct room *r, int n, const double *x,
                        double *value, double *width, double *spread, bool *served, double *score,
                        struct cox_err *err)
{
    const struct cox_surrogate_model *m = s->model;
    const size_t M = (size_t)s->n_values;
    int rc = cox_regressor_predict(m->regressor, m->workspace, n, x, r->mean, r->sd, err);
    for (int i = 0; i < n && rc == COX_OK; i++) {
        const size_t at = (size_t)i * M;
        const double u = cox_surrogate_spread(s, m->accuracy, r->sd + at, r->scratch, NULL);
        const double h = s->q * (u + COX_SURROGATE_FLOOR);
        for (size_t j = 0; j < M; j++) {
            if (value)
                value[at + j] = r->mean[at + j];
            if (spread)
                spread[at + j] = r->sd[at + j];
        }
        for (int o = 0; o < s->n_outputs && width; o++)
            for (int j = s->first[o]; j < s->first[o + 1]; j++)
                width[at + (size_t)j] = s->q_output[o] * (u + COX_SURROGATE_FLOOR) * m->accuracy[j];
        if (score)
            score[i] = h;
        if (served) /* the hull last: it costs most */
            served[i] = s->trusted && h <= 1 && cox_surrogate_in_reach(s, true, u) &&
                        (!m->hull || cox_hull_query(m->hull, x + (size_t)i * (size_t)s->d, NULL));
    }
    return rc;
}

int cox_surrogate_predict(const struct cox_surrogate *surrogate, int n, const double *feature,
                          double *value, double *half_width, double *spread, bool *served,
                          double *score, struct cox_err *err)
{
    struct cox_surrogate *s = (struct cox_surrogate *)surrogate;
    if (!s->model)
        return cox_err_set(err, COX_EUNSUPPORTED, "there is no model yet");
    cox_surrogate_refresh(s);
    if (!s->model)
        return cox_err_set(err, COX_EUNSUPPORTED, "%s", s->why);
    const size_t M = (size_t)s->n_values;
    struct room r = {.mean = cox_alloc(CHUNK * M, sizeof *r.mean),
                     .sd = cox_alloc(CHUNK * M, sizeof *r.sd),
                     .scratch = cox_alloc(M, sizeof *r.scratch)};
    int rc = r.mean && r.sd && r.scratch
                 ? COX_OK
                 : cox_err_set(err, COX_ENOMEM, "predictions: out of memory");
    for (int at = 0; at < n && rc == COX_OK; at += CHUNK) {
        const int some = n - at < CHUNK ? n - at : CHUNK;
        const size_t v = (size_t)at * M;
        rc =
            predict_some(s, &r, some, feature + (size_t)at * (size_t)s->d, value ? value + v : NULL,
                         half_width ? half_width + v : NULL, spread ? spread + v : NULL,
                         served ? served + at : NULL, score ? score + at : NULL, err);
    }
    cox_free(r.mean);
    cox_free(r.sd);
    cox_free(r.scratch);
    return rc;
}
