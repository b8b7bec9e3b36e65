/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/gradient.h"

#include <math.h>
#include <string.h>

#include "dp_train/gradient_plan.h"
#include "dp_train/gradient_rows.h"

/* Rows of a weight matrix whose gradient is one piece of work: 16 register tiles. */
#define PIECE 224
/* What the last terms of the series may be, of the largest: rounding of the tables. */
#define TOLERANCE_F64 2e-14
#define TOLERANCE_F32 1e-7
/* Pieces in which the parameters are rounded. */
#define ROUNDINGS 16

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for a training step");
}

/* ---- creating ---- */

static int net_width(const struct cox_dp_flat_net *net, int *biases)
{
    int widest = 1;
    *biases = 0;
    for (int k = 0; k < net->n; k++) {
        widest = net->layer[k].out > widest ? net->layer[k].out : widest;
        *biases += net->layer[k].out;
    }
    return widest;
}

/* The descriptors: their embedding nets, from `at` in the vector on; the end. */
static ptrdiff_t parts(struct cox_dp_gradient *g, const struct cox_dp_model *m, ptrdiff_t at)
{
    int nets = 0, d = 0;
    g->n_parts = m->n_descriptors;
    for (int i = 0; i < g->n_parts; i++) {
        struct cox_dp_part *p = &g->part[i];
        p->q = &g->model.descriptor[i];
        p->number = i;
        p->radial = p->q->kind == COX_DP_SE_R;
        p->n_embed = cox_dp_n_embed(m, p->q);
        p->first_embed = nets;
        p->first_d = d;
        p->stride = (p->q->m1 + g->k->lanes - 1) / g->k->lanes * g->k->lanes;
        for (int k = 0; k < p->n_embed; k++)
            at = cox_dp_flatten(&g->embed[nets + k], &m->descriptor[i].embed[k], at);
        for (int t = 0; t < m->n_types; t++)
            for (int c = 0; c < (p->radial ? 1 : 4); c++)
                p->empty[t][c] = -p->q->davg[t][c] / p->q->dstd[t][c];
        nets += p->n_embed;
        d += cox_dp_descriptor_width(p->q);
        g->m1 = p->q->m1 > g->m1 ? p->q->m1 : g->m1;
        g->stride = p->stride > g->stride ? p->stride : g->stride;
    }
    return at;
}

/* D_pq = D_qp for p, q < axis. */
static void plan_fold(struct cox_dp_gradient *g, const struct cox_dp_model *m)
{
    const int axis = g->part[0].q->axis;
    bool can = g->n_parts == 1 && !g->part[0].radial;
    for (int t = 0; t < m->n_types; t++)
        can = can && m->fit[t].layer[0].skip == COX_DP_SKIP_NONE;
    g->square = can ? axis * axis : 0;
    g->folded = can ? axis * (axis + 1) / 2 : 0;
}

/* The shapes, and where each net's numbers are. */
static int flatten(struct cox_dp_gradient *g, const struct cox_dp_model *m)
{
    const size_t types = (size_t)m->n_types;
    for (int i = 0; i < m->n_descriptors; i++) {
        g->n_embed += cox_dp_n_embed(m, &m->descriptor[i]);
        g->part[i].empty = cox_arena_alloc(g->arena, types, sizeof *g->part[i].empty);
        if (!g->part[i].empty)
            return COX_ENOMEM;
    }
    g->embed = cox_arena_alloc(g->arena, (size_t)g->n_embed, sizeof *g->embed);
    g->fit = cox_arena_alloc(g->arena, types, sizeof *g->fit);
    g->side = cox_arena_alloc(g->arena, types, sizeof *g->side);
    g->model.fparam_avg = cox_arena_alloc(g->arena, (size_t)m->n_fparam + 1, sizeof(double));
    g->model.fparam_inv_std = cox_arena_alloc(g->arena, (size_t)m->n_fparam + 1, sizeof(double));
    if (!g->embed || !g->fit || !g->side || !g->model.fparam_avg || !g->model.fparam_inv_std)
        return COX_ENOMEM;
    for (int i = 0; i < m->n_fparam; i++) {
        g->model.fparam_avg[i] = m->fparam_avg[i];
        g->model.fparam_inv_std[i] = m->fparam_inv_std[i];
    }
    ptrdiff_t at = parts(g, m, 0);
    g->fit_first = at;
    for (int t = 0; t < m->n_types; t++) {
        int biases;
        at = cox_dp_flatten(&g->fit[t], &m->fit[t], at);
        int width = net_width(&g->fit[t], &biases);
        g->widest = width > g->widest ? width : g->widest;
        g->biases = biases > g->biases ? biases : g->biases;
    }
    g->n_parameters = at;
    g->d = cox_dp_width(m) + m->n_fparam;
    plan_fold(g, m);
    return COX_OK;
}

