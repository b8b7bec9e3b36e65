/* SPDX-License-Identifier: BSD-3-Clause */
/* The expected time V(w, a) to the end with w steps of work left on a server of age a. A failure
 * leads to K(w) = R + V(w, 0): coming up, and a fresh server. A stretch of i steps takes x = i + δ
 * (the last one writes no checkpoint: x = w) and ends at age y = a + x. With Q = 1 − F and H = ∫ Q,
 *   V(w, a) = K(w) + min over i of [H(y) − H(a) + Q(y) (V(w − i, y) − K(w))] / Q(a):
 * the time until the end of the stretch or the server's, then what follows either. At a = 0, where
 * V(w, 0) stands on both sides (the stretch that is best is so again after a failure),
 *   V(w, 0) = min over i of [H(y) + F(y) R] / Q(y) + V(w − i, y).
 * All is exact but for two roundings: stretches are whole steps, and where δ is no whole number of
 * steps V is interpolated between ages (Q and H are not). w falls and y grows along the loop over i
 * while z = w + a does not change, so values are stored by (z, work done): the loop is contiguous.
 */
#include "servers/schedule.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "servers/schedule_paper.h"

#define GONE 1e-12      /* of so few servers nothing is computed: they count as gone */
#define MOST_STEPS 2000 /* a few seconds */
#define MOST_AGES 6000

struct grid {
    int work;        /* steps of work */
    double step_h;   /* as asked for or a little less, so that they make up the work */
    double restart;  /* R in steps */
    int checkpoint;  /* whole steps of δ */
    double fraction; /* and the rest of it, [0, 1) */
};

struct cox_schedule_table {
    int work, ages, last; /* last: the age at which any server is left */
    double step_h;
    uint16_t *choice; /* [work][ages] stretches, in steps … */
    float *expected;  /* … and steps to the end */
};

/* Values of one server from the age first_h on. */
struct programme {
    const struct grid *grid;
    bool is_fresh;   /* of a server of any age from 0; else of one that has the first age now */
    int ages;        /* wanted when all work is left: first, first + 1 step, … */
    int last;        /* the last age at which any server is left */
    double *q, *h;   /* Q and H in steps from the first age */
    double *qc, *hc; /* the same a fraction of a step later */
    double *value;   /* [rows][work] by (w + a, work done) */
    double *after;   /* a fraction of a step later; the same array where that is 0 */
    double *fresh;   /* [work + 1] V(w, 0); borrowed unless this is the fresh server's programme */
};

static double delta(const struct grid *grid)
{
    return grid->checkpoint + grid->fraction;
}

static int grid_init(struct grid *grid, const struct cox_lifetime *life,
                     const struct cox_schedule_options *o, struct cox_err *err)
{
    int status = cox_lifetime_check(life, err);
    if (status)
        return status;
    if (!(o->work_h > 0) || !(o->step_h > 0) || !isfinite(o->work_h) || !isfinite(o->step_h))
        return cox_err_set(err, COX_EINVAL,
                           "checkpoint schedule: work_h is %g and step_h %g; must be above 0",
                           o->work_h, o->step_h);
    if (!(o->age_h >= 0) || !(o->checkpoint_h >= 0) || !(o->restart_h >= 0) ||
        !isfinite(o->age_h + o->checkpoint_h + o->restart_h))
        return cox_err_set(err, COX_EINVAL,
                           "checkpoint schedule: age_h is %g, checkpoint_h %g, restart_h %g; must "
                           "be 0 or more",
                           o->age_h, o->checkpoint_h, o->restart_h);
    double steps = ceil(o->work_h / o->step_h - 1e-9);
    if (steps > MOST_STEPS || o->checkpoint_h / o->step_h > MOST_STEPS)
        return cox_err_set(err, COX_EINVAL,
                           "checkpoint schedule: work_h %g and checkpoint_h %g are more than %d "
                           "steps of step_h %g; it must be %g or more",
                           o->work_h, o->checkpoint_h, MOST_STEPS, o->step_h,
                           fmax(o->work_h, o->checkpoint_h) / MOST_STEPS);
    grid->work = steps > 1 ? (int)steps : 1;
    grid->step_h = o->work_h / grid->work;
    grid->restart = o->restart_h / grid->step_h;
    double checkpoint = o->checkpoint_h / grid->step_h;
    grid->checkpoint = (int)floor(checkpoint + 1e-9);
    grid->fraction = checkpoint - grid->checkpoint;
    if (grid->fraction < 1e-9)
        grid->fraction = 0;
    return COX_OK;
}

