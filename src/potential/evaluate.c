/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/evaluate.h"

#include <math.h>
#include <string.h>

#include "kern/gemm.h"
#include "potential/eval_kernels.h"

/* Atoms of a block: enough that the fitting net's matrices, read once per block, are worth their
 * way from memory; few enough that its neighbours' rows stay in the cache. */
#define BLOCK 32

/* The neighbours of one type of one atom of a block. */
struct span {
    int first, n; /* rows */
    int empty;    /* slots left over */
};

struct block {
    int n, type;
    int atom[BLOCK];
    double energy[BLOCK]; /* without the bias */
    struct cox_dp_environment environment;
    struct span span[COX_DP_MAX_TYPES * BLOCK]; /* [type][atom] */
    int type_first[COX_DP_MAX_TYPES + 1];       /* rows are sorted by type, then atom */
    int rows, capacity;
    double (*dr)[3], (*grad)[3]; /* [capacity] */
    int *index;                  /* [capacity] */
    int *order;                  /* [most neighbours of one type of one atom] */
    int order_capacity;
    long long overflow;
};

#define REAL float
#define GEMM cox_gemm
#define PRODUCT cox_gemm
#define KERNELS cox_dp_kernels_f32
#define OF(name) name##_f32
#include "potential/evaluate_block.inc"
#undef REAL
#undef GEMM
#undef PRODUCT
#undef KERNELS
#undef OF
#define REAL double
#define GEMM cox_dgemm
#define PRODUCT cox_dgemm
#define KERNELS cox_dp_kernels_f64
#define OF(name) name##_f64
#include "potential/evaluate_block.inc"

struct thread {
    struct block block;
    struct room_f32 single;
    struct room_f64 twice;
    double (*force)[3]; /* [capacity] */
    double virial[9];
    long long overflow;
    int status;
};

struct cox_dp_eval {
    struct cox_arena *arena;
    struct cox_dp_model model; /* its nets are not looked at: they may have gone */
    enum cox_dp_precision precision;
    struct cox_team *team;
    int threads;
    struct thread *thread;
    struct plan_f32 single;
    struct plan_f64 twice;
    int layers;                   /* of the deepest fitting net */
    int capacity, force_capacity; /* centres; all atoms */
    int *sorted;                  /* [capacity] atoms by type */
    int n_blocks, block_capacity;
    struct {
        int first, n;
    } * blocks; /* of `sorted` */
    /* the call */
    int n, n_all;
    const int *type;
    const struct cox_neighbours *list;
    const double *fparam;
    struct cox_dp_result *result;
};

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for the potential");
}

/* ---- creating ---- */

static int copy_model(struct cox_dp_eval *e, const struct cox_dp_model *m)
{
    e->model = *m;
    e->model.arena = NULL;
    e->model.descriptor[0].embed = e->model.fit = NULL;
    e->model.training_script = NULL;
    e->model.fparam_avg = cox_arena_alloc(e->arena, (size_t)m->n_fparam + 1, sizeof(double));
    e->model.fparam_inv_std = cox_arena_alloc(e->arena, (size_t)m->n_fparam + 1, sizeof(double));
    if (!e->model.fparam_avg || !e->model.fparam_inv_std)
        return COX_ENOMEM;
    for (int i = 0; i < m->n_fparam; i++) {
        e->model.fparam_avg[i] = m->fparam_avg[i];
        e->model.fparam_inv_std[i] = m->fparam_inv_std[i];
    }
    for (int t = 0; t < m->n_types; t++)
        if (m->fit[t].n > e->layers)
            e->layers = m->fit[t].n;
    return COX_OK;
}

static int plan(struct cox_dp_eval *e, const struct cox_dp_model *m)
{
    int rc = copy_model(e, m);
    if (!rc && e->precision == COX_DP_F32) {
        struct room_f32 room = {0};
        rc = plan_init_f32(&e->single, m, e->arena);
        if (!rc)
            rc = room_init_f32(&room, &e->single, 1, 0);
        if (!rc)
            plan_empty_f32(&e->single, m, &room);
        room_free_f32(&room);
    } else if (!rc) {
        struct room_f64 room = {0};
        rc = plan_init_f64(&e->twice, m, e->arena);
        if (!rc)
            rc = room_init_f64(&room, &e->twice, 1, 0);
        if (!rc)
            plan_empty_f64(&e->twice, m, &room);
        room_free_f64(&room);
    }
    return rc;
}

