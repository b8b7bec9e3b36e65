/* SPDX-License-Identifier: BSD-3-Clause */
/* write_live FILE [FRAMES]: stores frames, synced every 16, until killed (or FRAMES are stored),
 * going on where the file ends; prints how many are safe after each sync. Coordinate k of atom a in
 * frame i is (i % 1000) + a/10 + k/100 nm. */
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/str.h"
#include "store/traj.h"

enum { ATOMS = 30, BLOCK = 16 };

static int make(struct cox_traj **t, const char *path, struct cox_err *err)
{
    static const struct cox_traj_column columns[2] = {{"segment", COX_TRAJ_I32, ""},
                                                      {"index", COX_TRAJ_I32, ""}};
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    struct cox_system *s = NULL;
    if (cox_file_exists(path))
        return cox_traj_open_append(t, path, err);
    int rc = cox_system_create(&s, ATOMS, 1, 0, 0, 0, 0, 0, err);
    options.n_columns = 2;
    options.columns = columns;
    if (!rc)
        rc = cox_traj_create(t, path, s, &options, err);
    cox_system_destroy(s);
    return rc;
}

static int append(struct cox_traj *t, struct cox_err *err)
{
    float x[BLOCK][ATOMS][3];
    int64_t step[BLOCK];
    double time_ps[BLOCK];
    int32_t segment[BLOCK], index[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        const int64_t row = cox_traj_frames(t) + i;
        step[i] = row;
        time_ps[i] = 0.5 * (double)row;
        segment[i] = (int32_t)(row / 10);
        index[i] = (int32_t)(row % 10);
        for (int a = 0; a < ATOMS; a++)
            for (int k = 0; k < 3; k++)
                x[i][a][k] = (float)(row % 1000) + (float)a / 10 + (float)k / 100;
    }
    const void *const cells[2] = {segment, index};
    const struct cox_traj_block block = {
        .n = BLOCK, .step = step, .time_ps = time_ps, .position_nm = &x[0][0][0], .column = cells};
    return cox_traj_append(t, &block, err);
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_traj *t = NULL;
    long long most = INT64_MAX;
    if (argc < 2 || (argc > 2 && cox_parse_int(argv[2], &most)))
        return 2;
    int rc = make(&t, argv[1], &err);
    while (!rc && cox_traj_frames(t) < most) {
        rc = append(t, &err);
        if (!rc)
            rc = cox_traj_sync(t, &err);
        if (!rc)
            printf("%" PRId64 "\n", cox_traj_frames(t));
        fflush(stdout);
    }
    if (!rc)
        rc = cox_traj_close(t, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    return rc != 0;
}