static void layer_pieces(struct cox_dp_gradient *g, int type, int layer)
{
    const int first = layer ? 0 : g->folded;
    const int rows = g->fit[type].layer[layer].in - (layer ? 0 : g->square) + first;
    struct cox_dp_piece piece = {.net = -1, .type = type, .layer = layer, .rows = first};
    if (first)
        g->piece[g->n_pieces++] = piece;
    for (int row = first; row < rows; row += PIECE) {
        piece.row = row;
        piece.rows = rows - row < PIECE ? rows - row : PIECE;
        g->piece[g->n_pieces++] = piece;
    }
}

/* The pieces of the last phase, the longest first. */
static int pieces(struct cox_dp_gradient *g)
{
    int n = g->n_embed;
    for (int t = 0; t < g->model.n_types; t++) {
        n++;
        for (int k = 0; k < g->fit[t].n; k++)
            n += (g->fit[t].layer[k].in + PIECE - 1) / PIECE + 1;
    }
    g->piece = cox_arena_alloc(g->arena, (size_t)n, sizeof *g->piece);
    if (!g->piece)
        return COX_ENOMEM;
    for (int d = 0; d < g->n_parts; d++)
        for (int i = 0; i < g->part[d].n_embed; i++)
            g->piece[g->n_pieces++] = (struct cox_dp_piece){.part = d, .net = i, .type = -1};
    for (int t = 0; t < g->model.n_types; t++) {
        for (int k = 0; k < g->fit[t].n; k++)
            layer_pieces(g, t, k);
        g->piece[g->n_pieces++] = (struct cox_dp_piece){.net = -1, .type = t, .layer = -1};
    }
    return COX_OK;
}

static int make_cells(struct cox_dp_gradient *g, struct cox_dp_part *p)
{
    const int types = g->model.n_types;
    double *low = cox_arena_alloc(g->arena, (size_t)p->n_embed, sizeof *low);
    if (!low)
        return COX_ENOMEM;
    for (int i = 0; i < p->n_embed; i++) {
        low[i] = p->empty[i % types][0];
        for (int t = 0; p->q->one_side && t < types; t++)
            low[i] = fmin(low[i], p->empty[t][0]);
        if (p->radial) /* that of a blank slot */
            low[i] = fmin(low[i], 0);
    }
    const struct cox_dp_cells_setup setup = {
        .n = p->n_embed,
        .m1 = p->q->m1,
        .stride = p->stride,
        .net = g->embed + p->first_embed,
        .low = low,
        .tolerance = g->precision == COX_DP_F32 ? TOLERANCE_F32 : TOLERANCE_F64,
        .kernels = g->k,
        .size = g->size};
    return cox_dp_cells_create(&p->cells, &setup);
}

