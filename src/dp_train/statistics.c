/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dp_train/least_squares.h"
#include "potential/evaluate.h"

/* ---- environment matrix ---- */

/* Sums over the slots of the centres of one type. */
struct sums {
    double slots;
    double s, s2;   /* of the first column */
    double xyz, r2; /* Σ (x + y + z), Σ (x² + y² + z²) of the others */
};

struct near {
    double r2;
    int64_t k;
};

static int by_distance(const void *a, const void *b)
{
    double x = ((const struct near *)a)->r2;
    double y = ((const struct near *)b)->r2;
    return x < y ? -1 : x > y;
}

/* One row of the matrix of a neighbour at dr. */
static void add_row(struct sums *to, const struct cox_dp_descriptor *q, const double dr[3],
                    double r2)
{
    double r = sqrt(r2);
    double u = (r - q->rcut_smth) / (q->rcut - q->rcut_smth);
    double sw = u <= 0 ? 1 : u >= 1 ? 0 : u * u * u * (u * (15 - 6 * u) - 10) + 1;
    double s = sw / r;
    to->s += s;
    to->s2 += s * s;
    for (int k = 0; k < 3; k++) {
        double c = s * dr[k] / r;
        to->xyz += c;
        to->r2 += c * c;
    }
}

/* The neighbours of one type: the nearest `sel` are seen. */
static void add_type(struct sums *to, const struct cox_dp_descriptor *q, int sel, int64_t from,
                     int64_t end, const double (*dr)[3], struct near *work)
{
    int64_t n = 0;
    for (int64_t k = from; k < end; k++) {
        double r2 = dr[k][0] * dr[k][0] + dr[k][1] * dr[k][1] + dr[k][2] * dr[k][2];
        if (r2 <= q->rcut * q->rcut)
            work[n++] = (struct near){r2, k};
    }
    if (n > sel) {
        qsort(work, (size_t)n, sizeof *work, by_distance);
        n = sel;
    }
    for (int64_t i = 0; i < n; i++)
        add_row(to, q, dr[work[i].k], work[i].r2);
}

static int add_frame(struct sums *sums, const struct cox_dp_model *m,
                     const struct cox_dp_descriptor *q, const struct cox_neighbours *list,
                     const int *type, struct cox_err *err)
{
    int nt = list->n_types;
    int64_t most = 0;
    for (int i = 0; i < list->n; i++) {
        const int64_t *start = list->start + (int64_t)i * (nt + 1);
        if (start[nt] - start[0] > most)
            most = start[nt] - start[0];
    }
    struct near *work = cox_alloc((size_t)most, sizeof *work);
    if (!work)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the statistics");
    for (int i = 0; i < list->n; i++) {
        const int64_t *start = list->start + (int64_t)i * (nt + 1);
        struct sums *to = &sums[type[i]];
        to->slots += q->n_slots;
        for (int t = 0; t < m->n_types; t++)
            if (!q->exclude[type[i]][t])
                add_type(to, q, q->sel[t], start[t], start[t + 1], (const double(*)[3])list->dr,
                         work);
    }
    cox_free(work);
    return COX_OK;
}

static double deviation(double mean_square, double mean, double protect)
{
    double variance = mean_square - mean * mean;
    double d = variance > 0 ? sqrt(variance) : 0;
    return d < protect ? protect : d;
}

static void settle(struct cox_dp_descriptor *q, int type, const struct sums *s, bool zero_mean,
                   double protect)
{
    double n = s->slots > 0 ? s->slots : 1;
    memset(q->davg[type], 0, sizeof q->davg[type]);
    if (!zero_mean)
        q->davg[type][0] = s->s / n;
    q->dstd[type][0] = deviation(s->s2 / n, s->s / n, protect);
    double angular = deviation(s->r2 / n / 3, s->xyz / n / 3, protect);
    for (int c = 1; c < 4; c++)
        q->dstd[type][c] = angular;
    if (!(s->slots > 0)) /* no atom of this type in the data */
        for (int c = 0; c < 4; c++)
            q->dstd[type][c] = 1;
}

