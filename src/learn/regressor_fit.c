/* SPDX-License-Identifier: BSD-3-Clause */
/* Training: members are chains of epochs that the team's threads take up in turn. A thread takes
 * the free member that is furthest behind, trains it for one epoch and puts it back, so two threads
 * finish five members in two and a half times one's work, and a member's numbers are its own. */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "learn/regressor_net.h"

/* Streams of random numbers derived from a member's seed. */
enum { SALT_HELD_OUT = 0x51, SALT_ORDER = 0x52, SALT_BOOTSTRAP = 0x53 };
/* Beyond this a range would overflow. */
#define MOST_VALUE 1e300

/* Weights, optimiser state and step count at one moment. */
struct snapshot {
    float *blocks[3];
    int64_t steps;
};

struct job { /* one member's */
    struct cox_regressor_member *member;
    struct cox_regressor_batch batch;
    int *train, *held_out, *order; /* rows; train repeats those that were bootstrapped twice */
    int n_train, n_held_out;
    struct snapshot before, best; /* best: only with patience */
    double best_loss, best_train_loss;
    int best_epoch, epochs; /* finished in this fit */
    int64_t steps;
    double train_loss, valid_loss;
    bool busy, done;
};

struct fit {
    struct cox_regressor *regressor;
    const struct cox_regressor_fit_options *options;
    struct cox_regressor_rows rows;
    struct job *jobs;                           /* [members] */
    struct cox_regressor_scale inputs, outputs; /* before the fit */
    pthread_mutex_t lock;                       /* of busy, done, and what follows */
    int status;
    struct cox_err *err;
};

static float *parameter_block(const struct cox_params *p, int i)
{
    return i == 0 ? p->value : p->state[i - 1];
}

static int snapshot_init(struct snapshot *s, const struct cox_params *p, struct cox_err *err)
{
    for (int i = 0; i < 3; i++)
        if (!(s->blocks[i] = cox_alloc((size_t)p->floats, sizeof(float))))
            return cox_err_set(err, COX_ENOMEM, "regressor: out of memory for a copy of weights");
    return COX_OK;
}

static void snapshot_deinit(struct snapshot *s)
{
    for (int i = 0; i < 3; i++)
        cox_free(s->blocks[i]);
}

static void snapshot_take(struct snapshot *s, const struct cox_regressor_member *m)
{
    for (int i = 0; i < 3; i++)
        memcpy(s->blocks[i], parameter_block(m->params, i),
               (size_t)m->params->floats * sizeof(float));
    s->steps = m->optimizer.steps;
}

static void snapshot_restore(const struct snapshot *s, struct cox_regressor_member *m)
{
    for (int i = 0; i < 3; i++)
        memcpy(parameter_block(m->params, i), s->blocks[i],
               (size_t)m->params->floats * sizeof(float));
    m->optimizer.steps = s->steps;
}

static int check_options(const struct cox_regressor_fit_options *o, struct cox_err *err)
{
    if (o->epochs < 1)
        return cox_err_set(err, COX_EINVAL, "regressor: %d epochs, at least 1 is needed",
                           o->epochs);
    if (!(o->valid_fraction >= 0 && o->valid_fraction < 1))
        return cox_err_set(err, COX_EINVAL,
                           "regressor: valid_fraction is %g, allowed is 0 <= f < 1",
                           o->valid_fraction);
    if (!(o->final_rate >= 0 && o->final_rate <= 1))
        return cox_err_set(err, COX_EINVAL, "regressor: final_rate is %g, allowed is 0 <= f <= 1",
                           o->final_rate);
    if (o->patience < 0 || (o->patience > 0 && !(o->valid_fraction > 0)))
        return cox_err_set(err, COX_EINVAL,
                           "regressor: patience is %d with a valid_fraction of %g, allowed is "
                           ">= 0, and 0 without held-out rows",
                           o->patience, o->valid_fraction);
    return COX_OK;
}

