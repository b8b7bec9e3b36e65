/* SPDX-License-Identifier: BSD-3-Clause */
/* A training from input.json to model.dp. Files are written to the working directory, as
 * DeePMD-kit does: the learning curve, checkpoints, the input with all its defaults, the model. */
#ifndef COX_DP_TRAIN_TRAIN_H
#define COX_DP_TRAIN_TRAIN_H

#include <stdatomic.h>

#include "dp_train/lcurve.h"

enum cox_dp_train_start {
    COX_DP_TRAIN_NEW,
    COX_DP_TRAIN_RESTART,   /* goes on from the newest checkpoint as if never interrupted */
    COX_DP_TRAIN_INIT_FROM, /* weights and statistics of a model */
    COX_DP_TRAIN_FINETUNE   /* the same, its energies shifted to those of the data */
};

struct cox_dp_train_options {
    const char *input;
    enum cox_dp_train_start start;
    const char *from;      /* the model to begin with */
    const char *model;     /* "model.dp" */
    const char *effective; /* "out.json"; NULL: not written */
    int threads;           /* 0: every processor */
    bool overwrite;        /* a new training may replace another one's checkpoints */
    int64_t list_bytes;    /* memory for lists of neighbours; 0: a quarter of the machine's */
};

struct cox_dp_train_progress {
    int64_t step, steps;
    const struct cox_dp_row *row; /* the newest row; NULL: none yet */
    bool fresh;                   /* the row is a new one */
    double steps_per_s, eta_s;    /* 0: not known yet */
};

/* Whatever is NULL is not called. */
struct cox_dp_train_hooks {
    void (*note)(void *user, const char *text); /* one line for people */
    void (*progress)(void *user, const struct cox_dp_train_progress *progress); /* every step */
    void *user;
    const atomic_int *stop; /* not 0: stop after this step, with a checkpoint */
};

struct cox_dp_train_outcome {
    int64_t first, step; /* steps done before and in the end */
    int64_t seed;
    double seconds; /* of the steps */
    struct cox_dp_row row;
};

/* COX_ECANCELLED after a stop; the checkpoint was written then. COX_EUNSTABLE: the loss is no
 * number. */
int cox_dp_train(struct cox_dp_train_outcome *outcome, const struct cox_dp_train_options *options,
                 const struct cox_dp_train_hooks *hooks, struct cox_err *err) COX_MUST_CHECK;

#endif