int cox_dp_eval_create(struct cox_dp_eval **out, const struct cox_dp_model *model,
                       enum cox_dp_precision precision, struct cox_team *team, struct cox_err *err)
{
    *out = NULL;
    if (model->n_descriptors != 1 || model->descriptor[0].kind != COX_DP_SE_A)
        return cox_err_set(err, COX_EUNSUPPORTED, "only one descriptor of kind se_e2_a is known");
    struct cox_dp_eval *e = cox_alloc(1, sizeof *e);
    if (!e)
        return no_memory(err);
    e->precision = precision;
    e->team = team;
    e->threads = team ? cox_team_threads(team) : 1;
    e->arena = cox_arena_create();
    e->thread = cox_alloc((size_t)e->threads, sizeof *e->thread);
    if (!e->arena || !e->thread || plan(e, model)) {
        cox_dp_eval_destroy(e);
        return no_memory(err);
    }
    *out = e;
    return COX_OK;
}

static void free_rows(struct thread *t)
{
    room_free_f32(&t->single);
    room_free_f64(&t->twice);
    cox_free(t->block.dr);
    cox_free(t->block.grad);
    cox_free(t->block.index);
    t->block.dr = t->block.grad = NULL;
    t->block.index = NULL;
    t->block.capacity = 0;
}

void cox_dp_eval_destroy(struct cox_dp_eval *e)
{
    if (!e)
        return;
    for (int i = 0; e->thread && i < e->threads; i++) {
        free_rows(&e->thread[i]);
        cox_free(e->thread[i].block.order);
        cox_free(e->thread[i].force);
    }
    cox_free(e->thread);
    cox_free(e->sorted);
    cox_free(e->blocks);
    cox_arena_destroy(e->arena);
    cox_free(e);
}

/* ---- one block ---- */

static int reserve_rows(const struct cox_dp_eval *e, struct thread *t, int rows)
{
    if (rows <= t->block.capacity)
        return COX_OK;
    int more = (rows + rows / 8 + 15) / 16 * 16;
    free_rows(t);
    t->block.dr = cox_alloc((size_t)more, sizeof *t->block.dr);
    t->block.grad = cox_alloc((size_t)more, sizeof *t->block.grad);
    t->block.index = cox_alloc((size_t)more, sizeof *t->block.index);
    if (!t->block.dr || !t->block.grad || !t->block.index)
        return COX_ENOMEM;
    t->block.capacity = more;
    return e->precision == COX_DP_F32
               ? room_init_f32(&t->single, &e->single, (size_t)more, e->layers)
               : room_init_f64(&t->twice, &e->twice, (size_t)more, e->layers);
}

static const int64_t *starts_of(const struct cox_dp_eval *e, int atom)
{
    return e->list->start + (int64_t)atom * (e->model.n_types + 1);
}

static double length2(const double x[3])
{
    return x[0] * x[0] + x[1] * x[1] + x[2] * x[2];
}

/* How many are no farther than the cutoff. */
static int within(int n, const double (*dr)[3], double rcut)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += length2(dr[i]) <= rcut * rcut;
    return count;
}

