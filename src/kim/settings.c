/* SPDX-License-Identifier: BSD-3-Clause */
#include "kim/settings.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

int cox_kim_settings_read(enum cox_dp_precision *precision, const char *folder, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_json *json = NULL;
    *precision = COX_DP_F64;
    int rc = cox_path_join(path, sizeof path, folder, "settings.json", err);
    if (!rc)
        rc = cox_json_read(&json, path, err);
    if (rc)
        return rc;
    const char *text = cox_json_get_text(json, "precision");
    rc = cox_dp_precision_parse(precision, text ? text : "(missing)", err);
    if (rc)
        rc = cox_err_wrap(err, COX_EFORMAT, "%s", path);
    cox_json_destroy(json);
    return rc;
}

/* The number that the first of these variables has that is set; `missing` when none is. */
static int number_of(const char *const *names, int n, int missing, struct cox_err *err, int *out)
{
    *out = missing;
    for (int i = 0; i < n; i++) {
        const char *text = getenv(names[i]);
        if (!text || !*text)
            continue;
        long long value = 0;
        /* OMP_NUM_THREADS may be a list, one number for each level of nesting */
        char first[32] = "";
        memcpy(first, text, strnlen(text, sizeof first - 1));
        first[strcspn(first, ",")] = '\0';
        if (cox_parse_int(first, &value) || value < 0 || value > INT_MAX)
            return cox_err_set(err, COX_EINVAL, "%s is '%s', which is no number of that kind",
                               names[i], text);
        *out = (int)value;
        return COX_OK;
    }
    return COX_OK;
}

int cox_kim_threads(int *threads, struct cox_err *err)
{
    static const char *const said[] = {"COX_THREADS", "OMP_NUM_THREADS"};
    static const char *const processes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS",
                                            "MPI_LOCALNRANKS"};
    int rc = number_of(said, 2, -1, err, threads);
    if (rc || *threads > 0)
        return rc;
    int many = 1;
    if (number_of(processes, 4, 1, NULL, &many))
        many = 1;
    *threads = many > 1 ? 1 : cox_processors();
    return COX_OK;
}

int cox_kim_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"};
    int rank = 0;
    return number_of(names, 3, 0, NULL, &rank) ? 0 : rank;
}
