/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole loop on the fake engine: same seed, same run; killed at any moment and resumed, the
 * same run again; a lane that blows up; nothing half-written. */
#include <limits.h>
#include <math.h>
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

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cox/system.h"
#include "steer/run.h"
#include "store/catalog.h"
#include "store/traj.h"

#define ATOMS 8

static char folder[] = "/tmp/cox-sequential-XXXXXX";

static void path_in(char *out, const char *name)
{
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_path_join(out, PATH_MAX, folder, name, &err), 0);
}

/* A chain of glycine Cα atoms, and the configuration of a short run. */
static void write_inputs(const char *extra)
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
        s->position_nm[i][0] = 0.38 * i;
        s->position_nm[i][1] = 0.1 * (i % 2);
    }
    snprintf(s->name, sizeof s->name, "chain");
    path_in(path, "chain.system.h5");
    if (cox_system_save(s, path, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < ATOMS; i++) /* the reference: more compact */
        s->position_nm[i][0] = 0.36 * i;
    path_in(path, "fold.system.h5");
    assert_int_equal(cox_system_save(s, path, &err), 0);
    cox_system_destroy(s);

    char text[4096];
    snprintf(text, sizeof text,
             "system: chain.system.h5\n"
             "reference: {path: fold.system.h5}\n"
             "seed: 7\n"
             "simulation: {engine: fake, replicas: 6, threads: 2, segment_ps: 2, frame_ps: 0.2}\n"
             "learn: {filters: [8], strides: [1], dense: 16, latent: 3, epochs_first: 2, epochs: 1,"
             " retrain_every: 2, batch: 16}\n"
             "agent: {outliers: lof, objective: rmsd_A, diversity_A: 0.1, window: 200, "
             "lof_neighbours: 5,"
             " velocities: keep}\n"
             "%s\n",
             extra);
    path_in(path, "run.yaml");
    assert_int_equal(cox_file_replace(path, text, strlen(text), &err), 0);
}

static int run(const char *name, const struct cox_steer_hooks *hooks,
               struct cox_steer_outcome *outcome, struct cox_err *err)
{
    char file[PATH_MAX];
    char directory[PATH_MAX];
    struct cox_settings settings;
    struct cox_config *config = NULL;
    struct cox_arena *arena = cox_arena_create();
    path_in(file, "run.yaml");
    path_in(directory, name);
    int rc = cox_settings_load(&settings, &config, file, NULL, 0, arena, err);
    if (!rc)
        rc = cox_steer_run(outcome, &settings, config, directory, hooks, err);
    cox_arena_destroy(arena);
    return rc;
}

static void finish(const char *name)
{
    char directory[PATH_MAX];
    struct cox_steer_outcome outcome;
    struct cox_err err = COX_ERR_INIT;
    path_in(directory, name);
    if (cox_steer_resume(&outcome, directory, NULL, &err))
        fail_msg("resume: %s", err.text);
}

