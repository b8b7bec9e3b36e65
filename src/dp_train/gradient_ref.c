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
    const struct cox_dp_descriptor *q; /* the one at hand */
    const struct cox_dp_frame *frame;
    size_t width;
    int centre; /* its type */
    struct tape tape;
    double *back[4]; /* [width] */
    double *s, *sd;  /* [rows] s̃ and its derivative; all slots of a type without a neighbour are a
                        row */
    double *r, *rd;  /* [rows][4] what G is multiplied with in A: R̃, in SE_R 1/5 */
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
    int nets_before;             /* those of the descriptors before the one at hand */
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
    for (int c = 0; c < (q->kind == COX_DP_SE_A ? 4 : 1); c++) {
        r[c] = (r[c] - q->davg[w->centre][c]) / q->dstd[w->centre][c];
        rd[c] /= q->dstd[w->centre][c];
    }
}

/* Row `at` for `times` slots, of s̃ = r[0] (and R̃). */
static void set_row(const struct work *w, int at, int net, int times, const double r[4],
                    const double rd[4])
{
    w->s[at] = r[0];
    w->sd[at] = rd[0];
    w->weight[at] = times;
    w->net[at] = net;
    for (int c = 0; c < 4; c++) {
        w->r[4 * at + c] = w->q->kind == COX_DP_SE_A ? r[c] : c ? 0 : 0.2;
        w->rd[4 * at + c] = w->q->kind == COX_DP_SE_A ? rd[c] : 0;
    }
}

/* The rows of atom i in the descriptor at hand. */
static int rows_of(const struct work *w, int i)
{
    const struct cox_dp_model *m = w->m;
    const struct cox_dp_descriptor *q = w->q;
    const struct cox_neighbours *list = w->frame->list;
    const int64_t *start = list->start + (int64_t)i * (m->n_types + 1);
    static const double zero[4];
    int rows = 0;
    for (int t = 0; t < m->n_types; t++) {
        int net = q->one_side ? t : t * m->n_types + w->centre;
        const double(*dr)[3] = (const double(*)[3])(list->dr + start[t]);
        int within;
        cox_dp_nearest(w->order, q->sel[t], (int)(start[t + 1] - start[t]), dr,
                       q->exclude[w->centre][t] ? cox_dp_cutoff(m) : q->rcut, &within);
        const struct cox_dp_slots slots = cox_dp_slots_of(q, w->centre, t, within);
        for (int k = 0; k < slots.used; k++) {
            const double *x = dr[w->order[k]];
            const double *own = w->direction[i];
            const double *other = w->direction[list->index[start[t] + w->order[k]]];
            double moved[3], r[4], rd[4];
            for (int c = 0; c < 3; c++)
                moved[c] = other[c] - own[c] + dot(w->to.strain + 3 * c, x);
            environment(w, x, moved, r, rd);
            set_row(w, rows++, net, 1, r, rd);
        }
        double empty[4] = {0};
        for (int c = 0; c < (q->kind == COX_DP_SE_A ? 4 : 1); c++)
            empty[c] = -q->davg[w->centre][c] / q->dstd[w->centre][c];
        if (slots.empty)
            set_row(w, rows++, net, slots.empty, empty, zero);
        if (slots.blank && q->kind == COX_DP_SE_R && q->embed[net].n)
            set_row(w, rows++, net, slots.blank, zero, zero);
    }
    return rows;
}

/* ---- one atom ---- */

/* G and G′ of a row are left at the end of the tape. */
static void embed(const struct work *w, int at)
{
    w->tape.x[0] = w->s[at];
    w->tape.xd[0] = 1;
    net_forwards(&w->q->embed[w->net[at]], w);
}

/* A, Ȧ, and D, Ḋ. */
static void descriptor(const struct work *w, int rows, double *d, double *dd)
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
                w->ad[c * m1 + a] += scale * (rd[c] * g[a] + r[c] * slope[a] * w->sd[k]);
            }
    }
    for (int a = 0; a < m1 && w->q->kind == COX_DP_SE_R; a++) {
        d[a] = w->a[a];
        dd[a] = w->ad[a];
    }
    for (int a = 0; a < m1 && w->q->kind == COX_DP_SE_A; a++)
        for (int b = 0; b < w->q->axis; b++) {
            double sum = 0, moved = 0;
            for (int c = 0; c < 4; c++) {
                const double *ca = w->a + c * m1, *cd = w->ad + c * m1;
                sum += ca[a] * ca[b];
                moved += cd[a] * ca[b] + ca[a] * cd[b];
            }
            d[a * w->q->axis + b] = sum;
            dd[a * w->q->axis + b] = moved;
        }
}

