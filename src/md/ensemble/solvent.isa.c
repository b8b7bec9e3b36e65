/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 2: the generalised Born pairs (Still et al., JACS 112, 6127 (1990)),
 *     E = -κ q_i q_j / f,  f² = r² + a e^-D,  a = B_i B_j,  D = r²/(4a),
 *     (dE/dr)/r = κ q_i q_j (1 - e^-D/4)/f³,  dE/da = κ q_i q_j e^-D (1 + D)/(2 f³).
 * 1/f is an estimate and one Newton step without its factor ½: y = 2/f, the table holds -κ q q/8.
 */
#if defined(__GNUC__) && !defined(__clang__)
/* Scheduling before register allocation with an eye on pressure: 5 % on these long loops. */
#pragma GCC optimize("schedule-insns", "sched-pressure", "no-tree-pre", "no-gcse")
#endif
#include "md/ensemble/kernels.h"

/* e^s for s ≤ 0, relative error 5e-7; 0 far below. */
#if defined(COX_ISA_avx512)
/* 16 values of 2^(k/16) from a register, a parabola between: 2^n · T[k] · (1 + f + …). */
INLINE vf exp_negative(vf s)
{
    const vf table = {1.0f,         1.044273782f, 1.090507733f, 1.138788635f,
                      1.189207115f, 1.241857812f, 1.296839555f, 1.354255547f,
                      1.414213562f, 1.476826146f, 1.542210825f, 1.610490332f,
                      1.681792831f, 1.756252160f, 1.834008086f, 1.915206561f};
    const vf magic = vf_set1(786432.0f); /* 1.5 · 2^23 / 16: the last bit is worth 1/16 */
    const vf shifted = vf_fma(s, vf_set1(1.442695041f), magic);
    const vf n = shifted - magic;
    const vf f = vf_fnma(n, vf_set1(0.6931471806f), s);
    vf q = vf_fma(f, vf_set1(0.50000141f), vf_set1(1.00005852f));
    q = vf_fma(f, q, vf_set1(1));
    const vf t = (vf)_mm512_permutexvar_ps((__m512i)shifted, (__m512)table);
    return q * (vf)_mm512_scalef_ps((__m512)t, (__m512)n);
}
#else
INLINE vf exp_negative(vf s)
{
    const vf t = vf_max(s * 1.442695041f, vf_set1(-126));
    const vf magic = vf_set1(12582912.0f);
    const vf shifted = t + magic, n = shifted - magic, f = t - n;
    vf q = vf_fma(f, vf_set1(1.326472728e-03f), vf_set1(9.671513054e-03f));
    q = vf_fma(f, q, vf_set1(5.550733747e-02f));
    q = vf_fma(f, q, vf_set1(2.402224208e-01f));
    q = vf_fma(f, q, vf_set1(6.931469776e-01f));
    q = vf_fma(f, q, vf_set1(1));
    return (vf)((vi)q + (vi)((vi)shifted << 23));
}
#endif

struct solvent_rows {
    int i, from, to;
    const float *table;
};