static int check_data(const struct cox_regressor *r, const struct cox_regressor_data *data,
                      struct cox_err *err)
{
    if (data->n < 1 || data->n > INT32_MAX / 64)
        return cox_err_set(err, COX_EINVAL, "regressor: %" PRId64 " rows, allowed are 1 to %d",
                           data->n, INT32_MAX / 64);
    for (int64_t i = 0; i < data->n; i++) {
        for (int j = 0; j < r->n_in; j++)
            if (!(fabs(data->x[i * r->n_in + j]) <= MOST_VALUE))
                return cox_err_set(err, COX_EINVAL,
                                   "regressor: input %d of row %" PRId64
                                   " is %g, allowed are numbers up to ±%g",
                                   j, i, data->x[i * r->n_in + j], MOST_VALUE);
        for (int j = 0; j < r->n_out; j++) {
            const double y = data->y[i * r->n_out + j],
                         e = data->err ? data->err[i * r->n_out + j] : 0;
            if (fabs(y) > MOST_VALUE)
                return cox_err_set(err, COX_EINVAL,
                                   "regressor: output %d of row %" PRId64
                                   " is %g, allowed are numbers up to ±%g, or NaN: no value",
                                   j, i, y, MOST_VALUE);
            if (e < 0)
                return cox_err_set(err, COX_EINVAL,
                                   "regressor: the error of output %d of row %" PRId64
                                   " is %g, allowed is >= 0, or NaN: unknown",
                                   j, i, e);
        }
    }
    return COX_OK;
}

/* How often a member sees a row: Poisson(1) from one uniform number, by inversion. */
static int times_seen(const struct fit *f, const struct job *j, int64_t row)
{
    struct cox_rng rng;
    if (!f->regressor->options.bootstrap)
        return 1;
    cox_rng_init(&rng, cox_seed_mix(j->member->seed, SALT_BOOTSTRAP), (uint64_t)row);
    const double u = cox_rng_uniform(&rng);
    double term = exp(-1.0), sum = term;
    int n = 0;
    while (u >= sum && n < 16) {
        term /= ++n;
        sum += term;
    }
    return n;
}

static bool is_held_out(const struct fit *f, const struct job *j, int64_t row)
{
    struct cox_rng rng;
    cox_rng_init(&rng, cox_seed_mix(j->member->seed, SALT_HELD_OUT), (uint64_t)row);
    return cox_rng_uniform(&rng) < f->options->valid_fraction;
}

/* The member's rows. If nothing is left to train on (few rows), all are, once. */
static int choose_rows(struct fit *f, struct job *j, struct cox_err *err)
{
    const int64_t n = f->rows.n;
    int64_t most = 0;
    for (int64_t i = 0; i < n; i++)
        most += times_seen(f, j, i);
    most = most > n ? most : n;
    j->train = cox_alloc((size_t)most, sizeof(int));
    j->order = cox_alloc((size_t)most, sizeof(int));
    j->held_out = cox_alloc((size_t)n, sizeof(int));
    if (!j->train || !j->order || !j->held_out)
        return cox_err_set(err, COX_ENOMEM,
                           "regressor: out of memory for the order of %" PRId64 " rows", n);
    for (int64_t i = 0; i < n; i++)
        if (is_held_out(f, j, i))
            j->held_out[j->n_held_out++] = (int)i;
        else
            for (int t = times_seen(f, j, i); t > 0; t--)
                j->train[j->n_train++] = (int)i;
    if (j->n_train == 0) {
        j->n_held_out = 0;
        for (int64_t i = 0; i < n; i++)
            j->train[j->n_train++] = (int)i;
    }
    return COX_OK;
}

