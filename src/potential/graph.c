/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of nodes as DeePMD-kit 1, 2 and 3 write them. With several descriptors those of the k-th
 * end in _k; which that is tells the node that its environment matrix reads. */
#include "potential/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "potential/graph_nodes.h"

#define NAME 96

/* A descriptor of the graph. */
struct part {
    const struct cox_pb_field *env;
    char suffix[8]; /* "", "_0", "_1"… */
    struct cox_dp_descriptor *q;
};

static int no_memory(const struct cox_graph *g)
{
    return cox_err_set(g->err, COX_ENOMEM, "out of memory reading '%s'", g->path);
}

/* ---- nets ---- */

static int read_layer(struct cox_graph *g, struct cox_dp_net *net, const char *matrix,
                      const char *bias, const char *idt)
{
    struct cox_dp_layer *l = &net->layer[net->n];
    int64_t dims[2];
    int64_t other[2];
    if (net->n == COX_DP_MAX_LAYERS)
        return cox_err_set(g->err, COX_EUNSUPPORTED, "'%s': more than %d layers", g->path,
                           COX_DP_MAX_LAYERS);
    int rc = cox_graph_numbers(g, matrix, &l->w, dims);
    if (rc)
        return rc;
    l->in = (int)dims[0];
    l->out = (int)dims[1];
    rc = cox_graph_numbers(g, bias, &l->b, other);
    if (!rc && other[0] * other[1] != l->out)
        rc =
            cox_err_set(g->err, COX_EFORMAT, "'%s': '%s' does not fit '%s'", g->path, bias, matrix);
    if (!rc && cox_graph_find(g, idt)) {
        rc = cox_graph_numbers(g, idt, &l->idt, other);
        if (!rc && other[0] * other[1] != l->out)
            rc = cox_err_set(g->err, COX_EFORMAT, "'%s': '%s' does not fit '%s'", g->path, idt,
                             matrix);
    }
    net->n++;
    return rc;
}

/* Of centre -1: for all. */
static int read_embedding_net(struct cox_graph *g, const struct part *p, int centre, int neighbour,
                              struct cox_dp_net *net)
{
    char prefix[40];
    char matrix[NAME];
    char bias[NAME];
    char idt[NAME];
    if (centre < 0)
        snprintf(prefix, sizeof prefix, "filter_type_all%s", p->suffix);
    else
        snprintf(prefix, sizeof prefix, "filter_type_%d%s", centre, p->suffix);
    for (int k = 1;; k++) {
        snprintf(matrix, sizeof matrix, "%s/matrix_%d_%d", prefix, k, neighbour);
        snprintf(bias, sizeof bias, "%s/bias_%d_%d", prefix, k, neighbour);
        snprintf(idt, sizeof idt, "%s/idt_%d_%d", prefix, k, neighbour);
        if (!cox_graph_find(g, matrix))
            return COX_OK;
        int rc = read_layer(g, net, matrix, bias, idt);
        if (rc)
            return rc;
        struct cox_dp_layer *l = &net->layer[k - 1];
        l->skip = cox_dp_skip_of(l->in, l->out); /* the first layer too: 1 → 2 doubles */
        p->q->trained_f32 = cox_graph_is_float(g, matrix);
    }
}

static int read_embedding(struct cox_graph *g, const struct part *p)
{
    struct cox_dp_model *m = g->model;
    struct cox_dp_descriptor *q = p->q;
    char name[NAME];
    snprintf(name, sizeof name, "filter_type_all%s/matrix_1_0_0", p->suffix);
    if (cox_graph_find(g, name))
        return cox_err_set(g->err, COX_EUNSUPPORTED,
                           "'%s': descriptor 'se_e3' is not supported; se_e2_a and se_e2_r are",
                           g->path);
    snprintf(name, sizeof name, "filter_type_all%s/matrix_1_0", p->suffix);
    q->one_side = cox_graph_find(g, name) != NULL;
    q->embed = cox_arena_alloc(m->arena, (size_t)cox_dp_n_embed(m, q), sizeof *q->embed);
    if (!q->embed)
        return no_memory(g);
    for (int i = 0; i < cox_dp_n_embed(m, q); i++) {
        int centre = q->one_side ? -1 : i % m->n_types;
        int neighbour = q->one_side ? i : i / m->n_types;
        int rc = read_embedding_net(g, p, centre, neighbour, &q->embed[i]);
        if (rc)
            return rc;
        if (q->embed[i].n)
            q->m1 = q->embed[i].layer[q->embed[i].n - 1].out;
        else if (centre >= 0) /* no net: these types do not see each other */
            q->exclude[centre][neighbour] = COX_DP_EXCLUDE_SECTION;
    }
    return COX_OK;
}

