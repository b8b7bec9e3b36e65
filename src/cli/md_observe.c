/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/md_observe.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"

int cox_md_observe_init(struct cox_md_observe *o, const struct cox_system *system, int replicas,
                        struct cox_err *err)
{
    struct cox_reference *reference = NULL;
    int rc = COX_OK;
    o->replicas = replicas;
    o->sum = cox_alloc((size_t)o->names.n * (size_t)replicas, sizeof *o->sum);
    if (!o->sum)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    if (o->reference)
        rc = cox_reference_load(&reference, system, o->reference, 0, err);
    for (int i = 0; !rc && i < o->names.n; i++) {
        rc = cox_observable_create(&o->observable[i], o->names.items[i], system, reference, NULL,
                                   err);
        if (rc)
            rc = cox_err_wrap(err, rc, "--observe");
    }
    cox_reference_destroy(reference);
    return rc;
}

void cox_md_observe_deinit(struct cox_md_observe *o)
{
    for (int i = 0; i < o->names.n; i++)
        cox_observable_destroy(o->observable[i]);
    cox_free(o->sum);
}

void cox_md_observe_add(struct cox_md_observe *o, const float *x, int n_atoms)
{
    for (int i = 0; i < o->names.n; i++)
        for (int r = 0; r < o->replicas; r++)
            o->sum[i * o->replicas + r] += cox_observable_value(
                o->observable[i], (const float(*)[3])(x + (size_t)r * (size_t)n_atoms * 3));
    o->frames += o->names.n > 0;
}

void cox_md_observe_mean(const struct cox_md_observe *o, int i, double *mean, double *error)
{
    const double *sum = o->sum + (size_t)i * (size_t)o->replicas;
    double all = 0, square = 0;
    for (int r = 0; r < o->replicas; r++)
        all += sum[r] / (double)o->frames;
    *mean = all / o->replicas;
    for (int r = 0; r < o->replicas; r++)
        square += pow(sum[r] / (double)o->frames - *mean, 2);
    *error = o->replicas > 1 ? sqrt(square / (o->replicas - 1) / o->replicas) : NAN;
}

void cox_md_observe_print(const struct cox_md_observe *o)
{
    for (int i = 0; i < o->names.n; i++) {
        double mean, error;
        cox_md_observe_mean(o, i, &mean, &error);
        printf("%s: %.6g ± %.2g (%d replicas x %lld frames)\n", o->names.items[i], mean, error,
               o->replicas, (long long)o->frames);
    }
}

struct cox_json *cox_md_observe_json(const struct cox_md_observe *o)
{
    struct cox_json *all = o->names.n ? cox_json_object() : NULL;
    for (int i = 0; i < o->names.n; i++) {
        struct cox_json *one = cox_json_object();
        double mean, error;
        cox_md_observe_mean(o, i, &mean, &error);
        cox_json_set_number(one, "mean", mean);
        cox_json_set_number(one, "error", error);
        cox_json_set_int(one, "frames", o->frames);
        cox_json_set(all, o->names.items[i], one);
    }
    return all;
}
