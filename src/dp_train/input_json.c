/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "dp_train/input.h"

static const char *const precisions[] = {"default", "float64", "float32"};

static struct cox_json *ints(const int *x, int n)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < n; i++)
        cox_json_push_int(list, x[i]);
    return list;
}

static struct cox_json *texts(const struct cox_config_texts *t)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < t->n; i++)
        cox_json_push_text(list, t->items[i]);
    return list;
}

static void set_seed(struct cox_json *j, int64_t seed)
{
    if (seed == COX_CONFIG_UNSET64)
        cox_json_set_text(j, "seed", NULL);
    else
        cox_json_set_int(j, "seed", seed);
}

static struct cox_json *pairs(const struct cox_config_ints *x)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i + 1 < x->n; i += 2)
        cox_json_push(list, ints(x->items + i, 2));
    return list;
}

static struct cox_json *descriptor(const struct cox_dp_input_descriptor *d,
                                   const struct cox_dp_descriptor *q, int n_types)
{
    struct cox_json *j = cox_json_object();
    bool radial = d->type == COX_DP_INPUT_SE_R || d->type == COX_DP_INPUT_SE_R_OLD;
    cox_json_set_text(j, "type", radial ? "se_e2_r" : "se_e2_a");
    if (q)
        cox_json_set(j, "sel", ints(q->sel, n_types));
    else if (d->sel_auto > 0)
        cox_json_set_text(j, "sel", d->sel.items[0]);
    else
        cox_json_set(j, "sel", ints(d->sel_of, n_types));
    cox_json_set_number(j, "rcut_smth", d->rcut_smth);
    cox_json_set_number(j, "rcut", d->rcut);
    cox_json_set(j, "neuron", ints(d->neuron.items, d->neuron.n));
    cox_json_set_bool(j, "resnet_dt", d->resnet_dt);
    if (!radial)
        cox_json_set_int(j, "axis_neuron", d->axis_neuron);
    cox_json_set_bool(j, "type_one_side", d->type_one_side);
    cox_json_set_text(j, "precision", precisions[d->precision]);
    set_seed(j, d->seed);
    cox_json_set_text(j, "activation_function", "tanh");
    cox_json_set_bool(j, "trainable", true);
    cox_json_set(j, "exclude_types", pairs(&d->exclude_types));
    cox_json_set_bool(j, "set_davg_zero", d->set_davg_zero);
    return j;
}

static struct cox_json *descriptors(const struct cox_dp_input *in, const struct cox_dp_model *m)
{
    int n_types = in->model.type_map.n;
    if (in->model.descriptor.type != COX_DP_INPUT_HYBRID)
        return descriptor(&in->model.descriptor, m ? &m->descriptor[0] : NULL, n_types);
    struct cox_json *j = cox_json_object();
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < cox_dp_input_descriptors(in); i++)
        cox_json_push(list, descriptor(cox_dp_input_descriptor(in, i), m ? &m->descriptor[i] : NULL,
                                       n_types));
    cox_json_set_text(j, "type", "hybrid");
    cox_json_set(j, "list", list);
    return j;
}

static struct cox_json *fitting(const struct cox_dp_input_fitting *f)
{
    struct cox_json *j = cox_json_object();
    struct cox_json *vacuum = cox_json_array();
    for (int t = 0; t < f->atom_ener.n; t++)
        cox_json_push_number(vacuum, f->vacuum[t]); /* NaN becomes null */
    cox_json_set_text(j, "type", "ener");
    cox_json_set(j, "neuron", ints(f->neuron.items, f->neuron.n));
    cox_json_set_bool(j, "resnet_dt", f->resnet_dt);
    cox_json_set_text(j, "precision", precisions[f->precision]);
    set_seed(j, f->seed);
    cox_json_set_int(j, "numb_fparam", f->numb_fparam);
    cox_json_set_int(j, "numb_aparam", 0);
    cox_json_set_text(j, "activation_function", "tanh");
    cox_json_set_bool(j, "trainable", true);
    cox_json_set(j, "atom_ener", vacuum);
    return j;
}

