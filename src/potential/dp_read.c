/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tree of DeePMD-kit 3 says, made a model. Whatever would change the numbers and is not
 * evaluated here is refused by name. */
#include "potential/dp_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "potential/dp_tree.h"

#define MAX_WIDTH 100000

static int no_memory(const struct cox_dp_tree *t)
{
    return cox_err_set(t->err, COX_ENOMEM, "out of memory reading '%s'", t->path);
}

static bool is_single(const struct cox_yaml_node *object)
{
    return !strcmp(cox_dp_tree_text(object, "precision", "float64"), "float32");
}

/* ---- nets ---- */

static int read_layer(struct cox_dp_tree *t, const struct cox_yaml_node *node,
                      struct cox_dp_layer *l)
{
    struct cox_dp_array w;
    struct cox_dp_array b;
    struct cox_dp_array idt;
    int rc = cox_dp_tree_array(t, node, "w", &w);
    if (!rc)
        rc = cox_dp_tree_array(t, node, "b", &b);
    if (!rc)
        rc = cox_dp_tree_array(t, node, "idt", &idt);
    if (rc)
        return rc;
    const char *activation = cox_dp_tree_text(node, "activation_function", "tanh");
    l->linear = !strcmp(activation, "none") || !strcmp(activation, "linear") ||
                cox_dp_tree_null(cox_dp_tree_child(node, "activation_function"));
    if (!l->linear && strcmp(activation, "tanh"))
        return cox_dp_tree_unsupported(t, "activation", activation, "'tanh' is");
    if (!w.x || w.rank != 2 || w.dims[0] < 1 || w.dims[1] < 1 || w.dims[0] > MAX_WIDTH ||
        w.dims[1] > MAX_WIDTH)
        return cox_dp_tree_bad(t, "a layer has no matrix");
    l->in = (int)w.dims[0];
    l->out = (int)w.dims[1];
    l->w = w.x;
    l->b = b.x ? b.x : cox_arena_alloc(t->model->arena, (size_t)l->out, sizeof *l->b);
    l->idt = idt.x;
    if ((b.x && b.n != (size_t)l->out) || (idt.x && idt.n != (size_t)l->out))
        return cox_dp_tree_bad(t, "a layer's bias does not fit its matrix");
    if (cox_dp_tree_child(node, "resnet") ? cox_dp_tree_truth(node, "resnet") : !l->linear)
        l->skip = cox_dp_skip_of(l->in, l->out);
    return l->b ? COX_OK : no_memory(t);
}

static int read_nets(struct cox_dp_tree *t, const struct cox_yaml_node *collection,
                     const char *what, int n, struct cox_dp_net **out)
{
    const struct cox_yaml_node *list = cox_dp_tree_child(collection, "networks");
    if (cox_dp_tree_count(collection, "networks") != n)
        return cox_err_set(t->err, COX_EFORMAT, "'%s': %d %s nets were expected, there are %d",
                           t->path, n, what, cox_dp_tree_count(collection, "networks"));
    *out = cox_arena_alloc(t->model->arena, (size_t)n, sizeof **out);
    if (!*out)
        return no_memory(t);
    int i = 0;
    int rc = COX_OK;
    for (const struct cox_yaml_node *net = list->first; !rc && net; net = net->next, i++) {
        const struct cox_yaml_node *layers = cox_dp_tree_child(net, "layers");
        int count = cox_dp_tree_count(net, "layers");
        if (cox_dp_tree_null(net) || !strcmp(cox_dp_tree_text(net, "@class", ""), "Identity"))
            continue; /* excluded types need none */
        if (count < 1 || count > COX_DP_MAX_LAYERS)
            return cox_err_set(t->err, COX_EUNSUPPORTED,
                               "'%s': a net of %d layers; 1 to %d are possible", t->path, count,
                               COX_DP_MAX_LAYERS);
        for (const struct cox_yaml_node *layer = layers->first; !rc && layer; layer = layer->next)
            rc = read_layer(t, layer, &(*out)[i].layer[(*out)[i].n++]);
    }
    return rc;
}

