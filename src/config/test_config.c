/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/test_schema.h"

/* The text must be refused with exactly this message. */
static void refuses(const char *yaml, const char *message)
{
    struct reading r;
    reading_parse(&r, yaml);
    assert_int_not_equal(r.status, COX_OK);
    assert_int_equal(r.status, r.err.status);
    assert_null(r.config);
    assert_string_equal(r.err.text, message);
    reading_end(&r);
}

/* The same, but only the beginning is compared. */
static void refuses_like(const char *yaml, const char *beginning)
{
    struct reading r;
    reading_parse(&r, yaml);
    assert_int_not_equal(r.status, COX_OK);
    if (strncmp(r.err.text, beginning, strlen(beginning)))
        assert_string_equal(r.err.text, beginning);
    reading_end(&r);
}

static void schema_is_sound(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_config_check_schema(&schema, &err), COX_OK);
}

static void bad_schemas_are_refused(void **state)
{
    (void)state;
    struct one {
        int x;
    };
    const struct cox_config_row good = {"x", COX_CONFIG_INT, COX_CONFIG_FIELD(struct one, x),
                                        .initial = "1", .help = "x"};
    struct cox_config_row row[2] = {good, good};
    struct cox_config_schema s = {row, 1, sizeof(struct one), "one", false};
    assert_int_equal(cox_config_check_schema(&s, NULL), COX_OK);
    s.n = 2;
    assert_int_not_equal(cox_config_check_schema(&s, NULL), COX_OK); /* twice */
    s.n = 1;
    row[0].help = NULL;
    assert_int_not_equal(cox_config_check_schema(&s, NULL), COX_OK);
    row[0] = good;
    row[0].type = COX_CONFIG_DOUBLE;
    assert_int_not_equal(cox_config_check_schema(&s, NULL), COX_OK); /* width */
    row[0] = good;
    row[0].initial = "0";
    row[0].minimum = 1;
    row[0].maximum = 2;
    assert_int_not_equal(cox_config_check_schema(&s, NULL), COX_OK); /* default out of range */
    row[0] = good;
    row[0].flags = COX_CONFIG_REQUIRED;
    assert_int_not_equal(cox_config_check_schema(&s, NULL), COX_OK);
    row[0] = good;
    row[0].offset = 4;
    assert_int_not_equal(cox_config_check_schema(&s, NULL), COX_OK);
    row[0] = good;
    row[0].initial = "abc";
    assert_int_not_equal(cox_config_check_schema(&s, NULL), COX_OK);
}

static void defaults_hold(void **state)
{
    (void)state;
    struct reading r;
    reading_parse(&r, ok_yaml);
    assert_string_equal(r.err.text, "");
    assert_int_equal(r.status, COX_OK);
    assert_string_equal(r.all.title, "a run");
    assert_string_equal(r.all.system, "dir/s.h5");
    assert_null(r.all.weights);
    assert_true(r.all.timestep_fs == 4);
    assert_true(isnan(r.all.limit_h));
    assert_int_equal(r.all.seed, 1);
    assert_int_equal(r.all.maybe, COX_CONFIG_UNSET);
    assert_int_equal(r.all.engine, ENGINE_ENSEMBLE);
    assert_int_equal(r.all.novelty, -1);
    assert_true(r.all.learn.warm);
    assert_int_equal(r.all.learn.filters.n, 4);
    assert_int_equal(r.all.learn.filters.items[3], 64);
    assert_true(r.all.learn.target.rmsd_A == 2.5);
    assert_int_equal(r.all.starts.n, 0);
    assert_int_equal(r.all.box.n, 0);
    assert_string_equal(r.all.names.items[1], "b c");
    assert_true(cox_config_given(r.config, "system"));
    assert_false(cox_config_given(r.config, "title"));
    assert_false(cox_config_given(r.config, "learn.target"));
    reading_end(&r);
}

