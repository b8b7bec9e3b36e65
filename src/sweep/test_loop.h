/* SPDX-License-Identifier: BSD-3-Clause */
/* A sweep in memory: the surrogate against a function, without jobs, for tests and benchmarks. */
#ifndef COX_SWEEP_TEST_LOOP_H
#define COX_SWEEP_TEST_LOOP_H

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "learn/sobol.h"
#include "sweep/surrogate.h"

#define LOOP_MAX_OUTPUTS 4
#define LOOP_MAX_CORES 64

/* value[n_values] of x[d] in [0, 1]. */
typedef void loop_function(const double *x, int d, double *value);

struct loop {
    struct cox_sweep_settings settings;
    struct cox_sweep_output output[LOOP_MAX_OUTPUTS];
    int first[LOOP_MAX_OUTPUTS + 1];
    int hidden[2];
    const char *activation[2];
    struct cox_points points;
    loop_function *function;
    double noise;
    int cores, threads;
    void (*trained)(const struct loop *l, const struct cox_ledger_model *told); /* may be NULL */
    /* what came of it */
    struct cox_surrogate_state state;
    int simulated, trainings, withdrawn; /* of trust */
    double aim;                          /* a value of the first output … */
    int reached;      /* … and after how many simulations one was as small; 0: never */
    double bad_first; /* likewise when predictions were first served */
    double bad;       /* true share of failing among what is served; NaN: none */
    struct cox_surrogate *surrogate; /* for a look; freed by loop_deinit */
};

static inline void loop_init(struct loop *l, int n, int d, loop_function *function, int n_values)
{
    static const char *const activations[] = {"tanh", "tanh"};
    memset(l, 0, sizeof *l);
    l->function = function;
    l->aim = -INFINITY;
    l->cores = 8;
    l->threads = 1;
    l->output[0] = (struct cox_sweep_output){
        .name = "y", .accuracy = 0.05, .relative_accuracy = NAN, .bins = 0.95};
    l->first[1] = n_values;
    memcpy(l->activation, activations, sizeof l->activation);
    l->hidden[0] = 48;
    l->hidden[1] = 32;
    struct cox_sweep_settings *s = &l->settings;
    s->seed = 1;
    s->outputs = (struct cox_config_sections){.n = 1, .items = l->output};
    s->targets = (struct cox_settings_targets){
        .coverage = 0.95, .failing = 0.05, .budget = NAN, .deadline_hours = NAN};
    s->surrogate = (struct cox_settings_surrogate){.enabled = true,
                                                   .members = 5,
                                                   .hidden = {2, l->hidden},
                                                   .activations = {2, l->activation},
                                                   .dropout = 0,
                                                   .learning_rate = 3e-3,
                                                   .batch = 16,
                                                   .epochs_first = 300,
                                                   .epochs = 60,
                                                   .audit = 0.1,
                                                   .audits_min = 20,
                                                   .spread = 1,
                                                   .hull = true};
    s->acquisition.kind = COX_ACQUIRE_VARIANCE;
    s->objective.value = s->objective.tolerance = NAN;
    l->points.n = n;
    l->points.n_inputs = l->points.n_features = d;
    l->points.x = l->points.feature = cox_alloc((size_t)n * (size_t)d, sizeof(double));
    for (int i = 0; i < n; i++)
        cox_sobol_point_scrambled((uint32_t)i, d, 77, l->points.feature + (size_t)i * (size_t)d);
}

static inline void loop_deinit(struct loop *l)
{
    cox_surrogate_destroy(l->surrogate);
    cox_free(l->points.x);
}

static inline void loop_simulate(const struct loop *l, int point, double *value)
{
    struct cox_rng rng;
    const int n = l->first[l->settings.outputs.n];
    cox_rng_init(&rng, cox_seed_mix((uint64_t)l->settings.seed, 99), (uint64_t)point);
    l->function(l->points.feature + (size_t)point * (size_t)l->points.n_features,
                l->points.n_features, value);
    for (int j = 0; j < n; j++)
        value[j] += l->noise * cox_rng_normal(&rng);
}

