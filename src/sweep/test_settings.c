/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
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
#include "sweep/job_command.h"
#include "sweep/settings.h"

/* A folder of its own for bag.yaml and what it names. */
static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox-bag-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static const char *write_file(const char *name, const char *text)
{
    static char path[200];
    struct cox_err err = COX_ERR_INIT;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (cox_file_replace(path, text, strlen(text), &err))
        fail_msg("%s", err.text);
    return path;
}

struct loaded {
    struct cox_sweep_settings s;
    struct cox_config *config;
    struct cox_arena *arena;
    struct cox_err err;
    int rc;
};

static void load_with(struct loaded *l, const char *text, const char *const *set, int n_set)
{
    *l = (struct loaded){.arena = cox_arena_create()};
    assert_non_null(l->arena);
    l->rc = cox_sweep_settings_load(&l->s, &l->config, write_file("bag.yaml", text), set, n_set,
                                    l->arena, &l->err);
}

static void load(struct loaded *l, const char *text)
{
    load_with(l, text, NULL, 0);
}

static void drop(struct loaded *l)
{
    cox_arena_destroy(l->arena);
}

#define PARAMETER "parameters:\n  - {name: h, range: [3, 4], steps: 5}\n"
#define JOB "job:\n  command: [sim, \"--h={h}\"]\n"
#define OUTPUT "outputs:\n  - {name: rho, csv: o.csv, column: rho, row: 1}\n"
#define MINIMAL PARAMETER JOB OUTPUT

static void the_table_makes_sense(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    if (cox_config_check_schema(&cox_sweep_settings_schema, &err))
        fail_msg("%s", err.text);
}

static void a_minimal_file_is_enough(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, MINIMAL);
    if (l.rc)
        fail_msg("%s", l.err.text);
    assert_int_equal(l.s.design.kind, COX_DESIGN_GRID);
    assert_string_equal(l.s.folder, folder);
    assert_int_equal(l.s.surrogate.hidden.n, 2);
    assert_int_equal(l.s.surrogate.hidden.items[0], 512);
    assert_int_equal(l.s.surrogate.hidden.items[1], 256);
    assert_string_equal(l.s.surrogate.activations.items[0], "relu");
    assert_string_equal(l.s.surrogate.activations.items[1], "sigmoid");
    assert_true(l.s.surrogate.learning_rate == 1e-4 && l.s.surrogate.dropout == 0.15);
    assert_int_equal(l.s.surrogate.batch, 32);
    assert_int_equal(l.s.surrogate.epochs_first, 500);
    assert_int_equal(l.s.job.cores, 1);
    assert_true(isnan(l.s.job.limit_minutes) && isnan(l.s.job.checkpoint_minutes));
    const struct cox_sweep_output *o = l.s.outputs.items;
    assert_true(isnan(o->accuracy) && o->relative_accuracy == 0.05);
    drop(&l);
}

static void refuses(const char *text, const char *where, const char *what)
{
    struct loaded l;
    load(&l, text);
    if (!l.rc)
        fail_msg("accepted: %s", text);
    if (!strstr(l.err.text, where) || !strstr(l.err.text, what))
        fail_msg("wanted '%s' and '%s' in: %s", where, what, l.err.text);
    drop(&l);
}

static void accepts(const char *text)
{
    struct loaded l;
    load(&l, text);
    if (l.rc)
        fail_msg("%s\nof: %s", l.err.text, text);
    drop(&l);
}

#define P(rest) "parameters:\n  - {name: h, " rest "}\n" JOB OUTPUT

