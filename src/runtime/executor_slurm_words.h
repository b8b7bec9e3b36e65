/* SPDX-License-Identifier: BSD-3-Clause */
/* Slurm's own words: the nodes of an allocation as its environment lists them, and what srun says
 * when a step ends. Pure functions; only src/runtime includes this. */
#ifndef COX_RUNTIME_EXECUTOR_SLURM_WORDS_H
#define COX_RUNTIME_EXECUTOR_SLURM_WORDS_H

#include <stdbool.h>

#include "cox/err.h"
#include "runtime/task.h"

struct cox_slurm_node {
    char name[64];
    int cores; /* of the allocation on this node */
};

/* `names` as in SLURM_JOB_NODELIST ("n[1-3,07-12],gpu1"), `cores` as in SLURM_JOB_CPUS_PER_NODE
 * ("4(x9),2"). *nodes is owned by the caller (cox_free). */
int cox_slurm_nodes(struct cox_slurm_node **nodes, int *n, const char *names, const char *cores,
                    struct cox_err *err) COX_MUST_CHECK;

/* What an end says about the node. */
enum cox_slurm_verdict {
    COX_SLURM_NODE_FINE,
    COX_SLURM_NODE_SUSPECT, /* could not be reached: ask it again later */
    COX_SLURM_NODE_GONE     /* no longer in the allocation */
};

/* How srun was treated by us before it ended. */
enum cox_slurm_asked { COX_SLURM_NOTHING, COX_SLURM_ASKED_TO_STOP, COX_SLURM_FORCED };

/* How a step of one task ended. `srun` is how the srun process itself ended, `words` what it said
 * on stderr; srun's exit status alone is not enough: it is 0 after the death of a node. Sets all of
 * `end` but ended_s. */
enum cox_slurm_verdict cox_slurm_end(struct cox_task_end *end, const struct cox_task_end *srun,
                                     const char *words, enum cox_slurm_asked asked);

#endif
