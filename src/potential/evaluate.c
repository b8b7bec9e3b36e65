/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/evaluate.h"

#include <math.h>
#include <string.h>

#include "potential/eval_kernels.h"
#include "potential/evaluate_pairs.h"
#include "potential/table.h"

/* Without tables the neighbours' rows of G are kept until the way back: a block has fewer atoms. */
#define BLOCK_OF_NETS 28
/* Neighbours that go through an embedding net together. */
#define CHUNK 56
/* Largest errors of tables, of outputs of order one: what rounding makes of a net's sums. */
#define ERROR_OF_FLOAT 1e-7
#define ERROR_OF_DOUBLE 2e-13
/* Columns of all tables beyond which a model gets none unasked: some 200 rows of each, 300 MB. */
#define MOST_COLUMNS 200000
/* Atoms whose forces one item adds up. */
#define FOLD 4096

/* A net, packed for the kernels. */
struct net {
    int n;
    struct cox_dp_dense layer[COX_DP_MAX_LAYERS];
};

static const struct cox_dp_grid *grid_of(const struct cox_dp_grid *grids,
                                         const struct cox_dp_model *m, int d, int centre, int t)
{
    return &grids[m->descriptor[d].one_side ? t : t * m->n_types + centre];
}

#define REAL float
#define KERNELS cox_dp_kernels_f32
#define OF(name) name##_f32
#include "potential/evaluate_plan.inc"

#include "potential/evaluate_block.inc"
#undef REAL
#undef KERNELS
#undef OF
#define REAL double
#define KERNELS cox_dp_kernels_f64
#define OF(name) name##_f64
#include "potential/evaluate_plan.inc"

#include "potential/evaluate_block.inc"

struct thread {
    struct cox_dp_block block;
    struct room_f32 single;
    struct room_f64 twice;
    double (*force)[3];       /* [force_capacity] */
    double (*atom_virial)[9]; /* [virial_capacity] */
    double virial[9];
    long long overflow, beyond;
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
    double cutoff;
    struct cox_dp_table table[COX_DP_MAX_DESCRIPTORS]; /* no coefficients; cells 0: none */
    int most;                                          /* atoms of a block */
    int capacity, force_capacity, virial_capacity;     /* centres; all atoms */
    int *sorted;                                       /* [capacity] atoms by type */
    double *atom_energy;                               /* [capacity], where the caller has none */
    int type_first[COX_DP_MAX_TYPES + 1];              /* of `sorted` */
    /* the call */
    int n, n_all;
    const int *type;
    const struct cox_neighbours *list;
    const double *fparam;
    struct cox_dp_result *result;
    double *energies; /* the result's, or atom_energy */
};

int cox_dp_precision_parse(enum cox_dp_precision *out, const char *name, struct cox_err *err)
{
    static const char *const names[] = {"float64", "float32", "mix16"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) {
            *out = (enum cox_dp_precision)i;
            return COX_OK;
        }
    return cox_err_set(err, COX_EINVAL, "the precision is float64, float32 or mix16, not '%s'",
                       name);
}

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for the potential");
}

/* ---- creating ---- */

static int copy_model(struct cox_dp_eval *e, const struct cox_dp_model *m)
{
    e->model = *m;
    e->model.arena = NULL;
    e->model.fit = NULL;
    for (int d = 0; d < m->n_descriptors; d++)
        e->model.descriptor[d].embed = NULL;
    e->model.training_script = NULL;
    e->model.fparam_avg = cox_arena_alloc(e->arena, (size_t)m->n_fparam + 1, sizeof(double));
    e->model.fparam_inv_std = cox_arena_alloc(e->arena, (size_t)m->n_fparam + 1, sizeof(double));
    if (!e->model.fparam_avg || !e->model.fparam_inv_std)
        return COX_ENOMEM;
    for (int i = 0; i < m->n_fparam; i++) {
        e->model.fparam_avg[i] = m->fparam_avg[i];
        e->model.fparam_inv_std[i] = m->fparam_inv_std[i];
    }
    return COX_OK;
}

/* With what stride the nets are tabulated, 0: they are not. A model that was compressed says it;
 * else tables are made that no rounding tells from the nets. */
