/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of the train and agent roles: the role is a process of its own, the test plays the
 * coordinator (hub) and the aggregator (it writes the frames file that the role follows). */
#ifndef COX_STEER_TESTING_LEARN_H
#define COX_STEER_TESTING_LEARN_H

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cox/system.h"
#include "learn/cvae.h"
#include "steer/columns.h"
#include "steer/learner.h"
#include "steer/worker/worker.h"
#include "stream/link.h"
#include "stream/message.h"

enum { ATOMS = 8, LANES = 4 };
#define PATIENCE_S 20.0

static char folder[] = "/tmp/cox-learn-XXXXXX";

struct world {
    struct cox_hub *hub;
    struct cox_traj *traj;
    struct cox_settings settings;
    struct cox_arena *arena;
    struct cox_system *system;
    struct cox_frames frames;
    pid_t child;
    char name[16];
    int64_t epoch, frame;     /* the newest attempt; frames written */
    struct cox_message *seen; /* the newest message of the kind last waited for */
    struct cox_message *heartbeat;
};

static inline void path_in(char *out, const char *name)
{
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_path_join(out, PATH_MAX, folder, name, &err), 0);
}

/* ---- a run directory ---- */

/* A chain; `stretch` 1 is the start, 0 the fold. */
static inline void chain(double (*x)[3], double stretch)
{
    for (int i = 0; i < ATOMS; i++) {
        x[i][0] = (0.2 + 0.2 * stretch) * i;
        x[i][1] = 0.1 * (i % 2);
        x[i][2] = 0.25 * (1 - stretch) * (i % 3);
    }
}

static inline void write_system(const char *name, double stretch)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    char path[PATH_MAX];
    assert_int_equal(cox_system_create(&s, ATOMS, ATOMS, 0, 0, 0, 0, 0, &err), 0);
    for (int i = 0; i < ATOMS; i++) {
        s->mass_u[i] = 12;
        s->element[i] = 6;
        s->sigma_nm[i] = 0.3;
        s->gb_radius_nm[i] = 0.17;
        s->gb_scale[i] = 0.72;
        s->residue[i] = i;
        s->residue_number[i] = i + 1;
        snprintf(s->atom_name[i], COX_NAME_SIZE, "CA");
        snprintf(s->residue_name[i], COX_NAME_SIZE, "GLY");
        snprintf(s->chain[i], COX_NAME_SIZE, "A");
    }
    chain(s->position_nm, stretch);
    snprintf(s->name, sizeof s->name, "chain");
    path_in(path, name);
    assert_int_equal(cox_system_save(s, path, &err), 0);
    cox_system_destroy(s);
}

static inline void open_world(struct world *w, const char *extra)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_config *config;
    struct cox_traj_column columns[COX_COLUMNS_MAX];
    char text[2048];
    char path[PATH_MAX];
    *w = (struct world){.arena = cox_arena_create()};
    assert_int_equal(cox_directory_remove(folder, &err), 0);
    path_in(path, "models");
    assert_int_equal(cox_directory_create(path, &err), 0);
    write_system("chain.system.h5", 1);
    write_system("fold.system.h5", 0);
    snprintf(text, sizeof text,
             "system: chain.system.h5\nreference: {path: fold.system.h5}\n"
             "coordination: streaming\nstop: {rounds: 3}\n"
             "simulation: {engine: fake, replicas: %d, frame_ps: 1, segment_ps: 10}\n"
             "%s\n",
             LANES, extra);
    path_in(path, "config.yaml");
    assert_int_equal(cox_file_replace(path, text, strlen(text), &err), 0);
    if (cox_settings_load(&w->settings, &config, path, NULL, 0, w->arena, &err))
        fail_msg("%s", err.text);
    path_in(path, "chain.system.h5");
    assert_int_equal(cox_system_load(&w->system, path, &err), 0);
    assert_int_equal(cox_frames_init(&w->frames, w->system, &w->settings, config, &err), 0);
    struct cox_traj_options options = {.n_columns = cox_columns(&w->frames, true, columns),
                                       .columns = columns};
    path_in(path, "frames-0.h5");
    if (cox_traj_create(&w->traj, path, w->system, &options, &err) ||
        cox_hub_create(&w->hub, "ipc", NULL, &err))
        fail_msg("%s", err.text);
}

static inline void reap(struct world *w, int wanted)
{
    int status = -1;
    assert_int_equal(waitpid(w->child, &status, 0), w->child);
    if (wanted >= 0)
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 255, wanted);
    w->child = 0;
}

static inline void close_world(struct world *w)
{
    if (w->child) {
        kill(w->child, SIGKILL);
        reap(w, -1);
    }
    cox_message_destroy(w->seen);
    cox_message_destroy(w->heartbeat);
    cox_hub_destroy(w->hub);
    cox_traj_destroy(w->traj);
    cox_frames_deinit(&w->frames);
    cox_system_destroy(w->system);
    cox_arena_destroy(w->arena);
}

/* ---- the aggregator's part ---- */

