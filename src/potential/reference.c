/* SPDX-License-Identifier: BSD-3-Clause */
/* Notation of docs/potential.md: R̃ the normalised environment matrix, G the embedding, A = R̃ᵀG/Σsel
 * (4 × m1), D = AᵀA[:, :axis]. Derivatives: through the embedding net forwards (it has one input),
 * through the fitting net backwards (it has one output). */
#include "potential/reference.h"

#include <math.h>
#include <string.h>

struct work {
    const struct cox_dp_model *m;
    int centre;     /* its type */
    int slots;      /* largest number of rows */
    double *r;      /* [slots][4] R̃ */
    double *g, *dg; /* [slots][m1] G and dG/ds̃ */
    double *a, *da; /* [4][m1] A and ∂E/∂A */
    double *d, *dd; /* [m1·axis + n_fparam] D and ∂E/∂D */
    double *h, *dh; /* activations of a net, [layers][width]; tangents */
    int width;
    int *order; /* [slots] neighbours by distance, where there are too many */
};

/* Widest layer of any net. */
static int width_of(const struct cox_dp_model *m)
{
    int width = 1;
    int nets = m->descriptor[0].one_side ? m->n_types : m->n_types * m->n_types;
    for (int i = 0; i < nets + m->n_types; i++) {
        const struct cox_dp_net *net = i < nets ? &m->descriptor[0].embed[i] : &m->fit[i - nets];
        for (int k = 0; k < net->n; k++)
            if (net->layer[k].out > width)
                width = net->layer[k].out;
    }
    return width;
}

static double skipped(const struct cox_dp_layer *l, const double *x, int o)
{
    switch (l->skip) {
    case COX_DP_SKIP_SAME:
        return x[o];
    case COX_DP_SKIP_DOUBLED:
        return x[o % l->in];
    default:
        return 0;
    }
}

/* y = layer(x), with dy/ds from dx/ds. */
static void layer_tangent(const struct cox_dp_layer *l, const double *x, const double *dx,
                          double *y, double *dy)
{
    for (int o = 0; o < l->out; o++) {
        double z = l->b[o];
        double dz = 0;
        for (int i = 0; i < l->in; i++) {
            z += x[i] * l->w[(size_t)i * (size_t)l->out + (size_t)o];
            dz += dx[i] * l->w[(size_t)i * (size_t)l->out + (size_t)o];
        }
        double scale = l->idt ? l->idt[o] : 1;
        double h = l->linear ? z : tanh(z);
        y[o] = skipped(l, x, o) + scale * h;
        dy[o] = skipped(l, dx, o) + scale * (l->linear ? 1 : 1 - h * h) * dz;
    }
}

/* G(s) and dG/ds of one embedding net. */
static void embed(struct work *w, const struct cox_dp_net *net, double s, double *g, double *dg)
{
    double *x[2] = {w->h, w->h + w->width};
    double *dx[2] = {w->dh, w->dh + w->width};
    x[0][0] = s;
    dx[0][0] = 1;
    for (int k = 0; k < net->n; k++)
        layer_tangent(&net->layer[k], x[k % 2], dx[k % 2], x[(k + 1) % 2], dx[(k + 1) % 2]);
    memcpy(g, x[net->n % 2], (size_t)w->m->descriptor[0].m1 * sizeof *g);
    memcpy(dg, dx[net->n % 2], (size_t)w->m->descriptor[0].m1 * sizeof *dg);
}

/* The switching function and its slope. */
static void switching(const struct cox_dp_model *m, double r, double *sw, double *dsw)
{
    double span = m->descriptor[0].rcut - m->descriptor[0].rcut_smth;
    double u = (r - m->descriptor[0].rcut_smth) / span;
    if (r < m->descriptor[0].rcut_smth) {
        *sw = 1;
        *dsw = 0;
    } else if (r >= m->descriptor[0].rcut) {
        *sw = *dsw = 0;
    } else {
        *sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
        *dsw = (3 * u * u * (-6 * u * u + 15 * u - 10) + u * u * u * (15 - 12 * u)) / span;
    }
}

