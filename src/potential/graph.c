/* SPDX-License-Identifier: BSD-3-Clause */
/* What is kept of a frozen graph: its constants by name, and the attributes of the operation that
 * makes the environment matrix. Names of nodes as DeePMD-kit 1.x and 2.x write them. */
#include "potential/graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "potential/protobuf.h"

#define GRAPH_MAXIMUM ((size_t)2 << 30)

/* ---- the messages (tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto) ---- */

static const struct cox_pb_row dim_rows[] = {{1, "size", COX_PB_INT, NULL}, {0}};
static const struct cox_pb_message dim = {dim_rows};
static const struct cox_pb_row shape_rows[] = {{2, "dim", COX_PB_MESSAGE, &dim}, {0}};
static const struct cox_pb_message shape = {shape_rows};
enum {
    DTYPE = 1,
    SHAPE = 2,
    CONTENT = 4,
    FLOATS = 5,
    DOUBLES = 6,
    INTS = 7,
    STRINGS = 8,
    LONGS = 10
};
static const struct cox_pb_row tensor_rows[] = {{DTYPE, "dtype", COX_PB_INT, NULL},
                                                {SHAPE, "tensor_shape", COX_PB_MESSAGE, &shape},
                                                {CONTENT, "tensor_content", COX_PB_BYTES, NULL},
                                                {FLOATS, "float_val", COX_PB_FLOAT, NULL},
                                                {DOUBLES, "double_val", COX_PB_DOUBLE, NULL},
                                                {INTS, "int_val", COX_PB_INT, NULL},
                                                {STRINGS, "string_val", COX_PB_BYTES, NULL},
                                                {LONGS, "int64_val", COX_PB_INT, NULL},
                                                {0}};
static const struct cox_pb_message tensor = {tensor_rows};
static const struct cox_pb_row list_rows[] = {{3, "i", COX_PB_INT, NULL}, {0}};
static const struct cox_pb_message list = {list_rows};
enum { A_LIST = 1, A_INT = 3, A_FLOAT = 4, A_TENSOR = 8 };
static const struct cox_pb_row value_rows[] = {{A_LIST, "list", COX_PB_MESSAGE, &list},
                                               {A_INT, "i", COX_PB_INT, NULL},
                                               {A_FLOAT, "f", COX_PB_FLOAT, NULL},
                                               {A_TENSOR, "tensor", COX_PB_MESSAGE, &tensor},
                                               {0}};
static const struct cox_pb_message value = {value_rows};
static const struct cox_pb_row attr_rows[] = {
    {1, "key", COX_PB_BYTES, NULL}, {2, "value", COX_PB_MESSAGE, &value}, {0}};
static const struct cox_pb_message attr = {attr_rows};
enum { N_NAME = 1, N_OP = 2, N_ATTR = 5 };
static const struct cox_pb_row node_rows[] = {{N_NAME, "name", COX_PB_BYTES, NULL},
                                              {N_OP, "op", COX_PB_BYTES, NULL},
                                              {N_ATTR, "attr", COX_PB_MESSAGE, &attr},
                                              {0}};
static const struct cox_pb_message node = {node_rows};
static const struct cox_pb_row graph_rows[] = {{1, "node", COX_PB_MESSAGE, &node}, {0}};
static const struct cox_pb_message graph = {graph_rows};

/* ---- constants ---- */

struct constant {
    char name[80];
    const struct cox_pb_field *tensor; /* its fields */
};

struct reading {
    const char *path;
    struct cox_dp_model *model;
    struct cox_arena *arena;    /* of the file, gone in the end */
    struct constant *constants; /* sorted by name */
    size_t n;
    const struct cox_pb_field *env; /* attributes of the environment matrix' node */
    struct cox_err *err;
};

static bool is(const struct cox_pb_field *f, const char *text)
{
    return f && f->length == strlen(text) && !memcmp(f->bytes, text, f->length);
}

