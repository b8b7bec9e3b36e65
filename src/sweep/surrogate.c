/* SPDX-License-Identifier: BSD-3-Clause */
/* The surrogate's books: which points are known, under way, on the path, an audit; where the sweep
 * stands. The method is in docs/surrogate.md. */
#include "sweep/surrogate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/mem.h"
#include "sweep/surrogate_internal.h"

static const struct cox_sweep_output *output_of(const struct cox_surrogate *s, int o)
{
    return (const struct cox_sweep_output *)s->settings->outputs.items + o;
}

/* Features scaled to the box of the design; one that never varies is 0. */
static void scale_features(struct cox_surrogate *s)
{
    const double *f = s->points->feature;
    for (int c = 0; c < s->d; c++) {
        double least = INFINITY, most = -INFINITY;
        for (int i = 0; i < s->n; i++) {
            least = fmin(least, f[(size_t)i * (size_t)s->d + (size_t)c]);
            most = fmax(most, f[(size_t)i * (size_t)s->d + (size_t)c]);
        }
        for (int i = 0; i < s->n; i++) {
            const size_t at = (size_t)i * (size_t)s->d + (size_t)c;
            s->unit[at] = most > least ? (f[at] - least) / (most - least) : 0;
        }
    }
}

static int find_objective(const struct cox_surrogate *s)
{
    const struct cox_settings_objective *o = &s->settings->objective;
    if (o->kind == COX_OBJECTIVE_NONE || !o->output)
        return -1;
    for (int i = 0; i < s->n_outputs; i++)
        if (strcmp(output_of(s, i)->name, o->output) == 0)
            return i;
    return -1;
}

