/* SPDX-License-Identifier: BSD-3-Clause */
/* Both forms become one tree: JSON is YAML too. */
#include "potential/dp_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "config/yaml_tree.h"
#include "h5/h5.h"
#include "potential/graph.h"

#define YAML_MAXIMUM ((size_t)1 << 30)
#define MAX_RANK 4

struct reading {
    const char *path;
    struct cox_arena *arena; /* of the tree, gone in the end */
    struct cox_h5 *file;     /* NULL: YAML, variables are inline */
    struct cox_dp_model *model;
    struct cox_err *err;
};

struct array {
    int rank;
    int64_t dims[COX_H5_MAX_RANK];
    size_t n;
    double *x; /* in the model's arena; NULL: the variable is null */
};

static int bad(const struct reading *r, const char *what)
{
    return cox_err_set(r->err, COX_EFORMAT, "'%s': %s", r->path, what);
}

static int unsupported(const struct reading *r, const char *what, const char *value)
{
    return cox_err_set(r->err, COX_EUNSUPPORTED, "'%s': %s '%s' is not supported", r->path, what,
                       value);
}

/* ---- the tree ---- */

static const struct cox_yaml_node *child(const struct cox_yaml_node *map, const char *key)
{
    return map ? cox_yaml_child(map, key, strlen(key)) : NULL;
}

static bool is_null(const struct cox_yaml_node *node)
{
    return !node || (node->kind == COX_YAML_SCALAR && cox_yaml_is_null(node));
}

static const char *text(const struct cox_yaml_node *map, const char *key, const char *missing)
{
    const struct cox_yaml_node *node = child(map, key);
    return node && node->kind == COX_YAML_SCALAR ? node->text : missing;
}

static bool truth(const struct cox_yaml_node *map, const char *key)
{
    const char *word = text(map, key, "false");
    return !strcmp(word, "true") || !strcmp(word, "True");
}

static double number(const struct cox_yaml_node *map, const char *key)
{
    double value;
    return cox_parse_double(text(map, key, ""), &value) ? (double)NAN : value;
}

/* ---- variables ---- */

static int read_dataset(struct reading *r, const char *name, struct array *out)
{
    int rc = cox_h5_shape(r->file, name, &out->rank, out->dims, r->err);
    if (rc)
        return rc;
    out->n = 1;
    for (int i = 0; i < out->rank; i++) {
        if (out->dims[i] < 0 || (double)out->n * (double)out->dims[i] > 1e9)
            return bad(r, "a variable is too large");
        out->n *= (size_t)out->dims[i];
    }
    out->x = cox_arena_alloc(r->model->arena, out->n + 1, sizeof *out->x);
    if (!out->x)
        return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
    return cox_h5_read(r->file, name, COX_H5_F64, out->rank, out->dims, out->x, r->err);
}

/* Nested lists of equal lengths. */
static int read_list(struct reading *r, const struct cox_yaml_node *node, int depth,
                     struct array *out, size_t *filled)
{
    if (node->kind == COX_YAML_SCALAR) {
        double value;
        if (depth != out->rank || cox_parse_double(node->text, &value))
            return bad(r, "an array is ragged or holds something else than numbers");
        out->x[(*filled)++] = value;
        return COX_OK;
    }
    if (node->kind != COX_YAML_LIST || depth >= out->rank || node->n != out->dims[depth])
        return bad(r, "an array is ragged");
    int rc = COX_OK;
    for (const struct cox_yaml_node *item = node->first; !rc && item; item = item->next)
        rc = read_list(r, item, depth + 1, out, filled);
    return rc;
}

static int read_inline(struct reading *r, const struct cox_yaml_node *map, struct array *out)
{
    const struct cox_yaml_node *value = child(map, "value");
    out->n = 1;
    for (const struct cox_yaml_node *n = value; n && n->kind == COX_YAML_LIST; n = n->first) {
        if (out->rank == MAX_RANK)
            return bad(r, "an array has too many dimensions");
        out->dims[out->rank++] = n->n;
        out->n *= (size_t)n->n;
        if ((double)out->n > 1e9)
            return bad(r, "a variable is too large");
    }
    if (!value)
        return bad(r, "an array has no value");
    out->x = cox_arena_alloc(r->model->arena, out->n + 1, sizeof *out->x);
    size_t filled = 0;
    return out->x ? read_list(r, value, 0, out, &filled)
                  : cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
}