static bool begins(const struct cox_pb_field *f, const char *text)
{
    return f && f->length >= strlen(text) && !memcmp(f->bytes, text, strlen(text));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct constant *)a)->name, ((const struct constant *)b)->name);
}

/* The value of an attribute of a node, NULL: none. */
static const struct cox_pb_field *attribute(const struct cox_pb_field *node_fields, const char *key)
{
    for (const struct cox_pb_field *a = cox_pb_find(node_fields, N_ATTR); a; a = cox_pb_next(a))
        if (is(cox_pb_find(a->first, 1), key)) {
            const struct cox_pb_field *v = cox_pb_find(a->first, 2);
            return v ? v->first : NULL;
        }
    return NULL;
}

/* Operations that would make another function of the nets than the one evaluated here. */
static int check_operation(struct reading *r, const struct cox_pb_field *name,
                           const struct cox_pb_field *op)
{
    static const char *const foreign[] = {
        "Relu", "Relu6", "Softplus",    "Sigmoid",        "Gelu",           "GeluCustom",
        "Selu", "Elu",   "ProdEnvMatR", "ProdEnvMatAMix", "TabulateFusion", "TabulateFusionSeA"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (is(op, foreign[i]) && !begins(name, "gradients"))
            return cox_err_set(
                r->err, COX_EUNSUPPORTED,
                "'%s': node '%.*s' is a %s; only se_e2_a with tanh, uncompressed, can "
                "be read from a graph",
                r->path, (int)(name ? name->length : 0), name ? name->bytes : "", foreign[i]);
    return COX_OK;
}

static int collect(struct reading *r, const struct cox_pb_field *nodes)
{
    size_t n = 0;
    for (const struct cox_pb_field *f = cox_pb_find(nodes, 1); f; f = cox_pb_next(f))
        n++;
    r->constants = cox_arena_alloc(r->arena, n + 1, sizeof *r->constants);
    if (!r->constants)
        return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
    for (const struct cox_pb_field *f = cox_pb_find(nodes, 1); f; f = cox_pb_next(f)) {
        const struct cox_pb_field *name = cox_pb_find(f->first, N_NAME);
        const struct cox_pb_field *op = cox_pb_find(f->first, N_OP);
        int rc = check_operation(r, name, op);
        if (rc)
            return rc;
        if (is(op, "ProdEnvMatA") || is(op, "DescrptSeA"))
            r->env = f->first;
        const struct cox_pb_field *t = is(op, "Const") ? attribute(f->first, "value") : NULL;
        t = cox_pb_find(t, A_TENSOR);
        struct constant *c = &r->constants[r->n];
        if (!t || !name || name->length >= sizeof c->name)
            continue;
        memcpy(c->name, name->bytes, name->length);
        c->name[name->length] = '\0';
        c->tensor = t->first;
        r->n++;
    }
    qsort(r->constants, r->n, sizeof *r->constants, by_name);
    return COX_OK;
}

static const struct cox_pb_field *find(const struct reading *r, const char *name)
{
    struct constant key;
    snprintf(key.name, sizeof key.name, "%s", name);
    const struct constant *hit = bsearch(&key, r->constants, r->n, sizeof key, by_name);
    return hit ? hit->tensor : NULL;
}

/* float16 bits: sign, 5 bits of exponent, 10 of fraction. */
static double half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    double fraction = (bits & 1023) / 1024.0;
    double magnitude = exponent == 0    ? ldexp(fraction, -14)
                       : exponent == 31 ? (fraction > 0 ? (double)NAN : (double)INFINITY)
                                        : ldexp(1 + fraction, exponent - 15);
    return bits & 0x8000 ? -magnitude : magnitude;
}

