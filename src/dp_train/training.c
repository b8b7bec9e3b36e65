/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting a training up: input, data, lists of neighbours, statistics, model. */
#include "dp_train/training.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"
#include "dp_train/create.h"
#include "dp_train/statistics.h"
#include "potential/dp_file.h"

void cox_dp_training_note(const struct cox_dp_training *t, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    if (!t->hooks->note)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    t->hooks->note(t->hooks->user, text);
}

void cox_dp_training_deinit(struct cox_dp_training *t)
{
    cox_dp_gradient_destroy(t->plan);
    if (t->train_lists.systems)
        cox_dp_lists_deinit(&t->train_lists);
    if (t->validate_lists.systems)
        cox_dp_lists_deinit(&t->validate_lists);
    cox_dp_systems_deinit(&t->train);
    cox_dp_systems_deinit(&t->validate);
    cox_dp_model_destroy(t->model);
    cox_team_destroy(t->team);
    void *blocks[] = {t->adam.mean, t->adam.square, t->x, t->gradient, t->frames};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_arena_destroy(t->arena);
}

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for the training");
}

/* ---- input and checkpoints ---- */

static int choose_seed(struct cox_dp_training *t, int64_t checkpoint, struct cox_err *err)
{
    int64_t *seed = &t->input->training.seed;
    if (checkpoint >= 0)
        return cox_dp_checkpoint_seed(seed, t->input->training.save_ckpt, checkpoint, err);
    if (*seed == COX_CONFIG_UNSET64) {
        uint64_t now = (uint64_t)(cox_clock_unix() * 1e6);
        *seed = (int64_t)(cox_seed_mix(now, (uint64_t)getpid()) % 1000000000);
    }
    return COX_OK;
}

/* The checkpoint to go on from, −1: begin anew. */
static int find_checkpoint(struct cox_dp_training *t, int64_t *checkpoint, struct cox_err *err)
{
    const char *prefix = t->input->training.save_ckpt;
    int rc = cox_dp_checkpoint_find(checkpoint, prefix, err);
    if (rc)
        return rc;
    if (t->options->start == COX_DP_TRAIN_RESTART) {
        if (*checkpoint < 0)
            return cox_err_set(err, COX_ENOTFOUND,
                               "there is no checkpoint to restart from: no '%s-*.state'", prefix);
        return COX_OK;
    }
    if (*checkpoint >= 0 && !t->options->overwrite)
        return cox_err_set(
            err, COX_EEXISTS,
            "there are checkpoints of another training here ('%s-%lld.state'): go on "
            "with it by --restart, or throw it away by --overwrite",
            prefix, (long long)*checkpoint);
    rc = *checkpoint >= 0 ? cox_dp_checkpoint_clear(prefix, err) : COX_OK;
    *checkpoint = -1;
    return rc;
}

/* ---- data ---- */

static int64_t list_bytes(const struct cox_dp_training *t)
{
    if (t->options->list_bytes)
        return t->options->list_bytes;
    int64_t pages = sysconf(_SC_PHYS_PAGES);
    int64_t size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? pages / 4 * size : (int64_t)1 << 30;
}

static int read_systems(struct cox_dp_training *t, struct cox_err *err)
{
    const struct cox_dp_input_training *in = &t->input->training;
    int rc = cox_dp_systems_read(&t->train, &in->data, t->model, (uint64_t)in->seed, err);
    if (rc)
        return cox_err_wrap(err, rc, "training data");
    rc = cox_dp_systems_check(&t->train, t->input, err);
    if (!rc && cox_dp_input_validates(t->input)) {
        uint64_t seed = cox_seed_mix((uint64_t)in->seed, 2);
        rc = cox_dp_systems_read(&t->validate, &in->validation, t->model, seed, err);
        if (rc)
            return cox_err_wrap(err, rc, "validation data");
        rc = cox_dp_systems_fparam(&t->validate, t->input, err);
    }
    for (int i = 0; !rc && i < t->train.n && i < 20; i++) {
        const struct cox_dp_system *s = &t->train.system[i];
        cox_dp_training_note(t, "%s: %d atoms, %lld frames, %d a step, drawn with %.3g",
                             s->data->path, s->data->n_atoms, (long long)s->data->n, s->batch,
                             s->share);
    }
    return rc;
}