/* The variable `key` of an object; x NULL when it is absent or null. */
static int variable(struct reading *r, const struct cox_yaml_node *object, const char *key,
                    struct array *out)
{
    const struct cox_yaml_node *node = child(child(object, "@variables"), key);
    *out = (struct array){0};
    if (is_null(node))
        return COX_OK;
    int rc = node->kind == COX_YAML_MAP ? read_inline(r, node, out)
             : r->file && node->kind == COX_YAML_SCALAR
                 ? read_dataset(r, node->text, out)
                 : bad(r, "a variable is neither a dataset nor an array");
    return rc ? cox_err_wrap(r->err, rc, "variable '%s'", key) : COX_OK;
}

/* ---- nets ---- */

static int read_layer(struct reading *r, const struct cox_yaml_node *node, struct cox_dp_layer *l)
{
    struct array w;
    struct array b;
    struct array idt;
    int rc = variable(r, node, "w", &w);
    if (!rc)
        rc = variable(r, node, "b", &b);
    if (!rc)
        rc = variable(r, node, "idt", &idt);
    if (rc)
        return rc;
    const char *activation = text(node, "activation_function", "tanh");
    l->linear = !strcmp(activation, "none") || !strcmp(activation, "linear") ||
                is_null(child(node, "activation_function"));
    if (!l->linear && strcmp(activation, "tanh"))
        return unsupported(r, "activation", activation);
    if (!w.x || w.rank != 2)
        return bad(r, "a layer has no matrix");
    l->in = (int)w.dims[0];
    l->out = (int)w.dims[1];
    l->w = w.x;
    l->b = b.x ? b.x : cox_arena_alloc(r->model->arena, (size_t)l->out, sizeof *l->b);
    l->idt = idt.x;
    if ((b.x && b.n != (size_t)l->out) || (idt.x && idt.n != (size_t)l->out))
        return bad(r, "a layer's bias does not fit its matrix");
    if (child(node, "resnet") ? truth(node, "resnet") : !l->linear)
        l->skip = cox_dp_skip_of(l->in, l->out);
    return l->b ? COX_OK : cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
}

static int read_nets(struct reading *r, const struct cox_yaml_node *collection, bool embedding,
                     int n, struct cox_dp_net **out)
{
    const struct cox_yaml_node *list = child(collection, "networks");
    if (!list || list->kind != COX_YAML_LIST || list->n != n)
        return cox_err_set(r->err, COX_EFORMAT, "'%s': %d %s nets were expected, there are %d",
                           r->path, n, embedding ? "embedding" : "fitting", list ? list->n : 0);
    *out = cox_arena_alloc(r->model->arena, (size_t)n, sizeof **out);
    if (!*out)
        return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
    int i = 0;
    int rc = COX_OK;
    for (const struct cox_yaml_node *net = list->first; !rc && net; net = net->next, i++) {
        const struct cox_yaml_node *layers = child(net, "layers");
        if (is_null(net))
            continue; /* excluded types need none */
        if (!layers || layers->n < 1 || layers->n > COX_DP_MAX_LAYERS)
            return bad(r, "a net has no layers, or too many");
        for (const struct cox_yaml_node *layer = layers->first; !rc && layer; layer = layer->next)
            rc = read_layer(r, layer, &(*out)[i].layer[(*out)[i].n++]);
    }
    return rc;
}

/* ---- the descriptor and the fitting ---- */

/* davg, dstd: [types][slots][4], the same in all slots. */
static int read_statistics(struct reading *r, const struct cox_yaml_node *descriptor,
                           const char *key, double out[][4])
{
    struct array a;
    int rc = variable(r, descriptor, key, &a);
    if (rc)
        return rc;
    if (!a.x || a.rank != 3 || a.dims[0] != r->model->n_types || a.dims[1] < 1 || a.dims[2] != 4)
        return cox_err_set(r->err, COX_EFORMAT, "'%s': %s must be types × slots × 4", r->path, key);
    for (int t = 0; t < r->model->n_types; t++) {
        const double *rows = a.x + (size_t)t * (size_t)a.dims[1] * 4;
        memcpy(out[t], rows, sizeof out[t]);
        for (int64_t i = 4; i < a.dims[1] * 4; i++)
            if (rows[i] != rows[i % 4])
                return cox_err_set(r->err, COX_EUNSUPPORTED, "'%s': %s differs from slot to slot",
                                   r->path, key);
    }
    return COX_OK;
}

