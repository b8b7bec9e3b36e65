/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tables cannot say of input.json: keys that hold words or numbers, and keys that must fit
 * each other. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dp_train/input.h"

struct check {
    struct cox_dp_input *in;
    const struct cox_config *config;
    struct cox_arena *arena;
    struct cox_err *err;
};

#define REFUSE(c, key, ...) cox_config_error((c)->config, key, (c)->err, COX_EINVAL, __VA_ARGS__)

static int no_memory(const struct check *c)
{
    return cox_err_set(c->err, COX_ENOMEM, "out of memory reading the input");
}

/* ---- model ---- */

static int check_types(struct check *c)
{
    const struct cox_config_texts *names = &c->in->model.type_map;
    for (int i = 0; i < names->n; i++) {
        if (!names->items[i][0] || strlen(names->items[i]) >= COX_DP_TYPE_NAME)
            return REFUSE(c, "model.type_map", "'type_map': '%.40s' must have 1 to %d letters",
                          names->items[i], COX_DP_TYPE_NAME - 1);
        for (int j = 0; j < i; j++)
            if (!strcmp(names->items[i], names->items[j]))
                return REFUSE(c, "model.type_map", "'type_map' names '%s' twice", names->items[i]);
    }
    return COX_OK;
}

static int check_sel(struct check *c, struct cox_dp_input_descriptor *d, const char *key)
{
    const struct cox_config_texts *sel = &d->sel;
    if (sel->n == 1 && cox_str_starts(sel->items[0], "auto")) {
        const char *rest = sel->items[0] + 4;
        d->sel_auto = 1.1;
        if (*rest && (*rest != ':' || cox_parse_double(rest + 1, &d->sel_auto) ||
                      !(d->sel_auto >= 1 && d->sel_auto <= 100)))
            return REFUSE(c, key, "'sel' is '%.40s'; auto:FACTOR has a factor of 1 to 100",
                          sel->items[0]);
        return COX_OK;
    }
    if (sel->n != c->in->model.type_map.n)
        return REFUSE(c, key, "'sel' has %d numbers, 'type_map' %d types; or let it be auto",
                      sel->n, c->in->model.type_map.n);
    for (int t = 0; t < sel->n; t++) {
        long long value;
        if (cox_parse_int(sel->items[t], &value) || value < 0 || value > 100000)
            return REFUSE(c, key, "'sel' holds '%.40s'; numbers of 0 to 100000, or auto, are fine",
                          sel->items[t]);
        d->sel_of[t] = (int)value;
    }
    return COX_OK;
}

/* `at` is the descriptor's key in the file. */
static int check_descriptor(struct check *c, struct cox_dp_input_descriptor *d, const char *at)
{
    char key[120];
    int n_types = c->in->model.type_map.n;
    if (!(d->rcut_smth < d->rcut)) {
        snprintf(key, sizeof key, "%s.rcut_smth", at);
        return REFUSE(c, key, "'rcut_smth' is %g, but must be below 'rcut', %g", d->rcut_smth,
                      d->rcut);
    }
    bool radial = d->type == COX_DP_INPUT_SE_R || d->type == COX_DP_INPUT_SE_R_OLD;
    if (!radial && d->axis_neuron > d->neuron.items[d->neuron.n - 1]) {
        snprintf(key, sizeof key, "%s.axis_neuron", at);
        return REFUSE(c, key, "'axis_neuron' is %d, but the embedding net gives %d numbers",
                      d->axis_neuron, d->neuron.items[d->neuron.n - 1]);
    }
    snprintf(key, sizeof key, "%s.exclude_types", at);
    if (d->exclude_types.n % 2)
        return REFUSE(c, key, "'exclude_types' must hold pairs, such as [[0, 1]]");
    for (int i = 0; i < d->exclude_types.n; i++)
        if (d->exclude_types.items[i] >= n_types)
            return REFUSE(c, key, "'exclude_types' names type %d; there are 0 to %d",
                          d->exclude_types.items[i], n_types - 1);
    snprintf(key, sizeof key, "%s.sel", at);
    return check_sel(c, d, key);
}

