/* SPDX-License-Identifier: BSD-3-Clause */
/* surrogate_loop curves|search|promise|cost [N [FROM]]: sweeps in memory, one JSON line per row
 * (docs/surrogate.md).
 * curves: simulations until a sweep is complete, by acquisition, over N seeds (3), from the
 * FROM-th problem on;
 * search: simulations until the optimum is found, against random order, over N seeds (10);
 * promise: how often more predictions fail than promised, over N sweeps (300);
 * cost: seconds of training and of a prediction with hull and half-widths, the papers' network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sweep/surrogate_internal.h"
#include "sweep/test_loop.h"

static struct cox_err err;
static const char *const kinds[] = {"random", "space", "variance", "integrated"};

static void must(int rc)
{
    if (!rc)
        return;
    fprintf(stderr, "surrogate_loop: %s\n", err.text);
    _exit(1);
}

/* ---- functions ---- */

static void waves(const double *x, int d, double *y)
{
    y[0] = 0;
    for (int i = 0; i < d; i++)
        y[0] += sin(3 * x[i] + i) * cos(2 * x[(i + 1) % d]);
}

static void hill(const double *x, int d, double *y)
{
    double sum = 0;
    for (int i = 0; i < d; i++)
        sum += (x[i] - 0.3) * (x[i] - 0.3);
    y[0] = exp(-2 * sum) + 0.5 * x[0];
}

static void profile(const double *x, int d, double *y)
{
    for (int j = 0; j < 20; j++) {
        const double z = j / 19.0;
        y[j] = x[0] * exp(-z * (1 + 4 * x[1])) + 0.3 * z * x[1];
        for (int i = 2; i < d; i++)
            y[j] += 0.5 / (d - 2) * x[i] * cos(6 * z + x[(i + 1) % d]);
    }
}

/* A narrow peak on a slope: where the places differ in difficulty. */
static void peak(const double *x, int d, double *y)
{
    double sum = 0;
    for (int i = 0; i < d; i++)
        sum += (x[i] - 0.7) * (x[i] - 0.7);
    y[0] = exp(-60 * sum) + 0.4 * x[0];
}

static void branin(const double *u, int d, double *y)
{
    (void)d;
    const double pi = acos(-1), x = 15 * u[0] - 5, z = 15 * u[1];
    const double a = z - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6;
    y[0] = a * a + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10;
}

static void hartmann3(const double *x, int d, double *y)
{
    static const double alpha[] = {1, 1.2, 3, 3.2};
    static const double A[4][3] = {{3, 10, 30}, {0.1, 10, 35}, {3, 10, 30}, {0.1, 10, 35}};
    static const double P[4][3] = {{0.3689, 0.1170, 0.2673},
                                   {0.4699, 0.4387, 0.7470},
                                   {0.1091, 0.8732, 0.5547},
                                   {0.0381, 0.5743, 0.8828}};
    y[0] = 0;
    for (int i = 0; i < 4; i++) {
        double sum = 0;
        for (int j = 0; j < d; j++)
            sum += A[i][j] * (x[j] - P[i][j]) * (x[j] - P[i][j]);
        y[0] -= alpha[i] * exp(-sum);
    }
}

/* ---- curves ---- */

static int rows_95; /* of the first model that has 95 % of a sample of all points right */

static void look(const struct loop *l, const struct cox_ledger_model *told)
{
    const int m = l->first[1], d = l->points.n_features, step = l->points.n / 300;
    double mean[64], y[64];
    int bad = 0, all = 0;
    if (rows_95)
        return;
    for (int p = 0; p < l->points.n; p += step) {
        const double *x = l->points.feature + (size_t)p * (size_t)d;
        int off = 0;
        must(cox_surrogate_predict(l->surrogate, 1, x, mean, NULL, NULL, NULL, NULL, &err));
        l->function(x, d, y);
        for (int j = 0; j < m; j++)
            off += fabs(y[j] - mean[j]) > l->output[0].accuracy;
        bad += m - off < (int)ceil(l->output[0].bins * m - 1e-9);
        all++;
    }
    if (bad <= 0.05 * all)
        rows_95 = (int)told->n_results;
}

