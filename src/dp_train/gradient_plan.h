/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the training step share. A step is made of phases, each spread over the team
 * in items that depend on the frames alone: the same bits with any number of threads. */
#ifndef COX_DP_TRAIN_GRADIENT_PLAN_H
#define COX_DP_TRAIN_GRADIENT_PLAN_H

#include "dp_train/gradient.h"
#include "dp_train/gradient_cells.h"

/* Atoms of a block: columns of its matrix products. */
#define COX_DP_BLOCK 32
/* Blocks are spread over at most so many groups, each with a gradient by the tables of its own. */
#define COX_DP_GROUPS 16

/* An atom of a frame; they are sorted by type. */
struct cox_dp_site {
    int frame, atom;
};

/* What one descriptor sees of it. */
struct cox_dp_view {
    int slots;         /* cells that its surroundings are in */
    int64_t row, pool; /* its first row, its first slot */
};

/* All its slots of one kind that have no neighbour. */
struct cox_dp_hole {
    int n, slot;
    double u, r[4];
};

/* Its neighbours of one type, as one descriptor has them. */
struct cox_dp_span {
    int64_t first;              /* rows */
    int n, net;                 /* net: of the descriptor */
    struct cox_dp_hole hole[2]; /* empty, blank */
};

/* A descriptor. */
struct cox_dp_part {
    const struct cox_dp_descriptor *q;
    int number;
    bool radial;              /* SE_R */
    int n_embed, first_embed; /* its embedding nets */
    int first_d;              /* row of D */
    int stride;               /* rows of G */
    struct cox_dp_cells *cells;
    double (*empty)[4]; /* [type] R̃ of an empty slot */
    void *a, *at;       /* [block][4][m1][BLOCK] A, ∂E/∂A */
    void *by_table;     /* [group][cells][ORDER][stride] */
    int cells_capacity;
};

struct cox_dp_gradient_block {
    int type, n, columns; /* atoms; rounded up to whole tiles of the matrix product */
    int site, column;     /* its first, and its first column among the type's */
};

/* The room of one thread for one atom. */
struct cox_dp_room {
    int *order, *slot_of;               /* [most]; [cells] −1 between atoms */
    double (*d)[4], (*rd)[4], (*xd)[3]; /* [most] */
    void *t, *slope;                    /* [most][ORDER] */
    void *f;                            /* [most + types][4][ORDER] */
    void *row[2];                       /* [4][stride] */
    void *a[COX_DP_MAX_DESCRIPTORS];    /* [4][m1][BLOCK] Ȧ of each descriptor */
    void *av;                           /* [4][m1][BLOCK] */
    void *back[2];                      /* [widest][BLOCK] */
};

/* A fitting net with the atoms of its type in columns: x [units][wide], values and behind them
 * derivatives; all else block by block, [units][columns of the block]. */
struct cox_dp_side {
    int columns, capacity;
    ptrdiff_t wide;
    void *x[COX_DP_MAX_LAYERS + 1], *zv[COX_DP_MAX_LAYERS], *zt[COX_DP_MAX_LAYERS];
    void *turned[COX_DP_MAX_LAYERS]; /* [2 · columns][units] z transposed */
    void *h[COX_DP_MAX_LAYERS], *zd[COX_DP_MAX_LAYERS], *yt[COX_DP_MAX_LAYERS];
    void *dt; /* ∂E/∂D */
};

/* A piece of the last phase. */
struct cox_dp_piece {
    int part, net; /* an embedding net of a descriptor, or */
    int type;      /* of a fitting net, −1, */
    int layer;     /* −1: its biases; */
    int row, rows; /* of x */
};

