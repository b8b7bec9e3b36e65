/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 3: Lennard-Jones and Coulomb, and the forces through the Born radii,
 *     F = -(dE/dI_i dI_ij/dr + dE/dI_j dI_ji/dr).
 * They share the distance. 1/r is an estimate and one Newton step without its factor ½: y = 2/r,
 * z = y² = 4/r²; the tables (plan_pairs.c) hold the powers of two, and the polynomials those of z.
 *     F/r = z (z³ (a z³ - b) + qq y + z² (dE/dI_i h_j(z) + dE/dI_j h_i(z))) */
#include "md/ensemble/kernels.h"

struct pair_rows {
    int i, from, to;
    const float *table, *cut2;
};

INLINE void pair_rows(const struct ens_plan *p, struct ens_group *g, const struct pair_rows *rows,
                      const int R, const bool chain, const bool energy)
{
    const int i = rows->i;
    const float *table = rows->table, *x = g->x + (size_t)i * 3 * W;
    const float *ci = p->chain + (size_t)i * ENS_TERMS, *de = g->de_dborn + (size_t)i * W;
    float *f = g->f + (size_t)i * 3 * W;
    vf dx[ENS_ROWS], dy[ENS_ROWS], dz[ENS_ROWS], r2[ENS_ROWS], y[ENS_ROWS], t[ENS_ROWS];
    vf z[ENS_ROWS], z2[ENS_ROWS], z3[ENS_ROWS], q[ENS_ROWS], hi[ENS_ROWS];
    vf fx[ENS_ROWS], fy[ENS_ROWS], fz[ENS_ROWS], lj[ENS_ROWS], coulomb[ENS_ROWS];
    vm far[ENS_ROWS];
    EACH(fx[k] = fy[k] = fz[k] = lj[k] = coulomb[k] = (vf){0})
    for (int j = rows->from; j < rows->to; j++, table += 3 * R) {
        const float *xj = g->x + (size_t)j * 3 * W, *cj = p->chain + (size_t)j * ENS_TERMS;
        const vf ax = vf_load(xj), ay = vf_load(xj + W), az = vf_load(xj + 2 * W);
        EACH(dx[k] = vf_load(x + 3 * W * k) - ax)
        EACH(dy[k] = vf_load(x + 3 * W * k + W) - ay)
        EACH(dz[k] = vf_load(x + 3 * W * k + 2 * W) - az)
        EACH(r2[k] = dx[k] * dx[k])
        EACH(r2[k] = vf_fma(dy[k], dy[k], r2[k]))
        EACH(r2[k] = vf_fma(dz[k], dz[k], r2[k]))
        EACH(y[k] = vf_rsqrt_estimate(r2[k]))
        EACH(t[k] = r2[k] * y[k])
        EACH(t[k] = vf_fnma(t[k], y[k], vf_set1(3)))
        EACH(y[k] = y[k] * t[k])
        EACH(z[k] = y[k] * y[k])
        EACH(z2[k] = z[k] * z[k])
        EACH(z3[k] = z2[k] * z[k])
        EACH(t[k] = vf_fma(vf_set1(table[k]), z3[k], vf_set1(table[R + k])))
        EACH(y[k] = vf_set1(table[2 * R + k]) * y[k])
        if (energy) {
            EACH(coulomb[k] += y[k])
            EACH(lj[k] += z3[k] * (t[k] - (2.0f / 3.0f) * table[k] * z3[k] -
                                   vf_set1(table[R + k] / 3.0f)))
        }
        EACH(t[k] = vf_fma(t[k], z3[k], y[k]))
        if (chain) {
            const vf cut2 = vf_set1(rows->cut2[j]), de_j = vf_load(g->de_dborn + (size_t)j * W);
            EACH(far[k] = vf_le(cut2, r2[k]))
            EACH(q[k] = vf_set1(cj[ENS_DEGREE]))
            EACH(hi[k] = vf_set1(ci[k * ENS_TERMS + ENS_DEGREE]))
            for (int c = ENS_DEGREE - 1; c >= 0; c--) {
                EACH(q[k] = vf_fma(q[k], z[k], vf_set1(cj[c])))
                EACH(hi[k] = vf_fma(hi[k], z[k], vf_set1(ci[k * ENS_TERMS + c])))
            }
            EACH(q[k] = vf_load(de + W * k) * q[k])
            EACH(q[k] = vf_fma(de_j, hi[k], q[k]))
            EACH(z2[k] = vf_keep_mul(far[k], z2[k], q[k]))
            EACH(t[k] = t[k] + z2[k])
        }
        EACH(t[k] = t[k] * z[k])
        EACH(fx[k] = vf_fma(t[k], dx[k], fx[k]))
        EACH(fy[k] = vf_fma(t[k], dy[k], fy[k]))
        EACH(fz[k] = vf_fma(t[k], dz[k], fz[k]))
        float *fj = g->f + (size_t)j * 3 * W;
        vf bx = vf_load(fj), by = vf_load(fj + W), bz = vf_load(fj + 2 * W);
        EACH(bx = vf_fnma(t[k], dx[k], bx))
        EACH(by = vf_fnma(t[k], dy[k], by))
        EACH(bz = vf_fnma(t[k], dz[k], bz))
        vf_store(fj, bx);
        vf_store(fj + W, by);
        vf_store(fj + 2 * W, bz);
    }
    EACH(vf_add_to(f + 3 * W * k, fx[k]))
    EACH(vf_add_to(f + 3 * W * k + W, fy[k]))
    EACH(vf_add_to(f + 3 * W * k + 2 * W, fz[k]))
    if (energy) {
        EACH(ens_add_energy(g->energy[ENS_E_LJ], lj[k]))
        EACH(ens_add_energy(g->energy[ENS_E_COULOMB], 4.0f * coulomb[k]))
    }
}

INLINE void pairs(const struct ens_plan *p, struct ens_group *g, const bool chain,
                  const bool energy)
{
    for (int b = 0; b < p->blocks; b++) {
        const int i = b * ENS_ROWS, end = i + ENS_ROWS < p->n ? i + ENS_ROWS : p->n;
        const float *cut2 = chain ? p->cut2 + (size_t)p->block_cut[b] * (size_t)p->n : NULL;
        for (int a = i; a < end; a++) {
            const struct pair_rows rows = {a, a + 1, end, p->lj_in + 3 * p->offset_in[a], cut2};
            pair_rows(p, g, &rows, 1, chain, energy);
        }
        const struct pair_rows rows = {i, end, p->n, p->lj + 3 * p->offset[b], cut2};
        if (end < p->n)
            pair_rows(p, g, &rows, ENS_ROWS, chain, energy);
    }
}

static void chain_forces(const struct ens_plan *p, struct ens_group *g)
{
    pairs(p, g, true, false);
}

static void plain_forces(const struct ens_plan *p, struct ens_group *g)
{
    pairs(p, g, false, false);
}

static void chain_energy(const struct ens_plan *p, struct ens_group *g)
{
    pairs(p, g, true, true);
}

static void plain_energy(const struct ens_plan *p, struct ens_group *g)
{
    pairs(p, g, false, true);
}

void ens_pairs(const struct ens_plan *p, struct ens_group *g, bool chain, bool energy)
{
    if (energy)
        (chain ? chain_energy : plain_energy)(p, g);
    else
        (chain ? chain_forces : plain_forces)(p, g);
}
