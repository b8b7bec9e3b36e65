/* SPDX-License-Identifier: BSD-3-Clause */
/* SHAKE and RATTLE (Ryckaert et al., J. Comput. Phys. 23, 327 (1977); Andersen, ibid. 52, 24
 * (1983)).
 *
 * Bonds to hydrogen form stars around a heavy atom. A star's multipliers are found together, by
 * Newton's method on its 1 to 4 equations (M-SHAKE: Kräutler et al., J. Comput. Chem. 22, 501
 * (2001)). Work is done on displacements and bond vectors, not on positions, so float32 resolves
 * the bond to 1e-7 wherever the molecule is. A lane stops when it has converged itself. */
#include "md/ensemble/kernels.h"

#define NEWTON_MAX 25
#define NEWTON_MIN 2
#define SWEEPS_MAX 500

struct vec3 {
    vf x, y, z;
};

INLINE vf dot(struct vec3 a, struct vec3 b)
{
    return vf_fma(a.z, b.z, vf_fma(a.y, b.y, a.x * b.x));
}

/* x_i - x_j of the full positions. */
INLINE struct vec3 bond_vector(const struct ens_group *g, int i, int j)
{
    const float *a = g->x + (size_t)i * 3 * W, *b = g->x + (size_t)j * 3 * W;
    const float *la = g->x_low + (size_t)i * 3 * W, *lb = g->x_low + (size_t)j * 3 * W;
    return (struct vec3){(vf_load(a) - vf_load(b)) + (vf_load(la) - vf_load(lb)),
                         (vf_load(a + W) - vf_load(b + W)) + (vf_load(la + W) - vf_load(lb + W)),
                         (vf_load(a + 2 * W) - vf_load(b + 2 * W)) +
                             (vf_load(la + 2 * W) - vf_load(lb + 2 * W))};
}

INLINE struct vec3 load3(const float *a, int i)
{
    a += (size_t)i * 3 * W;
    return (struct vec3){vf_load(a), vf_load(a + W), vf_load(a + 2 * W)};
}

/* a[i] += s b */
INLINE void add3(float *a, int i, vf s, struct vec3 b)
{
    a += (size_t)i * 3 * W;
    vf_add_to(a, s * b.x);
    vf_add_to(a + W, s * b.y);
    vf_add_to(a + 2 * W, s * b.z);
}

/* a y = b by elimination; the diagonal dominates, no pivots. a and b are destroyed, y in b. */
INLINE void solve(vf a[ENS_LEAVES][ENS_LEAVES], vf *b, const int m)
{
    for (int c = 0; c < m; c++) {
        const vf inv = vf_rcp(a[c][c]);
        for (int r = c + 1; r < m; r++) {
            const vf factor = a[r][c] * inv;
            for (int k = c + 1; k < m; k++)
                a[r][k] -= factor * a[c][k];
            b[r] -= factor * b[c];
        }
    }
    for (int c = m - 1; c >= 0; c--) {
        for (int k = c + 1; k < m; k++)
            b[c] -= a[c][k] * b[k];
        b[c] *= vf_rcp(a[c][c]);
    }
}