/* The row of R̃ of a neighbour at `x`. */
static void environment(const struct work *w, const double x[3], double row[4])
{
    const struct cox_dp_model *m = w->m;
    double r = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    double sw;
    double dsw;
    switching(m, r, &sw, &dsw);
    row[0] = sw / r;
    for (int k = 0; k < 3; k++)
        row[k + 1] = sw * x[k] / (r * r);
    for (int c = 0; c < 4; c++)
        row[c] =
            (row[c] - m->descriptor[0].davg[w->centre][c]) / m->descriptor[0].dstd[w->centre][c];
}

/* ∂E/∂x of a neighbour from ∂E/∂R̃ of its row. */
static void environment_back(const struct work *w, const double x[3], const double drow[4],
                             double grad[3])
{
    const struct cox_dp_model *m = w->m;
    double r = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    double sw;
    double dsw;
    double d[4];
    switching(m, r, &sw, &dsw);
    for (int c = 0; c < 4; c++)
        d[c] = drow[c] / m->descriptor[0].dstd[w->centre][c];
    double radial = d[0] * (dsw / r - sw / (r * r)) / r;
    double along =
        (d[1] * x[0] + d[2] * x[1] + d[3] * x[2]) * (dsw / (r * r) - 2 * sw / (r * r * r)) / r;
    for (int k = 0; k < 3; k++)
        grad[k] = (radial + along) * x[k] + d[k + 1] * sw / (r * r);
}

/* Adds weight · R̃ᵀG of one row to A. */
static void add_row(struct work *w, double weight, const double row[4], const double *g)
{
    int m1 = w->m->descriptor[0].m1;
    for (int c = 0; c < 4; c++)
        for (int k = 0; k < m1; k++)
            w->a[c * m1 + k] += weight / w->m->descriptor[0].n_slots * row[c] * g[k];
}

/* The energy of the centre from D, ∂E/∂D beside it. */
static double fit(struct work *w)
{
    const struct cox_dp_net *net = &w->m->fit[w->centre];
    double *x = w->h; /* activations of layer k at x + k·width */
    const double *in = w->d;
    for (int k = 0; k < net->n; k++, in = x + (size_t)(k - 1) * (size_t)w->width) {
        const struct cox_dp_layer *l = &net->layer[k];
        double *out = x + (size_t)k * (size_t)w->width;
        for (int o = 0; o < l->out; o++) {
            double z = l->b[o];
            for (int i = 0; i < l->in; i++)
                z += in[i] * l->w[(size_t)i * (size_t)l->out + (size_t)o];
            /* tanh is kept apart (dh), for the way back */
            double h = l->linear ? z : tanh(z);
            w->dh[(size_t)k * (size_t)w->width + (size_t)o] = h;
            out[o] = skipped(l, in, o) + (l->idt ? l->idt[o] : 1) * h;
        }
    }
    double energy = x[(size_t)(net->n - 1) * (size_t)w->width];
    /* back: x now carries ∂E/∂(output of layer k) */
    double *dout = x + (size_t)(net->n - 1) * (size_t)w->width;
    dout[0] = 1;
    for (int k = net->n - 1; k >= 0; k--) {
        const struct cox_dp_layer *l = &net->layer[k];
        double *din = k ? x + (size_t)(k - 1) * (size_t)w->width : w->dd;
        dout = x + (size_t)k * (size_t)w->width;
        memset(din, 0, (size_t)l->in * sizeof *din);
        for (int o = 0; o < l->out; o++) {
            double h = w->dh[(size_t)k * (size_t)w->width + (size_t)o];
            double dz = dout[o] * (l->idt ? l->idt[o] : 1) * (l->linear ? 1 : 1 - h * h);
            for (int i = 0; i < l->in; i++)
                din[i] += dz * l->w[(size_t)i * (size_t)l->out + (size_t)o];
            if (l->skip != COX_DP_SKIP_NONE)
                din[o % l->in] += dout[o];
        }
    }
    return energy;
}

/* D from A. */
static void descriptor(struct work *w, const double *fparam)
{
    const struct cox_dp_model *m = w->m;
    for (int a = 0; a < m->descriptor[0].m1; a++)
        for (int b = 0; b < m->descriptor[0].axis; b++) {
            double sum = 0;
            for (int c = 0; c < 4; c++)
                sum += w->a[c * m->descriptor[0].m1 + a] * w->a[c * m->descriptor[0].m1 + b];
            w->d[a * m->descriptor[0].axis + b] = sum;
        }
    for (int i = 0; i < m->n_fparam; i++)
        w->d[m->descriptor[0].m1 * m->descriptor[0].axis + i] =
            (fparam[i] - m->fparam_avg[i]) * m->fparam_inv_std[i];
}

