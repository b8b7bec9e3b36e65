/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "steer/settings.h"

static int load(const char *text, struct cox_settings *out, struct cox_err *err)
{
    char name[] = "/tmp/cox-settings-XXXXXX";
    int fd = mkstemp(name);
    struct cox_arena *arena = cox_arena_create();
    struct cox_config *config = NULL;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(cox_file_replace(name, text, strlen(text), err), 0);
    int rc = cox_settings_load(out, &config, name, NULL, 0, arena, err);
    unlink(name);
    cox_arena_destroy(arena);
    return rc;
}

#define SYSTEM "system: " COX_SOURCE_DIR "/LAYERS\n" /* any file that is there */

static void the_table_makes_sense(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    assert_int_equal(cox_config_check_schema(&cox_settings_schema, &err), 0);
}

static void a_minimal_file_is_enough(void **state)
{
    struct cox_settings s;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    assert_int_equal(load(SYSTEM "stop: {rounds: 3}\n", &s, &err), 0);
    assert_int_equal(s.simulation.replicas, 32);
    assert_int_equal(s.learn.filters.n, 4);
    assert_null(s.reference.path);
}

static void refuses(const char *text, const char *where, const char *what)
{
    struct cox_settings s;
    struct cox_err err = COX_ERR_INIT;
    assert_true(load(text, &s, &err) != 0);
    if (!strstr(err.text, where) || !strstr(err.text, what))
        fail_msg("wanted '%s' and '%s' in: %s", where, what, err.text);
}

static void contradictions_are_refused_at_their_place(void **state)
{
    (void)state;
    refuses(SYSTEM, ":1:1:", "no limit");
    refuses(SYSTEM "stop: {rounds: 3}\nsimulation:\n  timestep_fs: 4\n",
            ":4:3:", "hydrogen_mass_u");
    refuses(SYSTEM "stop: {rounds: 3}\nsimulation:\n  timestep_ps: 0.002\n",
            ":4:3:", "timestep_fs");
    refuses(SYSTEM "stop: {rounds: 3}\nsimulation:\n  frame_ps: 0.0031\n", ":4:3:", "whole number");
    refuses(SYSTEM "stop: {rounds: 3}\nsimulation: {segment_ps: 7, frame_ps: 5}\n",
            ":3:", "frames");
    refuses(SYSTEM "stop: {rounds: 3}\nagent:\n  objective: rmsd_A\n", ":4:3:", "reference");
    refuses(SYSTEM "stop: {rounds: 3}\nagent:\n  objective: rmds_A\n", ":4:3:", "rmsd_A");
    refuses(SYSTEM "stop: {rounds: 3}\nlearn: {enabled: false}\nagent: {outliers: lof}\n",
            ":4:1:", "latent");
    refuses(SYSTEM "stop: {rounds: 3, target: {rmsd_A: 1}}\n", ":2:", "reference");
    refuses(SYSTEM "stop: {rounds: 3}\nlearn:\n  strides: [1, 2]\n", ":4:3:", "one each");
    refuses(SYSTEM "stop: {rounds: 3}\nlearn:\n  retrain_evry: 2\n", ":4:3:", "retrain_every");
    refuses(SYSTEM "stop: {rounds: 3}\nsimulation:\n  temperature_K: 300 K\n", ":4:", "K");
    refuses("system: /no/such/file\nstop: {rounds: 3}\n", ":1:", "/no/such/file");
    refuses("stop: {rounds: 3}\n", ":1:", "system");
}

#define STREAMING SYSTEM "stop: {rounds: 3}\ncoordination: streaming\n"

static void streaming_fills_what_is_left_out(void **state)
{
    struct cox_settings s;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    assert_int_equal(load(STREAMING, &s, &err), 0);
    assert_int_equal(s.coordination, COX_STREAMING);
    assert_int_equal(s.agent.window, 80000);
    assert_int_equal(s.streaming.train_first_frames, 320); /* 32 replicas of 10 frames */
    assert_int_equal(s.streaming.train_after_frames, 640);
    assert_int_equal(load(SYSTEM "stop: {rounds: 3}\n", &s, &err), 0);
    assert_int_equal(s.agent.window, 8000);
    assert_int_equal(
        load(STREAMING "agent: {window: 500}\nstreaming: {train_after_frames: 7}\n", &s, &err), 0);
    assert_int_equal(s.agent.window, 500);
    assert_int_equal(s.streaming.train_after_frames, 7);
}

