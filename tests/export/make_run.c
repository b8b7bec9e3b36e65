/* SPDX-License-Identifier: BSD-3-Clause */
/* make_run DIRECTORY [FILES]: a run directory without a simulation: 4 lanes, 3 rounds of 5 frames,
 * 10 atoms; the x coordinate of every atom is its row in nm. Segment s of round 1 leaves from the
 * third frame of segment s − 4; those of round 2 go on with their lane. With FILES (1, 2 or 4) as a
 * streaming run stores the same: lane l in file l % FILES, the lanes' frames in turn, x as before.
 */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "store/catalog.h"
#include "store/follow.h"

enum { ATOMS = 10, LANES = 4, ROUNDS = 3, FRAMES = 5, STEPS = 1250 };

static struct cox_system *make_system(void)
{
    static const char *const names[5] = {"N", "H", "CA", "C", "O"};
    static const int elements[5] = {7, 1, 6, 6, 8};
    struct cox_system *s = NULL;
    if (cox_system_create(&s, ATOMS, 2, 0, 0, 0, 0, 0, NULL))
        return NULL;
    for (int i = 0; i < ATOMS; i++) {
        snprintf(s->atom_name[i], COX_NAME_SIZE, "%s", names[i % 5]);
        s->element[i] = elements[i % 5];
        s->residue[i] = i / 5;
        s->mass_u[i] = 12;
    }
    for (int r = 0; r < 2; r++) {
        snprintf(s->residue_name[r], COX_NAME_SIZE, "ALA");
        s->residue_number[r] = r + 1;
    }
    snprintf(s->name, sizeof s->name, "made up");
    return s;
}

/* Where a frame is stored; `row` counts the frames as the sequential run does. */
static int64_t id_of(int row, int files)
{
    const int segment = row / FRAMES, lane = segment % LANES;
    const int place = segment / LANES * FRAMES + row % FRAMES;
    const int per_file = LANES / (files ? files : LANES);
    return files ? (place * per_file + lane / files) * files + lane % files : row;
}

static int append(struct cox_traj *t, int row, struct cox_err *err)
{
    float x[ATOMS][3];
    const int segment = row / FRAMES;
    const int32_t cells[3] = {segment, segment % LANES, row % FRAMES};
    const void *const values[3] = {&cells[0], &cells[1], &cells[2]};
    const int64_t step = (segment / LANES * FRAMES + row % FRAMES + 1) * STEPS / FRAMES;
    const double time = (double)step * 0.004;
    for (int i = 0; i < ATOMS; i++) {
        x[i][0] = (float)row;
        x[i][1] = 0.1F * (float)i;
        x[i][2] = 0.01F * (float)(i * i);
    }
    const struct cox_traj_block block = {1, &step, &time, &x[0][0], NULL, NULL, values};
    return cox_traj_append(t, &block, err);
}

static int write_file(const char *directory, int file, int files, struct cox_err *err)
{
    static const struct cox_traj_column columns[3] = {
        {"segment", COX_TRAJ_I32, ""}, {"lane", COX_TRAJ_I32, ""}, {"index", COX_TRAJ_I32, ""}};
    const int all = LANES * ROUNDS * FRAMES;
    const int m = files ? files : 1;
    char path[600];
    struct cox_traj *t = NULL;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    struct cox_system *s = make_system();
    options.n_columns = files ? 3 : 2;
    options.columns = columns;
    options.files = m;
    options.file = file;
    int rc = cox_follow_path(directory, file, path, sizeof path, err);
    if (!rc)
        rc = s ? cox_traj_create(&t, path, s, &options, err) : COX_ENOMEM;
    for (int64_t id = file; !rc && id < all; id += m)
        for (int row = 0; !rc && row < all; row++)
            if (id_of(row, files) == id)
                rc = append(t, row, err);
    if (!rc)
        rc = cox_traj_close(t, err);
    cox_system_destroy(s);
    return rc;
}

static int write_catalog(const char *directory, int files, struct cox_err *err)
{
    char path[600];
    struct cox_catalog *c = NULL;
    const struct cox_catalog_start start = {.path = "unfolded.pdb", .title = "unfolded"};
    int rc = cox_path_join(path, sizeof path, directory, "catalog.db", err);
    if (!rc)
        rc = cox_catalog_open(&c, path, err);
    if (!rc)
        rc = cox_catalog_add_start(c, &start, err);
    for (int s = 0; !rc && s < LANES * ROUNDS; s++) {
        int round = s / LANES;
        struct cox_catalog_segment row = {.id = s,
                                          .round = round,
                                          .lane = s % LANES,
                                          .parent_segment = round ? s - LANES : -1,
                                          .parent_frame = -1,
                                          .start = round ? -1 : 0,
                                          .continued = round == 2,
                                          .steered = round == 1,
                                          .seed = 18446744073709551000U + (unsigned)s,
                                          .temperature_K = 300,
                                          .engine = "none",
                                          .steps = STEPS,
                                          .timestep_fs = 4,
                                          .first_frame = files ? -1 : FRAMES * s,
                                          .n_frames = FRAMES};
        if (round == 1)
            row.parent_frame = id_of(FRAMES * (s - LANES) + 2, files);
        rc = cox_catalog_add_segment(c, &row, err);
    }
    cox_catalog_close(c);
    return rc;
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    long long files = 0;
    if (argc < 2 || (argc > 2 && cox_parse_int(argv[2], &files)))
        return 2;
    int rc = cox_directory_create(argv[1], &err);
    for (int i = 0; !rc && i < (files ? (int)files : 1); i++)
        rc = write_file(argv[1], i, (int)files, &err);
    if (!rc)
        rc = write_catalog(argv[1], (int)files, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    return rc ? 1 : 0;
}
