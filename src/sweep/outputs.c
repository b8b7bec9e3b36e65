/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/outputs.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "sweep/outputs_readers.h"

enum { MAX_VALUES = 10000000 };

void cox_values_deinit(struct cox_values *values)
{
    cox_free(values->value);
    cox_free(values->error);
    cox_free(values->first);
    *values = (struct cox_values){0};
}

static int read_one(struct cox_reading *out, const struct cox_sweep_output *output,
                    const char *directory, struct cox_err *err)
{
    char path[PATH_MAX];
    const char *file = output->csv    ? output->csv
                       : output->json ? output->json
                       : output->hdf5 ? output->hdf5
                                      : output->text;
    int rc = cox_path_join(path, sizeof path, directory, file, err);
    if (rc)
        return rc;
    if (output->csv)
        return cox_reading_csv(out, output, path, err);
    if (output->json)
        return cox_reading_json(out, output, path, err);
    if (output->hdf5)
        return cox_reading_hdf5(out, output, path, err);
    return cox_reading_text(out, output, path, err);
}

static int check_one(const struct cox_reading *r, const struct cox_sweep_output *output,
                     const char *directory, struct cox_err *err)
{
    const char *file = output->csv    ? output->csv
                       : output->json ? output->json
                       : output->hdf5 ? output->hdf5
                                      : output->text;
    if (r->error && r->n_errors != r->n)
        return cox_err_set(err, COX_EFORMAT, "%s/%s: %d standard errors for %d values", directory,
                           file, r->n_errors, r->n);
    if (r->n > MAX_VALUES)
        return cox_err_set(err, COX_EFORMAT, "%s/%s: %d values, more than the allowed %d",
                           directory, file, r->n, MAX_VALUES);
    for (int i = 0; i < r->n; i++) {
        double value = r->value[i];
        double error = r->error ? r->error[i] : 0;
        int line = r->line ? r->line[i] : i + 1;
        const char *what = r->line ? "line" : "number";
        if (!isfinite(value))
            return cox_err_set(err, COX_EFORMAT, "%s/%s: %s %d: the value is %g", directory, file,
                               what, line, value);
        if (!isfinite(error) || error < 0)
            return cox_err_set(err, COX_EFORMAT, "%s/%s: %s %d: the standard error is %g",
                               directory, file, what, line, error);
    }
    return COX_OK;
}

static int append(struct cox_values *out, const struct cox_reading *r, struct cox_err *err)
{
    size_t n = (size_t)out->n;
    size_t more = (size_t)r->n;
    double *value = cox_realloc(out->value, n + more, sizeof *value);
    out->value = value ? value : out->value;
    double *error = cox_realloc(out->error, n + more, sizeof *error);
    out->error = error ? error : out->error;
    if (!value || !error || n + more > MAX_VALUES)
        return cox_err_set(err, COX_ENOMEM, "%zu values are too many", n + more);
    memcpy(value + n, r->value, more * sizeof *value);
    for (size_t i = 0; i < more; i++)
        error[n + i] = r->error ? r->error[i] : NAN;
    out->n += r->n;
    return COX_OK;
}

/* The job's directory is known to whoever asks; without it the message is short enough for a table
 * of failures. */
static void shorten(struct cox_err *err, const char *directory)
{
    size_t n = strlen(directory);
    char *at = err ? strstr(err->text, directory) : NULL;
    while (at && n) {
        size_t cut = at[n] == '/' ? n + 1 : 0;
        memmove(at, at + cut, strlen(at + cut) + 1);
        at = strstr(at + !cut, directory);
    }
}

int cox_outputs_read(struct cox_values *out, const struct cox_sweep_settings *settings,
                     const char *directory, struct cox_err *err)
{
    const struct cox_sweep_output *output = settings->outputs.items;
    int n = settings->outputs.n;
    *out = (struct cox_values){.first = cox_alloc((size_t)n + 1, sizeof *out->first)};
    int rc = out->first ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int i = 0; i < n && !rc; i++) {
        struct cox_reading reading = {0};
        rc = read_one(&reading, &output[i], directory, err);
        if (!rc)
            rc = check_one(&reading, &output[i], directory, err);
        if (!rc)
            rc = append(out, &reading, err);
        cox_reading_deinit(&reading);
        if (rc) {
            shorten(err, directory);
            cox_err_wrap(err, rc, "output '%s'", output[i].name);
        }
        out->first[i + 1] = out->n;
    }
    if (rc)
        cox_values_deinit(out);
    return rc;
}