int cox_surrogate_create(struct cox_surrogate **out, const struct cox_sweep_settings *settings,
                         const struct cox_points *points, int threads, struct cox_err *err)
{
    struct cox_surrogate *s = cox_alloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "the surrogate: out of memory");
    const size_t n = (size_t)points->n, d = (size_t)points->n_features;
    s->settings = settings;
    s->points = points;
    s->n = points->n;
    s->d = points->n_features;
    s->n_outputs = settings->outputs.n;
    s->objective = find_objective(s);
    s->job.fd = -1;
    s->stale = true;
    s->point = cox_alloc(n, sizeof *s->point);
    s->permutation = cox_alloc(n, sizeof *s->permutation);
    s->path = cox_alloc(n, sizeof *s->path);
    s->rows = cox_alloc(n, sizeof *s->rows);
    s->list = cox_alloc(n, sizeof *s->list);
    s->q_output = cox_alloc((size_t)s->n_outputs, sizeof *s->q_output);
    s->unit = cox_alloc(n * d, sizeof *s->unit);
    s->scratch_points = cox_alloc(n, sizeof *s->scratch_points);
    int rc = COX_OK;
    if (!s->point || !s->permutation || !s->path || !s->rows || !s->list || !s->q_output ||
        !s->unit || !s->scratch_points)
        rc = cox_err_set(err, COX_ENOMEM, "the surrogate of %d points: out of memory", points->n);
    if (rc == COX_OK && settings->surrogate.enabled)
        rc = cox_team_create(&s->team, threads, err);
    if (rc == COX_OK && settings->surrogate.enabled && s->d > COX_HULL_MAX_D &&
        settings->surrogate.hull)
        rc = cox_err_set(err, COX_EUNSUPPORTED,
                         "surrogate.hull: %d numbers describe a point, at most %d can have a hull; "
                         "set it to false",
                         s->d, COX_HULL_MAX_D);
    if (rc == COX_OK && (s->job.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        rc = cox_err_errno(err, "cannot make an eventfd");
    if (rc) {
        cox_surrogate_destroy(s);
        return rc;
    }
    s->q = INFINITY;
    for (int o = 0; o < s->n_outputs; o++)
        s->q_output[o] = INFINITY;
    struct cox_rng rng;
    cox_rng_init(&rng, (uint64_t)settings->seed, COX_SURROGATE_STREAM_AUDITS);
    for (int i = 0; i < s->n; i++)
        s->permutation[i] = i;
    cox_rng_shuffle(&rng, s->permutation, s->n);
    cox_rng_init(&s->rng, (uint64_t)settings->seed, COX_SURROGATE_STREAM_PATH);
    scale_features(s);
    *out = s;
    return COX_OK;
}

void cox_surrogate_destroy(struct cox_surrogate *s)
{
    if (!s)
        return;
    cox_surrogate_job_stop(&s->job);
    cox_surrogate_model_destroy(s->model);
    cox_team_destroy(s->team);
    for (int i = 0; s->point && i < s->n; i++)
        cox_free(s->point[i].value);
    cox_free(s->point);
    cox_free(s->permutation);
    cox_free(s->path);
    cox_free(s->rows);
    cox_free(s->list);
    cox_free(s->q_output);
    cox_free(s->unit);
    cox_free(s->scratch_points);
    cox_free(s->first);
    cox_free(s->scratch);
    cox_free(s);
}

int cox_surrogate_values(const struct cox_surrogate *s)
{
    return s->n_values;
}

/* The first result fixes how many values each output has. */
int cox_surrogate_shape(struct cox_surrogate *s, const int *first, struct cox_err *err)
{
    const size_t n = (size_t)s->n_outputs + 1;
    for (int o = 0; s->first && o < s->n_outputs; o++) {
        const int now = first[o + 1] - first[o], before = s->first[o + 1] - s->first[o];
        if (now != before)
            return cox_err_set(err, COX_EFORMAT, "output '%s' has %d value%s, %d before",
                               output_of(s, o)->name, now, now == 1 ? "" : "s", before);
    }
    if (s->first)
        return COX_OK;
    if (s->objective >= 0 && first[s->objective + 1] - first[s->objective] != 1)
        return cox_err_set(err, COX_EFORMAT,
                           "output '%s' of the objective has %d values, it must be a single number",
                           output_of(s, s->objective)->name,
                           first[s->objective + 1] - first[s->objective]);
    double *scratch = cox_alloc((size_t)first[s->n_outputs], sizeof *scratch);
    int *copy = cox_alloc(n, sizeof *copy);
    if (!copy || !scratch) {
        cox_free(copy);
        cox_free(scratch);
        return cox_err_set(err, COX_ENOMEM, "%d values: out of memory", first[s->n_outputs]);
    }
    memcpy(copy, first, n * sizeof *copy);
    s->first = copy;
    s->scratch = scratch;
    s->n_values = first[s->n_outputs];
    return COX_OK;
}

int cox_surrogate_add(struct cox_surrogate *s, int point, enum cox_purpose purpose,
                      const double *value, const double *error, const int *first, double seconds,
                      struct cox_err *err)
{
    struct cox_surrogate_point *p = &s->point[point];
    int rc = cox_surrogate_shape(s, first, err);
    if (rc)
        return rc;
    const size_t m = (size_t)s->n_values;
    if (!p->value) {
        double *block = cox_alloc(2 * m + (size_t)s->n_outputs, sizeof *block);
        if (!block)
            return cox_err_set(err, COX_ENOMEM, "a result of %d values: out of memory",
                               s->n_values);
        p->value = block;
        p->error = block + m;
        p->score = block + 2 * m;
        s->known++;
        s->t_sim += seconds > 0 ? seconds : 0;
    }
    memcpy(p->value, value, m * sizeof *value);
    for (size_t j = 0; j < m; j++)
        p->error[j] = error ? error[j] : NAN;
    for (int o = 0; o < s->n_outputs; o++)
        p->score[o] = NAN;
    if (p->under_way)
        s->under_way--;
    if (p->failed)
        s->failed--;
    p->under_way = p->failed = false;
    p->purpose = (unsigned char)purpose;
    s->stale = true;
    if (s->model)
        rc = cox_surrogate_rescore(s, 1, &point, err);
    if (p->path && !p->row)
        cox_surrogate_remember(s, point);
    /* In a search nothing is promised of the points that are not simulated: audits are for
     * exploring, and learned from. */
    if (purpose != COX_PURPOSE_AUDIT || s->objective >= 0)
        cox_surrogate_take(s, point);
    return rc;
}

void cox_surrogate_failed(struct cox_surrogate *s, int point)
{
    struct cox_surrogate_point *p = &s->point[point];
    if (p->under_way)
        s->under_way--;
    if (!p->failed)
        s->failed++;
    p->under_way = false;
    p->failed = true;
    s->stale = true;
}

void cox_surrogate_returned(struct cox_surrogate *s, int point)
{
    struct cox_surrogate_point *p = &s->point[point];
    if (p->under_way)
        s->under_way--;
    p->under_way = false;
    if (point < s->cursor)
        s->cursor = point;
    s->returned += p->path;
    s->stale = true;
}

void cox_surrogate_under_way(struct cox_surrogate *s, int point, enum cox_purpose purpose)
{
    struct cox_surrogate_point *p = &s->point[point];
    if (!p->under_way)
        s->under_way++;
    p->under_way = true;
    p->purpose = (unsigned char)purpose;
    if (purpose != COX_PURPOSE_AUDIT)
        cox_surrogate_take(s, point);
    s->stale = true;
}

/* Median score of the results on the path before they were learned. */
static double recent_error(const struct cox_surrogate *s)
{
    double sorted[COX_SURROGATE_RECENT];
    const int n = s->n_recent < COX_SURROGATE_RECENT ? s->n_recent : COX_SURROGATE_RECENT;
    for (int i = 0; i < n; i++) {
        int j = i;
        for (; j > 0 && sorted[j - 1] > s->recent[i]; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = s->recent[i];
    }
    return n ? sorted[n / 2] : NAN;
}

void cox_surrogate_state(const struct cox_surrogate *surrogate, struct cox_surrogate_state *out)
{
    /* what follows from the results is worked out when somebody asks */
    struct cox_surrogate *s = (struct cox_surrogate *)surrogate;
    cox_surrogate_refresh(s);
    const int best = cox_surrogate_best(s);
    *out = (struct cox_surrogate_state){
        .trusted = s->trusted,
        .complete = s->complete,
        .simulated = s->known,
        .under_way = s->under_way,
        .failed = s->failed,
        .servable = s->servable,
        .audits = s->audits,
        .audits_failed = s->audits_failed,
        .half_width = s->half_width,
        .failing_bound = s->failing_bound,
        .error = recent_error(s),
        .t_learn = s->t_learn,
        .t_lookup = s->model ? s->model->t_lookup : NAN,
        .best = best,
        .best_value = best >= 0 ? s->point[best].value[s->first[s->objective]] : NAN,
    };
    snprintf(out->why, sizeof out->why, "%s", s->why);
}