static void descriptor_back(struct work *w)
{
    const struct cox_dp_model *m = w->m;
    memset(w->da, 0, 4 * (size_t)m->descriptor[0].m1 * sizeof *w->da);
    for (int a = 0; a < m->descriptor[0].m1; a++)
        for (int b = 0; b < m->descriptor[0].axis; b++)
            for (int c = 0; c < 4; c++) {
                double dd = w->dd[a * m->descriptor[0].axis + b];
                w->da[c * m->descriptor[0].m1 + a] += dd * w->a[c * m->descriptor[0].m1 + b];
                w->da[c * m->descriptor[0].m1 + b] += dd * w->a[c * m->descriptor[0].m1 + a];
            }
}

static double length2(const double x[3])
{
    return x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
}

/* How many are no farther than the cutoff. */
static int within(int n, const double (*dr)[3], double rcut)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += length2(dr[i]) <= rcut * rcut;
    return count;
}

/* Of more neighbours of one type than sel has slots the nearest count, as when it was trained:
 * order[0 … most−1] are theirs. */
static void nearest(int *order, int most, int n, const double (*dr)[3], double rcut)
{
    int kept = 0;
    for (int i = 0; i < n; i++) { /* insertion into the sorted list of the nearest so far */
        double r2 = length2(dr[i]);
        if (r2 > rcut * rcut)
            continue;
        int k = kept < most ? kept++ : most;
        for (; k > 0; k--) {
            if (length2(dr[order[k - 1]]) <= r2)
                break;
            if (k < most)
                order[k] = order[k - 1];
        }
        if (k < most)
            order[k] = i;
    }
}

static void scatter(struct cox_dp_result *out, int i, int j, const double dr[3],
                    const double grad[3])
{
    for (int a = 0; a < 3; a++) {
        if (out->force) {
            out->force[i][a] += grad[a];
            out->force[j][a] -= grad[a];
        }
        for (int b = 0; b < 3; b++) {
            out->virial[a][b] -= grad[a] * dr[b];
            if (out->atom_virial)
                out->atom_virial[j][3 * a + b] -= grad[a] * dr[b];
        }
    }
}

static void one_atom(struct work *w, int i, const struct cox_neighbours *list, const double *fparam,
                     struct cox_dp_result *out)
{
    const struct cox_dp_model *m = w->m;
    const int64_t *start = list->start + (int64_t)i * (m->n_types + 1);
    int row = 0;
    memset(w->a, 0, 4 * (size_t)m->descriptor[0].m1 * sizeof *w->a);
    for (int pass = 0; pass < 2; pass++) { /* 0: forwards; 1: forces */
        row = 0;
        for (int t = 0; t < m->n_types; t++) {
            if (m->descriptor[0].exclude[w->centre][t])
                continue;
            const struct cox_dp_net *net = cox_dp_embed_of(m, 0, w->centre, t);
            const double(*dr)[3] = (const double(*)[3])(list->dr + start[t]);
            int all = (int)(start[t + 1] - start[t]);
            int n = within(all, dr, m->descriptor[0].rcut);
            int used = n < m->descriptor[0].sel[t] ? n : m->descriptor[0].sel[t];
            nearest(w->order, used, all, dr, m->descriptor[0].rcut);
            for (int k = 0; k < used; k++, row++) {
                int64_t at = start[t] + w->order[k];
                double *r = w->r + 4 * row;
                double *g = w->g + (size_t)row * (size_t)m->descriptor[0].m1;
                double *dg = w->dg + (size_t)row * (size_t)m->descriptor[0].m1;
                if (!pass) {
                    environment(w, list->dr[at], r);
                    embed(w, net, r[0], g, dg);
                    add_row(w, 1, r, g);
                    continue;
                }
                double drow[4] = {0};
                double grad[3];
                for (int c = 0; c < 4; c++)
                    for (int a = 0; a < m->descriptor[0].m1; a++) {
                        double da = w->da[c * m->descriptor[0].m1 + a] / m->descriptor[0].n_slots;
                        drow[c] += da * g[a];
                        drow[0] += da * r[c] * dg[a];
                    }
                environment_back(w, list->dr[at], drow, grad);
                scatter(out, i, list->index[at], list->dr[at], grad);
            }
            if (!pass &&
                used <
                    m->descriptor[0].sel[t]) { /* the empty slots: not zero after normalisation */
                double empty[4];
                double *g =
                    w->g +
                    (size_t)row * (size_t)m->descriptor[0].m1; /* overwritten by the next row */
                for (int c = 0; c < 4; c++)
                    empty[c] =
                        -m->descriptor[0].davg[w->centre][c] / m->descriptor[0].dstd[w->centre][c];
                embed(w, net, empty[0], g, w->dg + (size_t)row * (size_t)m->descriptor[0].m1);
                add_row(w, m->descriptor[0].sel[t] - used, empty, g);
            }
            if (!pass)
                out->overflow += n - used;
        }
        if (!pass) {
            descriptor(w, fparam);
            double energy = fit(w) + m->bias[w->centre];
            descriptor_back(w);
            out->energy += energy;
            if (out->atom_energy)
                out->atom_energy[i] = energy;
        }
    }
}