/* Everything that must agree between two runs: frames to the bit, segments, picks. */
static void assert_same_run(const char *a, const char *b)
{
    const char *names[2] = {a, b};
    struct cox_catalog_segment *segments[2];
    struct cox_catalog_pick *picks[2];
    int64_t n_segments[2];
    int64_t n_picks[2];
    float *x[2];
    int64_t frames[2];
    struct cox_err err = COX_ERR_INIT;
    for (int k = 0; k < 2; k++) {
        char path[PATH_MAX];
        char inside[256];
        struct cox_catalog *catalog;
        struct cox_traj *traj;
        snprintf(inside, sizeof inside, "%s/catalog.db", names[k]);
        path_in(path, inside);
        if (cox_catalog_open_read(&catalog, path, &err))
            fail_msg("%s", err.text);
        assert_int_equal(cox_catalog_segments(catalog, &segments[k], &n_segments[k], &err), 0);
        assert_int_equal(cox_catalog_picks(catalog, &picks[k], &n_picks[k], &err), 0);
        cox_catalog_close(catalog);
        snprintf(inside, sizeof inside, "%s/frames-0.h5", names[k]);
        path_in(path, inside);
        if (cox_traj_open_read(&traj, path, &err))
            fail_msg("%s", err.text);
        frames[k] = cox_traj_frames(traj);
        x[k] = cox_alloc((size_t)frames[k] * ATOMS * 3, sizeof(float));
        assert_int_equal(cox_traj_read_positions(traj, 0, frames[k], x[k], &err), 0);
        assert_int_equal(cox_traj_close(traj, &err), 0);
    }
    assert_int_equal(frames[0], frames[1]);
    assert_memory_equal(x[0], x[1], (size_t)frames[0] * ATOMS * 3 * sizeof(float));
    assert_int_equal(n_segments[0], n_segments[1]);
    for (int64_t i = 0; i < n_segments[0]; i++) {
        assert_int_equal(segments[0][i].seed, segments[1][i].seed);
        assert_int_equal(segments[0][i].parent_segment, segments[1][i].parent_segment);
        assert_int_equal(segments[0][i].parent_frame, segments[1][i].parent_frame);
        assert_int_equal(segments[0][i].first_frame, segments[1][i].first_frame);
        assert_int_equal(segments[0][i].n_frames, segments[1][i].n_frames);
        assert_int_equal(segments[0][i].ancestor, segments[1][i].ancestor);
    }
    assert_int_equal(n_picks[0], n_picks[1]);
    assert_true(n_picks[0] > 0);
    for (int64_t i = 0; i < n_picks[0]; i++) {
        assert_int_equal(picks[0][i].frame, picks[1][i].frame);
        assert_int_equal(picks[0][i].lane, picks[1][i].lane);
    }
    for (int k = 0; k < 2; k++) {
        cox_free(segments[k]);
        cox_free(picks[k]);
        cox_free(x[k]);
    }
}

static void the_same_seed_gives_the_same_run(void **state)
{
    struct cox_steer_outcome outcome;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    write_inputs("stop: {rounds: 6}");
    if (run("a", NULL, &outcome, &err))
        fail_msg("%s", err.text);
    assert_int_equal(outcome.reason, COX_STOP_ROUNDS);
    assert_int_equal(outcome.rounds, 6);
    assert_int_equal(outcome.frames, 6 * 6 * 10);
    assert_true(outcome.best >= 0 && outcome.best < 5);
    assert_true(outcome.idle_max_s < 1); /* the bound that the issue sets */
    if (run("b", NULL, &outcome, &err))
        fail_msg("%s", err.text);
    assert_same_run("a", "b");
    /* a directory with a run is never written over */
    assert_int_equal(run("a", NULL, &outcome, &err), COX_EEXISTS);
}

/* A child runs and kills itself after some time; parents resume until it is done. */
static void killed_at_any_moment_it_goes_on_as_if_nothing_was(void **state)
{
    struct cox_steer_outcome outcome;
    struct cox_err err = COX_ERR_INIT;
    double began = cox_clock_seconds();
    (void)state;
    assert_int_equal(run("timed", NULL, &outcome, &err), 0);
    double whole = cox_clock_seconds() - began;
    int killed = 0;
    for (int k = 0; k < 12; k++) {
        char name[32];
        char directory[PATH_MAX];
        snprintf(name, sizeof name, "killed-%d", k);
        path_in(directory, name);
        pid_t child = fork();
        if (!child) {
            _exit(run(name, NULL, &outcome, &err) ? 1 : 0);
        }
        usleep((useconds_t)(1e6 * whole * (k + 0.5) / 12));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        killed += WIFSIGNALED(status);
        if (!WIFSIGNALED(status)) /* `whole` was measured while the machine was busier */
            whole /= 2;
        char catalog[PATH_MAX];
        assert_int_equal(cox_path_join(catalog, sizeof catalog, directory, "catalog.db", &err), 0);
        if (!cox_file_exists(catalog)) /* killed before there was anything to resume: start again */
            assert_int_equal(run(name, NULL, &outcome, &err), 0);
        else
            finish(name);
        assert_same_run("a", name);
    }
    assert_true(killed > 3);
}

static void raise_flag(void *user, const struct cox_steer_progress *p)
{
    if (p->round == 2 && !strcmp(p->stage, "simulate"))
        atomic_store((atomic_int *)user, 1);
}

static void an_interruption_keeps_every_finished_round(void **state)
{
    struct cox_steer_outcome outcome;
    struct cox_err err = COX_ERR_INIT;
    atomic_int flag = 0;
    (void)state;
    struct cox_steer_hooks hooks = {raise_flag, &flag, &flag};
    assert_int_equal(run("stopped", &hooks, &outcome, &err), COX_ECANCELLED);
    assert_int_equal(outcome.rounds, 2);
    finish("stopped");
    assert_same_run("a", "stopped");
}