struct cox_dp_gradient {
    struct cox_arena *arena;
    struct cox_dp_model model; /* its nets are not looked at: they may have gone */
    int n_parts;
    struct cox_dp_part part[COX_DP_MAX_DESCRIPTORS];
    enum cox_dp_precision precision;
    const struct cox_dp_gradient_kernels *k;
    size_t size; /* of a number */
    struct cox_team *team;
    int threads;
    int n_embed;
    struct cox_dp_flat_net *embed, *fit;
    ptrdiff_t n_parameters, fit_first;
    int d, widest, biases; /* inputs of a fitting net; units of any layer, of all of a net */
    int m1, stride;        /* of the widest embedding */
    int square, folded; /* so many first inputs come in equal pairs, and are so many numbers; 0 */
    void *fold, *fold_gradient; /* [type][folded][widest] weights of these, and their gradient */
    int n_pieces;
    struct cox_dp_piece *piece;
    struct cox_dp_side *side;         /* [type] */
    struct cox_dp_room *room;         /* [threads] */
    void *rounded, *rounded_gradient; /* [n_parameters] in single precision; else NULL */

    /* room for so many */
    int sites_capacity, frames_capacity, most_capacity, cells_capacity;
    int64_t rows_capacity, slots_capacity;

    /* the call */
    const struct cox_dp_frame *frames;
    int n_frames, n_sites, n_blocks, n_groups, most;
    int64_t n_rows, n_slots;
    struct cox_dp_site *site;
    struct cox_dp_view *view; /* [site][part] */
    struct cox_dp_span *span; /* [site][part][type] */
    struct cox_dp_gradient_block *block;
    int *first_atom; /* [frame] */
    const double *parameters;
    const void *numbers; /* the same in this precision */
    double *gradient;
    double (*x)[3], (*r)[4], (*grad)[3], *u; /* [rows] */
    int *index, *slot;                       /* [rows] */
    int *cell;                               /* [slots] */
    void *p, *pd;                            /* [slots][4][ORDER] */
    double *by_bias;                         /* [group][type][2][biases] */
    double *energy, (*own)[3], (*virial)[9]; /* [site] */
    double (*force)[3], (*direction)[3];     /* [atom of all frames] */
    double *share, (*strain)[9];             /* [frame] p and η */
    long long *overflow;                     /* [group] */
};

static inline struct cox_dp_view *cox_dp_view_of(const struct cox_dp_gradient *g,
                                                 const struct cox_dp_part *part, int site)
{
    return &g->view[(int64_t)site * g->n_parts + part->number];
}

static inline struct cox_dp_span *cox_dp_span_of(const struct cox_dp_gradient *g,
                                                 const struct cox_dp_part *part, int site, int type)
{
    return &g->span[((int64_t)site * g->n_parts + part->number) * g->model.n_types + type];
}

/* The two halves of a block, in either precision: energies and ∂E/∂x; the way back. */
void cox_dp_block_forces_f32(struct cox_dp_gradient *g, const struct cox_dp_gradient_block *b,
                             struct cox_dp_room *room);
void cox_dp_block_forces_f64(struct cox_dp_gradient *g, const struct cox_dp_gradient_block *b,
                             struct cox_dp_room *room);
void cox_dp_block_back_f32(struct cox_dp_gradient *g, const struct cox_dp_gradient_block *b,
                           int group, struct cox_dp_room *room);
void cox_dp_block_back_f64(struct cox_dp_gradient *g, const struct cox_dp_gradient_block *b,
                           int group, struct cox_dp_room *room);
/* A piece of the gradient by a fitting net's weights. */
void cox_dp_weights_f32(struct cox_dp_gradient *g, const struct cox_dp_piece *piece);
void cox_dp_weights_f64(struct cox_dp_gradient *g, const struct cox_dp_piece *piece);

/* The weights of inputs that are the same number are added up. */
void cox_dp_fold_f32(struct cox_dp_gradient *g, int type);
void cox_dp_fold_f64(struct cox_dp_gradient *g, int type);

/* The cutoff and the statistics around a type. */
struct cox_dp_surroundings cox_dp_statistics(const struct cox_dp_part *part, int type);

/* Cuts the frames into blocks and makes room. */
int cox_dp_gradient_reserve(struct cox_dp_gradient *g, const struct cox_dp_frame *frames, int n,
                            struct cox_err *err) COX_MUST_CHECK;
int cox_dp_gradient_reserve_cells(struct cox_dp_gradient *g) COX_MUST_CHECK;
void cox_dp_gradient_free_rooms(struct cox_dp_gradient *g);

#endif
