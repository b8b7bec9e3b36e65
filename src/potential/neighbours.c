/* SPDX-License-Identifier: BSD-3-Clause */
/* Atoms are wrapped into the box and surrounded by the images that reach into its skin; both are
 * sorted into cells of half the cutoff, and each atom looks through the 5³ cells around its own. */
#include "potential/neighbours.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define CLOSEST_A 1e-4
#define REACH 2             /* cells to each side */
#define MAX_CELLS (1 << 24) /* beyond, cells grow: a few atoms far apart */

struct cox_neighbours_work {
    int n, capacity; /* atoms with their images */
    double (*x)[3];  /* [n] */
    int *origin;     /* [n] atom that this is an image of; the first are the atoms themselves */
    int *next;       /* [n] of the same cell, -1: the last */
    int64_t cells, cell_capacity;
    int *head; /* [cells] */
    double low[3], inverse_width[3];
    int count[3];
};

void cox_neighbours_init(struct cox_neighbours *list)
{
    *list = (struct cox_neighbours){0};
}

void cox_neighbours_deinit(struct cox_neighbours *list)
{
    if (list->work) {
        cox_free(list->work->x);
        cox_free(list->work->origin);
        cox_free(list->work->next);
        cox_free(list->work->head);
    }
    cox_free(list->work);
    cox_free(list->start);
    cox_free(list->index);
    cox_free(list->dr);
    *list = (struct cox_neighbours){0};
}

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for lists of neighbours");
}

static int add_atom(struct cox_neighbours_work *w, const double x[3], int origin,
                    struct cox_err *err)
{
    if (w->n == w->capacity) {
        size_t more = (size_t)w->capacity + (size_t)w->capacity / 2 + 256;
        double(*bigger)[3] = cox_realloc(w->x, more, sizeof *bigger);
        if (bigger)
            w->x = bigger;
        int *origins = cox_realloc(w->origin, more, sizeof *origins);
        if (origins)
            w->origin = origins;
        int *next = cox_realloc(w->next, more, sizeof *next);
        if (next)
            w->next = next;
        if (!bigger || !origins || !next || more > INT32_MAX)
            return no_memory(err);
        w->capacity = (int)more;
    }
    memcpy(w->x[w->n], x, sizeof w->x[0]);
    w->origin[w->n++] = origin;
    return COX_OK;
}

