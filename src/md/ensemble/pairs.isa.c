/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 3: Lennard-Jones and Coulomb, and the forces through the Born radii,
 *     F = -(dE/dI_i dI_ij/dr + dE/dI_j dI_ji/dr).
 * They share the distance. 1/r is an estimate and one Newton step without its factor ½: y = 2/r,
 * z = y² = 4/r²; the tables (plan_pairs.c) hold the powers of two, and the polynomials those of z.
 *     F/r = z (z³ (a z³ - b) + qq y + z² (dE/dI_i h_j(z) + dE/dI_j h_i(z))) */
#if defined(__GNUC__) && !defined(__clang__)
/* Scheduling before register allocation with an eye on pressure: 5 % on these long loops. */
#pragma GCC optimize("schedule-insns", "sched-pressure", "no-tree-pre", "no-gcse")
#endif
#include "md/ensemble/kernels.h"

struct pair_rows {
    int i, from, to;
    const float *table, *cut2;
};

/* R rows against the columns from … to - 1, C at a time; moves `rows` behind the last one done. */
INLINE void pair_rows(const struct ens_plan *p, struct ens_group *g, struct pair_rows *rows,
                      const int R, const int C, const bool chain, const bool energy)
{
    const float *table = rows->table, *x = g->x + (size_t)rows->i * 3 * W;
    const float *ci = p->chain + (size_t)rows->i * ENS_TERMS;
    const float *de = g->de_dborn + (size_t)rows->i * W;
    float *f = g->f + (size_t)rows->i * 3 * W;
    vf dx[ENS_TILE], dy[ENS_TILE], dz[ENS_TILE], r2[ENS_TILE], y[ENS_TILE], t[ENS_TILE];
    vf z[ENS_TILE], z2[ENS_TILE], z3[ENS_TILE], q[ENS_TILE], hi[ENS_TILE];
    vf fx[ENS_ROWS], fy[ENS_ROWS], fz[ENS_ROWS], lj[ENS_ROWS], coulomb[ENS_ROWS];
    vm far[ENS_TILE];
    ROWS(fx[k] = fy[k] = fz[k] = lj[k] = coulomb[k] = (vf){0})
    int j = rows->from;
    for (; j + C <= rows->to; j += C, table += 3 * R * C) {
        const float *xj = g->x + (size_t)j * 3 * W, *cj = p->chain + (size_t)j * ENS_TERMS;
        vf ax[ENS_COLUMNS], ay[ENS_COLUMNS], az[ENS_COLUMNS];
        COLUMNS(ax[k] = vf_load(xj + 3 * W * k))
        COLUMNS(ay[k] = vf_load(xj + 3 * W * k + W))
        COLUMNS(az[k] = vf_load(xj + 3 * W * k + 2 * W))
        EACH(dx[k] = vf_load(x + 3 * W * ROW) - ax[COLUMN])
        EACH(dy[k] = vf_load(x + 3 * W * ROW + W) - ay[COLUMN])
        EACH(dz[k] = vf_load(x + 3 * W * ROW + 2 * W) - az[COLUMN])
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
        EACH(t[k] = vf_fma(vf_set1(table[3 * R * COLUMN + ROW]), z3[k],
                           vf_set1(table[3 * R * COLUMN + R + ROW])))
        EACH(y[k] = vf_set1(table[3 * R * COLUMN + 2 * R + ROW]) * y[k])
        if (energy) {
            EACH(coulomb[ROW] += y[k])
            EACH(lj[ROW] += z3[k] * (t[k] - (2.0f / 3.0f) * table[3 * R * COLUMN + ROW] * z3[k] -
                                     vf_set1(table[3 * R * COLUMN + R + ROW] / 3.0f)))
        }
        EACH(t[k] = vf_fma(t[k], z3[k], y[k]))
        if (chain) {
            const float *cut2 = rows->cut2 + j, *dej = g->de_dborn + (size_t)j * W;
            EACH(far[k] = vf_le(vf_set1(cut2[COLUMN]), r2[k]))
            EACH(q[k] = vf_set1(cj[ENS_TERMS * COLUMN + ENS_DEGREE]))
            EACH(hi[k] = vf_set1(ci[ENS_TERMS * ROW + ENS_DEGREE]))
            for (int c = ENS_DEGREE - 1; c >= 0; c--) {
                EACH(q[k] = vf_fma(q[k], z[k], vf_set1(cj[ENS_TERMS * COLUMN + c])))
                EACH(hi[k] = vf_fma(hi[k], z[k], vf_set1(ci[ENS_TERMS * ROW + c])))
            }
            EACH(q[k] = vf_load(de + W * ROW) * q[k])
            EACH(q[k] = vf_fma(vf_load(dej + W * COLUMN), hi[k], q[k]))
            EACH(z2[k] = vf_keep_mul(far[k], z2[k], q[k]))
            EACH(t[k] = t[k] + z2[k])
        }
        EACH(t[k] = t[k] * z[k])
        EACH(fx[ROW] = vf_fma(t[k], dx[k], fx[ROW]))
        EACH(fy[ROW] = vf_fma(t[k], dy[k], fy[ROW]))
        EACH(fz[ROW] = vf_fma(t[k], dz[k], fz[ROW]))
        float *fj = g->f + (size_t)j * 3 * W;
        COLUMNS(ax[k] = vf_load(fj + 3 * W * k))
        COLUMNS(ay[k] = vf_load(fj + 3 * W * k + W))
        COLUMNS(az[k] = vf_load(fj + 3 * W * k + 2 * W))
        EACH(ax[COLUMN] = vf_fnma(t[k], dx[k], ax[COLUMN]))
        EACH(ay[COLUMN] = vf_fnma(t[k], dy[k], ay[COLUMN]))
        EACH(az[COLUMN] = vf_fnma(t[k], dz[k], az[COLUMN]))
        COLUMNS(vf_store(fj + 3 * W * k, ax[k]))
        COLUMNS(vf_store(fj + 3 * W * k + W, ay[k]))
        COLUMNS(vf_store(fj + 3 * W * k + 2 * W, az[k]))
    }
    ROWS(vf_add_to(f + 3 * W * k, fx[k]))
    ROWS(vf_add_to(f + 3 * W * k + W, fy[k]))
    ROWS(vf_add_to(f + 3 * W * k + 2 * W, fz[k]))
    if (energy) {
        ROWS(ens_add_energy(g->energy[ENS_E_LJ], lj[k]))
        ROWS(ens_add_energy(g->energy[ENS_E_COULOMB], 4.0f * coulomb[k]))
    }
    rows->from = j;
    rows->table = table;
}

INLINE void pairs(const struct ens_plan *p, struct ens_group *g, const bool chain,
                  const bool energy)
{
    for (int b = 0; b < p->blocks; b++) {
        const int i = b * ENS_ROWS, end = i + ENS_ROWS < p->n ? i + ENS_ROWS : p->n;
        const float *cut2 = chain ? p->cut2 + (size_t)p->block_cut[b] * (size_t)p->n : NULL;
        for (int a = i; a < end; a++) {
            struct pair_rows rows = {a, a + 1, end, p->lj_in + 3 * p->offset_in[a], cut2};
            pair_rows(p, g, &rows, 1, 1, chain, energy);
        }
        struct pair_rows rows = {i, end, p->n, p->lj + 3 * p->offset[b], cut2};
        if (end < p->n) {
            pair_rows(p, g, &rows, ENS_ROWS, ENS_COLUMNS, chain, energy);
            if (ENS_COLUMNS > 1 && rows.from < rows.to)
                pair_rows(p, g, &rows, ENS_ROWS, 1, chain, energy);
        }
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
