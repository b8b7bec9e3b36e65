/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/test_schema.h"

/* ---- emit and explain ---- */

static void emit_all(struct cox_str *out, const struct all *all)
{
    cox_str_init(out, 1 << 20);
    cox_config_emit(out, &schema, all);
    assert_int_equal(cox_str_status(out, NULL), COX_OK);
}

static void round_trips(const char *yaml)
{
    struct reading a;
    struct reading b;
    reading_parse(&a, yaml);
    assert_string_equal(a.err.text, "");
    struct cox_str first;
    struct cox_str second;
    emit_all(&first, &a.all);
    reading_parse(&b, cox_str_text(&first));
    assert_string_equal(b.err.text, "");
    emit_all(&second, &b.all);
    assert_string_equal(cox_str_text(&first), cox_str_text(&second));
    assert_string_equal(a.all.title, b.all.title);
    assert_memory_equal(&a.all.timestep_fs, &b.all.timestep_fs, sizeof(double));
    cox_str_deinit(&first);
    cox_str_deinit(&second);
    reading_end(&a);
    reading_end(&b);
}

static void emitted_text_reads_back(void **state)
{
    (void)state;
    round_trips(ok_yaml);
    round_trips(full_yaml);
    static const char *const titles[] = {"null",
                                         "~",
                                         "''",
                                         "true",
                                         "1e3",
                                         "'- a'",
                                         "'# x'",
                                         "\"\\n\\t\\e\\u0085\\u2028\\uFEFF\\U0001F600\"",
                                         "'a: b'",
                                         "|\n  two\n  lines\n",
                                         "\" lead and trail \"",
                                         "\"\\\"\\\\\"",
                                         "Å µ",
                                         "'*x'",
                                         "'---'"};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        char yaml[200];
        snprintf(yaml, sizeof yaml, "system: s\ntitle: %s\n", titles[i]);
        if (strcmp(titles[i], "null") && strcmp(titles[i], "~"))
            round_trips(yaml);
    }
    struct cox_rng rng;
    cox_rng_init(&rng, 7, 0);
    for (int i = 0; i < 300; i++) {
        char yaml[200];
        snprintf(yaml, sizeof yaml, "system: s\ntimestep_fs: %.17g\nfriction_per_ps: %.17g\n",
                 0.1 + 9.8 * cox_rng_uniform(&rng), exp(600 * (cox_rng_uniform(&rng) - 0.5)));
        round_trips(yaml);
    }
}

static void emitted_text_is_for_people(void **state)
{
    (void)state;
    struct reading r;
    reading_parse(&r, full_yaml);
    struct cox_str out;
    emit_all(&out, &r.all);
    const char *text = cox_str_text(&out);
    assert_non_null(strstr(text, "# one step (0.1 to 10 fs)\ntimestep_fs: 2.5\n"));
    assert_non_null(strstr(text, "\n# weights:\n"));
    assert_non_null(strstr(text, "\nlimit_h: 0.1\n"));
    assert_non_null(strstr(text, "\nlearn:\n  # rounds per training (1 to 1000 rounds)\n"));
    assert_non_null(strstr(text, "\n    rmsd_A: 1.1\n"));
    assert_non_null(strstr(text, "\nbox: [1, 2.5, 3]\n"));
    assert_non_null(strstr(text, "\ntitle: \"it's: \\\"µ\\\"\"\n"));
    cox_str_deinit(&out);
    reading_end(&r);
}

static void explanations_name_every_key(void **state)
{
    (void)state;
    for (int format = COX_CONFIG_PLAIN; format <= COX_CONFIG_MARKDOWN; format++) {
        struct cox_str out;
        cox_str_init(&out, 1 << 20);
        cox_config_explain(&out, &schema, (enum cox_config_format)format);
        assert_int_equal(cox_str_status(&out, NULL), COX_OK);
        const char *text = cox_str_text(&out);
        for (int i = 0; i < schema.n; i++)
            assert_non_null(strstr(text, rows[i].name));
        assert_non_null(strstr(text, "learn.target"));
        assert_non_null(strstr(text, "starts[]"));
        assert_non_null(strstr(text, "one of ensemble, openmm, fake"));
        if (format == COX_CONFIG_MARKDOWN) {
            assert_non_null(strstr(text,
                                   "| `timestep_fs` | a number | fs | `4` | 0.1 to 10 fs | one "
                                   "step |\n"));
            assert_non_null(strstr(text, "a name \\| for people"));
        } else {
            assert_non_null(strstr(text, "  timestep_fs              a number, 0.1 to 10 fs; "
                                         "default 4\n      one step\n"));
            assert_non_null(strstr(text, "a path; required\n"));
        }
        cox_str_deinit(&out);
    }
}

