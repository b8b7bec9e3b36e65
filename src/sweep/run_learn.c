/* SPDX-License-Identifier: BSD-3-Clause */
/* The surrogate in the loop: it is told of results, trained beside the jobs, and what it may
 * predict is served to the ledger; when an audit shows that it may not, that is taken back. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "sweep/run_internal.h"

#define CHUNK 1024        /* points predicted at a time */
#define SERVE_MOST 20000  /* points served while jobs still run; more only at the end */
#define REFRESH_S 0.05    /* between two looks at where the surrogate stands … */
#define REFRESH_SHARE 20. /* … and at most this part of the time is spent on them */

static int take_model(void *user, const struct cox_ledger_model *row)
{
    struct cox_sweep *s = user;
    s->model = row->id;
    s->learn_before_s += row->seconds;
    snprintf(s->model_path, sizeof s->model_path, "%s", row->path);
    return COX_OK;
}

/* Before the results are told: with a model, each is scored as it comes. */
int cox_sweep_learn_init(struct cox_sweep *s, bool anew, struct cox_err *err)
{
    char path[PATH_MAX];
    s->learned = (struct cox_surrogate_state){
        .half_width = INFINITY, .failing_bound = 1, .error = NAN, .best = -1, .best_value = NAN};
    if (!s->settings->surrogate.enabled)
        return COX_OK;
    int threads = s->cores > 4 ? s->cores / 4 : 1;
    int rc = cox_surrogate_create(&s->surrogate, s->settings, &s->points, threads, err);
    if (!rc)
        rc = cox_ledger_models(s->ledger, take_model, s, err);
    if (rc || !s->model || anew)
        return rc;
    struct cox_err why = COX_ERR_INIT;
    rc = cox_path_join(path, sizeof path, s->directory, s->model_path, err);
    if (rc)
        return rc;
    if (!cox_surrogate_load(s->surrogate, path, &why)) {
        s->learn_before_s = 0; /* it knows */
    } else {
        cox_log(COX_LOG_WARN, "the last model is not used, another will be trained: %s", why.text);
        cox_surrogate_destroy(s->surrogate); /* nothing half loaded */
        s->surrogate = NULL;
        rc = cox_surrogate_create(&s->surrogate, s->settings, &s->points, threads, err);
    }
    return rc;
}

int cox_sweep_learned(struct cox_sweep *s, int point, const struct cox_ledger_result *result,
                      double seconds, struct cox_err *err)
{
    struct sweep_point *p = &s->point[point];
    s->sim_sum_s += seconds;
    s->n_audits += p->purpose == COX_PURPOSE_AUDIT;
    s->batch_results++;
    s->done_s[s->n_done++ % SWEEP_RATES] = cox_sweep_now(s);
    s->learned_stale = s->surrogate != NULL;
    s->choose_dry = false;
    if (!s->layout[s->settings->outputs.n])
        memcpy(s->layout, result->first, ((size_t)result->n_outputs + 1) * sizeof *s->layout);
    if (!s->surrogate)
        return COX_OK;
    return cox_surrogate_add(s->surrogate, point, (enum cox_purpose)p->purpose, result->value,
                             result->error, result->first, seconds, err);
}

void cox_sweep_refresh(struct cox_sweep *s)
{
    double now = cox_clock_seconds();
    if (!s->surrogate || !s->learned_stale ||
        (now < s->refresh_s && s->n_jobs && s->phase == SWEEP_RUNNING))
        return;
    cox_surrogate_state(s->surrogate, &s->learned);
    s->learned.t_learn += s->learn_before_s;
    s->learned_stale = false;
    double took = cox_clock_seconds() - now;
    s->refresh_s = now + fmax(REFRESH_S, REFRESH_SHARE * took);
}

/* ---- serving ---- */

struct chunk {
    int n;
    int point[CHUNK];
    double *feature, *value, *half, *spread;
    bool served[CHUNK];
};

static int serve_chunk(struct cox_sweep *s, struct chunk *c, struct cox_err *err)
{
    size_t m = (size_t)s->layout[s->settings->outputs.n];
    int rc = cox_surrogate_predict(s->surrogate, c->n, c->feature, c->value, c->half, c->spread,
                                   c->served, NULL, err);
    for (int i = 0; !rc && i < c->n; i++) {
        struct sweep_point *p = &s->point[c->point[i]];
        struct cox_ledger_result row = {.point = c->point[i],
                                        .predicted = true,
                                        .attempt = -1,
                                        .model = s->model,
                                        .n = (int)m,
                                        .n_outputs = s->settings->outputs.n,
                                        .value = c->value + (size_t)i * m,
                                        .error = c->half + (size_t)i * m,
                                        .spread = c->spread + (size_t)i * m,
                                        .first = s->layout};
        enum cox_point_state to = c->served[i] ? COX_POINT_PREDICTED : COX_POINT_TODO;
        if (c->served[i])
            rc = cox_ledger_put_result(s->ledger, &row, err);
        else if (p->predicted)
            rc = cox_ledger_drop_result(s->ledger, c->point[i], err);
        p->predicted = c->served[i];
        if (!rc && p->state != to)
            rc = cox_sweep_set_state(s, c->point[i], to, COX_PURPOSE_NONE, err);
    }
    c->n = 0;
    return rc;
}

