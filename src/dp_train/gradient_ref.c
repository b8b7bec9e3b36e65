/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/potential-training.md, line by line: values x, their derivatives ẋ along the direction
 * that the residuals give (here xd), and the derivatives of Φ = p E + Ė by both: by x (xv) and by ẋ
 * (xt). */
#include "dp_train/gradient.h"

#include <math.h>
#include <string.h>

#include "dp_train/gradient_rows.h"

/* What the way back through a net needs: layer k's input and its derivative, tanh and żs. */
struct tape {
    double *x, *xd; /* [layers + 1][width] */
    double *h, *zd; /* [layers][width] */
};

struct work {
    const struct cox_dp_model *m;
    const struct cox_dp_descriptor *q;
    const struct cox_dp_frame *frame;
    size_t width;
    int centre; /* its type */
    struct tape tape;
    double *back[4]; /* [width] */
    double *r, *rd;  /* [rows][4] R̃ and its derivative; the empty slots of a type are a row */
    double *weight;  /* [rows] how many slots the row stands for */
    int *net;        /* [rows] its embedding net */
    double *a, *ad;  /* [4][m1] */
    double *av, *at; /* [4][m1] ∂Φ/∂A, ∂Φ/∂Ȧ */
    double *d, *dd;  /* [width of the fitting net's input] */
    double *dv, *dt; /* ∂Φ/∂D, ∂Φ/∂Ḋ */
    double *gv, *gt; /* [m1] ∂Φ/∂G, and by G′ */
    int *order;      /* [rows] neighbours by distance */
    double (*direction)[3];    /* [atoms] v */
    struct cox_dp_residual to; /* p of Φ, η */
    double *gradient;
    double **at_embed, **at_fit; /* where each net's parameters begin in the gradient */
};

/* ---- nets: (x, ẋ) forwards, their adjoints back ---- */

static double *row(double *base, const struct work *w, int k)
{
    return base + (size_t)k * w->width;
}

static void layer_forwards(const struct cox_dp_layer *l, const struct work *w, int k)
{
    const double *x = row(w->tape.x, w, k), *xd = row(w->tape.xd, w, k);
    double *y = row(w->tape.x, w, k + 1), *yd = row(w->tape.xd, w, k + 1);
    for (int o = 0; o < l->out; o++) {
        double z = l->b[o], zd = 0;
        for (int i = 0; i < l->in; i++) {
            z += x[i] * l->w[(size_t)i * (size_t)l->out + (size_t)o];
            zd += xd[i] * l->w[(size_t)i * (size_t)l->out + (size_t)o];
        }
        double h = l->linear ? z : tanh(z);
        double hd = l->linear ? zd : (1 - h * h) * zd;
        double idt = l->idt ? l->idt[o] : 1;
        bool skip = l->skip != COX_DP_SKIP_NONE;
        row(w->tape.h, w, k)[o] = h;
        row(w->tape.zd, w, k)[o] = zd;
        y[o] = (skip ? x[o % l->in] : 0) + idt * h;
        yd[o] = (skip ? xd[o % l->in] : 0) + idt * hd;
    }
}

/* From (yv, yt) to (xv, xt), adding to the layer's gradient at `g`; where the next layer's begins.
 */
static double *layer_back(const struct cox_dp_layer *l, const struct work *w, int k,
                          const double *const y[2], double *const x[2], double *g)
{
    const double *in = row(w->tape.x, w, k), *in_d = row(w->tape.xd, w, k);
    double *gw = g, *gb = gw + (size_t)l->in * (size_t)l->out, *gi = gb + l->out;
    for (int i = 0; i < l->in; i++)
        x[0][i] = x[1][i] = 0;
    for (int o = 0; o < l->out; o++) {
        double h = row(w->tape.h, w, k)[o], zd = row(w->tape.zd, w, k)[o];
        double idt = l->idt ? l->idt[o] : 1;
        double slope = l->linear ? 1 : 1 - h * h;
        double zt = slope * idt * y[1][o];
        double zv = slope * idt * y[0][o] - (l->linear ? 0 : 2 * h * zd * zt);
        for (int i = 0; i < l->in; i++) {
            size_t at = (size_t)i * (size_t)l->out + (size_t)o;
            gw[at] += in[i] * zv + in_d[i] * zt;
            x[0][i] += l->w[at] * zv;
            x[1][i] += l->w[at] * zt;
        }
        gb[o] += zv;
        if (l->idt)
            gi[o] += h * y[0][o] + slope * zd * y[1][o];
        if (l->skip != COX_DP_SKIP_NONE) {
            x[0][o % l->in] += y[0][o];
            x[1][o % l->in] += y[1][o];
        }
    }
    return gb + (l->idt ? 2 : 1) * l->out;
}