static void parameters_are_checked_at_their_place(void **state)
{
    (void)state;
    refuses(P("steps: 3"), "bag.yaml:2:5:", "one of values");
    refuses(P("values: [1], range: [1, 2]"), ":2:5:", "only one of");
    refuses(P("range: [4, 3], steps: 2"), ":2:15:", "goes up");
    refuses(P("range: [3, 3], steps: 2"), ":2:15:", "goes up");
    refuses(P("range: [3], steps: 2"), ":2:22:", "must have 2");
    refuses(P("range: [3, 4]"), ":2:15:", "needs steps");
    refuses(P("range: [0, 4], steps: 3, log: true"), ":2:15:", "logarithm");
    refuses(P("values: [1, -2], log: true"), ":2:15:", "-2 has no logarithm");
    refuses(P("range: [0.5, 4], steps: 3, whole: true"), ":2:15:", "0.5 is no whole number");
    refuses(P("values: [1, 2.5], whole: true"), ":2:15:", "2.5 is no whole");
    refuses(P("choices: [a, b], log: true"), ":2:", "words are no numbers");
    refuses(P("choices: [a, b, a]"), ":2:", "'a' is there twice");
    refuses(P("values: [1, 2], steps: 2"), ":2:", "steps are for a range");
    refuses("parameters:\n  - {name: 2h, values: [1]}\n" JOB OUTPUT, ":2:6:", "'2h' is no name");
    refuses("parameters:\n  - {name: seed, values: [1]}\n" JOB OUTPUT, ":2:6:", "another");
    refuses("parameters:\n  - {name: h, values: [1]}\n  - {name: h, values: [2]}\n" JOB OUTPUT,
            ":3:6:", "name of two");
    refuses("parameters: []\n" JOB OUTPUT, ":1:", "1 to 64");
    refuses(JOB OUTPUT, ":1:1:", "'parameters' is missing");
    refuses(P("range: [1, 2], step: 2"), ":2:", "did you mean 'steps'");
}

static void designs_are_checked_at_their_place(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, MINIMAL "design: {points: 7}\n");
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.s.design.kind, COX_DESIGN_SOBOL);
    drop(&l);
    refuses(MINIMAL "design: {kind: grid, points: 7}\n", ":7:22:", "random and sobol");
    refuses(MINIMAL "design: {kind: random}\n", ":7:1:", "needs points");
    refuses(MINIMAL "design: {kind: file}\n", ":7:1:", "needs file");
    refuses(MINIMAL "design: {kind: sobol, points: 3, file: x.csv}\n", ":7:34:", "kind: file");
    refuses(MINIMAL "design: {file: none.csv}\n", ":7:10:", "none.csv");
    refuses("parameters:\n  - {name: h, range: [0, 1], steps: 4000}\n"
            "  - {name: c, range: [0, 1], steps: 4000}\n"
            "job: {command: \"s {h} {c}\"}\n" OUTPUT,
            ":1:1:", "1.6e+07");
    static const char *const set[] = {"design.points=50"};
    load_with(&l, MINIMAL, set, 1);
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.s.design.kind, COX_DESIGN_SOBOL);
    drop(&l);
}

static void placeholders_are_checked_at_their_place(void **state)
{
    (void)state;
    refuses(PARAMETER "job:\n  command: [sim, \"{h}\", \"{hh}\"]\n" OUTPUT,
            ":4:25:", "{hh} is no parameter; did you mean 'h'?");
    refuses(PARAMETER "job:\n  command: sim {h} {density}\n" OUTPUT, ":4:3:", "{density}");
    refuses(PARAMETER "job:\n  command: sim {h:.3q}\n" OUTPUT, ":4:3:", "{h:.3q}");
    refuses(PARAMETER "job:\n  command: sim {h:03d}\n" OUTPUT, ":4:3:", "{h:.0f}");
    accepts("parameters: [{name: h, values: [1, 20]}]\njob: {command: \"sim {h:03d}\"}\n" OUTPUT);
    accepts("parameters: [{name: h, range: [1, 5], steps: 2, whole: true}]\n"
            "job: {command: \"sim {h:+d}\"}\n" OUTPUT);
    refuses("parameters: [{name: h, choices: [a, b]}]\njob: {command: \"sim {h:d}\"}\n" OUTPUT,
            ":2:7:", "{name:8s}");
    refuses(PARAMETER "job:\n  command: sim {h:s}\n" OUTPUT, ":4:3:", "printf");
    refuses(PARAMETER "job:\n  command: sim 'it\n" OUTPUT, ":4:3:", "quote has no end");
    refuses(PARAMETER "job:\n  command: sim\n" OUTPUT, ":2:6:", "'h' does not reach the job");
    refuses(PARAMETER JOB "  resume: [sim, \"{k}\"]\n" OUTPUT, ":5:17:", "{k}");
    accepts(PARAMETER "job:\n  command: [sh, -c, \"echo {h:8.3f} ${HOME} {seed} {{x}}\"]\n" OUTPUT);
    accepts(PARAMETER "job: {command: \"sim {h} {cores} {point:06d} {bag}/x\"}\n" OUTPUT);
    write_file("in.ions", "variable h equal {h}\nregion {box} block ${h}\nfix {{1}} {\"a\": {}}\n");
    accepts(PARAMETER "job: {command: sim, files: [in.ions]}\n" OUTPUT);
    write_file("in.slip", "line one\n  size {seeds} {h}\n");
    refuses(PARAMETER "job: {command: \"sim {h}\", files: [in.slip]}\n" OUTPUT,
            "in.slip:2:8:", "did you mean 'seed'?");
    write_file("in.form", "ä {h:.2k}\n");
    refuses(PARAMETER "job: {command: \"sim {h}\", files: [in.form]}\n" OUTPUT,
            "in.form:1:3:", "{h:.2k}");
    write_file("in.other", "{lambda:.3f}\n");
    refuses(PARAMETER "job: {command: \"sim {h}\", files: [in.other]}\n" OUTPUT,
            "in.other:1:1:", "{lambda} is no parameter");
    refuses(PARAMETER JOB "  files: [gone.in]\n" OUTPUT, ":5:11:", "gone.in");
    refuses(PARAMETER JOB "  links: [gone.dat]\n" OUTPUT, ":5:11:", "gone.dat");
    write_file("job.log.in", "x");
    refuses(PARAMETER JOB "  files: [job.log.in]\n" OUTPUT, ":5:11:", "own messages");
    write_file("pair.dat", "x");
    refuses(PARAMETER JOB "  links: [piar.dat]\n" OUTPUT, ":5:11:", "did you mean 'pair.dat'?");
    write_file("same.in", "x");
    write_file("same", "x");
    refuses(PARAMETER JOB "  files: [same.in]\n  links: [same]\n" OUTPUT,
            ":6:11:", "both be 'same'");
}

