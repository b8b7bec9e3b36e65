/* SPDX-License-Identifier: BSD-3-Clause */
#include "dynamics/field_potential.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define SHARE_FROM 512

/* The wide list was built for positions x0 in box h0. With G = h0⁻¹ h (how the box was strained
 * since) and u_i = x_i − x0_i G (how the atom moved beside that), a neighbour that was at d is at
 * d G + u_j − u_i. Whoever is within the cutoff c now was within (c + 2 max|u|)·|G⁻¹| then: as long
 * as that is no more than the list's radius, nobody is missing. */
struct cox_dyn_potential {
    struct cox_dyn_field field;
    struct cox_dp_eval *eval;
    int n, n_types;
    int *type;      /* [n] */
    double *fparam; /* or NULL */
    double *atom_energy;
    double cutoff, skin;
    struct cox_team *team;
    int shares;

    bool built;                       /* the lists are of x0, h0 */
    struct cox_neighbours wide, near; /* near: the same places as wide, those within the cutoff */
    double (*x0)[3];                  /* [n] */
    double (*moved)[3];               /* [n] u of the present call */
    struct cox_box box0;
    double strain[3][3]; /* G of the present call */
    bool strained;
    int64_t *found; /* [shares] */
    struct cox_dyn_potential_counts counts;
};

static double norm2(const double a[3])
{
    return a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
}

static void invert(const double h[3][3], double out[3][3])
{
    double determinant = 0;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            int i1 = (i + 1) % 3, i2 = (i + 2) % 3, k1 = (k + 1) % 3, k2 = (k + 2) % 3;
            out[k][i] = h[i1][k1] * h[i2][k2] - h[i1][k2] * h[i2][k1];
        }
    for (int k = 0; k < 3; k++)
        determinant += h[0][k] * out[k][0];
    for (int i = 0; i < 9; i++)
        out[i / 3][i % 3] /= determinant;
}

static void multiply(const double a[3][3], const double b[3][3], double out[3][3])
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            out[i][k] = a[i][0] * b[0][k] + a[i][1] * b[1][k] + a[i][2] * b[2][k];
}

/* Frobenius norm of a − 1, no less than the spectral one. */
static double off_one(const double a[3][3])
{
    double sum = 0;
    for (int i = 0; i < 9; i++) {
        double d = a[i / 3][i % 3] - (i % 4 == 0);
        sum += d * d;
    }
    return sqrt(sum);
}

/* Sets strain and moved; whether the wide list still has everybody. */
static bool look_at_moves(struct cox_dyn_potential *p, const double (*x)[3],
                          const struct cox_box *box)
{
    double stretch = 1;
    double most = 0;
    if (!p->built || box->periodic != p->box0.periodic)
        return false;
    p->strained = false;
    for (int k = 0; box->periodic && k < 9; k++)
        p->strained = p->strained || box->h[k / 3][k % 3] != p->box0.h[k / 3][k % 3];
    if (p->strained) {
        double inverse[3][3], back[3][3];
        invert((const double(*)[3])p->box0.h, inverse);
        multiply((const double(*)[3])inverse, box->h, p->strain);
        invert(box->h, inverse);
        multiply((const double(*)[3])inverse, (const double(*)[3])p->box0.h, back);
        stretch = 1 + off_one((const double(*)[3])back);
    }
    for (int i = 0; i < p->n; i++) {
        const double *x0 = p->x0[i];
        for (int k = 0; k < 3; k++)
            p->moved[i][k] =
                x[i][k] - (p->strained ? x0[0] * p->strain[0][k] + x0[1] * p->strain[1][k] +
                                             x0[2] * p->strain[2][k]
                                       : x0[k]);
        double r2 = norm2(p->moved[i]);
        if (!isfinite(r2))
            return false; /* looking for neighbours says what is wrong */
        most = fmax(most, r2);
    }
    return (p->cutoff + 2 * sqrt(most)) * stretch <= p->cutoff + p->skin;
}

static int match(struct cox_neighbours *near, const struct cox_neighbours *wide)
{
    if (near->capacity < wide->capacity) {
        cox_free(near->index);
        cox_free(near->dr);
        near->index = cox_alloc((size_t)wide->capacity, sizeof *near->index);
        near->dr = cox_alloc((size_t)wide->capacity, sizeof *near->dr);
        near->capacity = near->index && near->dr ? wide->capacity : 0;
        if (!near->capacity)
            return COX_ENOMEM;
    }
    if (near->start_capacity < wide->start_capacity) {
        cox_free(near->start);
        near->start = cox_alloc((size_t)wide->start_capacity, sizeof *near->start);
        near->start_capacity = near->start ? wide->start_capacity : 0;
        if (!near->start)
            return COX_ENOMEM;
    }
    near->n = wide->n;
    near->n_types = wide->n_types;
    near->total = wide->total;
    return COX_OK;
}

