/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree that DeePMD-kit 3 writes, JSON in an HDF5 file or YAML, and the arrays that it names.
 * Shared by the files of this folder that read models. */
#ifndef COX_POTENTIAL_DP_TREE_H
#define COX_POTENTIAL_DP_TREE_H

#include <stdint.h>

#include "config/yaml_tree.h"
#include "h5/h5.h"
#include "potential/model.h"

struct cox_dp_tree {
    const char *path;
    size_t length;           /* bytes; more numbers cannot be in it */
    struct cox_arena *arena; /* of the tree, gone in the end */
    struct cox_h5 *file;     /* NULL: YAML, variables are inline */
    const struct cox_yaml_node *root;
    struct cox_dp_model *model; /* whose arena takes the arrays */
    struct cox_err *err;
};

struct cox_dp_array {
    int rank;
    int64_t dims[COX_H5_MAX_RANK];
    size_t n;
    double *x; /* in the model's arena; NULL: the variable is null */
};

/* Opens and parses; the model is created empty. Close it in any case. */
int cox_dp_tree_open(struct cox_dp_tree *tree, const char *path, bool hdf5,
                     struct cox_err *err) COX_MUST_CHECK;
/* The model stays. */
void cox_dp_tree_close(struct cox_dp_tree *tree);

/* COX_EFORMAT with the file's name. */
int cox_dp_tree_bad(const struct cox_dp_tree *tree, const char *what) COX_MUST_CHECK;
/* COX_EUNSUPPORTED: "'PATH': WHAT 'VALUE' is not supported", and `hint` where it is not NULL. */
int cox_dp_tree_unsupported(const struct cox_dp_tree *tree, const char *what, const char *value,
                            const char *hint) COX_MUST_CHECK;

/* NULL `map` is allowed in all of these. */
const struct cox_yaml_node *cox_dp_tree_child(const struct cox_yaml_node *map, const char *key);
bool cox_dp_tree_null(const struct cox_yaml_node *node);
const char *cox_dp_tree_text(const struct cox_yaml_node *map, const char *key, const char *missing);
bool cox_dp_tree_truth(const struct cox_yaml_node *map, const char *key);
/* NaN: absent or no number */
double cox_dp_tree_number(const struct cox_yaml_node *map, const char *key);
/* Entries of a list that is there, else 0. */
int cox_dp_tree_count(const struct cox_yaml_node *map, const char *key);

/* The variable `key` of an object; x NULL when it is absent or null. */
int cox_dp_tree_array(struct cox_dp_tree *tree, const struct cox_yaml_node *object, const char *key,
                      struct cox_dp_array *out) COX_MUST_CHECK;

#endif