static int make(struct cox_dp_gradient *g, const struct cox_dp_model *m)
{
    const size_t groups = COX_DP_GROUPS;
    g->model = *m;
    g->model.arena = NULL;
    g->model.fit = NULL;
    for (int d = 0; d < m->n_descriptors; d++)
        g->model.descriptor[d].embed = NULL;
    g->model.training_script = NULL;
    g->k =
        g->precision == COX_DP_F32 ? cox_dp_gradient_kernels_f32() : cox_dp_gradient_kernels_f64();
    g->size = g->precision == COX_DP_F32 ? sizeof(float) : sizeof(double);
    if (flatten(g, m) || pieces(g))
        return COX_ENOMEM;
    for (int d = 0; d < g->n_parts; d++)
        if (make_cells(g, &g->part[d]))
            return COX_ENOMEM;
    g->by_bias = cox_arena_alloc(g->arena, groups * (size_t)m->n_types * 2 * (size_t)g->biases, 8);
    g->overflow = cox_arena_alloc(g->arena, groups, sizeof *g->overflow);
    g->room = cox_arena_alloc(g->arena, (size_t)g->threads, sizeof *g->room);
    const size_t fold = (size_t)m->n_types * (size_t)g->folded;
    g->fold = cox_alloc(fold, (size_t)g->widest * g->size);
    g->fold_gradient = cox_alloc(fold, (size_t)g->widest * g->size);
    if (!g->by_bias || !g->overflow || !g->room || !g->fold || !g->fold_gradient)
        return COX_ENOMEM;
    if (g->precision == COX_DP_F32) {
        g->rounded = cox_alloc((size_t)g->n_parameters, g->size);
        g->rounded_gradient = cox_alloc((size_t)g->n_parameters, g->size);
        if (!g->rounded || !g->rounded_gradient)
            return COX_ENOMEM;
    }
    return COX_OK;
}

int cox_dp_gradient_create(struct cox_dp_gradient **out, const struct cox_dp_model *model,
                           enum cox_dp_precision precision, struct cox_team *team,
                           struct cox_err *err)
{
    *out = NULL;
    struct cox_dp_gradient *g = cox_alloc(1, sizeof *g);
    if (!g)
        return no_memory(err);
    g->precision = precision;
    g->team = team;
    g->threads = team ? cox_team_threads(team) : 1;
    g->arena = cox_arena_create();
    if (!g->arena || make(g, model)) {
        cox_dp_gradient_destroy(g);
        return no_memory(err);
    }
    *out = g;
    return COX_OK;
}

void cox_dp_gradient_destroy(struct cox_dp_gradient *g)
{
    if (!g)
        return;
    cox_dp_gradient_free_rooms(g);
    for (int d = 0; d < g->n_parts; d++)
        cox_dp_cells_destroy(g->part[d].cells);
    cox_free(g->fold);
    cox_free(g->fold_gradient);
    cox_free(g->rounded);
    cox_free(g->rounded_gradient);
    cox_arena_destroy(g->arena);
    cox_free(g);
}

/* ---- phases ---- */

static void blocks_of(const struct cox_dp_gradient *g, int group, int *first, int *end)
{
    *first = (int)((int64_t)g->n_blocks * group / g->n_groups);
    *end = (int)((int64_t)g->n_blocks * (group + 1) / g->n_groups);
}

struct cox_dp_surroundings cox_dp_statistics(const struct cox_dp_part *part, int type)
{
    struct cox_dp_surroundings e = {.rcut = part->q->rcut, .rcut_smth = part->q->rcut_smth};
    for (int c = 0; c < (part->radial ? 1 : 4); c++) {
        e.avg[c] = part->q->davg[type][c];
        e.inv_std[c] = 1 / part->q->dstd[type][c];
    }
    return e;
}