static double stride_of(const struct cox_dp_eval *e, const struct cox_dp_model *m,
                        double *nearest_A)
{
    const bool single = e->precision != COX_DP_F64;
    double stride = m->tables.stride;
    *nearest_A = m->tables.nearest_A;
    size_t columns = 0;
    for (int d = 0; d < m->n_descriptors; d++)
        columns += (size_t)cox_dp_n_embed(m, &m->descriptor[d]) * (size_t)m->descriptor[d].m1;
    if (stride < 0 || (stride == 0 && columns > MOST_COLUMNS))
        return 0;
    if (stride == 0) {
        *nearest_A = m->min_distance > 0 ? m->min_distance : COX_DP_TABLE_NEAREST_A;
        if (cox_dp_table_choose(m, single ? ERROR_OF_FLOAT : ERROR_OF_DOUBLE, *nearest_A, &stride,
                                NULL))
            return 0; /* the nets themselves are always right */
        return stride;
    }
    /* slopes are differences of coefficients over the stride: in float a coarser table is as good
     * in G, and better in its slope. √2 of the stride is 2^5 of the error */
    for (double error = m->tables.error; single && error > 0; error *= 32) {
        if (error * 32 > ERROR_OF_FLOAT)
            break;
        stride *= sqrt(2);
    }
    return stride;
}

static int plan_tables(struct cox_dp_eval *e, const struct cox_dp_model *m, struct cox_err *err)
{
    int rc = COX_OK;
    double nearest_A;
    const double stride = stride_of(e, m, &nearest_A);
    for (int d = 0; !rc && stride > 0 && d < m->n_descriptors; d++) {
        struct cox_dp_table *t = &e->table[d];
        t->stride = stride;
        rc = cox_dp_table_range(m, d, t->stride, nearest_A, &t->low, &t->cells, err);
    }
    e->most = stride > 0 ? COX_DP_BLOCK : BLOCK_OF_NETS;
    return rc;
}

static int plan(struct cox_dp_eval *e, const struct cox_dp_model *m, struct cox_err *err)
{
    int rc = plan_tables(e, m, err);
    if (rc)
        return rc;
    const bool tables = e->table[0].cells > 0;
    rc = copy_model(e, m);
    if (!rc && e->precision != COX_DP_F64) {
        struct room_f32 room = {0};
        rc = plan_init_f32(&e->single, m, e->table, e->precision == COX_DP_MIX16, e->arena);
        if (!rc)
            rc = room_init_f32(&room, &e->single, 2, tables);
        if (!rc)
            plan_slots_f32(&e->single, m, &room);
        room_free_f32(&room);
    } else if (!rc) {
        struct room_f64 room = {0};
        rc = plan_init_f64(&e->twice, m, e->table, false, e->arena);
        if (!rc)
            rc = room_init_f64(&room, &e->twice, 2, tables);
        if (!rc)
            plan_slots_f64(&e->twice, m, &room);
        room_free_f64(&room);
    }
    return rc ? no_memory(err) : COX_OK;
}

static int create_threads(struct cox_dp_eval *e)
{
    const size_t parts = (size_t)e->model.n_descriptors * (size_t)e->model.n_types;
    for (int i = 0; i < e->threads; i++) {
        struct cox_dp_block *b = &e->thread[i].block;
        b->span = cox_alloc(parts * COX_DP_BLOCK, sizeof *b->span);
        b->first = cox_alloc(parts + 1, sizeof *b->first);
        if (!b->span || !b->first)
            return COX_ENOMEM;
    }
    return COX_OK;
}

static int check_nets(const struct cox_dp_model *m, struct cox_err *err)
{
    for (int t = 0; t < m->n_types; t++) {
        const struct cox_dp_layer *last = &m->fit[t].layer[m->fit[t].n - 1];
        if (!last->linear || last->skip != COX_DP_SKIP_NONE || last->idt)
            return cox_err_set(err, COX_EUNSUPPORTED,
                               "fitting net %d does not end in a plain linear layer", t);
    }
    return COX_OK;
}

