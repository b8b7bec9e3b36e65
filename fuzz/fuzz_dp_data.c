/* SPDX-License-Identifier: BSD-3-Clause */
/* Labelled data: the bytes as coord.npy of a system of two atoms. What is accepted has whole rows
 * of finite numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "fuzz.h"
#include "potential/data.h"

static char folder[64];

static void remove_folder(void)
{
    if (cox_directory_remove(folder, NULL))
        abort();
}

static void put(const char *name, const void *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || (n && fwrite(bytes, 1, n, f) != n) || fclose(f))
        abort();
}

static void make_folder(void)
{
    char path[128];
    snprintf(folder, sizeof folder, "/tmp/cox-fuzz-data-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/set.000", folder);
    if (mkdir(path, 0700))
        abort();
    put("type.raw", "0 1\n", 4);
    put("nopbc", "", 0);
    atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char names[2][COX_DP_TYPE_NAME] = {"O", "H"};
    struct cox_dp_data *d = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (!folder[0])
        make_folder();
    put("set.000/coord.npy", data, size);
    int rc = cox_dp_data_read(&d, folder, names, 2, &err);
    if ((rc != 0) != (d == NULL) || (rc && !err.text[0]))
        abort();
    for (int64_t i = 0; d && i < d->n * 6; i++)
        if (!isfinite(d->x[i]))
            abort();
    cox_dp_data_destroy(d);
    return 0;
}
