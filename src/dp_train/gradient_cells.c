/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/gradient_cells.h"

#include <math.h>
#include <string.h>

#include "kern/gemm.h"

#define ORDER COX_DP_ORDER
/* Width of a cell before any halving, in units of s̃. */
#define WIDEST 4.0
#define MOST_HALVINGS 12
/* Beyond, s̃ would need too long a list of cells. */
#define MOST_WIDEST (1 << 21)
/* Cells of one item of work. */
#define CHUNK 8

struct net {
    double low;
    int widest;       /* one more than the last of the widest cells that are in use */
    int capacity;     /* of rank */
    int *rank;        /* [capacity] of a widest cell among those in use, −1 */
    int used, halved; /* widest cells in use; how often each is halved */
    int first;        /* of its cells in the tables */
    int *place;       /* [used] the widest cell of each rank */
    int place_capacity;
    double *x[COX_DP_MAX_LAYERS + 1], *h[COX_DP_MAX_LAYERS]; /* [units][row] at the places */
    double *back[2];                                         /* [widest layer][row] */
    size_t row, row_capacity;
};

struct cox_dp_cells {
    struct cox_dp_cells_setup setup;
    const struct cox_dp_gradient_kernels *k; /* in double */
    struct net *net;
    double node[ORDER], to_series[ORDER][ORDER]; /* coefficient k = Σ to_series[k][i] G(node i) */
    int cells, capacity;
    void *table, *turned;
    double *scratch; /* [items][2 · ORDER · stride] */
    int scratch_capacity, items, item_capacity;
    struct item {
        int net, first, n; /* cells of the net */
        double tail, largest;
    } * item;
    const double *parameters;
};

ptrdiff_t cox_dp_flatten(struct cox_dp_flat_net *out, const struct cox_dp_net *net, ptrdiff_t first)
{
    out->n = net->n;
    out->first = first;
    for (int k = 0; k < net->n; k++) {
        const struct cox_dp_layer *l = &net->layer[k];
        struct cox_dp_flat_layer *f = &out->layer[k];
        *f = (struct cox_dp_flat_layer){
            .in = l->in, .out = l->out, .skip = l->skip != COX_DP_SKIP_NONE, .linear = l->linear};
        f->w = first;
        f->b = f->w + (ptrdiff_t)l->in * l->out;
        f->idt = l->idt ? f->b + l->out : -1;
        first = f->b + (l->idt ? 2 : 1) * (ptrdiff_t)l->out;
    }
    out->end = first;
    return first;
}

int cox_dp_cells_create(struct cox_dp_cells **out, const struct cox_dp_cells_setup *setup)
{
    struct cox_dp_cells *c = *out = cox_alloc(1, sizeof *c);
    if (!c)
        return COX_ENOMEM;
    c->setup = *setup;
    c->k = cox_dp_gradient_kernels_f64();
    c->net = cox_alloc((size_t)setup->n, sizeof *c->net);
    if (!c->net)
        return COX_ENOMEM;
    for (int i = 0; i < setup->n; i++)
        c->net[i].low = setup->low[i];
    const double pi = 3.14159265358979323846;
    for (int i = 0; i < ORDER; i++) {
        c->node[i] = cos(pi * (i + 0.5) / ORDER);
        for (int k = 0; k < ORDER; k++)
            c->to_series[k][i] = (k ? 2.0 : 1.0) / ORDER * cos(pi * k * (i + 0.5) / ORDER);
    }
    return COX_OK;
}

static void free_net(struct net *n)
{
    for (int k = 0; k <= COX_DP_MAX_LAYERS; k++)
        cox_free(n->x[k]);
    for (int k = 0; k < COX_DP_MAX_LAYERS; k++)
        cox_free(n->h[k]);
    memset(n->x, 0, sizeof n->x);
    memset(n->h, 0, sizeof n->h);
    for (int k = 0; k < 2; k++) {
        cox_free(n->back[k]);
        n->back[k] = NULL;
    }
    n->row_capacity = 0;
}