/* One frame of `lane`: a chain stretched so far, with a little noise. */
static inline void write_frame(struct world *w, int lane, int segment, double stretch, bool sync)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_rng rng;
    double x[ATOMS][3];
    float position[ATOMS][3];
    float values[COX_FRAMES_MAX_OBSERVABLES + 1];
    const void *column[COX_COLUMNS_MAX];
    int32_t ints[4] = {segment, lane, 0, 0}; /* the index matters to nobody here */
    int64_t step = w->frame / LANES * 1000;
    double time = (double)(w->frame / LANES);
    int n = 0;
    cox_rng_init(&rng, 5, (uint64_t)w->frame);
    chain(x, stretch);
    for (int i = 0; i < ATOMS; i++)
        for (int k = 0; k < 3; k++)
            position[i][k] = (float)(x[i][k] + 1e-4 * cox_rng_normal(&rng));
    cox_columns_fill(&w->frames, (const float(*)[3])position, 300, values);
    for (; n < COX_COLUMN_VALUES; n++)
        column[n] = &ints[n];
    for (int i = 0; i < cox_columns_values(&w->frames); i++)
        column[n++] = &values[i];
    column[n] = &ints[3];
    struct cox_traj_block block = {
        .n = 1, .step = &step, .time_ps = &time, .position_nm = &position[0][0], .column = column};
    if (cox_traj_append(w->traj, &block, &err) || (sync && cox_traj_sync(w->traj, &err)))
        fail_msg("%s", err.text);
    w->frame++;
}

/* n rounds of frames of all lanes at random stretches. */
static inline void write_frames(struct world *w, int n)
{
    for (int i = 0; i < n * LANES; i++) {
        struct cox_rng rng;
        cox_rng_init(&rng, 9, (uint64_t)w->frame);
        int lane = (int)(w->frame % LANES);
        write_frame(w, lane, lane, 0.2 + 0.8 * cox_rng_uniform(&rng), i == n * LANES - 1);
    }
}

/* ---- the coordinator's part ---- */

static inline void start(struct world *w, const char *role, const char *name)
{
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%d", (int)++w->epoch);
    snprintf(w->name, sizeof w->name, "%s", name);
    w->child = fork();
    assert_true(w->child >= 0);
    if (w->child == 0) { /* a program of its own: libraries do not survive a fork */
        execl("/proc/self/exe", "worker", role, folder, name, epoch, cox_hub_endpoint(w->hub),
              (char *)NULL);
        _exit(127);
    }
}

static inline void tell(struct world *w, struct cox_message *m)
{
    struct cox_err err = COX_ERR_INIT;
    if (cox_hub_send(w->hub, w->name, m, &err))
        fail_msg("%s", err.text);
}

static inline void grant(struct world *w, int n)
{
    static const int64_t list[] = {0, 1};
    struct cox_message *m = cox_message_create("cores");
    cox_message_set_ints(m, "list", list, n);
    tell(w, m);
}

/* Answers heartbeats until a message of this type comes; NULL after `seconds`. Owned by w. */
static const struct cox_message *hear(struct world *w, const char *type, double seconds)
{
    struct cox_err err = COX_ERR_INIT;
    double end = cox_clock_seconds() + seconds;
    cox_message_destroy(w->seen);
    w->seen = NULL;
    while (cox_clock_seconds() < end) {
        struct cox_message *m = NULL;
        char peer[COX_PEER_SIZE];
        assert_int_equal(cox_hub_receive(w->hub, 0.1, NULL, 0, &m, peer, &err), 0);
        if (!m || cox_message_int(m, "epoch", -1) != w->epoch) {
            cox_message_destroy(m);
            continue;
        }
        bool wanted = cox_message_is(m, type);
        if (cox_message_is(m, "heartbeat")) {
            if (cox_hub_send(w->hub, w->name, cox_message_create("alive"), &err))
                err = (struct cox_err)COX_ERR_INIT; /* it may have said bye meanwhile */
            cox_message_destroy(w->heartbeat);
            w->heartbeat = m;
            if (wanted)
                return m;
            continue;
        }
        if (wanted)
            return w->seen = m;
        if (cox_message_is(m, "trouble"))
            print_message("trouble: %s\n", cox_message_text(m, "text", ""));
        cox_message_destroy(m);
    }
    return NULL;
}

static const struct cox_message *must_hear(struct world *w, const char *type)
{
    const struct cox_message *m = hear(w, type, PATIENCE_S);
    if (!m)
        fail_msg("no '%s' came", type);
    return m;
}

static inline void stop(struct world *w)
{
    tell(w, cox_message_create("stop"));
    must_hear(w, "bye");
    reap(w, 0);
}

/* A model that trains in no time. */
#define TINY                                                                                \
    "learn: {filters: [4], strides: [1], dense: 16, latent: 2, batch: 8, max_samples: 60, " \
    "validation_fraction: 0.25, "

/* ---- main ---- */

static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    return cox_directory_remove(folder, &err);
}

static inline int be_worker(char **argv)
{
    static atomic_int cancel;
    struct cox_err err = COX_ERR_INIT;
    long long epoch = -1;
    if (cox_parse_int(argv[4], &epoch))
        return 2;
    struct cox_worker_options options = {.role = argv[1],
                                         .directory = argv[2],
                                         .name = argv[3],
                                         .epoch = epoch,
                                         .hub = argv[5],
                                         .cancel = &cancel};
    int rc = cox_worker_run(&options, &err);
    if (rc)
        print_error("%s\n", err.text);
    return rc ? 1 : 0;
}

/* The whole of main: with arguments this program is the worker. */
#define TESTING_LEARN_MAIN(tests)                                         \
    int main(int argc, char **argv)                                       \
    {                                                                     \
        if (argc == 6)                                                    \
            return be_worker(argv);                                       \
        return cmocka_run_group_tests(tests, make_folder, remove_folder); \
    }

#endif
