/* SPDX-License-Identifier: BSD-3-Clause */
/* Bonds, angles and torsions. Every term acts on all lanes at once: indices are scalars, nothing is
 * gathered. Angles by atan2 of the deviation itself, exact at both ends and near θ0; torsions by
 * the formulas of Blondel & Karplus (J. Comput. Chem. 17, 1132 (1996)), without a singularity in φ
 * and without inverse functions: cos nφ and sin nφ by recurrence. */
#include "md/ensemble/kernels.h"

struct vec3 {
    vf x, y, z;
};

INLINE struct vec3 difference(const struct ens_group *g, int i, int j)
{
    const float *a = g->x + (size_t)i * 3 * W, *b = g->x + (size_t)j * 3 * W;
    return (struct vec3){vf_load(a) - vf_load(b), vf_load(a + W) - vf_load(b + W),
                         vf_load(a + 2 * W) - vf_load(b + 2 * W)};
}

/* The same with the low parts of the positions: stiff bonds and angles feel their last bits. */
INLINE struct vec3 exact_difference(const struct ens_group *g, int i, int j)
{
    const float *a = g->x_low + (size_t)i * 3 * W, *b = g->x_low + (size_t)j * 3 * W;
    const struct vec3 d = difference(g, i, j);
    return (struct vec3){d.x + (vf_load(a) - vf_load(b)), d.y + (vf_load(a + W) - vf_load(b + W)),
                         d.z + (vf_load(a + 2 * W) - vf_load(b + 2 * W))};
}

INLINE vf dot(struct vec3 a, struct vec3 b)
{
    return vf_fma(a.z, b.z, vf_fma(a.y, b.y, a.x * b.x));
}