static int build(struct cox_dyn_potential *p, const double (*x)[3], const struct cox_box *box,
                 struct cox_err *err)
{
    p->built = false;
    int rc =
        cox_neighbours_build(&p->wide, p->n, x, p->type, p->n_types, box, p->cutoff + p->skin, err);
    if (!rc && match(&p->near, &p->wide))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for lists of neighbours");
    if (rc)
        return rc;
    memcpy(p->x0, x, (size_t)p->n * sizeof *p->x0);
    memset(p->moved, 0, (size_t)p->n * sizeof *p->moved);
    p->box0 = *box;
    p->strained = false;
    p->built = true;
    p->counts.builds++;
    return COX_OK;
}

/* The neighbours of one atom that are within the cutoff now, to the place of its wide list. The
 * next place depends on nothing but the comparison, so that the processor runs ahead. */
static int64_t filter(const struct cox_dyn_potential *p, int i)
{
    const int types = p->n_types;
    const double c2 = p->cutoff * p->cutoff;
    const bool strained = p->strained;
    const double g[9] = {p->strain[0][0], p->strain[0][1], p->strain[0][2],
                         p->strain[1][0], p->strain[1][1], p->strain[1][2],
                         p->strain[2][0], p->strain[2][1], p->strain[2][2]};
    const double own[3] = {p->moved[i][0], p->moved[i][1], p->moved[i][2]};
    const int64_t *from = p->wide.start + (int64_t)i * (types + 1);
    int64_t *to = p->near.start + (int64_t)i * (types + 1);
    const int *index = p->wide.index;
    const double(*wide)[3] = (const double(*)[3])p->wide.dr;
    const double(*moved)[3] = (const double(*)[3])p->moved;
    int *index_out = p->near.index;
    double(*out)[3] = p->near.dr;
    int64_t at = from[0];
    for (int t = 0; t < types; t++) {
        to[t] = at;
        const int64_t end = from[t + 1];
        for (int64_t k = from[t]; k < end; k++) {
            const int j = index[k];
            double x = wide[k][0], y = wide[k][1], z = wide[k][2];
            if (strained) {
                const double a = x, b = y, c = z;
                x = a * g[0] + b * g[3] + c * g[6];
                y = a * g[1] + b * g[4] + c * g[7];
                z = a * g[2] + b * g[5] + c * g[8];
            }
            x += moved[j][0] - own[0];
            y += moved[j][1] - own[1];
            z += moved[j][2] - own[2];
            out[at][0] = x;
            out[at][1] = y;
            out[at][2] = z;
            index_out[at] = j;
            at += x * x + y * y + z * z <= c2;
        }
    }
    to[types] = at;
    return at - from[0];
}

static void filter_share(void *user, int item, int thread)
{
    struct cox_dyn_potential *p = user;
    (void)thread;
    int first = (int)((int64_t)p->n * item / p->shares);
    int end = (int)((int64_t)p->n * (item + 1) / p->shares);
    int64_t found = 0;
    for (int i = first; i < end; i++)
        found += filter(p, i);
    p->found[item] = found;
}

static int compute(void *self, struct cox_dyn_forces *out, const double (*x)[3],
                   const struct cox_box *box, struct cox_err *err)
{
    struct cox_dyn_potential *p = self;
    double began = cox_clock_seconds();
    int rc = look_at_moves(p, x, box) ? COX_OK : build(p, x, box, err);
    if (rc)
        return rc;
    int64_t found = p->wide.total;
    const struct cox_neighbours *list = &p->wide;
    if (p->skin > 0) {
        cox_team_run(p->team, p->shares, filter_share, p);
        found = 0;
        for (int i = 0; i < p->shares; i++)
            found += p->found[i];
        list = &p->near;
    }
    double listed = cox_clock_seconds();
    struct cox_dp_result result = {.force = out->force, .atom_energy = p->atom_energy};
    const struct cox_dp_atoms atoms = {.n = p->n, .n_all = p->n, .type = p->type};
    rc = cox_dp_eval_compute(p->eval, &result, &atoms, list, p->fparam, err);
    if (rc)
        return rc;
    out->energy = result.energy;
    memcpy(out->virial, result.virial, sizeof out->virial);
    p->counts.evaluations++;
    p->counts.list_s += listed - began;
    p->counts.evaluate_s += cox_clock_seconds() - listed;
    p->counts.overflow = result.overflow;
    if (result.overflow > p->counts.most_overflow)
        p->counts.most_overflow = result.overflow;
    p->counts.neighbours = (double)found / p->n;
    return COX_OK;
}