void cox_dp_cells_destroy(struct cox_dp_cells *c)
{
    if (!c)
        return;
    for (int i = 0; c->net && i < c->setup.n; i++) {
        free_net(&c->net[i]);
        cox_free(c->net[i].rank);
        cox_free(c->net[i].place);
    }
    cox_free(c->net);
    cox_free(c->table);
    cox_free(c->turned);
    cox_free(c->scratch);
    cox_free(c->item);
    cox_free(c);
}

/* ---- which cells ---- */

void cox_dp_cells_begin(struct cox_dp_cells *c)
{
    for (int i = 0; i < c->setup.n; i++) {
        struct net *n = &c->net[i];
        for (int k = 0; k < n->widest; k++)
            n->rank[k] = -1;
        n->widest = n->used = n->halved = 0;
    }
}

/* Room for the widest cells 0 … last of a net. */
static int reach(struct net *n, int last)
{
    if (last >= n->capacity) {
        int more = 2 * last + 16;
        int *rank = cox_realloc(n->rank, (size_t)more, sizeof *rank);
        if (!rank)
            return COX_ENOMEM;
        n->rank = rank;
        n->capacity = more;
    }
    for (; n->widest <= last; n->widest++)
        n->rank[n->widest] = -1;
    return COX_OK;
}

int cox_dp_cells_mark(struct cox_dp_cells *c, int net, int rows, const double (*r)[4],
                      struct cox_err *err)
{
    struct net *n = &c->net[net];
    for (int i = 0; i < rows; i++) {
        double at = (r[i][0] - n->low) * (1 / WIDEST);
        if (!(at < MOST_WIDEST))
            return cox_err_set(err, COX_EINVAL,
                               "a neighbour is too close: its row of the environment matrix is %g "
                               "standard deviations",
                               r[i][0]);
        int place = at > 0 ? (int)at : 0;
        if (place >= n->widest && reach(n, place))
            return cox_err_set(err, COX_ENOMEM, "out of memory for a training step");
        n->used += n->rank[place] < 0;
        n->rank[place] = 0;
    }
    return COX_OK;
}

/* Numbers the widest cells in use. */
static int rank(struct net *n)
{
    int used = 0;
    if (n->used > n->place_capacity) {
        cox_free(n->place);
        n->place_capacity = 0;
        n->place = cox_alloc((size_t)n->used * 2, sizeof *n->place);
        if (!n->place)
            return COX_ENOMEM;
        n->place_capacity = 2 * n->used;
    }
    for (int i = 0; i < n->widest; i++)
        if (n->rank[i] >= 0) {
            n->place[used] = i;
            n->rank[i] = used++;
        }
    return COX_OK;
}

static int cells_of(const struct net *n)
{
    return n->used << n->halved;
}

int cox_dp_cells_find(const struct cox_dp_cells *c, int net, double s, double *u)
{
    const struct net *n = &c->net[net];
    const double at = (s - n->low) * (1 / WIDEST);
    const int place = at > 0 ? (int)at : 0;
    const double within = (at - place) * (1 << n->halved);
    const int last = (1 << n->halved) - 1;
    const int part = within < 0 ? 0 : within > last ? last : (int)within;
    *u = 2 * (within - part) - 1;
    return n->first + (n->rank[place] << n->halved) + part;
}

double cox_dp_cells_per_s(const struct cox_dp_cells *c, int net)
{
    return 2 / WIDEST * (1 << c->net[net].halved);
}

int cox_dp_cells_count(const struct cox_dp_cells *c)
{
    return c->cells;
}

const void *cox_dp_cells_table(const struct cox_dp_cells *c)
{
    return c->table;
}

const void *cox_dp_cells_turned(const struct cox_dp_cells *c)
{
    return c->turned;
}

/* ---- the nets at the places ---- */

