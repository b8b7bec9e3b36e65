/* SPDX-License-Identifier: BSD-3-Clause */
/* A block of atoms of one type in one precision: included twice by evaluate_block.c with REAL, GEMM
 * (the struct), PRODUCT (the function), KERNELS and OF(name). */

/* A net with its rows padded to whole vectors. */
struct OF(layer) {
    int in, out, in_stride, out_stride;
    REAL *w;       /* [in][out_stride] */
    REAL *wt;      /* [out][in_stride]; fitting nets only */
    REAL *b, *idt; /* [out_stride]; idt NULL: ones */
    enum cox_dp_skip skip;
};

struct OF(net) {
    int n;
    struct OF(layer) layer[COX_DP_MAX_LAYERS];
};

struct OF(plan) {
    const struct cox_dp_kernels *k;
    struct OF(net) * embed, *fit; /* as in the model; the last layer of a fitting net is linear */
    REAL *empty; /* [centre][neighbour][4][stride] what one empty slot adds to A·Σsel */
    int stride;  /* of G */
    int d, d_stride;
    int widest; /* row of any layer */
};

/* One thread's room. */
struct OF(room) {
    REAL *r, *dr;                                      /* [4][rows] */
    REAL *g, *dg;                                      /* [rows][stride] */
    REAL *x[2], *dx[2];                                /* [rows][widest] */
    REAL *skip, *dskip;                                /* [rows][widest] */
    REAL *a, *da;                                      /* [BLOCK][4][stride] */
    REAL *d, *dd;                                      /* [BLOCK][d_stride] */
    REAL *y[COX_DP_MAX_LAYERS], *t[COX_DP_MAX_LAYERS]; /* [BLOCK][widest] of the fitting net */
    REAL *back[2];                                     /* [BLOCK][widest] */
};

static int OF(pad)(const struct OF(plan) * p, int n)
{
    return (n + p->k->lanes - 1) / p->k->lanes * p->k->lanes;
}

static REAL *OF(copy)(struct cox_arena *arena, int rows, int columns, int stride,
                      const double *from, bool transpose)
{
    /* a vector more: kernels work on whole ones */
    REAL *to = cox_arena_alloc(arena, (size_t)rows * (size_t)stride + 32, sizeof *to);
    for (int i = 0; to && i < rows; i++)
        for (int j = 0; j < columns; j++)
            to[(size_t)i * (size_t)stride + (size_t)j] =
                (REAL)(transpose ? from[(size_t)j * (size_t)rows + (size_t)i]
                                 : from[(size_t)i * (size_t)columns + (size_t)j]);
    return to;
}

static bool OF(plan_net)(struct OF(plan) * p, struct cox_arena *arena,
                         const struct cox_dp_net *from, struct OF(net) * to, bool fitting)
{
    to->n = from->n;
    for (int k = 0; k < from->n; k++) {
        const struct cox_dp_layer *l = &from->layer[k];
        struct OF(layer) *m = &to->layer[k];
        m->in = l->in;
        m->out = l->out;
        m->in_stride = k ? to->layer[k - 1].out_stride : OF(pad)(p, l->in);
        m->out_stride = OF(pad)(p, l->out);
        m->skip = l->skip;
        m->w = OF(copy)(arena, l->in, l->out, m->out_stride, l->w, false);
        m->wt = fitting ? OF(copy)(arena, l->out, l->in, m->in_stride, l->w, true) : NULL;
        m->b = OF(copy)(arena, 1, l->out, m->out_stride, l->b, false);
        m->idt = l->idt ? OF(copy)(arena, 1, l->out, m->out_stride, l->idt, false) : NULL;
        if (m->out_stride > p->widest)
            p->widest = m->out_stride;
        if (!m->w || !m->b || (l->idt && !m->idt) || (fitting && !m->wt))
            return false;
    }
    return true;
}

static void OF(multiply)(int m, int n, int k, const REAL *a, int lda, const REAL *b, int ldb,
                         REAL *c, int ldc)
{
    const struct GEMM g = {
        .m = m, .n = n, .k = k, .a = a, .lda = lda, .b = b, .ldb = ldb, .c = c, .ldc = ldc};
    PRODUCT(NULL, &g);
}