int cox_dp_statistics_environment(struct cox_dp_model *m, const struct cox_dp_input *input,
                                  struct cox_dp_lists *lists, struct cox_err *err)
{
    int rc = COX_OK;
    for (int d = 0; !rc && d < m->n_descriptors; d++) {
        struct cox_dp_descriptor *q = &m->descriptor[d];
        struct sums sums[COX_DP_MAX_TYPES] = {{0}};
        for (int i = 0; !rc && i < lists->systems->n; i++) {
            const struct cox_dp_system *s = &lists->systems->system[i];
            int64_t want = (int64_t)input->model.data_stat_nbatch * s->batch;
            int64_t n = want < s->data->n ? want : s->data->n;
            for (int64_t k = 0; !rc && k < n; k++) {
                const struct cox_neighbours *list;
                int atoms;
                int frame = (int)(k * s->data->n / n);
                const int *type = cox_dp_data_types(s->data, frame, &atoms);
                rc = cox_dp_lists_get(&list, lists, i, frame, 0, err);
                if (!rc)
                    rc = add_frame(sums, m, q, list, type, err);
            }
        }
        for (int t = 0; t < m->n_types; t++)
            settle(q, t, &sums[t], cox_dp_input_descriptor(input, d)->set_davg_zero,
                   input->model.data_stat_protect);
    }
    return rc;
}

/* ---- energies ---- */

/* Rows of type counts and energies. */
struct rows {
    double *count; /* [n][n_types] */
    double *energy;
    int64_t n;
};

static int rows_alloc(struct rows *r, const struct cox_dp_systems *s, int n_types,
                      struct cox_err *err)
{
    int64_t n = 0;
    for (int i = 0; i < s->n; i++)
        n += s->system[i].data->frame_type ? s->system[i].data->n : 1;
    r->count = cox_alloc((size_t)n * (size_t)n_types, sizeof *r->count);
    r->energy = cox_alloc((size_t)n, sizeof *r->energy);
    r->n = 0;
    return r->count && r->energy ? COX_OK
                                 : cox_err_set(err, COX_ENOMEM, "out of memory for the energies");
}

static void rows_free(struct rows *r)
{
    cox_free(r->count);
    cox_free(r->energy);
}

/* Adds the rows of a system whose frames have these energies (or are to be passed over: NaN). */
static void add_system(struct rows *r, const struct cox_dp_data *d, const double *energy,
                       int n_types)
{
    double sum = 0;
    int64_t used = 0;
    for (int64_t f = 0; f < d->n; f++) {
        int atoms;
        const int *type = cox_dp_data_types(d, f, &atoms);
        if (isnan(energy[f]))
            continue;
        sum += energy[f];
        used++;
        if (d->frame_type || used == 1)
            for (int i = 0; i < atoms; i++)
                r->count[r->n * n_types + type[i]]++;
        if (d->frame_type)
            r->energy[r->n++] = energy[f];
    }
    if (!d->frame_type && used)
        r->energy[r->n++] = sum / (double)used;
}

/* Adds the solution to the bias of the types that are not assigned; for assigned ones the energy
 * is taken off first. */
static int add_bias(struct cox_dp_model *m, struct rows *r, const double *assigned,
                    struct cox_err *err)
{
    double x[COX_DP_MAX_TYPES] = {0};
    int nt = m->n_types;
    for (int64_t i = 0; i < r->n; i++)
        for (int t = 0; t < nt; t++)
            if (!isnan(assigned[t])) {
                r->energy[i] -= r->count[i * nt + t] * assigned[t];
                r->count[i * nt + t] = 0;
            }
    int rc = r->n ? cox_dp_least_squares(x, r->count, r->energy, r->n, nt, err) : COX_OK;
    for (int t = 0; !rc && t < nt; t++)
        m->bias[t] += isnan(assigned[t]) ? x[t] : assigned[t];
    return rc;
}

int cox_dp_statistics_bias(struct cox_dp_model *m, const struct cox_dp_input *input,
                           const struct cox_dp_systems *systems, struct cox_err *err)
{
    struct rows r = {0};
    int rc = rows_alloc(&r, systems, m->n_types, err);
    for (int i = 0; !rc && i < systems->n; i++)
        if (systems->system[i].data->energy)
            add_system(&r, systems->system[i].data, systems->system[i].data->energy, m->n_types);
    memset(m->bias, 0, sizeof m->bias);
    if (!rc)
        rc = add_bias(m, &r, input->model.fitting.vacuum, err);
    rows_free(&r);
    return rc;
}