int cox_dp_eval_create(struct cox_dp_eval **out, const struct cox_dp_model *model,
                       enum cox_dp_precision precision, struct cox_team *team, struct cox_err *err)
{
    *out = NULL;
    int rc = check_nets(model, err);
    if (rc)
        return rc;
    struct cox_dp_eval *e = cox_alloc(1, sizeof *e);
    if (!e)
        return no_memory(err);
    e->precision = precision;
    e->team = team;
    e->threads = team ? cox_team_threads(team) : 1;
    e->cutoff = cox_dp_cutoff(model);
    e->arena = cox_arena_create();
    e->thread = cox_alloc((size_t)e->threads, sizeof *e->thread);
    rc = e->arena && e->thread ? plan(e, model, err) : no_memory(err);
    if (!rc && create_threads(e))
        rc = no_memory(err);
    if (rc)
        cox_dp_eval_destroy(e);
    else
        *out = e;
    return rc;
}

static void free_rows(struct thread *t)
{
    room_free_f32(&t->single);
    room_free_f64(&t->twice);
    cox_free(t->block.dr);
    cox_free(t->block.grad);
    cox_free(t->block.index);
    cox_free(t->block.order);
    t->block.dr = t->block.grad = NULL;
    t->block.index = t->block.order = NULL;
    t->block.capacity = 0;
}

void cox_dp_eval_destroy(struct cox_dp_eval *e)
{
    if (!e)
        return;
    for (int i = 0; e->thread && i < e->threads; i++) {
        free_rows(&e->thread[i]);
        cox_free(e->thread[i].block.span);
        cox_free(e->thread[i].block.first);
        cox_free(e->thread[i].force);
        cox_free(e->thread[i].atom_virial);
    }
    cox_free(e->thread);
    cox_free(e->sorted);
    cox_free(e->atom_energy);
    cox_arena_destroy(e->arena);
    cox_free(e);
}

/* ---- one block ---- */

static int reserve_rows(const struct cox_dp_eval *e, struct thread *t, int rows)
{
    struct cox_dp_block *b = &t->block;
    if (rows <= b->capacity)
        return COX_OK;
    const size_t more = ((size_t)rows + (size_t)rows / 8 + 15) / 16 * 16;
    const bool tables = e->table[0].cells > 0;
    free_rows(t);
    b->dr = cox_alloc(more, sizeof *b->dr);
    b->grad = cox_alloc(more, sizeof *b->grad);
    b->index = cox_alloc(more, sizeof *b->index);
    b->order = cox_alloc(more, sizeof *b->order);
    if (!b->dr || !b->grad || !b->index || !b->order)
        return COX_ENOMEM;
    b->capacity = (int)more;
    return e->precision != COX_DP_F64 ? room_init_f32(&t->single, &e->single, more, tables)
                                      : room_init_f64(&t->twice, &e->twice, more, tables);
}

static int reserve_block(const struct cox_dp_eval *e, struct thread *thread)
{
    const struct cox_dp_block *b = &thread->block;
    int64_t rows = 0;
    for (int i = 0; i < b->n; i++) {
        const int64_t *start = e->list->start + (int64_t)b->atom[i] * (e->model.n_types + 1);
        rows += start[e->model.n_types] - start[0];
    }
    rows *= e->model.n_descriptors;
    return rows > INT32_MAX / 8 ? COX_ENOMEM : reserve_rows(e, thread, (int)rows + 1);
}

/* Adds the block's pairs to the thread's forces and virial, its energies to the result. */
static void scatter(const struct cox_dp_eval *e, struct thread *thread)
{
    const struct cox_dp_block *b = &thread->block;
    struct cox_dp_result *out = e->result;
    double virial[9];
    memcpy(virial, thread->virial, sizeof virial);
    for (int i = 0; i < b->n * e->model.n_types * e->model.n_descriptors; i++) {
        const struct cox_dp_span *s = &b->span[i / b->n * COX_DP_BLOCK + i % b->n];
        double *own = thread->force[b->atom[i % b->n]];
        double sum[3] = {0};
        for (int k = s->first; k < s->first + s->n; k++) {
            const double *g = b->grad[k], *x = b->dr[k];
            double *other = thread->force[b->index[k]];
            for (int p = 0; p < 3; p++) {
                sum[p] += g[p];
                other[p] -= g[p];
                for (int q = 0; q < 3; q++)
                    virial[3 * p + q] -= g[p] * x[q];
            }
            for (int p = 0; out->atom_virial && p < 9; p++)
                thread->atom_virial[b->index[k]][p] -= g[p / 3] * x[p % 3];
        }
        for (int p = 0; p < 3; p++)
            own[p] += sum[p];
        thread->beyond += s->n - s->inside;
    }
    memcpy(thread->virial, virial, sizeof virial);
    for (int i = 0; i < b->n; i++)
        e->energies[b->atom[i]] = b->energy[i] + e->model.bias[b->type];
}

