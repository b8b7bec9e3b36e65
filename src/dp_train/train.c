/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps. Row k of the learning curve has the errors after k steps; those of the training data
 * are of the batch that the next step takes, which that step computes anyway. */
#include "dp_train/train.h"

#include <math.h>

#include "base/clock.h"
#include "dp_train/schedule.h"
#include "dp_train/training.h"
#include "potential/dp_file.h"

/* The frames of a batch with what is known of them. */
static int gather(struct cox_dp_training *t, struct cox_dp_lists *lists,
                  const struct cox_dp_batch *batch, struct cox_err *err)
{
    const struct cox_dp_data *d = lists->systems->system[batch->system].data;
    for (int k = 0; k < batch->n; k++) {
        struct cox_dp_frame *f = &t->frames[k];
        int64_t i = batch->frame[k];
        *f = (struct cox_dp_frame){0};
        f->atoms.type = cox_dp_data_types(d, i, &f->atoms.n);
        f->atoms.n_all = f->atoms.n;
        f->fparam = t->model->n_fparam ? d->fparam + i * d->n_fparam : NULL;
        f->energy = d->energy ? d->energy + i : NULL;
        f->force = d->force ? (const double(*)[3])(d->force + i * d->n_atoms * 3) : NULL;
        f->virial = d->virial ? (const double(*)[3])(d->virial + i * 9) : NULL;
        int rc = cox_dp_lists_get(&f->list, lists, batch->system, (int)i, k, err);
        if (rc)
            return rc;
    }
    return COX_OK;
}

static int compute(struct cox_dp_training *t, double *gradient, struct cox_dp_losses *losses,
                   struct cox_dp_lists *lists, const struct cox_dp_batch *batch, int64_t step,
                   struct cox_err *err)
{
    struct cox_dp_prefactors p = cox_dp_prefactors_at(t->input, step);
    const char *path = lists->systems->system[batch->system].data->path;
    int rc = gather(t, lists, batch, err);
    if (!rc)
        rc = cox_dp_gradient_compute(t->plan, gradient, losses, t->x, t->frames, batch->n, &p, err);
    if (!rc && !isfinite(losses->loss))
        return cox_err_set(
            err, COX_EUNSTABLE,
            "step %lld: the loss is %g ('%s', frame %d); a smaller start_lr may help",
            (long long)step, losses->loss, path, batch->frame[0]);
    if (!rc && losses->overflow && !t->overflow_told) {
        cox_dp_training_note(t, "warning: more neighbours than sel has room for in '%s'", path);
        t->overflow_told = true;
    }
    return rc;
}

/* ---- rows ---- */

/* Sums of mean squares over batches, each by its number of frames. */
struct sums {
    double n[4], square[4];
};

static void add_losses(struct sums *s, const struct cox_dp_losses *l, const struct cox_dp_data *d,
                       int frames)
{
    const double squares[4] = {l->loss, l->energy2, l->force2, l->virial2};
    const bool there[4] = {true, d->energy != NULL, d->force != NULL, d->virial != NULL};
    for (int k = 0; k < 4; k++)
        if (there[k]) {
            s->n[k] += frames;
            s->square[k] += frames * squares[k];
        }
}

static struct cox_dp_errors errors_of(const struct sums *s)
{
    double e[4];
    for (int k = 0; k < 4; k++)
        e[k] = s->n[k] > 0 ? sqrt(s->square[k] / s->n[k]) : NAN;
    return (struct cox_dp_errors){e[0], e[1], e[2], e[3]};
}

static int validate(struct cox_dp_training *t, struct cox_dp_errors *out, struct cox_err *err)
{
    struct sums sums = {{0}, {0}};
    struct cox_dp_losses losses;
    int rc = COX_OK;
    for (int k = 0; !rc && k < t->input->training.validation.numb_btch; k++) {
        struct cox_dp_batch batch;
        int64_t draw = t->step * t->input->training.validation.numb_btch + k;
        cox_dp_systems_draw(&batch, &t->validate, draw);
        rc = compute(t, NULL, &losses, &t->validate_lists, &batch, t->step, err);
        if (!rc)
            add_losses(&sums, &losses, t->validate.system[batch.system].data, batch.n);
    }
    *out = errors_of(&sums);
    return rc;
}

/* A row of the state as it is, with the losses of the batch that comes next. */
static int add_row(struct cox_dp_training *t, struct cox_dp_row *row,
                   const struct cox_dp_losses *losses, const struct cox_dp_batch *batch,
                   struct cox_err *err)
{
    struct sums sums = {{0}, {0}};
    int rc = COX_OK;
    add_losses(&sums, losses, t->train.system[batch->system].data, batch->n);
    *row = (struct cox_dp_row){.step = t->step,
                               .rate = cox_dp_rate_at(&t->input->rate, t->step),
                               .validated = t->validate.n > 0,
                               .training = errors_of(&sums)};
    if (row->validated)
        rc = validate(t, &row->validation, err);
    return rc ? rc : cox_dp_lcurve_add(&t->curve, row, err);
}

