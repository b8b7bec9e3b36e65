/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside md/ensemble: a group of lanes that share vectors, and the kernels that work on it.
 *
 * Arrays are [atom][3][lanes] or [atom][lanes], lanes = the vector width. Positions are pairs
 * x + x_low of float32, so that small steps are not lost to rounding; forces see x alone. */
#ifndef COX_MD_ENSEMBLE_GROUP_H
#define COX_MD_ENSEMBLE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"
#include "md/ensemble/plan.h"

#define ENS_MAX_LANES 16
#define ENS_RECENTRE 64 /* a lane is moved to the origin every so many of its own steps */

enum ens_pass { ENS_BONDED, ENS_BORN, ENS_SOLVENT, ENS_PAIRS, ENS_MOVE, ENS_PASSES };
enum ens_reason { ENS_FINE, ENS_RUNAWAY, ENS_CONSTRAINT };
enum ens_term {
    ENS_E_BOND,
    ENS_E_ANGLE,
    ENS_E_TORSION,
    ENS_E_LJ,
    ENS_E_COULOMB,
    ENS_E_LJ14,
    ENS_E_COULOMB14,
    ENS_E_GB,
    ENS_E_SURFACE,
    ENS_E_TERMS
};

struct ens_group {
    int lanes;
    float *x, *x_low, *v, *f, *d; /* [n][3][lanes] */
    float *born_sum;              /* Σ of the HCT integrals */
    float *born, *born_inv;
    float *slope;    /* dB/dI */
    float *de_dborn; /* Σ of the pairs, then the whole derivative, then times slope */
    int (*close)[2]; /* pairs near enough for the exact integral in some lane */
    int n_close;
    float *close_factor; /* [close_capacity][2][lanes] (dI/dr)/r of i and j */

    uint32_t seed[2][ENS_MAX_LANES];
    int64_t step[ENS_MAX_LANES];
    float kT[ENS_MAX_LANES];
    double temperature[ENS_MAX_LANES];
    float weight[ENS_MAX_LANES]; /* of the slow forces in this step: 0, or slow_every */
    uint32_t active;             /* bit per lane: has a replica, not blown */
    enum ens_reason reason[ENS_MAX_LANES];
    double energy[ENS_E_TERMS][ENS_MAX_LANES];
    double seconds[ENS_PASSES];
    int sample; /* steps until the passes are timed again */
};

int ens_group_create(struct ens_group **out, const struct ens_plan *plan, int lanes,
                     struct cox_err *err) COX_MUST_CHECK;
void ens_group_destroy(struct ens_group *group);

/* What is compiled per instruction set. */
struct ens_kernels {
    const char *isa;
    int lanes, rows;
    /* f of x: all forces, the slow ones times g->weight; energies too when `energy`. */
    void (*forces)(const struct ens_plan *p, struct ens_group *g, bool slow, bool energy);
    void (*step)(const struct ens_plan *p, struct ens_group *g, int steps);
    void (*minimize)(const struct ens_plan *p, struct ens_group *g, int steps, double tolerance);
};

#endif