static int one_block(const struct cox_dp_eval *e, struct thread *thread, int first, int n)
{
    const struct cox_dp_model *m = &e->model;
    struct cox_dp_block *b = &thread->block;
    b->n = n;
    memcpy(b->atom, e->sorted + first, (size_t)n * sizeof *b->atom);
    b->type = e->type[b->atom[0]];
    for (int d = 0; d < m->n_descriptors; d++) {
        const struct cox_dp_descriptor *q = &m->descriptor[d];
        const struct cox_dp_table *table = &e->table[d];
        struct cox_dp_environment *env = &b->environment[d];
        *env = (struct cox_dp_environment){.rcut = q->rcut,
                                           .rcut_smth = q->rcut_smth,
                                           .radial = q->kind == COX_DP_SE_R,
                                           .table_low = table->low,
                                           .table_cells = table->cells};
        env->table_inv_stride = table->cells ? 1 / table->stride : 0;
        for (int c = 0; c < (env->radial ? 1 : 4); c++) {
            env->avg[c] = q->davg[b->type][c];
            env->inv_std[c] = 1 / q->dstd[b->type][c];
        }
    }
    int rc = reserve_block(e, thread);
    if (rc)
        return rc;
    thread->overflow += cox_dp_block_gather(b, m, e->cutoff, e->list);
    if (e->precision != COX_DP_F64)
        evaluate_f32(&e->single, m, b, e->fparam, &thread->single);
    else
        evaluate_f64(&e->twice, m, b, e->fparam, &thread->twice);
    scatter(e, thread);
    return COX_OK;
}

/* Item i is thread i's share, the same atoms whoever does it: sums come out the same. */
static void share(void *user, int item, int thread)
{
    struct cox_dp_eval *e = user;
    struct thread *t = &e->thread[item];
    (void)thread;
    const int first = (int)((int64_t)e->n * item / e->threads);
    const int end = (int)((int64_t)e->n * (item + 1) / e->threads);
    memset(t->force, 0, (size_t)e->n_all * sizeof *t->force);
    if (e->result->atom_virial)
        memset(t->atom_virial, 0, (size_t)e->n_all * sizeof *t->atom_virial);
    memset(t->virial, 0, sizeof t->virial);
    t->overflow = t->beyond = 0;
    t->status = COX_OK;
    for (int type = 0; type < e->model.n_types; type++) {
        const int a = first > e->type_first[type] ? first : e->type_first[type];
        const int b = end < e->type_first[type + 1] ? end : e->type_first[type + 1];
        /* equal blocks, rather than full ones and a small rest */
        const int blocks = b > a ? (b - a + e->most - 1) / e->most : 0;
        for (int i = 0; !t->status && i < blocks; i++) {
            const int from = a + (int)((int64_t)(b - a) * i / blocks);
            const int to = a + (int)((int64_t)(b - a) * (i + 1) / blocks);
            t->status = one_block(e, t, from, to - from);
        }
    }
}

/* ---- the call ---- */

static int reserve(struct cox_dp_eval *e, int n, int n_all, bool virials)
{
    bool good = true;
    if (n > e->capacity) {
        cox_free(e->sorted);
        cox_free(e->atom_energy);
        e->sorted = cox_alloc((size_t)n, sizeof *e->sorted);
        e->atom_energy = cox_alloc((size_t)n, sizeof *e->atom_energy);
        good = e->sorted && e->atom_energy;
        e->capacity = good ? n : 0;
    }
    for (int i = 0; good && n_all > e->force_capacity && i < e->threads; i++) {
        struct thread *t = &e->thread[i];
        cox_free(t->force);
        t->force = cox_alloc((size_t)n_all, sizeof *t->force);
        good = t->force;
    }
    if (n_all > e->force_capacity)
        e->force_capacity = good ? n_all : 0;
    for (int i = 0; good && virials && n_all > e->virial_capacity && i < e->threads; i++) {
        struct thread *t = &e->thread[i];
        cox_free(t->atom_virial);
        t->atom_virial = cox_alloc((size_t)n_all, sizeof *t->atom_virial);
        good = t->atom_virial;
    }
    if (virials && n_all > e->virial_capacity)
        e->virial_capacity = good ? n_all : 0;
    return good ? COX_OK : COX_ENOMEM;
}

