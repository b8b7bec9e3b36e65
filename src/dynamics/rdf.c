/* SPDX-License-Identifier: BSD-3-Clause */
#include "dynamics/rdf.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define MAGIC 0x316664727863ULL /* "cxrdf1" */
#define MAX_NAMES 16

struct counts { /* what is saved, without pointers */
    uint64_t magic;
    int64_t frames, bins, n_names;
    double r_max;
    char name[MAX_NAMES][COX_DP_TYPE_NAME];
    int64_t atoms[MAX_NAMES];          /* of the last frame */
    double norm[MAX_NAMES][MAX_NAMES]; /* Σ over frames of ordered pairs per volume */
};

struct cox_rdf {
    struct counts c;
    int64_t *count; /* [MAX_NAMES][MAX_NAMES][bins], of ordered pairs */
    struct cox_neighbours list;
};

int cox_rdf_create(struct cox_rdf **out, double r_max_A, int bins, struct cox_err *err)
{
    *out = NULL;
    if (!(r_max_A > 0) || bins < 1 || bins > 100000)
        return cox_err_set(err, COX_EINVAL, "%d bins up to %g Å: 1 to 100000 bins are allowed",
                           bins, r_max_A);
    struct cox_rdf *r = cox_alloc(1, sizeof *r);
    if (r)
        r->count = cox_alloc((size_t)bins * MAX_NAMES * MAX_NAMES, sizeof *r->count);
    if (!r || !r->count) {
        cox_free(r);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d bins", bins);
    }
    r->c = (struct counts){.magic = MAGIC, .bins = bins, .r_max = r_max_A};
    cox_neighbours_init(&r->list);
    *out = r;
    return COX_OK;
}

void cox_rdf_destroy(struct cox_rdf *r)
{
    if (!r)
        return;
    cox_neighbours_deinit(&r->list);
    cox_free(r->count);
    cox_free(r);
}

static int check_names(struct cox_rdf *r, const char names[][COX_DP_TYPE_NAME], int n_names,
                       struct cox_err *err)
{
    if (n_names > MAX_NAMES)
        return cox_err_set(err, COX_EUNSUPPORTED, "%d kinds of atoms; at most %d have curves",
                           n_names, MAX_NAMES);
    for (int i = 0; i < n_names; i++)
        if (i >= r->c.n_names)
            memcpy(r->c.name[i], names[i], sizeof r->c.name[i]);
        else if (strcmp(r->c.name[i], names[i]) != 0)
            return cox_err_set(err, COX_EINVAL,
                               "kind %d of atoms is '%s' here and '%s' in earlier frames", i,
                               names[i], r->c.name[i]);
    if (n_names > r->c.n_names)
        r->c.n_names = n_names;
    return COX_OK;
}

int cox_rdf_add(struct cox_rdf *r, int n, const double (*x)[3], const int *species,
                const char names[][COX_DP_TYPE_NAME], int n_names, const struct cox_box *box,
                struct cox_err *err)
{
    if (!box->periodic)
        return cox_err_set(err, COX_EINVAL, "radial distribution functions need a periodic box");
    int rc = check_names(r, names, n_names, err);
    if (!rc)
        rc = cox_neighbours_build(&r->list, n, x, species, n_names, box, r->c.r_max, err);
    if (rc)
        return rc;
    const double scale = (double)r->c.bins / r->c.r_max;
    for (int i = 0; i < n; i++)
        for (int t = 0; t < n_names; t++) {
            int64_t *count = r->count + ((int64_t)species[i] * MAX_NAMES + t) * r->c.bins;
            const int64_t *start = r->list.start + (int64_t)i * (n_names + 1);
            for (int64_t k = start[t]; k < start[t + 1]; k++) {
                const double *d = r->list.dr[k];
                int64_t bin = (int64_t)(sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) * scale);
                if (bin < r->c.bins)
                    count[bin]++;
            }
        }
    const double(*h)[3] = box->h;
    double volume = fabs(h[0][0] * (h[1][1] * h[2][2] - h[1][2] * h[2][1]) -
                         h[0][1] * (h[1][0] * h[2][2] - h[1][2] * h[2][0]) +
                         h[0][2] * (h[1][0] * h[2][1] - h[1][1] * h[2][0]));
    memset(r->c.atoms, 0, sizeof r->c.atoms);
    for (int i = 0; i < n; i++)
        r->c.atoms[species[i]]++;
    for (int a = 0; a < n_names; a++)
        for (int b = 0; b < n_names; b++)
            r->c.norm[a][b] += (double)r->c.atoms[a] * (double)(r->c.atoms[b] - (a == b)) / volume;
    r->c.frames++;
    return COX_OK;
}

int64_t cox_rdf_frames(const struct cox_rdf *r)
{
    return r->c.frames;
}

int cox_rdf_bins(const struct cox_rdf *r)
{
    return (int)r->c.bins;
}

double cox_rdf_r(const struct cox_rdf *r, int bin)
{
    return (bin + 0.5) * r->c.r_max / (double)r->c.bins;
}

/* The pair's two names; how many pairs there are when it is beyond them. */
static int find(const struct cox_rdf *r, int pair, int *a, int *b)
{
    int at = 0;
    for (int i = 0; i < r->c.n_names; i++)
        for (int k = i; k < r->c.n_names; k++) {
            if (!(r->c.norm[i][k] > 0))
                continue;
            if (at++ == pair) {
                *a = i;
                *b = k;
            }
        }
    return at;
}

int cox_rdf_pairs(const struct cox_rdf *r)
{
    int a;
    int b;
    return find(r, -1, &a, &b);
}

void cox_rdf_pair_name(const struct cox_rdf *r, int pair, char *text, size_t size)
{
    int a = 0;
    int b = 0;
    find(r, pair, &a, &b);
    snprintf(text, size, "%s-%s", r->c.name[a], r->c.name[b]);
}

double cox_rdf_value(const struct cox_rdf *r, int pair, int bin)
{
    int a = 0;
    int b = 0;
    find(r, pair, &a, &b);
    double width = r->c.r_max / (double)r->c.bins;
    double shell =
        4.0 / 3 * 3.14159265358979323846 * (pow((bin + 1) * width, 3) - pow(bin * width, 3));
    return (double)r->count[((int64_t)a * MAX_NAMES + b) * r->c.bins + bin] /
           (r->c.norm[a][b] * shell);
}

static size_t bytes_of_counts(const struct cox_rdf *r)
{
    return (size_t)r->c.bins * MAX_NAMES * MAX_NAMES * sizeof *r->count;
}

size_t cox_rdf_size(const struct cox_rdf *r)
{
    return sizeof r->c + bytes_of_counts(r);
}

void cox_rdf_save(const struct cox_rdf *r, void *bytes)
{
    memcpy(bytes, &r->c, sizeof r->c);
    memcpy((char *)bytes + sizeof r->c, r->count, bytes_of_counts(r));
}

int cox_rdf_restore(struct cox_rdf *r, const void *bytes, size_t size, struct cox_err *err)
{
    struct counts c = {0};
    if (size >= sizeof c)
        memcpy(&c, bytes, sizeof c);
    if (size != cox_rdf_size(r) || c.magic != MAGIC || c.bins != r->c.bins ||
        c.r_max != r->c.r_max || c.n_names > MAX_NAMES)
        return cox_err_set(err, COX_EFORMAT,
                           "the saved counts of distances do not fit the settings");
    r->c = c;
    memcpy(r->count, (const char *)bytes + sizeof c, bytes_of_counts(r));
    return COX_OK;
}