static int read_fitting(struct cox_graph *g)
{
    struct cox_dp_model *m = g->model;
    char matrix[NAME];
    char bias[NAME];
    char idt[NAME];
    m->fit = cox_arena_alloc(m->arena, (size_t)m->n_types, sizeof *m->fit);
    if (!m->fit)
        return no_memory(g);
    for (int t = 0; t < m->n_types; t++) {
        struct cox_dp_net *net = &m->fit[t];
        int rc;
        for (int k = 0;; k++) {
            snprintf(matrix, sizeof matrix, "layer_%d_type_%d/matrix", k, t);
            snprintf(bias, sizeof bias, "layer_%d_type_%d/bias", k, t);
            snprintf(idt, sizeof idt, "layer_%d_type_%d/idt", k, t);
            if (!cox_graph_find(g, matrix))
                break;
            if ((rc = read_layer(g, net, matrix, bias, idt)))
                return rc;
            struct cox_dp_layer *l = &net->layer[k];
            l->skip = k > 0 && l->in == l->out ? COX_DP_SKIP_SAME : COX_DP_SKIP_NONE;
        }
        snprintf(matrix, sizeof matrix, "final_layer_type_%d/matrix", t);
        snprintf(bias, sizeof bias, "final_layer_type_%d/bias", t);
        if ((rc = read_layer(g, net, matrix, bias, "")))
            return rc;
        net->layer[net->n - 1].linear = true;
        m->fit_trained_f32 = cox_graph_is_float(g, matrix);
    }
    return COX_OK;
}

/* ---- descriptors ---- */

/* Mean and deviation are stored per slot, but are the same in all slots of a centre type. */
static int read_statistics(struct cox_graph *g, const struct part *p)
{
    struct cox_dp_model *m = g->model;
    int width = p->q->kind == COX_DP_SE_A ? 4 : 1;
    int slots = 0;
    for (int t = 0; t < m->n_types; t++)
        slots += p->q->sel[t];
    for (int which = 0; which < 2; which++) {
        char name[NAME];
        double *x;
        int64_t dims[2];
        snprintf(name, sizeof name, "descrpt_attr%s/%s", p->suffix, which ? "t_std" : "t_avg");
        int rc = cox_graph_numbers(g, name, &x, dims);
        if (rc)
            return rc;
        if (dims[0] * dims[1] != (int64_t)m->n_types * slots * width || !slots)
            return cox_err_set(g->err, COX_EFORMAT, "'%s': '%s' has the wrong shape", g->path,
                               name);
        for (int t = 0; t < m->n_types; t++) {
            const double *row = x + (size_t)t * (size_t)(slots * width);
            double *to = which ? p->q->dstd[t] : p->q->davg[t];
            memcpy(to, row, (size_t)width * sizeof *to);
            for (int i = width; i < slots * width; i++)
                if (row[i] != row[i % width])
                    return cox_err_set(g->err, COX_EUNSUPPORTED,
                                       "'%s': '%s' differs from slot to slot", g->path, name);
        }
    }
    return COX_OK;
}

static int read_sel(struct cox_graph *g, const struct part *p)
{
    struct cox_dp_model *m = g->model;
    bool angles = p->q->kind == COX_DP_SE_A;
    if (cox_graph_ints(p->env, angles ? "sel_a" : "sel", p->q->sel, m->n_types) >= 0)
        return COX_OK;
    char name[NAME];
    double *x;
    int64_t dims[2];
    snprintf(name, sizeof name, "descrpt_attr%s/sel", p->suffix);
    int rc = cox_graph_numbers(g, name, &x, dims);
    if (!rc && dims[0] * dims[1] != m->n_types)
        rc = cox_err_set(g->err, COX_EFORMAT, "'%s': sel is not one number per type", g->path);
    for (int t = 0; !rc && t < m->n_types; t++) {
        if (!(x[t] >= 0 && x[t] <= 100000))
            return cox_err_set(g->err, COX_EFORMAT, "'%s': sel is %g", g->path, x[t]);
        p->q->sel[t] = (int)x[t];
    }
    return rc;
}