/* x, or [x, x], in rows of the next layer's length; NULL: nothing is added. */
static const REAL *OF(skipped)(const struct OF(layer) * l, int n, const REAL *x, REAL *room)
{
    if (l->skip == COX_DP_SKIP_NONE)
        return NULL;
    if (l->skip == COX_DP_SKIP_SAME)
        return x;
    for (ptrdiff_t i = 0; i < n; i++) {
        REAL *to = room + i * l->out_stride;
        memcpy(to, x + i * l->in_stride, (size_t)l->in * sizeof *to);
        memcpy(to + l->in, x + i * l->in_stride, (size_t)l->in * sizeof *to);
        for (int a = 2 * l->in; a < l->out_stride; a++)
            to[a] = 0;
    }
    return room;
}

/* G and dG/ds̃ of n neighbours of one type, from row `at` on. */
static void OF(embed)(const struct OF(plan) * p, const struct OF(net) * net, int n, const REAL *s,
                      struct OF(room) * room, REAL *g, REAL *dg)
{
    const struct OF(layer) *l = &net->layer[0];
    REAL *x = net->n == 1 ? g : room->x[0], *dx = net->n == 1 ? dg : room->dx[0];
    p->k->first(n, s, l->out, l->w, l->b, l->idt, l->skip == COX_DP_SKIP_NONE ? 0 : 1, x, dx);
    for (int k = 1; k < net->n; k++) {
        l = &net->layer[k];
        bool last = k == net->n - 1;
        REAL *z = last ? g : room->x[k % 2], *dz = last ? dg : room->dx[k % 2];
        OF(multiply)
        (n, l->out_stride, l->in, x, l->in_stride, l->w, l->out_stride, z, l->out_stride);
        OF(multiply)
        (n, l->out_stride, l->in, dx, l->in_stride, l->w, l->out_stride, dz, l->out_stride);
        p->k->layer(n, l->out, l->b, l->idt, OF(skipped)(l, n, x, room->skip),
                    OF(skipped)(l, n, dx, room->dskip), z, dz, NULL);
        x = z;
        dx = dz;
    }
}

/* A of one atom: Σ R̃ᵀG over its real neighbours and its empty slots, over Σsel. */
static void OF(contract)(const struct OF(plan) * p, const struct cox_dp_model *m,
                         const struct block *block, int i, const struct OF(room) * room, REAL *a)
{
    const REAL scale = (REAL)1 / (REAL)m->n_slots;
    REAL beta = 0;
    memset(a, 0, 4 * (size_t)p->stride * sizeof *a);
    for (int t = 0; t < m->n_types; t++) {
        const struct span *s = &block->span[t * BLOCK + i];
        if (!s->n)
            continue;
        const struct GEMM g = {.m = 4,
                               .n = p->stride,
                               .k = s->n,
                               .a = room->r + s->first,
                               .lda = (int)block->capacity,
                               .b = room->g + (ptrdiff_t)s->first * p->stride,
                               .ldb = p->stride,
                               .c = a,
                               .ldc = p->stride,
                               .beta = beta};
        PRODUCT(NULL, &g);
        beta = 1;
    }
    for (int t = 0; t < m->n_types; t++) {
        const struct span *s = &block->span[t * BLOCK + i];
        const REAL *empty = p->empty + ((ptrdiff_t)block->type * m->n_types + t) * 4 * p->stride;
        for (ptrdiff_t j = 0; s->empty && j < 4 * p->stride; j++)
            a[j] += (REAL)s->empty * empty[j];
    }
    for (ptrdiff_t j = 0; j < 4 * p->stride; j++)
        a[j] *= scale;
}

/* ∂E/∂A over Σsel of one atom, from ∂E/∂D: dA = A[:, :axis]·dDᵀ, and A·dD onto the first columns.
 */
static void OF(contract_back)(const struct OF(plan) * p, const struct cox_dp_model *m,
                              const REAL *a, const REAL *dd, REAL *da)
{
    const REAL scale = (REAL)1 / (REAL)m->n_slots;
    const struct GEMM all = {.transpose_b = true,
                             .m = 4,
                             .n = m->m1,
                             .k = m->axis,
                             .a = a,
                             .lda = p->stride,
                             .b = dd,
                             .ldb = m->axis,
                             .c = da,
                             .ldc = p->stride};
    const struct GEMM first = {.m = 4,
                               .n = m->axis,
                               .k = m->m1,
                               .a = a,
                               .lda = p->stride,
                               .b = dd,
                               .ldb = m->axis,
                               .c = da,
                               .ldc = p->stride,
                               .beta = 1};
    memset(da, 0, 4 * (size_t)p->stride * sizeof *da);
    PRODUCT(NULL, &all);
    PRODUCT(NULL, &first);
    for (ptrdiff_t j = 0; j < 4 * p->stride; j++)
        da[j] *= scale;
}

