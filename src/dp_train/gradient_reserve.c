/* SPDX-License-Identifier: BSD-3-Clause */
/* How the frames of a step are cut up, and the room that this takes. */
#include <string.h>

#include "dp_train/gradient_plan.h"

static int tiles(const struct cox_dp_gradient *g, int n)
{
    const int tile = 2 * g->k->lanes;
    return (n + tile - 1) / tile * tile;
}

/* ---- cutting up ---- */

static int64_t listed(const struct cox_dp_gradient *g, const struct cox_dp_site *s)
{
    const struct cox_neighbours *list = g->frames[s->frame].list;
    const int64_t *start = list->start + (int64_t)s->atom * (list->n_types + 1);
    return start[list->n_types] - start[0];
}

/* The atoms of all frames by type, in blocks of nearly equal size. */
static void cut(struct cox_dp_gradient *g)
{
    int at = 0;
    g->n_blocks = 0;
    for (int t = 0; t < g->model.n_types; t++) {
        const int first = at;
        for (int f = 0; f < g->n_frames; f++)
            for (int i = 0; i < g->frames[f].atoms.n; i++)
                if (g->frames[f].atoms.type[i] == t)
                    g->site[at++] = (struct cox_dp_site){.frame = f, .atom = i};
        const int n = at - first, blocks = (n + COX_DP_BLOCK - 1) / COX_DP_BLOCK;
        g->side[t].columns = 0;
        for (int i = 0; i < blocks; i++) {
            const int begin = (int)((int64_t)n * i / blocks);
            const int end = (int)((int64_t)n * (i + 1) / blocks);
            const int columns = tiles(g, end - begin);
            g->block[g->n_blocks++] = (struct cox_dp_gradient_block){.type = t,
                                                                     .n = end - begin,
                                                                     .columns = columns,
                                                                     .site = first + begin,
                                                                     .column = g->side[t].columns};
            g->side[t].columns += columns;
        }
        /* rows of 2^k bytes would share places in the caches */
        g->side[t].wide = 2 * g->side[t].columns + g->k->lanes;
    }
    g->n_groups = g->n_blocks < COX_DP_GROUPS ? g->n_blocks : COX_DP_GROUPS;
    g->n_rows = g->n_slots = 0;
    g->most = 1;
    for (int i = 0; i < g->n_sites; i++) {
        const int64_t n = listed(g, &g->site[i]);
        for (int d = 0; d < g->n_parts; d++) {
            *cox_dp_view_of(g, &g->part[d], i) =
                (struct cox_dp_view){.row = g->n_rows, .pool = g->n_slots};
            g->n_rows += n;
            g->n_slots += n + 2 * g->model.n_types;
        }
        g->most = n > g->most ? (int)n : g->most;
    }
}

/* ---- room ---- */

struct part {
    void *to; /* the pointer */
    size_t n, size;
};

/* Frees and allocates anew. */
static int renew(const struct part *parts, size_t n)
{
    int rc = COX_OK;
    for (size_t i = 0; i < n; i++) {
        void *block;
        memcpy(&block, parts[i].to, sizeof block);
        cox_free(block);
        block = rc || !parts[i].n ? NULL : cox_alloc(parts[i].n, parts[i].size);
        if (!block && parts[i].n)
            rc = COX_ENOMEM;
        memcpy(parts[i].to, &block, sizeof block);
    }
    return rc;
}
#define RENEW(parts) renew(parts, sizeof parts / sizeof parts[0])

static int reserve_sites(struct cox_dp_gradient *g, size_t sites, size_t frames)
{
    const size_t types = (size_t)g->model.n_types;
    const size_t blocks = sites / COX_DP_BLOCK + types + 1;
    const size_t parts_of = (size_t)g->n_parts;
    const struct part parts[] = {
        {&g->site, sites, sizeof *g->site},
        {&g->view, sites * parts_of, sizeof *g->view},
        {&g->span, sites * parts_of * types, sizeof *g->span},
        {&g->block, blocks, sizeof *g->block},
        {&g->energy, sites, sizeof *g->energy},
        {&g->own, sites, sizeof *g->own},
        {&g->virial, sites, sizeof *g->virial},
        {&g->force, sites, sizeof *g->force},
        {&g->direction, sites, sizeof *g->direction},
        {&g->first_atom, frames + 1, sizeof *g->first_atom},
        {&g->share, frames, sizeof *g->share},
        {&g->strain, frames, sizeof *g->strain},
    };
    g->sites_capacity = g->frames_capacity = 0;
    if (RENEW(parts))
        return COX_ENOMEM;
    for (int d = 0; d < g->n_parts; d++) {
        const size_t of_block = 4 * (size_t)g->part[d].q->m1 * COX_DP_BLOCK;
        const struct part own[] = {{&g->part[d].a, blocks * of_block, g->size},
                                   {&g->part[d].at, blocks * of_block, g->size}};
        if (RENEW(own))
            return COX_ENOMEM;
    }
    g->sites_capacity = (int)sites;
    g->frames_capacity = (int)frames;
    return COX_OK;
}