/* What the k-th descriptor's nodes are called: as the statistics that its environment reads. */
static int find_part(struct cox_graph *g, int k, struct part *p)
{
    *p = (struct part){.env = g->env[k]};
    p->q = &g->model->descriptor[k];
    p->q->kind = cox_graph_op_is(p->env, "ProdEnvMatR") ? COX_DP_SE_R : COX_DP_SE_A;
    const struct cox_pb_field *input = cox_graph_input(p->env, "descrpt_attr_");
    if (input) {
        const char *at = memmem(input->bytes, input->length, "descrpt_attr_", 13);
        at += 13;
        char digit = at < input->bytes + input->length ? *at : '?';
        if (digit < '0' || digit > '9')
            return cox_err_set(g->err, COX_EFORMAT, "'%s': the name of a descriptor is unknown",
                               g->path);
        snprintf(p->suffix, sizeof p->suffix, "_%c", digit);
    } else if (g->n_env > 1) {
        return cox_err_set(g->err, COX_EUNSUPPORTED,
                           "'%s': %d descriptors, but it is not told which is which", g->path,
                           g->n_env);
    }
    return COX_OK;
}

/* The axis that the graph cuts G's columns at: a slice of size (−1, −1, axis); 0: not found. */
static int axis_of_slice(struct cox_graph *g, const struct part *p)
{
    for (size_t i = 0; i < g->n; i++) {
        const char *name = g->constants[i].name;
        const char *scope = strchr(name, '/');
        size_t suffix = strlen(p->suffix);
        double *x;
        int64_t dims[2];
        if (strncmp(name, "filter_type_", 12) || !scope || (size_t)(scope - name) < 12 + suffix ||
            strncmp(scope - suffix, p->suffix, suffix) || strncmp(scope, "/Slice", 6) ||
            !strstr(scope, "/size") || cox_graph_numbers(g, name, &x, dims) ||
            dims[0] * dims[1] != 3 || x[0] != -1 || x[1] != -1)
            continue;
        return x[2] >= 1 && x[2] <= p->q->m1 ? (int)x[2] : 0;
    }
    return 0;
}

/* One descriptor's axis follows from the width of the fitting net; of several, slices tell. */
static int read_axes(struct cox_graph *g)
{
    struct cox_dp_model *m = g->model;
    int rest = m->fit[0].layer[0].in - m->n_fparam;
    struct cox_dp_descriptor *last = NULL;
    int n = 0;
    for (int k = 0; k < m->n_descriptors; k++) {
        struct cox_dp_descriptor *q = &m->descriptor[k];
        bool angles = q->kind == COX_DP_SE_A;
        rest -= angles ? 0 : q->m1;
        n += angles;
        last = angles ? q : last;
    }
    if (n == 1 && last->m1)
        last->axis = rest / last->m1;
    for (int k = 0; k < m->n_descriptors; k++)
        if (m->descriptor[k].kind == COX_DP_SE_A)
            rest -= m->descriptor[k].m1 * m->descriptor[k].axis;
    return rest == 0 ? COX_OK
                     : cox_err_set(g->err, COX_EUNSUPPORTED,
                                   "'%s': the descriptors' axis_neuron cannot be told; DeePMD-kit "
                                   "converts it: dp convert-backend %s model.dp",
                                   g->path, g->path);
}

static int read_descriptor(struct cox_graph *g, int k)
{
    struct part p;
    int rc = find_part(g, k, &p);
    if (rc)
        return rc;
    bool angles = p.q->kind == COX_DP_SE_A;
    p.q->rcut = cox_graph_float(p.env, angles ? "rcut_r" : "rcut");
    p.q->rcut_smth = cox_graph_float(p.env, angles ? "rcut_r_smth" : "rcut_smth");
    rc = read_sel(g, &p);
    if (!rc)
        rc = read_statistics(g, &p);
    if (!rc)
        rc = read_embedding(g, &p);
    if (!rc)
        p.q->axis = axis_of_slice(g, &p);
    return rc;
}

/* Where one net serves several centres, what they do not see is masked: constants "Const", types ×
 * types, made in the order of the descriptors. */
