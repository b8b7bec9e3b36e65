/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/points.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "learn/sobol.h"
#include "sweep/job_template.h"
#include "sweep/points_file.h"

/* Streams of the sweep's seed; each use has one of its own. */
enum { STREAM_RANDOM = 0x9017, SALT_SOBOL = 0x50b01 };

/* Digits kept of a number that nobody wrote: enough for any experiment, few enough for a reader,
 * and the same on machines whose logarithm differs in its last bit. */
enum { GRID_DIGITS = 12, DRAWN_DIGITS = 9 };

/* ---- numbers ---- */

/* `value` rounded to a decimal with `digits` significant digits of `scale`. */
static double decimal(double value, double scale, int digits)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (scale <= 0)
        return value;
    int places = digits - 1 - (int)floor(log10(scale));
    if (places < -22 || places > 22)
        return value;
    /* both factors are exact, so the result is the double nearest to the decimal */
    if (places >= 0)
        return round(value * tens[places]) / tens[places];
    return round(value / tens[-places]) * tens[-places];
}

static double between(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* The value of a range at u in [0, 1]. */
static double from_range(const struct cox_sweep_parameter *p, double u, int digits)
{
    double low = p->range.items[0];
    double high = p->range.items[1];
    double value = p->log ? exp(log(low) + u * (log(high) - log(low))) : low + u * (high - low);
    double scale = p->log ? value : fmax(fabs(low), fabs(high));
    /* of a narrow range far from 0 the digits count within the range */
    if (!p->log)
        digits += (int)fmin(fmax(floor(log10(scale / (high - low))), 0), 15 - digits);
    value = p->whole ? round(value) : decimal(value, scale, digits);
    return between(value, low, high) + 0.0;
}

/* A whole number of low … high, each as probable, for u in [0, 1). */
static double whole_from_range(const struct cox_sweep_parameter *p, double u)
{
    double low = p->range.items[0];
    double high = p->range.items[1];
    if (p->log)
        return from_range(p, u, DRAWN_DIGITS);
    return between(low + floor(u * (high - low + 1)), low, high) + 0.0;
}

static double drawn(const struct cox_sweep_parameter *p, double u)
{
    int n = p->range.n ? 0 : p->values.n + p->choices.n;
    if (!n)
        return p->whole ? whole_from_range(p, u) : from_range(p, u, DRAWN_DIGITS);
    int i = (int)(u * n);
    i = i < n ? i : n - 1;
    return p->choices.n ? i : p->values.items[i] + 0.0;
}

/* ---- designs ---- */

static int nomem(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for the points of the sweep");
}

static int grid_steps(const struct cox_sweep_parameter *p)
{
    return p->range.n ? p->steps : p->values.n + p->choices.n;
}

static double grid_value(const struct cox_sweep_parameter *p, int i)
{
    if (p->choices.n)
        return i;
    if (p->values.n)
        return p->values.items[i] + 0.0;
    if (i == p->steps - 1) /* exactly, as the first */
        return p->range.items[1] + 0.0;
    return from_range(p, (double)i / (p->steps - 1), GRID_DIGITS);
}

/* Every combination; the first parameter changes most slowly. */
static int make_grid(struct cox_points *points, struct cox_err *err)
{
    double count = 1;
    for (int k = 0; k < points->n_inputs; k++)
        count *= grid_steps(&points->parameter[k]);
    if (!(count <= COX_POINTS_MAX))
        return cox_err_set(err, COX_EINVAL, "the grid has %.4g points, more than the allowed %d",
                           count, COX_POINTS_MAX);
    size_t inputs = (size_t)points->n_inputs;
    points->n = (int)count;
    points->x = cox_alloc((size_t)points->n * inputs, sizeof *points->x);
    if (!points->x)
        return nomem(err);
    int repeat = points->n; /* how long a value of this parameter stands */
    for (size_t k = 0; k < inputs; k++) {
        const struct cox_sweep_parameter *p = &points->parameter[k];
        int steps = grid_steps(p);
        repeat /= steps;
        for (int s = 0; s < steps; s++) {
            double value = grid_value(p, s);
            for (int i = s * repeat; i < points->n; i += steps * repeat)
                for (int j = i; j < i + repeat; j++)
                    points->x[(size_t)j * inputs + k] = value;
        }
    }
    return COX_OK;
}

static int make_drawn(struct cox_points *points, const struct cox_sweep_settings *settings,
                      struct cox_err *err)
{
    size_t inputs = (size_t)points->n_inputs;
    bool sobol = settings->design.kind == COX_DESIGN_SOBOL;
    uint64_t seed = (uint64_t)settings->seed;
    uint64_t scrambling = cox_seed_mix(seed, SALT_SOBOL);
    double u[COX_SOBOL_MAX_D];
    struct cox_rng rng;
    cox_rng_init(&rng, seed, STREAM_RANDOM);
    points->n = settings->design.points;
    points->x = cox_alloc((size_t)points->n * inputs, sizeof *points->x);
    if (!points->x)
        return nomem(err);
    for (int i = 0; i < points->n; i++) {
        if (sobol)
            cox_sobol_point_scrambled((uint32_t)i, points->n_inputs, scrambling, u);
        for (size_t k = 0; k < inputs; k++)
            points->x[(size_t)i * inputs + k] =
                drawn(&points->parameter[k], sobol ? u[k] : cox_rng_uniform(&rng));
    }
    return COX_OK;
}

/* ---- duplicates ---- */

static uint64_t hash_of(const double *x, size_t n)
{
    uint64_t hash = n;
    for (size_t k = 0; k < n; k++) {
        uint64_t bits;
        memcpy(&bits, &x[k], sizeof bits);
        hash = cox_seed_mix(hash, bits);
    }
    return hash;
}

/* Keeps the first of equal points, in order: a table of hashes, half empty. */
static int drop_duplicates(struct cox_points *points, struct cox_err *err)
{
    size_t inputs = (size_t)points->n_inputs;
    size_t bytes = inputs * sizeof *points->x;
    size_t room = 16;
    while (room < 2 * (size_t)points->n)
        room *= 2;
    uint32_t *slot = cox_alloc(room, sizeof *slot); /* 1 + the point; 0: free */
    if (!slot)
        return nomem(err);
    int kept = 0;
    for (int i = 0; i < points->n; i++) {
        const double *x = points->x + (size_t)i * inputs;
        size_t at = (size_t)hash_of(x, inputs) & (room - 1);
        while (slot[at] && memcmp(points->x + (slot[at] - 1) * inputs, x, bytes) != 0)
            at = (at + 1) & (room - 1);
        if (slot[at])
            continue;
        memmove(points->x + (size_t)kept * inputs, x, bytes);
        slot[at] = (uint32_t)++kept;
    }
    cox_free(slot);
    points->n = kept;
    return COX_OK;
}

/* ---- */

static int count_features(const struct cox_points *points)
{
    int n = 0;
    for (int k = 0; k < points->n_inputs; k++)
        n += points->parameter[k].choices.n ? points->parameter[k].choices.n : 1;
    return n;
}

int cox_points_create(struct cox_points *out, const struct cox_sweep_settings *settings,
                      const struct cox_config *config, struct cox_err *err)
{
    struct cox_err why = COX_ERR_INIT;
    int kind = settings->design.kind;
    *out = (struct cox_points){.n_inputs = settings->parameters.n,
                               .parameter = settings->parameters.items};
    out->n_features = count_features(out);
    int rc = kind == COX_DESIGN_GRID   ? make_grid(out, &why)
             : kind == COX_DESIGN_FILE ? cox_points_read(out, settings->design.file, &why)
                                       : make_drawn(out, settings, &why);
    if (!rc)
        rc = drop_duplicates(out, &why);
    if (!rc) {
        out->feature = cox_alloc((size_t)out->n * (size_t)out->n_features, sizeof *out->feature);
        rc = out->feature ? COX_OK : nomem(&why);
    }
    for (int i = 0; i < out->n && !rc; i++)
        cox_points_features(out, out->x + (size_t)i * (size_t)out->n_inputs,
                            out->feature + (size_t)i * (size_t)out->n_features);
    if (!rc)
        return COX_OK;
    cox_points_deinit(out);
    if (kind == COX_DESIGN_FILE || !config) /* the message has the place */
        return cox_err_set(err, rc, "%s", why.text);
    return cox_config_error(config, "design", err, rc, "%s", why.text);
}

void cox_points_deinit(struct cox_points *points)
{
    cox_free(points->x);
    cox_free(points->feature);
    *points = (struct cox_points){0};
}

void cox_points_features(const struct cox_points *points, const double *x, double *feature)
{
    for (int k = 0; k < points->n_inputs; k++) {
        const struct cox_sweep_parameter *p = &points->parameter[k];
        if (!p->choices.n)
            *feature++ = p->log ? log(x[k]) : x[k];
        for (int c = 0; c < p->choices.n; c++)
            *feature++ = c == (int)x[k];
    }
}

void cox_points_describe(const struct cox_points *points, const double *x, struct cox_str *out)
{
    for (int k = 0; k < points->n_inputs; k++) {
        const struct cox_sweep_parameter *p = &points->parameter[k];
        cox_str_addf(out, "%s%s=", k ? " " : "", p->name);
        if (p->choices.n)
            cox_str_add(out, p->choices.items[(int)x[k]]);
        else
            cox_template_number(out, x[k]);
    }
}

int cox_points_parse(const struct cox_points *points, int p, const char *text, double *value,
                     struct cox_err *err)
{
    return cox_points_value(&points->parameter[p], text, true, value, err);
}
