/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree as DeePMD-kit 3 serialises it (backend-neutral, "@class"/"@version"), so that its own
 * loaders take the file. Objects that hold a variable name its dataset. */
#include "potential/dp_file.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "h5/h5.h"

struct writing {
    struct cox_h5 *file;
    const struct cox_dp_model *model;
    bool single;   /* what is written now is float32: it was, and nothing is lost */
    int variables; /* written so far */
    int rc;
    struct cox_err *err;
};

static int write_single(struct writing *w, const char *name, int rank, const int64_t *dims,
                        const double *x)
{
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= (size_t)dims[i];
    float *y = cox_alloc(n, sizeof *y);
    if (!y)
        return cox_err_set(w->err, COX_ENOMEM, "out of memory writing a model");
    for (size_t i = 0; i < n; i++)
        y[i] = (float)x[i];
    int rc = cox_h5_write(w->file, name, COX_H5_F32, rank, dims, y, w->err);
    cox_free(y);
    return rc;
}

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
    if (!w->rc && w->single)
        w->rc = write_single(w, name, rank, dims, x);
    else if (!w->rc)
        w->rc = cox_h5_write(w->file, name, COX_H5_F64, rank, dims, x, w->err);
    cox_json_set_text(into, key, name);
}

static const char *precision(const struct writing *w)
{
    return w->single ? "float32" : "float64";
}

static bool fits_single(const double *x, size_t n)
{
    for (size_t i = 0; x && i < n; i++)
        if ((double)(float)x[i] != x[i])
            return false;
    return true;
}

static bool net_fits_single(const struct cox_dp_net *net)
{
    for (int k = 0; k < net->n; k++) {
        const struct cox_dp_layer *l = &net->layer[k];
        if (!fits_single(l->w, (size_t)l->in * (size_t)l->out) ||
            !fits_single(l->b, (size_t)l->out) || !fits_single(l->idt, (size_t)l->out))
            return false;
    }
    return true;
}

static bool nets_fit_single(const struct cox_dp_net *nets, int n)
{
    for (int i = 0; i < n; i++)
        if (!net_fits_single(&nets[i]))
            return false;
    return true;
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
    cox_json_set_text(j, "precision", precision(w));
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
    cox_json_set_text(j, "precision", precision(w));
    cox_json_set_bool(j, embedding ? "bias" : "bias_out", true);
    for (int k = 0; k < net->n; k++)
        cox_json_push(layers, layer(w, &net->layer[k]));
    cox_json_set(j, "layers", layers);
    return j;
}

/* `instead`: what stands where there is no net (NULL: null does). */
static struct cox_json *collection(struct writing *w, const struct cox_dp_net *nets, int n,
                                   int ndim, bool embedding, const struct cox_dp_net *instead)
{
    struct cox_json *j = object("NetworkCollection", 1);
    struct cox_json *list = cox_json_array();
    cox_json_set_int(j, "ndim", ndim);
    cox_json_set_int(j, "ntypes", w->model->n_types);
    cox_json_set_text(j, "network_type", embedding ? "embedding_network" : "fitting_network");
    for (int i = 0; i < n; i++)
        if (nets[i].n || instead)
            cox_json_push(list, net_of(w, nets[i].n ? &nets[i] : instead, embedding));
        else
            cox_json_push_text(list, NULL);
    cox_json_set(j, "networks", list);
    return j;
}

/* [types][slots][4 or 1]: one row per type, but zeros for the mean around excluded neighbours, so
 * that their empty slots count nothing either. */
static void statistics(struct writing *w, struct cox_json *into, const struct cox_dp_descriptor *q,
                       bool mean)
{
    int width = q->kind == COX_DP_SE_A ? 4 : 1;
    const int64_t dims[3] = {w->model->n_types, q->n_slots, width};
    double *x =
        cox_alloc((size_t)w->model->n_types * (size_t)q->n_slots, (size_t)width * sizeof *x);
    size_t at = 0;
    if (!x) {
        w->rc = cox_err_set(w->err, COX_ENOMEM, "out of memory writing a model");
        return;
    }
    for (int c = 0; c < w->model->n_types; c++)
        for (int n = 0; n < w->model->n_types; n++)
            for (int i = 0; i < q->sel[n] * width; i++)
                x[at++] = !mean                                        ? q->dstd[c][i % width]
                          : q->exclude[c][n] == COX_DP_EXCLUDE_SECTION ? 0
                                                                       : q->davg[c][i % width];
    variable(w, into, mean ? "davg" : "dstd", 3, dims, x);
    cox_free(x);
}