INLINE struct vec3 cross(struct vec3 a, struct vec3 b)
{
    return (struct vec3){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

INLINE struct vec3 combine(vf s, struct vec3 a, vf t, struct vec3 b)
{
    return (struct vec3){s * a.x + t * b.x, s * a.y + t * b.y, s * a.z + t * b.z};
}

INLINE void add_force(struct ens_group *g, int i, struct vec3 a)
{
    float *f = g->f + (size_t)i * 3 * W;
    vf_add_to(f, a.x);
    vf_add_to(f + W, a.y);
    vf_add_to(f + 2 * W, a.z);
}

INLINE struct vec3 minus_sum(struct vec3 a, struct vec3 b)
{
    return (struct vec3){-a.x - b.x, -a.y - b.y, -a.z - b.z};
}

INLINE void bonds(const struct ens_plan *p, struct ens_group *g, const bool energy)
{
    for (int b = 0; b < p->n_bonds; b++) {
        const struct ens_bond *t = &p->bonds[b];
        const struct vec3 d = exact_difference(g, t->i, t->j);
        const vf r2 = dot(d, d), inv = vf_rsqrt(r2), stretch = r2 * inv - t->r0;
        const vf s = -t->k * stretch * inv;
        const struct vec3 f = {s * d.x, s * d.y, s * d.z};
        add_force(g, t->i, f);
        add_force(g, t->j, (struct vec3){-f.x, -f.y, -f.z});
        if (energy)
            ens_add_energy(g->energy[ENS_E_BOND], 0.5f * t->k * stretch * stretch);
    }
}

/* atan2(y, x); relative error 2e-7 for small angles. */
INLINE vf arc_tangent(vf y, vf x)
{
    const vf ay = vf_abs(y), ax = vf_abs(x);
    const vm steep = vf_lt(ax, ay);
    const vf t = vf_min(ax, ay) * vf_rcp(vf_max(vf_max(ax, ay), vf_set1(1e-20f)));
    const vf t2 = t * t;
    vf q = vf_fma(t2, vf_set1(-4.822519134e-03f), vf_set1(2.473401450e-02f));
    q = vf_fma(t2, q, vf_set1(-6.020306883e-02f));
    q = vf_fma(t2, q, vf_set1(9.968469338e-02f));
    q = vf_fma(t2, q, vf_set1(-1.404132661e-01f));
    q = vf_fma(t2, q, vf_set1(1.997421393e-01f));
    q = vf_fma(t2, q, vf_set1(-3.333239159e-01f));
    vf a = vf_fma(t * t2, q, t);
    a = vf_select(steep, 1.570796327f - a, a);
    a = vf_select(vf_lt(x, (vf){0}), 3.141592654f - a, a);
    return vf_select(vf_lt(y, (vf){0}), -a, a);
}

INLINE void angles(const struct ens_plan *p, struct ens_group *g, const bool energy)
{
    for (int n = 0; n < p->n_angles; n++) {
        const struct ens_angle *t = &p->angles[n];
        const struct vec3 a = exact_difference(g, t->i, t->j), b = exact_difference(g, t->k, t->j);
        const vf ia = vf_rsqrt(dot(a, a)), ib = vf_rsqrt(dot(b, b)), iab = ia * ib;
        const struct vec3 c = cross(a, b);
        const vf c2 = vf_max(dot(c, c), vf_set1(1e-12f));
        const vf cosine = dot(a, b) * iab, sine = c2 * vf_rsqrt(c2) * iab;
        const vf delta =
            arc_tangent(sine * t->cos0 - cosine * t->sin0, cosine * t->cos0 + sine * t->sin0);
        const vf s = -t->force * delta * vf_rcp(sine);
        const struct vec3 fi = combine(s * cosine * ia * ia, a, -s * iab, b);
        const struct vec3 fk = combine(s * cosine * ib * ib, b, -s * iab, a);
        add_force(g, t->i, fi);
        add_force(g, t->k, fk);
        add_force(g, t->j, minus_sum(fi, fk));
        if (energy)
            ens_add_energy(g->energy[ENS_E_ANGLE], 0.5f * t->force * delta * delta);
    }
}

/* dV/dφ and V of a sum over n of a_n cos nφ + b_n sin nφ. */
INLINE vf torsion_slope(const struct ens_torsion *t, vf c, vf s, vf *value)
{
    vf cn = c, sn = s, slope = {0}, sum = vf_set1(t->offset);
    for (int n = 1;; n++) {
        const float a = t->a[n - 1], b = t->b[n - 1];
        slope += (float)n * (b * cn - a * sn);
        sum += a * cn + b * sn;
        if (n == t->order)
            break;
        const vf next = cn * c - sn * s;
        sn = sn * c + cn * s;
        cn = next;
    }
    *value = sum;
    return slope;
}

INLINE void torsions(const struct ens_plan *p, struct ens_group *g, const bool energy)
{
    const vf tiny = vf_set1(1e-12f);
    for (int n = 0; n < p->n_torsions; n++) {
        const struct ens_torsion *t = &p->torsions[n];
        const int *atom = t->atom;
        vf value = vf_set1(t->offset);
        if (t->order > 0) {
            const struct vec3 f = difference(g, atom[0], atom[1]);
            const struct vec3 gg = difference(g, atom[1], atom[2]);
            const struct vec3 h = difference(g, atom[3], atom[2]);
            const struct vec3 a = cross(f, gg), b = cross(h, gg);
            const vf a2 = vf_max(dot(a, a), tiny), b2 = vf_max(dot(b, b), tiny);
            const vf ia = vf_rsqrt(a2), ib = vf_rsqrt(b2), g2 = dot(gg, gg), ig = vf_rsqrt(g2);
            const vf iab = ia * ib;
            const vf c = dot(a, b) * iab, s = dot(cross(b, a), gg) * iab * ig;
            const vf slope = torsion_slope(t, c, s, &value);
            const vf to_a = slope * ia * ia, to_b = slope * ib * ib, length = g2 * ig;
            const struct vec3 fi = combine(to_a * length, a, (vf){0}, a);
            const struct vec3 fl = combine(-to_b * length, b, (vf){0}, b);
            const struct vec3 middle =
                combine(to_a * dot(f, gg) * ig, a, -to_b * dot(h, gg) * ig, b);
            add_force(g, atom[0], fi);
            add_force(g, atom[3], fl);
            add_force(g, atom[1],
                      (struct vec3){-fi.x - middle.x, -fi.y - middle.y, -fi.z - middle.z});
            add_force(g, atom[2], (struct vec3){middle.x - fl.x, middle.y - fl.y, middle.z - fl.z});
        }
        if (energy)
            ens_add_energy(g->energy[ENS_E_TORSION], value);
    }
}

/* 1-4 pairs are in the pair table too; their energies are told apart here. */
static void energies_14(const struct ens_plan *p, struct ens_group *g)
{
    for (int n = 0; n < p->n_pairs14; n++) {
        const struct ens_pair14 *t = &p->pairs14[n];
        const struct vec3 d = difference(g, t->i, t->j);
        const vf y = 2.0f * vf_rsqrt(dot(d, d)), z = y * y, z3 = z * z * z;
        const vf lj = z3 * (z3 * (t->a / 3.0f) + vf_set1(t->b * (2.0f / 3.0f)));
        const vf coulomb = 4.0f * t->qq * y;
        ens_add_energy(g->energy[ENS_E_LJ14], lj);
        ens_add_energy(g->energy[ENS_E_COULOMB14], coulomb);
        ens_add_energy(g->energy[ENS_E_LJ], -lj);
        ens_add_energy(g->energy[ENS_E_COULOMB], -coulomb);
    }
}

void ens_bonded(const struct ens_plan *p, struct ens_group *g, bool energy)
{
    if (energy) {
        bonds(p, g, true);
        angles(p, g, true);
        torsions(p, g, true);
        energies_14(p, g);
    } else {
        bonds(p, g, false);
        angles(p, g, false);
        torsions(p, g, false);
    }
}