/* Newton on the multipliers of one star; candidate bonds b0, old bonds s. Returns lanes done. */
INLINE vm star_multipliers(const struct ens_cluster *c, const struct vec3 *b0, const struct vec3 *s,
                           const int m, float tolerance, vm want, vf *lambda)
{
    vm done = vm_not(want);
    for (int k = 0; k < m; k++)
        lambda[k] = (vf){0};
    for (int round = 0;; round++) {
        vf a[ENS_LEAVES][ENS_LEAVES], gap[ENS_LEAVES];
        struct vec3 b[ENS_LEAVES], u = {{0}, {0}, {0}};
        vm good = vf_le((vf){0}, (vf){0});
        for (int k = 0; k < m; k++) {
            const vf w = lambda[k] * c->inv_centre;
            u.x += w * s[k].x;
            u.y += w * s[k].y;
            u.z += w * s[k].z;
        }
        for (int k = 0; k < m; k++) {
            const vf w = lambda[k] * c->inv_leaf[k];
            b[k] = (struct vec3){b0[k].x + (u.x + w * s[k].x), b0[k].y + (u.y + w * s[k].y),
                                 b0[k].z + (u.z + w * s[k].z)};
            gap[k] = c->length2[k] - dot(b[k], b[k]);
            good = vm_and(good, vf_le(vf_abs(gap[k]), vf_set1(2 * tolerance * c->length2[k])));
        }
        if (round >= NEWTON_MIN) {
            done = vm_or(done, good);
            if (vm_all(done) || round == NEWTON_MAX)
                return done;
        }
        for (int k = 0; k < m; k++)
            for (int l = 0; l < m; l++)
                a[k][l] = dot(b[k], s[l]) * (2 * (c->inv_centre + (k == l ? c->inv_leaf[k] : 0)));
        solve(a, gap, m);
        for (int k = 0; k < m; k++)
            lambda[k] += vf_select(done, (vf){0}, gap[k]);
    }
}

INLINE vm shake_star(const struct ens_plan *p, struct ens_group *g, const struct ens_cluster *c,
                     const int m, vm want, float rate)
{
    struct vec3 s[ENS_LEAVES], b0[ENS_LEAVES];
    const struct vec3 dc = load3(g->d, c->centre);
    for (int k = 0; k < m; k++) {
        const struct vec3 d = load3(g->d, c->leaf[k]);
        s[k] = bond_vector(g, c->leaf[k], c->centre);
        b0[k] = (struct vec3){s[k].x + (d.x - dc.x), s[k].y + (d.y - dc.y), s[k].z + (d.z - dc.z)};
    }
    vf lambda[ENS_LEAVES];
    const vm done = star_multipliers(c, b0, s, m, (float)p->tolerance, want, lambda);
    for (int k = 0; k < m; k++) {
        const vf leaf = lambda[k] * c->inv_leaf[k], centre = lambda[k] * -c->inv_centre;
        add3(g->d, c->leaf[k], leaf, s[k]);
        add3(g->d, c->centre, centre, s[k]);
        add3(g->v, c->leaf[k], leaf * rate, s[k]);
        add3(g->v, c->centre, centre * rate, s[k]);
    }
    return done;
}

INLINE void rattle_star(struct ens_group *g, float *v, const struct ens_cluster *c, const int m,
                        vm want)
{
    struct vec3 s[ENS_LEAVES];
    vf a[ENS_LEAVES][ENS_LEAVES], w[ENS_LEAVES];
    const struct vec3 vc = load3(v, c->centre);
    for (int k = 0; k < m; k++) {
        const struct vec3 u = load3(v, c->leaf[k]);
        s[k] = bond_vector(g, c->leaf[k], c->centre);
        w[k] = -dot((struct vec3){u.x - vc.x, u.y - vc.y, u.z - vc.z}, s[k]);
    }
    for (int k = 0; k < m; k++)
        for (int l = 0; l < m; l++)
            a[k][l] = dot(s[k], s[l]) * (c->inv_centre + (k == l ? c->inv_leaf[k] : 0));
    solve(a, w, m);
    for (int k = 0; k < m; k++) {
        const vf mu = vf_select(want, w[k], (vf){0});
        add3(v, c->leaf[k], mu * c->inv_leaf[k], s[k]);
        add3(v, c->centre, mu * -c->inv_centre, s[k]);
    }
}