/* Pairs that are excluded by the list, or in a descriptor. */
static struct cox_json *exclusions(const struct cox_dp_model *m, const struct cox_dp_descriptor *q,
                                   bool by_list)
{
    struct cox_json *list = cox_json_array();
    for (int a = 0; a < m->n_types; a++)
        for (int b = a; b < m->n_types; b++) {
            const int pair[2] = {a, b};
            if (q->exclude[a][b] && (q->exclude[a][b] == COX_DP_EXCLUDE_LIST) == by_list)
                cox_json_push(list, numbers(pair, 2));
        }
    return list;
}

static bool descriptor_fits_single(const struct cox_dp_model *m, const struct cox_dp_descriptor *q)
{
    return q->trained_f32 && nets_fit_single(q->embed, cox_dp_n_embed(m, q)) &&
           fits_single(&q->davg[0][0], 4 * (size_t)m->n_types) &&
           fits_single(&q->dstd[0][0], 4 * (size_t)m->n_types);
}

static struct cox_json *descriptor(struct writing *w, const struct cox_dp_descriptor *q)
{
    const struct cox_dp_model *m = w->model;
    bool angles = q->kind == COX_DP_SE_A;
    int width[COX_DP_MAX_LAYERS];
    struct cox_json *j = object("Descriptor", 2);
    struct cox_json *v = cox_json_object();
    struct cox_json *env = cox_json_object();
    const struct cox_dp_net *some = q->embed;
    w->single = descriptor_fits_single(m, q);
    while (!some->n)
        some++;
    cox_json_set_text(j, "type", angles ? "se_e2_a" : "se_r");
    cox_json_set_number(j, "rcut", q->rcut);
    cox_json_set_number(j, "rcut_smth", q->rcut_smth);
    cox_json_set(j, "sel", numbers(q->sel, m->n_types));
    cox_json_set(j, "neuron", numbers(width, widths(some, true, width)));
    if (angles)
        cox_json_set_int(j, "axis_neuron", q->axis);
    cox_json_set_bool(j, "resnet_dt", has_idt(some));
    cox_json_set_bool(j, "trainable", true);
    cox_json_set_bool(j, "type_one_side", q->one_side);
    cox_json_set(j, "exclude_types", exclusions(m, q, false));
    cox_json_set_number(j, "env_protection", 0);
    cox_json_set_bool(j, "set_davg_zero", false);
    cox_json_set_text(j, "activation_function", "tanh");
    cox_json_set_text(j, "precision", precision(w));
    cox_json_set_text(j, "spin", NULL);
    cox_json_set_number(env, "rcut", q->rcut);
    cox_json_set_number(env, "rcut_smth", q->rcut_smth);
    cox_json_set(j, "env_mat", env);
    cox_json_set(j, "embeddings",
                 collection(w, q->embed, cox_dp_n_embed(m, q), q->one_side ? 1 : 2, true,
                            angles ? some : NULL));
    cox_json_set(j, "type_map", type_names(m));
    statistics(w, v, q, true);
    statistics(w, v, q, false);
    cox_json_set(j, "@variables", v);
    w->single = false;
    return j;
}

