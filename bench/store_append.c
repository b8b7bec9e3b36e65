/* SPDX-License-Identifier: BSD-3-Clause */
/* store_append TRAJECTORY.h5 FOLDER [FRAMES]: how fast frames are stored, and how large they are.
 * Takes the frames of a trajectory in turn, stores FRAMES of them in FOLDER, synced every so many,
 * plain and compressed; reads all back and compares; prints one JSON line per arrangement. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/traj.h"

enum { MOST = 64, COLUMNS = 8 };

struct source {
    struct cox_system *system;
    float *x;
    int64_t n;
    size_t floats;
};

static struct cox_err err;

static void must(int rc)
{
    if (!rc)
        return;
    fprintf(stderr, "store_append: %s\n", err.text);
    _exit(1);
}

static void load(struct source *s, const char *path)
{
    struct cox_traj *t = NULL;
    must(cox_traj_open_read(&t, path, &err));
    s->n = cox_traj_frames(t);
    s->floats = (size_t)cox_traj_atoms(t) * 3;
    s->x = cox_alloc((size_t)s->n * s->floats, sizeof *s->x);
    if (!s->x || !s->n)
        must(cox_err_set(&err, COX_EINVAL, "'%s' has no frames to store", path));
    must(cox_traj_read_positions(t, 0, s->n, s->x, &err));
    must(cox_traj_system(t, &s->system, &err));
    must(cox_traj_close(t, &err));
}

static void store(const struct source *s, struct cox_traj *t, int64_t frames, int each)
{
    float *x = cox_alloc(MOST * s->floats, sizeof *x);
    float values[COLUMNS][MOST];
    int64_t step[MOST];
    double time_ps[MOST];
    const void *columns[COLUMNS];
    for (int64_t at = 0; at < frames; at += each) {
        for (int i = 0; i < each; i++) {
            memcpy(x + (size_t)i * s->floats, s->x + (size_t)((at + i) % s->n) * s->floats,
                   s->floats * sizeof *x);
            step[i] = at + i;
            time_ps[i] = 0.2 * (double)(at + i);
            for (int k = 0; k < COLUMNS; k++)
                values[k][i] = s->x[(size_t)((at + i) % s->n) * s->floats + (size_t)k];
        }
        for (int k = 0; k < COLUMNS; k++)
            columns[k] = values[k];
        const struct cox_traj_block block = {each, step, time_ps, x, NULL, NULL, columns};
        must(cox_traj_append(t, &block, &err));
        must(cox_traj_sync(t, &err));
    }
    cox_free(x);
}

static void compare(const struct source *s, const char *path, int64_t frames)
{
    struct cox_traj *t = NULL;
    float *x = cox_alloc(s->floats, sizeof *x);
    must(cox_traj_open_read(&t, path, &err));
    for (int64_t i = 0; i < frames; i++) {
        must(cox_traj_read_positions(t, i, 1, x, &err));
        if (memcmp(x, s->x + (size_t)(i % s->n) * s->floats, s->floats * sizeof *x))
            must(cox_err_set(&err, COX_EIO, "frame %" PRId64 " came back changed", i));
    }
    must(cox_traj_close(t, &err));
    cox_free(x);
}

static void arrangement(const struct source *s, const char *path, int64_t frames, int each,
                        bool compress)
{
    struct cox_traj_column column[COLUMNS];
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    struct cox_traj *t = NULL;
    struct stat st;
    for (int k = 0; k < COLUMNS; k++) {
        column[k] = (struct cox_traj_column){.type = COX_TRAJ_F32};
        snprintf(column[k].name, sizeof column[k].name, "column%d", k);
    }
    options.columns = column;
    options.n_columns = COLUMNS;
    options.compress = compress;
    unlink(path);
    must(cox_traj_create(&t, path, s->system, &options, &err));
    double wall = cox_clock_seconds(), cpu = cox_clock_process_seconds();
    store(s, t, frames, each);
    wall = cox_clock_seconds() - wall;
    cpu = cox_clock_process_seconds() - cpu;
    must(cox_traj_close(t, &err));
    if (stat(path, &st))
        must(cox_err_errno(&err, "cannot look at '%s'", path));
    compare(s, path, frames);
    printf("{\"compress\": %s, \"synced_every\": %d, \"frames\": %" PRId64
           ", \"frames_per_s\": %.0f, \"wall_us_per_frame\": %.1f, \"cpu_us_per_frame\": %.1f, "
           "\"bytes_per_frame\": %.0f, \"raw_bytes_per_frame\": %zu}\n",
           compress ? "true" : "false", each, frames, (double)frames / wall,
           1e6 * wall / (double)frames, 1e6 * cpu / (double)frames,
           (double)st.st_size / (double)frames, s->floats * sizeof(float));
    unlink(path);
}

int main(int argc, char **argv)
{
    static const int each[] = {16, 64, 5};
    struct source s = {0};
    char path[4096];
    long long frames = 4800;
    if (argc < 3 || (argc > 3 && cox_parse_int(argv[3], &frames))) {
        fprintf(stderr, "usage: store_append TRAJECTORY.h5 FOLDER [FRAMES]\n");
        return 2;
    }
    frames -= frames % 960; /* whole blocks of every size */
    load(&s, argv[1]);
    snprintf(path, sizeof path, "%s/store_append.h5", argv[2]);
    for (int i = 0; i < 3; i++)
        for (int compress = 0; compress < 2; compress++)
            arrangement(&s, path, frames, each[i], compress);
    cox_free(s.x);
    cox_system_destroy(s.system);
    return 0;
}
