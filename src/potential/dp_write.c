/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree as DeePMD-kit 3 serialises it (backend-neutral, "@class"/"@version"), so that its own
 * loaders take the file. Objects that hold a variable name its dataset. */
#include "potential/dp_file.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "h5/h5.h"

struct writing {
    struct cox_h5 *file;
    const struct cox_dp_model *model;
    int variables; /* written so far */
    int rc;
    struct cox_err *err;
};

/* A dataset, and its name under `key`; null when `x` is NULL. */
static void variable(struct writing *w, struct cox_json *into, const char *key, int rank,
                     const int64_t *dims, const double *x)
{
    char name[32];
    if (!x) {
        cox_json_set_text(into, key, NULL);
        return;
    }
    snprintf(name, sizeof name, "/variable_%04d", w->variables++);
    if (!w->rc)
        w->rc = cox_h5_write(w->file, name, COX_H5_F64, rank, dims, x, w->err);
    cox_json_set_text(into, key, name);
}

static struct cox_json *object(const char *class, int version)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "@class", class);
    cox_json_set_int(j, "@version", version);
    return j;
}

static struct cox_json *numbers(const int *x, int n)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < n; i++)
        cox_json_push_int(list, x[i]);
    return list;
}

static struct cox_json *type_names(const struct cox_dp_model *m)
{
    struct cox_json *list = cox_json_array();
    for (int t = 0; t < m->n_types; t++)
        cox_json_push_text(list, m->type_name[t]);
    return list;
}

static struct cox_json *layer(struct writing *w, const struct cox_dp_layer *l)
{
    const int64_t matrix[2] = {l->in, l->out};
    const int64_t vector = l->out;
    struct cox_json *j = object("Layer", 1);
    struct cox_json *v = cox_json_object();
    variable(w, v, "w", 2, matrix, l->w);
    variable(w, v, "b", 1, &vector, l->b);
    variable(w, v, "idt", 1, &vector, l->idt);
    cox_json_set(j, "@variables", v);
    cox_json_set_bool(j, "bias", true);
    cox_json_set_bool(j, "use_timestep", l->idt != NULL);
    cox_json_set_text(j, "activation_function", l->linear ? "none" : "tanh");
    cox_json_set_bool(j, "resnet", l->skip != COX_DP_SKIP_NONE);
    cox_json_set_text(j, "precision", "float64");
    return j;
}

/* Widths of the hidden layers (all layers of an embedding net), the most of `room`. */
static int widths(const struct cox_dp_net *net, bool embedding, int *out)
{
    int n = embedding ? net->n : net->n - 1;
    for (int k = 0; k < n; k++)
        out[k] = net->layer[k].out;
    return n;
}

static bool has_idt(const struct cox_dp_net *net)
{
    for (int k = 0; k < net->n; k++)
        if (net->layer[k].idt)
            return true;
    return false;
}

static struct cox_json *net_of(struct writing *w, const struct cox_dp_net *net, bool embedding)
{
    int width[COX_DP_MAX_LAYERS];
    struct cox_json *j = embedding ? object("EmbeddingNetwork", 2) : object("FittingNetwork", 1);
    struct cox_json *layers = cox_json_array();
    cox_json_set_int(j, "in_dim", net->layer[0].in);
    if (!embedding)
        cox_json_set_int(j, "out_dim", 1);
    cox_json_set(j, "neuron", numbers(width, widths(net, embedding, width)));
    cox_json_set_text(j, "activation_function", "tanh");
    cox_json_set_bool(j, "resnet_dt", has_idt(net));
    cox_json_set_text(j, "precision", "float64");
    cox_json_set_bool(j, embedding ? "bias" : "bias_out", true);
    for (int k = 0; k < net->n; k++)
        cox_json_push(layers, layer(w, &net->layer[k]));
    cox_json_set(j, "layers", layers);
    return j;
}

static struct cox_json *collection(struct writing *w, const struct cox_dp_net *nets, int n,
                                   int ndim, bool embedding)
{
    struct cox_json *j = object("NetworkCollection", 1);
    struct cox_json *list = cox_json_array();
    cox_json_set_int(j, "ndim", ndim);
    cox_json_set_int(j, "ntypes", w->model->n_types);
    cox_json_set_text(j, "network_type", embedding ? "embedding_network" : "fitting_network");
    for (int i = 0; i < n; i++)
        if (nets[i].n)
            cox_json_push(list, net_of(w, &nets[i], embedding));
        else
            cox_json_push_text(list, NULL);
    cox_json_set(j, "networks", list);
    return j;
}

