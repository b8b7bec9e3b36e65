/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 2: the generalised Born pairs (Still et al., JACS 112, 6127 (1990)),
 *     E = -κ q_i q_j / f,  f² = r² + a e^-D,  a = B_i B_j,  D = r²/(4a),
 *     (dE/dr)/r = κ q_i q_j (1 - e^-D/4)/f³,  dE/da = κ q_i q_j e^-D (1 + D)/(2 f³).
 * 1/f is an estimate and one Newton step without its factor ½: y = 2/f, the table holds -κ q q/8. */
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

INLINE void solvent_rows(const struct ens_plan *p, struct ens_group *g, int i, int from, int to,
                         const float *table, const int R, const bool energy)
{
    (void)p;
    const float *x = g->x + (size_t)i * 3 * W;
    const float *born = g->born + (size_t)i * W, *inv = g->born_inv + (size_t)i * W;
    float *f = g->f + (size_t)i * 3 * W, *de = g->de_dborn + (size_t)i * W;
    vf dx[ENS_ROWS], dy[ENS_ROWS], dz[ENS_ROWS], r2[ENS_ROWS], s[ENS_ROWS], e[ENS_ROWS];
    vf a[ENS_ROWS], y[ENS_ROWS], t[ENS_ROWS], ge[ENS_ROWS];
    vf fx[ENS_ROWS], fy[ENS_ROWS], fz[ENS_ROWS], db[ENS_ROWS], sum[ENS_ROWS];
    EACH(fx[k] = fy[k] = fz[k] = db[k] = sum[k] = (vf){0})
    for (int j = from; j < to; j++, table += R) {
        const float *xj = g->x + (size_t)j * 3 * W;
        const vf ax = vf_load(xj), ay = vf_load(xj + W), az = vf_load(xj + 2 * W);
        const vf born_j = vf_load(g->born + (size_t)j * W);
        const vf inv_j = -0.25f * vf_load(g->born_inv + (size_t)j * W);
        EACH(dx[k] = vf_load(x + 3 * W * k) - ax)
        EACH(dy[k] = vf_load(x + 3 * W * k + W) - ay)
        EACH(dz[k] = vf_load(x + 3 * W * k + 2 * W) - az)
        EACH(s[k] = vf_load(inv + W * k) * inv_j)
        EACH(r2[k] = dx[k] * dx[k])
        EACH(r2[k] = vf_fma(dy[k], dy[k], r2[k]))
        EACH(r2[k] = vf_fma(dz[k], dz[k], r2[k]))
        EACH(s[k] = s[k] * r2[k])
        EACH(a[k] = vf_load(born + W * k) * born_j)
        EACH(e[k] = exp_negative(s[k]))
        EACH(a[k] = vf_fma(a[k], e[k], r2[k]))
        EACH(y[k] = vf_rsqrt_estimate(a[k]))
        EACH(t[k] = a[k] * y[k])
        EACH(t[k] = vf_fnma(t[k], y[k], vf_set1(3)))
        EACH(y[k] = y[k] * t[k])
        EACH(t[k] = vf_set1(table[k]) * y[k])
        if (energy) {
            EACH(sum[k] += t[k])
        }
        EACH(y[k] = y[k] * y[k])
        EACH(t[k] = t[k] * y[k])
        EACH(ge[k] = t[k] * e[k])
        EACH(t[k] = vf_fnma(ge[k], vf_set1(0.25f), t[k]))
        EACH(ge[k] = vf_fnma(ge[k], s[k], ge[k]))
        EACH(fx[k] = vf_fma(t[k], dx[k], fx[k]))
        EACH(fy[k] = vf_fma(t[k], dy[k], fy[k]))
        EACH(fz[k] = vf_fma(t[k], dz[k], fz[k]))
        EACH(db[k] = vf_fma(ge[k], born_j, db[k]))
        float *fj = g->f + (size_t)j * 3 * W, *dej = g->de_dborn + (size_t)j * W;
        vf bx = vf_load(fj), by = vf_load(fj + W), bz = vf_load(fj + 2 * W), bb = {0};
        EACH(bx = vf_fnma(t[k], dx[k], bx))
        EACH(by = vf_fnma(t[k], dy[k], by))
        EACH(bz = vf_fnma(t[k], dz[k], bz))
        EACH(bb = vf_fma(ge[k], vf_load(born + W * k), bb))
        vf_store(fj, bx);
        vf_store(fj + W, by);
        vf_store(fj + 2 * W, bz);
        vf_store(dej, vf_fnma(bb, vf_set1(0.5f), vf_load(dej)));
    }
    EACH(vf_add_to(f + 3 * W * k, fx[k]))
    EACH(vf_add_to(f + 3 * W * k + W, fy[k]))
    EACH(vf_add_to(f + 3 * W * k + 2 * W, fz[k]))
    EACH(vf_add_to(de + W * k, -0.5f * db[k]))
    if (energy) {
        EACH(ens_add_energy(g->energy[ENS_E_GB], 4.0f * sum[k]))
    }
}

INLINE void solvent(const struct ens_plan *p, struct ens_group *g, const bool energy)
{
    for (int b = 0; b < p->blocks; b++) {
        const int i = b * ENS_ROWS, end = i + ENS_ROWS < p->n ? i + ENS_ROWS : p->n;
        for (int a = i; a < end; a++)
            solvent_rows(p, g, a, a + 1, end, p->gb_in + p->offset_in[a], 1, energy);
        if (end < p->n)
            solvent_rows(p, g, i, end, p->n, p->gb + p->offset[b], ENS_ROWS, energy);
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
