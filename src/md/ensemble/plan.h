/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside md/ensemble: what all lanes share. Tables of the force field as the kernels want them,
 * made once from a system; read-only afterwards, so threads share it.
 *
 * Rows of the pair loops come in blocks of `rows` atoms; entry (block, j) of a pair table holds the
 * values of the `rows` pairs side by side. Scales that the kernels' Newton steps leave behind
 * (y = 2/r, see pairs.isa.c) are folded into the tables. */
#ifndef COX_MD_ENSEMBLE_PLAN_H
#define COX_MD_ENSEMBLE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "cox/engine.h"
#include "cox/system.h"

/* Far Born integral: degree of the polynomial in (S/r)², largest argument it is fitted for. */
#define ENS_DEGREE 3
#define ENS_FAR_ARGUMENT 0.18
#define ENS_TERMS (ENS_DEGREE + 1)
#define ENS_LEAVES 4 /* most hydrogens of a constraint cluster */

struct ens_bond {
    int i, j;
    float r0, k;
};
struct ens_angle {
    int i, j, k;
    float cos0, sin0, force; /* of θ0; k */
};
/* All torsion terms of one quadruple: V = Σ_n offset + a_n cos nφ + b_n sin nφ, n = 1 … order. */
struct ens_torsion {
    int atom[4];
    int order;
    float offset, a[6], b[6];
};
struct ens_pair14 {
    int i, j;
    float a, b, qq; /* scaled as in the pair table */
};
/* A heavy atom and the hydrogens bound to it. */
struct ens_cluster {
    int centre, n, leaf[ENS_LEAVES];
    float length2[ENS_LEAVES], inv_leaf[ENS_LEAVES], inv_centre;
};
/* A constraint outside of such clusters; solved by sweeps. */
struct ens_link {
    int i, j;
    float length2, inv_i, inv_j;
};

struct ens_plan {
    int n, rows, blocks;
    bool solvent;
    double dt;        /* ps */
    double friction;  /* 1/ps */
    double tolerance; /* of constraints, relative */
    int slow_every;
    int dof;
    double *mass;    /* [n] */
    float *inv_mass; /* [n] */

    /* Pairs of different blocks: [offset[block] + (j - first j) * 3 * rows] {a, b, qq}[rows], and
     * the same without the 3 for the charges of GB. Pairs within a block: row by row. */
    float *lj, *gb, *lj_in, *gb_in;
    size_t *offset, *offset_in; /* in pairs: [blocks], [n] */

    /* Generalised Born. far[n][ENS_TERMS] of the integral, chain[…] of its derivative. */
    float *rho, *scaled, *far, *chain; /* offset radius, S = scale · rho */
    float *inv_radius;                 /* 1 / radius without offset */
    float *self;                       /* ½ κ q² */
    float *surface;                    /* 4πγ (R + 0.14)² R⁶ */
    float *cut2;    /* [n_cuts][n]: beyond it a pair's integral is the polynomial */
    int *block_cut; /* [blocks] which of the n_cuts */
    int n_cuts;
    int close_capacity; /* close pairs whose derivatives are kept between the passes */

    int n_bonds, n_angles, n_torsions, n_pairs14, n_clusters, n_links;
    struct ens_bond *bonds;
    struct ens_angle *angles;
    struct ens_torsion *torsions;
    struct ens_pair14 *pairs14;
    struct ens_cluster *clusters;
    struct ens_link *links;
};

/* `rows` is the block height of the kernels that will use it. The system is not kept. */
int ens_plan_create(struct ens_plan **out, const struct cox_system *system,
                    const struct cox_engine_options *options, int rows,
                    struct cox_err *err) COX_MUST_CHECK;
void ens_plan_destroy(struct ens_plan *plan);
bool ens_is_hydrogen(const struct cox_system *system, int atom);
/* Parts of ens_plan_create, each in its file; COX_ENOMEM without a message. */
int ens_plan_masses(struct ens_plan *p, const struct cox_system *system,
                    const struct cox_engine_options *options, struct cox_err *err) COX_MUST_CHECK;
int ens_plan_pairs(struct ens_plan *p, const struct cox_system *system) COX_MUST_CHECK;
int ens_plan_born(struct ens_plan *p, const struct cox_system *system,
                  struct cox_err *err) COX_MUST_CHECK;

#endif