static void all_types_are_read(void **state)
{
    (void)state;
    struct reading r;
    reading_parse(&r, full_yaml);
    assert_string_equal(r.err.text, "");
    assert_string_equal(r.all.title, "it's: \"µ\"");
    assert_string_equal(r.all.system, "/abs/s.h5");
    assert_true(r.all.timestep_fs == 2.5);
    assert_true(r.all.seed == INT64_MAX);
    assert_int_equal(r.all.maybe, 1000);
    assert_int_equal(r.all.engine, ENGINE_FAKE);
    assert_int_equal(r.all.novelty, 1);
    assert_true(r.all.limit_h == 0.1);
    assert_false(r.all.learn.warm);
    assert_int_equal(r.all.learn.filters.n, 1);
    assert_int_equal(r.all.learn.filters.items[0], 7);
    assert_true(r.all.learn.target.rmsd_A == 1.1);
    assert_int_equal(r.all.learn.target.segments, 3);
    assert_int_equal(r.all.starts.n, 2);
    const struct start *starts = r.all.starts.items;
    assert_string_equal(starts[0].path, "dir/a.pdb");
    assert_true(starts[0].weight == 3 && starts[1].weight == 1);
    assert_string_equal(starts[1].path, "dir/../b.pdb");
    assert_int_equal(r.all.box.n, 3);
    assert_true(r.all.box.items[1] == 2.5);
    assert_int_equal(r.all.names.n, 0);
    assert_string_equal(r.all.files.items[0], "dir/x");
    assert_string_equal(r.all.files.items[1], "/y");
    reading_end(&r);
}

static void unknown_keys_are_explained(void **state)
{
    (void)state;
    refuses("system: s\nlearn:\n  retrain_evry: 3\n",
            "dir/f.yaml:3:3: unknown key 'retrain_evry' in 'learn'; did you mean 'retrain_every'? "
            "(allowed: retrain_every, dropout, warm, filters, target)");
    refuses_like(
        "system: s\ntimestep_ps: 0.002\n",
        "dir/f.yaml:2:1: unknown key 'timestep_ps'; the key is 'timestep_fs', in fs (1 ps = "
        "1000 fs) (allowed: ");
    refuses_like("system: s\ntimestep: 2\n",
                 "dir/f.yaml:2:1: unknown key 'timestep'; the key is 'timestep_fs', in fs (");
    refuses_like(
        "system: s\nlearn:\n  target:\n    rmsd_nm: 2\n",
        "dir/f.yaml:4:5: unknown key 'rmsd_nm' in 'target'; the key is 'rmsd_A', in Å (1 nm "
        "= 10 Å) (");
    refuses_like("friction_per_fs: 2\n",
                 "dir/f.yaml:1:1: unknown key 'friction_per_fs'; the key is 'friction_per_ps', in "
                 "1/ps (1 per_fs = 1000 1/ps)");
    refuses_like("system: s\ndropout: 0.1\n",
                 "dir/f.yaml:2:1: unknown key 'dropout'; did you mean 'learn.dropout'? (");
    refuses_like("system: s\nzzzzzzzz: 0.1\n", "dir/f.yaml:2:1: unknown key 'zzzzzzzz' (allowed: ");
    refuses_like("{system: s, starts: [{path: a}, {pth: b}]}\n",
                 "dir/f.yaml:1:34: unknown key 'pth' in 'starts[1]'; did you mean 'path'?");
}

static void numbers_are_strict(void **state)
{
    (void)state;
    refuses("system: s\ntemperature_K: 300 K\n",
            "dir/f.yaml:2:16: 'temperature_K': give a number without a unit, not '300 K': the key "
            "says K");
    refuses("system: s\ntimestep_fs: 2ps\n",
            "dir/f.yaml:2:14: 'timestep_fs': give a number without a unit, not '2ps': the unit is "
            "fs, so 2000");
    refuses("system: s\nseed: 3 apples\n",
            "dir/f.yaml:2:7: 'seed': give a number without a unit, not '3 apples'");
    refuses("system: s\ntimestep_fs: 11\n",
            "dir/f.yaml:2:14: 'timestep_fs' is 11, but must be 0.1 to 10 fs");
    refuses("system: s\nstarts: [{path: a, weight: 0}]\n",
            "dir/f.yaml:2:28: 'weight' is 0, but must be above 0");
    refuses(
        "system: s\nlearn: {retrain_every: 1.5}\n",
        "dir/f.yaml:2:24: 'retrain_every' must be a whole number (1 to 1000 rounds), not '1.5'");
    refuses("system: s\nlearn: {retrain_every: 0}\n",
            "dir/f.yaml:2:24: 'retrain_every' is 0, but must be 1 to 1000 rounds");
    refuses("system: s\nlimit_h: -1\n",
            "dir/f.yaml:2:10: 'limit_h' is -1, but must be at least 0 h");
    refuses("system: s\nmaybe: 3000000000\n",
            "dir/f.yaml:2:8: 'maybe' is 3000000000, but must be within -2147483647 to 2147483647");
    refuses("system: s\nbox: [1, 2, 99]\n",
            "dir/f.yaml:2:13: 'box' is 99, but must be 0 to 50; 3 items");
    static const char *const bad[] = {"abc", ".inf",  "-.inf", ".nan",  "nan",
                                      "inf", "1e999", "0x10",  "1_000", "1,5",
                                      "--2", "''",    "+",     "[1]",   "{a: 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char yaml[100];
        snprintf(yaml, sizeof yaml, "system: s\nfriction_per_ps: %s\n", bad[i]);
        refuses_like(yaml, "dir/f.yaml:2:18: 'friction_per_ps' must be a");
        snprintf(yaml, sizeof yaml, "system: s\nseed: %s\n", bad[i]);
        refuses_like(yaml, "dir/f.yaml:2:7: 'seed' must be a whole number");
    }
}

