/* SPDX-License-Identifier: BSD-3-Clause */
/* Notation of docs/potential.md: R̃ the normalised environment matrix, G the embedding; se_e2_a: A =
 * R̃ᵀG/Σsel (4 × m1), D = AᵀA[:, :axis]; se_e2_r: D = ΣG/(5 Σsel). Derivatives: through the
 * embedding net forwards (it has one input), through the fitting net backwards (it has one output).
 * With several descriptors each is gone through twice, once for D and once more for the forces. */
#include "potential/reference.h"

#include <math.h>
#include <string.h>

struct work {
    const struct cox_dp_model *m;
    const struct cox_dp_descriptor *q; /* the one at hand */
    int which;                         /* its number */
    int centre;                        /* type of the atom at hand */
    int rows;                          /* of the descriptor at hand */
    int64_t *at;                       /* [rows] in the list */
    double *r;                         /* [rows][4] R̃ */
    double *g, *dg;                    /* [rows][m1] G and dG/ds̃ */
    double *a, *da;                    /* [4][m1] A and ∂E/∂A; SE_R: [m1] ΣG/(5 Σsel) */
    double *d, *dd;                    /* [width + n_fparam] D and ∂E/∂D */
    double *h, *dh;                    /* activations of a net, [layers][width]; tangents */
    int width;
    int *order; /* neighbours by distance, where there are too many */
};

static int wider(int width, const struct cox_dp_net *net)
{
    for (int k = 0; k < net->n; k++)
        if (net->layer[k].out > width)
            width = net->layer[k].out;
    return width;
}

/* Widest layer of any net. */
static int width_of(const struct cox_dp_model *m)
{
    int width = 1;
    for (int d = 0; d < m->n_descriptors; d++)
        for (int i = 0; i < cox_dp_n_embed(m, &m->descriptor[d]); i++)
            width = wider(width, &m->descriptor[d].embed[i]);
    for (int t = 0; t < m->n_types; t++)
        width = wider(width, &m->fit[t]);
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
    memcpy(g, x[net->n % 2], (size_t)w->q->m1 * sizeof *g);
    memcpy(dg, dx[net->n % 2], (size_t)w->q->m1 * sizeof *dg);
}

/* The switching function and its slope. */
static void switching(const struct cox_dp_descriptor *q, double r, double *sw, double *dsw)
{
    double span = q->rcut - q->rcut_smth;
    double u = (r - q->rcut_smth) / span;
    if (r < q->rcut_smth) {
        *sw = 1;
        *dsw = 0;
    } else if (r >= q->rcut) {
        *sw = *dsw = 0;
    } else {
        *sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
        *dsw = (3 * u * u * (-6 * u * u + 15 * u - 10) + u * u * u * (15 - 12 * u)) / span;
    }
}

static int components(const struct cox_dp_descriptor *q)
{
    return q->kind == COX_DP_SE_A ? 4 : 1;
}

/* The row of R̃ of a neighbour at `x`. */
static void environment(const struct work *w, const double x[3], double row[4])
{
    const struct cox_dp_descriptor *q = w->q;
    double r = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    double sw;
    double dsw;
    switching(q, r, &sw, &dsw);
    row[0] = sw / r;
    for (int k = 0; k < 3; k++)
        row[k + 1] = sw * x[k] / (r * r);
    for (int c = 0; c < components(q); c++)
        row[c] = (row[c] - q->davg[w->centre][c]) / q->dstd[w->centre][c];
}

/* ∂E/∂x of a neighbour from ∂E/∂R̃ of its row. */
static void environment_back(const struct work *w, const double x[3], const double drow[4],
                             double grad[3])
{
    double r = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    double sw;
    double dsw;
    double d[4] = {0};
    switching(w->q, r, &sw, &dsw);
    for (int c = 0; c < components(w->q); c++)
        d[c] = drow[c] / w->q->dstd[w->centre][c];
    double radial = d[0] * (dsw / r - sw / (r * r)) / r;
    double along =
        (d[1] * x[0] + d[2] * x[1] + d[3] * x[2]) * (dsw / (r * r) - 2 * sw / (r * r * r)) / r;
    for (int k = 0; k < 3; k++)
        grad[k] = (radial + along) * x[k] + d[k + 1] * sw / (r * r);
}