static struct cox_dp_activation activation(const struct net *n, const struct cox_dp_flat_layer *l,
                                           const double *parameters)
{
    return (struct cox_dp_activation){.out = l->out,
                                      .in = l->in,
                                      .skip = l->skip,
                                      .linear = l->linear,
                                      .b = parameters + l->b,
                                      .idt = l->idt < 0 ? NULL : parameters + l->idt,
                                      .wide = (ptrdiff_t)n->row,
                                      .narrow = (ptrdiff_t)n->row};
}

static void forwards(const struct cox_dp_cells *c, const struct item *item)
{
    struct net *n = &c->net[item->net];
    const struct cox_dp_flat_net *net = &c->setup.net[item->net];
    const size_t at = (size_t)item->first * ORDER;
    const double part = 1.0 / (1 << n->halved);
    for (int i = 0; i < item->n; i++) {
        int cell = item->first + i, widest = n->place[cell >> n->halved];
        int within = cell & ((1 << n->halved) - 1);
        for (int k = 0; k < ORDER; k++)
            n->x[0][at + (size_t)i * ORDER + (size_t)k] =
                n->low + WIDEST * (widest + part * (within + (c->node[k] + 1) / 2));
    }
    for (int k = 0; k < net->n; k++) {
        const struct cox_dp_flat_layer *l = &net->layer[k];
        struct cox_dp_activation a = activation(n, l, c->parameters);
        a.n = item->n * ORDER;
        const struct cox_dgemm g = {.transpose_a = true,
                                    .m = l->out,
                                    .n = a.n,
                                    .k = l->in,
                                    .a = c->parameters + l->w,
                                    .lda = l->out,
                                    .b = n->x[k] + at,
                                    .ldb = (int)n->row,
                                    .c = n->x[k + 1] + at,
                                    .ldc = (int)n->row};
        cox_dgemm(NULL, &g);
        c->k->forwards(&a, n->x[k] + at, n->x[k + 1] + at, n->h[k] + at);
    }
}

/* The series of a cell, and how large its last terms are. */
static void series(const struct cox_dp_cells *c, struct item *item, int i, double *scratch)
{
    const struct net *n = &c->net[item->net];
    const int m1 = c->setup.m1, stride = c->setup.stride;
    const double *values =
        n->x[c->setup.net[item->net].n] + ((size_t)item->first + (size_t)i) * ORDER;
    const size_t cell = (size_t)n->first + (size_t)item->first + (size_t)i;
    const struct cox_dgemm rows = {.transpose_b = true,
                                   .m = ORDER,
                                   .n = m1,
                                   .k = ORDER,
                                   .a = c->to_series[0],
                                   .lda = ORDER,
                                   .b = values,
                                   .ldb = (int)n->row,
                                   .c = scratch,
                                   .ldc = stride};
    const struct cox_dgemm turned = {.transpose_b = true,
                                     .m = m1,
                                     .n = ORDER,
                                     .k = ORDER,
                                     .a = values,
                                     .lda = (int)n->row,
                                     .b = c->to_series[0],
                                     .ldb = ORDER,
                                     .c = scratch + ORDER * stride,
                                     .ldc = ORDER};
    cox_dgemm(NULL, &rows);
    cox_dgemm(NULL, &turned);
    for (int k = 0; k < ORDER; k++)
        for (int a = 0; a < m1; a++) {
            double size = fabs(scratch[k * stride + a]);
            item->largest = size > item->largest ? size : item->largest;
            if (k >= ORDER - 2)
                item->tail = size > item->tail ? size : item->tail;
        }
    size_t table = ORDER * (size_t)stride, other = ORDER * (size_t)m1;
    c->setup.kernels->from_double(table, scratch, (char *)c->table + cell * table * c->setup.size);
    c->setup.kernels->from_double(other, scratch + table,
                                  (char *)c->turned + cell * other * c->setup.size);
}