static void programme_deinit(struct programme *p)
{
    cox_free(p->q);
    cox_free(p->h);
    if (p->qc != p->q) {
        cox_free(p->qc);
        cox_free(p->hc);
    }
    if (p->after != p->value)
        cox_free(p->after);
    cox_free(p->value);
}

/* The last age wanted with w steps left: each step done can have cost a checkpoint. */
static int last_age(const struct programme *p, int w)
{
    const struct grid *grid = p->grid;
    int reach = 1 + grid->checkpoint + (grid->fraction > 0);
    int last = p->ages - 1 + (grid->work - w) * reach;
    return last < p->last + 1 ? last : p->last + 1; /* one more, to interpolate */
}

/* … and the first: on the server that the job began on, a checkpoint has been written. */
static int first_age(const struct programme *p, int w)
{
    int done = p->grid->work - w;
    return !p->is_fresh && done > 0 ? done + p->grid->checkpoint : 0;
}

/* ∫_t^{t+d} (1 − F), in steps. */
static double lived(const struct programme *p, const struct cox_lifetime *life, double t, double d)
{
    return (d - cox_lifetime_cdf_integral(life, t, t + d)) / p->grid->step_h;
}

static void tabulate(struct programme *p, const struct cox_lifetime *life, double first_h, int n)
{
    const double step = p->grid->step_h;
    const double fraction = p->grid->fraction;
    double h = 0;
    for (int k = 0; k < n; k++) {
        double t = first_h + k * step;
        p->q[k] = 1 - cox_lifetime_cdf(life, t);
        p->h[k] = h;
        if (fraction > 0) {
            p->qc[k] = 1 - cox_lifetime_cdf(life, t + fraction * step);
            p->hc[k] = h + lived(p, life, t, fraction * step);
        }
        h += lived(p, life, t, step);
    }
    p->last = n - 1;
    while (p->last > 0 && !(p->q[p->last] > GONE))
        p->last--;
}

/* Room for the ages first_h, first_h + step, …: `ages` of them when all work is left. */
static int programme_init(struct programme *p, const struct grid *grid,
                          const struct cox_lifetime *life, double first_h, int ages, double *fresh,
                          struct cox_err *err)
{
    *p = (struct programme){.grid = grid,
                            .is_fresh = !(first_h > 0),
                            .ages = ages,
                            .last = INT32_MAX - 1,
                            .fresh = fresh};
    int n = last_age(p, 0) + grid->work + grid->checkpoint + 1;
    p->q = cox_alloc((size_t)n, sizeof *p->q);
    p->h = cox_alloc((size_t)n, sizeof *p->h);
    p->qc = p->q;
    p->hc = p->h;
    if (grid->fraction > 0) {
        p->qc = cox_alloc((size_t)n, sizeof *p->qc);
        p->hc = cox_alloc((size_t)n, sizeof *p->hc);
    }
    if (p->q && p->h && p->qc && p->hc) {
        tabulate(p, life, first_h, n);
        size_t rows = (size_t)grid->work + (size_t)last_age(p, 0) + (size_t)grid->checkpoint + 1;
        p->value = cox_alloc(rows * (size_t)grid->work, sizeof *p->value);
        p->after = p->value;
        if (grid->fraction > 0)
            p->after = cox_alloc(rows * (size_t)grid->work, sizeof *p->after);
        if (p->value && p->after)
            return COX_OK;
    }
    programme_deinit(p);
    return cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint schedule of %d steps",
                       grid->work);
}

/* Where V(w, a) is; the next ones in memory are V(w − 1, a + 1), V(w − 2, a + 2) … */
static size_t place(const struct programme *p, int w, int a)
{
    return (size_t)(w + a) * (size_t)p->grid->work + (size_t)(p->grid->work - w);
}

/* V(w, 0), of the fresh server's programme; infinity where none outlives a stretch. */
static double solve_fresh(const struct programme *p, int w)
{
    const struct grid *grid = p->grid;
    const double restart = grid->restart;
    const double *qc = p->qc + grid->checkpoint;
    const double *hc = p->hc + grid->checkpoint;
    const double *rest = p->after + place(p, w, grid->checkpoint);
    double best = INFINITY;
    if (p->q[w] > GONE)
        best = (p->h[w] + (1 - p->q[w]) * restart) / p->q[w];
    for (int i = 1; i < w && qc[i] > GONE; i++)
        best = fmin(best, (hc[i] + (1 - qc[i]) * restart) / qc[i] + rest[i]);
    return best;
}