static int check_descriptors(struct check *c)
{
    struct cox_dp_input_descriptor *d = &c->in->model.descriptor;
    if (d->type != COX_DP_INPUT_HYBRID) {
        if (d->list.n)
            return REFUSE(c, "model.descriptor.list", "'list' is for 'type': 'hybrid'");
        return check_descriptor(c, d, "model.descriptor");
    }
    if (!d->list.n)
        return REFUSE(c, "model.descriptor", "a hybrid needs its descriptors in 'list'");
    struct cox_dp_input_descriptor *list =
        (struct cox_dp_input_descriptor *)(uintptr_t)d->list.items;
    for (int i = 0; i < d->list.n; i++) {
        char key[80];
        snprintf(key, sizeof key, "model.descriptor.list[%d]", i);
        if (list[i].type == COX_DP_INPUT_HYBRID)
            return REFUSE(c, key, "a hybrid in a hybrid is not supported");
        int rc = check_descriptor(c, &list[i], key);
        if (rc)
            return rc;
    }
    return COX_OK;
}

static int check_fitting(struct check *c)
{
    struct cox_dp_input_fitting *f = &c->in->model.fitting;
    const char *key = "model.fitting_net.atom_ener";
    for (int t = 0; t < COX_DP_MAX_TYPES; t++)
        f->vacuum[t] = NAN;
    if (f->atom_ener.n && f->atom_ener.n != c->in->model.type_map.n)
        return REFUSE(c, key, "'atom_ener' has %d numbers, 'type_map' %d types", f->atom_ener.n,
                      c->in->model.type_map.n);
    for (int t = 0; t < f->atom_ener.n; t++) {
        const char *text = f->atom_ener.items[t];
        if (strcmp(text, "null") && strcmp(text, "None") &&
            (cox_parse_double(text, &f->vacuum[t]) || !isfinite(f->vacuum[t])))
            return REFUSE(c, key, "'atom_ener' holds '%.40s'; numbers (eV) and null are fine",
                          text);
    }
    for (int i = 0; i < f->trainable.n; i++)
        if (strcmp(f->trainable.items[i], "true") && strcmp(f->trainable.items[i], "True"))
            return REFUSE(c, "model.fitting_net.trainable",
                          "'trainable': '%.20s' is not supported: all layers are trained",
                          f->trainable.items[i]);
    return COX_OK;
}

static int check_model(struct check *c)
{
    const struct cox_dp_input_model *m = &c->in->model;
    int rc = check_types(c);
    if (!rc)
        rc = check_descriptors(c);
    if (!rc)
        rc = check_fitting(c);
    if (!rc && (m->pair_exclude_types.n || m->atom_exclude_types.n))
        return REFUSE(
            c, m->pair_exclude_types.n ? "model.pair_exclude_types" : "model.atom_exclude_types",
            "'%s' is not supported%s",
            m->pair_exclude_types.n ? "pair_exclude_types" : "atom_exclude_types",
            m->pair_exclude_types.n ? "; see descriptor.exclude_types" : "");
    bool f32 = m->fitting.precision == 2;
    for (int i = 0; !rc && i < cox_dp_input_descriptors(c->in); i++)
        if ((cox_dp_input_descriptor(c->in, i)->precision == 2) != f32)
            return REFUSE(c, "model.fitting_net.precision",
                          "'precision' must be the same in descriptor and fitting_net");
    return rc;
}

/* ---- learning rate ---- */

static int check_rate(struct check *c)
{
    struct cox_dp_input_rate *r = &c->in->rate;
    int64_t steps = c->in->training.numb_steps;
    if (!isnan(r->stop_lr) && !isnan(r->stop_lr_ratio))
        return REFUSE(c, "learning_rate.stop_lr_ratio",
                      "'stop_lr' and 'stop_lr_ratio' say the same; give one of them");
    if (!isnan(r->stop_lr_ratio))
        r->stop_lr = r->stop_lr_ratio * r->start_lr;
    if (isnan(r->stop_lr))
        r->stop_lr = 1e-8;
    if (isnan(r->decay_rate) && r->stop_lr > r->start_lr)
        return REFUSE(c, "learning_rate.stop_lr",
                      "'stop_lr' is %g, but must be at most "
                      "'start_lr', %g",
                      r->stop_lr, r->start_lr);
    if (r->decay_steps >= steps)
        r->decay_steps = steps / 10 > 100 ? 100 : steps / 100 + 1;
    if (isnan(r->decay_rate))
        r->decay_rate = exp(log(r->stop_lr / r->start_lr) * (double)r->decay_steps / (double)steps);
    return COX_OK;
}

/* ---- data ---- */