static void jobs_are_checked_at_their_place(void **state)
{
    (void)state;
    refuses(PARAMETER "job: {cores: 2}\n" OUTPUT, ":3:", "'command' is missing");
    refuses(PARAMETER JOB "  cores: 4\n" OUTPUT "runtime: {cores: 2}\n", ":5:3:", "takes 4 cores");
    refuses(PARAMETER JOB "  limit_minutes: 5\n  expected_minutes: 6\n" OUTPUT,
            ":6:3:", "limit_minutes, 5");
    refuses(PARAMETER JOB "  memory: 4\n" OUTPUT, ":5:3:", "memory_gb");
}

#define O(rest) PARAMETER JOB "outputs:\n  - {name: y, " rest "}\n"

static void outputs_are_checked_at_their_place(void **state)
{
    (void)state;
    refuses(O("column: y"), ":6:5:", "the file that it is read from");
    refuses(O("csv: a, json: b, column: y, key: z"), ":6:5:", "only one of");
    refuses(O("csv: a"), ":6:15:", "csv needs column");
    refuses(O("json: a"), ":6:15:", "json needs key");
    refuses(O("text: a"), ":6:15:", "text needs match");
    refuses(O("csv: a, column: y, key: z"), ":6:34:", "key is not for csv");
    refuses(O("json: a, key: y, error_column: z"), ":6:32:", "error_column is not for json");
    refuses(O("json: a, key: y, row: 1"), ":6:32:", "row is not for json");
    refuses(O("csv: a, column: y, row: 0"), ":6:34:", "rows count from 1");
    refuses(O("csv: /a, column: y"), ":6:15:", "not in the job's directory");
    refuses(O("csv: ../a, column: y"), ":6:15:", "not in the job's directory");
    refuses(O("text: a, match: 'E = [0-9]+'"), ":6:24:", "no group");
    refuses(O("text: a, match: 'E = ([0-9]+'"), ":6:24:", "no regular expression");
    refuses(O("csv: a, column: y, within_error: true"), ":6:", "needs error_column");
    refuses(O("csv: a, column: y, ignore: true"), ":5:1:", "nothing to learn");
    refuses(O("csv: a, column: y, accuracy: 0"), ":6:", "above 0");
    refuses(O("csv: a, column: y}\n  - {name: y, csv: b, column: y"), ":7:6:", "name of two");
    refuses(PARAMETER JOB, ":1:1:", "'outputs' is missing");
    accepts(O("csv: a, column: y, ignore: true") "surrogate: {enabled: false}\n");
    accepts(O("hdf5: a.h5, key: /y/z, error_key: e, within_error: true"));
}