/* V(w, a), and the stretch to take. */
static double solve_state(const struct programme *p, int w, int a, int *stretch)
{
    const int checkpoint = p->grid->checkpoint;
    const double failed = p->grid->restart + p->fresh[w];
    const double *qc = p->qc + a + checkpoint;
    const double *hc = p->hc + a + checkpoint;
    const double *rest = p->after + place(p, w, a + checkpoint);
    double best = p->h[a + w] - p->q[a + w] * failed;
    int choice = w;
    *stretch = w;
    if (!(p->q[a] > GONE))
        return failed;
    for (int i = 1; i < w; i++) {
        double time = hc[i] + qc[i] * (rest[i] - failed);
        if (time < best) {
            best = time;
            choice = i;
        }
    }
    *stretch = choice;
    return failed + (best - p->h[a]) / p->q[a];
}

/* All states, by the work left. `table` (nullable) gets the stretch and the value of each. */
static int solve(struct programme *p, const struct cox_schedule_table *table, struct cox_err *err)
{
    const struct grid *grid = p->grid;
    for (int w = 1; w <= grid->work; w++) {
        int stretch;
        int last = last_age(p, w);
        if (p->is_fresh)
            p->fresh[w] = solve_fresh(p, w);
        if (!isfinite(p->fresh[w]))
            return cox_err_set(err, COX_EINVAL,
                               "checkpoint schedule: no server lives for a stretch of %g h and a "
                               "checkpoint",
                               grid->step_h);
        for (int a = first_age(p, w); a <= last; a++) {
            double value = solve_state(p, w, a, &stretch);
            p->value[place(p, w, a)] = value;
            if (table && a < p->ages) {
                size_t at = (size_t)(w - 1) * (size_t)p->ages + (size_t)a;
                table->choice[at] = (uint16_t)stretch;
                table->expected[at] = (float)value;
            }
        }
        for (int a = first_age(p, w); p->after != p->value && a < last; a++)
            p->after[place(p, w, a)] = (1 - grid->fraction) * p->value[place(p, w, a)] +
                                       grid->fraction * p->value[place(p, w, a + 1)];
    }
    return COX_OK;
}

/* The stretches of a server that is not lost. */
static int follow(struct cox_schedule *out, const struct programme *p, struct cox_err *err)
{
    const struct grid *grid = p->grid;
    double age = 0;
    out->stretch_h = cox_alloc((size_t)grid->work, sizeof *out->stretch_h);
    if (!out->stretch_h)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint schedule");
    for (int w = grid->work; w > 0;) {
        int stretch;
        int a = (int)lround(age);
        solve_state(p, w, a < p->last ? a : p->last, &stretch);
        out->stretch_h[out->n++] = stretch * grid->step_h;
        age += stretch + delta(grid);
        w -= stretch;
    }
    out->expected_h = p->value[place(p, grid->work, 0)] * grid->step_h;
    return COX_OK;
}

/* V(w, 0) into `fresh` and, where first_h is not 0, the programme of a server that begins there;
 * *out is to be deinitialised by the caller unless this fails. */
static int prepare(struct programme *out, const struct grid *grid, const struct cox_lifetime *life,
                   double first_h, double *fresh, struct cox_err *err)
{
    int status = programme_init(out, grid, life, 0, 1, fresh, err);
    if (status)
        return status;
    status = solve(out, NULL, err);
    if (!status && !(first_h > 0))
        return COX_OK;
    programme_deinit(out);
    if (status)
        return status;
    status = programme_init(out, grid, life, first_h, 1, fresh, err);
    if (status)
        return status;
    status = solve(out, NULL, err);
    if (status)
        programme_deinit(out);
    return status;
}

int cox_schedule_optimal(struct cox_schedule *out, const struct cox_lifetime *life,
                         const struct cox_schedule_options *options, struct cox_err *err)
{
    struct grid grid;
    struct programme p;
    *out = (struct cox_schedule){0};
    int status = grid_init(&grid, life, options, err);
    if (status)
        return status;
    if (options->convention == COX_SCHEDULE_PAPER)
        return cox_schedule_paper(out, life, options, grid.work, grid.step_h, err);
    double *fresh = cox_alloc((size_t)grid.work + 1, sizeof *fresh);
    if (!fresh)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint schedule");
    status = prepare(&p, &grid, life, options->age_h, fresh, err);
    if (!status) {
        status = follow(out, &p, err);
        programme_deinit(&p);
    }
    cox_free(fresh);
    return status;
}

