/* SPDX-License-Identifier: BSD-3-Clause */
#include "md/ensemble/lanes.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

#define SWEEPS 2000
#define STREAM_VELOCITIES 0x76656c6f63697479u /* "velocity" */
#define MAGIC 0x31656e6c656e7363u             /* "csnlane1" */

struct ens_group *ens_lane_group(const struct ens_engine *e, int lane, int *slot)
{
    *slot = lane % e->kernels->lanes;
    return e->groups[lane / e->kernels->lanes];
}

static void touch(struct ens_engine *e, int lane)
{
    e->fresh[lane / e->kernels->lanes] = false;
}

/* One constraint, of stars and others alike. */
struct link {
    int i, j;
    double length2, inv_i, inv_j;
};

static int count_links(const struct ens_plan *p)
{
    return p->n_clusters * ENS_LEAVES + p->n_links;
}

static bool get_link(const struct ens_plan *p, int n, struct link *out)
{
    if (n < p->n_clusters * ENS_LEAVES) {
        const struct ens_cluster *c = &p->clusters[n / ENS_LEAVES];
        const int k = n % ENS_LEAVES;
        if (k >= c->n)
            return false;
        *out = (struct link){c->leaf[k], c->centre, (double)c->length2[k], 1 / p->mass[c->leaf[k]],
                             1 / p->mass[c->centre]};
        return true;
    }
    const struct ens_link *l = &p->links[n - p->n_clusters * ENS_LEAVES];
    *out = (struct link){l->i, l->j, (double)l->length2, 1 / p->mass[l->i], 1 / p->mass[l->j]};
    return true;
}

/* Largest relative error of a constrained length. */
static double worst_length(const struct ens_plan *p, const double (*x)[3])
{
    double worst = 0;
    struct link l;
    for (int n = 0; n < count_links(p); n++) {
        if (!get_link(p, n, &l))
            continue;
        double r2 = 0;
        for (int a = 0; a < 3; a++)
            r2 += (x[l.i][a] - x[l.j][a]) * (x[l.i][a] - x[l.j][a]);
        const double error = fabs(sqrt(r2 / l.length2) - 1);
        worst = error > worst || isnan(error) ? error : worst;
    }
    return worst;
}

/* Stretches bonds along themselves until they fit; in place. */
static bool fulfil(const struct ens_plan *p, double (*x)[3])
{
    struct link l;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (int n = 0; n < count_links(p); n++) {
            if (!get_link(p, n, &l))
                continue;
            double d[3], r2 = 0;
            for (int a = 0; a < 3; a++) {
                d[a] = x[l.i][a] - x[l.j][a];
                r2 += d[a] * d[a];
            }
            if (!(r2 > 1e-12))
                return false;
            const double s = (sqrt(l.length2 / r2) - 1) / (l.inv_i + l.inv_j);
            for (int a = 0; a < 3; a++) {
                x[l.i][a] += s * l.inv_i * d[a];
                x[l.j][a] -= s * l.inv_j * d[a];
            }
        }
        if (worst_length(p, (const double(*)[3])x) < 1e-9)
            return true;
    }
    return false;
}

static void project(const struct ens_plan *p, const double (*x)[3], double (*v)[3])
{
    struct link l;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        double worst = 0;
        for (int n = 0; n < count_links(p); n++) {
            if (!get_link(p, n, &l))
                continue;
            double r2 = 0, w = 0, d[3];
            for (int a = 0; a < 3; a++) {
                d[a] = x[l.i][a] - x[l.j][a];
                r2 += d[a] * d[a];
                w += d[a] * (v[l.i][a] - v[l.j][a]);
            }
            const double s = w / (r2 * (l.inv_i + l.inv_j));
            for (int a = 0; a < 3; a++) {
                v[l.i][a] -= s * l.inv_i * d[a];
                v[l.j][a] += s * l.inv_j * d[a];
            }
            worst = fmax(worst, fabs(w));
        }
        if (worst < 1e-10)
            return;
    }
}