static size_t layer_parameters(const struct cox_dp_layer *l)
{
    return (size_t)l->out * (size_t)(l->in + 1 + (l->idt ? 1 : 0));
}

static void net_forwards(const struct cox_dp_net *net, const struct work *w)
{
    for (int k = 0; k < net->n; k++)
        layer_forwards(&net->layer[k], w, k);
}

/* `v`, `t`: the adjoints of the net's output and of its derivative; become those of its input. */
static void net_back(const struct cox_dp_net *net, const struct work *w, double *g, double *v,
                     double *t)
{
    double *y[2] = {v, t};
    double *spare[2][2] = {{w->back[0], w->back[1]}, {w->back[2], w->back[3]}};
    for (int k = 0; k < net->n; k++)
        g += layer_parameters(&net->layer[k]);
    for (int k = net->n - 1; k >= 0; k--) {
        g -= layer_parameters(&net->layer[k]);
        layer_back(&net->layer[k], w, k, (const double *const *)y, spare[k % 2], g);
        y[0] = spare[k % 2][0];
        y[1] = spare[k % 2][1];
    }
    memcpy(v, y[0], (size_t)net->layer[0].in * sizeof *v);
    memcpy(t, y[1], (size_t)net->layer[0].in * sizeof *t);
}

/* ---- the environment ---- */

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* R̃ of a neighbour at x, and its derivative when that moves by xd. */
static void environment(const struct work *w, const double x[3], const double xd[3], double r[4],
                        double rd[4])
{
    const struct cox_dp_descriptor *q = w->q;
    double length = sqrt(dot(x, x)), moved = dot(x, xd) / length;
    double span = q->rcut - q->rcut_smth, u = (length - q->rcut_smth) / span;
    double sw = 1, dsw = 0;
    if (length >= q->rcut) {
        sw = 0;
    } else if (length >= q->rcut_smth) {
        sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
        dsw = (3 * u * u * (-6 * u * u + 15 * u - 10) + u * u * u * (15 - 12 * u)) / span;
    }
    double l2 = length * length;
    r[0] = sw / length;
    rd[0] = (dsw / length - sw / l2) * moved;
    for (int k = 0; k < 3; k++) {
        r[k + 1] = sw * x[k] / l2;
        rd[k + 1] = (dsw / l2 - 2 * sw / (l2 * length)) * moved * x[k] + sw / l2 * xd[k];
    }
    for (int c = 0; c < 4; c++) {
        r[c] = (r[c] - q->davg[w->centre][c]) / q->dstd[w->centre][c];
        rd[c] /= q->dstd[w->centre][c];
    }
}

/* The rows of atom i: its neighbours', and one for the empty slots of each type. */
static int rows_of(const struct work *w, int i)
{
    const struct cox_dp_model *m = w->m;
    const struct cox_neighbours *list = w->frame->list;
    const int64_t *start = list->start + (int64_t)i * (m->n_types + 1);
    int rows = 0;
    for (int t = 0; t < m->n_types; t++) {
        int net = w->q->one_side ? t : t * m->n_types + w->centre;
        const double(*dr)[3] = (const double(*)[3])(list->dr + start[t]);
        int within;
        cox_dp_nearest(w->order, w->q->sel[t], (int)(start[t + 1] - start[t]), dr, w->q->rcut,
                       &within);
        const struct cox_dp_slots slots = cox_dp_slots_of(w->q, w->centre, t, within);
        for (int k = 0; k < slots.used; k++, rows++) {
            const double *x = dr[w->order[k]];
            const double *own = w->direction[i];
            const double *other = w->direction[list->index[start[t] + w->order[k]]];
            double moved[3];
            for (int c = 0; c < 3; c++)
                moved[c] = other[c] - own[c] + dot(w->to.strain + 3 * c, x);
            environment(w, x, moved, w->r + 4 * rows, w->rd + 4 * rows);
            w->weight[rows] = 1;
            w->net[rows] = net;
        }
        if (!slots.empty)
            continue;
        for (int c = 0; c < 4; c++) {
            w->r[4 * rows + c] = -w->q->davg[w->centre][c] / w->q->dstd[w->centre][c];
            w->rd[4 * rows + c] = 0;
        }
        w->weight[rows] = slots.empty;
        w->net[rows++] = net;
    }
    return rows;
}

/* ---- one atom ---- */

/* G and G′ of a row are left at the end of the tape. */
static void embed(const struct work *w, int at)
{
    w->tape.x[0] = w->r[4 * at];
    w->tape.xd[0] = 1;
    net_forwards(&w->q->embed[w->net[at]], w);
}