/* Bytes of one number of a dtype, by its number (wire) or name (text); 0: not a number of ours. */
static size_t dtype_size(const struct cox_pb_field *f, char *kind)
{
    static const struct {
        int id;
        const char *name;
        char kind;
        size_t size;
    } types[] = {{1, "DT_FLOAT", 'f', 4},
                 {2, "DT_DOUBLE", 'd', 8},
                 {3, "DT_INT32", 'i', 4},
                 {9, "DT_INT64", 'l', 8},
                 {19, "DT_HALF", 'h', 2}};
    for (size_t i = 0; f && i < sizeof types / sizeof types[0]; i++)
        if (f->bytes ? is(f, types[i].name) : f->integer == types[i].id) {
            *kind = types[i].kind;
            return types[i].size;
        }
    return 0;
}

static double number_at(const char *bytes, char kind)
{
    double d;
    float f;
    int32_t i;
    int64_t l;
    uint16_t h;
    switch (kind) {
    case 'd':
        memcpy(&d, bytes, sizeof d);
        return d;
    case 'f':
        memcpy(&f, bytes, sizeof f);
        return (double)f;
    case 'i':
        memcpy(&i, bytes, sizeof i);
        return i;
    case 'l':
        memcpy(&l, bytes, sizeof l);
        return (double)l;
    default:
        memcpy(&h, bytes, sizeof h);
        return half(h);
    }
}

/* The numbers of a constant: *n of them in the model's arena, with up to two dimensions. Small
 * tensors list their values; the last one repeats. */
static int numbers(struct reading *r, const char *name, double **out, int64_t dims[2])
{
    const struct cox_pb_field *t = find(r, name);
    char kind = 'f';
    *out = NULL;
    dims[0] = dims[1] = 1;
    if (!t)
        return cox_err_set(r->err, COX_EFORMAT, "'%s' has no constant '%s'", r->path, name);
    size_t size = dtype_size(cox_pb_find(t, DTYPE), &kind);
    const struct cox_pb_field *s = cox_pb_find(t, SHAPE);
    int rank = 0;
    size_t n = 1;
    for (const struct cox_pb_field *d = cox_pb_find(s ? s->first : NULL, 2); d;
         d = cox_pb_next(d)) {
        const struct cox_pb_field *length = cox_pb_find(d->first, 1);
        int64_t extent = length ? length->integer : 0;
        if (extent < 1 || extent > 100000000 || rank == 2)
            return cox_err_set(r->err, COX_EFORMAT, "'%s': '%s' has a shape that cannot be used",
                               r->path, name);
        dims[rank++] = extent;
        n *= (size_t)extent;
    }
    const struct cox_pb_field *content = cox_pb_find(t, CONTENT);
    int id = kind == 'd' ? DOUBLES : kind == 'f' ? FLOATS : kind == 'l' ? LONGS : INTS;
    const struct cox_pb_field *v = cox_pb_find(t, id);
    if (!size || n > ((size_t)1 << 28) ||
        (content ? content->length != n * size : !v || kind == 'h'))
        return cox_err_set(r->err, COX_EFORMAT, "'%s': the values of '%s' do not fit its shape",
                           r->path, name);
    double *x = cox_arena_alloc(r->model->arena, n, sizeof *x);
    if (!x)
        return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
    for (size_t i = 0; i < n; i++) {
        x[i] = content                     ? number_at(content->bytes + i * size, kind)
               : id == INTS || id == LONGS ? (double)v->integer
                                           : v->number;
        if (!content && cox_pb_next(v))
            v = cox_pb_next(v);
    }
    *out = x;
    return COX_OK;
}

static int scalar(struct reading *r, const char *name, double *out)
{
    double *x;
    int64_t dims[2];
    int rc = numbers(r, name, &x, dims);
    if (!rc && dims[0] * dims[1] != 1)
        rc = cox_err_set(r->err, COX_EFORMAT, "'%s': '%s' is not one number", r->path, name);
    if (!rc)
        *out = x[0];
    return rc;
}

static bool text_of(const struct reading *r, const char *name, const char **out, size_t *length)
{
    const struct cox_pb_field *t = find(r, name);
    const struct cox_pb_field *s = cox_pb_find(t, STRINGS);
    if (!s)
        return false;
    *out = s->bytes;
    *length = s->length;
    return true;
}

