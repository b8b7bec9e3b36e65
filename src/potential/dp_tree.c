/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/dp_tree.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"

#define YAML_MAXIMUM ((size_t)1 << 30)
#define MAX_RANK 4

int cox_dp_tree_bad(const struct cox_dp_tree *t, const char *what)
{
    return cox_err_set(t->err, COX_EFORMAT, "'%s': %s", t->path, what);
}

int cox_dp_tree_unsupported(const struct cox_dp_tree *t, const char *what, const char *value,
                            const char *hint)
{
    return cox_err_set(t->err, COX_EUNSUPPORTED, "'%s': %s '%s' is not supported%s%s", t->path,
                       what, value, hint ? "; " : "", hint ? hint : "");
}

/* ---- the tree ---- */

const struct cox_yaml_node *cox_dp_tree_child(const struct cox_yaml_node *map, const char *key)
{
    return map ? cox_yaml_child(map, key, strlen(key)) : NULL;
}

bool cox_dp_tree_null(const struct cox_yaml_node *node)
{
    return !node || (node->kind == COX_YAML_SCALAR && cox_yaml_is_null(node));
}

const char *cox_dp_tree_text(const struct cox_yaml_node *map, const char *key, const char *missing)
{
    const struct cox_yaml_node *node = cox_dp_tree_child(map, key);
    return node && node->kind == COX_YAML_SCALAR ? node->text : missing;
}

bool cox_dp_tree_truth(const struct cox_yaml_node *map, const char *key)
{
    const char *word = cox_dp_tree_text(map, key, "false");
    return !strcmp(word, "true") || !strcmp(word, "True");
}

double cox_dp_tree_number(const struct cox_yaml_node *map, const char *key)
{
    double value;
    return cox_parse_double(cox_dp_tree_text(map, key, ""), &value) ? (double)NAN : value;
}

int cox_dp_tree_count(const struct cox_yaml_node *map, const char *key)
{
    const struct cox_yaml_node *node = cox_dp_tree_child(map, key);
    return node && node->kind == COX_YAML_LIST ? node->n : 0;
}

/* ---- variables ---- */

static int read_dataset(struct cox_dp_tree *t, const char *name, struct cox_dp_array *out)
{
    int rc = cox_h5_shape(t->file, name, &out->rank, out->dims, t->err);
    if (rc)
        return rc;
    out->n = 1;
    for (int i = 0; i < out->rank; i++) {
        if (out->dims[i] < 0 || (double)out->n * (double)out->dims[i] > (double)t->length)
            return cox_dp_tree_bad(t, "a variable is larger than the file");
        out->n *= (size_t)out->dims[i];
    }
    out->x = cox_arena_alloc(t->model->arena, out->n + 1, sizeof *out->x);
    if (!out->x)
        return cox_err_set(t->err, COX_ENOMEM, "out of memory reading '%s'", t->path);
    return cox_h5_read(t->file, name, COX_H5_F64, out->rank, out->dims, out->x, t->err);
}

/* Nested lists of equal lengths. */
static int read_list(struct cox_dp_tree *t, const struct cox_yaml_node *node, int depth,
                     struct cox_dp_array *out, size_t *filled)
{
    if (node->kind == COX_YAML_SCALAR) {
        double value;
        if (depth != out->rank || cox_parse_double(node->text, &value))
            return cox_dp_tree_bad(t, "an array is ragged or holds something else than numbers");
        out->x[(*filled)++] = value;
        return COX_OK;
    }
    if (node->kind != COX_YAML_LIST || depth >= out->rank || node->n != out->dims[depth])
        return cox_dp_tree_bad(t, "an array is ragged");
    int rc = COX_OK;
    for (const struct cox_yaml_node *item = node->first; !rc && item; item = item->next)
        rc = read_list(t, item, depth + 1, out, filled);
    return rc;
}

static int read_inline(struct cox_dp_tree *t, const struct cox_yaml_node *map,
                       struct cox_dp_array *out)
{
    const struct cox_yaml_node *value = cox_dp_tree_child(map, "value");
    out->n = 1;
    for (const struct cox_yaml_node *n = value; n && n->kind == COX_YAML_LIST; n = n->first) {
        if (out->rank == MAX_RANK)
            return cox_dp_tree_bad(t, "an array has too many dimensions");
        out->dims[out->rank++] = n->n;
        out->n *= (size_t)n->n;
        if ((double)out->n > (double)t->length)
            return cox_dp_tree_bad(t, "a variable is larger than the file");
    }
    if (!value)
        return cox_dp_tree_bad(t, "an array has no value");
    out->x = cox_arena_alloc(t->model->arena, out->n + 1, sizeof *out->x);
    size_t filled = 0;
    return out->x ? read_list(t, value, 0, out, &filled)
                  : cox_err_set(t->err, COX_ENOMEM, "out of memory reading '%s'", t->path);
}

int cox_dp_tree_array(struct cox_dp_tree *t, const struct cox_yaml_node *object, const char *key,
                      struct cox_dp_array *out)
{
    const struct cox_yaml_node *node =
        cox_dp_tree_child(cox_dp_tree_child(object, "@variables"), key);
    *out = (struct cox_dp_array){0};
    if (cox_dp_tree_null(node))
        return COX_OK;
    int rc = node->kind == COX_YAML_MAP ? read_inline(t, node, out)
             : t->file && node->kind == COX_YAML_SCALAR
                 ? read_dataset(t, node->text, out)
                 : cox_dp_tree_bad(t, "a variable is neither a dataset nor an array");
    return rc ? cox_err_wrap(t->err, rc, "variable '%s'", key) : COX_OK;
}

/* ---- files ---- */

/* The tree's text: the file itself, or the attribute of the HDF5 file. */
static int read_text(struct cox_dp_tree *t, bool hdf5, char **bytes, size_t *length)
{
    if (!hdf5)
        return cox_file_read(bytes, length, t->path, YAML_MAXIMUM, t->err);
    int rc = cox_h5_open_read(&t->file, t->path, t->err);
    if (!rc)
        rc = cox_h5_get_text(t->file, "/", "json", bytes, t->err);
    if (rc && t->file && rc != COX_ENOMEM)
        rc = cox_err_set(t->err, COX_EFORMAT,
                         "'%s' is HDF5, but no model: it has no root attribute 'json'", t->path);
    if (!rc)
        *length = strlen(*bytes);
    return rc;
}

int cox_dp_tree_open(struct cox_dp_tree *t, const char *path, bool hdf5, struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    struct cox_yaml_node *root = NULL;
    struct stat info;
    *t = (struct cox_dp_tree){.path = path, .err = err, .arena = cox_arena_create()};
    t->length = stat(path, &info) ? 0 : (size_t)info.st_size;
    int rc = t->arena ? cox_dp_model_create(&t->model, err)
                      : cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    if (!rc)
        rc = read_text(t, hdf5, &bytes, &length);
    if (!rc) {
        struct cox_config_text whole = {path, bytes, length};
        rc = cox_yaml_parse(&root, &whole, t->arena, err);
    }
    t->root = root;
    if (!rc && (!root || root->kind != COX_YAML_MAP))
        rc = cox_dp_tree_bad(t, "there is no 'model' in it");
    cox_free(bytes);
    return rc;
}

void cox_dp_tree_close(struct cox_dp_tree *t)
{
    cox_h5_abandon(t->file);
    cox_arena_destroy(t->arena);
    t->file = NULL;
    t->arena = NULL;
    t->root = NULL;
}
