/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/api_list.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

#define SHARE 256 /* centres that one thread takes at a time */
#define CLOSEST_A 1e-4

/* What the threads work on. */
struct taking {
    struct cox_neighbours *list;
    const struct cox_potential_list *given;
    int n;
    const double (*x)[3];
    const int *type;
    double cutoff2;
    _Atomic int64_t wrong; /* place in given->neighbour of what cannot be; -1: none. The first */
};

static double between(const struct taking *t, int i, int j, double dr[3])
{
    for (int k = 0; k < 3; k++)
        dr[k] = t->x[j][k] - t->x[i][k];
    return dr[0] * dr[0] + dr[1] * dr[1] + dr[2] * dr[2];
}

static void note(struct taking *t, int64_t place)
{
    int64_t known = t->wrong;
    while ((known < 0 || place < known) && !atomic_compare_exchange_weak(&t->wrong, &known, place))
        ;
}

/* How many of each type: start[t + 1] of the centre's entries, for the time being. */
static void count(void *user, int item, int thread)
{
    struct taking *t = user;
    const int width = t->list->n_types + 1;
    (void)thread;
    for (int i = item * SHARE; i < t->list->n && i < (item + 1) * SHARE; i++) {
        int64_t *start = t->list->start + (int64_t)i * width;
        memset(start, 0, (size_t)width * sizeof *start);
        for (int64_t c = t->given->first[i]; c < t->given->first[i + 1]; c++) {
            const int j = t->given->neighbour[c];
            double dr[3];
            if (j < 0 || j >= t->n || j == i) {
                note(t, c);
                break;
            }
            const double r2 = between(t, i, j, dr);
            if (r2 < CLOSEST_A * CLOSEST_A)
                note(t, c);
            if (r2 <= t->cutoff2)
                start[t->type[j] + 1]++;
        }
    }
}

static void fill(void *user, int item, int thread)
{
    struct taking *t = user;
    struct cox_neighbours *list = t->list;
    (void)thread;
    for (int i = item * SHARE; i < list->n && i < (item + 1) * SHARE; i++) {
        int64_t *start = list->start + (int64_t)i * (list->n_types + 1);
        const int64_t begin = start[0];
        for (int64_t c = t->given->first[i]; c < t->given->first[i + 1]; c++) {
            const int j = t->given->neighbour[c];
            double dr[3];
            if (between(t, i, j, dr) > t->cutoff2)
                continue;
            const int64_t at = start[t->type[j]]++;
            list->index[at] = j;
            memcpy(list->dr[at], dr, sizeof dr);
        }
        /* every begin has become its end, which is the next one's begin */
        memmove(start + 1, start, (size_t)list->n_types * sizeof *start);
        start[0] = begin;
    }
}

/* Counts become begins. */
static void add_up(struct cox_neighbours *list)
{
    list->total = 0;
    for (int i = 0; i < list->n; i++) {
        int64_t *start = list->start + (int64_t)i * (list->n_types + 1);
        start[0] = list->total;
        for (int k = 1; k <= list->n_types; k++)
            start[k] += start[k - 1];
        list->total = start[list->n_types];
    }
}

/* A tenth more than is needed: atoms move. */
static int64_t generous(int64_t n)
{
    return n + n / 10 + 16;
}

static bool reserve_starts(struct cox_neighbours *list, int64_t n)
{
    if (n <= list->start_capacity)
        return true;
    list->start_capacity = 0;
    cox_free(list->start);
    list->start = cox_alloc((size_t)generous(n), sizeof *list->start);
    list->start_capacity = list->start ? generous(n) : 0;
    return list->start;
}

static bool reserve_pairs(struct cox_neighbours *list, int64_t n)
{
    if (n <= list->capacity)
        return true;
    list->capacity = 0;
    cox_free(list->index);
    cox_free(list->dr);
    list->index = cox_alloc((size_t)generous(n), sizeof *list->index);
    list->dr = cox_alloc((size_t)generous(n), sizeof *list->dr);
    list->capacity = list->index && list->dr ? generous(n) : 0;
    return list->capacity;
}

static int check_shape(const struct cox_potential_list *given, int n, struct cox_err *err)
{
    if (given->n_centres < 0 || given->n_centres > n)
        return cox_err_set(err, COX_EINVAL, "%d centres among %d atoms", given->n_centres, n);
    if (!given->n_centres)
        return COX_OK;
    if (!given->first)
        return cox_err_set(err, COX_EINVAL, "a list of neighbours needs `first`");
    for (int i = 0; i < given->n_centres; i++)
        if (given->first[i] < 0 || given->first[i + 1] < given->first[i])
            return cox_err_set(err, COX_EINVAL,
                               "the neighbours of centre %d begin at %lld and end at %lld", i,
                               (long long)given->first[i], (long long)given->first[i + 1]);
    if (given->first[given->n_centres] && !given->neighbour)
        return cox_err_set(err, COX_EINVAL, "a list of neighbours needs `neighbour`");
    return COX_OK;
}

static int complain(const struct taking *t, struct cox_err *err)
{
    int i = 0;
    while (t->given->first[i + 1] <= t->wrong)
        i++;
    const int j = t->given->neighbour[t->wrong];
    if (j == i)
        return cox_err_set(err, COX_EINVAL, "atom %d is among its own neighbours", i);
    if (j < 0 || j >= t->n)
        return cox_err_set(err, COX_EINVAL, "a neighbour of atom %d is atom %d, of 0 … %d", i, j,
                           t->n - 1);
    return cox_err_set(err, COX_EINVAL, "atoms %d and %d are closer than %g Å", i, j, CLOSEST_A);
}

int cox_dp_take_list(struct cox_neighbours *list, const struct cox_potential_list *given, int n,
                     const double (*x)[3], const int *type, int n_types, double cutoff_A,
                     struct cox_err *err)
{
    struct taking t = {.list = list,
                       .given = given,
                       .n = n,
                       .x = x,
                       .type = type,
                       .cutoff2 = cutoff_A * cutoff_A,
                       .wrong = -1};
    int rc = check_shape(given, n, err);
    if (rc)
        return rc;
    const int shares = (given->n_centres + SHARE - 1) / SHARE;
    if (!reserve_starts(list, (int64_t)given->n_centres * (n_types + 1)))
        return cox_err_set(err, COX_ENOMEM, "out of memory for lists of neighbours");
    list->n = given->n_centres;
    list->n_types = n_types;
    cox_team_run(list->team, shares, count, &t);
    if (t.wrong >= 0)
        return complain(&t, err);
    add_up(list);
    if (!reserve_pairs(list, list->total))
        return cox_err_set(err, COX_ENOMEM, "out of memory for lists of neighbours");
    cox_team_run(list->team, shares, fill, &t);
    return COX_OK;
}