/* R rows against the columns from … to - 1, C at a time; moves `rows` behind the last one done. */
INLINE void solvent_rows(struct ens_group *g, struct solvent_rows *rows, const int R, const int C,
                         const bool energy)
{
    const float *table = rows->table, *x = g->x + (size_t)rows->i * 3 * W;
    const float *born = g->born + (size_t)rows->i * W, *inv = g->born_inv + (size_t)rows->i * W;
    float *f = g->f + (size_t)rows->i * 3 * W, *de = g->de_dborn + (size_t)rows->i * W;
    vf dx[ENS_TILE], dy[ENS_TILE], dz[ENS_TILE], r2[ENS_TILE], s[ENS_TILE], e[ENS_TILE],
        a[ENS_TILE], y[ENS_TILE], t[ENS_TILE];
    vf fx[ENS_ROWS], fy[ENS_ROWS], fz[ENS_ROWS], db[ENS_ROWS], sum[ENS_ROWS];
    ROWS(fx[k] = fy[k] = fz[k] = db[k] = sum[k] = (vf){0})
    int j = rows->from;
    for (; j + C <= rows->to; j += C, table += R * C) {
        const float *xj = g->x + (size_t)j * 3 * W, *bornj = g->born + (size_t)j * W;
        const float *invj = g->born_inv + (size_t)j * W;
        vf ax[ENS_COLUMNS], ay[ENS_COLUMNS], az[ENS_COLUMNS], inv_j[ENS_COLUMNS];
        COLUMNS(ax[k] = vf_load(xj + 3 * W * k))
        COLUMNS(ay[k] = vf_load(xj + 3 * W * k + W))
        COLUMNS(az[k] = vf_load(xj + 3 * W * k + 2 * W))
        COLUMNS(inv_j[k] = -0.25f * vf_load(invj + W * k))
        EACH(dx[k] = vf_load(x + 3 * W * ROW) - ax[COLUMN])
        EACH(dy[k] = vf_load(x + 3 * W * ROW + W) - ay[COLUMN])
        EACH(dz[k] = vf_load(x + 3 * W * ROW + 2 * W) - az[COLUMN])
        EACH(s[k] = vf_load(inv + W * ROW) * inv_j[COLUMN])
        EACH(r2[k] = dx[k] * dx[k])
        EACH(r2[k] = vf_fma(dy[k], dy[k], r2[k]))
        EACH(r2[k] = vf_fma(dz[k], dz[k], r2[k]))
        EACH(s[k] = s[k] * r2[k])
        EACH(a[k] = vf_load(born + W * ROW) * vf_load(bornj + W * COLUMN))
        EACH(e[k] = exp_negative(s[k]))
        EACH(a[k] = vf_fma(a[k], e[k], r2[k]))
        EACH(y[k] = vf_rsqrt_estimate(a[k]))
        EACH(t[k] = a[k] * y[k])
        EACH(t[k] = vf_fnma(t[k], y[k], vf_set1(3)))
        EACH(y[k] = y[k] * t[k])
        EACH(t[k] = vf_set1(table[k]) * y[k])
        if (energy) {
            EACH(sum[ROW] += t[k])
        }
        EACH(y[k] = y[k] * y[k])
        EACH(t[k] = t[k] * y[k])
        EACH(e[k] = t[k] * e[k])
        EACH(t[k] = vf_fnma(e[k], vf_set1(0.25f), t[k]))
        EACH(e[k] = vf_fnma(e[k], s[k], e[k]))
        EACH(fx[ROW] = vf_fma(t[k], dx[k], fx[ROW]))
        EACH(fy[ROW] = vf_fma(t[k], dy[k], fy[ROW]))
        EACH(fz[ROW] = vf_fma(t[k], dz[k], fz[ROW]))
        EACH(db[ROW] = vf_fma(e[k], vf_load(bornj + W * COLUMN), db[ROW]))
        float *fj = g->f + (size_t)j * 3 * W, *dej = g->de_dborn + (size_t)j * W;
        vf bb[ENS_COLUMNS];
        COLUMNS(ax[k] = vf_load(fj + 3 * W * k))
        COLUMNS(ay[k] = vf_load(fj + 3 * W * k + W))
        COLUMNS(az[k] = vf_load(fj + 3 * W * k + 2 * W))
        COLUMNS(bb[k] = (vf){0})
        EACH(ax[COLUMN] = vf_fnma(t[k], dx[k], ax[COLUMN]))
        EACH(ay[COLUMN] = vf_fnma(t[k], dy[k], ay[COLUMN]))
        EACH(az[COLUMN] = vf_fnma(t[k], dz[k], az[COLUMN]))
        EACH(bb[COLUMN] = vf_fma(e[k], vf_load(born + W * ROW), bb[COLUMN]))
        COLUMNS(vf_store(fj + 3 * W * k, ax[k]))
        COLUMNS(vf_store(fj + 3 * W * k + W, ay[k]))
        COLUMNS(vf_store(fj + 3 * W * k + 2 * W, az[k]))
        COLUMNS(vf_store(dej + W * k, vf_fnma(bb[k], vf_set1(0.5f), vf_load(dej + W * k))))
    }
    ROWS(vf_add_to(f + 3 * W * k, fx[k]))
    ROWS(vf_add_to(f + 3 * W * k + W, fy[k]))
    ROWS(vf_add_to(f + 3 * W * k + 2 * W, fz[k]))
    ROWS(vf_add_to(de + W * k, -0.5f * db[k]))
    if (energy) {
        ROWS(ens_add_energy(g->energy[ENS_E_GB], 4.0f * sum[k]))
    }
    rows->from = j;
    rows->table = table;
}

INLINE void solvent(const struct ens_plan *p, struct ens_group *g, const bool energy)
{
    for (int b = 0; b < p->blocks; b++) {
        const int i = b * ENS_ROWS, end = i + ENS_ROWS < p->n ? i + ENS_ROWS : p->n;
        for (int a = i; a < end; a++) {
            struct solvent_rows rows = {a, a + 1, end, p->gb_in + p->offset_in[a]};
            solvent_rows(g, &rows, 1, 1, energy);
        }
        struct solvent_rows rows = {i, end, p->n, p->gb + p->offset[b]};
        if (end < p->n) {
            solvent_rows(g, &rows, ENS_ROWS, ENS_COLUMNS, energy);
            if (ENS_COLUMNS > 1 && rows.from < rows.to)
                solvent_rows(g, &rows, ENS_ROWS, 1, energy);
        }
    }
}

static void with_energy(const struct ens_plan *p, struct ens_group *g)
{
    solvent(p, g, true);
}

static void forces_only(const struct ens_plan *p, struct ens_group *g)
{
    solvent(p, g, false);
}

void ens_solvent(const struct ens_plan *p, struct ens_group *g, bool energy)
{
    (energy ? with_energy : forces_only)(p, g);
}