/* order[0 … most) becomes the nearest of n neighbours: those that count, as when it was trained. */
static void nearest(int *order, int most, int n, const double (*dr)[3], double rcut)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        double r2 = length2(dr[i]);
        int k = kept;
        if (r2 > rcut * rcut)
            continue;
        if (kept == most && (!most || length2(dr[order[most - 1]]) <= r2))
            continue;
        if (kept < most)
            kept++;
        else
            k = most - 1;
        for (; k > 0 && length2(dr[order[k - 1]]) > r2; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

/* Gathers the neighbours of the block's atoms, sorted by type. */
static int gather(const struct cox_dp_eval *e, struct thread *thread)
{
    const struct cox_dp_model *m = &e->model;
    struct block *b = &thread->block;
    int rows = 0, most = 0;
    for (int t = 0; t < m->n_types; t++) {
        b->type_first[t] = rows;
        for (int i = 0; i < b->n; i++) {
            const int64_t *start = starts_of(e, b->atom[i]);
            int n = within((int)(start[t + 1] - start[t]),
                           (const double(*)[3])(e->list->dr + start[t]), m->descriptor[0].rcut);
            int used = n < m->descriptor[0].sel[t] ? n : m->descriptor[0].sel[t];
            bool out = m->descriptor[0].exclude[b->type][t];
            b->span[t * BLOCK + i] =
                (struct span){rows, out ? 0 : used, out ? 0 : m->descriptor[0].sel[t] - used};
            rows += out ? 0 : used;
            thread->overflow += out ? 0 : n - used;
            most = n > used && used > most ? used : most;
        }
    }
    b->type_first[m->n_types] = b->rows = rows;
    if (most > b->order_capacity) {
        cox_free(b->order);
        b->order = cox_alloc((size_t)most, sizeof *b->order);
        b->order_capacity = b->order ? most : 0;
        if (!b->order)
            return COX_ENOMEM;
    }
    int rc = reserve_rows(e, thread, rows);
    for (int t = 0; !rc && t < m->n_types; t++)
        for (int i = 0; i < b->n; i++) {
            const struct span *s = &b->span[t * BLOCK + i];
            const int64_t *start = starts_of(e, b->atom[i]);
            bool all = start[t + 1] - start[t] == s->n;
            if (!all)
                nearest(b->order, s->n, (int)(start[t + 1] - start[t]),
                        (const double(*)[3])(e->list->dr + start[t]), m->descriptor[0].rcut);
            for (int k = 0; k < s->n; k++) {
                int64_t at = start[t] + (all ? k : b->order[k]);
                memcpy(b->dr[s->first + k], e->list->dr[at], sizeof b->dr[0]);
                b->index[s->first + k] = e->list->index[at];
            }
        }
    return rc;
}

/* Adds the block's pairs to the thread's forces and virial, its energies to the result. */
static void scatter(const struct cox_dp_eval *e, struct thread *thread)
{
    const struct block *b = &thread->block;
    struct cox_dp_result *out = e->result;
    for (int t = 0; t < e->model.n_types; t++)
        for (int i = 0; i < b->n; i++) {
            const struct span *s = &b->span[t * BLOCK + i];
            double *own = thread->force[b->atom[i]];
            for (int k = s->first; k < s->first + s->n; k++) {
                double *other = thread->force[b->index[k]];
                for (int p = 0; p < 3; p++) {
                    own[p] += b->grad[k][p];
                    other[p] -= b->grad[k][p];
                    for (int q = 0; q < 3; q++)
                        thread->virial[3 * p + q] -= b->grad[k][p] * b->dr[k][q];
                }
            }
        }
    for (int i = 0; i < b->n; i++)
        out->atom_energy[b->atom[i]] = b->energy[i] + e->model.bias[b->type];
}

static int one_block(const struct cox_dp_eval *e, struct thread *thread, int first, int n)
{
    const struct cox_dp_model *m = &e->model;
    struct block *b = &thread->block;
    b->n = n;
    memcpy(b->atom, e->sorted + first, (size_t)n * sizeof *b->atom);
    b->type = e->type[b->atom[0]];
    b->environment = (struct cox_dp_environment){.rcut = m->descriptor[0].rcut,
                                                 .rcut_smth = m->descriptor[0].rcut_smth};
    for (int c = 0; c < 4; c++) {
        b->environment.avg[c] = m->descriptor[0].davg[b->type][c];
        b->environment.inv_std[c] = 1 / m->descriptor[0].dstd[b->type][c];
    }
    int rc = gather(e, thread);
    if (rc)
        return rc;
    if (e->precision == COX_DP_F32)
        evaluate_f32(&e->single, m, b, e->fparam, &thread->single);
    else
        evaluate_f64(&e->twice, m, b, e->fparam, &thread->twice);
    scatter(e, thread);
    return COX_OK;
}

/* Item i is thread i's share, the same blocks whoever does it: sums come out the same. */
static void share(void *user, int item, int thread)
{
    struct cox_dp_eval *e = user;
    struct thread *t = &e->thread[item];
    (void)thread;
    int first = (int)((int64_t)e->n_blocks * item / e->threads);
    int end = (int)((int64_t)e->n_blocks * (item + 1) / e->threads);
    memset(t->force, 0, (size_t)e->n_all * sizeof *t->force);
    memset(t->virial, 0, sizeof t->virial);
    t->overflow = 0;
    t->status = COX_OK;
    for (int i = first; !t->status && i < end; i++)
        t->status = one_block(e, t, e->blocks[i].first, e->blocks[i].n);
}

/* ---- the call ---- */

static int reserve_centres(struct cox_dp_eval *e, int n)
{
    if (n <= e->capacity)
        return COX_OK;
    e->capacity = 0;
    cox_free(e->sorted);
    cox_free(e->blocks);
    e->block_capacity = n / BLOCK + COX_DP_MAX_TYPES + 1;
    e->sorted = cox_alloc((size_t)n, sizeof *e->sorted);
    e->blocks = cox_alloc((size_t)e->block_capacity, sizeof *e->blocks);
    bool good = e->sorted && e->blocks;
    e->capacity = good ? n : 0;
    return good ? COX_OK : COX_ENOMEM;
}

static int reserve_forces(struct cox_dp_eval *e, int n)
{
    bool good = true;
    if (n <= e->force_capacity)
        return COX_OK;
    for (int i = 0; i < e->threads; i++) {
        cox_free(e->thread[i].force);
        e->thread[i].force = cox_alloc((size_t)n, sizeof *e->thread[i].force);
        good = good && e->thread[i].force;
    }
    e->force_capacity = good ? n : 0;
    return good ? COX_OK : COX_ENOMEM;
}

/* Sorts the atoms by type and cuts them into blocks. */
static void cut(struct cox_dp_eval *e)
{
    int at = 0;
    e->n_blocks = 0;
    for (int t = 0; t < e->model.n_types; t++) {
        int first = at;
        for (int i = 0; i < e->n; i++)
            if (e->type[i] == t)
                e->sorted[at++] = i;
        /* equal blocks, rather than full ones and a small rest */
        int n = at - first, blocks = (n + BLOCK - 1) / BLOCK;
        for (int i = 0; i < blocks; i++) {
            int begin = (int)((int64_t)n * i / blocks), end = (int)((int64_t)n * (i + 1) / blocks);
            e->blocks[e->n_blocks].first = first + begin;
            e->blocks[e->n_blocks++].n = end - begin;
        }
    }
}

static void add_up(struct cox_dp_eval *e, struct cox_dp_result *out)
{
    out->energy = 0;
    out->overflow = 0;
    memset(out->virial, 0, sizeof out->virial);
    for (int i = 0; i < e->n; i++)
        out->energy += out->atom_energy[i];
    if (out->force)
        memset(out->force, 0, (size_t)e->n_all * sizeof *out->force);
    for (int t = 0; t < e->threads; t++) {
        const struct thread *thread = &e->thread[t];
        for (int i = 0; out->force && i < e->n_all; i++)
            for (int k = 0; k < 3; k++)
                out->force[i][k] += thread->force[i][k];
        for (int k = 0; k < 9; k++)
            out->virial[k / 3][k % 3] += thread->virial[k];
        out->overflow += thread->overflow;
    }
}

int cox_dp_eval_compute(struct cox_dp_eval *e, struct cox_dp_result *result,
                        const struct cox_dp_atoms *atoms, const struct cox_neighbours *list,
                        const double *fparam, struct cox_err *err)
{
    if (e->model.n_fparam && !fparam)
        return cox_err_set(err, COX_EINVAL, "the model needs %d frame parameters",
                           e->model.n_fparam);
    if (result->atom_virial || !result->atom_energy)
        return cox_err_set(err, COX_EUNSUPPORTED, "atom_energy must be given, atom_virial not");
    if (reserve_centres(e, atoms->n) || reserve_forces(e, atoms->n_all))
        return no_memory(err);
    e->n = atoms->n;
    e->n_all = atoms->n_all;
    e->type = atoms->type;
    e->list = list;
    e->fparam = fparam;
    e->result = result;
    cut(e);
    cox_team_run(e->team, e->threads, share, e);
    for (int i = 0; i < e->threads; i++)
        if (e->thread[i].status)
            return no_memory(err);
    add_up(e, result);
    return COX_OK;
}