struct problem {
    const char *name;
    loop_function *function;
    int d, n, values;
    double accuracy;
    int side; /* of a grid; 0: Sobol points */
};

static void curve(const struct problem *p, int kind, int seeds)
{
    double sum = 0, audits = 0, rows = 0, bad = 0, least = INFINITY, most = 0;
    const double began = cox_clock_process_seconds();
    int served = 0, withdrawn = 0;
    for (int seed = 1; seed <= seeds; seed++) {
        struct loop l;
        loop_init(&l, p->n, p->d, p->function, p->values);
        l.settings.seed = seed;
        l.settings.acquisition.kind = kind;
        l.output[0].accuracy = p->accuracy;
        l.noise = 0.2 * p->accuracy;
        l.trained = look;
        for (int i = 0; i < p->n && p->side; i++)
            for (int f = 0, rest = i; f < p->d; f++, rest /= p->side)
                l.points.feature[(size_t)i * (size_t)p->d + (size_t)f] =
                    (rest % p->side) / (p->side - 1.0);
        rows_95 = 0;
        must(loop_run(&l, p->n, &err));
        sum += l.simulated;
        least = fmin(least, l.simulated);
        most = fmax(most, l.simulated);
        audits += l.state.audits;
        withdrawn += l.withdrawn;
        rows += rows_95 ? rows_95 : p->n;
        if (!isnan(l.bad)) {
            served++;
            bad = fmax(bad, l.bad);
        }
        loop_deinit(&l);
    }
    printf(
        "{\"problem\": \"%s\", \"inputs\": %d, \"points\": %d, \"grid\": %s, \"acquisition\": "
        "\"%s\", "
        "\"simulated\": %.0f, \"least\": %.0f, \"most\": %.0f, \"audits\": %.0f, \"learned_95\": "
        "%.0f, \"ended_by_prediction\": %d, \"seeds\": %d, \"worst_failing\": %.4f, "
        "\"withdrawn\": %d, \"cpu_s\": %.1f}\n",
        p->name, p->d, p->n, p->side ? "true" : "false", kinds[kind], sum / seeds, least, most,
        audits / seeds, rows / seeds, served, seeds, bad, withdrawn,
        cox_clock_process_seconds() - began);
    fflush(stdout);
}

static void curves(int seeds, int from)
{
    static const struct problem problems[] = {
        {"waves", waves, 2, 1000, 1, 0.05, 0},      {"peak", peak, 2, 1000, 1, 0.03, 0},
        {"hill", hill, 3, 1500, 1, 0.03, 0},        {"profile", profile, 3, 1000, 20, 0.02, 0},
        {"waves", waves, 4, 2000, 1, 0.1, 0},       {"waves", waves, 4, 2401, 1, 0.1, 7},
        {"profile", profile, 5, 3125, 20, 0.03, 5}, {"profile", profile, 5, 3000, 20, 0.03, 0},
    };
    for (size_t i = (size_t)from; i < sizeof problems / sizeof problems[0]; i++)
        for (int kind = 0; kind < 4; kind++)
            curve(&problems[i], kind, seeds);
}

/* ---- search ---- */