static int read_types(struct reading *r, const struct cox_yaml_node *descriptor,
                      const struct cox_yaml_node *model)
{
    struct cox_dp_model *m = r->model;
    const struct cox_yaml_node *sel = child(descriptor, "sel");
    const struct cox_yaml_node *names = child(model, "type_map");
    if (is_null(names))
        names = child(descriptor, "type_map");
    if (!sel || sel->kind != COX_YAML_LIST || sel->n < 1 || sel->n > COX_DP_MAX_TYPES)
        return cox_err_set(r->err, COX_EFORMAT, "'%s': sel must list 1 to %d numbers", r->path,
                           COX_DP_MAX_TYPES);
    for (const struct cox_yaml_node *s = sel->first; s; s = s->next) {
        long long slots;
        if (s->kind != COX_YAML_SCALAR || cox_parse_int(s->text, &slots) || slots < 0 ||
            slots > 100000)
            return bad(r, "sel holds something else than numbers of neighbours");
        m->descriptor[0].sel[m->n_types++] = (int)slots;
    }
    if (!is_null(names) && names->n != m->n_types)
        return cox_err_set(r->err, COX_EFORMAT, "'%s': %d names for %d types", r->path, names->n,
                           m->n_types);
    const struct cox_yaml_node *name = is_null(names) ? NULL : names->first;
    for (int t = 0; t < m->n_types; t++, name = name ? name->next : NULL)
        if (name && name->kind == COX_YAML_SCALAR)
            snprintf(m->type_name[t], COX_DP_TYPE_NAME, "%s", name->text);
        else
            snprintf(m->type_name[t], COX_DP_TYPE_NAME, "%d", t);
    return COX_OK;
}

static int read_exclusions(struct reading *r, const struct cox_yaml_node *descriptor)
{
    struct cox_dp_model *m = r->model;
    const struct cox_yaml_node *list = child(descriptor, "exclude_types");
    if (is_null(list))
        return COX_OK;
    for (const struct cox_yaml_node *pair = list->first; pair; pair = pair->next) {
        long long type[2] = {-1, -1};
        bool good = pair->kind == COX_YAML_LIST && pair->n == 2;
        const struct cox_yaml_node *item = pair->first;
        for (int i = 0; good && i < 2; i++, item = item->next)
            good = item->kind == COX_YAML_SCALAR && !cox_parse_int(item->text, &type[i]) &&
                   type[i] >= 0 && type[i] < m->n_types;
        if (!good)
            return bad(r, "exclude_types must list pairs of types");
        m->descriptor[0].exclude[type[0]][type[1]] = m->descriptor[0].exclude[type[1]][type[0]] =
            true;
    }
    return COX_OK;
}

static int read_descriptor(struct reading *r, const struct cox_yaml_node *model)
{
    struct cox_dp_model *m = r->model;
    const struct cox_yaml_node *d = child(model, "descriptor");
    const char *type = text(d, "type", "(none)");
    if (strcmp(type, "se_e2_a") && strcmp(type, "se_a"))
        return unsupported(r, "descriptor", type);
    if (number(d, "env_protection") > 0)
        return unsupported(r, "env_protection", text(d, "env_protection", ""));
    m->descriptor[0].rcut = number(d, "rcut");
    m->descriptor[0].rcut_smth = number(d, "rcut_smth");
    m->descriptor[0].axis = (int)number(d, "axis_neuron");
    m->descriptor[0].one_side = truth(d, "type_one_side");
    int rc = read_types(r, d, model);
    if (!rc)
        rc = read_exclusions(r, d);
    if (!rc)
        rc = read_statistics(r, d, "davg", m->descriptor[0].davg);
    if (!rc)
        rc = read_statistics(r, d, "dstd", m->descriptor[0].dstd);
    if (!rc)
        rc = read_nets(r, child(d, "embeddings"), true,
                       m->descriptor[0].one_side ? m->n_types : m->n_types * m->n_types,
                       &m->descriptor[0].embed);
    for (int i = 0; !rc && i < (m->descriptor[0].one_side ? m->n_types : m->n_types * m->n_types);
         i++)
        if (m->descriptor[0].embed[i].n)
            m->descriptor[0].m1 =
                m->descriptor[0].embed[i].layer[m->descriptor[0].embed[i].n - 1].out;
    return rc;
}