static void sort_by_type(struct cox_dp_eval *e)
{
    int at = 0;
    for (int t = 0; t < e->model.n_types; t++) {
        e->type_first[t] = at;
        for (int i = 0; i < e->n; i++)
            if (e->type[i] == t)
                e->sorted[at++] = i;
    }
    e->type_first[e->model.n_types] = at;
}

/* The threads' forces on some atoms, in the threads' order. */
static void fold(void *user, int item, int thread)
{
    struct cox_dp_eval *e = user;
    (void)thread;
    const size_t first = (size_t)item * FOLD;
    const size_t end = first + FOLD < (size_t)e->n_all ? first + FOLD : (size_t)e->n_all;
    const size_t n = 3 * (end - first), n_virial = 9 * (end - first);
    double *force = e->result->force ? e->result->force[first] : NULL;
    double *virial = e->result->atom_virial ? e->result->atom_virial[first] : NULL;
    for (int t = 0; t < e->threads; t++) {
        const double *from = e->thread[t].force[first];
        for (size_t i = 0; force && i < n; i++)
            force[i] = t ? force[i] + from[i] : from[i];
        from = virial ? e->thread[t].atom_virial[first] : NULL;
        for (size_t i = 0; virial && i < n_virial; i++)
            virial[i] = t ? virial[i] + from[i] : from[i];
    }
}

static void add_up(struct cox_dp_eval *e, struct cox_dp_result *out)
{
    out->energy = 0;
    out->overflow = 0;
    memset(out->virial, 0, sizeof out->virial);
    for (int i = 0; i < e->n; i++)
        out->energy += e->energies[i];
    cox_team_run(e->team, (e->n_all + FOLD - 1) / FOLD, fold, e);
    for (int t = 0; t < e->threads; t++) {
        for (int k = 0; k < 9; k++)
            out->virial[k / 3][k % 3] += e->thread[t].virial[k];
        out->overflow += e->thread[t].overflow;
    }
}

int cox_dp_eval_compute(struct cox_dp_eval *e, struct cox_dp_result *result,
                        const struct cox_dp_atoms *atoms, const struct cox_neighbours *list,
                        const double *fparam, struct cox_err *err)
{
    if (e->model.n_fparam && !fparam)
        return cox_err_set(err, COX_EINVAL, "the model needs %d frame parameters",
                           e->model.n_fparam);
    if (list->n < atoms->n || list->n_types != e->model.n_types)
        return cox_err_set(err, COX_EINVAL,
                           "a list of %d atoms of %d types for %d atoms and a model of %d types",
                           list->n, list->n_types, atoms->n, e->model.n_types);
    if (reserve(e, atoms->n, atoms->n_all, result->atom_virial != NULL))
        return no_memory(err);
    e->n = atoms->n;
    e->n_all = atoms->n_all;
    e->type = atoms->type;
    e->list = list;
    e->fparam = fparam;
    e->result = result;
    e->energies = result->atom_energy ? result->atom_energy : e->atom_energy;
    sort_by_type(e);
    cox_team_run(e->team, e->threads, share, e);
    for (int i = 0; i < e->threads; i++)
        if (e->thread[i].status)
            return no_memory(err);
    add_up(e, result);
    return COX_OK;
}

bool cox_dp_eval_has_half(void)
{
    return cox_dp_kernels_f32()->has_half();
}

long long cox_dp_eval_beyond_table(const struct cox_dp_eval *e)
{
    long long beyond = 0;
    for (int i = 0; i < e->threads; i++)
        beyond += e->thread[i].beyond;
    return beyond;
}