static int read_masks(struct cox_graph *g)
{
    struct cox_dp_model *m = g->model;
    int masks = 0;
    int one_sided = 0;
    struct cox_dp_descriptor *q = NULL;
    const double *mask = NULL;
    for (int d = 0; d < m->n_descriptors; d++)
        if (m->descriptor[d].one_side) {
            one_sided++;
            q = &m->descriptor[d];
        }
    for (size_t i = 0; i < g->n; i++) {
        const char *name = strrchr(g->constants[i].name, '/');
        double *x;
        int64_t dims[2];
        bool zero = false;
        bool good = true;
        name = name ? name + 1 : g->constants[i].name;
        if (strncmp(name, "Const", 5) || (name[5] && name[5] != '_') ||
            cox_graph_numbers(g, g->constants[i].name, &x, dims) || dims[0] != m->n_types ||
            dims[1] != m->n_types || m->n_types < 2)
            continue;
        for (int k = 0; k < m->n_types * m->n_types; k++) {
            good = good && (x[k] == 0 || x[k] == 1) &&
                   x[k] == x[k % m->n_types * m->n_types + k / m->n_types];
            zero = zero || x[k] == 0;
        }
        if (good && zero) {
            masks++;
            mask = x;
        }
    }
    if (!masks)
        return COX_OK;
    if (masks != 1 || one_sided != 1)
        return cox_err_set(g->err, COX_EUNSUPPORTED,
                           "'%s': which of several descriptors has exclude_types is not told; "
                           "DeePMD-kit converts it: dp convert-backend %s model.dp",
                           g->path, g->path);
    for (int k = 0; k < m->n_types * m->n_types; k++)
        if (mask[k] == 0)
            q->exclude[k / m->n_types][k % m->n_types] = COX_DP_EXCLUDE_SECTION;
    return COX_OK;
}

/* ---- the model ---- */

static int read_types(struct cox_graph *g)
{
    struct cox_dp_model *m = g->model;
    double n = 0;
    const char *text = "";
    size_t length = 0;
    int rc = cox_graph_scalar(g, "descrpt_attr/ntypes", &n);
    if (rc)
        return rc;
    if (!(n >= 1 && n <= COX_DP_MAX_TYPES))
        return cox_err_set(g->err, COX_EFORMAT, "'%s': %g types of atoms; 1 to %d are possible",
                           g->path, n, COX_DP_MAX_TYPES);
    m->n_types = (int)n;
    (void)cox_graph_text(g, "model_attr/tmap", &text, &length);
    const char *end = text + length;
    for (int t = 0; t < m->n_types; t++) {
        while (text < end && *text == ' ')
            text++;
        size_t word = 0;
        while (text + word < end && text[word] != ' ')
            word++;
        if (word)
            snprintf(m->type_name[t], COX_DP_TYPE_NAME, "%.*s", (int)word, text);
        else /* old graphs have no names */
            snprintf(m->type_name[t], COX_DP_TYPE_NAME, "%d", t);
        text += word;
    }
    return COX_OK;
}

/* Energies of free atoms: of the fitting, and since version 3 of the model. */
static int read_biases(struct cox_graph *g)
{
    const char *const names[] = {"fitting_attr/t_bias_atom_e", cox_graph_ending(g, "/t_out_bias")};
    struct cox_dp_model *m = g->model;
    for (int i = 0; i < 2; i++) {
        double *x;
        int64_t dims[2];
        if (!names[i] || !cox_graph_find(g, names[i]))
            continue;
        int rc = cox_graph_numbers(g, names[i], &x, dims);
        if (!rc && dims[0] * dims[1] != m->n_types)
            rc = cox_err_set(g->err, COX_EFORMAT, "'%s': '%s' is not one number per type", g->path,
                             names[i]);
        if (rc)
            return rc;
        for (int t = 0; t < m->n_types; t++)
            m->bias[t] += x[t];
    }
    return COX_OK;
}