static size_t at(const struct ens_group *g, int i, int a, int slot)
{
    return ((size_t)i * 3 + (size_t)a) * (size_t)g->lanes + (size_t)slot;
}

int ens_lane_set_positions(void *self, int lane, const double (*x)[3], struct cox_err *err)
{
    struct ens_engine *e = self;
    const struct ens_plan *p = e->plan;
    int slot;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    memcpy(e->work, x, (size_t)p->n * sizeof *x);
    if (!(worst_length(p, x) <= p->tolerance) && !fulfil(p, e->work))
        return cox_err_set(err, COX_EUNSTABLE,
                           "the lengths of bonds to hydrogen cannot be fulfilled from the given "
                           "positions (largest relative error %.3g)",
                           worst_length(p, x));
    for (int i = 0; i < p->n; i++)
        for (int a = 0; a < 3; a++) {
            const float high = (float)e->work[i][a];
            g->x[at(g, i, a, slot)] = high;
            g->x_low[at(g, i, a, slot)] = (float)(e->work[i][a] - (double)high);
        }
    if (g->reason[slot] != ENS_FINE)
        for (int i = 0; i < p->n; i++)
            for (int a = 0; a < 3; a++)
                g->v[at(g, i, a, slot)] = 0;
    g->reason[slot] = ENS_FINE;
    g->active |= 1u << slot;
    e->reason[lane][0] = 0;
    touch(e, lane);
    return COX_OK;
}

int ens_lane_set_velocities(void *self, int lane, const double (*v)[3], struct cox_err *err)
{
    struct ens_engine *e = self;
    int slot;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    (void)err;
    for (int i = 0; i < e->plan->n; i++)
        for (int a = 0; a < 3; a++)
            g->v[at(g, i, a, slot)] = (float)v[i][a];
    return COX_OK;
}

int ens_lane_get_state(void *self, int lane, double (*x)[3], double (*v)[3], struct cox_err *err)
{
    const struct ens_engine *e = self;
    int slot;
    const struct ens_group *g = ens_lane_group(e, lane, &slot);
    (void)err;
    for (int i = 0; i < e->plan->n; i++)
        for (int a = 0; a < 3; a++) {
            const size_t k = at(g, i, a, slot);
            if (x)
                x[i][a] = (double)g->x[k] + (double)g->x_low[k];
            if (v)
                v[i][a] = (double)g->v[k];
        }
    return COX_OK;
}

int ens_lane_draw_velocities(void *self, int lane, struct cox_err *err)
{
    struct ens_engine *e = self;
    const struct ens_plan *p = e->plan;
    int slot;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    struct cox_rng rng;
    cox_rng_init(&rng, (uint64_t)g->seed[1][slot] << 32 | g->seed[0][slot],
                 STREAM_VELOCITIES + (uint64_t)g->step[slot]);
    /* Positions wait in the upper half of the scratch. */
    double(*v)[3] = e->work, (*x)[3] = e->work + p->n;
    for (int i = 0; i < p->n; i++) {
        const double width = sqrt(COX_BOLTZMANN * g->temperature[slot] / p->mass[i]);
        for (int a = 0; a < 3; a++) {
            v[i][a] = width * cox_rng_normal(&rng);
            const size_t k = at(g, i, a, slot);
            x[i][a] = (double)g->x[k] + (double)g->x_low[k];
        }
    }
    project(p, (const double(*)[3])x, v);
    return ens_lane_set_velocities(self, lane, (const double(*)[3])v, err);
}

int ens_lane_set_temperature(void *self, int lane, double temperature_K, struct cox_err *err)
{
    struct ens_engine *e = self;
    int slot;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    (void)err;
    g->temperature[slot] = temperature_K;
    g->kT[slot] = (float)(COX_BOLTZMANN * temperature_K);
    return COX_OK;
}