/* A, Ȧ, D, Ḋ. */
static void descriptor(const struct work *w, int rows)
{
    int m1 = w->q->m1;
    memset(w->a, 0, 4 * (size_t)m1 * sizeof *w->a);
    memset(w->ad, 0, 4 * (size_t)m1 * sizeof *w->ad);
    for (int k = 0; k < rows; k++) {
        const double *r = w->r + 4 * k, *rd = w->rd + 4 * k;
        int layers = w->q->embed[w->net[k]].n;
        embed(w, k);
        const double *g = row(w->tape.x, w, layers), *slope = row(w->tape.xd, w, layers);
        double scale = w->weight[k] / w->q->n_slots;
        for (int c = 0; c < 4; c++)
            for (int a = 0; a < m1; a++) {
                w->a[c * m1 + a] += scale * r[c] * g[a];
                w->ad[c * m1 + a] += scale * (rd[c] * g[a] + r[c] * slope[a] * rd[0]);
            }
    }
    for (int a = 0; a < m1; a++)
        for (int b = 0; b < w->q->axis; b++) {
            double sum = 0, moved = 0;
            for (int c = 0; c < 4; c++) {
                const double *ca = w->a + c * m1, *cd = w->ad + c * m1;
                sum += ca[a] * ca[b];
                moved += cd[a] * ca[b] + ca[a] * cd[b];
            }
            w->d[a * w->q->axis + b] = sum;
            w->dd[a * w->q->axis + b] = moved;
        }
    for (int i = 0; i < w->m->n_fparam; i++) {
        w->d[m1 * w->q->axis + i] =
            (w->frame->fparam[i] - w->m->fparam_avg[i]) * w->m->fparam_inv_std[i];
        w->dd[m1 * w->q->axis + i] = 0;
    }
}

/* ∂Φ/∂A and ∂Φ/∂Ȧ from those by D and Ḋ. */
static void descriptor_back(const struct work *w)
{
    int m1 = w->q->m1;
    memset(w->av, 0, 4 * (size_t)m1 * sizeof *w->av);
    memset(w->at, 0, 4 * (size_t)m1 * sizeof *w->at);
    for (int a = 0; a < m1; a++)
        for (int b = 0; b < w->q->axis; b++) {
            double v = w->dv[a * w->q->axis + b], t = w->dt[a * w->q->axis + b];
            for (int c = 0; c < 4; c++) {
                const double *ca = w->a + c * m1, *cd = w->ad + c * m1;
                double *cv = w->av + c * m1, *ct = w->at + c * m1;
                cv[a] += v * ca[b] + t * cd[b];
                cv[b] += v * ca[a] + t * cd[a];
                ct[a] += t * ca[b];
                ct[b] += t * ca[a];
            }
        }
}

static void embedding_back(const struct work *w, int k)
{
    const double *r = w->r + 4 * k, *rd = w->rd + 4 * k;
    const struct cox_dp_net *net = &w->q->embed[w->net[k]];
    int m1 = w->q->m1;
    double scale = w->weight[k] / w->q->n_slots;
    for (int a = 0; a < m1; a++) {
        w->gv[a] = w->gt[a] = 0;
        for (int c = 0; c < 4; c++) {
            w->gv[a] += scale * (w->av[c * m1 + a] * r[c] + w->at[c * m1 + a] * rd[c]);
            w->gt[a] += scale * w->at[c * m1 + a] * r[c] * rd[0]; /* by G′: Ġ = G′ ṡ */
        }
    }
    embed(w, k);
    net_back(net, w, w->at_embed[w->net[k]], w->gv, w->gt);
}

static void one_atom(struct work *w, int i)
{
    w->centre = w->frame->atoms.type[i];
    const struct cox_dp_net *fit = &w->m->fit[w->centre];
    int rows = rows_of(w, i);
    descriptor(w, rows);
    memcpy(w->tape.x, w->d, (size_t)fit->layer[0].in * sizeof *w->d);
    memcpy(w->tape.xd, w->dd, (size_t)fit->layer[0].in * sizeof *w->dd);
    net_forwards(fit, w);
    w->dv[0] = w->to.p;
    w->dt[0] = 1;
    net_back(fit, w, w->at_fit[w->centre], w->dv, w->dt);
    descriptor_back(w);
    for (int k = 0; k < rows; k++)
        embedding_back(w, k);
}

/* ---- frames ---- */

static size_t widest(const struct cox_dp_net *net)
{
    size_t width = 1;
    for (int k = 0; k < net->n; k++) {
        width = (size_t)net->layer[k].in > width ? (size_t)net->layer[k].in : width;
        width = (size_t)net->layer[k].out > width ? (size_t)net->layer[k].out : width;
    }
    return width;
}

static int embed_nets(const struct cox_dp_model *m)
{
    return m->descriptor[0].one_side ? m->n_types : m->n_types * m->n_types;
}

