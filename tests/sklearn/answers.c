/* SPDX-License-Identifier: BSD-3-Clause */
/* Our side of compare.py: reads float32 points [n][d], writes the answer as one binary file.
 *   answers points.f32 n d out what args…
 * dbscan eps min_samples | dbscan-search low high min_samples : int32 label[n], f64 eps
 * lof k : f32 score[n]    kmeans k seed starts : f64 inertia
 * kmeans-from centres.f32 k : f64 inertia, int32 label[n]
 * pca components : f64 variance[c], component[c][d], total    knn k : f32 distance[n][k] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "learn/dbscan.h"
#include "learn/kmeans.h"
#include "learn/lof.h"
#include "learn/neighbours.h"
#include "learn/pca.h"

struct input {
    float *points;
    int n, d;
    FILE *out;
    char **args;
    struct cox_team *team;
    struct cox_err err;
};

static int number(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

static int put(const struct input *in, const void *data, size_t size, size_t n)
{
    return fwrite(data, size, n, in->out) == n ? 0 : -1;
}

static int answer_dbscan(struct input *in, int search)
{
    struct cox_dbscan_options o = COX_DBSCAN_OPTIONS_INIT;
    if (search) {
        o.outliers_min = number(in->args[0]);
        o.outliers_max = number(in->args[1]);
        o.min_samples = number(in->args[2]);
    } else {
        o.eps = strtod(in->args[0], NULL);
        o.min_samples = number(in->args[1]);
    }
    struct cox_dbscan_result r;
    int *label = cox_alloc((size_t)in->n, sizeof *label);
    int rc =
        !label || cox_dbscan(&r, label, NULL, in->points, in->n, in->d, &o, in->team, &in->err);
    if (!rc)
        rc = put(in, label, sizeof *label, (size_t)in->n) || put(in, &r.eps, sizeof r.eps, 1);
    cox_free(label);
    return rc;
}

static int answer_lof(struct input *in)
{
    float *score = cox_alloc((size_t)in->n, sizeof *score);
    int rc = !score || cox_lof(score, NULL, NULL, in->points, in->n, in->d, number(in->args[0]),
                               in->team, &in->err);
    if (!rc)
        rc = put(in, score, sizeof *score, (size_t)in->n);
    cox_free(score);
    return rc;
}

static int answer_kmeans(struct input *in, int from)
{
    struct cox_kmeans_options o = COX_KMEANS_OPTIONS_INIT;
    struct cox_kmeans_result r;
    void *initial = NULL;
    size_t length = 0;
    int rc = 0;
    if (from) {
        rc = cox_file_read((char **)&initial, &length, in->args[0], 1 << 26, &in->err);
        o.initial = initial;
        o.k = number(in->args[1]);
    } else {
        o.k = number(in->args[0]);
        o.seed = (uint64_t)number(in->args[1]);
        o.starts = number(in->args[2]);
    }
    float *centres = cox_alloc((size_t)o.k * (size_t)in->d, sizeof *centres);
    int *label = cox_alloc((size_t)in->n, sizeof *label);
    rc = rc || !centres || !label ||
         cox_kmeans(&r, centres, label, in->points, in->n, in->d, &o, in->team, &in->err);
    if (!rc)
        rc = put(in, &r.inertia, sizeof r.inertia, 1) ||
             put(in, label, sizeof *label, (size_t)in->n);
    cox_free(centres);
    cox_free(label);
    cox_free(initial);
    return rc;
}

static int answer_pca(struct input *in)
{
    struct cox_pca pca;
    int rc = cox_pca_fit(&pca, in->points, in->n, in->d, number(in->args[0]), &in->err);
    if (!rc)
        rc = put(in, pca.variance, sizeof(double), (size_t)pca.components) ||
             put(in, pca.component, sizeof(double), (size_t)(pca.components * pca.d)) ||
             put(in, &pca.total, sizeof(double), 1);
    cox_pca_deinit(&pca);
    return rc;
}

static int answer_knn(struct input *in)
{
    const int k = number(in->args[0]);
    float *distance = cox_alloc((size_t)in->n * (size_t)k, sizeof *distance);
    struct cox_neighbours *index = NULL;
    int rc = !distance || cox_neighbours_create(&index, in->points, in->n, in->d, &in->err) ||
             cox_neighbours_knn(index, k, distance, NULL, in->team, &in->err);
    if (!rc)
        rc = put(in, distance, sizeof *distance, (size_t)in->n * (size_t)k);
    cox_neighbours_destroy(index);
    cox_free(distance);
    return rc;
}

static int answer(struct input *in, const char *what)
{
    if (!strcmp(what, "dbscan") || !strcmp(what, "dbscan-search"))
        return answer_dbscan(in, strlen(what) > 6);
    if (!strcmp(what, "lof"))
        return answer_lof(in);
    if (!strcmp(what, "kmeans") || !strcmp(what, "kmeans-from"))
        return answer_kmeans(in, strlen(what) > 6);
    if (!strcmp(what, "pca"))
        return answer_pca(in);
    return strcmp(what, "knn") ? -1 : answer_knn(in);
}

int main(int argc, char **argv)
{
    if (argc < 7)
        return 2;
    struct input in = {
        .n = number(argv[2]), .d = number(argv[3]), .args = argv + 6, .err = COX_ERR_INIT};
    size_t length = 0;
    int rc = cox_file_read((char **)&in.points, &length, argv[1], (size_t)1 << 30, &in.err);
    if (!rc && length != (size_t)in.n * (size_t)in.d * sizeof(float))
        rc = -1;
    const char *threads = getenv("COX_THREADS");
    if (!rc)
        rc = cox_team_create(&in.team, threads ? number(threads) : 2, &in.err);
    in.out = rc ? NULL : fopen(argv[4], "wb");
    const double began = cox_clock_seconds();
    if (!rc)
        rc = in.out ? answer(&in, argv[5]) : -1;
    if (!rc)
        printf("%s %.3f s\n", argv[5], cox_clock_seconds() - began);
    if (in.out && fclose(in.out))
        rc = -1;
    cox_team_destroy(in.team);
    cox_free(in.points);
    if (rc)
        fprintf(stderr, "answers: %s\n", in.err.text);
    return rc ? 1 : 0;
}