/* ---- what must never happen ---- */

static int everything(const char *yaml)
{
    struct cox_arena *arena = cox_arena_create();
    if (!arena)
        return COX_ENOMEM;
    struct all all;
    struct cox_config *config;
    struct cox_err err = COX_ERR_INIT;
    struct cox_config_text text = {"f.yaml", yaml, strlen(yaml)};
    int rc = cox_config_parse(&config, &all, &schema, &text, arena, &err);
    if (!rc)
        rc = cox_config_assign(&all, &schema, "names=[x, y]", arena, &err);
    if (!rc) {
        struct cox_str out;
        cox_str_init(&out, 1 << 20);
        cox_config_emit(&out, &schema, &all);
        cox_config_explain(&out, &schema, COX_CONFIG_MARKDOWN);
        rc = cox_str_status(&out, &err);
        cox_str_deinit(&out);
    }
    assert_true(!rc || err.status == rc);
    cox_arena_destroy(arena);
    return rc;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const texts[] = {full_yaml, "system: s\nlern: 3\n", "timestep_fs: 11\n",
                                        "engine: zz\n"};
    for (int i = 0; i < 4; i++) {
        int wanted = everything(texts[i]);
        uint64_t before = cox_mem_in_use();
        int n = 1;
        for (int rc = COX_ENOMEM; rc == COX_ENOMEM; n++) {
            cox_mem_fail_at((uint64_t)n);
            rc = everything(texts[i]);
            cox_mem_fail_at(0);
            assert_true(rc == COX_ENOMEM || rc == wanted);
            assert_int_equal(cox_mem_in_use(), before);
        }
        assert_true(n > 3);
    }
}

static void damaged_text_never_crashes(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]:,&*!|>'\"%@`#-?~ \n\t\\0123456789.eE+abcKfs\x80\xC3\xFF";
    struct cox_rng rng;
    cox_rng_init(&rng, 11, 0);
    int accepted = 0;
    for (int i = 0; i < 6000; i++) {
        char text[sizeof full_yaml + 40];
        size_t n = sizeof full_yaml - 1;
        memcpy(text, full_yaml, n);
        int changes = 1 + (int)cox_rng_below(&rng, 6);
        for (int c = 0; c < changes && n > 1; c++) {
            size_t at = cox_rng_below(&rng, (uint32_t)n);
            char letter = alphabet[cox_rng_below(&rng, sizeof alphabet - 1)];
            switch (cox_rng_below(&rng, 4)) {
            case 0:
                text[at] = letter;
                break;
            case 1:
                memmove(text + at + 1, text + at, n - at);
                text[at] = letter;
                n++;
                break;
            case 2:
                memmove(text + at, text + at + 1, n - at - 1);
                n--;
                break;
            default:
                n = c ? n : at + 1; /* cut */
            }
        }
        struct cox_arena *arena = cox_arena_create();
        struct all all;
        struct cox_err err = COX_ERR_INIT;
        struct cox_config_text whole = {"f.yaml", text, n};
        int rc = cox_config_parse(NULL, &all, &schema, &whole, arena, &err);
        accepted += !rc;
        assert_true(!rc || err.text[0]);
        assert_null(strchr(err.text, '\n'));
        if (!rc) {
            struct cox_str out;
            emit_all(&out, &all);
            struct cox_config_text again = {"/g.yaml", out.text, out.length};
            rc = cox_config_parse(NULL, &all, &schema, &again, arena, &err);
            if (rc)
                assert_string_equal(err.text, "");
            cox_str_deinit(&out);
        }
        cox_arena_destroy(arena);
    }
    assert_true(accepted > 100 && accepted < 5900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emitted_text_reads_back),     cmocka_unit_test(emitted_text_is_for_people),
        cmocka_unit_test(explanations_name_every_key), cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(damaged_text_never_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