static void work(void *user, int i, int thread)
{
    struct cox_dp_cells *c = user;
    struct item *item = &c->item[i];
    double *scratch = c->scratch + (size_t)i * 2 * ORDER * (size_t)c->setup.stride;
    (void)thread;
    forwards(c, item);
    for (int k = 0; k < item->n; k++)
        series(c, item, k, scratch);
}

static int reserve_net(const struct cox_dp_cells *c, int i)
{
    struct net *n = &c->net[i];
    const struct cox_dp_flat_net *net = &c->setup.net[i];
    n->row = (size_t)cells_of(n) * ORDER + 8; /* rows of 2^k lines would share places in caches */
    if (n->row <= n->row_capacity)
        return COX_OK;
    size_t row = n->row * 2;
    int widest = 1;
    free_net(n);
    for (int k = 0; k < net->n; k++) {
        size_t out = (size_t)net->layer[k].out;
        widest = net->layer[k].out > widest ? net->layer[k].out : widest;
        n->x[k] = cox_alloc((size_t)net->layer[k].in * row, sizeof(double));
        n->h[k] = cox_alloc(out * row, sizeof(double));
        n->x[k + 1] = k + 1 < net->n ? NULL : cox_alloc(out * row, sizeof(double));
        if (!n->x[k] || !n->h[k] || (k + 1 == net->n && !n->x[k + 1]))
            return COX_ENOMEM;
    }
    for (int k = 0; k < 2; k++) {
        n->back[k] = cox_alloc((size_t)widest * row, sizeof(double));
        if (!n->back[k])
            return COX_ENOMEM;
    }
    n->row_capacity = row;
    return COX_OK;
}

/* Room for the cells; the items of those nets that are still too coarse. */
static int plan(struct cox_dp_cells *c)
{
    const size_t stride = (size_t)c->setup.stride, m1 = (size_t)c->setup.m1;
    c->cells = c->items = 0;
    for (int i = 0; i < c->setup.n; i++) {
        c->net[i].first = c->cells;
        c->cells += cells_of(&c->net[i]);
        c->items += (cells_of(&c->net[i]) + CHUNK - 1) / CHUNK;
        if (reserve_net(c, i))
            return COX_ENOMEM;
    }
    if (c->cells > c->capacity) {
        cox_free(c->table);
        cox_free(c->turned);
        c->capacity = 0;
        c->table = cox_alloc(2 * (size_t)c->cells * ORDER * stride, c->setup.size);
        c->turned = cox_alloc(2 * (size_t)c->cells * ORDER * m1, c->setup.size);
        if (!c->table || !c->turned)
            return COX_ENOMEM;
        c->capacity = 2 * c->cells;
    }
    if (c->items > c->item_capacity) {
        cox_free(c->item);
        cox_free(c->scratch);
        c->item_capacity = 0;
        c->item = cox_alloc(2 * (size_t)c->items, sizeof *c->item);
        c->scratch = cox_alloc(2 * (size_t)c->items, 2 * ORDER * stride * sizeof *c->scratch);
        if (!c->item || !c->scratch)
            return COX_ENOMEM;
        c->item_capacity = 2 * c->items;
    }
    c->items = 0;
    for (int i = 0; i < c->setup.n; i++)
        for (int first = 0, all = cells_of(&c->net[i]); first < all; first += CHUNK)
            c->item[c->items++] = (struct item){
                .net = i, .first = first, .n = all - first < CHUNK ? all - first : CHUNK};
    return COX_OK;
}

