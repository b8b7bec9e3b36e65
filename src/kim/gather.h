/* SPDX-License-Identifier: BSD-3-Clause */
/* The simulator's particles and lists as the evaluator wants them: contributing particles first,
 * then the others (ghosts), neighbours within the cutoff, sorted by type. */
#ifndef COX_KIM_GATHER_H
#define COX_KIM_GATHER_H

#include <KIM_ModelComputeArguments.h>

#include "base/team.h"
#include "potential/neighbours.h"

struct cox_kim_gather {
    struct cox_team *team; /* borrowed */
    int n_types;
    double cutoff;  /* Å */
    double to_A;    /* the simulator's unit of length */
    int n, n_all;   /* centres; with ghosts */
    int capacity;   /* of the arrays of particles */
    int *order;     /* [n_all] the simulator's number of each of ours */
    int *place;     /* [n_all] ours of each of the simulator's */
    int *type;      /* [n_all] */
    double (*x)[3]; /* [n_all] Å */
    int64_t *first; /* [n + 1] into candidate */
    int *candidate; /* the simulator's lists, end to end */
    int64_t candidate_capacity;
    struct cox_neighbours list;
};

/* Takes the particles; x, species and contributing are the simulator's, `n_all` long. COX_EINVAL: a
 * species that is none, a coordinate that is no number. */
int cox_kim_gather_particles(struct cox_kim_gather *g, int n_all, const double (*x)[3],
                             const int *species, const int *contributing,
                             struct cox_err *err) COX_MUST_CHECK;
/* Asks the simulator for the neighbours of all centres and fills `list`. */
int cox_kim_gather_list(struct cox_kim_gather *g, const KIM_ModelComputeArguments *arguments,
                        struct cox_err *err) COX_MUST_CHECK;
void cox_kim_gather_deinit(struct cox_kim_gather *g);

#endif