static void targets_are_checked_at_their_place(void **state)
{
    struct loaded l;
    (void)state;
    refuses(MINIMAL "surrogate: {hidden: [64]}\n", ":7:13:", "2 activations for 1");
    refuses(MINIMAL "surrogate: {hidden: [64], activations: [rely]}\n", ":7:", "'relu'");
    refuses(MINIMAL "surrogate: {audits_min: 18}\n", ":7:13:", "19 or more");
    accepts(MINIMAL "surrogate: {audits_min: 19}\n");
    refuses(MINIMAL "targets: {coverage: 0.99}\n", ":7:11:", "99 or more");
    accepts(MINIMAL "targets: {coverage: 0.99}\nsurrogate: {audits_min: 99}\n");
    refuses(MINIMAL "objective: {kind: minimise, output: rh}\n", ":7:29:", "did you mean 'rho'");
    refuses(MINIMAL "objective: {kind: minimise}\n", ":7:1:", "needs output");
    refuses(MINIMAL "objective: {kind: reach, output: rho}\n", ":7:1:", "needs value");
    refuses(MINIMAL "objective: {kind: reach, output: rho, value: 1}\n", ":7:1:", "tolerance");
    refuses(MINIMAL "objective: {kind: maximise, output: rho, value: 1}\n", ":7:42:", "reach");
    refuses(MINIMAL "objective: {output: rho}\n", ":7:13:", "needs a kind");
    refuses(MINIMAL "objective: {kind: minimise, output: rho}\nsurrogate: {enabled: false}\n",
            ":7:13:", "surrogate.enabled");
    refuses(O("csv: a, column: y") "objective: {kind: minimise, output: y}\n",
            ":7:29:", "is a profile");
    refuses(MINIMAL "objective: {kind: minimize, output: rho}\n", ":7:", "minimise");
    load(&l, O("csv: a, column: y, row: -1, accuracy: 0.25") "objective: {kind: reach, output: y, "
                                                             "value: 3}\n");
    assert_int_equal(l.rc, 0);
    assert_true(l.s.objective.tolerance == 0.25);
    drop(&l);
}

/* The effective configuration reads back as the same, from another folder too. */
static void effective_settings_read_back(void **state)
{
    static const char *const texts[] = {
        MINIMAL, P("choices: [a, 'b c', \"1\"]"),
        PARAMETER "job:\n  command: sh -c 'echo {h} \"x y\"'\n  keep: ['*.csv']\n" OUTPUT
                  "objective: {kind: reach, output: rho, value: 2, tolerance: 0.1}\n"
                  "design: {kind: random, points: 10}\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct loaded l;
        struct loaded again;
        struct cox_str once;
        struct cox_str twice;
        load(&l, texts[i]);
        if (l.rc)
            fail_msg("%s", l.err.text);
        cox_str_init(&once, 1 << 20);
        cox_str_init(&twice, 1 << 20);
        cox_config_emit(&once, &cox_sweep_settings_schema, &l.s);
        again = (struct loaded){.arena = cox_arena_create()};
        char inner[100];
        snprintf(inner, sizeof inner, "%s/sweep", folder);
        assert_int_equal(cox_directory_create(inner, NULL), 0);
        const char *path = write_file("sweep/config.yaml", cox_str_text(&once));
        if (cox_sweep_settings_view(&again.s, &again.config, path, again.arena, &again.err))
            fail_msg("%s", again.err.text);
        assert_string_equal(again.s.folder, folder);
        cox_config_emit(&twice, &cox_sweep_settings_schema, &again.s);
        assert_string_equal(cox_str_text(&once), cox_str_text(&twice));
        cox_str_deinit(&once);
        cox_str_deinit(&twice);
        drop(&again);
        drop(&l);
    }
}