static void cross(const double a[3], const double b[3], double out[3])
{
    for (int k = 0; k < 3; k++)
        out[k] = a[(k + 1) % 3] * b[(k + 2) % 3] - a[(k + 2) % 3] * b[(k + 1) % 3];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* inverse: columns are the reciprocal vectors, s = x · inverse; height: between opposite faces. */
static int invert(const struct cox_box *box, double inverse[3][3], double height[3],
                  struct cox_err *err)
{
    double face[3][3];
    for (int k = 0; k < 3; k++)
        cross(box->h[(k + 1) % 3], box->h[(k + 2) % 3], face[k]);
    double volume = dot(box->h[0], face[0]);
    if (!isfinite(volume) || fabs(volume) < 1e-6)
        return cox_err_set(err, COX_EINVAL, "the box has a volume of %g Å³", volume);
    for (int k = 0; k < 3; k++) {
        height[k] = fabs(volume) / sqrt(dot(face[k], face[k]));
        for (int c = 0; c < 3; c++)
            inverse[c][k] = face[k][c] / volume;
    }
    return COX_OK;
}

/* The atoms, wrapped, then every image within the cutoff of the box. */
static int add_periodic(struct cox_neighbours_work *w, int n, const double (*x)[3],
                        const struct cox_box *box, double cutoff, struct cox_err *err)
{
    double inverse[3][3];
    double height[3];
    double skin[3];
    int images[3];
    int rc = invert(box, inverse, height, err);
    if (rc)
        return rc;
    for (int k = 0; k < 3; k++) {
        skin[k] = cutoff / height[k] * (1 + 1e-12);
        if (skin[k] > 100)
            return cox_err_set(err, COX_EINVAL,
                               "the box is %g Å high, the cutoff %g Å: more than 100 images",
                               height[k], cutoff);
        images[k] = (int)ceil(skin[k]);
    }
    for (int i = 0; !rc && i < n; i++) {
        double wrapped[3] = {x[i][0], x[i][1], x[i][2]};
        for (int k = 0; k < 3; k++) {
            double s = x[i][0] * inverse[0][k] + x[i][1] * inverse[1][k] + x[i][2] * inverse[2][k];
            for (int c = 0; c < 3; c++)
                wrapped[c] -= floor(s) * box->h[k][c];
        }
        rc = add_atom(w, wrapped, i, err);
    }
    for (int a = -images[0]; !rc && a <= images[0]; a++)
        for (int b = -images[1]; !rc && b <= images[1]; b++)
            for (int c = -images[2]; !rc && c <= images[2]; c++) {
                double shift[3];
                for (int k = 0; k < 3; k++)
                    shift[k] = a * box->h[0][k] + b * box->h[1][k] + c * box->h[2][k];
                for (int i = 0; !rc && (a || b || c) && i < n; i++) {
                    double image[3];
                    bool near = true;
                    for (int k = 0; k < 3; k++)
                        image[k] = w->x[i][k] + shift[k];
                    for (int k = 0; near && k < 3; k++) {
                        double s = image[0] * inverse[0][k] + image[1] * inverse[1][k] +
                                   image[2] * inverse[2][k];
                        near = s >= -skin[k] && s <= 1 + skin[k];
                    }
                    if (near)
                        rc = add_atom(w, image, i, err);
                }
            }
    return rc;
}

static int64_t cell_of(const struct cox_neighbours_work *w, const double x[3], int at[3])
{
    for (int k = 0; k < 3; k++) {
        at[k] = (int)((x[k] - w->low[k]) * w->inverse_width[k]);
        if (at[k] >= w->count[k])
            at[k] = w->count[k] - 1;
    }
    return ((int64_t)at[0] * w->count[1] + at[1]) * w->count[2] + at[2];
}

static int sort_into_cells(struct cox_neighbours_work *w, double cutoff, struct cox_err *err)
{
    double high[3];
    double width = cutoff / REACH;
    memcpy(w->low, w->x[0], sizeof w->low);
    memcpy(high, w->x[0], sizeof high);
    for (int i = 1; i < w->n; i++)
        for (int k = 0; k < 3; k++) {
            w->low[k] = fmin(w->low[k], w->x[i][k]);
            high[k] = fmax(high[k], w->x[i][k]);
        }
    for (;; width *= 2) {
        double cells = 1;
        for (int k = 0; k < 3; k++)
            cells *= floor((high[k] - w->low[k]) / width) + 1;
        if (cells <= MAX_CELLS)
            break;
    }
    w->cells = 1;
    for (int k = 0; k < 3; k++) {
        w->count[k] = (int)floor((high[k] - w->low[k]) / width) + 1;
        w->inverse_width[k] = 1 / width;
        w->cells *= w->count[k];
    }
    if (w->cells > w->cell_capacity) {
        int *bigger = cox_realloc(w->head, (size_t)w->cells, sizeof *bigger);
        if (!bigger)
            return no_memory(err);
        w->head = bigger;
        w->cell_capacity = w->cells;
    }
    memset(w->head, 0xff, (size_t)w->cells * sizeof *w->head);
    for (int i = w->n - 1; i >= 0; i--) {
        int at[3];
        int64_t cell = cell_of(w, w->x[i], at);
        w->next[i] = w->head[cell];
        w->head[cell] = i;
    }
    return COX_OK;
}

static int reserve(struct cox_neighbours *list, int64_t total, struct cox_err *err)
{
    if (total <= list->capacity)
        return COX_OK;
    int64_t more = total + total / 4 + 1024;
    int *index = cox_realloc(list->index, (size_t)more, sizeof *index);
    if (index)
        list->index = index;
    double(*dr)[3] = cox_realloc(list->dr, (size_t)more, sizeof *dr);
    if (dr)
        list->dr = dr;
    if (!index || !dr)
        return no_memory(err);
    list->capacity = more;
    return COX_OK;
}

/* One atom: `pass` 0 counts its neighbours by type into count[]; 1 writes them, count[] then being
 * where each type goes on. */
static int look_around(struct cox_neighbours *list, int i, const int *type, double cutoff, int pass,
                       int64_t *count, struct cox_err *err)
{
    const struct cox_neighbours_work *w = list->work;
    int at[3];
    cell_of(w, w->x[i], at);
    int low[3];
    int high[3];
    for (int k = 0; k < 3; k++) {
        low[k] = at[k] > REACH ? at[k] - REACH : 0;
        high[k] = at[k] + REACH < w->count[k] ? at[k] + REACH : w->count[k] - 1;
    }
    for (int a = low[0]; a <= high[0]; a++)
        for (int b = low[1]; b <= high[1]; b++)
            for (int c = low[2]; c <= high[2]; c++)
                for (int j = w->head[((int64_t)a * w->count[1] + b) * w->count[2] + c]; j >= 0;
                     j = w->next[j]) {
                    double d[3];
                    for (int k = 0; k < 3; k++)
                        d[k] = w->x[j][k] - w->x[i][k];
                    double r2 = dot(d, d);
                    if (j == i || r2 > cutoff * cutoff)
                        continue;
                    if (r2 < CLOSEST_A * CLOSEST_A)
                        return cox_err_set(err, COX_EINVAL,
                                           "atoms %d and %d are %g Å apart: on top of each other",
                                           i, w->origin[j], sqrt(r2));
                    int64_t *to = &count[type[w->origin[j]]];
                    if (pass) {
                        list->index[*to] = w->origin[j];
                        memcpy(list->dr[*to], d, sizeof d);
                    }
                    ++*to;
                }
    return COX_OK;
}

static int check(int n, const double (*x)[3], const int *type, int n_types, struct cox_err *err)
{
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i][0]) || !isfinite(x[i][1]) || !isfinite(x[i][2]))
            return cox_err_set(err, COX_EINVAL, "atom %d stands at (%g, %g, %g)", i, x[i][0],
                               x[i][1], x[i][2]);
        if (type[i] < 0 || type[i] >= n_types)
            return cox_err_set(err, COX_EINVAL, "atom %d is of type %d; types go from 0 to %d", i,
                               type[i], n_types - 1);
    }
    return COX_OK;
}