/* Energies of the block's atoms from D, and ∂E/∂D. */
static void OF(fit)(const struct OF(plan) * p, const struct OF(net) * net, int n,
                    struct OF(room) * room, double *energy)
{
    const REAL *x = room->d;
    int hidden = net->n - 1;
    for (int k = 0; k < hidden; k++) {
        const struct OF(layer) *l = &net->layer[k];
        OF(multiply)
        (n, l->out_stride, l->in, x, l->in_stride, l->w, l->out_stride, room->y[k], l->out_stride);
        p->k->layer(n, l->out, l->b, l->idt, OF(skipped)(l, n, x, room->skip), NULL, room->y[k],
                    NULL, room->t[k]);
        x = room->y[k];
    }
    const struct OF(layer) *last = &net->layer[hidden];
    REAL *dy = room->back[0];
    for (ptrdiff_t i = 0; i < n; i++) {
        double sum = (double)last->b[0];
        for (ptrdiff_t a = 0; a < last->in; a++)
            sum += (double)x[i * last->in_stride + a] * (double)last->wt[a];
        energy[i] = sum;
        /* with no hidden layer this is ∂E/∂D itself */
        memcpy((hidden ? dy : room->dd) + i * last->in_stride, last->wt,
               (size_t)last->in_stride * sizeof *dy);
    }
    for (int k = hidden - 1; k >= 0; k--) {
        const struct OF(layer) *l = &net->layer[k];
        REAL *z = room->skip; /* free by now */
        REAL *dx = k ? room->back[(hidden - k) % 2] : room->dd;
        p->k->layer_back(n, l->out, l->idt, room->t[k], dy, z);
        OF(multiply)
        (n, l->in_stride, l->out, z, l->out_stride, l->wt, l->in_stride, dx, l->in_stride);
        for (ptrdiff_t i = 0; l->skip != COX_DP_SKIP_NONE && i < n; i++)
            for (int a = 0; a < l->out; a++)
                dx[i * l->in_stride + a % l->in] += dy[i * l->out_stride + a];
        dy = dx;
    }
}

/* Everything for one block: energies, and ∂E/∂r of each of its pairs. */
static void OF(evaluate)(const struct OF(plan) * p, const struct cox_dp_model *m,
                         struct block *block, const double *fparam, struct OF(room) * room)
{
    const struct cox_dp_environment *env = &block->environment;
    const ptrdiff_t step = block->capacity;
    p->k->environment(env, block->rows, (const double(*)[3])block->dr, room->r, step);
    for (int t = 0; t < m->n_types; t++) {
        ptrdiff_t at = block->type_first[t];
        int n = block->type_first[t + 1] - block->type_first[t];
        const struct OF(net) *net = &p->embed[m->one_side ? t : t * m->n_types + block->type];
        if (n)
            OF(embed)
            (p, net, n, room->r + at, room, room->g + at * p->stride, room->dg + at * p->stride);
    }
    for (int i = 0; i < block->n; i++) {
        REAL *a = room->a + (ptrdiff_t)i * 4 * p->stride, *d = room->d + (ptrdiff_t)i * p->d_stride;
        OF(contract)(p, m, block, i, room, a);
        const struct GEMM g = {.transpose_a = true,
                               .m = m->m1,
                               .n = m->axis,
                               .k = 4,
                               .a = a,
                               .lda = p->stride,
                               .b = a,
                               .ldb = p->stride,
                               .c = d,
                               .ldc = m->axis};
        PRODUCT(NULL, &g);
        for (int j = 0; j < m->n_fparam; j++)
            d[m->m1 * m->axis + j] = (REAL)((fparam[j] - m->fparam_avg[j]) * m->fparam_inv_std[j]);
    }
    OF(fit)(p, &p->fit[block->type], block->n, room, block->energy);
    memset(room->dr, 0, 4 * (size_t)step * sizeof *room->dr);
    for (int i = 0; i < block->n; i++) {
        REAL *a = room->a + (ptrdiff_t)i * 4 * p->stride, *da = room->da;
        OF(contract_back)(p, m, a, room->dd + (ptrdiff_t)i * p->d_stride, da);
        for (int t = 0; t < m->n_types; t++) {
            const struct span *s = &block->span[t * BLOCK + i];
            if (s->n)
                p->k->rows_back(s->n, m->m1, da, room->g + (ptrdiff_t)s->first * p->stride,
                                room->dg + (ptrdiff_t)s->first * p->stride, room->r + s->first,
                                room->dr + s->first, step);
        }
    }
    p->k->environment_back(env, block->rows, (const double(*)[3])block->dr, room->dr, step,
                           block->grad);
}