static int fit_init(struct fit *f, struct cox_err *err)
{
    struct cox_regressor *r = f->regressor;
    int rc = cox_regressor_scale_init(&f->inputs, r->n_in, err);
    if (rc == COX_OK)
        rc = cox_regressor_scale_init(&f->outputs, r->n_out, err);
    f->jobs = cox_alloc((size_t)r->options.members, sizeof f->jobs[0]);
    if (rc == COX_OK && !f->jobs)
        rc = cox_err_set(err, COX_ENOMEM, "regressor: out of memory");
    for (int i = 0; i < r->options.members && rc == COX_OK; i++) {
        struct job *j = &f->jobs[i];
        j->member = &r->members[i];
        j->train_loss = j->valid_loss = (double)NAN;
        rc = snapshot_init(&j->before, j->member->params, err);
        if (rc == COX_OK && f->options->patience > 0)
            rc = snapshot_init(&j->best, j->member->params, err);
        if (rc == COX_OK)
            rc = cox_regressor_batch_init(&j->batch, r, err);
    }
    return rc;
}

static void fit_deinit(struct fit *f)
{
    for (int i = 0; f->jobs && i < f->regressor->options.members; i++) {
        struct job *j = &f->jobs[i];
        snapshot_deinit(&j->before);
        snapshot_deinit(&j->best);
        cox_regressor_batch_deinit(&j->batch);
        cox_free(j->train);
        cox_free(j->order);
        cox_free(j->held_out);
    }
    cox_free(f->jobs);
    cox_regressor_rows_deinit(&f->rows);
    cox_regressor_scale_deinit(&f->inputs);
    cox_regressor_scale_deinit(&f->outputs);
}

/* Fresh weights and ranges, or the old ones widened. Everything that can still fail comes before
 * or is undone by put_back. */
static int prepare(struct fit *f, const struct cox_regressor_data *data, bool warm,
                   struct cox_err *err)
{
    struct cox_regressor *r = f->regressor;
    cox_regressor_scale_copy(&f->inputs, &r->inputs);
    cox_regressor_scale_copy(&f->outputs, &r->outputs);
    for (int i = 0; i < r->options.members; i++)
        snapshot_take(&f->jobs[i].before, &r->members[i]);
    if (!warm) {
        cox_regressor_scale_clear(&r->inputs);
        cox_regressor_scale_clear(&r->outputs);
    }
    cox_regressor_scale_widen(&r->inputs, data->n, data->x, false);
    cox_regressor_scale_widen(&r->outputs, data->n, data->y,
                              r->options.scaling == COX_REGRESSOR_WHOLE_PROFILE);
    for (int i = 0; i < r->options.members; i++)
        if (warm)
            cox_regressor_reexpress(r, &r->members[i], &f->inputs, &f->outputs);
        else
            cox_regressor_member_draw(&r->members[i]);
    int rc = cox_regressor_rows_init(&f->rows, r, data, err);
    for (int i = 0; i < r->options.members && rc == COX_OK; i++)
        rc = choose_rows(f, &f->jobs[i], err);
    return rc;
}

static void put_back(struct fit *f)
{
    struct cox_regressor *r = f->regressor;
    cox_regressor_scale_copy(&r->inputs, &f->inputs);
    cox_regressor_scale_copy(&r->outputs, &f->outputs);
    for (int i = 0; i < r->options.members; i++)
        snapshot_restore(&f->jobs[i].before, &r->members[i]);
}

static bool stopped(const struct fit *f)
{
    return f->options->stop && atomic_load(f->options->stop) != 0;
}

static int diverged(const struct fit *f, const struct job *j, double loss, struct cox_err *err)
{
    return cox_err_set(err, COX_EUNSTABLE,
                       "regressor: training diverged: the loss of member %d became %g in epoch %d "
                       "(learning rate %g); the model was put back to its state before this fit",
                       (int)(j - f->jobs), loss, j->epochs + 1,
                       f->regressor->options.learning_rate);
}