static int read_fitting(struct reading *r, const struct cox_yaml_node *model)
{
    struct cox_dp_model *m = r->model;
    const struct cox_yaml_node *f = child(model, "fitting");
    struct array bias;
    struct array out_bias;
    struct array out_std;
    struct array avg;
    struct array inv;
    if (!f)
        return bad(r, "the model has no fitting net");
    if (truth(f, "mixed_types"))
        return unsupported(r, "fitting net", "mixed_types");
    if (!is_null(child(f, "numb_aparam")) && number(f, "numb_aparam") > 0)
        return unsupported(r, "numb_aparam", text(f, "numb_aparam", ""));
    m->n_fparam = isnan(number(f, "numb_fparam")) ? 0 : (int)number(f, "numb_fparam");
    int rc = read_nets(r, child(f, "nets"), false, m->n_types, &m->fit);
    if (!rc)
        rc = variable(r, f, "bias_atom_e", &bias);
    if (!rc)
        rc = variable(r, model, "out_bias", &out_bias);
    if (!rc)
        rc = variable(r, model, "out_std", &out_std);
    if (!rc)
        rc = variable(r, f, "fparam_avg", &avg);
    if (!rc)
        rc = variable(r, f, "fparam_inv_std", &inv);
    if (rc)
        return rc;
    for (int t = 0; t < m->n_types; t++) {
        if (bias.x && bias.n == (size_t)m->n_types)
            m->bias[t] += bias.x[t];
        if (out_bias.x && out_bias.n == (size_t)m->n_types)
            m->bias[t] += out_bias.x[t];
        if (out_std.x && out_std.n == (size_t)m->n_types && out_std.x[t] != 1)
            return unsupported(r, "an output deviation other than", "1");
    }
    if (m->n_fparam > 0 &&
        (!avg.x || avg.n != (size_t)m->n_fparam || !inv.x || inv.n != (size_t)m->n_fparam))
        return bad(r, "the frame parameters' mean and deviation are missing");
    m->fparam_avg = avg.x;
    m->fparam_inv_std = inv.x;
    return COX_OK;
}

static int read_model(struct reading *r, const struct cox_yaml_node *root)
{
    const struct cox_yaml_node *model = child(root, "model");
    const char *type = text(model, "type", "standard");
    if (!model || model->kind != COX_YAML_MAP)
        return bad(r, "there is no 'model' in it");
    if (strcmp(type, "standard") && strcmp(type, "ener"))
        return unsupported(r, "model type", type);
    int rc = read_descriptor(r, model);
    if (!rc)
        rc = read_fitting(r, model);
    double nearest = number(root, "min_nbor_dist");
    if (isnan(nearest))
        nearest = number(model, "min_nbor_dist");
    r->model->min_distance = nearest > 0 ? nearest : 0;
    if (!rc && (rc = cox_dp_model_check(r->model, r->err)))
        rc = cox_err_wrap(r->err, rc, "'%s'", r->path);
    return rc;
}

/* ---- files ---- */

/* The tree's text: the file itself, or the attribute of the HDF5 file. */
static int read_text(struct reading *r, char **bytes, size_t *length)
{
    if (!cox_str_ends(r->path, ".dp"))
        return cox_file_read(bytes, length, r->path, YAML_MAXIMUM, r->err);
    int rc = cox_h5_open_read(&r->file, r->path, r->err);
    if (!rc)
        rc = cox_h5_get_text(r->file, "/", "json", bytes, r->err);
    if (!rc)
        *length = strlen(*bytes);
    return rc;
}

static int read_tree(struct reading *r)
{
    char *bytes = NULL;
    size_t length = 0;
    struct cox_yaml_node *root = NULL;
    r->arena = cox_arena_create();
    int rc = r->arena ? cox_dp_model_create(&r->model, r->err)
                      : cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
    if (!rc)
        rc = read_text(r, &bytes, &length);
    if (!rc) {
        struct cox_config_text whole = {r->path, bytes, length};
        rc = cox_yaml_parse(&root, &whole, r->arena, r->err);
    }
    if (!rc)
        rc = root ? read_model(r, root) : bad(r, "it is empty");
    if (r->file && !rc)
        rc = cox_h5_close(r->file, r->err);
    else
        cox_h5_abandon(r->file);
    cox_free(bytes);
    cox_arena_destroy(r->arena);
    return rc;
}

int cox_dp_model_read(struct cox_dp_model **out, const char *path, struct cox_err *err)
{
    *out = NULL;
    if (cox_str_ends(path, ".pb") || cox_str_ends(path, ".pbtxt"))
        return cox_dp_read_graph(out, path, err);
    if (!cox_str_ends(path, ".dp") && !cox_str_ends(path, ".yaml") && !cox_str_ends(path, ".yml"))
        return cox_err_set(err, COX_EINVAL,
                           "'%s' must end in .dp, .yaml, .yml, .pb or .pbtxt to be read as a model",
                           path);
    struct reading r = {.path = path, .err = err};
    int rc = read_tree(&r);
    if (rc)
        cox_dp_model_destroy(r.model);
    else
        *out = r.model;
    return rc;
}