void cox_schedule_deinit(struct cox_schedule *schedule)
{
    cox_free(schedule->stretch_h);
    *schedule = (struct cox_schedule){0};
}

/* ---- the policy as a table ---- */

/* The age beyond which nothing changes, or servers are rare. */
static double horizon(const struct cox_lifetime *life, double age_h)
{
    double end;
    switch (life->kind) {
    case COX_LIFETIME_CONSTRAINED:
        return cox_lifetime_quantile(life, 1 - GONE);
    case COX_LIFETIME_EMPIRICAL:
        return life->n ? life->time[life->n - 1] : 0;
    case COX_LIFETIME_WEIBULL:
        end = cox_lifetime_quantile(life, .999);
        return fmin(end, fmax(age_h, 24));
    default: /* without memory */
        return 0;
    }
}

int cox_schedule_table_create(struct cox_schedule_table **out, const struct cox_lifetime *life,
                              const struct cox_schedule_options *options, struct cox_err *err)
{
    struct grid grid;
    struct programme p;
    *out = NULL;
    int status = grid_init(&grid, life, options, err);
    if (status)
        return status;
    if (options->convention == COX_SCHEDULE_PAPER)
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "the published checkpoint schedule has no table: it is for comparison");
    double ages = ceil(horizon(life, options->age_h) / grid.step_h) + 1;
    if (ages > MOST_AGES)
        return cox_err_set(err, COX_EINVAL,
                           "checkpoint schedule: servers live for %g steps of %g h; at most %d: "
                           "step_h must be %g or more",
                           ages, grid.step_h, MOST_AGES, grid.step_h * ages / MOST_AGES);
    struct cox_schedule_table *table = cox_alloc(1, sizeof *table);
    double *fresh = cox_alloc((size_t)grid.work + 1, sizeof *fresh);
    struct cox_schedule_table made = {.work = grid.work, .ages = (int)ages, .step_h = grid.step_h};
    made.choice = cox_alloc((size_t)grid.work * (size_t)ages, sizeof *made.choice);
    made.expected = cox_alloc((size_t)grid.work * (size_t)ages, sizeof *made.expected);
    status = table && fresh && made.choice && made.expected
                 ? programme_init(&p, &grid, life, 0, (int)ages, fresh, err)
                 : cox_err_set(err, COX_ENOMEM, "out of memory for a checkpoint schedule");
    if (!status) {
        status = solve(&p, &made, err);
        programme_deinit(&p);
    }
    cox_free(fresh);
    if (status) {
        cox_free(table);
        cox_free(made.choice);
        cox_free(made.expected);
        return status;
    }
    made.last = (int)ages - 1 < p.last ? (int)ages - 1 : p.last;
    *table = made;
    *out = table;
    return COX_OK;
}

void cox_schedule_table_destroy(struct cox_schedule_table *table)
{
    if (table) {
        cox_free(table->choice);
        cox_free(table->expected);
    }
    cox_free(table);
}

static size_t nearest_state(const struct cox_schedule_table *table, double remaining_h,
                            double age_h)
{
    double w = fmin(fmax(nearbyint(remaining_h / table->step_h), 1), table->work);
    double a = fmin(fmax(nearbyint(age_h / table->step_h), 0), table->last);
    return ((size_t)w - 1) * (size_t)table->ages + (size_t)a;
}

double cox_schedule_table_expected(const struct cox_schedule_table *table, double remaining_h,
                                   double age_h)
{
    if (!(remaining_h > 0))
        return 0;
    return table->expected[nearest_state(table, remaining_h, age_h)] * table->step_h;
}

double cox_schedule_table_next(const struct cox_schedule_table *table, double remaining_h,
                               double age_h)
{
    if (!(remaining_h > 0))
        return 0;
    size_t state = nearest_state(table, remaining_h, age_h);
    int stretch = table->choice[state];
    bool rest = stretch > (int)(state / (size_t)table->ages) &&
                remaining_h < (table->work + 1) * table->step_h;
    return rest ? remaining_h : fmin(stretch * table->step_h, remaining_h);
}