static double held_out_loss(const struct fit *f, struct job *j)
{
    const int most = f->regressor->options.batch;
    double loss = 0, weights = 0, w;
    for (int first = 0; first < j->n_held_out; first += most) {
        const int n = j->n_held_out - first < most ? j->n_held_out - first : most;
        cox_regressor_gather(f->regressor, &j->batch, &f->rows, j->held_out + first, n);
        loss += cox_regressor_loss(f->regressor, j->member, &j->batch, n, f->rows.mean_weight,
                                   false, &w);
        weights += w;
    }
    return weights > 0 ? loss / weights : (double)NAN;
}

static int train_epoch(const struct fit *f, struct job *j, struct cox_err *err)
{
    const struct cox_regressor *r = f->regressor;
    struct cox_regressor_member *m = j->member;
    const int most = r->options.batch, epochs = f->options->epochs;
    const double fall = epochs > 1 ? 0.5 * (1 + cos(M_PI * j->epochs / (epochs - 1))) : 1;
    struct cox_rng rng;
    double loss = 0, weights = 0;
    m->optimizer.learning_rate =
        r->options.learning_rate * (f->options->final_rate + (1 - f->options->final_rate) * fall);
    memcpy(j->order, j->train, (size_t)j->n_train * sizeof(int));
    cox_rng_init(&rng, cox_seed_mix(m->seed, SALT_ORDER), (uint64_t)m->optimizer.steps);
    cox_rng_shuffle(&rng, j->order, j->n_train);
    for (int first = 0; first < j->n_train; first += most) {
        const int n = j->n_train - first < most ? j->n_train - first : most;
        double w;
        if (stopped(f))
            return cox_err_set(err, COX_ECANCELLED, "regressor: training was stopped");
        cox_regressor_gather(r, &j->batch, &f->rows, j->order + first, n);
        loss += cox_regressor_loss(r, m, &j->batch, n, f->rows.mean_weight, true, &w);
        weights += w;
        if (!isfinite(loss))
            return diverged(f, j, loss, err);
        cox_optimizer_step(&m->optimizer, m->params, r->kernels, NULL);
        j->steps++;
    }
    if (!r->kernels->finite((size_t)m->params->floats, m->params->value))
        return diverged(f, j, (double)NAN, err);
    j->train_loss = weights > 0 ? loss / weights : 0;
    return COX_OK;
}

/* One epoch of a member and what follows from it: its best weights, its end. */
static int advance(const struct fit *f, struct job *j, struct cox_err *err)
{
    const int patience = f->options->patience;
    if (j->epochs == 0 && patience > 0 && j->n_held_out > 0) {
        /* going back may mean where it began: more training need not help a warm model */
        j->best_loss = j->valid_loss = held_out_loss(f, j);
        j->best_train_loss = (double)NAN;
        snapshot_take(&j->best, j->member);
    }
    const int rc = train_epoch(f, j, err);
    if (rc)
        return rc;
    j->epochs++;
    j->done = j->epochs == f->options->epochs;
    j->valid_loss = held_out_loss(f, j);
    if (isinf(j->valid_loss))
        return diverged(f, j, j->valid_loss, err);
    if (patience == 0 || isnan(j->valid_loss))
        return COX_OK;
    if (j->valid_loss < j->best_loss) {
        j->best_loss = j->valid_loss;
        j->best_train_loss = j->train_loss;
        j->best_epoch = j->epochs;
        snapshot_take(&j->best, j->member);
    }
    j->done = j->done || j->epochs - j->best_epoch >= patience;
    return COX_OK;
}

static struct job *take(struct fit *f)
{
    struct job *behind = NULL;
    for (int i = 0; i < f->regressor->options.members && f->status == COX_OK; i++) {
        struct job *j = &f->jobs[i];
        if (!j->busy && !j->done && (!behind || j->epochs < behind->epochs))
            behind = j;
    }
    if (behind)
        behind->busy = true;
    return behind;
}

/* A thread that finds no free member goes home: each one in work is put back by its own thread,
 * which then takes the next. */