static int most_neighbours(const struct cox_neighbours *list)
{
    int64_t most = 0;
    int stride = list->n_types + 1;
    for (int i = 0; i < list->n; i++) {
        const int64_t *start = list->start + (int64_t)i * stride;
        if (start[list->n_types] - start[0] > most)
            most = start[list->n_types] - start[0];
    }
    return (int)most;
}

int cox_dp_reference(struct cox_dp_result *out, const struct cox_dp_model *m,
                     const struct cox_dp_atoms *atoms, const struct cox_neighbours *list,
                     const double *fparam, struct cox_err *err)
{
    if (m->n_descriptors != 1 || m->descriptor[0].kind != COX_DP_SE_A)
        return cox_err_set(err, COX_EUNSUPPORTED, "only one descriptor of kind se_e2_a is known");
    if (m->n_fparam && !fparam)
        return cox_err_set(err, COX_EINVAL, "the model needs %d frame parameters", m->n_fparam);
    struct cox_arena *arena = cox_arena_create();
    size_t rows = (size_t)most_neighbours(list) + 1;
    size_t m1 = (size_t)m->descriptor[0].m1;
    size_t d = m1 * (size_t)m->descriptor[0].axis + (size_t)m->n_fparam;
    struct work w = {.m = m, .width = width_of(m), .slots = (int)rows};
    if (arena) {
        size_t activations = (COX_DP_MAX_LAYERS + 1) * (size_t)w.width;
        w.r = cox_arena_alloc(arena, rows, 4 * sizeof *w.r);
        w.g = cox_arena_alloc(arena, rows, m1 * sizeof *w.g);
        w.dg = cox_arena_alloc(arena, rows, m1 * sizeof *w.dg);
        w.a = cox_arena_alloc(arena, 4 * m1, sizeof *w.a);
        w.da = cox_arena_alloc(arena, 4 * m1, sizeof *w.da);
        w.d = cox_arena_alloc(arena, d, sizeof *w.d);
        w.dd = cox_arena_alloc(arena, d, sizeof *w.dd);
        w.h = cox_arena_alloc(arena, activations, sizeof *w.h);
        w.dh = cox_arena_alloc(arena, activations, sizeof *w.dh);
        w.order = cox_arena_alloc(arena, rows, sizeof *w.order);
    }
    if (!arena || !w.r || !w.g || !w.dg || !w.a || !w.da || !w.d || !w.dd || !w.h || !w.dh ||
        !w.order) {
        cox_arena_destroy(arena);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", atoms->n);
    }
    out->energy = 0;
    out->overflow = 0;
    memset(out->virial, 0, sizeof out->virial);
    if (out->force)
        memset(out->force, 0, (size_t)atoms->n_all * sizeof *out->force);
    if (out->atom_virial)
        memset(out->atom_virial, 0, (size_t)atoms->n_all * sizeof *out->atom_virial);
    for (int i = 0; i < atoms->n; i++) {
        w.centre = atoms->type[i];
        one_atom(&w, i, list, fparam, out);
    }
    cox_arena_destroy(arena);
    return COX_OK;
}