static void search_one(const char *name, loop_function *function, int d, int side, double near,
                       int seeds)
{
    double least = INFINITY, ended = 0, reached = 0, value = 0, missed = 0;
    int n = 1, good = 0;
    for (int i = 0; i < d; i++)
        n *= side;
    for (int seed = 1; seed <= seeds; seed++) {
        struct loop l;
        loop_init(&l, n, d, function, 1);
        for (int p = 0; p < n; p++)
            for (int i = 0, rest = p; i < d; i++, rest /= side)
                l.points.feature[(size_t)p * (size_t)d + (size_t)i] = (rest % side) / (side - 1.0);
        for (int p = 0; p < n && seed == 1; p++) {
            function(l.points.feature + (size_t)p * (size_t)d, d, &value);
            least = fmin(least, value);
        }
        for (int p = 0; p < n && seed == 1; p++) {
            function(l.points.feature + (size_t)p * (size_t)d, d, &value);
            good += value <= least + near;
        }
        l.cores = 4;
        l.settings.seed = seed;
        l.settings.surrogate.first = 10 * d;
        l.settings.surrogate.retrain_every = 4;
        l.output[0].accuracy = near;
        l.settings.objective = (struct cox_settings_objective){
            .kind = COX_OBJECTIVE_MINIMISE, .output = "y", .value = NAN, .tolerance = near};
        l.aim = least + near;
        must(loop_run(&l, n, &err));
        ended += l.simulated;
        reached += l.reached;
        missed += !l.reached;
        loop_deinit(&l);
    }
    /* in a random order the first of `good` among n comes after (n + 1)/(good + 1) in the mean */
    const double random = (n + 1.0) / (good + 1);
    reached *= seeds / fmax(seeds - missed, 1); /* of those that found it */
    printf("{\"function\": \"%s\", \"points\": %d, \"as_good\": %d, \"near\": %g, \"found_after\": "
           "%.0f, \"random\": %.0f, \"factor\": %.1f, \"ended_after\": %.0f, \"missed\": %.0f, "
           "\"seeds\": %d}\n",
           name, n, good, near, reached / seeds, random, random / (reached / seeds), ended / seeds,
           missed, seeds);
    fflush(stdout);
}

/* ---- promise ---- */

static void promise(int kind, double noise, int n, int sweeps)
{
    int broken = 0, early = 0, served = 0;
    double simulated = 0, mean = 0;
    for (int i = 0; i < sweeps; i++) {
        struct loop l;
        loop_init(&l, n, 2, waves, 1);
        l.settings.seed = 5000 + i;
        l.settings.acquisition.kind = kind;
        l.settings.targets.coverage = 0.8;
        l.settings.targets.failing = 0.1;
        l.settings.surrogate.audits_min = 5;
        l.settings.surrogate.members = 3;
        l.settings.surrogate.epochs_first = 60;
        l.settings.surrogate.epochs = 20;
        l.hidden[0] = 12;
        l.hidden[1] = 8;
        l.output[0].accuracy = 0.1;
        l.noise = noise;
        must(loop_run(&l, n, &err));
        simulated += l.simulated;
        early += l.bad_first > 0.1;
        if (!isnan(l.bad)) {
            served++;
            mean += l.bad;
            broken += l.bad > 0.1;
        }
        loop_deinit(&l);
    }
    printf("{\"acquisition\": \"%s\", \"noise\": %g, \"points\": %d, \"sweeps\": %d, "
           "\"ended_by_prediction\": %d, \"simulated\": %.0f, \"mean_failing\": %.3f, \"broken\": "
           "%d, \"allowed\": %.0f, \"broken_at_first_trust\": %d}\n",
           kinds[kind], noise, n, sweeps, served, simulated / sweeps, served ? mean / served : 0,
           broken, 0.2 * sweeps, early);
    fflush(stdout);
}

/* ---- cost ---- */