/* [types][slots][4] from one row per type. */
static void statistics(struct writing *w, struct cox_json *into, const char *key,
                       const double rows[][4])
{
    const struct cox_dp_model *m = w->model;
    const int64_t dims[3] = {m->n_types, m->descriptor[0].n_slots, 4};
    size_t n = (size_t)m->n_types * (size_t)m->descriptor[0].n_slots;
    double(*x)[4] = cox_alloc(n, sizeof *x);
    if (!x) {
        w->rc = cox_err_set(w->err, COX_ENOMEM, "out of memory writing a model");
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(x[i], rows[i / (size_t)m->descriptor[0].n_slots], sizeof x[i]);
    variable(w, into, key, 3, dims, &x[0][0]);
    cox_free(x);
}

static struct cox_json *descriptor(struct writing *w)
{
    const struct cox_dp_model *m = w->model;
    int nets = m->descriptor[0].one_side ? m->n_types : m->n_types * m->n_types;
    int width[COX_DP_MAX_LAYERS];
    struct cox_json *j = object("Descriptor", 2);
    struct cox_json *v = cox_json_object();
    struct cox_json *env = cox_json_object();
    struct cox_json *excluded = cox_json_array();
    const struct cox_dp_net *some = m->descriptor[0].embed;
    while (!some->n)
        some++;
    cox_json_set_text(j, "type", "se_e2_a");
    cox_json_set_number(j, "rcut", m->descriptor[0].rcut);
    cox_json_set_number(j, "rcut_smth", m->descriptor[0].rcut_smth);
    cox_json_set(j, "sel", numbers(m->descriptor[0].sel, m->n_types));
    cox_json_set(j, "neuron", numbers(width, widths(some, true, width)));
    cox_json_set_int(j, "axis_neuron", m->descriptor[0].axis);
    cox_json_set_bool(j, "resnet_dt", has_idt(some));
    cox_json_set_bool(j, "trainable", true);
    cox_json_set_bool(j, "type_one_side", m->descriptor[0].one_side);
    for (int a = 0; a < m->n_types; a++)
        for (int b = a; b < m->n_types; b++)
            if (m->descriptor[0].exclude[a][b]) {
                const int pair[2] = {a, b};
                cox_json_push(excluded, numbers(pair, 2));
            }
    cox_json_set(j, "exclude_types", excluded);
    cox_json_set_number(j, "env_protection", 0);
    cox_json_set_bool(j, "set_davg_zero", false);
    cox_json_set_text(j, "activation_function", "tanh");
    cox_json_set_text(j, "precision", "float64");
    cox_json_set_text(j, "spin", NULL);
    cox_json_set_number(env, "rcut", m->descriptor[0].rcut);
    cox_json_set_number(env, "rcut_smth", m->descriptor[0].rcut_smth);
    cox_json_set(j, "env_mat", env);
    cox_json_set(
        j, "embeddings",
        collection(w, m->descriptor[0].embed, nets, m->descriptor[0].one_side ? 1 : 2, true));
    cox_json_set(j, "type_map", type_names(m));
    statistics(w, v, "davg", m->descriptor[0].davg);
    statistics(w, v, "dstd", m->descriptor[0].dstd);
    cox_json_set(j, "@variables", v);
    return j;
}

static struct cox_json *fitting(struct writing *w)
{
    const struct cox_dp_model *m = w->model;
    const int64_t bias[2] = {m->n_types, 1};
    const int64_t fparam = m->n_fparam;
    int width[COX_DP_MAX_LAYERS];
    struct cox_json *j = object("Fitting", 2);
    struct cox_json *v = cox_json_object();
    struct cox_json *trainable = cox_json_array();
    cox_json_set_text(j, "type", "ener");
    cox_json_set_text(j, "var_name", "energy");
    cox_json_set_int(j, "ntypes", m->n_types);
    cox_json_set_int(j, "dim_descrpt", m->descriptor[0].m1 * m->descriptor[0].axis);
    cox_json_set_int(j, "dim_out", 1);
    cox_json_set(j, "neuron", numbers(width, widths(&m->fit[0], false, width)));
    cox_json_set_bool(j, "resnet_dt", has_idt(&m->fit[0]));
    cox_json_set_int(j, "numb_fparam", m->n_fparam);
    cox_json_set_int(j, "numb_aparam", 0);
    cox_json_set_text(j, "rcond", NULL);
    cox_json_set_text(j, "activation_function", "tanh");
    cox_json_set_text(j, "precision", "float64");
    cox_json_set_bool(j, "mixed_types", false);
    cox_json_set(j, "exclude_types", cox_json_array());
    cox_json_set_text(j, "atom_ener", NULL);
    cox_json_set_bool(j, "tot_ener_zero", false);
    for (int k = 0; k < m->fit[0].n; k++)
        cox_json_push_bool(trainable, true);
    cox_json_set(j, "trainable", trainable);
    cox_json_set_text(j, "layer_name", NULL);
    cox_json_set_text(j, "spin", NULL);
    cox_json_set_bool(j, "use_aparam_as_mask", false);
    cox_json_set(j, "type_map", type_names(m));
    cox_json_set(j, "nets", collection(w, m->fit, m->n_types, 1, false));
    variable(w, v, "bias_atom_e", 2, bias, m->bias);
    variable(w, v, "fparam_avg", 1, &fparam, m->n_fparam ? m->fparam_avg : NULL);
    variable(w, v, "fparam_inv_std", 1, &fparam, m->n_fparam ? m->fparam_inv_std : NULL);
    variable(w, v, "aparam_avg", 0, NULL, NULL);
    variable(w, v, "aparam_inv_std", 0, NULL, NULL);
    cox_json_set(j, "@variables", v);
    return j;
}

static struct cox_json *tree(struct writing *w)
{
    const struct cox_dp_model *m = w->model;
    const int64_t dims[3] = {1, m->n_types, 1};
    double zeros[COX_DP_MAX_TYPES] = {0};
    double ones[COX_DP_MAX_TYPES];
    struct cox_json *root = cox_json_object();
    struct cox_json *j = object("Model", 2);
    struct cox_json *v = cox_json_object();
    for (int t = 0; t < m->n_types; t++)
        ones[t] = 1;
    variable(w, v, "out_bias", 3, dims, zeros);
    variable(w, v, "out_std", 3, dims, ones);
    cox_json_set_text(j, "type", "standard");
    cox_json_set(j, "type_map", type_names(m));
    cox_json_set(j, "atom_exclude_types", cox_json_array());
    cox_json_set(j, "pair_exclude_types", cox_json_array());
    cox_json_set_text(j, "rcond", NULL);
    cox_json_set_text(j, "preset_out_bias", NULL);
    cox_json_set(j, "@variables", v);
    cox_json_set(j, "descriptor", descriptor(w));
    cox_json_set(j, "fitting", fitting(w));
    cox_json_set_text(root, "software", "coxswain");
    cox_json_set_text(root, "version", COX_VERSION);
    cox_json_set_text(root, "backend", "dpmodel");
    cox_json_set(root, "model", j);
    cox_json_set(root, "model_def_script", cox_json_object());
    cox_json_set(root, "@variables", cox_json_object());
    if (m->min_distance > 0)
        cox_json_set_number(root, "min_nbor_dist", m->min_distance);
    return root;
}

int cox_dp_model_write(const struct cox_dp_model *model, const char *path, struct cox_err *err)
{
    struct writing w = {.model = model, .err = err};
    int rc = cox_h5_create(&w.file, path, err);
    if (rc)
        return rc;
    struct cox_json *root = tree(&w);
    char *text = cox_json_text(root, false);
    rc = w.rc;
    if (!rc && !text)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory writing '%s'", path);
    if (!rc)
        rc = cox_h5_set_text(w.file, "/", "json", text, err);
    cox_free(text);
    cox_json_destroy(root);
    if (rc)
        cox_h5_abandon(w.file);
    else
        rc = cox_h5_close(w.file, err);
    return rc;
}