/* ∂Φ/∂A and ∂Φ/∂Ȧ from those by D and Ḋ. */
static void descriptor_back(const struct work *w, const double *dv, const double *dt)
{
    int m1 = w->q->m1;
    memset(w->av, 0, 4 * (size_t)m1 * sizeof *w->av);
    memset(w->at, 0, 4 * (size_t)m1 * sizeof *w->at);
    for (int a = 0; a < m1 && w->q->kind == COX_DP_SE_R; a++) {
        w->av[a] = dv[a];
        w->at[a] = dt[a];
    }
    for (int a = 0; a < m1 && w->q->kind == COX_DP_SE_A; a++)
        for (int b = 0; b < w->q->axis; b++) {
            double v = dv[a * w->q->axis + b], t = dt[a * w->q->axis + b];
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
            w->gt[a] += scale * w->at[c * m1 + a] * r[c] * w->sd[k]; /* by G′: Ġ = G′ ṡ */
        }
    }
    embed(w, k);
    net_back(net, w, w->at_embed[w->nets_before + w->net[k]], w->gv, w->gt);
}

/* Of each descriptor D; or, once ∂Φ/∂D is known, the way back from it. */
static void descriptors(struct work *w, int i, bool back)
{
    w->nets_before = 0;
    int at = 0;
    for (int q = 0; q < w->m->n_descriptors; q++) {
        w->q = &w->m->descriptor[q];
        int rows = rows_of(w, i);
        descriptor(w, rows, w->d + at, w->dd + at);
        if (back)
            descriptor_back(w, w->dv + at, w->dt + at);
        for (int k = 0; back && k < rows; k++)
            embedding_back(w, k);
        at += cox_dp_descriptor_width(w->q);
        w->nets_before += cox_dp_n_embed(w->m, w->q);
    }
    for (int k = 0; k < w->m->n_fparam; k++) {
        w->d[at + k] = (w->frame->fparam[k] - w->m->fparam_avg[k]) * w->m->fparam_inv_std[k];
        w->dd[at + k] = 0;
    }
}

static void one_atom(struct work *w, int i)
{
    w->centre = w->frame->atoms.type[i];
    const struct cox_dp_net *fit = &w->m->fit[w->centre];
    descriptors(w, i, false);
    memcpy(w->tape.x, w->d, (size_t)fit->layer[0].in * sizeof *w->d);
    memcpy(w->tape.xd, w->dd, (size_t)fit->layer[0].in * sizeof *w->dd);
    net_forwards(fit, w);
    w->dv[0] = w->to.p;
    w->dt[0] = 1;
    net_back(fit, w, w->at_fit[w->centre], w->dv, w->dt);
    descriptors(w, i, true);
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

/* Notes where the net's gradient begins and how wide it is; where the next one's does. */
static double *place(struct work *w, const struct cox_dp_net *net, double **at, double *g)
{
    *at = g;
    for (int k = 0; g && k < net->n; k++)
        g += layer_parameters(&net->layer[k]);
    w->width = widest(net) > w->width ? widest(net) : w->width;
    return g;
}

static int places(struct work *w, struct cox_arena *arena)
{
    int nets = 0;
    for (int q = 0; q < w->m->n_descriptors; q++)
        nets += cox_dp_n_embed(w->m, &w->m->descriptor[q]);
    double **at = cox_arena_alloc(arena, (size_t)nets + (size_t)w->m->n_types, sizeof(double *));
    if (!at)
        return COX_ENOMEM;
    w->at_embed = at;
    w->at_fit = at + nets;
    w->width = 1;
    double *g = w->gradient;
    for (int q = 0; q < w->m->n_descriptors; q++)
        for (int i = 0; i < cox_dp_n_embed(w->m, &w->m->descriptor[q]); i++)
            g = place(w, &w->m->descriptor[q].embed[i], at++, g);
    for (int t = 0; t < w->m->n_types; t++)
        g = place(w, &w->m->fit[t], at++, g);
    return COX_OK;
}

/* Room for the largest of the frames. */
static int reserve(struct work *w, const struct cox_dp_frame *frames, int n,
                   struct cox_dp_result *result, struct cox_arena *arena)
{
    size_t rows = 1, atoms = 1, m1 = w->width;
    for (int f = 0; f < n; f++) {
        const struct cox_neighbours *list = frames[f].list;
        atoms = (size_t)frames[f].atoms.n > atoms ? (size_t)frames[f].atoms.n : atoms;
        for (int64_t i = 0; i < list->n; i++) {
            const int64_t *start = list->start + i * (list->n_types + 1);
            size_t own = (size_t)(start[list->n_types] - start[0]);
            rows = own > rows ? own : rows;
        }
    }
    rows += 2 * (size_t)w->m->n_types;
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
                 {&w->s, rows},
                 {&w->sd, rows},
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
    struct work w = {.m = m, .gradient = gradient};
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