static void cost(int values)
{
    static const int hidden[] = {512, 256};
    static const char *const activations[] = {"relu", "sigmoid"};
    const int n = 2000, rows = 1000;
    struct loop l;
    struct cox_ledger_model told;
    loop_init(&l, n, 5, profile, 20);
    l.first[1] = values;
    l.settings.surrogate.hidden = (struct cox_config_ints){2, hidden};
    l.settings.surrogate.activations = (struct cox_config_texts){2, activations};
    l.settings.surrogate.dropout = 0.15;
    l.settings.surrogate.learning_rate = 1e-4;
    l.settings.surrogate.batch = 32;
    l.settings.surrogate.epochs_first = 20;
    l.settings.surrogate.epochs = 100;
    double *y = cox_alloc((size_t)values + 20, sizeof *y);
    must(cox_surrogate_create(&l.surrogate, &l.settings, &l.points, 1, &err));
    for (int p = 0; p < rows; p++) {
        profile(l.points.feature + 5 * p, 5, y);
        for (int j = 20; j < values; j++)
            y[j] = y[j % 20];
        must(cox_surrogate_add(l.surrogate, p, p % 10 ? COX_PURPOSE_CHOSEN : COX_PURPOSE_AUDIT, y,
                               NULL, l.first, 1e-3, &err));
    }
    must(cox_surrogate_train_begin(l.surrogate, &err));
    must(cox_surrogate_train_end(l.surrogate, &told, &err));
    const double first = told.seconds;
    must(cox_surrogate_train_begin(l.surrogate, &err));
    must(cox_surrogate_train_end(l.surrogate, &told, &err));
    double *out = cox_alloc((size_t)n * (size_t)values * 3, sizeof *out);
    double *score = cox_alloc((size_t)n, sizeof *score);
    bool *served = cox_alloc((size_t)n, sizeof *served);
    const size_t all = (size_t)n * (size_t)values;
    double best = INFINITY, bare = INFINITY, hull = INFINITY;
    l.surrogate->trusted = true; /* or the hull would never be asked */
    l.surrogate->stale = false;
    l.surrogate->q = 0.01;
    for (int i = 0; i < 5; i++) {
        double began = cox_clock_thread_seconds();
        must(cox_regressor_predict(l.surrogate->model->regressor, l.surrogate->model->workspace, n,
                                   l.points.feature, out, out + all, &err));
        bare = fmin(bare, cox_clock_thread_seconds() - began);
        began = cox_clock_thread_seconds();
        must(cox_surrogate_predict(l.surrogate, n, l.points.feature, out, out + all, out + 2 * all,
                                   served, score, &err));
        best = fmin(best, cox_clock_thread_seconds() - began);
        began = cox_clock_thread_seconds();
        int inside = 0;
        for (int p = 0; p < n; p++)
            inside += cox_hull_query(l.surrogate->model->hull, l.points.feature + 5 * p, NULL);
        hull = fmin(hull, cox_clock_thread_seconds() - began + 0 * inside);
    }
    printf("{\"network\": \"5-512-256-%d, 5 members\", \"rows\": %d, \"seconds_100_epochs\": %.2f, "
           "\"seconds_20_epochs\": %.2f, \"us_per_prediction\": %.2f, \"us_of_networks\": %.2f, "
           "\"us_of_hull\": %.2f}\n",
           values, (int)told.n_results, told.seconds, first, best / n * 1e6, bare / n * 1e6,
           hull / n * 1e6);
    cox_free(y);
    cox_free(out);
    cox_free(score);
    cox_free(served);
    loop_deinit(&l);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const int n = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (strcmp(what, "curves") == 0) {
        curves(n > 0 ? n : 3, argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0);
    } else if (strcmp(what, "search") == 0) {
        search_one("branin", branin, 2, 41, 0.05, n > 0 ? n : 10);
        search_one("hartmann3", hartmann3, 3, 21, 0.05, n > 0 ? n : 10);
    } else if (strcmp(what, "promise") == 0) {
        for (int kind = 0; kind < 4; kind++) {
            promise(kind, 0.02, 300, n > 0 ? n : 300);
            promise(kind, 0.04, 400, n > 0 ? n : 300);
        }
    } else if (strcmp(what, "cost") == 0) {
        cost(20);
        cost(150);
    } else {
        fprintf(stderr, "usage: surrogate_loop curves|search|promise|cost [N]\n");
        return 2;
    }
    return 0;
}