static int read_fparam(struct cox_graph *g)
{
    struct cox_dp_model *m = g->model;
    double n = 0;
    int64_t avg[2] = {0};
    int64_t inv[2] = {0};
    int rc = COX_OK;
    if (cox_graph_find(g, "fitting_attr/daparam"))
        rc = cox_graph_scalar(g, "fitting_attr/daparam", &n);
    if (!rc && n > 0)
        return cox_err_set(g->err, COX_EUNSUPPORTED,
                           "'%s' has parameters per atom (aparam), which are not supported; "
                           "parameters of the frame (fparam) are",
                           g->path);
    if (!rc && cox_graph_find(g, "fitting_attr/dfparam"))
        rc = cox_graph_scalar(g, "fitting_attr/dfparam", &n);
    if (rc || n == 0)
        return rc;
    if (!(n >= 0 && n <= 1000))
        return cox_err_set(g->err, COX_EFORMAT, "'%s': %g frame parameters", g->path, n);
    m->n_fparam = (int)n;
    rc = cox_graph_numbers(g, "fitting_attr/t_fparam_avg", &m->fparam_avg, avg);
    if (!rc)
        rc = cox_graph_numbers(g, "fitting_attr/t_fparam_istd", &m->fparam_inv_std, inv);
    if (!rc && (avg[0] * avg[1] != m->n_fparam || inv[0] * inv[1] != m->n_fparam))
        rc = cox_err_set(g->err, COX_EFORMAT, "'%s': the frame parameters' statistics do not fit",
                         g->path);
    return rc;
}

static int read_training(struct cox_graph *g)
{
    struct cox_dp_model *m = g->model;
    const char *text;
    size_t length;
    int rc = COX_OK;
    if (cox_graph_text(g, "model_attr/model_version", &text, &length)) {
        char origin[80];
        snprintf(origin, sizeof origin, "deepmd-kit, model version %.*s",
                 length < 20 ? (int)length : 20, text);
        m->origin = cox_arena_strdup(m->arena, origin);
        if (!m->origin)
            return no_memory(g);
    }
    if (cox_graph_find(g, "train_attr/min_nbor_dist"))
        rc = cox_graph_scalar(g, "train_attr/min_nbor_dist", &m->min_distance);
    if (!rc && !(m->min_distance > 0 && m->min_distance < 100))
        m->min_distance = 0;
    if (!rc && cox_graph_text(g, "train_attr/training_script", &text, &length)) {
        m->training_script = cox_arena_alloc(m->arena, length + 1, 1);
        if (!m->training_script)
            return no_memory(g);
        memcpy(m->training_script, text, length);
    }
    return rc;
}

/* After the check: the nets are as they should be. */
static int take_off_vacuum(struct cox_graph *g)
{
    int rc = COX_OK;
    for (int t = 0; !rc && t < g->model->n_types; t++)
        if (g->vacuum[t] && g->model->n_fparam)
            return cox_err_set(g->err, COX_EUNSUPPORTED,
                               "'%s': atom_ener together with fparam is not supported", g->path);
        else if (g->vacuum[t])
            rc = cox_dp_model_take_off_vacuum(g->model, t, g->err);
    return rc;
}

static int read_model(struct cox_graph *g)
{
    struct cox_dp_model *m = g->model;
    const char *type = "ener";
    size_t length = strlen(type);
    (void)cox_graph_text(g, "model_attr/model_type", &type, &length);
    if (length != 4 || memcmp(type, "ener", 4))
        return cox_err_set(g->err, COX_EUNSUPPORTED,
                           "'%s': a model of type '%.*s' is not supported; 'ener' is", g->path,
                           (int)length, type);
    if (!g->n_env)
        return cox_err_set(g->err, COX_EUNSUPPORTED,
                           "'%s' is a graph without an se_e2_a or se_e2_r descriptor (no node "
                           "ProdEnvMatA or ProdEnvMatR)",
                           g->path);
    m->n_descriptors = g->n_env;
    int rc = read_types(g);
    for (int k = 0; !rc && k < g->n_env; k++)
        rc = read_descriptor(g, k);
    if (!rc)
        rc = read_masks(g);
    if (!rc)
        rc = read_fitting(g);
    if (!rc)
        rc = read_biases(g);
    if (!rc)
        rc = read_fparam(g);
    if (!rc)
        rc = read_training(g);
    if (rc)
        return rc;
    rc = read_axes(g);
    if (!rc && (rc = cox_dp_model_check(m, g->err)))
        return cox_err_wrap(g->err, rc, "'%s'", g->path);
    return rc ? rc : take_off_vacuum(g);
}

int cox_dp_read_graph(struct cox_dp_model **out, const char *path, bool text, struct cox_err *err)
{
    struct cox_graph graph;
    *out = NULL;
    int rc = cox_graph_open(&graph, path, text, err);
    if (!rc)
        rc = read_model(&graph);
    cox_graph_close(&graph);
    if (rc)
        cox_dp_model_destroy(graph.model);
    else
        *out = graph.model;
    return rc;
}
