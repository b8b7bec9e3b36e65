/* SPDX-License-Identifier: BSD-3-Clause */
/* A Deep Potential (smooth edition) as plain arrays: what every reader fills, every writer
 * emits, and the evaluators are planned from. Zhang et al., NeurIPS 2018 (DeepPot-SE). Units Å, eV.
 * docs/potential.md has the formulas. All numbers are kept in double; the evaluators round. */
#ifndef COX_POTENTIAL_MODEL_H
#define COX_POTENTIAL_MODEL_H

#include <stdbool.h>

#include "base/mem.h"
#include "cox/err.h"

#define COX_DP_MAX_TYPES 64
#define COX_DP_MAX_LAYERS 16
#define COX_DP_MAX_DESCRIPTORS 4
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

enum cox_dp_descriptor_kind {
    COX_DP_SE_A, /* rows R̃ = (s, s·x/r, s·y/r, s·z/r); D = AᵀA[:, :axis] */
    COX_DP_SE_R /* rows s̃ alone; D = ⟨G⟩ over the slots / 5, as the reference implementation has
                   it */
};

/* What becomes of the slots of an excluded pair of types: three answers of three programs. The
 * empty ones are no zeros (their row is −davg/dstd), so they are not the same potential. */
enum cox_dp_exclusion {
    COX_DP_INCLUDED,
    COX_DP_EXCLUDE_SECTION, /* all rows are zero: graphs of TensorFlow, and what is trained here */
    COX_DP_EXCLUDE_NEIGHBOURS, /* neighbours' rows are zero, empty slots stay what they are: files
                                  of DeePMD-kit 3. The energy steps where a neighbour comes in */
    COX_DP_EXCLUDE_LIST        /* the neighbours are left out of the list, all slots are empty:
                                  DeePMD-kit 3's pair_exclude_types */
};

/* How the slots of one centre's neighbours of one type are filled. */
struct cox_dp_slots {
    int used;  /* by neighbours */
    int empty; /* row −davg/dstd */
    int blank; /* row zero: nothing in SE_A, G(0) in SE_R where there is a net */
};

/* What one descriptor sees of an atom's surroundings; a model has one, a hybrid several, whose D
 * are laid end to end. */
struct cox_dp_descriptor {
    enum cox_dp_descriptor_kind kind;
    double rcut, rcut_smth;
    int sel[COX_DP_MAX_TYPES]; /* slots per neighbour type */
    int n_slots;               /* Σ sel */
    bool one_side;             /* one embedding net per neighbour type, else per pair of types */
    unsigned char exclude[COX_DP_MAX_TYPES][COX_DP_MAX_TYPES];   /* cox_dp_exclusion, symmetric */
    double davg[COX_DP_MAX_TYPES][4], dstd[COX_DP_MAX_TYPES][4]; /* by centre type */
    int m1, axis;                                                /* SE_A: D is m1 × axis */
    struct cox_dp_net *embed; /* [cox_dp_n_embed], see cox_dp_embed_of */
    bool trained_f32;         /* its nets were trained in single precision */
};

/* A compressed model: how the tables are made that its embedding nets are evaluated from
 * (potential/table.h). */
struct cox_dp_tables {
    double stride;    /* of s̃; 0: not compressed, tables are as exact as rounding; < 0: the nets
                         themselves are evaluated */
    double nearest_A; /* they reach to neighbours as near as this */
    double error, d_error; /* largest |ΔG| and |ΔdG/ds̃| found when it was compressed */
};

struct cox_dp_model {
    struct cox_arena *arena; /* owns everything below */
    int n_types;
    char type_name[COX_DP_MAX_TYPES][COX_DP_TYPE_NAME];

    int n_descriptors;
    struct cox_dp_descriptor descriptor[COX_DP_MAX_DESCRIPTORS];

    /* fitting */
    struct cox_dp_net *fit;        /* [n_types], cox_dp_width + n_fparam → 1 */
    double bias[COX_DP_MAX_TYPES]; /* added to the net's energy of an atom, eV */
    int n_fparam;
    double *fparam_avg, *fparam_inv_std; /* [n_fparam] */
    double *fparam_default; /* [n_fparam], for frames without; NULL: there must be some */
    bool fit_trained_f32;   /* the fitting nets were trained in single precision */

    double min_distance; /* smallest in the training data, 0: unknown; for tabulation */
    struct cox_dp_tables tables;
    char *training_script; /* input.json it was trained with, NULL: unknown */

    /* of the file it was read from */
    const char *file_format; /* "HDF5 (.dp)"…; NULL: from no file */
    char *origin;            /* the program that wrote it, NULL: unknown */
    bool foreign_tables; /* the file has tables of DeePMD-kit beside the nets; they are not used */
};

/* Of all descriptors the largest cutoff: what the list of neighbours is built with. */
double cox_dp_cutoff(const struct cox_dp_model *model);
/* How many numbers a descriptor gives, and all of them together. */
int cox_dp_descriptor_width(const struct cox_dp_descriptor *descriptor);
int cox_dp_width(const struct cox_dp_model *model);
/* Embedding nets of a descriptor. */
int cox_dp_n_embed(const struct cox_dp_model *model, const struct cox_dp_descriptor *descriptor);
/* `n` neighbours of a type are around a centre: within the descriptor's cutoff, or, where
 * COX_DP_EXCLUDE_NEIGHBOURS holds, within cox_dp_cutoff. */
struct cox_dp_slots cox_dp_slots_of(const struct cox_dp_descriptor *descriptor, int centre,
                                    int neighbour, int n);

/* With one descriptor, all zero. */
int cox_dp_model_create(struct cox_dp_model **out, struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dp_model_destroy(struct cox_dp_model *model);
/* The net for neighbours of type `neighbour` around a centre of type `centre`. */
struct cox_dp_net *cox_dp_embed_of(const struct cox_dp_model *model, int descriptor, int centre,
                                   int neighbour);
/* Shapes fit together, every number is finite, ranges make sense. COX_EFORMAT naming what does not.
 * Every reader ends with it. */
int cox_dp_model_check(struct cox_dp_model *model, struct cox_err *err) COX_MUST_CHECK;
/* Lowers the energy of a type by its net's answer to D = 0 (DeePMD-kit's atom_ener). For a checked
 * model without fparam. */
int cox_dp_model_take_off_vacuum(struct cox_dp_model *model, int type,
                                 struct cox_err *err) COX_MUST_CHECK;
/* The skip connection that a residual layer of these widths has. */
enum cox_dp_skip cox_dp_skip_of(int in, int out);
/* Trainable parameters. */
long long cox_dp_model_parameters(const struct cox_dp_model *model);

#endif
