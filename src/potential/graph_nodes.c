/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/graph_nodes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

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
enum { N_NAME = 1, N_OP = 2, N_INPUT = 3, N_ATTR = 5 };
static const struct cox_pb_row node_rows[] = {{N_NAME, "name", COX_PB_BYTES, NULL},
                                              {N_OP, "op", COX_PB_BYTES, NULL},
                                              {N_INPUT, "input", COX_PB_BYTES, NULL},
                                              {N_ATTR, "attr", COX_PB_MESSAGE, &attr},
                                              {0}};
static const struct cox_pb_message node = {node_rows};
static const struct cox_pb_row graph_rows[] = {{1, "node", COX_PB_MESSAGE, &node}, {0}};
static const struct cox_pb_message graph = {graph_rows};

/* ---- constants ---- */

bool cox_graph_is(const struct cox_pb_field *f, const char *text)
{
    return f && f->length == strlen(text) && !memcmp(f->bytes, text, f->length);
}

static bool begins(const struct cox_pb_field *f, const char *text)
{
    return f && f->length >= strlen(text) && !memcmp(f->bytes, text, strlen(text));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cox_graph_constant *)a)->name,
                  ((const struct cox_graph_constant *)b)->name);
}

/* The value of an attribute of a node, NULL: none. */
static const struct cox_pb_field *attribute(const struct cox_pb_field *node_fields, const char *key)
{
    for (const struct cox_pb_field *a = cox_pb_find(node_fields, N_ATTR); a; a = cox_pb_next(a))
        if (cox_graph_is(cox_pb_find(a->first, 1), key)) {
            const struct cox_pb_field *v = cox_pb_find(a->first, 2);
            return v ? v->first : NULL;
        }
    return NULL;
}

/* Operations that would make another function of the nets than the one evaluated here. */
static int check_operation(struct cox_graph *r, const struct cox_pb_field *name,
                           const struct cox_pb_field *op)
{
    static const char *const foreign[] = {"Relu",           "Relu6",      "Softplus",     "Sigmoid",
                                          "Gelu",           "GeluCustom", "Selu",         "Elu",
                                          "ProdEnvMatAMix", "PairTab",    "SoftMinSwitch"};
    if (op && begins(op, "TabulateFusion"))
        return cox_err_set(r->err, COX_EUNSUPPORTED,
                           "'%s' was compressed by DeePMD-kit, its embedding nets are gone: take "
                           "the model that it was made from, and 'cox potential compress' it",
                           r->path);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (cox_graph_is(op, foreign[i]) && !begins(name, "gradients"))
            return cox_err_set(r->err, COX_EUNSUPPORTED,
                               "'%s': node '%.*s' is a %s; only se_e2_a and se_e2_r with tanh, "
                               "uncompressed, can be read from a graph",
                               r->path, (int)(name ? name->length : 0), name ? name->bytes : "",
                               foreign[i]);
    return COX_OK;
}

/* A second product with the last layer's matrix: "final_layer_type_TYPE_1/MatMul". */
static void note_vacuum(struct cox_graph *r, const struct cox_pb_field *name)
{
    for (int t = 0; name && begins(name, "final_layer_type_") && t < COX_DP_MAX_TYPES; t++) {
        char wanted[48];
        snprintf(wanted, sizeof wanted, "final_layer_type_%d_1/MatMul", t);
        r->vacuum[t] = r->vacuum[t] || cox_graph_is(name, wanted);
    }
}

static int collect(struct cox_graph *r, const struct cox_pb_field *nodes)
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
        if (cox_graph_is(op, "ProdEnvMatA") || cox_graph_is(op, "ProdEnvMatR") ||
            cox_graph_is(op, "DescrptSeA")) {
            if (r->n_env == COX_DP_MAX_DESCRIPTORS)
                return cox_err_set(r->err, COX_EUNSUPPORTED, "'%s' has more than %d descriptors",
                                   r->path, COX_DP_MAX_DESCRIPTORS);
            r->env[r->n_env++] = f->first;
        }
        note_vacuum(r, name);
        const struct cox_pb_field *t =
            cox_graph_is(op, "Const") ? attribute(f->first, "value") : NULL;
        t = cox_pb_find(t, A_TENSOR);
        struct cox_graph_constant *c = &r->constants[r->n];
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

