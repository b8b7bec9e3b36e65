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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_makes_sense),
        cmocka_unit_test(a_minimal_file_is_enough),
        cmocka_unit_test(contradictions_are_refused_at_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
