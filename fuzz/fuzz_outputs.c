/* SPDX-License-Identifier: BSD-3-Clause */
/* Results of jobs: the same bytes as a table, as JSON, as a log and, where they begin like one, as
 * HDF5. What is accepted has as many finite values as it says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "sweep/outputs.h"
#include "sweep/outputs_table.h"

#ifdef __SANITIZE_ADDRESS__ /* HDF5 1.10 leaks when it refuses a damaged file */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}
#endif

#define ALL .row = COX_CONFIG_UNSET
static const struct cox_sweep_output outputs[] = {
    {.name = "rho", .csv = "F", .column = "rho", .error_column = "err", ALL},
    {.name = "two", .csv = "F", .column = "2", ALL},
    {.name = "last", .csv = "F", .column = "1", .row = -1},
    {.name = "key", .json = "F", .key = "a.b[1]", .error_key = "a.e", ALL},
    {.name = "list", .json = "F", .key = "[0].l", ALL},
    {.name = "energy", .text = "F", .match = "E *= *([^ ]+)", .error_match = "([0-9]*)$", ALL},
    {.name = "set", .hdf5 = "F", .key = "/rho/value", .error_key = "/rho/error", ALL},
};
enum { N_OUTPUTS = sizeof outputs / sizeof outputs[0] };

static void read_one(struct cox_sweep_output output, const char *file)
{
    struct cox_values values;
    struct cox_err err = COX_ERR_INIT;
    output.csv = output.csv ? file : NULL;
    output.json = output.json ? file : NULL;
    output.text = output.text ? file : NULL;
    output.hdf5 = output.hdf5 ? file : NULL;
    const struct cox_sweep_settings settings = {.outputs = {1, &output}};
    if (cox_outputs_read(&values, &settings, "/proc/self/fd", &err)) {
        if (!err.text[0] || values.value)
            abort();
        return;
    }
    if (values.n < 1 || values.first[1] != values.n)
        abort();
    for (int i = 0; i < values.n; i++)
        if (!isfinite(values.value[i]) || values.error[i] < 0)
            abort();
    cox_values_deinit(&values);
}

/* Every field of an accepted table is a text. */
static void read_table(const char *bytes, size_t size)
{
    struct cox_table table;
    struct cox_err err = COX_ERR_INIT;
    size_t total = 0;
    if (cox_table_parse(&table, "f", bytes, size, &err)) {
        if (!err.text[0])
            abort();
        return;
    }
    for (size_t i = 0; i < (size_t)table.n_rows * (size_t)table.n_columns; i++)
        total += strlen(table.field[i]);
    for (int i = 0; table.name && i < table.n_columns; i++)
        total += strlen(table.name[i]);
    for (int i = 1; i < table.n_rows; i++)
        if (table.line[i] <= table.line[i - 1])
            abort();
    if (total > size)
        abort();
    cox_table_deinit(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char file[32];
    bool hdf5 = size >= 8 && !memcmp(data, "\x89HDF\r\n\x1a\n", 8);
    if (fd < 0)
        fd = memfd_create("output", 0);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(file, sizeof file, "%d", fd);
    read_table((const char *)data, size);
    for (int i = 0; i < N_OUTPUTS; i++)
        if (hdf5 || !outputs[i].hdf5)
            read_one(outputs[i], file);
    return 0;
}