/* ---- the model ---- */

static int read_layer(struct reading *r, struct cox_dp_net *net, const char *matrix,
                      const char *bias, const char *idt)
{
    struct cox_dp_layer *l = &net->layer[net->n];
    int64_t dims[2];
    int64_t other[2];
    if (net->n == COX_DP_MAX_LAYERS)
        return cox_err_set(r->err, COX_EUNSUPPORTED, "'%s': more than %d layers", r->path,
                           COX_DP_MAX_LAYERS);
    int rc = numbers(r, matrix, &l->w, dims);
    if (rc)
        return rc;
    l->in = (int)dims[0];
    l->out = (int)dims[1];
    rc = numbers(r, bias, &l->b, other);
    if (!rc && other[0] * other[1] != l->out)
        rc =
            cox_err_set(r->err, COX_EFORMAT, "'%s': '%s' does not fit '%s'", r->path, bias, matrix);
    if (!rc && find(r, idt)) {
        rc = numbers(r, idt, &l->idt, other);
        if (!rc && other[0] * other[1] != l->out)
            rc = cox_err_set(r->err, COX_EFORMAT, "'%s': '%s' does not fit '%s'", r->path, idt,
                             matrix);
    }
    net->n++;
    return rc;
}

static int read_embedding(struct reading *r)
{
    struct cox_dp_model *m = r->model;
    char matrix[80];
    char bias[80];
    char idt[80];
    m->descriptor[0].one_side = find(r, "filter_type_all/matrix_1_0") != NULL;
    int nets = m->descriptor[0].one_side ? m->n_types : m->n_types * m->n_types;
    m->descriptor[0].embed =
        cox_arena_alloc(m->arena, (size_t)nets, sizeof *m->descriptor[0].embed);
    if (!m->descriptor[0].embed)
        return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
    for (int i = 0; i < nets; i++) {
        int neighbour = m->descriptor[0].one_side ? i : i / m->n_types;
        int centre = m->descriptor[0].one_side ? 0 : i % m->n_types;
        char prefix[32] = "filter_type_all";
        if (!m->descriptor[0].one_side)
            snprintf(prefix, sizeof prefix, "filter_type_%d", centre);
        for (int k = 1;; k++) {
            snprintf(matrix, sizeof matrix, "%s/matrix_%d_%d", prefix, k, neighbour);
            snprintf(bias, sizeof bias, "%s/bias_%d_%d", prefix, k, neighbour);
            snprintf(idt, sizeof idt, "%s/idt_%d_%d", prefix, k, neighbour);
            if (!find(r, matrix))
                break;
            int rc = read_layer(r, &m->descriptor[0].embed[i], matrix, bias, idt);
            if (rc)
                return rc;
            struct cox_dp_layer *l = &m->descriptor[0].embed[i].layer[k - 1];
            l->skip = cox_dp_skip_of(l->in, l->out); /* the first layer too: 1 → 2 doubles */
        }
        if (m->descriptor[0].embed[i].n)
            m->descriptor[0].m1 =
                m->descriptor[0].embed[i].layer[m->descriptor[0].embed[i].n - 1].out;
        else if (!m->descriptor[0]
                      .one_side) /* the graph has no net for types that do not see each other */
            m->descriptor[0].exclude[centre][neighbour] = true;
    }
    return COX_OK;
}

