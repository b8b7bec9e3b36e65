/* SPDX-License-Identifier: BSD-3-Clause */
/* Training: split, epochs, validation, stopping. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "learn/cvae_net.h"

/* Streams of random numbers derived from the model's seed. */
enum { SALT_SPLIT = 0x51, SALT_ORDER = 0x52, SALT_NOISE = 0x53, SALT_VALID = 0x54 };

/* Weights, optimiser state and step count at one moment. */
struct snapshot {
    float *blocks[3];
    int64_t steps;
};

struct fit {
    struct cox_cvae *cvae;
    const struct cox_cvae_maps *maps;
    const struct cox_cvae_fit_options *options;
    int *split;    /* [n] permuted: the first n_train are for training */
    int *order;    /* [n_train] of this epoch, indices of maps */
    int64_t *rows; /* [options.batch] */
    int n_train, n_valid;
    struct snapshot before, best; /* best: only with keep_best */
};

static void snapshot_deinit(struct snapshot *s)
{
    for (int i = 0; i < 3; i++)
        cox_free(s->blocks[i]);
}

static int snapshot_init(struct snapshot *s, const struct cox_params *p, struct cox_err *err)
{
    for (int i = 0; i < 3; i++)
        if (!(s->blocks[i] = cox_alloc((size_t)p->floats, sizeof(float))))
            return cox_err_set(err, COX_ENOMEM, "CVAE: out of memory for a copy of the weights");
    return COX_OK;
}

static float *parameter_block(const struct cox_params *p, int i)
{
    return i == 0 ? p->value : p->state[i - 1];
}

static void snapshot_take(struct snapshot *s, const struct cox_cvae *c)
{
    for (int i = 0; i < 3; i++)
        memcpy(s->blocks[i], parameter_block(c->params, i),
               (size_t)c->params->floats * sizeof(float));
    s->steps = c->optimizer.steps;
}

static void snapshot_restore(const struct snapshot *s, struct cox_cvae *c)
{
    for (int i = 0; i < 3; i++)
        memcpy(parameter_block(c->params, i), s->blocks[i],
               (size_t)c->params->floats * sizeof(float));
    c->optimizer.steps = s->steps;
}

static int64_t row_of(const struct cox_cvae_maps *maps, int64_t i)
{
    return maps->rows ? maps->rows[i] : i;
}

static int check(const struct cox_cvae_maps *maps, const struct cox_cvae_fit_options *o,
                 struct cox_err *err)
{
    if (maps->n < 1 || maps->n > INT32_MAX)
        return cox_err_set(err, COX_EINVAL, "CVAE: %lld maps to train on, allowed are 1 to %d",
                           (long long)maps->n, INT32_MAX);
    if (o->epochs < 1)
        return cox_err_set(err, COX_EINVAL, "CVAE: %d epochs, at least 1 is needed", o->epochs);
    if (!(o->valid_fraction >= 0 && o->valid_fraction < 1))
        return cox_err_set(err, COX_EINVAL, "CVAE: valid_fraction is %g, allowed is 0 <= f < 1",
                           o->valid_fraction);
    if (o->patience < 0)
        return cox_err_set(err, COX_EINVAL, "CVAE: patience is %d, allowed is >= 0", o->patience);
    return COX_OK;
}

static int fit_init(struct fit *f, struct cox_err *err)
{
    const struct cox_cvae *c = f->cvae;
    const int n = (int)f->maps->n;
    struct cox_rng rng;
    /* at least one map is left to train on; rounding down keeps tiny sets for training */
    f->n_valid = (int)(f->options->valid_fraction * n);
    f->n_train = n - f->n_valid;
    f->split = cox_alloc((size_t)n, sizeof(int));
    f->order = cox_alloc((size_t)f->n_train, sizeof(int));
    f->rows = cox_alloc((size_t)c->options.batch, sizeof(int64_t));
    if (!f->split || !f->order || !f->rows)
        return cox_err_set(err, COX_ENOMEM, "CVAE: out of memory for the order of %d maps", n);
    for (int i = 0; i < n; i++)
        f->split[i] = i;
    cox_rng_init(&rng, cox_seed_mix(c->options.seed, SALT_SPLIT), (uint64_t)c->optimizer.steps);
    cox_rng_shuffle(&rng, f->split, n);
    int rc = snapshot_init(&f->before, c->params, err);
    if (rc == COX_OK && f->options->keep_best)
        rc = snapshot_init(&f->best, c->params, err);
    if (rc == COX_OK)
        snapshot_take(&f->before, c);
    return rc;
}

static void fit_deinit(struct fit *f)
{
    cox_free(f->split);
    cox_free(f->order);
    cox_free(f->rows);
    snapshot_deinit(&f->before);
    snapshot_deinit(&f->best);
}

/* The next batch of `order` from `first`: its size. */
static int fill_batch(struct fit *f, const int *order, int n, int first)
{
    const int batch = f->cvae->options.batch, count = n - first < batch ? n - first : batch;
    for (int i = 0; i < count; i++)
        f->rows[i] = row_of(f->maps, order[first + i]);
    return count;
}

static bool cancelled(const struct fit *f)
{
    return f->options->cancel && atomic_load(f->options->cancel) != 0;
}