static void words_and_shapes_are_strict(void **state)
{
    (void)state;
    refuses("system: s\nengine: opnmm\n",
            "dir/f.yaml:2:9: 'engine' cannot be 'opnmm'; did you mean "
            "'openmm'? (one of ensemble, openmm, fake)");
    refuses("system: s\nlearn: {warm: maybe}\n",
            "dir/f.yaml:2:15: 'warm' must be true or false, not 'maybe'");
    refuses("system: s\nlearn: 3\n", "dir/f.yaml:2:8: 'learn' must be a section of 'key: value' "
                                     "lines, not a single value");
    refuses("[1, 2]\n",
            "dir/f.yaml:1:1: the file must be a section of 'key: value' lines, not a list");
    refuses("system: [a]\n", "dir/f.yaml:1:9: 'system' must be a path, not a list");
    refuses("system: s\nstarts: a.pdb\n",
            "dir/f.yaml:2:9: 'starts' must be a list of sections (at most 4 items), not 'a.pdb'");
    refuses("system: s\nbox: [1, 2]\n", "dir/f.yaml:2:6: 'box' has 2 items, but must have 3");
    refuses("system: s\nlearn: {filters: []}\n",
            "dir/f.yaml:2:18: 'filters' has 0 items, but must have 1 to 8");
    refuses("system: s\nsystem: t\n", "dir/f.yaml:2:1: 'system' is given twice, first in line 1");
    refuses("system: s\ntimestep_fs:\n",
            "dir/f.yaml:2:13: 'timestep_fs' has no value: give a number "
            "or leave the key out (default 4)");
    refuses_like("\"a\\nb\": 1\n", "dir/f.yaml:1:1: unknown key 'a b' (");
    refuses("title: x\n", "dir/f.yaml:1:1: 'system' is missing: the system file");
    refuses("", "dir/f.yaml:1:1: 'system' is missing: the system file");
    refuses("system: s\nstarts:\n  - weight: 2\n",
            "dir/f.yaml:3:5: 'path' is missing in 'starts[0]': a start structure");
    refuses("system: s\nweights: /nonexistent/w.h5\n",
            "dir/f.yaml:2:10: 'weights': there is no file '/nonexistent/w.h5'");
}