static void a_lane_that_blows_up_is_restarted_from_its_last_frame(void **state)
{
    struct cox_steer_outcome outcome;
    struct cox_catalog *catalog;
    struct cox_catalog_segment *segments;
    int64_t n;
    char path[PATH_MAX];
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    assert_int_equal(setenv("COX_FAKE_BLOW_ONE_IN", "5", 1), 0);
    int rc = run("blown", NULL, &outcome, &err);
    assert_int_equal(unsetenv("COX_FAKE_BLOW_ONE_IN"), 0);
    if (rc)
        fail_msg("%s", err.text);
    path_in(path, "blown/catalog.db");
    assert_int_equal(cox_catalog_open_read(&catalog, path, &err), 0);
    assert_int_equal(cox_catalog_segments(catalog, &segments, &n, &err), 0);
    int blown = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!segments[i].blown)
            continue;
        blown++;
        /* at step 500, which was to be the fifth frame since the lane got its seed */
        assert_int_equal(segments[i].n_frames, 4);
        bool found = false;
        for (int64_t j = 0; j < n; j++)
            if (segments[j].parent_segment == segments[i].id &&
                segments[j].lane == segments[i].lane && segments[j].round == segments[i].round &&
                segments[j].parent_frame == segments[i].first_frame + 3)
                found = !segments[j].continued;
        assert_true(found);
    }
    assert_true(blown > 0);
    assert_int_equal(blown, outcome.blown);
    assert_true(outcome.frames > 0 && outcome.frames == 6 * 60 - blown);
    cox_free(segments);
    cox_catalog_close(catalog);
}

static void a_control_learns_nothing_and_restarts_nobody(void **state)
{
    struct cox_steer_outcome outcome;
    struct cox_catalog *catalog;
    struct cox_catalog_pick *picks;
    struct cox_catalog_segment *segments;
    int64_t n;
    char path[PATH_MAX];
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    write_inputs("control: true\nstop: {simulated_ns: 0.036}");
    if (run("control", NULL, &outcome, &err))
        fail_msg("%s", err.text);
    assert_int_equal(outcome.reason, COX_STOP_SIMULATED);
    assert_int_equal(outcome.rounds, 3);
    assert_int_equal(outcome.ancestors, 6);
    path_in(path, "control/catalog.db");
    assert_int_equal(cox_catalog_open_read(&catalog, path, &err), 0);
    assert_int_equal(cox_catalog_picks(catalog, &picks, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cox_catalog_segments(catalog, &segments, &n, &err), 0);
    assert_int_equal(n, 18);
    for (int64_t i = 6; i < n; i++) {
        assert_true(segments[i].continued);
        assert_int_equal(segments[i].parent_segment, i - 6);
    }
    cox_free(picks);
    cox_free(segments);
    cox_catalog_close(catalog);
}

static void it_stops_on_target_and_on_convergence(void **state)
{
    struct cox_steer_outcome outcome;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    write_inputs("stop: {rounds: 50, target: {rmsd_A: 100, lanes: 0.5, segments: 3}}");
    if (run("target", NULL, &outcome, &err))
        fail_msg("%s", err.text);
    assert_int_equal(outcome.reason, COX_STOP_TARGET);
    assert_int_equal(outcome.rounds, 3);
    assert_true(outcome.first_hit_ns > 0 && outcome.first_hit_ns < 0.012);
    write_inputs("stop: {rounds: 50, convergence: {new_states_per_ns: 10, rounds: 2,"
                 " state_radius_A: 100}}");
    if (run("converged", NULL, &outcome, &err))
        fail_msg("%s", err.text);
    assert_int_equal(outcome.reason, COX_STOP_CONVERGED);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(killed_at_any_moment_it_goes_on_as_if_nothing_was),
        cmocka_unit_test(an_interruption_keeps_every_finished_round),
        cmocka_unit_test(a_lane_that_blows_up_is_restarted_from_its_last_frame),
        cmocka_unit_test(a_control_learns_nothing_and_restarts_nobody),
        cmocka_unit_test(it_stops_on_target_and_on_convergence),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