static int diverged(struct fit *f, const struct cox_cvae_epoch *e, int first, double loss,
                    struct cox_err *err)
{
    snapshot_restore(&f->before, f->cvae);
    return cox_err_set(err, COX_EUNSTABLE,
                       "CVAE: training diverged: the loss became %g in epoch %d after %d maps "
                       "(learning rate %g); the model was put back to its state before this fit",
                       loss, e->epoch + 1, first, f->cvae->options.learning_rate);
}

static int train_epoch(struct fit *f, struct cox_cvae_epoch *e, struct cox_err *err)
{
    struct cox_cvae *c = f->cvae;
    const double began = cox_clock_seconds();
    struct cox_rng rng;
    double total = 0, total_kl = 0;
    memcpy(f->order, f->split, (size_t)f->n_train * sizeof(int));
    cox_rng_init(&rng, cox_seed_mix(c->options.seed, SALT_ORDER), (uint64_t)c->optimizer.steps);
    cox_rng_shuffle(&rng, f->order, f->n_train);
    struct cox_cvae_pass pass = {.maps = f->maps,
                                 .rows = f->rows,
                                 .dropout = true,
                                 .key = cox_seed_mix(c->options.seed, SALT_NOISE)};
    for (int first = 0; first < f->n_train; first += pass.n) {
        double loss, kl;
        if (cancelled(f))
            return cox_err_set(err, COX_ECANCELLED, "CVAE: training was stopped");
        int rc = f->options->pulse ? f->options->pulse(f->options->user, err) : COX_OK;
        if (rc)
            return rc;
        pass.n = fill_batch(f, f->order, f->n_train, first);
        pass.first_stream = (uint64_t)c->optimizer.steps * (uint64_t)c->options.batch;
        cox_cvae_pack(c, true);
        cox_cvae_gradients_batch(c, &pass, &loss, &kl);
        if (!isfinite(loss))
            return diverged(f, e, first, loss, err);
        cox_optimizer_step(&c->optimizer, c->params, c->kernels, c->team);
        total += loss;
        total_kl += kl;
    }
    if (!c->kernels->finite((size_t)c->params->floats, c->params->value))
        return diverged(f, e, f->n_train, (double)NAN, err);
    e->train_loss = total / f->n_train;
    e->train_kl = total_kl / f->n_train;
    e->maps_per_s = f->n_train / (cox_clock_seconds() - began);
    return COX_OK;
}

static int validate(struct fit *f, struct cox_cvae_epoch *e, struct cox_err *err)
{
    struct cox_cvae *c = f->cvae;
    double total = 0, total_kl = 0;
    e->valid_loss = e->valid_kl = (double)NAN;
    if (f->n_valid == 0)
        return COX_OK;
    struct cox_cvae_pass pass = {
        .maps = f->maps, .rows = f->rows, .key = cox_seed_mix(c->options.seed, SALT_VALID)};
    cox_cvae_pack(c, false);
    for (int first = 0; first < f->n_valid; first += pass.n) {
        double loss, kl;
        pass.n = fill_batch(f, f->split + f->n_train, f->n_valid, first);
        pass.first_stream = (uint64_t)first;
        cox_cvae_loss_batch(c, &pass, &loss, &kl);
        total += loss;
        total_kl += kl;
    }
    if (!isfinite(total))
        return diverged(f, e, f->n_train, total, err);
    e->valid_loss = total / f->n_valid;
    e->valid_kl = total_kl / f->n_valid;
    return COX_OK;
}

static int epochs(struct fit *f, struct cox_cvae_result *r, struct cox_err *err)
{
    const struct cox_cvae_fit_options *o = f->options;
    for (int i = 0; i < o->epochs; i++) {
        struct cox_cvae_epoch e = {.epoch = i};
        const double began = cox_clock_seconds();
        int rc = train_epoch(f, &e, err);
        if (rc == COX_OK)
            rc = validate(f, &e, err);
        if (rc)
            return rc;
        e.seconds = cox_clock_seconds() - began;
        const double judged = f->n_valid ? e.valid_loss : e.train_loss;
        if (i == 0 || judged < r->best_loss) {
            r->best_loss = judged;
            r->best_epoch = i;
            if (o->keep_best)
                snapshot_take(&f->best, f->cvae);
        }
        if (i == r->best_epoch || !o->keep_best) {
            r->train_loss = e.train_loss;
            r->valid_loss = e.valid_loss;
        }
        r->epochs = i + 1;
        if (o->history)
            o->history[i] = e;
        if (o->progress)
            o->progress(o->user, &e);
        if (o->patience > 0 && i - r->best_epoch >= o->patience)
            break;
    }
    if (o->keep_best)
        snapshot_restore(&f->best, f->cvae);
    return COX_OK;
}

int cox_cvae_fit(struct cox_cvae *cvae, const struct cox_cvae_maps *maps,
                 const struct cox_cvae_fit_options *options, struct cox_cvae_result *result,
                 struct cox_err *err)
{
    const struct cox_cvae_fit_options defaults = COX_CVAE_FIT_OPTIONS_INIT;
    struct fit f = {.cvae = cvae, .maps = maps, .options = options ? options : &defaults};
    struct cox_cvae_result r = {.valid_loss = (double)NAN};
    const double began = cox_clock_seconds();
    int rc = check(maps, f.options, err);
    if (rc == COX_OK)
        rc = fit_init(&f, err);
    r.train_maps = f.n_train;
    r.valid_maps = f.n_valid;
    if (rc == COX_OK)
        rc = epochs(&f, &r, err);
    r.seconds = cox_clock_seconds() - began;
    if (result)
        *result = r;
    fit_deinit(&f);
    return rc;
}
