/* SPDX-License-Identifier: BSD-3-Clause */
/* Atoms are wrapped into the box and surrounded by the images that reach into its skin; all are
 * sorted into cells of half the cutoff, those of a row of cells one behind the other, and each atom
 * looks through the 5 × 5 rows of 5 cells around its own. First every share of atoms notes who is
 * near, then, when the places in the list are known, writes it down. */
#include "potential/neighbours.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define CLOSEST_A 1e-4
#define REACH 2             /* cells to each side */
#define MAX_CELLS (1 << 24) /* beyond, cells grow: a few atoms far apart */
#define SHARE 256           /* atoms of an item of work, at least */
#define MAX_SHARES 64

/* What a share of the atoms found: places in `sorted` of the neighbours of its atoms. */
struct share {
    int first, end;
    int *found;
    int64_t n, capacity;
    int64_t total; /* of the shares before */
    int status, near[2];
} __attribute__((aligned(64))); /* of its own cache line: threads count in it */

struct sorted {
    double x[3];
    int origin, type;
};

struct cox_neighbours_work {
    int n, capacity; /* atoms with their images */
    double (*x)[3];  /* [n] */
    int *origin;     /* [n] atom that this is an image of; the first are the atoms themselves */
    int *cell;       /* [n] */
    struct sorted *sorted; /* [n] by cell */
    int *place;            /* [n] in `sorted` */
    int64_t cells, cell_capacity;
    int *first; /* [cells + 1] in `sorted` */
    double low[3], inverse_width[3];
    int count[3];
    struct share share[MAX_SHARES];
    int shares;
    /* the call */
    double cutoff2;
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
        cox_free(list->work->cell);
        cox_free(list->work->sorted);
        cox_free(list->work->place);
        cox_free(list->work->first);
        for (int i = 0; i < MAX_SHARES; i++)
            cox_free(list->work->share[i].found);
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

static int grow(struct cox_neighbours_work *w, struct cox_err *err)
{
    const size_t more = (size_t)w->capacity + (size_t)w->capacity / 2 + 256;
    double(*x)[3] = cox_realloc(w->x, more, sizeof *x);
    w->x = x ? x : w->x;
    int *origin = cox_realloc(w->origin, more, sizeof *origin);
    w->origin = origin ? origin : w->origin;
    int *cell = cox_realloc(w->cell, more, sizeof *cell);
    w->cell = cell ? cell : w->cell;
    int *place = cox_realloc(w->place, more, sizeof *place);
    w->place = place ? place : w->place;
    struct sorted *sorted = cox_realloc(w->sorted, more, sizeof *sorted);
    w->sorted = sorted ? sorted : w->sorted;
    if (!x || !origin || !cell || !place || !sorted || more > INT32_MAX)
        return no_memory(err);
    w->capacity = (int)more;
    return COX_OK;
}

static int add_atom(struct cox_neighbours_work *w, const double x[3], int origin,
                    struct cox_err *err)
{
    int rc = w->n == w->capacity ? grow(w, err) : COX_OK;
    if (rc)
        return rc;
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

/* Images of the wrapped atoms by (a, b, c) edges that come within `skin` heights of the box. */
static int add_images(struct cox_neighbours_work *w, int n, const struct cox_box *box,
                      const double inverse[3][3], const double skin[3], const int by[3],
                      struct cox_err *err)
{
    double shift[3];
    int rc = COX_OK;
    for (int k = 0; k < 3; k++)
        shift[k] = by[0] * box->h[0][k] + by[1] * box->h[1][k] + by[2] * box->h[2][k];
    for (int i = 0; !rc && i < n; i++) {
        const double *x = w->x[i];
        bool near = true;
        for (int k = 0; near && k < 3; k++) {
            const double s =
                x[0] * inverse[0][k] + x[1] * inverse[1][k] + x[2] * inverse[2][k] + by[k];
            near = s >= -skin[k] && s <= 1 + skin[k];
        }
        if (near) {
            const double image[3] = {x[0] + shift[0], x[1] + shift[1], x[2] + shift[2]};
            rc = add_atom(w, image, i, err);
        }
    }
    return rc;
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
                const int by[3] = {a, b, c};
                if (a || b || c)
                    rc = add_images(w, n, box, (const double(*)[3])inverse, skin, by, err);
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

static int sort_into_cells(struct cox_neighbours_work *w, const int *type, double cutoff,
                           struct cox_err *err)
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
    if (w->cells + 2 > w->cell_capacity) {
        int *bigger = cox_realloc(w->first, (size_t)w->cells + 2, sizeof *bigger);
        if (!bigger)
            return no_memory(err);
        w->first = bigger;
        w->cell_capacity = w->cells + 2;
    }
    /* counting sort: first[c + 2] counts cell c, then first[c + 1] is where it goes on */
    memset(w->first, 0, (size_t)(w->cells + 2) * sizeof *w->first);
    for (int i = 0; i < w->n; i++) {
        int at[3];
        w->cell[i] = (int)cell_of(w, w->x[i], at);
        w->first[w->cell[i] + 2]++;
    }
    for (int64_t c = 2; c < w->cells + 2; c++)
        w->first[c] += w->first[c - 1];
    for (int i = 0; i < w->n; i++) {
        struct sorted *to = &w->sorted[w->place[i] = w->first[w->cell[i] + 1]++];
        memcpy(to->x, w->x[i], sizeof to->x);
        to->origin = w->origin[i];
        to->type = type[w->origin[i]];
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

static int reserve_found(struct share *s, int64_t more)
{
    if (s->n + more <= s->capacity)
        return COX_OK;
    const int64_t bigger = s->n + more + s->capacity / 2 + 1024;
    int *found = cox_realloc(s->found, (size_t)bigger, sizeof *found);
    if (!found)
        return COX_ENOMEM;
    s->found = found;
    s->capacity = bigger;
    return COX_OK;
}

/* Who is near atom i, to the share's list. */
static int look_around(const struct cox_neighbours_work *w, struct share *s, int i)
{
    const double x = w->x[i][0], y = w->x[i][1], z = w->x[i][2];
    const int self = w->place[i];
    int at[3], low[3], high[3];
    cell_of(w, w->x[i], at);
    for (int k = 0; k < 3; k++) {
        low[k] = at[k] > REACH ? at[k] - REACH : 0;
        high[k] = at[k] + REACH < w->count[k] ? at[k] + REACH : w->count[k] - 1;
    }
    for (int a = low[0]; a <= high[0]; a++)
        for (int b = low[1]; b <= high[1]; b++) {
            const int *row = w->first + ((int64_t)a * w->count[1] + b) * w->count[2];
            const int first = row[low[2]], end = row[high[2] + 1];
            if (reserve_found(s, end - first))
                return COX_ENOMEM;
            int *found = s->found + s->n, n = 0;
            for (int j = first; j < end; j++) { /* written in any case: no jump to guess wrong */
                const double *p = w->sorted[j].x;
                const double dx = p[0] - x, dy = p[1] - y, dz = p[2] - z;
                found[n] = j;
                n += (dx * dx + dy * dy + dz * dz <= w->cutoff2) & (j != self);
            }
            s->n += n;
        }
    return COX_OK;
}

/* First, start[i][t + 1] are numbers of neighbours of type t, start[i][0] of all. */
static void look(void *user, int item, int thread)
{
    const struct cox_neighbours *list = user;
    const struct cox_neighbours_work *w = list->work;
    struct share *s = &list->work->share[item];
    (void)thread;
    s->n = 0;
    s->status = COX_OK;
    for (int i = s->first; !s->status && i < s->end; i++) {
        int64_t *start = list->start + (int64_t)i * (list->n_types + 1);
        const int64_t from = s->n;
        s->status = look_around(w, s, i);
        memset(start, 0, (size_t)(list->n_types + 1) * sizeof *start);
        for (int64_t k = from; !s->status && k < s->n; k++)
            start[w->sorted[s->found[k]].type + 1]++;
        start[0] = s->n - from;
    }
}

static void write_down(void *user, int item, int thread)
{
    const struct cox_neighbours *list = user;
    const struct cox_neighbours_work *w = list->work;
    struct share *s = &list->work->share[item];
    const int *found = s->found;
    int64_t total = s->total;
    (void)thread;
    for (int i = s->first; i < s->end; i++) {
        int64_t *start = list->start + (int64_t)i * (list->n_types + 1);
        const int64_t n = start[0];
        int64_t go_on[64];
        start[0] = total;
        for (int t = 0; t < list->n_types; t++) {
            go_on[t] = start[t];
            start[t + 1] += start[t];
        }
        for (int64_t k = 0; k < n; k++) {
            const struct sorted *other = &w->sorted[*found++];
            const int64_t to = go_on[other->type]++;
            double *d = list->dr[to];
            for (int c = 0; c < 3; c++)
                d[c] = other->x[c] - w->x[i][c];
            list->index[to] = other->origin;
            if (dot(d, d) < CLOSEST_A * CLOSEST_A) {
                s->status = COX_EINVAL;
                s->near[0] = i;
                s->near[1] = other->origin;
            }
        }
        total += n;
    }
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

static int fill(struct cox_neighbours *list, struct cox_err *err)
{
    struct cox_neighbours_work *w = list->work;
    int most = (list->n + SHARE - 1) / SHARE;
    if (most < cox_team_threads(list->team)) /* few atoms: a share for each thread */
        most = cox_team_threads(list->team);
    w->shares = most < MAX_SHARES ? most : MAX_SHARES;
    for (int i = 0; i < w->shares; i++) {
        w->share[i].first = (int)((int64_t)list->n * i / w->shares);
        w->share[i].end = (int)((int64_t)list->n * (i + 1) / w->shares);
    }
    cox_team_run(list->team, w->shares, look, list);
    list->total = 0;
    for (int i = 0; i < w->shares; i++) {
        if (w->share[i].status)
            return no_memory(err);
        w->share[i].total = list->total;
        list->total += w->share[i].n;
    }
    int rc = reserve(list, list->total, err);
    if (!rc)
        cox_team_run(list->team, w->shares, write_down, list);
    for (int i = 0; !rc && i < w->shares; i++)
        if (w->share[i].status)
            rc = cox_err_set(err, w->share[i].status,
                             "atoms %d and %d are less than %g Å apart: on top of each other",
                             w->share[i].near[0], w->share[i].near[1], CLOSEST_A);
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
    list->work->cutoff2 = cutoff * cutoff;
    if (box && box->periodic)
        rc = add_periodic(list->work, n, x, box, cutoff, err);
    else
        for (int i = 0; !rc && i < n; i++)
            rc = add_atom(list->work, x[i], i, err);
    list->total = 0;
    if (!rc && n)
        rc = sort_into_cells(list->work, type, cutoff, err);
    if (!rc && n)
        rc = fill(list, err);
    return rc;
}