static struct cox_json *model(const struct cox_dp_input *in, const struct cox_dp_model *m)
{
    struct cox_json *j = cox_json_object();
    cox_json_set(j, "type_map", texts(&in->model.type_map));
    cox_json_set(j, "descriptor", descriptors(in, m));
    cox_json_set(j, "fitting_net", fitting(&in->model.fitting));
    cox_json_set_int(j, "data_stat_nbatch", in->model.data_stat_nbatch);
    cox_json_set_number(j, "data_stat_protect", in->model.data_stat_protect);
    return j;
}

static struct cox_json *rate(const struct cox_dp_input_rate *r)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "type", "exp");
    cox_json_set_int(j, "decay_steps", r->decay_steps);
    cox_json_set_number(j, "start_lr", r->start_lr);
    cox_json_set_number(j, "stop_lr", r->stop_lr);
    cox_json_set_number(j, "decay_rate", r->decay_rate);
    cox_json_set_bool(j, "smooth", r->smooth);
    return j;
}

static struct cox_json *loss(const struct cox_dp_input_loss *l)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "type", "ener");
    cox_json_set_number(j, "start_pref_e", l->start_e);
    cox_json_set_number(j, "limit_pref_e", l->limit_e);
    cox_json_set_number(j, "start_pref_f", l->start_f);
    cox_json_set_number(j, "limit_pref_f", l->limit_f);
    cox_json_set_number(j, "start_pref_v", l->start_v);
    cox_json_set_number(j, "limit_pref_v", l->limit_v);
    return j;
}

static struct cox_json *data(const struct cox_dp_input_data *d, bool validation)
{
    struct cox_json *j = cox_json_object();
    cox_json_set(j, "systems", texts(&d->systems));
    if (d->batch_auto || d->batch_most)
        cox_json_set_text(j, "batch_size", d->batch_size.items[0]);
    else if (d->n_batch == 1)
        cox_json_set_int(j, "batch_size", d->batch[0]);
    else
        cox_json_set(j, "batch_size", ints(d->batch, d->n_batch));
    cox_json_set_text(j, "auto_prob", d->auto_prob);
    if (d->sys_probs.n) {
        struct cox_json *list = cox_json_array();
        for (int i = 0; i < d->sys_probs.n; i++)
            cox_json_push_number(list, d->sys_probs.items[i]);
        cox_json_set(j, "sys_probs", list);
    }
    if (validation)
        cox_json_set_int(j, "numb_btch", d->numb_btch);
    return j;
}

static struct cox_json *training(const struct cox_dp_input_training *t)
{
    struct cox_json *j = cox_json_object();
    cox_json_set(j, "training_data", data(&t->data, false));
    if (t->validation.systems.n)
        cox_json_set(j, "validation_data", data(&t->validation, true));
    cox_json_set_int(j, "numb_steps", t->numb_steps);
    set_seed(j, t->seed);
    cox_json_set_text(j, "disp_file", t->disp_file);
    cox_json_set_int(j, "disp_freq", t->disp_freq);
    cox_json_set_int(j, "save_freq", t->save_freq);
    cox_json_set_text(j, "save_ckpt", t->save_ckpt);
    cox_json_set_int(j, "max_ckpt_keep", t->max_ckpt_keep);
    if (t->gradient_max_norm > 0)
        cox_json_set_number(j, "gradient_max_norm", t->gradient_max_norm);
    return j;
}

int cox_dp_input_json(char **out, const struct cox_dp_input *in, const struct cox_dp_model *m,
                      struct cox_err *err)
{
    struct cox_json *j = cox_json_object();
    struct cox_json *optimizer = cox_json_object();
    cox_json_set(j, "model", model(in, m));
    cox_json_set(j, "learning_rate", rate(&in->rate));
    cox_json_set(j, "loss", loss(&in->loss));
    cox_json_set(j, "training", training(&in->training));
    cox_json_set_text(optimizer, "type", "Adam");
    cox_json_set_number(optimizer, "adam_beta1", in->optimizer.beta1);
    cox_json_set_number(optimizer, "adam_beta2", in->optimizer.beta2);
    cox_json_set(j, "optimizer", optimizer);
    *out = cox_json_text(j, true);
    cox_json_destroy(j);
    return *out ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory writing the input");
}
