/* SPDX-License-Identifier: BSD-3-Clause */
/* Training beside the simulations: a thread with copies of all it needs. It reads the points'
 * features and the settings, which nobody changes, and nothing else of the surrogate. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sweep/surrogate_internal.h"

#define CHUNK 256 /* points that a survey asks for at once */
#define ASKED 64  /* … that the caller's thread does */

void cox_surrogate_model_destroy(struct cox_surrogate_model *model)
{
    if (!model)
        return;
    cox_regressor_workspace_destroy(model->workspace);
    cox_regressor_destroy(model->regressor);
    cox_hull_destroy(model->hull);
    cox_free(model->accuracy);
    cox_free(model->spread);
    cox_free(model->inside);
    cox_free(model->mean);
    cox_free(model->sd);
    cox_free(model);
}

static void job_clear(struct cox_surrogate_job *job)
{
    cox_surrogate_model_destroy(job->model);
    cox_free(job->x);
    cox_free(job->y);
    cox_free(job->error);
    job->model = NULL;
    job->x = job->y = job->error = NULL;
}

void cox_surrogate_job_stop(struct cox_surrogate_job *job)
{
    if (job->running) {
        atomic_store(&job->stop, 1);
        pthread_join(job->thread, NULL);
        job->running = false;
    }
    job_clear(job);
    if (job->fd >= 0)
        close(job->fd);
    job->fd = -1;
}

/* ---- in the thread ---- */

static int time_lookup(const struct cox_surrogate *s, struct cox_surrogate_model *model,
                       double *mean, double *sd, struct cox_err *err)
{
    const int n = s->n < CHUNK ? s->n : CHUNK;
    const double began = cox_clock_thread_seconds();
    int rc = cox_regressor_predict(model->regressor, model->workspace, n, s->points->feature, mean,
                                   sd, err);
    model->t_lookup = (cox_clock_thread_seconds() - began) / n;
    return rc;
}

int cox_surrogate_survey(const struct cox_surrogate *s, struct cox_surrogate_model *model,
                         const atomic_int *stop, struct cox_err *err)
{
    const size_t n = (size_t)s->n, m = (size_t)s->n_values, d = (size_t)s->d;
    double *mean = cox_alloc(CHUNK * m, sizeof *mean), *sd = cox_alloc(CHUNK * m, sizeof *sd);
    double *scratch = cox_alloc(m, sizeof *scratch);
    int rc = COX_OK;
    model->spread = cox_alloc(n, sizeof *model->spread);
    model->inside = cox_alloc(n, sizeof *model->inside);
    if (s->objective >= 0) {
        model->mean = cox_alloc(n, sizeof *model->mean);
        model->sd = cox_alloc(n, sizeof *model->sd);
    }
    if (!mean || !sd || !scratch || !model->spread || !model->inside ||
        (s->objective >= 0 && (!model->mean || !model->sd)))
        rc = cox_err_set(err, COX_ENOMEM, "predictions of %d points: out of memory", s->n);
    if (rc == COX_OK)
        rc = time_lookup(s, model, mean, sd, err);
    for (size_t at = 0; at < n && rc == COX_OK; at += CHUNK) {
        const size_t some = n - at < CHUNK ? n - at : CHUNK;
        const double *x = s->points->feature + at * d;
        if (stop && atomic_load(stop))
            rc = cox_err_set(err, COX_ECANCELLED, "interrupted");
        if (rc == COX_OK) /* on the team */
            rc = cox_regressor_predict(model->regressor, NULL, (int64_t)some, x, mean, sd, err);
        for (size_t i = 0; i < some && rc == COX_OK; i++) {
            model->spread[at + i] =
                (float)cox_surrogate_spread(s, model->accuracy, sd + i * m, scratch, NULL);
            model->inside[at + i] = !model->hull || cox_hull_query(model->hull, x + i * d, NULL);
            if (s->objective >= 0) {
                model->mean[at + i] = (float)mean[i * m + (size_t)s->first[s->objective]];
                model->sd[at + i] = (float)sd[i * m + (size_t)s->first[s->objective]];
            }
        }
    }
    cox_free(mean);
    cox_free(sd);
    cox_free(scratch);
    return rc;
}