static void work(void *user, int item, int thread)
{
    struct fit *f = user;
    struct job *j;
    (void)item;
    (void)thread;
    pthread_mutex_lock(&f->lock);
    while ((j = take(f)) != NULL) {
        struct cox_err err = COX_ERR_INIT;
        pthread_mutex_unlock(&f->lock);
        const int rc = advance(f, j, &err);
        pthread_mutex_lock(&f->lock);
        j->busy = false;
        if (rc && f->status == COX_OK) {
            f->status = rc;
            if (f->err)
                *f->err = err;
        }
        if (rc == COX_OK && f->options->progress)
            f->options->progress(f->options->user,
                                 &(struct cox_regressor_epoch){.member = (int)(j - f->jobs),
                                                               .epoch = j->epochs - 1,
                                                               .train_loss = j->train_loss,
                                                               .valid_loss = j->valid_loss});
    }
    pthread_mutex_unlock(&f->lock);
}

static int train(struct fit *f, struct cox_err *err)
{
    const struct cox_regressor *r = f->regressor;
    const int threads = r->team ? cox_team_threads(r->team) : 1;
    f->status = COX_OK;
    f->err = err;
    if (pthread_mutex_init(&f->lock, NULL))
        return cox_err_set(err, COX_ENOMEM, "regressor: cannot make a lock");
    cox_team_run(r->team, threads < r->options.members ? threads : r->options.members, work, f);
    pthread_mutex_destroy(&f->lock);
    for (int i = 0; i < r->options.members; i++) {
        struct job *j = &f->jobs[i];
        j->member->optimizer.learning_rate = r->options.learning_rate;
        if (f->status != COX_OK || f->options->patience == 0 || j->n_held_out == 0)
            continue;
        snapshot_restore(&j->best, j->member);
        j->train_loss = j->best_train_loss;
        j->valid_loss = j->best_loss;
    }
    return f->status;
}

static void summarise(const struct fit *f, struct cox_regressor_result *result)
{
    const int members = f->regressor->options.members;
    int with_train = 0, with_valid = 0;
    double train_loss = 0, valid_loss = 0;
    for (int i = 0; f->jobs && i < members; i++) {
        const struct job *j = &f->jobs[i];
        result->epochs = j->epochs > result->epochs ? j->epochs : result->epochs;
        result->steps += j->steps;
        if (!isnan(j->train_loss)) {
            train_loss += j->train_loss;
            with_train++;
        }
        if (!isnan(j->valid_loss)) {
            valid_loss += j->valid_loss;
            with_valid++;
        }
    }
    result->train_loss = with_train ? train_loss / with_train : (double)NAN;
    result->valid_loss = with_valid ? valid_loss / with_valid : (double)NAN;
}

int cox_regressor_fit(struct cox_regressor *r, const struct cox_regressor_data *data,
                      const struct cox_regressor_fit_options *options,
                      struct cox_regressor_result *result, struct cox_err *err)
{
    const struct cox_regressor_fit_options defaults = COX_REGRESSOR_FIT_OPTIONS_INIT;
    struct fit f = {.regressor = r, .options = options ? options : &defaults};
    const double began = cox_clock_seconds();
    const bool warm = f.options->warm && r->trained;
    struct cox_regressor_result sum = {.warm = warm};
    int rc = check_options(f.options, err);
    if (rc == COX_OK)
        rc = check_data(r, data, err);
    if (rc == COX_OK)
        rc = fit_init(&f, err);
    if (rc == COX_OK) {
        rc = prepare(&f, data, warm, err);
        if (rc == COX_OK)
            rc = train(&f, err);
        if (rc != COX_OK && !(rc == COX_ECANCELLED && warm))
            put_back(&f);
    }
    if (rc == COX_OK || (rc == COX_ECANCELLED && warm)) {
        r->trained = true;
        r->fits = warm ? r->fits + 1 : 1;
        r->rows = data->n;
    }
    summarise(&f, &sum);
    sum.seconds = cox_clock_seconds() - began;
    if (result)
        *result = sum;
    fit_deinit(&f);
    return rc;
}