static int check_batch(struct check *c, struct cox_dp_input_data *d, const char *section)
{
    char key[80];
    long long value;
    snprintf(key, sizeof key, "%s.batch_size", section);
    const char *first = d->batch_size.n ? d->batch_size.items[0] : "auto";
    const char *colon = strchr(first, ':');
    if (cox_str_starts(first, "auto") || cox_str_starts(first, "max:")) {
        value = 32;
        if (d->batch_size.n > 1 || (!colon && strcmp(first, "auto")) ||
            (colon && (cox_parse_int(colon + 1, &value) || value < 1 || value > 1000000000)))
            return REFUSE(c, key,
                          "'batch_size' is '%.40s'; auto:ATOMS and max:ATOMS take a "
                          "whole number",
                          first);
        if (first[0] == 'a')
            d->batch_auto = (int)value;
        else
            d->batch_most = (int)value;
        return COX_OK;
    }
    if (d->batch_size.n > 1 && d->batch_size.n != d->systems.n)
        return REFUSE(c, key, "'batch_size' has %d numbers, 'systems' %d entries", d->batch_size.n,
                      d->systems.n);
    d->n_batch = d->batch_size.n;
    d->batch = cox_arena_alloc(c->arena, (size_t)d->n_batch, sizeof *d->batch);
    if (!d->batch)
        return no_memory(c);
    for (int i = 0; i < d->n_batch; i++) {
        if (cox_parse_int(d->batch_size.items[i], &value) || value < 1 || value > 1000000)
            return REFUSE(c, key,
                          "'batch_size' is '%.40s'; a number of frames (at least 1), auto, "
                          "auto:ATOMS or max:ATOMS are fine",
                          d->batch_size.items[i]);
        d->batch[i] = (int)value;
    }
    return COX_OK;
}

static int check_data(struct check *c, struct cox_dp_input_data *d, const char *section)
{
    char key[80];
    if (strcmp(d->set_prefix, "set")) {
        snprintf(key, sizeof key, "%s.set_prefix", section);
        return REFUSE(c, key, "'set_prefix' is '%.40s'; only 'set' is supported", d->set_prefix);
    }
    for (int i = 0; i < d->systems.n; i++)
        if (!d->systems.items[i][0]) {
            snprintf(key, sizeof key, "%s.systems", section);
            return REFUSE(c, key, "'systems': entry %d is empty", i);
        }
    return check_batch(c, d, section);
}

static int check_training(struct check *c)
{
    struct cox_dp_input_training *t = &c->in->training;
    bool old = !t->data.systems.n && t->old.systems.n;
    if (t->data.systems.n && t->old.systems.n)
        return REFUSE(c, "training.systems",
                      "'systems' stands in 'training' and in 'training_data'; give one");
    if (old)
        t->data = t->old;
    if (!t->data.systems.n)
        return REFUSE(c, "training.training_data.systems",
                      "'systems' is missing in 'training_data': the folders with the data");
    if (!t->disp_file[0] || !t->save_ckpt[0])
        return REFUSE(c, "training", "'disp_file' and 'save_ckpt' must not be empty");
    int rc = check_data(c, &t->data, old ? "training" : "training.training_data");
    if (!rc && t->validation.systems.n)
        rc = check_data(c, &t->validation, "training.validation_data");
    return rc;
}

static int check_all(struct check *c)
{
    int rc = check_model(c);
    if (!rc)
        rc = check_rate(c);
    return rc ? rc : check_training(c);
}

int cox_dp_input_load(struct cox_dp_input *input, const char *path, struct cox_arena *arena,
                      struct cox_err *err)
{
    struct cox_config *config = NULL;
    int rc = cox_config_load(&config, input, &cox_dp_input_schema, path, arena, err);
    struct check c = {input, config, arena, err};
    return rc ? rc : check_all(&c);
}

int cox_dp_input_parse(struct cox_dp_input *input, const struct cox_config_text *text,
                       struct cox_arena *arena, struct cox_err *err)
{
    struct cox_config *config = NULL;
    int rc = cox_config_parse(&config, input, &cox_dp_input_schema, text, arena, err);
    struct check c = {input, config, arena, err};
    return rc ? rc : check_all(&c);
}

/* ---- questions ---- */

int cox_dp_input_descriptors(const struct cox_dp_input *input)
{
    const struct cox_dp_input_descriptor *d = &input->model.descriptor;
    return d->type == COX_DP_INPUT_HYBRID ? d->list.n : 1;
}

const struct cox_dp_input_descriptor *cox_dp_input_descriptor(const struct cox_dp_input *input,
                                                              int i)
{
    const struct cox_dp_input_descriptor *d = &input->model.descriptor;
    if (d->type != COX_DP_INPUT_HYBRID)
        return d;
    return (const struct cox_dp_input_descriptor *)d->list.items + i;
}

bool cox_dp_input_f32(const struct cox_dp_input *input)
{
    return input->model.fitting.precision == 2;
}

bool cox_dp_input_validates(const struct cox_dp_input *input)
{
    return input->training.validation.systems.n > 0;
}