int ens_lane_set_seed(void *self, int lane, uint64_t seed, struct cox_err *err)
{
    struct ens_engine *e = self;
    int slot;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    (void)err;
    g->seed[0][slot] = (uint32_t)seed;
    g->seed[1][slot] = (uint32_t)(seed >> 32);
    g->step[slot] = 0;
    return COX_OK;
}

/* Layout of a saved lane: this, then x, x_low, v, each [n][3] float. */
struct saved {
    uint64_t magic, seed;
    int64_t step;
    double temperature;
    int32_t n, reason;
};

size_t ens_lane_size(const void *self)
{
    const struct ens_engine *e = self;
    return sizeof(struct saved) + (size_t)e->plan->n * 9 * sizeof(float);
}

int ens_lane_save(void *self, int lane, void *bytes, struct cox_err *err)
{
    const struct ens_engine *e = self;
    int slot;
    const struct ens_group *g = ens_lane_group(e, lane, &slot);
    (void)err;
    const struct saved head = {.magic = MAGIC,
                               .seed = (uint64_t)g->seed[1][slot] << 32 | g->seed[0][slot],
                               .step = g->step[slot],
                               .temperature = g->temperature[slot],
                               .n = e->plan->n,
                               .reason = (int32_t)g->reason[slot]};
    memcpy(bytes, &head, sizeof head);
    char *to = (char *)bytes + sizeof head;
    const float *const from[] = {g->x, g->x_low, g->v};
    for (int f = 0; f < 3; f++)
        for (int i = 0; i < e->plan->n; i++)
            for (int a = 0; a < 3; a++, to += sizeof(float))
                memcpy(to, &from[f][at(g, i, a, slot)], sizeof(float));
    return COX_OK;
}

int ens_lane_restore(void *self, int lane, const void *bytes, struct cox_err *err)
{
    struct ens_engine *e = self;
    struct saved head;
    memcpy(&head, bytes, sizeof head);
    if (head.magic != MAGIC)
        return cox_err_set(err, COX_EFORMAT, "these bytes are no state of an ensemble lane");
    if (head.n != e->plan->n)
        return cox_err_set(err, COX_EFORMAT, "the saved lane has %d atoms, the system %d", head.n,
                           e->plan->n);
    if (head.reason < ENS_FINE || head.reason > ENS_CONSTRAINT || head.step < 0)
        return cox_err_set(err, COX_EFORMAT, "the saved lane is damaged");
    int slot;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    int rc = ens_lane_set_seed(self, lane, head.seed, err);
    if (!rc)
        rc = ens_lane_set_temperature(self, lane, head.temperature, err);
    if (rc)
        return rc;
    g->step[slot] = head.step;
    g->reason[slot] = (enum ens_reason)head.reason;
    g->active = head.reason == ENS_FINE ? g->active | 1u << slot : g->active & ~(1u << slot);
    const char *from = (const char *)bytes + sizeof head;
    float *const to[] = {g->x, g->x_low, g->v};
    for (int f = 0; f < 3; f++)
        for (int i = 0; i < e->plan->n; i++)
            for (int a = 0; a < 3; a++, from += sizeof(float))
                memcpy(&to[f][at(g, i, a, slot)], from, sizeof(float));
    touch(e, lane);
    return COX_OK;
}

void ens_lane_separate(struct ens_engine *e, int lane)
{
    const struct ens_plan *p = e->plan;
    int slot;
    struct ens_group *g = ens_lane_group(e, lane, &slot);
    struct cox_rng rng;
    cox_rng_init(&rng, 1, 1);
    for (int j = 1; j < p->n; j++)
        for (int i = 0; i < j; i++) {
            float r2 = 0;
            for (int a = 0; a < 3; a++) {
                const float d = g->x[at(g, i, a, slot)] - g->x[at(g, j, a, slot)];
                r2 += d * d;
            }
            if (r2 > 1e-4f)
                continue;
            for (int a = 0; a < 3; a++)
                g->x[at(g, j, a, slot)] += (float)(0.01 * cox_rng_normal(&rng));
            break;
        }
}