/* Where each net's gradient begins, and the widest row. */
static int places(struct work *w, struct cox_arena *arena)
{
    int nets = embed_nets(w->m), all = nets + w->m->n_types;
    double **at = cox_arena_alloc(arena, (size_t)all, sizeof(double *));
    if (!at)
        return COX_ENOMEM;
    w->at_embed = at;
    w->at_fit = at + nets;
    w->width = 1;
    double *g = w->gradient;
    for (int i = 0; i < all; i++) {
        const struct cox_dp_net *net = i < nets ? &w->q->embed[i] : &w->m->fit[i - nets];
        at[i] = g;
        for (int k = 0; g && k < net->n; k++)
            g += layer_parameters(&net->layer[k]);
        w->width = widest(net) > w->width ? widest(net) : w->width;
    }
    return COX_OK;
}

/* Room for the largest of the frames. */
static int reserve(struct work *w, const struct cox_dp_frame *frames, int n,
                   struct cox_dp_result *result, struct cox_arena *arena)
{
    size_t rows = 1, atoms = 1, m1 = (size_t)w->q->m1;
    for (int f = 0; f < n; f++) {
        const struct cox_neighbours *list = frames[f].list;
        atoms = (size_t)frames[f].atoms.n > atoms ? (size_t)frames[f].atoms.n : atoms;
        for (int64_t i = 0; i < list->n; i++) {
            const int64_t *start = list->start + i * (list->n_types + 1);
            size_t own = (size_t)(start[list->n_types] - start[0]);
            rows = own > rows ? own : rows;
        }
    }
    rows += (size_t)w->m->n_types;
    size_t wide = w->width, deep = COX_DP_MAX_LAYERS + 1;
    struct {
        double **to;
        size_t n;
    } parts[] = {{&w->tape.x, deep * wide},
                 {&w->tape.xd, deep * wide},
                 {&w->tape.h, deep * wide},
                 {&w->tape.zd, deep * wide},
                 {&w->back[0], wide},
                 {&w->back[1], wide},
                 {&w->back[2], wide},
                 {&w->back[3], wide},
                 {&w->r, 4 * rows},
                 {&w->rd, 4 * rows},
                 {&w->weight, rows},
                 {&w->a, 4 * m1},
                 {&w->ad, 4 * m1},
                 {&w->av, 4 * m1},
                 {&w->at, 4 * m1},
                 {&w->d, wide},
                 {&w->dd, wide},
                 {&w->dv, wide},
                 {&w->dt, wide},
                 {&w->gv, wide},
                 {&w->gt, wide}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *parts[i].to = cox_arena_alloc(arena, parts[i].n, sizeof(double));
        if (!*parts[i].to)
            return COX_ENOMEM;
    }
    w->net = cox_arena_alloc(arena, rows, sizeof *w->net);
    w->order = cox_arena_alloc(arena, rows, sizeof *w->order);
    w->direction = cox_arena_alloc(arena, atoms, sizeof *w->direction);
    result->force = cox_arena_alloc(arena, atoms, sizeof *result->force);
    return w->net && w->order && w->direction && result->force ? COX_OK : COX_ENOMEM;
}

int cox_dp_gradient_ref(double *gradient, struct cox_dp_losses *losses,
                        const struct cox_dp_model *m, const struct cox_dp_frame *frames, int n,
                        const struct cox_dp_prefactors *prefactors, struct cox_err *err)
{
    if (m->n_descriptors != 1 || m->descriptor[0].kind != COX_DP_SE_A)
        return cox_err_set(err, COX_EUNSUPPORTED, "only one descriptor of kind se_e2_a is known");
    struct work w = {.m = m, .q = &m->descriptor[0], .gradient = gradient};
    struct cox_dp_result result = {0};
    struct cox_arena *arena = cox_arena_create();
    int labelled[3] = {0};
    *losses = (struct cox_dp_losses){0};
    if (!arena || places(&w, arena) || reserve(&w, frames, n, &result, arena)) {
        cox_arena_destroy(arena);
        return cox_err_set(err, COX_ENOMEM, "out of memory for a training step");
    }
    if (gradient)
        memset(gradient, 0, (size_t)cox_dp_model_parameters(m) * sizeof *gradient);
    int rc = COX_OK;
    for (int f = 0; !rc && f < n; f++) {
        w.frame = &frames[f];
        rc = cox_dp_reference(&result, m, &w.frame->atoms, w.frame->list, w.frame->fparam, err);
        if (rc)
            break;
        w.to = cox_dp_residuals(w.frame, result.energy, (const double(*)[3])result.force,
                                (const double(*)[3])result.virial, prefactors, 1.0 / n, losses,
                                labelled, w.direction);
        losses->overflow += result.overflow;
        for (int i = 0; gradient && i < w.frame->atoms.n; i++)
            one_atom(&w, i);
    }
    cox_dp_losses_finish(losses, labelled);
    cox_arena_destroy(arena);
    return rc;
}