static struct cox_json *descriptors(struct writing *w)
{
    const struct cox_dp_model *m = w->model;
    if (m->n_descriptors == 1)
        return descriptor(w, &m->descriptor[0]);
    struct cox_json *j = object("Descriptor", 1);
    struct cox_json *list = cox_json_array();
    cox_json_set_text(j, "type", "hybrid");
    for (int i = 0; i < m->n_descriptors; i++)
        cox_json_push(list, descriptor(w, &m->descriptor[i]));
    cox_json_set(j, "list", list);
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
    w->single = m->fit_trained_f32 && nets_fit_single(m->fit, m->n_types) &&
                fits_single(m->n_fparam ? m->fparam_avg : NULL, (size_t)m->n_fparam) &&
                fits_single(m->n_fparam ? m->fparam_inv_std : NULL, (size_t)m->n_fparam);
    cox_json_set_text(j, "type", "ener");
    cox_json_set_text(j, "var_name", "energy");
    cox_json_set_int(j, "ntypes", m->n_types);
    cox_json_set_int(j, "dim_descrpt", cox_dp_width(m));
    cox_json_set_int(j, "dim_out", 1);
    cox_json_set(j, "neuron", numbers(width, widths(&m->fit[0], false, width)));
    cox_json_set_bool(j, "resnet_dt", has_idt(&m->fit[0]));
    cox_json_set_int(j, "numb_fparam", m->n_fparam);
    cox_json_set_int(j, "numb_aparam", 0);
    cox_json_set_text(j, "rcond", NULL);
    cox_json_set_text(j, "activation_function", "tanh");
    cox_json_set_text(j, "precision", precision(w));
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
    cox_json_set(j, "nets", collection(w, m->fit, m->n_types, 1, false, NULL));
    if (m->n_fparam && m->fparam_default) {
        struct cox_json *list = cox_json_array();
        for (int i = 0; i < m->n_fparam; i++)
            cox_json_push_number(list, m->fparam_default[i]);
        cox_json_set(j, "default_fparam", list);
    }
    variable(w, v, "fparam_avg", 1, &fparam, m->n_fparam ? m->fparam_avg : NULL);
    variable(w, v, "fparam_inv_std", 1, &fparam, m->n_fparam ? m->fparam_inv_std : NULL);
    variable(w, v, "aparam_avg", 0, NULL, NULL);
    variable(w, v, "aparam_inv_std", 0, NULL, NULL);
    w->single = false; /* energies of free atoms are large */
    variable(w, v, "bias_atom_e", 2, bias, m->bias);
    cox_json_set(j, "@variables", v);
    return j;
}

/* Of all descriptors' pairs: where one's empty slots count nothing, it says so itself. */
static struct cox_json *excluded_by_list(const struct cox_dp_model *m)
{
    int at = 0;
    for (int i = 0; i < m->n_descriptors; i++)
        for (int k = 0; k < COX_DP_MAX_TYPES * COX_DP_MAX_TYPES; k++)
            if (m->descriptor[i].exclude[k / COX_DP_MAX_TYPES][k % COX_DP_MAX_TYPES] ==
                COX_DP_EXCLUDE_LIST)
                at = i;
    return exclusions(m, &m->descriptor[at], true);
}

/* How a compressed model's tables are made again; other programs pass over it and use the nets. */
static struct cox_json *tables(const struct cox_dp_model *m)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_number(j, "stride", m->tables.stride);
    cox_json_set_number(j, "nearest_A", m->tables.nearest_A);
    cox_json_set_number(j, "error", m->tables.error);
    cox_json_set_number(j, "slope_error", m->tables.d_error);
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
    cox_json_set(j, "pair_exclude_types", excluded_by_list(m));
    cox_json_set_text(j, "rcond", NULL);
    cox_json_set_text(j, "preset_out_bias", NULL);
    cox_json_set(j, "@variables", v);
    cox_json_set(j, "descriptor", descriptors(w));
    cox_json_set(j, "fitting", fitting(w));
    cox_json_set_text(root, "software", "coxswain");
    cox_json_set_text(root, "version", COX_VERSION);
    cox_json_set_text(root, "backend", "dpmodel");
    cox_json_set(root, "model", j);
    cox_json_set(root, "model_def_script", cox_json_object());
    cox_json_set(root, "@variables", cox_json_object());
    if (m->min_distance > 0)
        cox_json_set_number(root, "min_nbor_dist", m->min_distance);
    if (m->tables.stride > 0)
        cox_json_set(root, "coxswain_tables", tables(m));
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