/* ---- descriptors ---- */

static int read_sel(struct cox_dp_tree *t, const struct cox_yaml_node *node,
                    struct cox_dp_descriptor *q)
{
    const struct cox_yaml_node *sel = cox_dp_tree_child(node, "sel");
    int n = cox_dp_tree_count(node, "sel");
    if (n < 1 || n > COX_DP_MAX_TYPES || (t->model->n_types && n != t->model->n_types))
        return cox_err_set(t->err, COX_EFORMAT, "'%s': sel must list 1 to %d numbers", t->path,
                           COX_DP_MAX_TYPES);
    t->model->n_types = n;
    n = 0;
    for (const struct cox_yaml_node *s = sel->first; s; s = s->next) {
        long long slots;
        if (s->kind != COX_YAML_SCALAR || cox_parse_int(s->text, &slots) || slots < 0 ||
            slots > 100000)
            return cox_dp_tree_bad(t, "sel holds something else than numbers of neighbours");
        q->sel[n++] = (int)slots;
        q->n_slots += (int)slots;
    }
    return COX_OK;
}

/* A list of pairs of types; null: none. */
static int read_pairs(struct cox_dp_tree *t, const struct cox_yaml_node *list,
                      struct cox_dp_descriptor *q, enum cox_dp_exclusion how)
{
    if (cox_dp_tree_null(list))
        return COX_OK;
    for (const struct cox_yaml_node *pair = list->first; pair; pair = pair->next) {
        long long type[2] = {-1, -1};
        bool good = pair->kind == COX_YAML_LIST && pair->n == 2;
        const struct cox_yaml_node *item = pair->first;
        for (int i = 0; good && i < 2; i++, item = item->next)
            good = item->kind == COX_YAML_SCALAR && !cox_parse_int(item->text, &type[i]) &&
                   type[i] >= 0 && type[i] < t->model->n_types;
        if (!good)
            return cox_dp_tree_bad(t, "excluded types must be a list of pairs of types");
        for (int i = 0; i < 2; i++) /* what counts nothing in any case stays so */
            if (q->exclude[type[i]][type[1 - i]] != COX_DP_EXCLUDE_SECTION)
                q->exclude[type[i]][type[1 - i]] = (unsigned char)how;
    }
    return COX_OK;
}

