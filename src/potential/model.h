/* SPDX-License-Identifier: BSD-3-Clause */
/* A Deep Potential (smooth edition, se_e2_a) as plain arrays: what every reader fills, every writer
 * emits, and the evaluators are planned from. Zhang et al., NeurIPS 2018 (DeepPot-SE). Units Å, eV.
 * docs/potential.md has the formulas. All numbers are kept in double; the evaluators round. */
#ifndef COX_POTENTIAL_MODEL_H
#define COX_POTENTIAL_MODEL_H

#include <stdbool.h>

#include "base/mem.h"
#include "cox/err.h"

#define COX_DP_MAX_TYPES 64
#define COX_DP_MAX_LAYERS 16
#define COX_DP_TYPE_NAME 16

enum cox_dp_skip {
    COX_DP_SKIP_NONE,   /* y = f(x) */
    COX_DP_SKIP_SAME,   /* y = x + f(x) */
    COX_DP_SKIP_DOUBLED /* y = [x, x] + f(x) */
};

/* f(x) = tanh(x·w + b) ⊙ idt, or x·w + b for the last layer of a fitting net. */
struct cox_dp_layer {
    int in, out;
    double *w;   /* [in][out] */
    double *b;   /* [out] */
    double *idt; /* [out], NULL: ones */
    enum cox_dp_skip skip;
    bool linear;
};

struct cox_dp_net {
    int n;
    struct cox_dp_layer layer[COX_DP_MAX_LAYERS];
};

struct cox_dp_model {
    struct cox_arena *arena; /* owns everything below */
    int n_types;
    char type_name[COX_DP_MAX_TYPES][COX_DP_TYPE_NAME];

    /* descriptor */
    double rcut, rcut_smth;
    int sel[COX_DP_MAX_TYPES]; /* slots per neighbour type */
    int n_slots;               /* Σ sel */
    bool one_side;             /* one embedding net per neighbour type, else per pair of types */
    bool exclude[COX_DP_MAX_TYPES][COX_DP_MAX_TYPES];            /* symmetric */
    double davg[COX_DP_MAX_TYPES][4], dstd[COX_DP_MAX_TYPES][4]; /* by centre type */
    int m1, axis;                                                /* widths: D is m1 × axis */
    struct cox_dp_net *embed; /* [one_side ? n_types : n_types²], see cox_dp_embed_of */

    /* fitting */
    struct cox_dp_net *fit;        /* [n_types], m1·axis + n_fparam → 1 */
    double bias[COX_DP_MAX_TYPES]; /* added to the net's energy of an atom, eV */
    int n_fparam;
    double *fparam_avg, *fparam_inv_std; /* [n_fparam] */

    double min_distance;   /* smallest in the training data, 0: unknown; for tabulation */
    char *training_script; /* input.json it was trained with, NULL: unknown */
};

int cox_dp_model_create(struct cox_dp_model **out, struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dp_model_destroy(struct cox_dp_model *model);
/* The net for neighbours of type `neighbour` around a centre of type `centre`. */
struct cox_dp_net *cox_dp_embed_of(const struct cox_dp_model *model, int centre, int neighbour);
/* Shapes fit together, every number is finite, ranges make sense. COX_EFORMAT naming what does not.
 * Every reader ends with it. */
int cox_dp_model_check(struct cox_dp_model *model, struct cox_err *err) COX_MUST_CHECK;
/* The skip connection that a residual layer of these widths has. */
enum cox_dp_skip cox_dp_skip_of(int in, int out);
/* Trainable parameters. */
long long cox_dp_model_parameters(const struct cox_dp_model *model);

#endif
