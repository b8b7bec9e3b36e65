/* SPDX-License-Identifier: BSD-3-Clause */
#include "kim/gather.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

/* Centres that one thread takes at a time. */
#define CHUNK 256

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for the particles");
}

void cox_kim_gather_deinit(struct cox_kim_gather *g)
{
    cox_free(g->order);
    cox_free(g->place);
    cox_free(g->type);
    cox_free(g->x);
    cox_free(g->first);
    cox_free(g->candidate);
    cox_neighbours_deinit(&g->list);
    memset(g, 0, sizeof *g);
}

/* A tenth more than is needed: particles come and go between a simulator's processes. */
static int reserve_particles(struct cox_kim_gather *g, int n_all)
{
    if (n_all <= g->capacity)
        return COX_OK;
    int more = n_all > INT_MAX - n_all / 10 - 16 ? INT_MAX : n_all + n_all / 10 + 16;
    g->capacity = 0;
    cox_free(g->order);
    cox_free(g->place);
    cox_free(g->type);
    cox_free(g->x);
    cox_free(g->first);
    g->order = cox_alloc((size_t)more, sizeof *g->order);
    g->place = cox_alloc((size_t)more, sizeof *g->place);
    g->type = cox_alloc((size_t)more, sizeof *g->type);
    g->x = cox_alloc((size_t)more, sizeof *g->x);
    g->first = cox_alloc((size_t)more + 1, sizeof *g->first);
    if (!g->order || !g->place || !g->type || !g->x || !g->first)
        return COX_ENOMEM;
    g->capacity = more;
    return COX_OK;
}

int cox_kim_gather_particles(struct cox_kim_gather *g, int n_all, const double (*x)[3],
                             const int *species, const int *contributing, struct cox_err *err)
{
    if (reserve_particles(g, n_all))
        return no_memory(err);
    g->n_all = n_all;
    g->n = 0;
    for (int i = 0; i < n_all; i++)
        g->n += contributing[i] != 0;
    int centre = 0, ghost = g->n;
    for (int i = 0; i < n_all; i++) {
        int k = contributing[i] ? centre++ : ghost++;
        g->order[k] = i;
        g->place[i] = k;
        g->type[k] = species[i];
        if (species[i] < 0 || species[i] >= g->n_types)
            return cox_err_set(err, COX_EINVAL, "particle %d has species code %d, not 0 … %d", i,
                               species[i], g->n_types - 1);
        for (int p = 0; p < 3; p++) {
            g->x[k][p] = x[i][p] * g->to_A;
            if (!isfinite(g->x[k][p]))
                return cox_err_set(err, COX_EINVAL, "particle %d: coordinate %c is not a number", i,
                                   "xyz"[p]);
        }
    }
    return COX_OK;
}

/* ---- the lists ---- */

/* The simulator answers one thread, and what it shows lasts until the next question. */
static int ask(struct cox_kim_gather *g, const KIM_ModelComputeArguments *arguments,
               struct cox_err *err)
{
    int64_t at = 0;
    for (int i = 0; i < g->n; i++) {
        int n = 0;
        const int *neighbours = NULL;
        g->first[i] = at;
        if (KIM_ModelComputeArguments_GetNeighborList(arguments, 0, g->order[i], &n, &neighbours))
            return cox_err_set(err, COX_EEXTERNAL,
                               "the simulator has no list of neighbours of particle %d",
                               g->order[i]);
        if (at + n > g->candidate_capacity) {
            /* as many for the rest as until here, and an eighth */
            int64_t more = (at + n) * (g->n + g->n / 8 + 64) / (i + 1);
            int *grown = cox_realloc(g->candidate, (size_t)more, sizeof *grown);
            if (!grown)
                return no_memory(err);
            g->candidate = grown;
            g->candidate_capacity = more;
        }
        memcpy(g->candidate + at, neighbours, (size_t)n * sizeof *neighbours);
        at += n;
    }
    g->first[g->n] = at;
    return COX_OK;
}