const struct cox_pb_field *cox_graph_find(const struct cox_graph *r, const char *name)
{
    struct cox_graph_constant key;
    snprintf(key.name, sizeof key.name, "%s", name);
    const struct cox_graph_constant *hit = bsearch(&key, r->constants, r->n, sizeof key, by_name);
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
        if (f->bytes ? cox_graph_is(f, types[i].name) : f->integer == types[i].id) {
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

/* Small tensors list their values; the last one repeats. */
int cox_graph_numbers(struct cox_graph *r, const char *name, double **out, int64_t dims[2])
{
    const struct cox_pb_field *t = cox_graph_find(r, name);
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
        if (extent == 1 && rank == 2)
            continue;
        if (rank == 2 && dims[0] == 1) { /* [1][n][1] */
            dims[0] = dims[1];
            rank = 1;
        }
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

int cox_graph_scalar(struct cox_graph *r, const char *name, double *out)
{
    double *x;
    int64_t dims[2];
    int rc = cox_graph_numbers(r, name, &x, dims);
    if (!rc && dims[0] * dims[1] != 1)
        rc = cox_err_set(r->err, COX_EFORMAT, "'%s': '%s' is not one number", r->path, name);
    if (!rc)
        *out = x[0];
    return rc;
}

bool cox_graph_text(const struct cox_graph *r, const char *name, const char **out, size_t *length)
{
    const struct cox_pb_field *t = cox_graph_find(r, name);
    const struct cox_pb_field *s = cox_pb_find(t, STRINGS);
    if (!s)
        return false;
    *out = s->bytes;
    *length = s->length;
    return true;
}

const char *cox_graph_ending(const struct cox_graph *r, const char *end)
{
    for (size_t i = 0; i < r->n; i++) {
        size_t length = strlen(r->constants[i].name);
        if (length >= strlen(end) && !strcmp(r->constants[i].name + length - strlen(end), end))
            return r->constants[i].name;
    }
    return NULL;
}

bool cox_graph_is_float(const struct cox_graph *r, const char *name)
{
    char kind = 'd';
    const struct cox_pb_field *t = cox_graph_find(r, name);
    return t && dtype_size(cox_pb_find(t, DTYPE), &kind) && kind == 'f';
}

/* ---- nodes ---- */

bool cox_graph_op_is(const struct cox_pb_field *n, const char *op)
{
    return cox_graph_is(cox_pb_find(n, N_OP), op);
}

double cox_graph_float(const struct cox_pb_field *n, const char *key)
{
    const struct cox_pb_field *f = cox_pb_find(attribute(n, key), A_FLOAT);
    char text[32];
    double x = (double)NAN;
    for (int digits = 6; f && digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)(float)f->number);
        if (!cox_parse_double(text, &x) && (float)x == (float)f->number)
            break;
    }
    return x;
}

int cox_graph_ints(const struct cox_pb_field *n, const char *key, int *out, int most)
{
    const struct cox_pb_field *a = cox_pb_find(attribute(n, key), A_LIST);
    int count = 0;
    for (const struct cox_pb_field *i = a ? cox_pb_find(a->first, 3) : NULL; i;
         i = cox_pb_next(i)) {
        if (count == most || i->integer < 0 || i->integer > 100000)
            return -1;
        out[count++] = (int)i->integer;
    }
    return count == most ? count : -1;
}

const struct cox_pb_field *cox_graph_input(const struct cox_pb_field *n, const char *part)
{
    for (const struct cox_pb_field *f = cox_pb_find(n, N_INPUT); f; f = cox_pb_next(f))
        if (memmem(f->bytes, f->length, part, strlen(part)))
            return f;
    return NULL;
}

/* ---- the file ---- */

int cox_graph_open(struct cox_graph *r, const char *path, bool text, struct cox_err *err)
{
    size_t length = 0;
    struct cox_pb_field *nodes = NULL;
    *r = (struct cox_graph){.path = path, .arena = cox_arena_create(), .err = err};
    if (!r->arena)
        return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    int rc = cox_file_read(&r->bytes, &length, path, GRAPH_MAXIMUM, err);
    if (rc)
        return rc;
    rc = text ? cox_pb_parse_text(&nodes, &graph, r->bytes, length, r->arena, err)
              : cox_pb_parse_wire(&nodes, &graph, r->bytes, length, r->arena, err);
    if (rc)
        return cox_err_wrap(err, rc, "'%s' is no graph of a potential", path);
    rc = cox_dp_model_create(&r->model, err);
    return rc ? rc : collect(r, nodes);
}

void cox_graph_close(struct cox_graph *r)
{
    cox_arena_destroy(r->arena);
    cox_free(r->bytes);
    r->arena = NULL;
    r->bytes = NULL;
}