static int serve_all(struct cox_sweep *s, struct chunk *c, struct cox_err *err)
{
    size_t d = (size_t)s->points.n_features;
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->points.n; i++) {
        const struct sweep_point *p = &s->point[i];
        if (p->active || (p->state != COX_POINT_TODO && p->state != COX_POINT_PREDICTED))
            continue;
        memcpy(c->feature + (size_t)c->n * d, s->points.feature + (size_t)i * d,
               d * sizeof *c->feature);
        c->point[c->n++] = i;
        if (c->n == CHUNK)
            rc = serve_chunk(s, c, err);
    }
    return !rc && c->n ? serve_chunk(s, c, err) : rc;
}

int cox_sweep_serve(struct cox_sweep *s, bool again, struct cox_err *err)
{
    if (!s->surrogate || !s->learned.trusted || !s->model ||
        (s->served_model == s->model && !again))
        return COX_OK;
    size_t m = (size_t)cox_surrogate_values(s->surrogate);
    struct chunk *c = cox_alloc(1, sizeof *c);
    if (!c)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    c->feature = cox_alloc((size_t)CHUNK * (size_t)s->points.n_features, sizeof *c->feature);
    c->value = cox_alloc(3 * CHUNK * m, sizeof *c->value);
    int rc = COX_OK;
    if (!c->feature || !c->value)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for predictions of %zu values", m);
    if (!rc) {
        c->half = c->value + CHUNK * m;
        c->spread = c->half + CHUNK * m;
        rc = cox_sweep_begin(s, err);
    }
    if (!rc)
        rc = serve_all(s, c, err);
    cox_free(c->feature);
    cox_free(c->value);
    cox_free(c);
    if (!rc && !s->served_model)
        cox_sweep_say(s, "the surrogate takes over %d points; %s", s->n_predicted, s->learned.why);
    s->served_model = s->model;
    s->batch_due = true;
    return rc;
}

static int withdraw(struct cox_sweep *s, struct cox_err *err)
{
    int rc = cox_sweep_begin(s, err);
    if (!rc)
        rc = cox_ledger_withdraw_predictions(s->ledger, err);
    if (s->n_predicted)
        cox_sweep_say(s, "%d predictions are withdrawn: %s", s->n_predicted, s->learned.why);
    for (int i = 0; !rc && i < s->points.n; i++) {
        s->point[i].predicted = false;
        if (s->point[i].state == COX_POINT_PREDICTED) {
            s->point[i].state = COX_POINT_TODO;
            s->n_predicted--;
            s->n_todo++;
        }
    }
    s->served_model = 0;
    s->choose_dry = false;
    s->batch_due = true;
    return rc;
}

/* ---- training ---- */

static int end_training(struct cox_sweep *s, struct cox_err *err)
{
    struct cox_ledger_model row = {.id = 0};
    char path[PATH_MAX];
    int rc = cox_surrogate_train_end(s->surrogate, &row, err);
    if (rc)
        return cox_err_wrap(err, rc, "training the surrogate");
    row.id = ++s->model;
    row.at_s = cox_sweep_now(s);
    snprintf(row.path, sizeof row.path, "models/model-%04lld.h5", (long long)row.id);
    snprintf(s->model_path, sizeof s->model_path, "%s", row.path);
    rc = cox_path_join(path, sizeof path, s->directory, row.path, err);
    if (!rc)
        rc = cox_surrogate_save(s->surrogate, path, err);
    if (!rc)
        rc = cox_sweep_begin(s, err);
    if (!rc)
        rc = cox_ledger_put_model(s->ledger, &row, err);
    s->learned_stale = true;
    s->refresh_s = 0;
    s->choose_dry = false;
    s->batch_due = true;
    return rc;
}

int cox_sweep_learn_turn(struct cox_sweep *s, struct cox_err *err)
{
    if (!s->surrogate || s->phase != SWEEP_RUNNING)
        return COX_OK;
    int rc = COX_OK;
    if (cox_surrogate_training(s->surrogate)) {
        if (s->train_ended)
            rc = end_training(s, err);
        s->train_ended = false;
    }
    if (!rc && !cox_surrogate_training(s->surrogate) && cox_surrogate_due(s->surrogate))
        rc = cox_surrogate_train_begin(s->surrogate, err);
    if (rc)
        return rc;
    cox_sweep_refresh(s);
    if (s->served_model && !s->learned.trusted)
        rc = withdraw(s, err);
    if (!rc && s->learned.trusted && (s->learned.complete || s->n_todo <= SERVE_MOST))
        rc = cox_sweep_serve(s, false, err);
    return rc;
}