/* Other constraints, one after the other until all hold. */
static vm shake_links(const struct ens_plan *p, struct ens_group *g, vm want, float rate)
{
    vm done = vm_not(want);
    for (int sweep = 0; sweep < SWEEPS_MAX && !vm_all(done); sweep++) {
        vm good = vf_le((vf){0}, (vf){0});
        for (int k = 0; k < p->n_links; k++) {
            const struct ens_link *t = &p->links[k];
            const struct vec3 s = bond_vector(g, t->i, t->j), a = load3(g->d, t->i),
                              c = load3(g->d, t->j);
            const struct vec3 b = {s.x + (a.x - c.x), s.y + (a.y - c.y), s.z + (a.z - c.z)};
            const vf gap = t->length2 - dot(b, b);
            good =
                vm_and(good, vf_le(vf_abs(gap), vf_set1((float)(2 * p->tolerance) * t->length2)));
            const vf step = gap * vf_rcp(2.0f * dot(b, s) * (t->inv_i + t->inv_j));
            const vf lambda = vf_select(done, (vf){0}, step);
            add3(g->d, t->i, lambda * t->inv_i, s);
            add3(g->d, t->j, lambda * -t->inv_j, s);
            add3(g->v, t->i, lambda * (t->inv_i * rate), s);
            add3(g->v, t->j, lambda * (-t->inv_j * rate), s);
        }
        done = vm_or(done, good);
    }
    return done;
}

static vm rattle_links(const struct ens_plan *p, struct ens_group *g, float *v, vm want)
{
    vm done = vm_not(want);
    for (int sweep = 0; sweep < SWEEPS_MAX && !vm_all(done); sweep++) {
        vm good = vf_le((vf){0}, (vf){0});
        for (int k = 0; k < p->n_links; k++) {
            const struct ens_link *t = &p->links[k];
            const struct vec3 s = bond_vector(g, t->i, t->j), a = load3(v, t->i),
                              c = load3(v, t->j);
            const vf w = dot((struct vec3){a.x - c.x, a.y - c.y, a.z - c.z}, s);
            const vf most = vf_set1((float)p->tolerance * t->length2); /* rate 1e-5 /ps of a bond */
            good = vm_and(good, vf_le(vf_abs(w), most));
            const vf step = w * vf_rcp(dot(s, s) * (t->inv_i + t->inv_j));
            const vf mu = vf_select(done, (vf){0}, -step);
            add3(v, t->i, mu * t->inv_i, s);
            add3(v, t->j, mu * -t->inv_j, s);
        }
        done = vm_or(done, good);
    }
    return done;
}

uint32_t ens_shake(const struct ens_plan *p, struct ens_group *g, uint32_t lanes, float rate)
{
    const vm want = vm_from_bits(lanes);
    vm done = vf_le((vf){0}, (vf){0});
    for (int i = 0; i < p->n_clusters; i++) {
        const struct ens_cluster *c = &p->clusters[i];
        switch (c->n) {
        case 1:
            done = vm_and(done, shake_star(p, g, c, 1, want, rate));
            break;
        case 2:
            done = vm_and(done, shake_star(p, g, c, 2, want, rate));
            break;
        case 3:
            done = vm_and(done, shake_star(p, g, c, 3, want, rate));
            break;
        default:
            done = vm_and(done, shake_star(p, g, c, 4, want, rate));
        }
    }
    if (p->n_links)
        done = vm_and(done, shake_links(p, g, want, rate));
    return lanes & ~vm_bits(done);
}

void ens_rattle(const struct ens_plan *p, struct ens_group *g, float *v, uint32_t lanes)
{
    const vm want = vm_from_bits(lanes);
    for (int i = 0; i < p->n_clusters; i++) {
        const struct ens_cluster *c = &p->clusters[i];
        switch (c->n) {
        case 1:
            rattle_star(g, v, c, 1, want);
            break;
        case 2:
            rattle_star(g, v, c, 2, want);
            break;
        case 3:
            rattle_star(g, v, c, 3, want);
            break;
        default:
            rattle_star(g, v, c, 4, want);
        }
    }
    if (p->n_links)
        rattle_links(p, g, v, want);
}
