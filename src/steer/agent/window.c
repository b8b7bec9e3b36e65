/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/agent/window.h"

#include <string.h>

#include "base/mem.h"

#define NEVER (INT32_MAX / 2) /* more often than any max_reuse */

struct cox_agent_ledger {
    int64_t id;
    int32_t used; /* NEVER or more: poisoned */
};

int cox_agent_window_init(struct cox_agent_window *w, const struct cox_system *system,
                          const struct cox_settings *settings, const struct cox_config *config,
                          struct cox_err *err)
{
    *w = (struct cox_agent_window){.size = settings->agent.window,
                                   .lanes = settings->simulation.replicas};
    int rc = cox_frames_init(&w->frames, system, settings, config, err);
    if (rc)
        return rc;
    w->last = cox_alloc((size_t)w->lanes, sizeof *w->last);
    if (!w->last) {
        cox_agent_window_deinit(w);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d lanes",
                           settings->simulation.replicas);
    }
    for (int i = 0; i < w->lanes; i++)
        w->last[i] = -1;
    return COX_OK;
}

void cox_agent_window_deinit(struct cox_agent_window *w)
{
    cox_frames_deinit(&w->frames);
    cox_free(w->id);
    cox_free(w->time_ps);
    cox_free(w->latent);
    cox_free(w->last);
    cox_free(w->ledger);
    *w = (struct cox_agent_window){0};
}

/* ---- what happened to frames ---- */

/* The first entry that is not before `id`. */
static int64_t find(const struct cox_agent_window *w, int64_t id)
{
    int64_t low = 0;
    int64_t high = w->n_ledger;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (w->ledger[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int32_t uses(const struct cox_agent_window *w, int64_t id)
{
    int64_t at = find(w, id);
    return at < w->n_ledger && w->ledger[at].id == id ? w->ledger[at].used : 0;
}

static int add_uses(struct cox_agent_window *w, int64_t id, int32_t more, struct cox_err *err)
{
    int64_t at = find(w, id);
    if (at == w->n_ledger || w->ledger[at].id != id) {
        if (w->n_ledger == w->ledger_capacity) {
            int64_t capacity = w->ledger_capacity ? 2 * w->ledger_capacity : 256;
            struct cox_agent_ledger *bigger =
                cox_realloc(w->ledger, (size_t)capacity, sizeof *bigger);
            if (!bigger)
                return cox_err_set(err, COX_ENOMEM, "out of memory for the uses of frames");
            w->ledger = bigger;
            w->ledger_capacity = capacity;
        }
        memmove(w->ledger + at + 1, w->ledger + at, (size_t)(w->n_ledger - at) * sizeof *w->ledger);
        w->ledger[at] = (struct cox_agent_ledger){.id = id};
        w->n_ledger++;
    }
    if (w->ledger[at].used < NEVER)
        w->ledger[at].used += more;
    for (int64_t row = w->frames.n - 1; row >= 0; row--)
        if (w->id[row] == id)
            w->frames.reuse[row] = w->ledger[at].used;
    return COX_OK;
}

int cox_agent_window_used(struct cox_agent_window *window, int64_t id, struct cox_err *err)
{
    return add_uses(window, id, 1, err);
}

int cox_agent_window_poisoned(struct cox_agent_window *window, int64_t id, struct cox_err *err)
{
    return add_uses(window, id, NEVER, err);
}

/* ---- frames ---- */

static int reserve(struct cox_agent_window *w, int64_t n, struct cox_err *err)
{
    if (n <= w->capacity)
        return COX_OK;
    int64_t capacity = w->capacity ? w->capacity : 1024;
    while (capacity < n)
        capacity += capacity / 2;
    size_t c = (size_t)capacity;
    int64_t *id = cox_realloc(w->id, c, sizeof *id);
    if (id)
        w->id = id;
    double *time_ps = cox_realloc(w->time_ps, c, sizeof *time_ps);
    if (time_ps)
        w->time_ps = time_ps;
    float *latent = cox_realloc(w->latent, c, (size_t)w->n_latent * sizeof *latent);
    if (latent)
        w->latent = latent;
    if (!id || !time_ps || !latent)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a window of %lld frames",
                           (long long)capacity);
    w->capacity = capacity;
    return COX_OK;
}

static void drop(struct cox_agent_window *w, int64_t n)
{
    size_t left = (size_t)(w->frames.n - n);
    size_t d = (size_t)w->n_latent;
    memmove(w->id, w->id + n, left * sizeof *w->id);
    memmove(w->time_ps, w->time_ps + n, left * sizeof *w->time_ps);
    memmove(w->latent, w->latent + (size_t)n * d, left * d * sizeof *w->latent);
    cox_frames_drop(&w->frames, n);
    w->embedded = w->embedded > n ? w->embedded - n : 0;
    for (int i = 0; i < w->lanes; i++)
        w->last[i] = w->last[i] >= n ? w->last[i] - n : -1;
}

int cox_agent_window_append(struct cox_agent_window *w, const struct cox_agent_block *b,
                            struct cox_team *team, struct cox_err *err)
{
    int64_t first = w->frames.n;
    for (int i = 0; i < b->n; i++)
        if (b->lane[i] < 0 || b->lane[i] >= w->lanes)
            return cox_err_set(err, COX_EFORMAT, "frame %lld is of lane %d; this run has %d",
                               (long long)b->id[i], b->lane[i], w->lanes);
    int rc = reserve(w, first + b->n, err);
    if (!rc)
        rc = cox_frames_append(&w->frames, b->n, b->x, b->segment, b->lane, b->round, team, err);
    if (rc)
        return rc;
    for (int i = 0; i < b->n; i++) {
        w->id[first + i] = b->id[i];
        w->time_ps[first + i] = b->time_ps[i];
        w->frames.reuse[first + i] = uses(w, b->id[i]);
        w->last[b->lane[i]] = first + i;
    }
    w->seen += b->n;
    if (w->frames.n > w->size + w->size / 8)
        drop(w, w->frames.n - w->size);
    return COX_OK;
}

int cox_agent_window_model(struct cox_agent_window *w, int n_latent, struct cox_err *err)
{
    size_t rows = (size_t)(w->capacity ? w->capacity : 1);
    float *latent = cox_alloc(rows, (size_t)n_latent * sizeof *latent);
    if (!latent)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu latent vectors", rows);
    cox_free(w->latent);
    w->latent = latent;
    w->n_latent = n_latent;
    /* rows that have left the window are not looked at again */
    w->embedded = w->frames.n > w->size ? w->frames.n - w->size : 0;
    return COX_OK;
}