/* ---- saving: what the list was built for ---- */

static void save(const void *self, void *bytes)
{
    const struct cox_dyn_potential *p = self;
    const int64_t built = p->built;
    char *at = bytes;
    memcpy(at, &built, sizeof built);
    memcpy(at += sizeof built, p->box0.h, sizeof p->box0.h);
    memcpy(at + sizeof p->box0.h, p->x0, (size_t)p->n * sizeof *p->x0);
}

static int restore(void *self, const void *bytes, struct cox_err *err)
{
    struct cox_dyn_potential *p = self;
    struct cox_box box = {.periodic = false};
    int64_t built = 0;
    const char *at = bytes;
    memcpy(&built, at, sizeof built);
    memcpy(box.h, at += sizeof built, sizeof box.h);
    /* a box of zeros has no periodicity */
    for (int i = 0; i < 9; i++)
        box.periodic = box.periodic || box.h[i / 3][i % 3] != 0;
    memcpy(p->moved, at + sizeof box.h, (size_t)p->n * sizeof *p->moved);
    p->built = false;
    return built ? build(p, (const double(*)[3])p->moved, &box, err) : COX_OK;
}

/* ---- creating ---- */

static int fill(struct cox_dyn_potential *p, const struct cox_dp_model *model, const int *type,
                const struct cox_dyn_potential_options *o, struct cox_err *err)
{
    const size_t n = (size_t)p->n;
    p->type = cox_alloc(n, sizeof *p->type);
    p->atom_energy = cox_alloc(n, sizeof *p->atom_energy);
    p->x0 = cox_alloc(n, sizeof *p->x0);
    p->moved = cox_alloc(n, sizeof *p->moved);
    /* waking threads costs more than a few atoms */
    p->shares = o->team && p->n >= SHARE_FROM ? cox_team_threads(o->team) : 1;
    p->wide.team = p->shares > 1 ? o->team : NULL;
    p->found = cox_alloc((size_t)p->shares, sizeof *p->found);
    p->fparam = cox_alloc((size_t)model->n_fparam + 1, sizeof *p->fparam);
    if (!p->type || !p->atom_energy || !p->x0 || !p->moved || !p->found || !p->fparam)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", p->n);
    if (model->n_fparam && !o->fparam)
        return cox_err_set(err, COX_EINVAL, "the model needs %d frame parameters", model->n_fparam);
    for (int i = 0; i < model->n_fparam; i++)
        p->fparam[i] = o->fparam[i];
    for (int i = 0; i < p->n; i++) {
        p->type[i] = type[i];
        if (type[i] < 0 || type[i] >= model->n_types)
            return cox_err_set(err, COX_EINVAL, "atom %d is of type %d; the model has %d", i,
                               type[i], model->n_types);
    }
    return cox_dp_eval_create(&p->eval, model, o->precision, o->team, err);
}

int cox_dyn_potential_create(struct cox_dyn_potential **out, const struct cox_dp_model *model,
                             int n, const int *type,
                             const struct cox_dyn_potential_options *options, struct cox_err *err)
{
    *out = NULL;
    struct cox_dyn_potential *p = cox_alloc(1, sizeof *p);
    if (!p)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the potential");
    p->n = n;
    p->n_types = model->n_types;
    p->cutoff = cox_dp_cutoff(model);
    p->skin = options->skin_A;
    p->team = options->team;
    cox_neighbours_init(&p->wide);
    cox_neighbours_init(&p->near);
    p->field = (struct cox_dyn_field){.self = p,
                                      .compute = compute,
                                      .state_size = sizeof(int64_t) + sizeof p->box0.h +
                                                    (size_t)n * sizeof *p->x0,
                                      .save = save,
                                      .restore = restore};
    int rc = fill(p, model, type, options, err);
    if (rc) {
        cox_dyn_potential_destroy(p);
        return rc;
    }
    *out = p;
    return COX_OK;
}

void cox_dyn_potential_destroy(struct cox_dyn_potential *p)
{
    if (!p)
        return;
    cox_dp_eval_destroy(p->eval);
    cox_neighbours_deinit(&p->wide);
    cox_neighbours_deinit(&p->near);
    cox_free(p->type);
    cox_free(p->atom_energy);
    cox_free(p->x0);
    cox_free(p->moved);
    cox_free(p->found);
    cox_free(p->fparam);
    cox_free(p);
}

const struct cox_dyn_field *cox_dyn_potential_field(const struct cox_dyn_potential *p)
{
    return &p->field;
}

void cox_dyn_potential_counts(const struct cox_dyn_potential *p,
                              struct cox_dyn_potential_counts *out)
{
    *out = p->counts;
}
