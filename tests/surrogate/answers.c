/* SPDX-License-Identifier: BSD-3-Clause */
/* Our side of compare.py. Arrays are files of float64, answers go to the file `out`.
 *   answers sobol n d out                        [n][d]
 *   answers hull points n d queries m out        [m][2]: inside (0 or 1; 2: the two ways of asking
 *                                                disagree), distance
 *   answers audits cases n out                   cases [n][4]: unaudited, v, k, δ → [n][2]: bound,
 *                                                count
 *   answers fit x y err n in out folder steps…   one member, 16 ReLU, 8 sigmoid, 6 tanh, no
 * dropout, whole batches: folder/k.h5 after k steps, each k of the list, and 0.h5 as it begins */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "learn/conformal.h"
#include "learn/hull.h"
#include "learn/regressor.h"
#include "learn/sobol.h"

static struct cox_err err;

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static double *read_array(const char *path)
{
    char *bytes = NULL;
    size_t length;
    if (cox_file_read(&bytes, &length, path, (size_t)1 << 30, &err))
        fprintf(stderr, "%s\n", err.text);
    return (double *)(void *)bytes;
}

static int write_array(const char *path, const double *values, size_t n)
{
    if (!cox_file_replace(path, values, n * sizeof *values, &err))
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}

static int sobol(char **args)
{
    const int n = number(args[0]), d = number(args[1]);
    double *x = cox_alloc((size_t)n * (size_t)d, sizeof(double));
    for (int i = 0; i < n; i++)
        cox_sobol_point((uint32_t)i, d, x + (size_t)i * (size_t)d);
    const int rc = write_array(args[2], x, (size_t)n * (size_t)d);
    cox_free(x);
    return rc;
}

static int hull(char **args)
{
    const int n = number(args[1]), d = number(args[2]), m = number(args[4]);
    double *points = read_array(args[0]), *queries = read_array(args[3]),
           *answers = cox_alloc((size_t)m * 2, sizeof(double));
    struct cox_hull *h;
    if (!points || !queries || cox_hull_create(&h, n, d, points, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < m; i++) {
        const bool inside = cox_hull_query(h, queries + (size_t)i * (size_t)d, &answers[2 * i + 1]);
        answers[2 * i] =
            inside == cox_hull_query(h, queries + (size_t)i * (size_t)d, NULL) ? inside : 2;
    }
    const int rc = write_array(args[5], answers, (size_t)m * 2);
    cox_hull_destroy(h);
    cox_free(points);
    cox_free(queries);
    cox_free(answers);
    return rc;
}

static int audits(char **args)
{
    const int n = number(args[1]);
    double *cases = read_array(args[0]), *answers = cox_alloc((size_t)n * 2, sizeof(double));
    for (int i = 0; cases && i < n; i++) {
        const double *c = cases + 4 * (size_t)i;
        answers[2 * i] = cox_audit_bound((int64_t)c[1], (int64_t)c[2], c[3]);
        answers[2 * i + 1] =
            (double)cox_audit_bound_count((int64_t)c[0], (int64_t)c[1], (int64_t)c[2], c[3]);
    }
    const int rc = write_array(args[2], answers, (size_t)n * 2);
    cox_free(cases);
    cox_free(answers);
    return rc;
}

static int fit(int n_args, char **args)
{
    const int n = number(args[3]), in = number(args[4]), out = number(args[5]);
    struct cox_regressor_options o = COX_REGRESSOR_OPTIONS_INIT;
    struct cox_regressor_fit_options f = COX_REGRESSOR_FIT_OPTIONS_INIT;
    const struct cox_regressor_data data = {
        .n = n, .x = read_array(args[0]), .y = read_array(args[1]), .err = read_array(args[2])};
    o.members = 1;
    o.hidden_layers = 3;
    o.hidden[0] = 16;
    o.hidden[1] = 8;
    o.hidden[2] = 6;
    o.activation[2] = COX_ACTIVATION_TANH;
    o.dropout = 0;
    o.batch = n;
    for (int i = 6; i < n_args; i++) {
        struct cox_regressor *r;
        char path[512];
        f.epochs = number(args[i]);
        o.learning_rate = f.epochs ? 1e-3 : 1e-30;
        f.epochs = f.epochs ? f.epochs : 1;
        snprintf(path, sizeof path, "%s/%s.h5", args[6], args[i]);
        if (i == 6)
            continue;
        int rc = cox_regressor_create(&r, in, out, &o, NULL, &err);
        if (rc == COX_OK)
            rc = cox_regressor_fit(r, &data, &f, NULL, &err);
        if (rc == COX_OK)
            rc = cox_regressor_save(r, path, &err);
        if (rc) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        cox_regressor_destroy(r);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "sobol"))
        return sobol(argv + 2);
    if (argc == 8 && !strcmp(argv[1], "hull"))
        return hull(argv + 2);
    if (argc == 5 && !strcmp(argv[1], "audits"))
        return audits(argv + 2);
    if (argc > 9 && !strcmp(argv[1], "fit"))
        return fit(argc - 2, argv + 2);
    fprintf(stderr, "usage: see the top of answers.c\n");
    return 2;
}
