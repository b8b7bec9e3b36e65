/* SPDX-License-Identifier: BSD-3-Clause */
/* Pass 1: Born radii (OBC2: Onufriev, Bashford & Case, Proteins 55, 383 (2004)).
 *
 * The HCT integral (Hawkins, Cramer & Truhlar, Chem. Phys. Lett. 246, 122 (1995)) of a sphere S at
 * a distance r > ρ + S is (x/(1 - x²) - atanh x)/r with x = S/r, that is S³/r⁴ · Σ_k 2k/(2k + 1)
 * (S²/r²)^(k-1), a function of z = 1/r² and S alone: beyond a distance (plan.h, cut2) a short
 * polynomial in z with the atom's own coefficients. Its derivative is the polynomial's own
 * derivative, so forces stay the gradient of the energy. Lanes in which a pair is nearer add
 * exactly 0 here; such pairs go on a list and get the exact formula, lanes that are far adding 0
 * there. So no lane's sum depends on what the other lanes do. */
#include "md/ensemble/kernels.h"

struct born_rows {
    int i, from, to;   /* first row; columns */
    const float *cut2; /* [n] of these rows */
};

/* Squares of the distances [n] beyond which pairs with atom i are far. */
INLINE const float *block_cut2(const struct ens_plan *p, int i)
{
    return p->cut2 + (size_t)p->block_cut[i / ENS_ROWS] * (size_t)p->n;
}

static void note_close(struct ens_group *g, const vm *far, int i, int j, int rows, int columns)
{
    for (int c = 0; c < columns; c++)
        for (int r = 0; r < rows; r++)
            if (!vm_all(far[c * rows + r])) {
                g->close[g->n_close][0] = i + r;
                g->close[g->n_close][1] = j + c;
                g->n_close++;
            }
}

/* R rows against the columns from … to - 1, C at a time; moves `rows` behind the last one done. */
INLINE void born_rows(const struct ens_plan *p, struct ens_group *g, struct born_rows *rows,
                      const int R, const int C)
{
    const float *x = g->x + (size_t)rows->i * 3 * W;
    const float *ci = p->far + (size_t)rows->i * ENS_TERMS;
    vf acc[ENS_ROWS], dx[ENS_TILE], dy[ENS_TILE], dz[ENS_TILE], r2[ENS_TILE], z[ENS_TILE];
    vf e[ENS_TILE], hi[ENS_TILE], hj[ENS_TILE];
    vm far[ENS_TILE];
    float *sum_i = g->born_sum + (size_t)rows->i * W;
    ROWS(acc[k] = vf_load(sum_i + k * W))
    int j = rows->from;
    for (; j + C <= rows->to; j += C) {
        const float *xj = g->x + (size_t)j * 3 * W, *cj = p->far + (size_t)j * ENS_TERMS;
        const float *cut2 = rows->cut2 + j;
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
        EACH(z[k] = vf_rcp_estimate(r2[k]))
        EACH(far[k] = vf_le(vf_set1(cut2[COLUMN]), r2[k]))
        EACH(e[k] = vf_fnma(r2[k], z[k], vf_set1(2)))
        EACH(z[k] = vf_keep_mul(far[k], z[k], e[k]))
        EACH(hj[k] = vf_set1(cj[ENS_TERMS * COLUMN + ENS_DEGREE]))
        EACH(hi[k] = vf_set1(ci[ENS_TERMS * ROW + ENS_DEGREE]))
        for (int t = ENS_DEGREE - 1; t >= 0; t--) {
            EACH(hj[k] = vf_fma(hj[k], z[k], vf_set1(cj[ENS_TERMS * COLUMN + t])))
            EACH(hi[k] = vf_fma(hi[k], z[k], vf_set1(ci[ENS_TERMS * ROW + t])))
        }
        EACH(z[k] = z[k] * z[k])
        EACH(acc[ROW] = vf_fma(z[k], hj[k], acc[ROW]))
        float *sum_j = g->born_sum + (size_t)j * W;
        COLUMNS(ax[k] = vf_load(sum_j + k * W))
        EACH(ax[COLUMN] = vf_fma(z[k], hi[k], ax[COLUMN]))
        COLUMNS(vf_store(sum_j + k * W, ax[k]))
        vm all = far[0];
        EACH(all = vm_and(all, far[k]))
        if (__builtin_expect(!vm_all(all), 0))
            note_close(g, far, rows->i, j, R, C);
    }
    ROWS(vf_store(sum_i + k * W, acc[k]))
    rows->from = j;
}

