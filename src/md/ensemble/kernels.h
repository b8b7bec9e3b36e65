/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the kernels of md/ensemble (COX_ISA defined): the functions of one instruction set, each
 * in its own file, under names that end in the instruction set's. */
#ifndef COX_MD_ENSEMBLE_KERNELS_H
#define COX_MD_ENSEMBLE_KERNELS_H

#include "md/ensemble/group.h"

#include "kern/isa.h"

#define W COX_LANES
/* Tiles of the pair loops: rows × columns of atoms, measured best of 1 × 1 … 4 × 3. */
#define ENS_ROWS 4
#if defined(COX_ISA_avx512)
#define ENS_COLUMNS 2
#else
#define ENS_COLUMNS 1
#endif
#define ENS_TILE (ENS_ROWS * ENS_COLUMNS)
#define INLINE COX_VINLINE

/* Statement by statement over the R × C pairs of a tile: the compiler keeps the order, so that
 * independent chains stand side by side. k is a constant in each copy, ROW and COLUMN belong to it.
 */
/* clang-format off */
#define COPY_(i, n, ...) { enum { k = i }; if (k < (n)) { __VA_ARGS__; } }
#define COPIES_(n, ...) \
    COPY_(0, n, __VA_ARGS__) COPY_(1, n, __VA_ARGS__) COPY_(2, n, __VA_ARGS__) \
    COPY_(3, n, __VA_ARGS__)
#define ROW (k % R)
#define COLUMN (k / R)
#define ROWS(...) COPIES_(R, __VA_ARGS__)
#define COLUMNS(...) COPIES_(C, __VA_ARGS__)
#define EACH(...) \
    COPIES_(R * C, __VA_ARGS__) \
    COPY_(4, R * C, __VA_ARGS__) COPY_(5, R * C, __VA_ARGS__) COPY_(6, R * C, __VA_ARGS__) \
    COPY_(7, R * C, __VA_ARGS__)
/* clang-format on */

#define ens_born COX_ISA_SYMBOL(ens_born)
#define ens_born_radii COX_ISA_SYMBOL(ens_born_radii)
#define ens_born_chain COX_ISA_SYMBOL(ens_born_chain)
#define ens_close_forces COX_ISA_SYMBOL(ens_close_forces)
#define ens_solvent COX_ISA_SYMBOL(ens_solvent)
#define ens_pairs COX_ISA_SYMBOL(ens_pairs)
#define ens_bonded COX_ISA_SYMBOL(ens_bonded)
#define ens_shake COX_ISA_SYMBOL(ens_shake)
#define ens_rattle COX_ISA_SYMBOL(ens_rattle)
#define ens_forces COX_ISA_SYMBOL(ens_forces)
#define ens_step COX_ISA_SYMBOL(ens_step)
#define ens_minimize COX_ISA_SYMBOL(ens_minimize)

/* Pass 1: born_sum of all atoms; fills the list of close pairs. */
void ens_born(const struct ens_plan *p, struct ens_group *g);
/* Born radii and their slopes from born_sum; energy of the surface term and of the charges alone.
 */
void ens_born_radii(const struct ens_plan *p, struct ens_group *g, bool energy);
/* Pass 2: adds direct GB forces to f and the pairs' dE/dB to de_dborn. */
void ens_solvent(const struct ens_plan *p, struct ens_group *g, bool energy);
/* Between: de_dborn becomes dE/dI, times the lanes' weight. */
void ens_born_chain(const struct ens_plan *p, struct ens_group *g);
/* Pass 3: adds LJ and Coulomb to f, with `chain` also the forces through the Born radii. */
void ens_pairs(const struct ens_plan *p, struct ens_group *g, bool chain, bool energy);
/* Adds the chain-rule forces of the close pairs to f. */
void ens_close_forces(const struct ens_plan *p, struct ens_group *g);
/* Adds the bonded forces to f. */
void ens_bonded(const struct ens_plan *p, struct ens_group *g, bool energy);
/* Displacements d from x fulfil the constraints, by Lagrange multipliers along the bonds at x; adds
 * the change of d times `rate` to v. Returns the lanes (of `lanes`) that did not converge. */
uint32_t ens_shake(const struct ens_plan *p, struct ens_group *g, uint32_t lanes, float rate);
/* Removes from `v` ([n][3][W]) what would stretch constraints at x. */
void ens_rattle(const struct ens_plan *p, struct ens_group *g, float *v, uint32_t lanes);
void ens_forces(const struct ens_plan *p, struct ens_group *g, bool slow, bool energy);
void ens_step(const struct ens_plan *p, struct ens_group *g, int steps);
void ens_minimize(const struct ens_plan *p, struct ens_group *g, int steps, double tolerance);

INLINE vf vf_rcp(vf a)
{
    const vf y = vf_rcp_estimate(a);
    return y * (2.0f - a * y);
}
INLINE vf vf_rsqrt(vf a)
{
    const vf y = vf_rsqrt_estimate(a);
    return 0.5f * y * (3.0f - a * y * y);
}
/* a += b in memory, vectors */
INLINE void vf_add_to(float *a, vf b)
{
    vf_store(a, vf_load(a) + b);
}
INLINE void ens_add_energy(double *energy, vf a)
{
    for (int l = 0; l < W; l++)
        energy[l] += (double)a[l];
}

#endif