static void tell_overflow(struct cox_dp_training *t, const struct cox_dp_lists_survey *survey)
{
    for (int d = 0; d < t->model->n_descriptors; d++)
        for (int k = 0; k < t->model->n_types; k++)
            if (survey->most[k] > t->model->descriptor[d].sel[k]) {
                int64_t frame = survey->most_frame[k];
                int i = 0;
                while (i + 1 < t->train.n && t->train.system[i + 1].first_frame <= frame)
                    i++;
                cox_dp_training_note(
                    t,
                    "warning: up to %d neighbours of type %s, sel has %d: the farthest are left "
                    "out (first in '%s', frame %lld)",
                    survey->most[k], t->model->type_name[k], t->model->descriptor[d].sel[k],
                    t->train.system[i].data->path,
                    (long long)(frame - t->train.system[i].first_frame));
                t->overflow_told = true;
            }
}

static int build_lists(struct cox_dp_training *t, struct cox_dp_lists_survey *survey,
                       struct cox_err *err)
{
    int64_t bytes = list_bytes(t);
    *survey = (struct cox_dp_lists_survey){0};
    int rc = cox_dp_lists_build(&t->train_lists, survey, &t->train, t->model, bytes, t->team, err);
    if (rc || !t->validate.n)
        return rc;
    return cox_dp_lists_build(&t->validate_lists, NULL, &t->validate, t->model,
                              bytes - t->train_lists.bytes, t->team, err);
}

/* ---- model ---- */

static int begin_anew(struct cox_dp_training *t, const struct cox_dp_lists_survey *survey,
                      struct cox_err *err)
{
    cox_dp_model_set_sel(t->model, t->input, survey->most);
    int rc = cox_dp_statistics_environment(t->model, t->input, &t->train_lists, err);
    if (!rc)
        rc = cox_dp_statistics_bias(t->model, t->input, &t->train, err);
    cox_dp_statistics_fparam(t->model, t->input, &t->train);
    t->model->min_distance = survey->min_distance;
    return rc;
}

static int begin_from(struct cox_dp_training *t, const char *path,
                      const struct cox_dp_lists_survey *survey, struct cox_err *err)
{
    struct cox_dp_model *from = NULL;
    int rc = cox_dp_model_read(&from, path, err);
    if (!rc)
        rc = cox_dp_model_adopt(t->model, from, err);
    cox_dp_model_destroy(from);
    if (rc)
        return cox_err_wrap(err, rc, "beginning with '%s'", path);
    if (t->options->start == COX_DP_TRAIN_RESTART)
        return COX_OK;
    if (survey->min_distance > 0 &&
        (t->model->min_distance <= 0 || survey->min_distance < t->model->min_distance))
        t->model->min_distance = survey->min_distance;
    if (t->options->start == COX_DP_TRAIN_FINETUNE)
        rc = cox_dp_statistics_shift(t->model, t->input, &t->train_lists, t->team, err);
    return rc;
}

static int make_model(struct cox_dp_training *t, int64_t checkpoint,
                      const struct cox_dp_lists_survey *survey, struct cox_err *err)
{
    char path[PATH_MAX];
    cox_dp_checkpoint_model(path, sizeof path, t->input->training.save_ckpt, checkpoint);
    int rc = cox_dp_model_draw(t->model, t->input, err);
    if (!rc && t->options->start == COX_DP_TRAIN_NEW)
        rc = begin_anew(t, survey, err);
    else if (!rc)
        rc = begin_from(t, checkpoint >= 0 ? path : t->options->from, survey, err);
    if (!rc)
        rc = cox_dp_model_check(t->model, err);
    if (rc)
        return rc;
    bool f32 = cox_dp_input_f32(t->input);
    for (int d = 0; d < t->model->n_descriptors; d++)
        t->model->descriptor[d].trained_f32 = f32;
    t->model->fit_trained_f32 = f32;
    tell_overflow(t, survey);
    return COX_OK;
}