/* ---- plans and rooms ---- */

/* What an empty slot of type t adds to Σsel·A around a centre of type c. */
static void OF(plan_empty)(struct OF(plan) * p, const struct cox_dp_model *m,
                           struct OF(room) * room)
{
    for (int c = 0; c < m->n_types; c++)
        for (int t = 0; t < m->n_types; t++) {
            REAL *to = p->empty + ((ptrdiff_t)c * m->n_types + t) * 4 * p->stride;
            REAL row[4];
            if (m->exclude[c][t])
                continue;
            for (int k = 0; k < 4; k++)
                row[k] = (REAL)(-m->davg[c][k] / m->dstd[c][k]);
            OF(embed)
            (p, &p->embed[m->one_side ? t : t * m->n_types + c], 1, row, room, room->g, room->dg);
            for (int k = 0; k < 4; k++)
                for (int a = 0; a < m->m1; a++)
                    to[k * p->stride + a] = row[k] * room->g[a];
        }
}

static int OF(plan_init)(struct OF(plan) * p, const struct cox_dp_model *m, struct cox_arena *arena)
{
    int nets = m->one_side ? m->n_types : m->n_types * m->n_types;
    bool good = true;
    p->k = KERNELS();
    p->widest = OF(pad)(p, 1);
    p->embed = cox_arena_alloc(arena, (size_t)nets, sizeof *p->embed);
    p->fit = cox_arena_alloc(arena, (size_t)m->n_types, sizeof *p->fit);
    good = p->embed && p->fit;
    for (int i = 0; good && i < nets; i++)
        good = OF(plan_net)(p, arena, &m->embed[i], &p->embed[i], false);
    p->stride = OF(pad)(p, m->m1);
    p->d = m->m1 * m->axis + m->n_fparam;
    p->d_stride = OF(pad)(p, p->d);
    for (int t = 0; good && t < m->n_types; t++)
        good = OF(plan_net)(p, arena, &m->fit[t], &p->fit[t], true);
    p->empty = cox_arena_alloc(arena, (size_t)m->n_types * (size_t)m->n_types * 4,
                               (size_t)p->stride * sizeof *p->empty);
    return good && p->empty ? COX_OK : COX_ENOMEM;
}

static void OF(room_free)(struct OF(room) * r)
{
    REAL *blocks[] = {r->r,    r->dr,    r->g, r->dg, r->x[0], r->x[1], r->dx[0],   r->dx[1],
                      r->skip, r->dskip, r->a, r->da, r->d,    r->dd,   r->back[0], r->back[1]};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    for (int k = 0; k < COX_DP_MAX_LAYERS; k++) {
        cox_free(r->y[k]);
        cox_free(r->t[k]);
    }
    *r = (struct OF(room)){0};
}

/* `rows` neighbours; a few more numbers, because kernels work on whole vectors. */
static int OF(room_init)(struct OF(room) * r, const struct OF(plan) * p, size_t rows, int layers)
{
    size_t stride = (size_t)p->stride, wide = (size_t)p->widest;
    size_t tall = rows > BLOCK ? rows : BLOCK;
    struct {
        REAL **to;
        size_t n;
    } parts[] = {{&r->r, 4 * rows},
                 {&r->dr, 4 * rows},
                 {&r->g, rows * stride},
                 {&r->dg, rows * stride},
                 {&r->x[0], rows * wide},
                 {&r->x[1], rows * wide},
                 {&r->dx[0], rows * wide},
                 {&r->dx[1], rows * wide},
                 {&r->skip, tall * wide},
                 {&r->dskip, rows * wide},
                 {&r->a, BLOCK * 4 * stride},
                 {&r->da, 4 * stride},
                 {&r->d, BLOCK * (size_t)p->d_stride},
                 {&r->dd, BLOCK * (size_t)p->d_stride},
                 {&r->back[0], BLOCK * wide},
                 {&r->back[1], BLOCK * wide}};
    bool good = true;
    for (size_t i = 0; good && i < sizeof parts / sizeof parts[0]; i++)
        good = (*parts[i].to = cox_alloc(parts[i].n + 64, sizeof(REAL))) != NULL;
    for (int k = 0; good && k < layers; k++) {
        r->y[k] = cox_alloc(BLOCK * wide + 64, sizeof(REAL));
        r->t[k] = cox_alloc(BLOCK * wide + 64, sizeof(REAL));
        good = r->y[k] && r->t[k];
    }
    return good ? COX_OK : COX_ENOMEM;
}