static void yaml_itself_is_checked(void **state)
{
    (void)state;
    refuses_like("system: s\nlearn:\n\twarm: true\n", "dir/f.yaml:3:1: not valid YAML: ");
    struct reading r;
    reading_parse(&r, "system: s\nlearn:\n\twarm: true\n");
    assert_non_null(strstr(r.err.text, "this is a tab"));
    reading_end(&r);
    refuses_like("system: a: b\n",
                 "dir/f.yaml:1:10: not valid YAML: mapping values are not allowed");
    refuses_like("system: [1\n", "dir/f.yaml:2:1: not valid YAML: ");
    refuses_like("system: \"abc\n",
                 "dir/f.yaml:2:1: not valid YAML: found unexpected end of stream");
    refuses("system: &a s\n",
            "dir/f.yaml:1:9: anchors (&name) are not supported: write the value out");
    refuses_like("system: *a\n", "dir/f.yaml:1:9: aliases (*name) are not supported");
    refuses("system: !!str s\n", "dir/f.yaml:1:9: tags (!name) are not supported: write the plain "
                                 "value");
    refuses("system: s\n---\nsystem: t\n",
            "dir/f.yaml:2:1: a second document begins here; a file holds one");
    refuses("? [a]\n: b\n", "dir/f.yaml:1:3: a key must be one word, not a list or a section");
    refuses("system: \"a\\0b\"\n", "dir/f.yaml:1:9: a text must not hold the character NUL");
    refuses("title: caf\xE9\n", "dir/f.yaml:1:11: not UTF-8 text (byte 0xe9)");
    refuses("title: \xED\xA0\x80\n", "dir/f.yaml:1:8: not UTF-8 text (byte 0xed)");
    refuses("title: \xC0\x80\n", "dir/f.yaml:1:8: not UTF-8 text (byte 0xc0)");
    refuses_like("title: a\x01\n", "dir/f.yaml:1:9: not valid YAML: control characters");
    char deep[200];
    memset(deep, '[', 100);
    deep[100] = '\0';
    refuses_like(deep, "dir/f.yaml:1:25: nested too deeply");
    struct cox_arena *arena = cox_arena_create();
    struct all all;
    struct cox_err err = COX_ERR_INIT;
    struct cox_config_text text = {"z", "a\0b", 3};
    assert_int_equal(cox_config_parse(NULL, &all, &schema, &text, arena, &err), COX_EINVAL);
    assert_string_equal(err.text, "z:1:2: not UTF-8 text (byte 0x00)");
    cox_arena_destroy(arena);
}

static void files_are_found(void **state)
{
    (void)state;
    struct cox_arena *arena = cox_arena_create();
    struct all all;
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_config_load(NULL, &all, &schema, "/nonexistent/x.yaml", arena, &err);
    assert_int_equal(rc, COX_ENOTFOUND);
    assert_string_equal(err.text, "cannot open '/nonexistent/x.yaml': No such file or directory");
    char directory[] = "/tmp/cox-config-XXXXXX";
    assert_non_null(mkdtemp(directory));
    char file[64];
    char weights[64];
    snprintf(file, sizeof file, "%s/x.yaml", directory);
    snprintf(weights, sizeof weights, "%s/w.h5", directory);
    const char yaml[] = "system: s\nweights: w.h5\n";
    assert_int_equal(cox_file_replace(file, yaml, strlen(yaml), NULL), COX_OK);
    assert_int_equal(cox_config_load(NULL, &all, &schema, file, arena, &err), COX_ENOTFOUND);
    assert_non_null(strstr(err.text, "x.yaml:2:10: 'weights': there is no file '"));
    assert_int_equal(cox_file_replace(weights, "", 0, NULL), COX_OK);
    assert_int_equal(cox_config_load(NULL, &all, &schema, file, arena, &err), COX_OK);
    assert_string_equal(all.weights, weights);
    assert_int_equal(cox_directory_remove(directory, NULL), COX_OK);
    cox_arena_destroy(arena);
}