/* The share of the rows that the model misses although it has learned them: underfitted. */
static int missed(const struct cox_surrogate *s, struct cox_surrogate_job *job, double *share)
{
    const struct cox_surrogate_model *model = job->model;
    const size_t n = (size_t)job->n, m = (size_t)s->n_values, d = (size_t)s->d;
    double *mean = cox_alloc(CHUNK * m, sizeof *mean), *scratch = cox_alloc(m, sizeof *scratch);
    double *score = cox_alloc((size_t)s->n_outputs, sizeof *score);
    int rc = COX_OK, bad = 0;
    if (!mean || !scratch || !score)
        rc = cox_err_set(&job->err, COX_ENOMEM, "%d rows: out of memory", job->n);
    for (size_t at = 0; at < n && rc == COX_OK; at += CHUNK) {
        const size_t some = n - at < CHUNK ? n - at : CHUNK;
        rc = cox_regressor_predict(model->regressor, NULL, (int64_t)some, job->x + at * d, mean,
                                   NULL, &job->err);
        for (size_t i = 0; i < some && rc == COX_OK; i++) {
            cox_surrogate_scores(s, model->accuracy, job->y + (at + i) * m,
                                 job->error + (at + i) * m, mean + i * m, scratch, score);
            bad += cox_surrogate_worst(s, score) > 1; /* NaN: no accuracy is asked */
        }
    }
    *share = (double)bad / job->n;
    cox_free(mean);
    cox_free(scratch);
    cox_free(score);
    return rc;
}

#define MOST_FITS 5
#define FLOPS 2e10 /* of a core, about: by a clock a sweep could not be repeated */

static int fit_rows(struct cox_surrogate *s, struct cox_surrogate_job *job)
{
    struct cox_surrogate_model *model = job->model;
    const struct cox_regressor_data data = {
        .n = job->n, .x = job->x, .y = job->y, .err = job->error};
    struct cox_regressor_fit_options fit = COX_REGRESSOR_FIT_OPTIONS_INIT;
    struct cox_regressor_result result = {.valid_loss = NAN};
    double share = INFINITY;
    fit.epochs = job->epochs;
    fit.final_rate = 0.05; /* the last epochs average over the noise of batches and dropout */
    fit.stop = &job->stop;
    cox_surrogate_accuracy(s, job->n, job->y, job->error, model->accuracy);
    /* A simulation costs more than some epochs: while the rows themselves are missed it goes on, if
     * that takes no longer than to simulate the new ones. */
    const double cost = 6.0 * (double)cox_regressor_parameters(model->regressor) * job->n *
                        job->epochs * s->settings->surrogate.members / FLOPS;
    for (int i = 0; i < MOST_FITS && share > s->settings->targets.failing / 4; i++) {
        if (i > 0 && cost * (i + 1) > job->worth)
            break;
        int rc = cox_regressor_fit(model->regressor, &data, &fit, &result, &job->err);
        if (rc == COX_EUNSTABLE && fit.warm) { /* from the beginning, once */
            fit.warm = false;
            rc = cox_regressor_fit(model->regressor, &data, &fit, &result, &job->err);
            fit.warm = true;
        }
        if (rc == COX_OK)
            rc = missed(s, job, &share);
        if (rc)
            return rc;
        model->told.epochs += result.epochs;
    }
    model->told.n_results = job->n;
    model->told.train_loss = result.train_loss;
    model->told.valid_loss = result.valid_loss;
    model->told.seed = cox_regressor_get_options(model->regressor)->seed;
    return COX_OK;
}

static int train(struct cox_surrogate *s, struct cox_surrogate_job *job)
{
    struct cox_surrogate_model *model = job->model;
    int rc = fit_rows(s, job);
    if (rc == COX_OK && s->settings->surrogate.hull)
        rc = cox_hull_create(&model->hull, job->n, s->d, job->x, &job->err);
    if (rc == COX_OK)
        rc = cox_regressor_workspace_create(&model->workspace, model->regressor, &job->err);
    if (rc == COX_OK)
        rc = cox_surrogate_survey(s, model, &job->stop, &job->err);
    return rc;
}