static int write_effective(struct cox_dp_training *t, struct cox_err *err)
{
    char *text;
    int rc = cox_dp_input_json(&text, t->input, t->model, err);
    if (rc)
        return rc;
    t->model->training_script = cox_arena_strdup(t->model->arena, text);
    if (!t->model->training_script)
        rc = no_memory(err);
    if (!rc && t->options->effective)
        rc = cox_file_replace(t->options->effective, text, strlen(text), err);
    cox_free(text);
    return rc;
}

/* ---- vectors ---- */

static int make_vectors(struct cox_dp_training *t, struct cox_err *err)
{
    size_t n = (size_t)cox_dp_model_parameters(t->model);
    int batch = t->train.largest_batch;
    if (t->validate.largest_batch > batch)
        batch = t->validate.largest_batch;
    t->adam = (struct cox_dp_adam){
        .beta1 = t->input->optimizer.beta1,
        .beta2 = t->input->optimizer.beta2,
        .epsilon = 1e-8,
        .n = n,
        .mean = cox_alloc(n, sizeof(double)),
        .square = cox_alloc(n, sizeof(double)),
    };
    t->x = cox_alloc(n, sizeof *t->x);
    t->gradient = cox_alloc(n, sizeof *t->gradient);
    t->frames = cox_alloc((size_t)batch, sizeof *t->frames);
    if (!t->adam.mean || !t->adam.square || !t->x || !t->gradient || !t->frames)
        return no_memory(err);
    cox_dp_parameters_get(t->x, t->model);
    return cox_dp_gradient_create(
        &t->plan, t->model, cox_dp_input_f32(t->input) ? COX_DP_F32 : COX_DP_F64, t->team, err);
}

static int load_checkpoint(struct cox_dp_training *t, int64_t checkpoint, struct cox_err *err)
{
    struct cox_dp_state state = {
        .adam = &t->adam, .training = &t->train, .validation = t->validate.n ? &t->validate : NULL};
    int rc = cox_dp_checkpoint_read(&state, t->input->training.save_ckpt, checkpoint, err);
    t->step = checkpoint;
    if (!rc && t->step > t->input->training.numb_steps)
        rc = cox_err_set(err, COX_EINVAL, "the checkpoint has %lld steps, but 'numb_steps' is %lld",
                         (long long)t->step, (long long)t->input->training.numb_steps);
    return rc;
}

static void describe_curve(struct cox_dp_training *t)
{
    const struct cox_dp_input_loss *l = &t->input->loss;
    t->curve = (struct cox_dp_lcurve){
        .path = t->input->training.disp_file,
        .energy = l->start_e > 0 || l->limit_e > 0,
        .force = l->start_f > 0 || l->limit_f > 0,
        .virial = l->start_v > 0 || l->limit_v > 0,
        .validation = t->validate.n > 0,
    };
}

int cox_dp_training_init(struct cox_dp_training *t, struct cox_err *err)
{
    struct cox_dp_lists_survey survey;
    int64_t checkpoint = -1;
    t->arena = cox_arena_create();
    t->input = t->arena ? cox_arena_alloc(t->arena, 1, sizeof *t->input) : NULL;
    if (!t->input)
        return no_memory(err);
    int rc = cox_dp_input_load(t->input, t->options->input, t->arena, err);
    if (!rc)
        rc = find_checkpoint(t, &checkpoint, err);
    if (!rc)
        rc = choose_seed(t, checkpoint, err);
    if (!rc)
        rc = cox_dp_model_outline(&t->model, t->input, err);
    if (!rc)
        rc = cox_team_create(&t->team, t->options->threads, err);
    if (!rc)
        rc = read_systems(t, err);
    if (!rc)
        rc = build_lists(t, &survey, err);
    if (!rc)
        rc = make_model(t, checkpoint, &survey, err);
    if (!rc)
        rc = write_effective(t, err);
    if (!rc)
        rc = make_vectors(t, err);
    if (rc)
        return rc;
    describe_curve(t);
    if (checkpoint < 0)
        return cox_dp_lcurve_begin(&t->curve, err);
    rc = load_checkpoint(t, checkpoint, err);
    return rc ? rc : cox_dp_lcurve_cut(&t->curve, t->step, err);
}