/* What a row's G counts in A. */
static double weight(const struct work *w, const double row[4], int c)
{
    return w->q->kind == COX_DP_SE_A ? row[c] / w->q->n_slots : 1.0 / (5.0 * w->q->n_slots);
}

static void add_rows(struct work *w, int times, const double row[4], const double *g)
{
    for (int c = 0; c < components(w->q); c++)
        for (int k = 0; k < w->q->m1; k++)
            w->a[c * w->q->m1 + k] += times * weight(w, row, c) * g[k];
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

/* D from A, at its place among those of all descriptors. */
static void descriptor(const struct work *w, double *d)
{
    const struct cox_dp_descriptor *q = w->q;
    if (q->kind == COX_DP_SE_R) {
        memcpy(d, w->a, (size_t)q->m1 * sizeof *d);
        return;
    }
    for (int a = 0; a < q->m1; a++)
        for (int b = 0; b < q->axis; b++) {
            double sum = 0;
            for (int c = 0; c < 4; c++)
                sum += w->a[c * q->m1 + a] * w->a[c * q->m1 + b];
            d[a * q->axis + b] = sum;
        }
}

static void descriptor_back(const struct work *w, const double *dd)
{
    const struct cox_dp_descriptor *q = w->q;
    if (q->kind == COX_DP_SE_R) {
        memcpy(w->da, dd, (size_t)q->m1 * sizeof *dd);
        return;
    }
    memset(w->da, 0, 4 * (size_t)q->m1 * sizeof *w->da);
    for (int a = 0; a < q->m1; a++)
        for (int b = 0; b < q->axis; b++)
            for (int c = 0; c < 4; c++) {
                w->da[c * q->m1 + a] += dd[a * q->axis + b] * w->a[c * q->m1 + b];
                w->da[c * q->m1 + b] += dd[a * q->axis + b] * w->a[c * q->m1 + a];
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

/* Adds `times` slots without a neighbour: empty ones, or with a row of zeros. */
static void add_slots(struct work *w, const struct cox_dp_net *net, int times, bool empty)
{
    double row[4] = {0};
    double *g = w->g + (size_t)w->rows * (size_t)w->q->m1; /* overwritten by the next row */
    if (!times || !net->n)
        return;
    for (int c = 0; empty && c < components(w->q); c++)
        row[c] = -w->q->davg[w->centre][c] / w->q->dstd[w->centre][c];
    embed(w, net, row[0], g, w->dg + (size_t)w->rows * (size_t)w->q->m1);
    add_rows(w, times, row, g);
}

/* The rows of the descriptor at hand and A. Returns how many neighbours found no slot. */
static int gather(struct work *w, int i, const struct cox_neighbours *list)
{
    const struct cox_dp_descriptor *q = w->q;
    const int64_t *start = list->start + (int64_t)i * (w->m->n_types + 1);
    int overflow = 0;
    w->rows = 0;
    memset(w->a, 0, 4 * (size_t)q->m1 * sizeof *w->a);
    for (int t = 0; t < w->m->n_types; t++) {
        const struct cox_dp_net *net = cox_dp_embed_of(w->m, w->which, w->centre, t);
        const double(*dr)[3] = (const double(*)[3])(list->dr + start[t]);
        int all = (int)(start[t + 1] - start[t]);
        bool excluded = q->exclude[w->centre][t];
        int n = within(all, dr, excluded ? cox_dp_cutoff(w->m) : q->rcut);
        struct cox_dp_slots slots = cox_dp_slots_of(q, w->centre, t, n);
        nearest(w->order, slots.used, all, dr, q->rcut);
        for (int k = 0; k < slots.used; k++, w->rows++) {
            int64_t at = w->at[w->rows] = start[t] + w->order[k];
            double *r = w->r + 4 * w->rows;
            double *g = w->g + (size_t)w->rows * (size_t)q->m1;
            environment(w, list->dr[at], r);
            embed(w, net, r[0], g, w->dg + (size_t)w->rows * (size_t)q->m1);
            add_rows(w, 1, r, g);
        }
        add_slots(w, net, slots.empty, true);
        add_slots(w, net, slots.blank, false);
        overflow += excluded ? 0 : n - slots.used;
    }
    return overflow;
}

/* Forces of the rows, from ∂E/∂A. */
static void spread(const struct work *w, int i, const struct cox_neighbours *list,
                   struct cox_dp_result *out)
{
    const struct cox_dp_descriptor *q = w->q;
    for (int row = 0; row < w->rows; row++) {
        const double *r = w->r + 4 * row;
        const double *g = w->g + (size_t)row * (size_t)q->m1;
        const double *dg = w->dg + (size_t)row * (size_t)q->m1;
        double drow[4] = {0};
        double grad[3];
        for (int c = 0; c < components(q); c++)
            for (int a = 0; a < q->m1; a++) {
                double da = w->da[c * q->m1 + a];
                if (q->kind == COX_DP_SE_A)
                    drow[c] += da / q->n_slots * g[a];
                drow[0] += da * weight(w, r, c) * dg[a];
            }
        environment_back(w, list->dr[w->at[row]], drow, grad);
        scatter(out, i, list->index[w->at[row]], list->dr[w->at[row]], grad);
    }
}

static void one_atom(struct work *w, int i, const struct cox_neighbours *list, const double *fparam,
                     struct cox_dp_result *out)
{
    const struct cox_dp_model *m = w->m;
    int at = 0;
    for (int d = 0; d < m->n_descriptors; d++) {
        w->which = d;
        w->q = &m->descriptor[d];
        out->overflow += gather(w, i, list);
        descriptor(w, w->d + at);
        at += cox_dp_descriptor_width(w->q);
    }
    for (int p = 0; p < m->n_fparam; p++)
        w->d[at + p] = (fparam[p] - m->fparam_avg[p]) * m->fparam_inv_std[p];
    double energy = fit(w) + m->bias[w->centre];
    out->energy += energy;
    if (out->atom_energy)
        out->atom_energy[i] = energy;
    at = 0;
    for (int d = 0; d < m->n_descriptors; d++) {
        w->which = d;
        w->q = &m->descriptor[d];
        (void)gather(w, i, list);
        descriptor_back(w, w->dd + at);
        spread(w, i, list, out);
        at += cox_dp_descriptor_width(w->q);
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

static bool work_init(struct work *w, struct cox_arena *arena, size_t rows)
{
    const struct cox_dp_model *m = w->m;
    size_t m1 = 1;
    size_t d = (size_t)cox_dp_width(m) + (size_t)m->n_fparam;
    for (int q = 0; q < m->n_descriptors; q++)
        if ((size_t)m->descriptor[q].m1 > m1)
            m1 = (size_t)m->descriptor[q].m1;
    w->width = width_of(m);
    size_t activations = (COX_DP_MAX_LAYERS + 1) * (size_t)w->width;
    w->at = cox_arena_alloc(arena, rows, sizeof *w->at);
    w->r = cox_arena_alloc(arena, rows, 4 * sizeof *w->r);
    w->g = cox_arena_alloc(arena, rows, m1 * sizeof *w->g);
    w->dg = cox_arena_alloc(arena, rows, m1 * sizeof *w->dg);
    w->a = cox_arena_alloc(arena, 4 * m1, sizeof *w->a);
    w->da = cox_arena_alloc(arena, 4 * m1, sizeof *w->da);
    w->d = cox_arena_alloc(arena, d, sizeof *w->d);
    w->dd = cox_arena_alloc(arena, d, sizeof *w->dd);
    w->h = cox_arena_alloc(arena, activations, sizeof *w->h);
    w->dh = cox_arena_alloc(arena, activations, sizeof *w->dh);
    w->order = cox_arena_alloc(arena, rows, sizeof *w->order);
    return w->at && w->r && w->g && w->dg && w->a && w->da && w->d && w->dd && w->h && w->dh &&
           w->order;
}

int cox_dp_reference(struct cox_dp_result *out, const struct cox_dp_model *m,
                     const struct cox_dp_atoms *atoms, const struct cox_neighbours *list,
                     const double *fparam, struct cox_err *err)
{
    if (m->n_fparam && !fparam)
        return cox_err_set(err, COX_EINVAL, "the model needs %d frame parameters", m->n_fparam);
    struct cox_arena *arena = cox_arena_create();
    struct work w = {.m = m};
    if (!arena || !work_init(&w, arena, (size_t)most_neighbours(list) + 1)) {
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
