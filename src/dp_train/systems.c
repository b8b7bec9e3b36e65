/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/systems.h"

#include <string.h>

#include "base/rng.h"

/* Streams of random numbers of a training. */
#define STREAM_SYSTEM 1     /* which system a step has; counted by the seed's salt */
#define STREAM_SHUFFLE 1000 /* order of a system's frames */

void cox_dp_systems_deinit(struct cox_dp_systems *s)
{
    for (int i = 0; s->system && i < s->n; i++) {
        cox_dp_data_destroy(s->system[i].data);
        cox_free(s->system[i].order);
    }
    cox_free(s->system);
    *s = (struct cox_dp_systems){0};
}

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for the systems of the training");
}

/* ---- reading ---- */

static int batch_of(const struct cox_dp_input_data *input, int entry, int atoms)
{
    if (input->batch_auto)
        return (input->batch_auto + atoms - 1) / atoms;
    if (input->batch_most)
        return input->batch_most / atoms > 1 ? input->batch_most / atoms : 1;
    return input->batch[input->n_batch > 1 ? entry : 0];
}

static int read_one(struct cox_dp_systems *s, const char *path, int entry,
                    const struct cox_dp_input_data *input, const struct cox_dp_model *m,
                    struct cox_err *err)
{
    struct cox_dp_system *x = &s->system[s->n];
    int rc = cox_dp_data_read(&x->data, path, m->type_name, m->n_types, err);
    if (rc)
        return rc;
    s->n++;
    x->batch = batch_of(input, entry, x->data->n_atoms);
    x->shuffled = -1;
    x->first_frame = s->frames;
    s->frames += x->data->n;
    x->order = x->data->n < INT32_MAX ? cox_alloc((size_t)x->data->n, sizeof *x->order) : NULL;
    int most = x->batch < x->data->n ? x->batch : (int)x->data->n;
    if (most > s->largest_batch)
        s->largest_batch = most;
    return x->order ? COX_OK : no_memory(err);
}

static int read_entry(struct cox_dp_systems *s, int entry, const struct cox_dp_input_data *input,
                      const struct cox_dp_model *m, struct cox_err *err)
{
    char **paths;
    int n;
    int rc = cox_dp_data_find(&paths, &n, input->systems.items[entry], err);
    if (rc)
        return rc;
    struct cox_dp_system *more =
        cox_realloc(s->system, (size_t)s->n + (size_t)n, sizeof *s->system);
    if (more)
        s->system = more;
    else
        rc = no_memory(err);
    for (int i = 0; !rc && i < n; i++)
        rc = read_one(s, paths[i], entry, input, m, err);
    cox_free(paths);
    return rc;
}

/* ---- how often ---- */

static double batches(const struct cox_dp_system *x)
{
    int64_t n = (x->data->n + x->batch - 1) / x->batch;
    return (double)n;
}

/* One block, "0:3:0.4": the systems 0 … 2 are drawn with 0.4, by their size. */
static int block(struct cox_dp_systems *s, const char *text, size_t length, struct cox_err *err)
{
    char field[3][40] = {"", "", ""};
    long long from = 0;
    long long to = 0;
    double share = 0;
    double sum = 0;
    size_t n = 0;
    int k = 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] == ':' && k < 2) {
            k++;
            n = 0;
        } else if (n + 1 < sizeof field[0]) {
            field[k][n++] = text[i];
        }
    if (k != 2 || cox_parse_int(field[0], &from) || cox_parse_int(field[1], &to) ||
        cox_parse_double(field[2], &share) || from < 0 || to > s->n || from >= to || !(share >= 0))
        return cox_err_set(err, COX_EINVAL,
                           "'auto_prob': '%.*s' must be FIRST:END:SHARE with systems 0 to %d",
                           length < 60 ? (int)length : 60, text, s->n);
    for (long long i = from; i < to; i++)
        sum += batches(&s->system[i]);
    for (long long i = from; i < to; i++)
        s->system[i].share += share * batches(&s->system[i]) / sum;
    return COX_OK;
}

/* "prob_sys_size;0:3:0.4;3:9:0.6" */
static int blocks(struct cox_dp_systems *s, const char *text, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; i < s->n; i++)
        s->system[i].share = 0;
    for (const char *at = strchr(text, ';'); !rc && at; at = strchr(at + 1, ';'))
        rc = block(s, at + 1, strcspn(at + 1, ";"), err);
    return rc;
}