static int reserve_rows(struct cox_dp_gradient *g)
{
    /* neighbours come and go between frames */
    const size_t rows = (size_t)g->n_rows + (size_t)g->n_rows / 8;
    const size_t slots = (size_t)g->n_slots + (size_t)g->n_slots / 8;
    const struct part parts[] = {
        {&g->x, rows, sizeof *g->x},
        {&g->r, rows, sizeof *g->r},
        {&g->grad, rows, sizeof *g->grad},
        {&g->u, rows, sizeof *g->u},
        {&g->index, rows, sizeof *g->index},
        {&g->slot, rows, sizeof *g->slot},
        {&g->cell, slots, sizeof *g->cell},
        {&g->p, slots * 4 * COX_DP_ORDER, g->size},
        {&g->pd, slots * 4 * COX_DP_ORDER, g->size},
    };
    g->rows_capacity = 0;
    if (RENEW(parts))
        return COX_ENOMEM;
    g->rows_capacity = (int64_t)rows;
    g->slots_capacity = (int64_t)slots;
    return COX_OK;
}

static int reserve_side(struct cox_dp_gradient *g, int type)
{
    struct cox_dp_side *s = &g->side[type];
    const struct cox_dp_flat_net *net = &g->fit[type];
    if (s->columns <= s->capacity)
        return COX_OK;
    s->capacity = 0;
    for (int k = 0; k < net->n; k++) {
        const size_t in = (size_t)net->layer[k].in, out = (size_t)net->layer[k].out;
        const size_t wide = (size_t)s->wide, narrow = (size_t)s->columns;
        const struct part parts[] = {
            {&s->x[k], in * wide, g->size},
            {&s->x[k + 1], out * wide, g->size},
            {&s->zv[k], out * narrow, g->size},
            {&s->zt[k], out * narrow, g->size},
            {&s->h[k], out * narrow, g->size},
            {&s->turned[k], 2 * (size_t)s->columns * (out + (size_t)g->k->lanes), g->size},
            {&s->zd[k], out * narrow, g->size},
            {&s->yt[k], out * narrow, g->size},
        };
        if (renew(parts + (k ? 1 : 0), sizeof parts / sizeof parts[0] - (k ? 1 : 0)))
            return COX_ENOMEM;
    }
    const struct part last[] = {{&s->dt, (size_t)g->d * (size_t)s->columns, g->size}};
    if (RENEW(last))
        return COX_ENOMEM;
    s->capacity = s->columns;
    return COX_OK;
}

static int reserve_rooms(struct cox_dp_gradient *g, int needed)
{
    const size_t most = (size_t)needed + (size_t)needed / 8;
    const size_t slots = most + 2 * (size_t)g->model.n_types;
    const size_t tall = (size_t)(g->widest > g->d ? g->widest : g->d);
    const size_t of_block = 4 * (size_t)g->m1 * COX_DP_BLOCK;
    g->most_capacity = 0;
    for (int i = 0; i < g->threads; i++) {
        struct cox_dp_room *r = &g->room[i];
        const struct part parts[] = {
            {&r->order, most, sizeof *r->order},
            {&r->d, most, sizeof *r->d},
            {&r->rd, most, sizeof *r->rd},
            {&r->xd, most, sizeof *r->xd},
            {&r->t, most * COX_DP_ORDER, g->size},
            {&r->slope, most * COX_DP_ORDER, g->size},
            {&r->f, slots * 4 * COX_DP_ORDER, g->size},
            {&r->row[0], 4 * (size_t)g->stride, g->size},
            {&r->row[1], 4 * (size_t)g->stride, g->size},
            {&r->av, of_block, g->size},
            {&r->back[0], tall * COX_DP_BLOCK, g->size},
            {&r->back[1], tall * COX_DP_BLOCK, g->size},
        };
        if (RENEW(parts))
            return COX_ENOMEM;
        for (int d = 0; d < g->n_parts; d++) {
            const struct part own[] = {{&r->a[d], of_block, g->size}};
            if (RENEW(own))
                return COX_ENOMEM;
        }
    }
    g->most_capacity = (int)most;
    return COX_OK;
}