int cox_dp_cells_evaluate(struct cox_dp_cells *c, struct cox_team *team, const double *parameters)
{
    c->parameters = parameters;
    for (int i = 0; i < c->setup.n; i++)
        if (rank(&c->net[i]))
            return COX_ENOMEM;
    for (bool again = true; again;) {
        if (plan(c))
            return COX_ENOMEM;
        cox_team_run(team, c->items, work, c);
        again = false;
        for (int i = 0; i < c->setup.n; i++) {
            double tail = 0, largest = 0;
            for (int k = 0; k < c->items; k++)
                if (c->item[k].net == i) {
                    tail = c->item[k].tail > tail ? c->item[k].tail : tail;
                    largest = c->item[k].largest > largest ? c->item[k].largest : largest;
                }
            if (tail > c->setup.tolerance * largest && c->net[i].halved < MOST_HALVINGS) {
                c->net[i].halved++;
                again = true;
            }
        }
    }
    return COX_OK;
}

/* ---- back ---- */

/* ∂Φ/∂G at the places of one cell. */
static void by_values(const struct cox_dp_cells *c, int net, int cell, const void *by_table,
                      int parts, size_t step, double *scratch)
{
    const struct net *n = &c->net[net];
    const size_t m1 = (size_t)c->setup.m1, size = ORDER * (size_t)c->setup.stride;
    double *sum = scratch, *one = scratch + size;
    for (int p = 0; p < parts; p++) {
        const char *from =
            (const char *)by_table +
            ((size_t)p * step + ((size_t)n->first + (size_t)cell) * size) * c->setup.size;
        c->setup.kernels->to_double(size, from, p ? one : sum);
        for (size_t i = 0; p && i < size; i++)
            sum[i] += one[i];
    }
    const struct cox_dgemm g = {.transpose_a = true,
                                .m = (int)m1,
                                .n = ORDER,
                                .k = ORDER,
                                .a = sum,
                                .lda = c->setup.stride,
                                .b = c->to_series[0],
                                .ldb = ORDER,
                                .c = n->back[0] + (size_t)cell * ORDER,
                                .ldc = (int)n->row};
    cox_dgemm(NULL, &g);
}

void cox_dp_cells_back(struct cox_dp_cells *c, int net, const double *parameters,
                       const void *by_table, int parts, size_t step, double *gradient)
{
    struct net *n = &c->net[net];
    const struct cox_dp_flat_net *flat = &c->setup.net[net];
    const int cells = cells_of(n);
    memset(gradient + flat->first, 0, (size_t)(flat->end - flat->first) * sizeof *gradient);
    if (!cells)
        return;
    /* each net has an item of its own, whose scratch it takes */
    int item = 0;
    while (c->item[item].net != net)
        item++;
    double *scratch = c->scratch + (size_t)item * 2 * ORDER * (size_t)c->setup.stride;
    for (int i = 0; i < cells; i++)
        by_values(c, net, i, by_table, parts, step, scratch);
    double *y = n->back[0], *x = n->back[1];
    for (int k = flat->n - 1; k >= 0; k--) {
        const struct cox_dp_flat_layer *l = &flat->layer[k];
        struct cox_dp_activation a = activation(n, l, parameters);
        double *z = n->x[k + 1]; /* the values are not needed any more */
        a.n = cells * ORDER;
        c->k->back(&a, n->h[k], NULL, NULL, NULL, y, z, gradient + l->b,
                   l->idt < 0 ? NULL : gradient + l->idt);
        const struct cox_dgemm weights = {.transpose_b = true,
                                          .m = l->in,
                                          .n = l->out,
                                          .k = a.n,
                                          .a = n->x[k],
                                          .lda = (int)n->row,
                                          .b = z,
                                          .ldb = (int)n->row,
                                          .c = gradient + l->w,
                                          .ldc = l->out};
        const struct cox_dgemm inputs = {.m = l->in,
                                         .n = a.n,
                                         .k = l->out,
                                         .a = parameters + l->w,
                                         .lda = l->out,
                                         .b = z,
                                         .ldb = (int)n->row,
                                         .c = x,
                                         .ldc = (int)n->row};
        cox_dgemm(NULL, &weights);
        if (!k)
            break;
        cox_dgemm(NULL, &inputs);
        c->k->skip_back(&a, y, x);
        double *swap = y;
        y = x;
        x = swap;
    }
}