static int read_fitting(struct reading *r)
{
    struct cox_dp_model *m = r->model;
    char matrix[80];
    char bias[80];
    char idt[80];
    m->fit = cox_arena_alloc(m->arena, (size_t)m->n_types, sizeof *m->fit);
    if (!m->fit)
        return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
    for (int t = 0; t < m->n_types; t++) {
        struct cox_dp_net *net = &m->fit[t];
        int rc;
        for (int k = 0;; k++) {
            snprintf(matrix, sizeof matrix, "layer_%d_type_%d/matrix", k, t);
            snprintf(bias, sizeof bias, "layer_%d_type_%d/bias", k, t);
            snprintf(idt, sizeof idt, "layer_%d_type_%d/idt", k, t);
            if (!find(r, matrix))
                break;
            if ((rc = read_layer(r, net, matrix, bias, idt)))
                return rc;
            struct cox_dp_layer *l = &net->layer[k];
            l->skip = k > 0 && l->in == l->out ? COX_DP_SKIP_SAME : COX_DP_SKIP_NONE;
        }
        snprintf(matrix, sizeof matrix, "final_layer_type_%d/matrix", t);
        snprintf(bias, sizeof bias, "final_layer_type_%d/bias", t);
        if ((rc = read_layer(r, net, matrix, bias, "")))
            return rc;
        net->layer[net->n - 1].linear = true;
    }
    return COX_OK;
}

/* Mean and deviation are stored per slot, but are the same in all slots of a centre type. */
static int read_statistics(struct reading *r)
{
    struct cox_dp_model *m = r->model;
    for (int which = 0; which < 2; which++) {
        const char *name = which ? "descrpt_attr/t_std" : "descrpt_attr/t_avg";
        double *x;
        int64_t dims[2];
        int rc = numbers(r, name, &x, dims);
        if (rc)
            return rc;
        if (dims[0] != m->n_types || dims[1] % 4 || !dims[1])
            return cox_err_set(r->err, COX_EFORMAT, "'%s': '%s' has the wrong shape", r->path,
                               name);
        for (int t = 0; t < m->n_types; t++) {
            const double *row = x + (size_t)t * (size_t)dims[1];
            double *to = which ? m->descriptor[0].dstd[t] : m->descriptor[0].davg[t];
            memcpy(to, row, 4 * sizeof *to);
            for (int64_t i = 4; i < dims[1]; i++)
                if (row[i] != row[i % 4])
                    return cox_err_set(r->err, COX_EUNSUPPORTED,
                                       "'%s': '%s' differs from slot to slot", r->path, name);
        }
    }
    return COX_OK;
}

static int read_sel(struct reading *r)
{
    struct cox_dp_model *m = r->model;
    const struct cox_pb_field *a = cox_pb_find(attribute(r->env, "sel_a"), A_LIST);
    const struct cox_pb_field *i = a ? cox_pb_find(a->first, 3) : NULL;
    int n = 0;
    for (; i && n < m->n_types; i = cox_pb_next(i))
        m->descriptor[0].sel[n++] = (int)i->integer;
    if (n == m->n_types && !i)
        return COX_OK;
    double *x;
    int64_t dims[2];
    int rc = numbers(r, "descrpt_attr/sel", &x, dims);
    if (!rc && dims[0] * dims[1] != m->n_types)
        rc = cox_err_set(r->err, COX_EFORMAT, "'%s': sel is not one number per type", r->path);
    for (int t = 0; !rc && t < m->n_types; t++)
        m->descriptor[0].sel[t] = (int)x[t];
    return rc;
}

static double float_attribute(const struct reading *r, const char *key)
{
    const struct cox_pb_field *f = cox_pb_find(attribute(r->env, key), A_FLOAT);
    return f ? f->number : (double)NAN;
}