/* The vector from a centre to candidate j; whether it is within the cutoff. */
static bool near(const struct cox_kim_gather *g, const double own[3], int j, double dr[3])
{
    const double *other = g->x[j];
    for (int p = 0; p < 3; p++)
        dr[p] = other[p] - own[p];
    return dr[0] * dr[0] + dr[1] * dr[1] + dr[2] * dr[2] <= g->cutoff * g->cutoff;
}

/* How many of each type: start[t + 1] of the centre's entries, for the time being. */
static void count(void *user, int item, int thread)
{
    struct cox_kim_gather *g = user;
    (void)thread;
    int end = (item + 1) * CHUNK < g->n ? (item + 1) * CHUNK : g->n;
    for (int i = item * CHUNK; i < end; i++) {
        int64_t *start = g->list.start + (int64_t)i * (g->n_types + 1);
        memset(start, 0, (size_t)(g->n_types + 1) * sizeof *start);
        for (int64_t c = g->first[i]; c < g->first[i + 1]; c++) {
            double dr[3];
            int j = g->place[g->candidate[c]];
            if (near(g, g->x[i], j, dr))
                start[g->type[j] + 1]++;
        }
    }
}

static void fill(void *user, int item, int thread)
{
    struct cox_kim_gather *g = user;
    (void)thread;
    int end = (item + 1) * CHUNK < g->n ? (item + 1) * CHUNK : g->n;
    for (int i = item * CHUNK; i < end; i++) {
        int64_t *start = g->list.start + (int64_t)i * (g->n_types + 1);
        int64_t begin = start[0];
        for (int64_t c = g->first[i]; c < g->first[i + 1]; c++) {
            double dr[3];
            int j = g->place[g->candidate[c]];
            if (!near(g, g->x[i], j, dr))
                continue;
            int64_t at = start[g->type[j]]++;
            g->list.index[at] = j;
            memcpy(g->list.dr[at], dr, sizeof dr);
        }
        /* every begin has become its end, the next one's begin */
        memmove(start + 1, start, (size_t)g->n_types * sizeof *start);
        start[0] = begin;
    }
}

/* Counts become begins; how many there are in all. */
static int64_t add_up(struct cox_kim_gather *g)
{
    int64_t total = 0;
    for (int i = 0; i < g->n; i++) {
        int64_t *start = g->list.start + (int64_t)i * (g->n_types + 1);
        start[0] = total;
        for (int t = 1; t <= g->n_types; t++)
            start[t] += start[t - 1];
        total = start[g->n_types];
    }
    return total;
}

static int reserve_starts(struct cox_neighbours *list, int64_t n)
{
    if (n <= list->start_capacity)
        return COX_OK;
    list->start_capacity = 0;
    cox_free(list->start);
    int64_t more = n + n / 10 + 16;
    list->start = cox_alloc((size_t)more, sizeof *list->start);
    if (!list->start)
        return COX_ENOMEM;
    list->start_capacity = more;
    return COX_OK;
}

static int reserve_pairs(struct cox_neighbours *list, int64_t n)
{
    if (n <= list->capacity)
        return COX_OK;
    list->capacity = 0;
    cox_free(list->index);
    cox_free(list->dr);
    int64_t more = n + n / 10 + 16;
    list->index = cox_alloc((size_t)more, sizeof *list->index);
    list->dr = cox_alloc((size_t)more, sizeof *list->dr);
    if (!list->index || !list->dr)
        return COX_ENOMEM;
    list->capacity = more;
    return COX_OK;
}

int cox_kim_gather_list(struct cox_kim_gather *g, const KIM_ModelComputeArguments *arguments,
                        struct cox_err *err)
{
    int rc = ask(g, arguments, err);
    if (rc)
        return rc;
    struct cox_neighbours *list = &g->list;
    if (reserve_starts(list, (int64_t)g->n * (g->n_types + 1)))
        return no_memory(err);
    int chunks = (g->n + CHUNK - 1) / CHUNK;
    cox_team_run(g->team, chunks, count, g);
    list->n = g->n;
    list->n_types = g->n_types;
    list->total = add_up(g);
    if (reserve_pairs(list, list->total))
        return no_memory(err);
    cox_team_run(g->team, chunks, fill, g);
    return COX_OK;
}