static void keys_of_the_other_coordination_are_refused(void **state)
{
    (void)state;
    refuses(SYSTEM "stop: {rounds: 3}\nstreaming:\n  simulations: 2\n",
            ":4:3:", "streaming.simulations is for coordination: streaming");
    refuses(SYSTEM "stop: {rounds: 3}\nstreaming:\n  train_command: [python3, train.py]\n",
            ":4:3:", "streaming.train_command");
    refuses(SYSTEM "stop: {rounds: 3}\nruntime: {executor: slurm}\n", ":3:", "runtime.executor");
    refuses(SYSTEM "stop: {rounds: 3}\nagent:\n  stale_ps: 100\n", ":4:3:", "agent.stale_ps");
    refuses(SYSTEM "stop: {rounds: 3}\nlearn:\n  publish_tolerance: 1\n",
            ":4:3:", "learn.publish_tolerance");
    refuses(SYSTEM "stop: {rounds: 3}\nslurm: {nodes: 2}\n", ":3:", "one process");
}

static void contradictions_of_streaming_are_refused(void **state)
{
    (void)state;
    refuses(STREAMING "streaming:\n  simulations: 33\n", ":5:3:", "33 simulations for 32");
    refuses(STREAMING "streaming:\n  simulations: 2\n  aggregators: 3\n", ":6:3:", "3 aggregators");
    refuses(STREAMING "streaming: {silence_s: 2, heartbeat_s: 1}\n", ":4:", "three heartbeats");
    refuses(STREAMING "streaming: {transport: ipc}\nruntime: {executor: slurm}\n", ":4:", "ipc");
    refuses(STREAMING "runtime: {executor: local}\nslurm: {nodes: 2}\n", ":4:", "one machine");
    refuses(STREAMING "control: true\nstreaming:\n  agent_command: run.py\n",
            ":6:3:", "control is true");
    refuses(STREAMING "learn: {enabled: false}\nstreaming:\n  train_command: run.py\n",
            ":6:3:", "learn.enabled is false");
    refuses(STREAMING "agent: {enabled: false, stale_ps: 100}\n", ":4:", "agent.enabled");
    refuses(STREAMING "agent: {stale_ps: 9}\n", ":4:", "two frames");
    refuses(STREAMING "agent: {stale_ps: 50}\nlearn: {enabled: false}\n", ":4:", "objective");
    refuses(SYSTEM "stop: {rounds: 3}\ncoordination: stream\n", ":3:", "streaming");
}

/* The effective configuration gives every key, of the other coordination too, and reads back. */
static void effective_settings_read_back(void **state)
{
    static const char *const texts[] = {
        SYSTEM "stop: {rounds: 3}\n", STREAMING,
        STREAMING "streaming: {train_command: [python3, \"a b.py\", --x=1], compress: no}\n"
                  "slurm: {partition: main, extra: [--qos=long]}\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct cox_str once;
        struct cox_str twice;
        struct cox_settings s;
        struct cox_config *config = NULL;
        struct cox_err err = COX_ERR_INIT;
        struct cox_arena *arena = cox_arena_create();
        char name[] = "/tmp/cox-settings-XXXXXX";
        int fd = mkstemp(name);
        assert_true(fd >= 0);
        close(fd);
        cox_str_init(&once, 1 << 20);
        cox_str_init(&twice, 1 << 20);
        assert_int_equal(cox_file_replace(name, texts[i], strlen(texts[i]), &err), 0);
        assert_int_equal(cox_settings_load(&s, &config, name, NULL, 0, arena, &err), 0);
        cox_config_emit(&once, &cox_settings_schema, &s);
        const char *text = cox_str_text(&once);
        assert_int_equal(cox_file_replace(name, text, strlen(text), &err), 0);
        if (cox_settings_load(&s, &config, name, NULL, 0, arena, &err))
            fail_msg("%s", err.text);
        cox_config_emit(&twice, &cox_settings_schema, &s);
        assert_string_equal(text, cox_str_text(&twice));
        cox_str_deinit(&once);
        cox_str_deinit(&twice);
        cox_arena_destroy(arena);
        unlink(name);
    }
}

static void replicas_are_dealt_evenly(void **state)
{
    (void)state;
    for (int replicas = 1; replicas < 70; replicas++) {
        struct cox_settings s = {.simulation = {.replicas = replicas}};
        for (int cores = 1; cores < 12; cores++) {
            int workers = cox_settings_simulations(&s, cores, 16);
            assert_true(workers >= 1 && workers <= cores);
            assert_true((workers - 1) * 16 < replicas);
            for (int w = 1; w <= replicas; w += 3) {
                int next = 0;
                for (int i = 0; i < w; i++) {
                    int first, n;
                    cox_settings_lanes(&s, w, i, &first, &n);
                    assert_int_equal(first, next);
                    assert_true(n == replicas / w || n == (replicas + w - 1) / w);
                    next = first + n;
                }
                assert_int_equal(next, replicas);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_makes_sense),
        cmocka_unit_test(a_minimal_file_is_enough),
        cmocka_unit_test(contradictions_are_refused_at_their_place),
        cmocka_unit_test(streaming_fills_what_is_left_out),
        cmocka_unit_test(keys_of_the_other_coordination_are_refused),
        cmocka_unit_test(contradictions_of_streaming_are_refused),
        cmocka_unit_test(effective_settings_read_back),
        cmocka_unit_test(replicas_are_dealt_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
