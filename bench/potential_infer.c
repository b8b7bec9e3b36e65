/* SPDX-License-Identifier: BSD-3-Clause */
/* potential_infer MODEL FRAME PRECISION THREADS: our evaluator as a worker of bench/potential.py.
 * PRECISION is f64, f32 or mix16. Beside the common commands:
 *   list N   N times the neighbour list alone
 *   rates N  best of N: this thread's rate of products of the fitting net's widest layer (GFLOP/s)
 *            and of tanh (ns a number) */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "kern/gemm.h"
#include "potential/dp_file.h"
#include "potential/eval_kernels.h"
#include "potential/evaluate.h"
#include "potential_worker.h"

struct ours {
    struct cox_dp_model *model;
    struct cox_team *team;
    struct cox_dp_eval *eval;
    struct cox_neighbours list;
    enum cox_dp_precision precision;
    double *atom_energy; /* [n] */
};

static int build_list(struct ours *o, const struct potential_frame *frame, struct cox_err *err)
{
    struct cox_box box = {.periodic = true};
    memcpy(box.h, frame->box, sizeof box.h);
    return cox_neighbours_build(&o->list, frame->n, (const double(*)[3])frame->x, frame->type,
                                o->model->n_types, &box, cox_dp_cutoff(o->model), err);
}

static int compute(void *user, struct potential_frame *frame, struct cox_err *err)
{
    struct ours *o = user;
    struct cox_dp_result result = {.force = frame->force, .atom_energy = o->atom_energy};
    const struct cox_dp_atoms atoms = {frame->n, frame->n, frame->type};
    int rc = build_list(o, frame, err);
    if (!rc)
        rc = cox_dp_eval_compute(o->eval, &result, &atoms, &o->list, NULL, err);
    frame->energy = result.energy;
    return rc;
}

static int time_list(struct ours *o, struct potential_frame *frame, long long n,
                     struct cox_err *err)
{
    const double began = cox_clock_seconds();
    for (long long k = 0; k < n; k++) {
        int rc = build_list(o, frame, err);
        if (rc)
            return rc;
    }
    printf("{\"seconds\": %.9g, \"pairs\": %lld}\n", cox_clock_seconds() - began,
           (long long)o->list.total);
    return 0;
}

/* m rows through the widest layer of the fitting net, as the evaluator has them in a block. */
static double product_rate(const struct cox_dp_model *model, bool single, const void *a,
                           const void *b, void *c, long long tries)
{
    enum { ROWS = 64 };
    const int k = model->fit[0].layer[0].in, n = model->fit[0].layer[0].out;
    double best = HUGE_VAL;
    for (long long t = 0; t < tries; t++) {
        const double began = cox_clock_seconds();
        if (single)
            cox_gemm(NULL, &(struct cox_gemm){.m = ROWS,
                                              .n = n,
                                              .k = k,
                                              .a = a,
                                              .b = b,
                                              .c = c,
                                              .lda = k,
                                              .ldb = n,
                                              .ldc = n});
        else
            cox_dgemm(NULL, &(struct cox_dgemm){.m = ROWS,
                                                .n = n,
                                                .k = k,
                                                .a = a,
                                                .b = b,
                                                .c = c,
                                                .lda = k,
                                                .ldb = n,
                                                .ldc = n});
        best = fmin(best, cox_clock_seconds() - began);
    }
    return 2.0 * ROWS * n * k / best * 1e-9;
}

static double tanh_ns(bool single, const void *x, void *y, long long tries)
{
    enum { N = 4096 };
    const struct cox_dp_kernels *kernels = single ? cox_dp_kernels_f32() : cox_dp_kernels_f64();
    double best = HUGE_VAL;
    for (long long t = 0; t < tries; t++) {
        const double began = cox_clock_seconds();
        kernels->tanh(N, x, y);
        best = fmin(best, cox_clock_seconds() - began);
    }
    return best / N * 1e9;
}

static int rates(struct ours *o, long long tries, struct cox_err *err)
{
    const bool single = o->precision != COX_DP_F64;
    const size_t size = 1 << 20;
    void *a = cox_alloc(size, 8), *b = cox_alloc(size, 8), *c = cox_alloc(size, 8);
    int rc = a && b && c ? 0 : cox_err_set(err, COX_ENOMEM, "no memory for three matrices");
    if (!rc) {
        for (size_t i = 0; i < size; i++) {
            const double value = sin((double)i);
            if (single)
                ((float *)a)[i] = ((float *)b)[i] = (float)value;
            else
                ((double *)a)[i] = ((double *)b)[i] = value;
        }
        const double gflops = product_rate(o->model, single, a, b, c, tries);
        printf("{\"gflops\": %.3f, \"tanh_ns\": %.4f}\n", gflops, tanh_ns(single, a, c, tries));
    }
    cox_free(a);
    cox_free(b);
    cox_free(c);
    return rc;
}

static int command(void *user, struct potential_frame *frame, const char *line, struct cox_err *err)
{
    long long n;
    if (!strncmp(line, "list ", 5) && !cox_parse_int(line + 5, &n))
        return time_list(user, frame, n, err);
    if (!strncmp(line, "rates ", 6) && !cox_parse_int(line + 6, &n))
        return rates(user, n, err);
    return COX_ENOTFOUND;
}

static int serve(struct ours *o, struct potential_frame *frame, char **argv, struct cox_err *err)
{
    long long threads;
    char about[256];
    o->precision = !strcmp(argv[3], "mix16") ? COX_DP_MIX16
                   : !strcmp(argv[3], "f32") ? COX_DP_F32
                                             : COX_DP_F64;
    if (cox_parse_int(argv[4], &threads) || threads < 1 || threads > 1024)
        return cox_err_set(err, COX_EINVAL, "threads '%s': 1 … 1024 allowed", argv[4]);
    int rc = cox_dp_model_read(&o->model, argv[1], err);
    if (!rc)
        rc = potential_frame_read(frame, argv[2], err);
    if (!rc)
        rc = cox_team_create(&o->team, (int)threads, err);
    if (!rc)
        rc = cox_dp_eval_create(&o->eval, o->model, o->precision, o->team, err);
    if (!rc && !(o->atom_energy = cox_alloc((size_t)frame->n, sizeof *o->atom_energy)))
        rc = cox_err_set(err, COX_ENOMEM, "no memory for %d atoms", frame->n);
    if (rc)
        return rc;
    (void)snprintf(about, sizeof about,
                   "\"isa\": \"%s\", \"parameters\": %lld, \"stride\": %g, \"table_error\": %g, "
                   "\"slope_error\": %g",
                   (o->precision != COX_DP_F64 ? cox_dp_kernels_f32() : cox_dp_kernels_f64())->isa,
                   cox_dp_model_parameters(o->model), o->model->tables.stride,
                   o->model->tables.error, o->model->tables.d_error);
    const struct potential_worker worker = {
        .compute = compute, .command = command, .about = about, .user = o};
    return potential_serve(&worker, frame, err);
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct potential_frame frame = {0};
    struct ours o = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: potential_infer MODEL FRAME f64|f32|mix16 THREADS\n");
        return 2;
    }
    cox_neighbours_init(&o.list);
    int rc = serve(&o, &frame, argv, &err);
    if (rc)
        fprintf(stderr, "potential_infer: %s\n", err.text);
    cox_dp_eval_destroy(o.eval);
    cox_team_destroy(o.team);
    cox_free(o.atom_energy);
    cox_neighbours_deinit(&o.list);
    cox_dp_model_destroy(o.model);
    potential_frame_deinit(&frame);
    return rc ? 1 : 0;
}