/* The share of the points that are served in the end whose simulation would have failed: by the
 * definition of docs/surrogate.md, written once more. One output only, a fixed accuracy. */
static inline double loop_bad(const struct loop *l, const bool *known)
{
    const int m = l->first[1], d = l->points.n_features;
    double *mean = cox_alloc((size_t)m, sizeof *mean), *y = cox_alloc((size_t)m, sizeof *y);
    int served = 0, bad = 0;
    struct cox_err err;
    for (int p = 0; p < l->points.n; p++) {
        bool serve = false;
        if (known[p] ||
            cox_surrogate_predict(l->surrogate, 1, l->points.feature + (size_t)p * (size_t)d, mean,
                                  NULL, NULL, &serve, NULL, &err) ||
            !serve)
            continue;
        loop_simulate(l, p, y);
        int off = 0;
        for (int j = 0; j < m; j++)
            off += !(fabs(y[j] - mean[j]) <= l->output[0].accuracy);
        served++;
        bad += m - off < (int)ceil(l->output[0].bins * m - 1e-9);
    }
    cox_free(mean);
    cox_free(y);
    return served ? (double)bad / served : NAN;
}

/* Runs until it is complete or nothing is left. Trainings take no time. */
static inline int loop_run(struct loop *l, int most, struct cox_err *err)
{
    const int m = l->first[l->settings.outputs.n];
    struct cox_pick way[LOOP_MAX_CORES];
    struct cox_ledger_model told;
    struct cox_rng rng;
    double *value = cox_alloc((size_t)m, sizeof *value);
    bool *known = cox_alloc((size_t)l->points.n, sizeof *known), trusted = false;
    const bool judge = l->settings.surrogate.enabled && l->settings.outputs.n == 1 &&
                       l->settings.objective.kind == COX_OBJECTIVE_NONE;
    int n_way = 0, idle = 0;
    l->bad_first = NAN;
    cox_rng_init(&rng, (uint64_t)l->settings.seed, 55);
    int rc = cox_surrogate_create(&l->surrogate, &l->settings, &l->points, l->threads, err);
    while (rc == COX_OK && l->simulated < most) {
        cox_surrogate_state(l->surrogate, &l->state);
        l->withdrawn += trusted && !l->state.trusted;
        trusted = l->state.trusted;
        if (trusted && judge && isnan(l->bad_first))
            l->bad_first = loop_bad(l, known);
        if (l->state.complete)
            break;
        n_way += cox_surrogate_choose(l->surrogate, l->cores - n_way, way + n_way);
        if (n_way > 0) { /* whichever ends first */
            const int k = (int)cox_rng_below(&rng, (uint32_t)n_way);
            const struct cox_pick pick = way[k];
            way[k] = way[--n_way];
            loop_simulate(l, pick.point, value);
            rc = cox_surrogate_add(l->surrogate, pick.point, pick.purpose, value, NULL, l->first, 1,
                                   err);
            known[pick.point] = true;
            l->simulated++;
            if (!l->reached && value[0] <= l->aim)
                l->reached = l->simulated;
            idle = 0;
        } else if (++idle > 2) {
            rc = cox_err_set(err, COX_EINVAL, "the loop is stuck after %d results: %s",
                             l->simulated, l->state.why);
        }
        if (rc == COX_OK && cox_surrogate_due(l->surrogate)) {
            rc = cox_surrogate_train_begin(l->surrogate, err);
            if (rc == COX_OK)
                rc = cox_surrogate_train_end(l->surrogate, &told, err);
            l->trainings++;
            if (rc == COX_OK && l->trained)
                l->trained(l, &told);
        }
    }
    if (l->surrogate)
        cox_surrogate_state(l->surrogate, &l->state);
    l->bad = rc == COX_OK && judge && l->state.complete ? loop_bad(l, known) : NAN;
    cox_free(value);
    cox_free(known);
    return rc;
}

#endif