static int fill(struct cox_neighbours *list, const int *type, double cutoff, struct cox_err *err)
{
    int64_t count[64];
    int stride = list->n_types + 1;
    int rc = COX_OK;
    list->total = 0;
    for (int i = 0; !rc && i < list->n; i++) {
        int64_t *start = list->start + (int64_t)i * stride;
        memset(count, 0, sizeof count);
        rc = look_around(list, i, type, cutoff, 0, count, err);
        for (int t = 0; t < list->n_types; t++) {
            start[t] = list->total;
            list->total += count[t];
        }
        start[list->n_types] = list->total;
        if (!rc)
            rc = reserve(list, list->total, err);
        memcpy(count, start, (size_t)list->n_types * sizeof *count);
        if (!rc)
            rc = look_around(list, i, type, cutoff, 1, count, err);
    }
    return rc;
}

int cox_neighbours_build(struct cox_neighbours *list, int n, const double (*x)[3], const int *type,
                         int n_types, const struct cox_box *box, double cutoff, struct cox_err *err)
{
    int rc = check(n, x, type, n_types, err);
    int64_t starts = (int64_t)n * (n_types + 1);
    if (!rc && !list->work && !(list->work = cox_alloc(1, sizeof *list->work)))
        rc = no_memory(err);
    if (!rc && starts > list->start_capacity) {
        int64_t *bigger = cox_realloc(list->start, (size_t)starts, sizeof *bigger);
        if (bigger) {
            list->start = bigger;
            list->start_capacity = starts;
        } else {
            rc = no_memory(err);
        }
    }
    if (rc)
        return rc;
    list->n = n;
    list->n_types = n_types;
    list->work->n = 0;
    if (box && box->periodic)
        rc = add_periodic(list->work, n, x, box, cutoff, err);
    else
        for (int i = 0; !rc && i < n; i++)
            rc = add_atom(list->work, x[i], i, err);
    list->total = 0;
    if (!rc && n)
        rc = sort_into_cells(list->work, cutoff, err);
    if (!rc && n)
        rc = fill(list, type, cutoff, err);
    return rc;
}
