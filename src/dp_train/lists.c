/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/lists.h"

#include <math.h>
#include <string.h>

#define WAVE 64 /* frames built side by side */

static int build(struct cox_neighbours *list, const struct cox_dp_lists *l, int system, int frame,
                 struct cox_err *err)
{
    const struct cox_dp_data *d = l->systems->system[system].data;
    struct cox_box box = {.periodic = d->periodic};
    int n;
    const int *type = cox_dp_data_types(d, frame, &n);
    if (d->periodic)
        memcpy(box.h, d->box + (int64_t)frame * 9, sizeof box.h);
    const double *x = d->x + (int64_t)frame * d->n_atoms * 3;
    int rc = cox_neighbours_build(list, n, (const double(*)[3])x, type, l->n_types, &box, l->cutoff,
                                  err);
    return rc ? cox_err_wrap(err, rc, "'%s', frame %d", d->path, frame) : COX_OK;
}

static int64_t size_of(const struct cox_neighbours *list)
{
    int64_t starts = (int64_t)list->n * (list->n_types + 1);
    return starts * (int64_t)sizeof *list->start +
           list->total * (int64_t)(sizeof *list->index + sizeof *list->dr) + 256;
}

/* A copy that has no room to spare. */
static int keep(struct cox_neighbours *out, const struct cox_neighbours *list)
{
    size_t starts = (size_t)list->n * (size_t)(list->n_types + 1);
    size_t total = (size_t)list->total;
    *out = *list;
    out->work = NULL;
    out->start = cox_alloc(starts, sizeof *out->start);
    out->index = cox_alloc(total, sizeof *out->index);
    out->dr = cox_alloc(total, sizeof *out->dr);
    out->capacity = list->total;
    out->start_capacity = (int64_t)starts;
    if (!out->start || !out->index || !out->dr) {
        cox_neighbours_deinit(out);
        cox_neighbours_init(out);
        return COX_ENOMEM;
    }
    memcpy(out->start, list->start, starts * sizeof *out->start);
    memcpy(out->index, list->index, total * sizeof *out->index);
    memcpy(out->dr, list->dr, total * sizeof *out->dr);
    return COX_OK;
}

/* ---- all frames ---- */

struct wave {
    struct cox_dp_lists *lists;
    int64_t first; /* frame of all */
    int n;
    struct cox_neighbours list[WAVE];
    int rc[WAVE];
    struct cox_err err[WAVE];
};

static void locate(const struct cox_dp_systems *s, int64_t frame, int *system, int *within)
{
    int i = 0;
    while (i + 1 < s->n && s->system[i + 1].first_frame <= frame)
        i++;
    *system = i;
    *within = (int)(frame - s->system[i].first_frame);
}

static void build_one(void *user, int item, int thread)
{
    struct wave *w = user;
    int system;
    int frame;
    (void)thread;
    locate(w->lists->systems, w->first + item, &system, &frame);
    w->rc[item] = build(&w->list[item], w->lists, system, frame, &w->err[item]);
}

static void look(struct cox_dp_lists_survey *s, const struct cox_neighbours *list, int64_t frame)
{
    double least = s->min_distance > 0 ? s->min_distance * s->min_distance : INFINITY;
    for (int64_t k = 0; k < list->total; k++) {
        const double *r = list->dr[k];
        double r2 = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
        if (r2 < least)
            least = r2;
    }
    s->min_distance = isfinite(least) ? sqrt(least) : 0;
    for (int i = 0; i < list->n; i++) {
        const int64_t *start = list->start + (int64_t)i * (list->n_types + 1);
        for (int t = 0; t < list->n_types; t++) {
            int n = (int)(start[t + 1] - start[t]);
            if (n > s->most[t]) {
                s->most[t] = n;
                s->most_frame[t] = frame;
            }
        }
    }
}

static int take_wave(struct wave *w, struct cox_dp_lists_survey *survey, struct cox_err *err)
{
    struct cox_dp_lists *l = w->lists;
    for (int i = 0; i < w->n; i++) {
        if (w->rc[i])
            return cox_err_set(err, w->rc[i], "%s", w->err[i].text);
        if (survey)
            look(survey, &w->list[i], w->first + i);
        int64_t size = size_of(&w->list[i]);
        if (l->bytes + size > l->bytes_most)
            continue;
        if (!keep(&l->kept[w->first + i], &w->list[i]))
            l->bytes += size;
        else
            l->bytes_most = l->bytes; /* no more memory: the others are built each time */
    }
    return COX_OK;
}

int cox_dp_lists_build(struct cox_dp_lists *l, struct cox_dp_lists_survey *survey,
                       struct cox_dp_systems *systems, const struct cox_dp_model *model,
                       int64_t bytes, struct cox_team *team, struct cox_err *err)
{
    *l = (struct cox_dp_lists){.systems = systems,
                               .n_types = model->n_types,
                               .cutoff = cox_dp_cutoff(model),
                               .bytes_most = bytes,
                               .n_spare = systems->largest_batch};
    struct wave *w = cox_alloc(1, sizeof *w);
    l->kept = cox_alloc((size_t)systems->frames, sizeof *l->kept);
    l->spare = cox_alloc((size_t)l->n_spare, sizeof *l->spare);
    int rc = w && l->kept && l->spare
                 ? COX_OK
                 : cox_err_set(err, COX_ENOMEM, "out of memory for lists of neighbours");
    for (int i = 0; !rc && i < l->n_spare; i++)
        cox_neighbours_init(&l->spare[i]);
    for (int64_t at = 0; !rc && at < systems->frames; at += WAVE) {
        w->lists = l;
        w->first = at;
        w->n = systems->frames - at < WAVE ? (int)(systems->frames - at) : WAVE;
        cox_team_run(team, w->n, build_one, w);
        rc = take_wave(w, survey, err);
    }
    for (int i = 0; w && i < WAVE; i++)
        cox_neighbours_deinit(&w->list[i]);
    cox_free(w);
    if (rc)
        cox_dp_lists_deinit(l);
    return rc;
}

void cox_dp_lists_deinit(struct cox_dp_lists *l)
{
    for (int64_t i = 0; l->kept && i < l->systems->frames; i++)
        if (l->kept[i].n)
            cox_neighbours_deinit(&l->kept[i]);
    for (int i = 0; l->spare && i < l->n_spare; i++)
        cox_neighbours_deinit(&l->spare[i]);
    cox_free(l->kept);
    cox_free(l->spare);
    *l = (struct cox_dp_lists){0};
}

int cox_dp_lists_get(const struct cox_neighbours **out, struct cox_dp_lists *l, int system,
                     int frame, int slot, struct cox_err *err)
{
    const struct cox_neighbours *kept = &l->kept[l->systems->system[system].first_frame + frame];
    *out = kept;
    if (kept->n)
        return COX_OK;
    *out = &l->spare[slot];
    return build(&l->spare[slot], l, system, frame, err);
}