/* ln a for a > 0: a = 2^e m, m in [√½, √2), ln m = 2 atanh((m - 1)/(m + 1)). */
INLINE vf log_positive(vf a)
{
    const vi bits = (vi)a - 0x3f3504f3; /* √½ */
    const vf e = vi_float(bits >> 23);
    const vf m = (vf)((bits & 0x007fffff) + 0x3f3504f3);
    const vf s = (m - 1.0f) * vf_rcp(m + 1.0f), s2 = s * s;
    vf q = vf_fma(s2, vf_set1(0.24279078841f), vf_set1(0.28498786688f));
    q = vf_fma(s2, q, vf_set1(0.40000972152f));
    q = vf_fma(s2, q, vf_set1(0.66666662693f));
    return vf_fma(e, vf_set1(0.693147181f), vf_fma(s * s2, q, 2.0f * s));
}

/* The integral over sphere S seen from an atom of offset radius rho, and (dI/dr)/r. Its derivative
 * by the bounds of integration vanishes, which leaves the explicit one by r. */
INLINE vf integral(vf r, vf inv, float rho_, float s_, vf *factor)
{
    const vf rho = vf_set1(rho_), s = vf_set1(s_), inv2 = inv * inv;
    const vf least = vf_max(rho, vf_abs(r - s));
    const vf outer = r + s;
    const vf both = vf_rcp(least * outer), lower = both * outer, upper = both * least;
    const vf logarithm = log_positive(least * upper);
    const vf squares = vf_fnma(upper, upper, lower * lower);
    const vf s2inv2 = (s * s) * inv2;
    vf sum = lower - upper + 0.25f * squares * (r * (s2inv2 - 1.0f)) + 0.5f * inv * logarithm;
    const vm inside = vf_lt(rho, s - r); /* the sphere S swallows the atom */
    if (__builtin_expect(vm_any(inside), 0))
        sum += vf_keep(inside, 2.0f * (vf_set1(1.0f / rho_) - lower));
    const vm seen = vf_lt(rho, outer);
    const vf slope = -0.25f * squares * (1.0f + s2inv2) - 0.5f * inv2 * logarithm;
    *factor = vf_keep(seen, slope * inv);
    return vf_keep(seen, sum);
}

struct close_pair {
    vf sum_i, sum_j, factor_i, factor_j; /* 0 in lanes where the pair is far */
};

INLINE struct close_pair close_pair(const struct ens_plan *p, const struct ens_group *g, int c)
{
    const int i = g->close[c][0], j = g->close[c][1];
    const float *xi = g->x + (size_t)i * 3 * W, *xj = g->x + (size_t)j * 3 * W;
    const vf dx = vf_load(xi) - vf_load(xj), dy = vf_load(xi + W) - vf_load(xj + W),
             dz = vf_load(xi + 2 * W) - vf_load(xj + 2 * W);
    const vf r2 = vf_fma(dz, dz, vf_fma(dy, dy, dx * dx));
    const vm near = vm_not(vf_le(vf_set1(block_cut2(p, i)[j]), r2));
    const vf inv = vf_rsqrt(r2), r = r2 * inv;
    struct close_pair a;
    a.sum_i = vf_keep(near, integral(r, inv, p->rho[i], p->scaled[j], &a.factor_i));
    a.sum_j = vf_keep(near, integral(r, inv, p->rho[j], p->scaled[i], &a.factor_j));
    a.factor_i = vf_keep(near, a.factor_i);
    a.factor_j = vf_keep(near, a.factor_j);
    return a;
}

static void add_close(const struct ens_plan *p, struct ens_group *g, int first)
{
    for (int c = first; c < g->n_close; c++) {
        const struct close_pair a = close_pair(p, g, c);
        vf_add_to(g->born_sum + (size_t)g->close[c][0] * W, a.sum_i);
        vf_add_to(g->born_sum + (size_t)g->close[c][1] * W, a.sum_j);
        if (c < p->close_capacity) {
            vf_store(g->close_factor + (size_t)c * 2 * W, a.factor_i);
            vf_store(g->close_factor + (size_t)c * 2 * W + W, a.factor_j);
        }
    }
}

void ens_born(const struct ens_plan *p, struct ens_group *g)
{
    for (int i = 0; i < p->n; i++)
        vf_store(g->born_sum + (size_t)i * W, (vf){0});
    g->n_close = 0;
    for (int b = 0; b < p->blocks; b++) {
        const int i = b * ENS_ROWS, end = i + ENS_ROWS < p->n ? i + ENS_ROWS : p->n;
        const int first = g->n_close;
        for (int a = i; a < end; a++) {
            struct born_rows rows = {a, a + 1, end, block_cut2(p, i)};
            born_rows(p, g, &rows, 1, 1);
        }
        struct born_rows rows = {i, end, p->n, block_cut2(p, i)};
        if (end < p->n) {
            born_rows(p, g, &rows, ENS_ROWS, ENS_COLUMNS);
            if (ENS_COLUMNS > 1 && rows.from < rows.to)
                born_rows(p, g, &rows, ENS_ROWS, 1);
        }
        add_close(p, g, first);
    }
}