/* Files that are gone are a mistake in a bag.yaml, none in the directory of a sweep. */
static void a_view_needs_no_files(void **state)
{
    struct loaded l = {.arena = cox_arena_create()};
    (void)state;
    const char *path =
        write_file("bag.yaml", PARAMETER JOB "  files: [gone]\n  links: [gone2]\n" OUTPUT
                                             "design: {file: gone.csv}\n");
    assert_int_equal(cox_sweep_settings_view(&l.s, &l.config, path, l.arena, &l.err), 0);
    assert_true(cox_sweep_settings_load(&l.s, &l.config, path, NULL, 0, l.arena, &l.err) ==
                COX_EINVAL);
    drop(&l);
}

static void expect_words(const char *line, int n, const char *const *words)
{
    struct cox_config_texts out;
    const struct cox_config_texts command = {1, &line};
    struct cox_arena *arena = cox_arena_create();
    struct cox_err err = COX_ERR_INIT;
    if (cox_command_words(&out, &command, arena, &err))
        fail_msg("%s", err.text);
    if (out.n != n)
        fail_msg("%d words of %s", out.n, line);
    for (int i = 0; i < n; i++)
        assert_string_equal(out.items[i], words[i]);
    cox_arena_destroy(arena);
}

/* As `sh` splits them (the expected words were printed by dash's printf '<%s>' of the same lines).
 */
static void lines_are_split_as_a_shell_would(void **state)
{
    (void)state;
    expect_words(" a  b\tc\n", 3, (const char *[]){"a", "b", "c"});
    expect_words("a 'b c' \"d e\"f", 3, (const char *[]){"a", "b c", "d ef"});
    expect_words("a '' \"\"", 3, (const char *[]){"a", "", ""});
    expect_words("a\\ b \\'c \\\\", 3, (const char *[]){"a b", "'c", "\\"});
    expect_words("\"a\\\"b\" 'c\\d' \"e\\f\" \"\\\\\"", 4,
                 (const char *[]){"a\"b", "c\\d", "e\\f", "\\"});
    expect_words("x $HOME *.c ; > y", 6, (const char *[]){"x", "$HOME", "*.c", ";", ">", "y"});
    struct cox_config_texts out;
    struct cox_arena *arena = cox_arena_create();
    static const char *const bad[] = {"", "   ", "''", "a 'b", "a \"b\\\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct cox_config_texts command = {1, &bad[i]};
        assert_int_equal(cox_command_words(&out, &command, arena, NULL), COX_EINVAL);
    }
    /* a list is not split */
    const struct cox_config_texts list = {2, (const char *[]){"a b", "'c"}};
    assert_int_equal(cox_command_words(&out, &list, arena, NULL), 0);
    assert_string_equal(out.items[0], "a b");
    assert_string_equal(out.items[1], "'c");
    cox_arena_destroy(arena);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    write_file("in.ions", "h is {h}\n");
    const char *path =
        write_file("bag.yaml", PARAMETER "job:\n  command: sim '{h}'\n  files: [in.ions]\n" OUTPUT);
    struct cox_err err = COX_ERR_INIT;
    int rc = COX_ENOMEM;
    int n = 0;
    for (; rc; n++) {
        struct cox_sweep_settings s;
        struct cox_config *config = NULL;
        uint64_t before = cox_mem_in_use();
        struct cox_arena *arena = cox_arena_create();
        assert_non_null(arena);
        cox_mem_fail_at((uint64_t)n + 1);
        rc = cox_sweep_settings_load(&s, &config, path, NULL, 0, arena, &err);
        cox_mem_fail_at(0);
        if (rc && (rc != COX_ENOMEM || !err.text[0]))
            fail_msg("allocation %d: %d, %s", n, rc, err.text);
        cox_arena_destroy(arena);
        assert_true(cox_mem_in_use() == before);
        assert_true(n < 10000);
    }
    assert_true(n > 2); /* arenas take few blocks */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_makes_sense),
        cmocka_unit_test(a_minimal_file_is_enough),
        cmocka_unit_test(parameters_are_checked_at_their_place),
        cmocka_unit_test(designs_are_checked_at_their_place),
        cmocka_unit_test(placeholders_are_checked_at_their_place),
        cmocka_unit_test(jobs_are_checked_at_their_place),
        cmocka_unit_test(outputs_are_checked_at_their_place),
        cmocka_unit_test(targets_are_checked_at_their_place),
        cmocka_unit_test(effective_settings_read_back),
        cmocka_unit_test(a_view_needs_no_files),
        cmocka_unit_test(lines_are_split_as_a_shell_would),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