/* The neighbours of one atom, type by type, and their R̃, as a descriptor has them. */
static void gather(struct cox_dp_gradient *g, const struct cox_dp_part *part, int at, int type,
                   struct cox_dp_room *room, long long *overflow)
{
    const struct cox_dp_site *site = &g->site[at];
    const struct cox_dp_descriptor *q = part->q;
    const struct cox_neighbours *list = g->frames[site->frame].list;
    const int types = g->model.n_types;
    const int64_t *start = list->start + (int64_t)site->atom * (types + 1);
    const struct cox_dp_surroundings e = cox_dp_statistics(part, type);
    int64_t row = cox_dp_view_of(g, part, at)->row;
    for (int t = 0; t < types; t++) {
        struct cox_dp_span *s = cox_dp_span_of(g, part, at, t);
        const double(*dr)[3] = (const double(*)[3])(list->dr + start[t]);
        const bool excluded = q->exclude[type][t];
        int within;
        *s = (struct cox_dp_span){.first = row, .net = q->one_side ? t : t * types + type};
        cox_dp_nearest(room->order, q->sel[t], (int)(start[t + 1] - start[t]), dr,
                       excluded ? cox_dp_cutoff(&g->model) : q->rcut, &within);
        const struct cox_dp_slots slots = cox_dp_slots_of(q, type, t, within);
        *overflow += excluded ? 0 : within - slots.used;
        s->n = slots.used;
        s->hole[0].n = slots.empty;
        memcpy(s->hole[0].r, part->empty[type], sizeof s->hole[0].r);
        /* rows of zeros: nothing where G is multiplied with them */
        s->hole[1].n = part->radial && g->embed[part->first_embed + s->net].n ? slots.blank : 0;
        for (int k = 0; k < s->n; k++) {
            memcpy(g->x[row + k], dr[room->order[k]], sizeof g->x[0]);
            g->index[row + k] = g->first_atom[site->frame] + list->index[start[t] + room->order[k]];
        }
        g->k->surroundings(&e, s->n, (const double(*)[3])(g->x + row), g->r + row);
        row += s->n;
    }
}

/* A piece of the weights in this precision. */
static void number(struct cox_dp_gradient *g, int item)
{
    const int types = g->model.n_types;
    if (item < types && g->precision == COX_DP_F32)
        cox_dp_fold_f32(g, item);
    else if (item < types)
        cox_dp_fold_f64(g, item);
    if (item < types)
        return;
    const ptrdiff_t all = g->n_parameters - g->fit_first;
    const ptrdiff_t first = g->fit_first + all * (item - types) / ROUNDINGS;
    const ptrdiff_t end = g->fit_first + all * (item - types + 1) / ROUNDINGS;
    g->k->from_double((size_t)(end - first), g->parameters + first, (float *)g->rounded + first);
}

static void gathering(void *user, int group, int thread)
{
    struct cox_dp_gradient *g = user;
    int first, end;
    if (group >= g->n_groups) {
        number(g, group - g->n_groups);
        return;
    }
    g->overflow[group] = 0;
    blocks_of(g, group, &first, &end);
    for (int i = first; i < end; i++)
        for (int k = 0; k < g->block[i].n; k++)
            for (int d = 0; d < g->n_parts; d++)
                gather(g, &g->part[d], g->block[i].site + k, g->block[i].type, &g->room[thread],
                       &g->overflow[group]);
}

/* A cell's slot among those of the atom. */
static int slot_of(struct cox_dp_gradient *g, struct cox_dp_view *view, int cell,
                   struct cox_dp_room *room)
{
    if (room->slot_of[cell] < 0) {
        room->slot_of[cell] = view->slots;
        g->cell[view->pool + view->slots++] = cell;
    }
    return room->slot_of[cell];
}

/* The cells of an atom's neighbours and of its slots without one. */
static void locate(struct cox_dp_gradient *g, const struct cox_dp_part *part, int at,
                   struct cox_dp_room *room)
{
    struct cox_dp_view *view = cox_dp_view_of(g, part, at);
    for (int t = 0; t < g->model.n_types; t++) {
        struct cox_dp_span *s = cox_dp_span_of(g, part, at, t);
        for (int64_t k = s->first; k < s->first + s->n; k++) {
            int cell = cox_dp_cells_find(part->cells, s->net, g->r[k][0], &g->u[k]);
            g->slot[k] = slot_of(g, view, cell, room);
        }
        for (int k = 0; k < 2; k++) {
            struct cox_dp_hole *hole = &s->hole[k];
            if (hole->n)
                hole->slot = slot_of(
                    g, view, cox_dp_cells_find(part->cells, s->net, hole->r[0], &hole->u), room);
        }
    }
    for (int i = 0; i < view->slots; i++)
        room->slot_of[g->cell[view->pool + i]] = -1;
}

