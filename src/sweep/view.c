/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/view.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

/* The ledger's tables become lists that double; the arena keeps what they leave behind, at most as
 * much again. */
struct list {
    void *items;
    int n, room;
    size_t size; /* of an item */
};

struct reading {
    struct cox_sweep_view *view;
    struct list batches, models, attempts, servers;
    struct cox_err *err;
};

static int append(struct reading *r, struct list *list, const void *item)
{
    if (list->n == list->room) {
        int room = list->room ? 2 * list->room : 64;
        char *more = cox_arena_alloc(r->view->arena, (size_t)room, list->size);
        if (!more)
            return cox_err_set(r->err, COX_ENOMEM, "out of memory");
        if (list->n)
            memcpy(more, list->items, (size_t)list->n * list->size);
        list->items = more;
        list->room = room;
    }
    memcpy((char *)list->items + (size_t)list->n++ * list->size, item, list->size);
    return COX_OK;
}

static int take_batch(void *user, const struct cox_ledger_batch *batch)
{
    struct reading *r = user;
    return append(r, &r->batches, batch);
}

static int take_model(void *user, const struct cox_ledger_model *model)
{
    struct reading *r = user;
    return append(r, &r->models, model);
}

static int take_server(void *user, const struct cox_ledger_server *server)
{
    struct reading *r = user;
    return append(r, &r->servers, server);
}

/* The last attempt's words are the point's, unless it has a value: then they are of an attempt that
 * was stopped or is of no concern any more. */
static int take_attempt(void *user, const struct cox_ledger_attempt *attempt)
{
    struct reading *r = user;
    struct cox_sweep_view *v = r->view;
    if (attempt->point >= 0 && attempt->point < v->points.n) {
        struct cox_sweep_row *row = &v->row[attempt->point];
        if (row->state != COX_POINT_SIMULATED && row->state != COX_POINT_PREDICTED)
            snprintf(row->reason, sizeof row->reason, "%s", attempt->reason);
        row->seed = attempt->seed;
    }
    return append(r, &r->attempts, attempt);
}

/* Rows of the ledger beyond the design are of an earlier bag.yaml: not shown. */
static int take_point(void *user, const struct cox_ledger_point *point)
{
    struct reading *r = user;
    struct cox_sweep_view *v = r->view;
    if (point->id >= 0 && point->id < v->points.n) {
        v->row[point->id].state = point->state;
        v->row[point->id].purpose = point->purpose;
    }
    return COX_OK;
}

static const double *copy(struct cox_sweep_view *v, const double *from, int n)
{
    double *to = from ? cox_arena_alloc(v->arena, (size_t)n, sizeof *to) : NULL;
    if (to)
        memcpy(to, from, (size_t)n * sizeof *to);
    return to;
}

static int take_shape(struct reading *r, const struct cox_ledger_result *result)
{
    struct cox_sweep_view *v = r->view;
    size_t n = (size_t)result->n_outputs + 1;
    v->first = cox_arena_alloc(v->arena, n, sizeof *v->first);
    if (!v->first)
        return cox_err_set(r->err, COX_ENOMEM, "out of memory");
    memcpy(v->first, result->first, n * sizeof *v->first);
    v->n_outputs = result->n_outputs;
    v->n_values = result->n;
    return COX_OK;
}

static int take_result(void *user, const struct cox_ledger_result *result)
{
    struct reading *r = user;
    struct cox_sweep_view *v = r->view;
    if (result->point < 0 || result->point >= v->points.n)
        return COX_OK;
    int rc = v->first ? COX_OK : take_shape(r, result);
    if (rc)
        return rc;
    if (result->n != v->n_values || result->n_outputs != v->n_outputs)
        return cox_err_set(
            r->err, COX_EFORMAT, "point %lld has %d values in %d outputs, others have %d in %d",
            (long long)result->point, result->n, result->n_outputs, v->n_values, v->n_outputs);
    struct cox_sweep_row *row = &v->row[result->point];
    row->attempt = result->attempt;
    row->model = result->model;
    row->value = copy(v, result->value, result->n);
    row->error = copy(v, result->error, result->n);
    row->spread = copy(v, result->spread, result->n);
    if (!row->value || !row->error || (result->spread && !row->spread))
        return cox_err_set(r->err, COX_ENOMEM, "out of memory");
    return COX_OK;
}

static int read_ledger(struct reading *r, struct cox_ledger *ledger, struct cox_err *err)
{
    int rc = cox_ledger_points(ledger, take_point, r, err);
    if (!rc)
        rc = cox_ledger_attempts(ledger, take_attempt, r, err);
    if (!rc)
        rc = cox_ledger_results(ledger, take_result, r, err);
    if (!rc)
        rc = cox_ledger_models(ledger, take_model, r, err);
    if (!rc)
        rc = cox_ledger_batches(ledger, take_batch, r, err);
    if (!rc)
        rc = cox_ledger_servers(ledger, take_server, r, err);
    struct cox_sweep_view *v = r->view;
    v->batch = r->batches.items;
    v->n_batches = r->batches.n;
    v->model = r->models.items;
    v->n_models = r->models.n;
    v->attempt = r->attempts.items;
    v->n_attempts = r->attempts.n;
    v->server = r->servers.items;
    v->n_servers = r->servers.n;
    return rc;
}

/* Without the checks of a new sweep: its templates and programs may be gone by now. */
static int read_design(struct cox_sweep_view *v, const char *directory, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_config *config = NULL;
    int rc = cox_path_join(path, sizeof path, directory, "config.yaml", err);
    if (!rc && !cox_file_exists(path))
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' is not the directory of a sweep: it has no %s",
                         directory, "config.yaml");
    if (!rc)
        rc = cox_sweep_settings_view(&v->settings, &config, path, v->arena, err);
    if (!rc && v->settings.design.kind == COX_DESIGN_FILE) {
        rc = cox_path_join(path, sizeof path, directory, "design.csv", err);
        v->settings.design.file = rc ? NULL : cox_arena_strdup(v->arena, path);
        if (!rc && !v->settings.design.file)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    }
    if (!rc)
        rc = cox_points_create(&v->points, &v->settings, config, err);
    if (!rc) {
        v->row = cox_arena_alloc(v->arena, (size_t)v->points.n, sizeof *v->row);
        if (!v->row)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d points", v->points.n);
    }
    for (int i = 0; !rc && i < v->points.n; i++)
        v->row[i].attempt = v->row[i].model = -1;
    return rc;
}

int cox_sweep_view_open(struct cox_sweep_view *out, const char *directory, struct cox_err *err)
{
    struct cox_ledger *ledger = NULL;
    char path[PATH_MAX];
    memset(out, 0, sizeof *out);
    out->arena = cox_arena_create();
    if (!out->arena)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    struct reading r = {.view = out,
                        .batches = {.size = sizeof *out->batch},
                        .models = {.size = sizeof *out->model},
                        .attempts = {.size = sizeof *out->attempt},
                        .servers = {.size = sizeof *out->server},
                        .err = err};
    int rc = read_design(out, directory, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, "ledger.db", err);
    if (!rc)
        rc = cox_ledger_open_read(&ledger, path, err);
    if (!rc)
        rc = read_ledger(&r, ledger, err);
    cox_ledger_destroy(ledger);
    if (rc)
        cox_sweep_view_close(out);
    return rc;
}

void cox_sweep_view_close(struct cox_sweep_view *view)
{
    cox_points_deinit(&view->points);
    cox_arena_destroy(view->arena);
    memset(view, 0, sizeof *view);
}