void cox_dp_gradient_free_rooms(struct cox_dp_gradient *g)
{
    void *blocks[] = {g->site,  g->view,      g->span,       g->block, g->energy, g->own, g->virial,
                      g->force, g->direction, g->first_atom, g->share, g->strain, g->x,   g->r,
                      g->grad,  g->u,         g->index,      g->slot,  g->cell,   g->p,   g->pd};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    for (int d = 0; d < g->n_parts; d++) {
        cox_free(g->part[d].a);
        cox_free(g->part[d].at);
        cox_free(g->part[d].by_table);
    }
    for (int t = 0; g->side && t < g->model.n_types; t++) {
        struct cox_dp_side *s = &g->side[t];
        for (int k = 0; k < COX_DP_MAX_LAYERS; k++) {
            void *own[] = {s->x[k], s->zv[k], s->zt[k], s->turned[k], s->h[k], s->zd[k], s->yt[k]};
            for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
                cox_free(own[i]);
        }
        cox_free(s->x[COX_DP_MAX_LAYERS]);
        cox_free(s->dt);
    }
    for (int i = 0; g->room && i < g->threads; i++) {
        struct cox_dp_room *r = &g->room[i];
        void *own[] = {r->order, r->slot_of, r->d,      r->rd, r->xd,      r->t,      r->slope,
                       r->f,     r->row[0],  r->row[1], r->av, r->back[0], r->back[1]};
        for (size_t k = 0; k < sizeof own / sizeof own[0]; k++)
            cox_free(own[k]);
        for (int d = 0; d < g->n_parts; d++)
            cox_free(r->a[d]);
    }
}

int cox_dp_gradient_reserve(struct cox_dp_gradient *g, const struct cox_dp_frame *frames, int n,
                            struct cox_err *err)
{
    int64_t sites = 0;
    for (int f = 0; f < n; f++)
        sites += frames[f].atoms.n;
    if (sites > 1 << 24)
        return cox_err_set(err, COX_EINVAL, "%lld atoms in one batch; at most %d are possible",
                           (long long)sites, 1 << 24);
    g->frames = frames;
    g->n_frames = n;
    g->n_sites = (int)sites;
    bool more = sites > g->sites_capacity || n > g->frames_capacity;
    if (more && reserve_sites(g, (size_t)sites, (size_t)n))
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", (int)sites);
    g->first_atom[0] = 0;
    for (int f = 0; f < n; f++)
        g->first_atom[f + 1] = g->first_atom[f] + frames[f].atoms.n;
    cut(g);
    int rc =
        g->n_rows > g->rows_capacity || g->n_slots > g->slots_capacity ? reserve_rows(g) : COX_OK;
    for (int t = 0; !rc && t < g->model.n_types; t++)
        rc = reserve_side(g, t);
    if (!rc && g->most > g->most_capacity)
        rc = reserve_rooms(g, g->most);
    return rc ? cox_err_set(err, rc, "out of memory for %d atoms", (int)sites) : COX_OK;
}

int cox_dp_gradient_reserve_cells(struct cox_dp_gradient *g)
{
    int most = 0;
    for (int d = 0; d < g->n_parts; d++) {
        struct cox_dp_part *p = &g->part[d];
        const int cells = cox_dp_cells_count(p->cells);
        const size_t numbers = 2 * (size_t)cells * COX_DP_ORDER * (size_t)p->stride;
        const struct part parts[] = {{&p->by_table, COX_DP_GROUPS * numbers, g->size}};
        most = cells > most ? cells : most;
        if (cells <= p->cells_capacity)
            continue;
        p->cells_capacity = 0;
        if (RENEW(parts))
            return COX_ENOMEM;
        p->cells_capacity = 2 * cells;
    }
    if (most <= g->cells_capacity)
        return COX_OK;
    g->cells_capacity = 0;
    for (int i = 0; i < g->threads; i++) {
        const struct part own[] = {{&g->room[i].slot_of, 2 * (size_t)most, sizeof(int)}};
        if (RENEW(own))
            return COX_ENOMEM;
        for (int k = 0; k < 2 * most; k++)
            g->room[i].slot_of[k] = -1;
    }
    g->cells_capacity = 2 * most;
    return COX_OK;
}