static void forces(void *user, int group, int thread)
{
    struct cox_dp_gradient *g = user;
    struct cox_dp_room *room = &g->room[thread];
    int first, end;
    blocks_of(g, group, &first, &end);
    for (int i = first; i < end; i++) {
        const struct cox_dp_gradient_block *b = &g->block[i];
        for (int k = 0; k < b->n; k++)
            for (int d = 0; d < g->n_parts; d++)
                locate(g, &g->part[d], b->site + k, room);
        if (g->precision == COX_DP_F32)
            cox_dp_block_forces_f32(g, b, room);
        else
            cox_dp_block_forces_f64(g, b, room);
    }
}

/* Numbers of a table. */
static size_t table_of(const struct cox_dp_part *p)
{
    return (size_t)cox_dp_cells_count(p->cells) * COX_DP_ORDER * (size_t)p->stride;
}

static void back(void *user, int group, int thread)
{
    struct cox_dp_gradient *g = user;
    const size_t biases = (size_t)g->model.n_types * 2 * (size_t)g->biases;
    int first, end;
    for (int d = 0; d < g->n_parts; d++) {
        const struct cox_dp_part *p = &g->part[d];
        const size_t table = table_of(p) * g->size;
        memset((char *)p->by_table + (size_t)group * table, 0, table);
    }
    memset(g->by_bias + (size_t)group * biases, 0, biases * sizeof *g->by_bias);
    blocks_of(g, group, &first, &end);
    for (int i = first; i < end; i++)
        if (g->precision == COX_DP_F32)
            cox_dp_block_back_f32(g, &g->block[i], group, &g->room[thread]);
        else
            cox_dp_block_back_f64(g, &g->block[i], group, &g->room[thread]);
}

static void bias_gradient(struct cox_dp_gradient *g, int type)
{
    const struct cox_dp_flat_net *net = &g->fit[type];
    int at = 0;
    for (int k = 0; k < net->n; at += net->layer[k++].out) {
        const struct cox_dp_flat_layer *l = &net->layer[k];
        for (int o = 0; o < l->out; o++) {
            double sum = 0, sum_idt = 0;
            for (int i = 0; i < g->n_groups; i++) {
                const double *part = g->by_bias + (i * g->model.n_types + type) * 2 * g->biases;
                sum += part[at + o];
                sum_idt += part[g->biases + at + o];
            }
            g->gradient[l->b + o] = sum;
            if (l->idt >= 0)
                g->gradient[l->idt + o] = sum_idt;
        }
    }
}

static void gathering_up(void *user, int item, int thread)
{
    struct cox_dp_gradient *g = user;
    const struct cox_dp_piece *piece = &g->piece[item];
    (void)thread;
    const struct cox_dp_part *part = &g->part[piece->part];
    if (piece->net >= 0)
        cox_dp_cells_back(part->cells, piece->net, g->parameters, part->by_table, g->n_groups,
                          table_of(part), g->gradient);
    else if (piece->layer < 0)
        bias_gradient(g, piece->type);
    else if (g->precision == COX_DP_F32)
        cox_dp_weights_f32(g, piece);
    else
        cox_dp_weights_f64(g, piece);
}

/* ---- between them ---- */

static int mark(struct cox_dp_gradient *g, const struct cox_dp_part *part, struct cox_err *err)
{
    int rc = COX_OK;
    cox_dp_cells_begin(part->cells);
    for (int i = 0; i < g->n_sites; i++)
        for (int t = 0; !rc && t < g->model.n_types; t++) {
            const struct cox_dp_span *s = cox_dp_span_of(g, part, i, t);
            rc = cox_dp_cells_mark(part->cells, s->net, s->n, (const double(*)[4])(g->r + s->first),
                                   err);
            for (int k = 0; !rc && k < 2; k++)
                rc = cox_dp_cells_mark(part->cells, s->net, s->hole[k].n > 0,
                                       (const double(*)[4]) & s->hole[k].r, err);
        }
    return rc;
}