/* ---- shift ---- */

/* Differences, label less model, of some frames of a system; the others NaN. */
static int differences(double *out, int index, const struct cox_dp_input *input,
                       struct cox_dp_lists *lists, struct cox_dp_eval *eval, struct cox_err *err)
{
    const struct cox_dp_system *s = &lists->systems->system[index];
    const struct cox_dp_data *d = s->data;
    int64_t want = (int64_t)input->model.data_stat_nbatch * s->batch;
    int64_t n = want < d->n ? want : d->n;
    double *atom_energy = cox_alloc((size_t)d->n_atoms, sizeof *atom_energy);
    double(*force)[3] = cox_alloc((size_t)d->n_atoms, sizeof *force);
    int rc = atom_energy && force ? COX_OK
                                  : cox_err_set(err, COX_ENOMEM, "out of memory for the energies");
    for (int64_t f = 0; f < d->n; f++)
        out[f] = NAN;
    for (int64_t k = 0; !rc && k < n; k++) {
        int64_t f = k * d->n / n;
        const struct cox_neighbours *list;
        struct cox_dp_result result = {.atom_energy = atom_energy, .force = force};
        struct cox_dp_atoms atoms = {0};
        atoms.type = cox_dp_data_types(d, f, &atoms.n);
        atoms.n_all = atoms.n;
        rc = cox_dp_lists_get(&list, lists, index, (int)f, 0, err);
        if (!rc)
            rc = cox_dp_eval_compute(eval, &result, &atoms, list,
                                     d->fparam ? d->fparam + f * d->n_fparam : NULL, err);
        if (!rc)
            out[f] = d->energy[f] - result.energy;
    }
    cox_free(force);
    cox_free(atom_energy);
    return rc;
}

int cox_dp_statistics_shift(struct cox_dp_model *m, const struct cox_dp_input *input,
                            struct cox_dp_lists *lists, struct cox_team *team, struct cox_err *err)
{
    const struct cox_dp_systems *systems = lists->systems;
    double free_types[COX_DP_MAX_TYPES];
    struct rows r = {0};
    struct cox_dp_eval *eval = NULL;
    int rc = cox_dp_eval_create(&eval, m, COX_DP_F64, team, err);
    for (int t = 0; t < COX_DP_MAX_TYPES; t++)
        free_types[t] = NAN;
    if (!rc)
        rc = rows_alloc(&r, systems, m->n_types, err);
    for (int i = 0; !rc && i < systems->n; i++) {
        const struct cox_dp_data *d = systems->system[i].data;
        if (!d->energy)
            continue;
        double *difference = cox_alloc((size_t)d->n, sizeof *difference);
        rc = difference ? differences(difference, i, input, lists, eval, err)
                        : cox_err_set(err, COX_ENOMEM, "out of memory for the energies");
        if (!rc)
            add_system(&r, d, difference, m->n_types);
        cox_free(difference);
    }
    if (!rc)
        rc = add_bias(m, &r, free_types, err);
    rows_free(&r);
    cox_dp_eval_destroy(eval);
    return rc;
}

/* ---- frame parameters ---- */

void cox_dp_statistics_fparam(struct cox_dp_model *m, const struct cox_dp_input *input,
                              const struct cox_dp_systems *systems)
{
    for (int k = 0; k < m->n_fparam; k++) {
        double n = 0;
        double sum = 0;
        double square = 0;
        for (int i = 0; i < systems->n; i++) {
            const struct cox_dp_data *d = systems->system[i].data;
            for (int64_t f = 0; d->fparam && f < d->n; f++) {
                double x = d->fparam[f * d->n_fparam + k];
                n++;
                sum += x;
                square += x * x;
            }
        }
        n = n > 0 ? n : 1;
        m->fparam_avg[k] = sum / n;
        m->fparam_inv_std[k] = 1 / deviation(square / n, sum / n, input->model.data_stat_protect);
    }
}