static void later_checks_find_the_place(void **state)
{
    (void)state;
    struct reading r;
    reading_parse(&r, full_yaml);
    assert_int_equal(r.status, COX_OK);
    int rc = cox_config_error(r.config, "learn.target.rmsd_A", &r.err, COX_EINVAL, "needs %s", "x");
    assert_int_equal(rc, COX_EINVAL);
    assert_string_equal(r.err.text, "dir/f.yaml:13:12: needs x");
    int line;
    int column;
    cox_config_position(r.config, "starts[1].path", &line, &column);
    assert_int_equal(line, 17);
    assert_int_equal(column, 6);
    cox_config_position(r.config, "learn.target.segments", &line, &column); /* left out */
    assert_int_equal(line, 13);
    assert_int_equal(column, 3);
    cox_config_position(r.config, "files[0]", &line, &column);
    assert_int_equal(column, 9);
    static const char *const odd[] = {"starts[7]", "starts[", "starts[1", "starts[x]",  "[0]",
                                      ".",         "",        "title.x",  "starts[-1]", "learn..x"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        cox_config_position(r.config, odd[i], &line, &column);
    assert_true(cox_config_given(r.config, "starts[1]"));
    assert_false(cox_config_given(r.config, "starts[2]"));
    assert_false(cox_config_given(r.config, "starts[1].weight"));
    reading_end(&r);
}

static void assignments_are_checked(void **state)
{
    (void)state;
    struct reading r;
    reading_parse(&r, ok_yaml);
    assert_int_equal(r.status, COX_OK);
    assert_int_equal(cox_config_assign(&r.all, &schema, "learn.target.rmsd_A=1.5", r.arena, &r.err),
                     0);
    assert_true(r.all.learn.target.rmsd_A == 1.5);
    assert_int_equal(cox_config_assign(&r.all, &schema, "box=[1,2,3]", r.arena, &r.err), 0);
    assert_int_equal(r.all.box.n, 3);
    assert_int_equal(cox_config_assign(&r.all, &schema, "box=null", r.arena, &r.err), 0);
    assert_int_equal(r.all.box.n, 0);
    assert_int_equal(cox_config_assign(&r.all, &schema, "system=x.h5", r.arena, &r.err), 0);
    assert_string_equal(r.all.system, "x.h5");
    static const char *const bad[][2] = {
        {"learn.dropout=2", "learn.dropout=2: 'dropout' is 2, but must be 0 to 1"},
        {"learn.drpout=1",
         "learn.drpout=1: unknown key 'drpout' in 'learn'; did you mean 'dropout'? "
         "(allowed: retrain_every, dropout, warm, filters, target)"},
        {"learn=3", "learn=3: 'learn' is a section, not a single value"},
        {"title.x=3", "title.x=3: 'title' is a text, not a single value"},
        {"starts=[]", "starts=[]: 'starts' is a list of sections, not a single value"},
        {"abc", "'abc' is no assignment: write section.key=value"},
        {"timestep_fs=", "timestep_fs=: 'timestep_fs' has no value: give a number or leave the key "
                         "out (default 4)"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_not_equal(cox_config_assign(&r.all, &schema, bad[i][0], r.arena, &r.err), 0);
        assert_string_equal(r.err.text, bad[i][1]);
    }
    reading_end(&r);
}

/* What the command line gives takes the place of what the file says, also where the file's own
 * value would be refused: a path that is not there, a number out of range. */
static void assignments_replace_the_file(void **state)
{
    (void)state;
    static const char yaml[] = "system: s.h5\n"
                               "weights: not-there.h5\n"
                               "learn:\n"
                               "  dropout: 7\n";
    char path[] = "/tmp/cox-test-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, yaml, sizeof yaml - 1), (int)sizeof yaml - 1);
    close(fd);
    struct all all;
    struct cox_err err = COX_ERR_INIT;
    struct cox_arena *arena = cox_arena_create();
    struct cox_config *config = NULL;
    char weights[64];
    snprintf(weights, sizeof weights, "weights=%s", path);
    const char *const items[] = {weights, "learn.dropout=0.5"};
    const struct cox_config_texts both = {2, items};
    const struct cox_config_texts one = {1, items};
    assert_int_not_equal(cox_config_load(&config, &all, &schema, path, arena, &err), COX_OK);
    assert_int_not_equal(cox_config_load_with(&config, &all, &schema, path, &one, arena, &err),
                         COX_OK); /* dropout is still the file's */
    assert_non_null(strstr(err.text, ":4:12: 'dropout' is 7"));
    assert_int_equal(cox_config_load_with(&config, &all, &schema, path, &both, arena, &err), 0);
    assert_string_equal(all.weights, path);
    assert_true(all.learn.dropout == 0.5);
    const char *const bad_items[] = {"learn.dropuot=1"};
    const struct cox_config_texts bad = {1, bad_items};
    assert_int_not_equal(cox_config_load_with(&config, &all, &schema, path, &bad, arena, &err), 0);
    cox_arena_destroy(arena);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_replace_the_file),
        cmocka_unit_test(schema_is_sound),
        cmocka_unit_test(bad_schemas_are_refused),
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(all_types_are_read),
        cmocka_unit_test(unknown_keys_are_explained),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(words_and_shapes_are_strict),
        cmocka_unit_test(yaml_itself_is_checked),
        cmocka_unit_test(files_are_found),
        cmocka_unit_test(later_checks_find_the_place),
        cmocka_unit_test(assignments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