void ens_close_forces(const struct ens_plan *p, struct ens_group *g)
{
    for (int c = 0; c < g->n_close; c++) {
        const int i = g->close[c][0], j = g->close[c][1];
        const float *xi = g->x + (size_t)i * 3 * W, *xj = g->x + (size_t)j * 3 * W;
        float *fi = g->f + (size_t)i * 3 * W, *fj = g->f + (size_t)j * 3 * W;
        vf factor_i, factor_j;
        if (c < p->close_capacity) {
            factor_i = vf_load(g->close_factor + (size_t)c * 2 * W);
            factor_j = vf_load(g->close_factor + (size_t)c * 2 * W + W);
        } else {
            const struct close_pair a = close_pair(p, g, c);
            factor_i = a.factor_i;
            factor_j = a.factor_j;
        }
        const vf scale = vf_load(g->de_dborn + (size_t)i * W) * factor_i +
                         vf_load(g->de_dborn + (size_t)j * W) * factor_j;
        for (int a = 0; a < 3; a++) {
            const vf d = scale * (vf_load(xi + a * W) - vf_load(xj + a * W));
            vf_store(fi + a * W, vf_load(fi + a * W) - d);
            vf_store(fj + a * W, vf_load(fj + a * W) + d);
        }
    }
}

/* tanh x = 1 - 2/(e^2x + 1); the argument of OBC2 is bounded here, so that nothing overflows. */
INLINE vf tanh_obc(vf x)
{
    const vf t = vf_max(vf_min(x, vf_set1(10)), vf_set1(-10)) * 2.885390082f; /* 2 log2 e */
    const vf magic = vf_set1(12582912.0f);
    const vf shifted = t + magic, n = shifted - magic, f = t - n;
    vf q = vf_fma(f, vf_set1(1.326472728e-03f), vf_set1(9.671513054e-03f));
    q = vf_fma(f, q, vf_set1(5.550733747e-02f));
    q = vf_fma(f, q, vf_set1(2.402224208e-01f));
    q = vf_fma(f, q, vf_set1(6.931469776e-01f));
    q = vf_fma(f, q, vf_set1(1));
    const vf e = (vf)((vi)q + (vi)((vi)shifted << 23));
    return 1.0f - 2.0f * vf_rcp(e + 1.0f);
}

void ens_born_radii(const struct ens_plan *p, struct ens_group *g, bool energy)
{
    vf surface = {0}, self = {0};
    for (int i = 0; i < p->n; i++) {
        const vf rho = vf_set1(p->rho[i]), half = 0.5f * rho;
        const vf psi = half * vf_load(g->born_sum + (size_t)i * W);
        const vf t = tanh_obc(psi * (1.0f + psi * (-0.8f + 4.85f * psi)));
        const vf dt = (1.0f - t * t) * (1.0f + psi * (-1.6f + 14.55f * psi));
        const vf inv_radius = vf_set1(p->inv_radius[i]);
        const vf inv = vf_set1(1.0f / p->rho[i]) - t * inv_radius;
        const vf born = vf_rcp(inv);
        vf_store(g->born + (size_t)i * W, born);
        vf_store(g->born_inv + (size_t)i * W, inv);
        vf_store(g->slope + (size_t)i * W, born * born * half * inv_radius * dt);
        const vf inv3 = inv * inv * inv, e_surface = p->surface[i] * inv3 * inv3;
        const vf e_self = p->self[i] * inv;
        /* E = -self/B + surface/B⁶; the pairs of pass 2 add to the derivative */
        vf_store(g->de_dborn + (size_t)i * W, inv * (e_self - 6.0f * e_surface));
        if (energy) {
            surface += e_surface;
            self -= e_self;
        }
    }
    if (energy) {
        ens_add_energy(g->energy[ENS_E_SURFACE], surface);
        ens_add_energy(g->energy[ENS_E_GB], self);
    }
}

void ens_born_chain(const struct ens_plan *p, struct ens_group *g)
{
    vf weight;
    for (int l = 0; l < W; l++)
        weight[l] = g->weight[l];
    for (int i = 0; i < p->n; i++) {
        float *a = g->de_dborn + (size_t)i * W;
        vf_store(a, vf_load(a) * vf_load(g->slope + (size_t)i * W) * weight);
    }
}