static bool all_zero(const double *x, int n)
{
    for (int i = 0; i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

/* One row for all slots around a centre; sections of excluded pairs whose mean is zero leave no
 * empty slots behind and may differ. */
static int statistics_row(const struct cox_dp_tree *t, struct cox_dp_descriptor *q, int centre,
                          int width, bool mean, const double *x, double out[4])
{
    const double *row = NULL;
    for (int n = 0; n < t->model->n_types; x += q->sel[n++] * width) {
        unsigned char *excluded = &q->exclude[centre][n];
        if (*excluded && mean && all_zero(x, q->sel[n] * width)) {
            *excluded = COX_DP_EXCLUDE_SECTION;
            continue;
        }
        for (int i = 0; i < q->sel[n]; i++) {
            row = row ? row : x;
            for (int c = 0; c < width; c++)
                if (x[i * width + c] != row[c])
                    return cox_err_set(t->err, COX_EUNSUPPORTED,
                                       "'%s': the environment's statistics differ from slot to "
                                       "slot",
                                       t->path);
        }
    }
    if (row)
        memcpy(out, row, (size_t)width * sizeof *out);
    return COX_OK;
}

/* davg, dstd: [types][slots][4 or 1]. */
static int read_statistics(struct cox_dp_tree *t, const struct cox_yaml_node *node,
                           struct cox_dp_descriptor *q, bool mean)
{
    const char *key = mean ? "davg" : "dstd";
    struct cox_dp_array a;
    int width = q->kind == COX_DP_SE_A ? 4 : 1;
    int rc = cox_dp_tree_array(t, node, key, &a);
    if (!rc && (!a.x || a.rank != 3 || a.dims[0] != t->model->n_types || a.dims[1] != q->n_slots ||
                a.dims[2] != width))
        rc = cox_err_set(t->err, COX_EFORMAT, "'%s': %s must be %d types × %d slots × %d", t->path,
                         key, t->model->n_types, q->n_slots, width);
    for (int c = 0; !rc && c < t->model->n_types; c++)
        rc = statistics_row(t, q, c, width, mean,
                            a.x + (size_t)c * (size_t)q->n_slots * (size_t)width,
                            mean ? q->davg[c] : q->dstd[c]);
    return rc;
}

static int read_one_descriptor(struct cox_dp_tree *t, const struct cox_yaml_node *node,
                               struct cox_dp_descriptor *q)
{
    const char *type = cox_dp_tree_text(node, "type", "(none)");
    if (!strcmp(type, "se_e2_a") || !strcmp(type, "se_a"))
        q->kind = COX_DP_SE_A;
    else if (!strcmp(type, "se_e2_r") || !strcmp(type, "se_r"))
        q->kind = COX_DP_SE_R;
    else
        return cox_dp_tree_unsupported(t, "descriptor", type,
                                       "se_e2_a, se_e2_r and hybrids of them are");
    if (cox_dp_tree_number(node, "env_protection") > 0)
        return cox_dp_tree_unsupported(t, "env_protection",
                                       cox_dp_tree_text(node, "env_protection", ""), NULL);
    if (!cox_dp_tree_null(cox_dp_tree_child(node, "spin")))
        return cox_dp_tree_unsupported(t, "the descriptor's", "spin", NULL);
    double axis = cox_dp_tree_number(node, "axis_neuron");
    q->rcut = cox_dp_tree_number(node, "rcut");
    q->rcut_smth = cox_dp_tree_number(node, "rcut_smth");
    q->axis = axis >= 1 && axis <= MAX_WIDTH ? (int)axis : 0;
    q->one_side = cox_dp_tree_child(node, "type_one_side")
                      ? cox_dp_tree_truth(node, "type_one_side")
                      : q->kind == COX_DP_SE_R;
    q->trained_f32 = is_single(node);
    if (!cox_dp_tree_null(cox_dp_tree_child(node, "compress")))
        t->model->foreign_tables = true;
    int rc = read_sel(t, node, q);
    if (!rc)
        rc = read_pairs(t, cox_dp_tree_child(node, "exclude_types"), q, COX_DP_EXCLUDE_NEIGHBOURS);
    if (!rc)
        rc = read_statistics(t, node, q, true);
    if (!rc)
        rc = read_statistics(t, node, q, false);
    int n = cox_dp_n_embed(t->model, q);
    if (!rc)
        rc = read_nets(t, cox_dp_tree_child(node, "embeddings"), "embedding", n, &q->embed);
    for (int i = 0; !rc && i < n; i++)
        if (q->embed[i].n)
            q->m1 = q->embed[i].layer[q->embed[i].n - 1].out;
    return rc;
}

static int read_descriptors(struct cox_dp_tree *t, const struct cox_yaml_node *model)
{
    const struct cox_yaml_node *node = cox_dp_tree_child(model, "descriptor");
    int rc = COX_OK;
    if (strcmp(cox_dp_tree_text(node, "type", ""), "hybrid")) {
        rc = read_one_descriptor(t, node, &t->model->descriptor[0]);
    } else {
        int n = cox_dp_tree_count(node, "list");
        if (n < 1 || n > COX_DP_MAX_DESCRIPTORS)
            return cox_err_set(t->err, COX_EUNSUPPORTED,
                               "'%s': a hybrid of %d descriptors; 1 to %d are possible", t->path, n,
                               COX_DP_MAX_DESCRIPTORS);
        t->model->n_descriptors = n;
        const struct cox_yaml_node *item = cox_dp_tree_child(node, "list")->first;
        for (int i = 0; !rc && i < n; i++, item = item->next)
            rc = read_one_descriptor(t, item, &t->model->descriptor[i]);
    }
    for (int i = 0; !rc && i < t->model->n_descriptors; i++)
        rc = read_pairs(t, cox_dp_tree_child(model, "pair_exclude_types"), &t->model->descriptor[i],
                        COX_DP_EXCLUDE_LIST);
    return rc;
}

static const struct cox_yaml_node *names_of(const struct cox_yaml_node *model)
{
    const struct cox_yaml_node *names = cox_dp_tree_child(model, "type_map");
    return cox_dp_tree_null(names)
               ? cox_dp_tree_child(cox_dp_tree_child(model, "descriptor"), "type_map")
               : names;
}

static int read_names(const struct cox_dp_tree *t, const struct cox_yaml_node *model)
{
    struct cox_dp_model *m = t->model;
    const struct cox_yaml_node *names = names_of(model);
    if (!cox_dp_tree_null(names) && names->n != m->n_types)
        return cox_err_set(t->err, COX_EFORMAT, "'%s': %d names for %d types", t->path, names->n,
                           m->n_types);
    const struct cox_yaml_node *name = cox_dp_tree_null(names) ? NULL : names->first;
    for (int i = 0; i < m->n_types; i++, name = name ? name->next : NULL)
        if (name && name->kind == COX_YAML_SCALAR)
            snprintf(m->type_name[i], COX_DP_TYPE_NAME, "%s", name->text);
        else
            snprintf(m->type_name[i], COX_DP_TYPE_NAME, "%d", i);
    return COX_OK;
}

/* ---- fitting ---- */

static int check_fitting(struct cox_dp_tree *t, const struct cox_yaml_node *f)
{
    const char *type = cox_dp_tree_text(f, "type", "ener");
    if (!f || f->kind != COX_YAML_MAP)
        return cox_dp_tree_bad(t, "the model has no fitting net");
    if (strcmp(type, "ener") && strcmp(type, "invar"))
        return cox_dp_tree_unsupported(t, "fitting", type, "energies ('ener') are");
    if (strcmp(cox_dp_tree_text(f, "var_name", "energy"), "energy"))
        return cox_dp_tree_unsupported(t, "fitting", cox_dp_tree_text(f, "var_name", ""),
                                       "energies ('ener') are");
    if (cox_dp_tree_truth(f, "mixed_types"))
        return cox_dp_tree_unsupported(t, "fitting net with", "mixed_types",
                                       "one net per type of atom is");
    if (cox_dp_tree_number(f, "numb_aparam") > 0)
        return cox_dp_tree_unsupported(t, "numb_aparam", cox_dp_tree_text(f, "numb_aparam", ""),
                                       "parameters of the frame (numb_fparam) are");
    if (cox_dp_tree_number(f, "dim_case_embd") > 0)
        return cox_dp_tree_unsupported(t, "dim_case_embd", cox_dp_tree_text(f, "dim_case_embd", ""),
                                       NULL);
    if (cox_dp_tree_count(f, "exclude_types"))
        return cox_dp_tree_unsupported(t, "the fitting net's", "exclude_types", NULL);
    if (!cox_dp_tree_null(cox_dp_tree_child(f, "spin")))
        return cox_dp_tree_unsupported(t, "the fitting net's", "spin", NULL);
    double n = cox_dp_tree_number(f, "numb_fparam");
    if (!isnan(n) && (n > 1000 || n < 0 || n != floor(n)))
        return cox_dp_tree_bad(t, "numb_fparam is not 0 to 1000");
    t->model->n_fparam = isnan(n) ? 0 : (int)n;
    return COX_OK;
}

/* Where atom_ener is given for a type, the net's answer to D = 0 is taken off. */
static int read_vacuum(struct cox_dp_tree *t, const struct cox_yaml_node *f)
{
    const struct cox_yaml_node *list = cox_dp_tree_child(f, "atom_ener");
    if (cox_dp_tree_null(list) || list->kind != COX_YAML_LIST)
        return COX_OK;
    int i = 0;
    bool any = false;
    for (const struct cox_yaml_node *e = list->first; e; e = e->next)
        any = any || !cox_dp_tree_null(e);
    if (any && t->model->n_fparam)
        return cox_dp_tree_unsupported(t, "a fitting net with numb_fparam and", "atom_ener", NULL);
    const struct cox_yaml_node *e = list->first;
    for (; any && i < t->model->n_types; i++, e = e ? e->next : NULL)
        if (!e || !cox_dp_tree_null(e)) { /* types behind the list's end are taken off, too */
            int rc = cox_dp_model_take_off_vacuum(t->model, i, t->err);
            if (rc)
                return rc;
        }
    return COX_OK;
}

static int read_default_fparam(struct cox_dp_tree *t, const struct cox_yaml_node *f)
{
    struct cox_dp_model *m = t->model;
    const struct cox_yaml_node *list = cox_dp_tree_child(f, "default_fparam");
    if (cox_dp_tree_null(list) || !m->n_fparam)
        return COX_OK;
    if (list->kind != COX_YAML_LIST || list->n != m->n_fparam)
        return cox_dp_tree_bad(t, "default_fparam does not fit numb_fparam");
    m->fparam_default = cox_arena_alloc(m->arena, (size_t)m->n_fparam, sizeof(double));
    if (!m->fparam_default)
        return no_memory(t);
    int i = 0;
    for (const struct cox_yaml_node *e = list->first; e; e = e->next)
        if (e->kind != COX_YAML_SCALAR || cox_parse_double(e->text, &m->fparam_default[i++]))
            return cox_dp_tree_bad(t, "default_fparam holds something else than numbers");
    return COX_OK;
}

static int read_biases(struct cox_dp_tree *t, const struct cox_yaml_node *model,
                       const struct cox_yaml_node *f)
{
    struct cox_dp_model *m = t->model;
    struct cox_dp_array bias;
    struct cox_dp_array out_bias;
    struct cox_dp_array out_std;
    int rc = cox_dp_tree_array(t, f, "bias_atom_e", &bias);
    if (!rc)
        rc = cox_dp_tree_array(t, model, "out_bias", &out_bias);
    if (!rc)
        rc = cox_dp_tree_array(t, model, "out_std", &out_std);
    if (rc)
        return rc;
    size_t n = (size_t)m->n_types;
    if ((bias.x && bias.n != n) || (out_bias.x && out_bias.n != n) || (out_std.x && out_std.n != n))
        return cox_dp_tree_bad(t, "the energies of free atoms are not one per type");
    for (size_t i = 0; i < n; i++) {
        if (out_std.x && out_std.x[i] != 1)
            return cox_dp_tree_unsupported(t, "an output deviation other than", "1", NULL);
        m->bias[i] = (bias.x ? bias.x[i] : 0) + (out_bias.x ? out_bias.x[i] : 0);
    }
    return COX_OK;
}

static int read_fitting(struct cox_dp_tree *t, const struct cox_yaml_node *model)
{
    struct cox_dp_model *m = t->model;
    const struct cox_yaml_node *f = cox_dp_tree_child(model, "fitting");
    struct cox_dp_array avg;
    struct cox_dp_array inv;
    int rc = check_fitting(t, f);
    if (!rc)
        rc = read_nets(t, cox_dp_tree_child(f, "nets"), "fitting", m->n_types, &m->fit);
    if (!rc)
        rc = read_biases(t, model, f);
    if (!rc)
        rc = cox_dp_tree_array(t, f, "fparam_avg", &avg);
    if (!rc)
        rc = cox_dp_tree_array(t, f, "fparam_inv_std", &inv);
    if (!rc)
        rc = read_default_fparam(t, f);
    if (rc)
        return rc;
    size_t n = (size_t)m->n_fparam;
    if (n && (!avg.x || avg.n != n || !inv.x || inv.n != n))
        return cox_dp_tree_bad(t, "the frame parameters' mean and deviation are missing");
    m->fparam_avg = avg.x;
    m->fparam_inv_std = inv.x;
    m->fit_trained_f32 = is_single(f);
    return COX_OK;
}

/* ---- the model ---- */

/* The record of `cox potential compress`. */
static int read_tables(struct cox_dp_tree *t)
{
    const struct cox_yaml_node *record = cox_dp_tree_child(t->root, "coxswain_tables");
    struct cox_dp_tables *tables = &t->model->tables;
    if (cox_dp_tree_null(record))
        return COX_OK;
    tables->stride = cox_dp_tree_number(record, "stride");
    tables->nearest_A = cox_dp_tree_number(record, "nearest_A");
    tables->error = cox_dp_tree_number(record, "error");
    tables->d_error = cox_dp_tree_number(record, "slope_error");
    if (!(tables->stride > 0) || !(tables->nearest_A > 0) || isinf(tables->stride))
        return cox_dp_tree_bad(t, "coxswain_tables must have a stride and nearest_A > 0");
    return COX_OK;
}

static int read_origin(struct cox_dp_tree *t)
{
    char text[160];
    const char *software = cox_dp_tree_text(t->root, "software", NULL);
    const char *backend = cox_dp_tree_text(t->root, "backend", NULL);
    if (!software)
        return COX_OK;
    snprintf(text, sizeof text, "%.60s %.40s%s%.40s", software,
             cox_dp_tree_text(t->root, "version", ""), backend ? ", backend " : "",
             backend ? backend : "");
    t->model->origin = cox_arena_strdup(t->model->arena, text);
    return t->model->origin ? COX_OK : no_memory(t);
}

static int read_model(struct cox_dp_tree *t)
{
    const struct cox_yaml_node *model = cox_dp_tree_child(t->root, "model");
    const char *type = cox_dp_tree_text(model, "type", "standard");
    if (!model || model->kind != COX_YAML_MAP)
        return cox_dp_tree_bad(t, "there is no 'model' in it");
    if (!cox_dp_tree_child(model, "descriptor") && cox_dp_tree_null(names_of(model)))
        return cox_dp_tree_unsupported(t, "model type", type, "one 'standard' model is");
    if (cox_dp_tree_child(model, "fitting_net"))
        return cox_dp_tree_bad(t, "this is an input script, not a model (it has a 'fitting_net')");
    if (strcmp(type, "standard") && strcmp(type, "ener"))
        return cox_dp_tree_unsupported(t, "model type", type, "'standard' is");
    if (cox_dp_tree_count(model, "atom_exclude_types"))
        return cox_dp_tree_unsupported(t, "the model's", "atom_exclude_types", NULL);
    int rc = read_descriptors(t, model);
    if (!rc)
        rc = read_names(t, model);
    if (!rc)
        rc = read_fitting(t, model);
    double nearest = cox_dp_tree_number(t->root, "min_nbor_dist");
    if (isnan(nearest))
        nearest = cox_dp_tree_number(model, "min_nbor_dist");
    t->model->min_distance = nearest > 0 ? nearest : 0;
    if (!rc)
        rc = read_tables(t);
    if (!rc)
        rc = read_origin(t);
    if (!rc && (rc = cox_dp_model_check(t->model, t->err)))
        return cox_err_wrap(t->err, rc, "'%s'", t->path);
    return rc ? rc : read_vacuum(t, cox_dp_tree_child(model, "fitting"));
}

int cox_dp_read_tree(struct cox_dp_model **out, const char *path, bool hdf5, struct cox_err *err)
{
    struct cox_dp_tree tree;
    *out = NULL;
    int rc = cox_dp_tree_open(&tree, path, hdf5, err);
    if (!rc)
        rc = read_model(&tree);
    cox_dp_tree_close(&tree);
    if (rc)
        cox_dp_model_destroy(tree.model);
    else
        *out = tree.model;
    return rc;
}