static void add_up_forces(struct cox_dp_gradient *g)
{
    memset(g->force, 0, (size_t)g->n_sites * sizeof *g->force);
    for (int i = 0; i < g->n_sites; i++) {
        double *own = g->force[g->first_atom[g->site[i].frame] + g->site[i].atom];
        for (int c = 0; c < 3; c++)
            own[c] += g->own[i][c];
        for (int d = 0; d < g->n_parts; d++) {
            const int64_t first = cox_dp_view_of(g, &g->part[d], i)->row;
            const struct cox_dp_span *last =
                cox_dp_span_of(g, &g->part[d], i, g->model.n_types - 1);
            for (int64_t k = first; k < last->first + last->n; k++)
                for (int c = 0; c < 3; c++)
                    g->force[g->index[k]][c] -= g->grad[k][c];
        }
    }
}

/* The losses, and the direction in which the second half goes. */
static void residuals(struct cox_dp_gradient *g, const struct cox_dp_prefactors *pref,
                      struct cox_dp_losses *losses)
{
    int labelled[3] = {0};
    for (int f = 0; f < g->n_frames; f++) {
        g->share[f] = 0;
        memset(g->strain[f], 0, sizeof g->strain[f]);
    }
    for (int i = 0; i < g->n_sites; i++) { /* share and strain as energy and virial at first */
        const int f = g->site[i].frame;
        g->share[f] += g->energy[i];
        for (int k = 0; k < 9; k++)
            g->strain[f][k] += g->virial[i][k];
    }
    for (int f = 0; f < g->n_frames; f++) {
        const struct cox_dp_residual residual = cox_dp_residuals(
            &g->frames[f], g->share[f], (const double(*)[3])(g->force + g->first_atom[f]),
            (const double(*)[3])g->strain[f], pref, 1.0 / g->n_frames, losses, labelled,
            g->direction + g->first_atom[f]);
        g->share[f] = residual.p;
        memcpy(g->strain[f], residual.strain, sizeof g->strain[f]);
    }
    cox_dp_losses_finish(losses, labelled);
    for (int i = 0; i < g->n_groups; i++)
        losses->overflow += g->overflow[i];
}

int cox_dp_gradient_compute(struct cox_dp_gradient *g, double *gradient,
                            struct cox_dp_losses *losses, const double *parameters,
                            const struct cox_dp_frame *frames, int n,
                            const struct cox_dp_prefactors *prefactors, struct cox_err *err)
{
    *losses = (struct cox_dp_losses){0};
    for (int f = 0; f < n; f++)
        if (g->model.n_fparam && !frames[f].fparam)
            return cox_err_set(err, COX_EINVAL, "the model needs %d frame parameters",
                               g->model.n_fparam);
    int rc = cox_dp_gradient_reserve(g, frames, n, err);
    if (rc)
        return rc;
    g->gradient = gradient;
    g->parameters = parameters;
    g->numbers = g->rounded ? g->rounded : (const void *)parameters;
    cox_team_run(g->team, g->n_groups + g->model.n_types + (g->rounded ? ROUNDINGS : 0), gathering,
                 g);
    for (int d = 0; d < g->n_parts; d++) {
        rc = mark(g, &g->part[d], err);
        if (rc)
            return rc;
        if (cox_dp_cells_evaluate(g->part[d].cells, g->team, parameters))
            return no_memory(err);
    }
    if (cox_dp_gradient_reserve_cells(g))
        return no_memory(err);
    cox_team_run(g->team, g->n_groups, forces, g);
    add_up_forces(g);
    residuals(g, prefactors, losses);
    if (!gradient)
        return COX_OK;
    cox_team_run(g->team, g->n_groups, back, g);
    cox_team_run(g->team, g->n_pieces, gathering_up, g);
    return COX_OK;
}