static int shares(struct cox_dp_systems *s, const struct cox_dp_input_data *input,
                  struct cox_err *err)
{
    double sum = 0;
    int rc = COX_OK;
    const char *way = input->auto_prob;
    if (input->sys_probs.n && input->sys_probs.n != s->n)
        return cox_err_set(err, COX_EINVAL, "'sys_probs' has %d numbers; there are %d systems",
                           input->sys_probs.n, s->n);
    for (int i = 0; i < s->n; i++)
        s->system[i].share = input->sys_probs.n                       ? input->sys_probs.items[i]
                             : way[0] && !strcmp(way, "prob_uniform") ? 1
                                                                      : batches(&s->system[i]);
    if (!input->sys_probs.n && cox_str_starts(way, "prob_sys_size;"))
        rc = blocks(s, way, err);
    else if (!input->sys_probs.n && strcmp(way, "prob_uniform") && strcmp(way, "prob_sys_size"))
        rc = cox_err_set(err, COX_EINVAL,
                         "'auto_prob' is '%.60s'; prob_sys_size, prob_uniform and "
                         "'prob_sys_size;FIRST:END:SHARE;…' are known",
                         way);
    for (int i = 0; i < s->n; i++)
        sum += s->system[i].share;
    if (!rc && !(sum > 0))
        rc = cox_err_set(err, COX_EINVAL, "no system would ever be drawn: all shares are 0");
    for (int i = 0; !rc && i < s->n; i++)
        s->system[i].share /= sum;
    return rc;
}

int cox_dp_systems_read(struct cox_dp_systems *s, const struct cox_dp_input_data *input,
                        const struct cox_dp_model *model, uint64_t seed, struct cox_err *err)
{
    *s = (struct cox_dp_systems){.seed = seed};
    int rc = COX_OK;
    for (int i = 0; !rc && i < input->systems.n; i++)
        rc = read_entry(s, i, input, model, err);
    if (!rc)
        rc = shares(s, input, err);
    if (rc)
        cox_dp_systems_deinit(s);
    return rc;
}

/* ---- drawing ---- */

static int pick(const struct cox_dp_systems *s, int64_t step)
{
    struct cox_rng rng;
    cox_rng_init(&rng, cox_seed_mix(s->seed, (uint64_t)step), STREAM_SYSTEM);
    double u = cox_rng_uniform(&rng);
    int last = 0;
    for (int i = 0; i < s->n; i++) {
        if (s->system[i].share > 0)
            last = i;
        if (u < s->system[i].share)
            return i;
        u -= s->system[i].share;
    }
    return last; /* shares add up to 1 but for rounding */
}

static void shuffle(struct cox_dp_system *x, int index, uint64_t seed, int64_t times)
{
    struct cox_rng rng;
    if (x->shuffled == times)
        return;
    for (int i = 0; i < (int)x->data->n; i++)
        x->order[i] = i;
    cox_rng_init(&rng, cox_seed_mix(seed, (uint64_t)times), STREAM_SHUFFLE + (uint64_t)index);
    cox_rng_shuffle(&rng, x->order, (int)x->data->n);
    x->shuffled = times;
}

void cox_dp_systems_draw(struct cox_dp_batch *batch, struct cox_dp_systems *s, int64_t step)
{
    batch->system = s->n > 1 ? pick(s, step) : 0;
    struct cox_dp_system *x = &s->system[batch->system];
    int64_t per = (x->data->n + x->batch - 1) / x->batch;
    int64_t at = x->drawn % per * x->batch;
    shuffle(x, batch->system, s->seed, x->drawn / per);
    batch->frame = x->order + at;
    batch->n = (int)(x->data->n - at < x->batch ? x->data->n - at : x->batch);
    x->drawn++;
}

/* ---- labels ---- */

int cox_dp_systems_fparam(const struct cox_dp_systems *s, const struct cox_dp_input *input,
                          struct cox_err *err)
{
    int want = input->model.fitting.numb_fparam;
    for (int i = 0; i < s->n; i++) {
        const struct cox_dp_data *d = s->system[i].data;
        if (want && want != d->n_fparam)
            return cox_err_set(err, COX_EINVAL,
                               "'numb_fparam' is %d, but '%s' has %d numbers a frame in fparam.npy",
                               want, d->path, d->n_fparam);
    }
    return COX_OK;
}

int cox_dp_systems_check(const struct cox_dp_systems *s, const struct cox_dp_input *input,
                         struct cox_err *err)
{
    const struct cox_dp_input_loss *l = &input->loss;
    bool energy = false;
    bool force = false;
    bool virial = false;
    for (int i = 0; i < s->n; i++) {
        energy |= s->system[i].data->energy != NULL;
        force |= s->system[i].data->force != NULL;
        virial |= s->system[i].data->virial != NULL;
    }
    const char *missing = (l->start_e > 0 || l->limit_e > 0) && !energy   ? "energy"
                          : (l->start_f > 0 || l->limit_f > 0) && !force  ? "force"
                          : (l->start_v > 0 || l->limit_v > 0) && !virial ? "virial"
                                                                          : NULL;
    if (missing)
        return cox_err_set(err, COX_EINVAL,
                           "no system has a %s.npy, but the weight of the %s in 'loss' is not 0 "
                           "(start_pref_%c, limit_pref_%c); '%s' is the first",
                           missing, missing, missing[0], missing[0], s->system[0].data->path);
    return cox_dp_systems_fparam(s, input, err);
}