static int read_types(struct reading *r)
{
    struct cox_dp_model *m = r->model;
    double n = 0;
    const char *text = "";
    size_t length = 0;
    int rc = scalar(r, "descrpt_attr/ntypes", &n);
    if (rc)
        return rc;
    if (!(n >= 1 && n <= COX_DP_MAX_TYPES))
        return cox_err_set(r->err, COX_EFORMAT, "'%s': %g types of atoms; 1 to %d are possible",
                           r->path, n, COX_DP_MAX_TYPES);
    m->n_types = (int)n;
    text_of(r, "model_attr/tmap", &text, &length);
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

static int read_extras(struct reading *r)
{
    struct cox_dp_model *m = r->model;
    double n = 0;
    double *x;
    int64_t dims[2];
    const char *text;
    size_t length;
    int rc = COX_OK;
    if (find(r, "fitting_attr/daparam") && !(rc = scalar(r, "fitting_attr/daparam", &n)) && n > 0)
        return cox_err_set(r->err, COX_EUNSUPPORTED, "'%s' has parameters per atom (aparam)",
                           r->path);
    if (!rc && find(r, "fitting_attr/dfparam"))
        rc = scalar(r, "fitting_attr/dfparam", &n);
    m->n_fparam = (int)n;
    if (!rc && m->n_fparam > 0)
        rc = numbers(r, "fitting_attr/t_fparam_avg", &m->fparam_avg, dims);
    if (!rc && m->n_fparam > 0)
        rc = numbers(r, "fitting_attr/t_fparam_istd", &m->fparam_inv_std, dims);
    if (!rc && find(r, "fitting_attr/t_bias_atom_e")) {
        rc = numbers(r, "fitting_attr/t_bias_atom_e", &x, dims);
        for (int t = 0; !rc && t < m->n_types && t < dims[0] * dims[1]; t++)
            m->bias[t] = x[t];
    }
    if (!rc && find(r, "train_attr/min_nbor_dist"))
        rc = scalar(r, "train_attr/min_nbor_dist", &m->min_distance);
    if (!rc && text_of(r, "train_attr/training_script", &text, &length)) {
        m->training_script = cox_arena_alloc(m->arena, length + 1, 1);
        if (!m->training_script)
            return cox_err_set(r->err, COX_ENOMEM, "out of memory reading '%s'", r->path);
        memcpy(m->training_script, text, length);
    }
    return rc;
}

static int read_model(struct reading *r)
{
    struct cox_dp_model *m = r->model;
    if (!r->env)
        return cox_err_set(r->err, COX_EUNSUPPORTED,
                           "'%s' holds no se_e2_a descriptor (no ProdEnvMatA node)", r->path);
    m->descriptor[0].rcut = float_attribute(r, "rcut_r");
    m->descriptor[0].rcut_smth = float_attribute(r, "rcut_r_smth");
    int rc = read_types(r);
    if (!rc)
        rc = read_sel(r);
    if (!rc)
        rc = read_statistics(r);
    if (!rc)
        rc = read_embedding(r);
    if (!rc)
        rc = read_fitting(r);
    if (!rc)
        rc = read_extras(r);
    if (!rc && m->descriptor[0].m1)
        m->descriptor[0].axis = (m->fit[0].layer[0].in - m->n_fparam) / m->descriptor[0].m1;
    if (!rc && (rc = cox_dp_model_check(m, r->err)))
        rc = cox_err_wrap(r->err, rc, "'%s'", r->path);
    return rc;
}

int cox_dp_read_graph(struct cox_dp_model **out, const char *path, struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    struct cox_pb_field *nodes = NULL;
    *out = NULL;
    int rc = cox_file_read(&bytes, &length, path, GRAPH_MAXIMUM, err);
    if (rc)
        return rc;
    struct reading r = {.path = path, .arena = cox_arena_create(), .err = err};
    if (!r.arena)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    if (!rc) {
        rc = cox_str_ends(path, ".pbtxt")
                 ? cox_pb_parse_text(&nodes, &graph, bytes, length, r.arena, err)
                 : cox_pb_parse_wire(&nodes, &graph, bytes, length, r.arena, err);
        if (rc)
            rc = cox_err_wrap(err, rc, "'%s' is no graph of a potential", path);
    }
    if (!rc)
        rc = cox_dp_model_create(&r.model, err);
    if (!rc)
        rc = collect(&r, nodes);
    if (!rc)
        rc = read_model(&r);
    cox_arena_destroy(r.arena);
    cox_free(bytes);
    if (rc) {
        cox_dp_model_destroy(r.model);
        return rc;
    }
    *out = r.model;
    return COX_OK;
}