static void *work(void *user)
{
    struct cox_surrogate *s = user;
    const double began = cox_clock_seconds();
    const uint64_t one = 1;
    s->job.rc = train(s, &s->job);
    s->job.model->told.seconds = cox_clock_seconds() - began;
    while (write(s->job.fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

/* ---- on the caller's ---- */

static enum cox_activation activation_of(const char *name)
{
    return strcmp(name, "sigmoid") == 0 ? COX_ACTIVATION_SIGMOID
           : strcmp(name, "tanh") == 0  ? COX_ACTIVATION_TANH
                                        : COX_ACTIVATION_RELU;
}

static int fresh_regressor(struct cox_surrogate *s, struct cox_regressor **out, struct cox_err *err)
{
    const struct cox_settings_surrogate *settings = &s->settings->surrogate;
    struct cox_regressor_options o = COX_REGRESSOR_OPTIONS_INIT;
    if (settings->hidden.n > COX_REGRESSOR_MAX_HIDDEN)
        return cox_err_set(err, COX_EUNSUPPORTED, "surrogate.hidden: %d layers, allowed are %d",
                           settings->hidden.n, COX_REGRESSOR_MAX_HIDDEN);
    o.members = settings->members;
    o.hidden_layers = settings->hidden.n;
    for (int i = 0; i < o.hidden_layers; i++) {
        o.hidden[i] = settings->hidden.items[i];
        o.activation[i] = i < settings->activations.n
                              ? activation_of(settings->activations.items[i])
                              : COX_ACTIVATION_RELU;
    }
    o.dropout = settings->dropout;
    o.learning_rate = settings->learning_rate;
    o.batch = settings->batch;
    /* the values of a profile are one quantity; several outputs are not */
    o.scaling = s->n_outputs == 1 ? COX_REGRESSOR_WHOLE_PROFILE : COX_REGRESSOR_EACH_OUTPUT;
    o.seed = cox_seed_mix((uint64_t)s->settings->seed, 0x7375727267ULL);
    return cox_regressor_create(out, s->d, s->n_values, &o, s->team, err);
}

static bool ignored(const struct cox_surrogate *s, int o)
{
    return ((const struct cox_sweep_output *)s->settings->outputs.items)[o].ignore;
}

/* The rows of the last training keep their places, new ones follow in the order of the path. */
static int copy_rows(struct cox_surrogate *s, struct cox_surrogate_job *job, struct cox_err *err)
{
    const size_t m = (size_t)s->n_values, d = (size_t)s->d;
    int kept = 0;
    for (int i = 0; i < s->n_rows; i++)
        if (s->point[s->rows[i]].value)
            s->rows[kept++] = s->rows[i];
        else /* a model that was loaded knows of it, the ledger does not */
            s->point[s->rows[i]].row = false;
    s->n_rows = kept;
    for (int i = 0; i < s->n_path; i++) {
        struct cox_surrogate_point *p = &s->point[s->path[i]];
        if (p->value && !p->row) {
            p->row = true;
            s->rows[s->n_rows++] = s->path[i];
        }
    }
    job->n = s->n_rows;
    job->x = cox_alloc((size_t)job->n * d, sizeof *job->x);
    job->y = cox_alloc((size_t)job->n * m, sizeof *job->y);
    job->error = cox_alloc((size_t)job->n * m, sizeof *job->error);
    if (!job->x || !job->y || !job->error)
        return cox_err_set(err, COX_ENOMEM, "training on %d results: out of memory", job->n);
    for (int i = 0; i < job->n; i++) {
        const size_t p = (size_t)s->rows[i];
        memcpy(job->x + (size_t)i * d, s->points->feature + p * d, d * sizeof *job->x);
        memcpy(job->y + (size_t)i * m, s->point[p].value, m * sizeof *job->y);
        memcpy(job->error + (size_t)i * m, s->point[p].error, m * sizeof *job->error);
        for (int o = 0; o < s->n_outputs; o++)
            for (int j = s->first[o]; ignored(s, o) && j < s->first[o + 1]; j++)
                job->y[(size_t)i * m + (size_t)j] = NAN;
    }
    return COX_OK;
}

static int start(struct cox_surrogate *s, struct cox_err *err)
{
    struct cox_surrogate_job *job = &s->job;
    uint64_t count;
    sigset_t all, before; /* signals are for the program's own threads */
    while (read(job->fd, &count, sizeof count) > 0)
        ;
    atomic_store(&job->stop, 0);
    job->rc = COX_OK;
    job->err = (struct cox_err)COX_ERR_INIT;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    const int failed = pthread_create(&job->thread, NULL, work, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return cox_err_set(err, COX_EIO, "cannot start a thread: %s", strerror(failed));
    job->running = true;
    return COX_OK;
}

int cox_surrogate_train_begin(struct cox_surrogate *s, struct cox_err *err)
{
    struct cox_surrogate_job *job = &s->job;
    if (!s->settings->surrogate.enabled || job->running || s->n_values == 0)
        return cox_err_set(err, COX_EUNSUPPORTED, "training: %s",
                           job->running ? "one is under way" : "there is nothing to learn from");
    job_clear(job);
    job->epochs = s->model ? s->settings->surrogate.epochs : s->settings->surrogate.epochs_first;
    const int before = s->n_rows;
    int rc = copy_rows(s, job, err);
    job->worth = s->known > 0 ? s->t_sim / s->known * (s->n_rows - before) : 0;
    if (rc == COX_OK && !(job->model = cox_alloc(1, sizeof *job->model)))
        rc = cox_err_set(err, COX_ENOMEM, "training: out of memory");
    if (rc == COX_OK &&
        !(job->model->accuracy = cox_alloc((size_t)s->n_values, sizeof *job->model->accuracy)))
        rc = cox_err_set(err, COX_ENOMEM, "training: out of memory");
    if (rc == COX_OK)
        rc = s->model
                 ? cox_regressor_copy(&job->model->regressor, s->model->regressor, s->team, err)
                 : fresh_regressor(s, &job->model->regressor, err);
    if (rc == COX_OK) {
        job->model->n_rows = job->n;
        job->model->told.id = s->model ? s->model->told.id + 1 : 1;
        rc = start(s, err);
    }
    if (rc)
        job_clear(job);
    return rc ? cox_err_wrap(err, rc, "training the surrogate") : COX_OK;
}

int cox_surrogate_train_fd(const struct cox_surrogate *s)
{
    return s->job.fd;
}

bool cox_surrogate_training(const struct cox_surrogate *s)
{
    return s->job.running;
}

int cox_surrogate_rescore(struct cox_surrogate *s, int n, const int *points, struct cox_err *err)
{
    const size_t m = (size_t)s->n_values, d = (size_t)s->d;
    double *x = cox_alloc(ASKED * d, sizeof *x);
    double *mean = cox_alloc(2 * ASKED * m, sizeof *mean), *sd = mean ? mean + ASKED * m : NULL;
    int rc = x && mean ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int at = 0; at < n && rc == COX_OK; at += ASKED) {
        const int some = n - at < ASKED ? n - at : ASKED;
        for (int i = 0; i < some; i++)
            memcpy(x + (size_t)i * d, s->points->feature + (size_t)points[at + i] * d,
                   d * sizeof *x);
        rc =
            cox_regressor_predict(s->model->regressor, s->model->workspace, some, x, mean, sd, err);
        for (int i = 0; i < some && rc == COX_OK; i++) {
            const struct cox_surrogate_point *point = &s->point[points[at + i]];
            const size_t row = (size_t)i * m;
            cox_surrogate_scores(s, s->model->accuracy, point->value, point->error, mean + row,
                                 s->scratch, point->score);
            if (s->objective >= 0 && !point->row) {
                const size_t j = (size_t)s->first[s->objective];
                const double z = (point->value[j] - mean[row + j]) / sd[row + j];
                if (isfinite(z))
                    s->z2[s->n_z2++ % COX_SURROGATE_RECENT] = z * z;
            }
        }
    }
    cox_free(x);
    cox_free(mean);
    return rc ? cox_err_wrap(err, rc, "scoring predictions") : COX_OK;
}

/* What is known and not on the path. */
int cox_surrogate_rescore_audits(struct cox_surrogate *s, struct cox_err *err)
{
    int *audits = cox_alloc((size_t)s->known, sizeof *audits), n = 0;
    if (!audits)
        return cox_err_set(err, COX_ENOMEM, "scoring predictions: out of memory");
    for (int p = 0; p < s->n; p++)
        if (s->point[p].value && !s->point[p].path)
            audits[n++] = p;
    int rc = cox_surrogate_rescore(s, n, audits, err);
    cox_free(audits);
    return rc;
}

int cox_surrogate_train_end(struct cox_surrogate *s, struct cox_ledger_model *out,
                            struct cox_err *err)
{
    struct cox_surrogate_job *job = &s->job;
    uint64_t count;
    if (!job->running)
        return cox_err_set(err, COX_EINVAL, "no training is under way");
    pthread_join(job->thread, NULL);
    job->running = false;
    while (read(job->fd, &count, sizeof count) > 0)
        ;
    s->t_learn += job->model->told.seconds;
    int rc = job->rc;
    if (rc) {
        cox_err_set(err, rc, "%s", job->err.text);
        job_clear(job);
        return cox_err_wrap(err, rc, "training the surrogate");
    }
    cox_surrogate_model_destroy(s->model);
    s->model = job->model;
    job->model = NULL;
    job_clear(job);
    s->n_list = s->next = 0; /* what the last model chose and nobody began is forgotten */
    s->stale = true;
    if (s->objective >= 0)
        cox_surrogate_objective_model(s);
    if (s->objective < 0)
        rc = cox_surrogate_rescore_audits(s, err);
    *out = s->model->told;
    return rc;
}