/* ---- steps ---- */

static int save(struct cox_dp_training *t, struct cox_err *err)
{
    struct cox_dp_state state = {.step = t->step,
                                 .seed = t->input->training.seed,
                                 .adam = &t->adam,
                                 .training = &t->train,
                                 .validation = t->validate.n ? &t->validate : NULL};
    cox_dp_parameters_set(t->model, t->x);
    int rc = cox_dp_checkpoint_write(t->input->training.save_ckpt, &state, t->model,
                                     t->input->training.max_ckpt_keep, err);
    return rc ? rc : cox_dp_model_write(t->model, t->options->model, err);
}

static int one_step(struct cox_dp_training *t, struct cox_dp_row *row, bool *fresh,
                    struct cox_err *err)
{
    struct cox_dp_batch batch;
    struct cox_dp_losses losses;
    cox_dp_systems_draw(&batch, &t->train, t->step);
    int rc = compute(t, t->gradient, &losses, &t->train_lists, &batch, t->step, err);
    *fresh = !rc && t->step % t->input->training.disp_freq == 0;
    if (*fresh)
        rc = add_row(t, row, &losses, &batch, err);
    if (rc)
        return rc;
    if (t->input->training.gradient_max_norm > 0)
        cox_dp_gradient_clip(t->gradient, t->adam.n, t->input->training.gradient_max_norm);
    cox_dp_adam_step(&t->adam, t->x, t->gradient, cox_dp_rate_at(&t->input->rate, t->step),
                     t->step + 1, t->team);
    t->step++;
    return COX_OK;
}

/* The last row: of a batch that no step takes any more. Nothing remembers that it was drawn. */
static int last_row(struct cox_dp_training *t, struct cox_dp_row *row, struct cox_err *err)
{
    struct cox_dp_batch batch;
    struct cox_dp_losses losses;
    cox_dp_systems_draw(&batch, &t->train, t->step);
    int rc = compute(t, NULL, &losses, &t->train_lists, &batch, t->step, err);
    t->train.system[batch.system].drawn--;
    return rc ? rc : add_row(t, row, &losses, &batch, err);
}

static void tell(const struct cox_dp_training *t, const struct cox_dp_train_outcome *o, bool fresh,
                 bool any)
{
    if (!t->hooks->progress)
        return;
    struct cox_dp_train_progress p = {.step = t->step,
                                      .steps = t->input->training.numb_steps,
                                      .row = any ? &o->row : NULL,
                                      .fresh = fresh};
    if (o->seconds > 0 && t->step > o->first) {
        p.steps_per_s = (double)(t->step - o->first) / o->seconds;
        p.eta_s = (double)(p.steps - p.step) / p.steps_per_s;
    }
    t->hooks->progress(t->hooks->user, &p);
}

static int steps(struct cox_dp_training *t, struct cox_dp_train_outcome *o, struct cox_err *err)
{
    const struct cox_dp_input_training *in = &t->input->training;
    double began = cox_clock_seconds();
    int64_t saved = t->step;
    bool any = false;
    bool stop = false;
    int rc = COX_OK;
    while (!rc && t->step < in->numb_steps && !stop) {
        bool fresh = false;
        rc = one_step(t, &o->row, &fresh, err);
        any |= fresh;
        o->seconds = cox_clock_seconds() - began;
        o->step = t->step;
        if (!rc)
            tell(t, o, fresh, any);
        stop = t->hooks->stop && atomic_load(t->hooks->stop);
        if (!rc && (t->step % in->save_freq == 0 || t->step == in->numb_steps || stop)) {
            rc = save(t, err);
            saved = t->step;
        }
    }
    if (rc)
        return rc;
    if (stop && t->step < in->numb_steps)
        return cox_err_set(err, COX_ECANCELLED, "interrupted after step %lld; --restart goes on",
                           (long long)saved);
    rc = last_row(t, &o->row, err);
    if (!rc)
        tell(t, o, true, true);
    return rc;
}

int cox_dp_train(struct cox_dp_train_outcome *outcome, const struct cox_dp_train_options *options,
                 const struct cox_dp_train_hooks *hooks, struct cox_err *err)
{
    struct cox_dp_training t = {.options = options, .hooks = hooks};
    *outcome = (struct cox_dp_train_outcome){0};
    int rc = cox_dp_training_init(&t, err);
    if (!rc) {
        outcome->first = outcome->step = t.step;
        outcome->seed = t.input->training.seed;
        cox_dp_training_note(&t, "%zu parameters, %d threads, seed %lld, steps %lld to %lld",
                             t.adam.n, cox_team_threads(t.team), (long long)outcome->seed,
                             (long long)t.step, (long long)t.input->training.numb_steps);
        rc = steps(&t, outcome, err);
    }
    cox_dp_training_deinit(&t);
    return rc;
}
