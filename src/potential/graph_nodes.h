/* SPDX-License-Identifier: BSD-3-Clause */
/* What is kept of a frozen graph: its constants by name, and the nodes that make environment
 * matrices. Only the reader of graphs uses it. */
#ifndef COX_POTENTIAL_GRAPH_NODES_H
#define COX_POTENTIAL_GRAPH_NODES_H

#include <stdbool.h>
#include <stdint.h>

#include "potential/model.h"
#include "potential/protobuf.h"

struct cox_graph_constant {
    char name[80];
    const struct cox_pb_field *tensor; /* its fields */
};

struct cox_graph {
    const char *path;
    struct cox_dp_model *model; /* whose arena takes the numbers */
    struct cox_arena *arena;    /* of the file, gone in the end */
    char *bytes;
    struct cox_graph_constant *constants; /* sorted by name */
    size_t n;
    int n_env; /* nodes ProdEnvMatA and ProdEnvMatR, in the order of the file */
    const struct cox_pb_field *env[COX_DP_MAX_DESCRIPTORS];
    bool vacuum[COX_DP_MAX_TYPES]; /* the fitting net of the type is there twice: its answer to D =
                                      0 is taken off (atom_ener) */
    struct cox_err *err;
};

/* Reads the file and makes an empty model; refuses operations that are not evaluated here, by name.
 * Close it in any case. */
int cox_graph_open(struct cox_graph *graph, const char *path, bool text,
                   struct cox_err *err) COX_MUST_CHECK;
/* The model stays. */
void cox_graph_close(struct cox_graph *graph);

/* The tensor of a constant, NULL: there is none of this name. */
const struct cox_pb_field *cox_graph_find(const struct cox_graph *graph, const char *name);
/* The first constant whose name ends so, NULL: none. */
const char *cox_graph_ending(const struct cox_graph *graph, const char *end);
/* The numbers of a constant in the model's arena, with up to two dimensions (longer shapes of ones
 * are cut down). */
int cox_graph_numbers(struct cox_graph *graph, const char *name, double **out,
                      int64_t dims[2]) COX_MUST_CHECK;
int cox_graph_scalar(struct cox_graph *graph, const char *name, double *out) COX_MUST_CHECK;
/* Borrowed; false: there is no such text. */
bool cox_graph_text(const struct cox_graph *graph, const char *name, const char **out,
                    size_t *length);
/* Whether a constant's numbers are of single precision. */
bool cox_graph_is_float(const struct cox_graph *graph, const char *name);

/* Of a node. */
bool cox_graph_is(const struct cox_pb_field *field, const char *text);
bool cox_graph_op_is(const struct cox_pb_field *node, const char *op);
/* The shortest number that is this one in single precision: 0.8, as the user wrote, not
 * 0.800000012. NaN: none. */
double cox_graph_float(const struct cox_pb_field *node, const char *key);
/* The entries of a list of integers; -1 when there are others than `n`. */
int cox_graph_ints(const struct cox_pb_field *node, const char *key, int *out, int n);
/* The first input whose name contains `part`, NULL: none. */
const struct cox_pb_field *cox_graph_input(const struct cox_pb_field *node, const char *part);

#endif
