/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "servers/fits.h"
#include "sweep/settings_servers.h"

struct document {
    struct cox_settings_servers servers;
};
static const struct cox_config_row rows[] = {
    {"servers", COX_CONFIG_SECTION, COX_CONFIG_FIELD(struct document, servers),
     .section = &cox_sweep_servers_schema, .help = "the section"},
};
static const struct cox_config_schema schema =
    COX_CONFIG_SCHEMA(rows, struct document, "a document with this section alone");

static int read_text(struct cox_sweep_servers *out, struct document *d, const char *text,
                     struct cox_err *err)
{
    struct cox_arena *arena = cox_arena_create();
    struct cox_config *config = NULL;
    const struct cox_config_text source = {"/tmp/bag.yaml", text, strlen(text)};
    if (!arena)
        return COX_ENOMEM;
    *out = (struct cox_sweep_servers){0};
    int rc = cox_config_parse(&config, d, &schema, &source, arena, err);
    if (!rc)
        rc = cox_sweep_servers_create(out, &d->servers, config, "servers", err);
    cox_arena_destroy(arena);
    return rc;
}

static void test_schema(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    if (cox_config_check_schema(&cox_sweep_servers_schema, &err))
        fail_msg("%s", err.text);
}

static void test_given(void **state)
{
    (void)state;
    struct cox_sweep_servers servers;
    struct document d;
    struct cox_err err = COX_ERR_INIT;
    const char *text =
        "servers:\n"
        "  count: 7\n"
        "  types:\n"
        "    - name: n1-highcpu-16\n"
        "      cores: 16\n"
        "      price_on_demand: 0.5672\n"
        "      price_transient: 0.12\n"
        "      startup_s: 90\n"
        "      lifetime: {model: bathtub, parameters: [0.362, 2.23, 0.691, 24.31]}\n"
        "    - name: spot\n"
        "      lifetime: {model: exponential, parameters: 40}\n"
        "    - name: mine\n"
        "  policy: {reuse: never, checkpoints: periodic, period_minutes: 30, spares: 2}\n";
    if (read_text(&servers, &d, text, &err))
        fail_msg("%s", err.text);
    assert_int_equal(servers.n, 3);
    assert_string_equal(servers.type[0].name, "n1-highcpu-16");
    assert_int_equal(servers.type[0].cores, 16);
    assert_true(servers.type[0].price == .12 && servers.type[0].price_on_demand == .5672);
    assert_true(fabs(servers.type[0].startup_h - .025) < 1e-15 && servers.type[0].notice_s == 30);
    assert_int_equal(servers.type[0].life.kind, COX_LIFETIME_CONSTRAINED);
    assert_true(servers.type[0].life.p[3] == 24.31);
    assert_int_equal(servers.type[1].life.kind, COX_LIFETIME_EXPONENTIAL);
    assert_int_equal(servers.type[2].life.kind, COX_LIFETIME_FOREVER);
    assert_int_equal(servers.observed[0].kind, COX_LIFETIME_FOREVER);
    assert_true(servers.type[2].price == 0);
    assert_int_equal(d.servers.policy.reuse, COX_BAG_NEVER);
    assert_int_equal(d.servers.policy.checkpoints, COX_BAG_PERIODIC);
    assert_int_equal(d.servers.policy.time_model, COX_TIME_RESTART);
    assert_int_equal(d.servers.policy.spares, 2);
    cox_sweep_servers_deinit(&servers);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *lifetime, *message;
    } cases[] = {
        {"{model: bathtub, parameters: [0.3, 1.5, 0.7]}", "3 parameters; the bathtub model has 4"},
        {"{model: bathtub, parameters: [1.3, 1.5, 0.7, 24]}", "A is 1.3; must be at most 1"},
        {"{model: weibull}", "the weibull model needs 2 parameters, traces or fits"},
        {"{model: empirical}", "an empirical lifetime needs traces or fits"},
        {"{parameters: [3]}", "have no parameters (or the model is missing)"},
        {"{model: weibull, parameters: [3, 1], traces: a.csv}", "2 of parameters, traces and fits"},
        {"{traces: a.csv, column: x}", "column and value choose rows of traces"},
        {"{fits: a.json, column: x, value: y}", "column and value choose rows of traces"},
        {"{traces: a.csv, group: x}", "group is of fits, which are missing"},
        {"{model: bath}", "did you mean 'bathtub'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cox_sweep_servers servers;
        struct document d;
        struct cox_err err = COX_ERR_INIT;
        char text[512];
        snprintf(text, sizeof text,
                 "servers:\n  types:\n    - name: a\n    - name: b\n      lifetime: %s\n",
                 cases[i].lifetime);
        assert_int_equal(read_text(&servers, &d, text, &err), COX_EINVAL);
        if (!strstr(err.text, cases[i].message) || !strstr(err.text, "/tmp/bag.yaml:5:"))
            fail_msg("'%s' does not say '%s' at line 5", err.text, cases[i].message);
    }
    struct cox_sweep_servers servers;
    struct document d;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(
        read_text(&servers, &d, "servers:\n  types:\n    - name: a\n    - name: a\n", &err),
        COX_EINVAL);
    assert_non_null(strstr(err.text, "4:"));
    assert_non_null(strstr(err.text, "two types of server are called 'a'"));
}

/* From a CSV, and from what fit-lifetimes makes of the same CSV: the same models and the same
 * estimate. */
static void test_files(void **state)
{
    (void)state;
    char csv[64], json[64], text[1024], lines[8192];
    size_t used = (size_t)snprintf(lines, sizeof lines, "kind,lifetime_h,end\n");
    for (int i = 0; i < 60; i++)
        used += (size_t)snprintf(lines + used, sizeof lines - used, "%s,%g,%s\n",
                                 i % 2 ? "odd" : "even", .3 + i * i * .01,
                                 i % 3 && i < 58 ? "preempted" : "stopped");
    snprintf(csv, sizeof csv, "/tmp/cox-servers-%ld.csv", (long)getpid());
    snprintf(json, sizeof json, "/tmp/cox-servers-%ld.json", (long)getpid());
    assert_int_equal(cox_file_replace(csv, lines, used, NULL), 0);
    struct cox_traces traces;
    struct cox_fit_group group;
    assert_int_equal(cox_traces_read(&traces, csv, "kind", "odd", NULL), 0);
    assert_int_equal(cox_fit_group_create(&group, "odd", &traces, NULL), 0);
    struct cox_json *file = cox_fits_json(&group, 1, csv, NULL);
    assert_int_equal(cox_json_write(file, json, NULL), 0);
    cox_json_destroy(file);
    snprintf(text, sizeof text,
             "servers:\n  types:\n"
             "    - {name: a, lifetime: {traces: %s, column: kind, value: odd}}\n"
             "    - {name: b, lifetime: {fits: %s, model: empirical}}\n"
             "    - {name: c, lifetime: {model: weibull, traces: %s, column: kind, value: odd, "
             "method: likelihood}}\n"
             "    - {name: d, lifetime: {model: weibull, fits: %s, method: likelihood}}\n"
             "    - {name: e, lifetime: {model: weibull, fits: %s, method: naive}}\n",
             csv, json, csv, json, json);
    struct cox_sweep_servers s;
    struct document d;
    struct cox_err err = COX_ERR_INIT;
    if (read_text(&s, &d, text, &err))
        fail_msg("%s", err.text);
    for (double t = .1; t < 40; t += .37)
        for (int i = 1; i < 5; i++) {
            assert_true(cox_lifetime_cdf(&s.type[0].life, t) ==
                        cox_lifetime_cdf(&s.observed[i], t));
            if (i == 1)
                assert_true(cox_lifetime_cdf(&s.type[i].life, t) ==
                            cox_lifetime_cdf(&s.type[0].life, t));
        }
    assert_true(cox_lifetime_cdf(&s.type[0].life, .3 + 59 * 59 * .01) == 1);
    assert_true(cox_lifetime_cdf(&s.type[0].life, 30) < 1);
    assert_true(s.type[2].life.p[0] == s.type[3].life.p[0]);
    assert_true(s.type[2].life.p[1] == s.type[3].life.p[1]);
    assert_true(s.type[2].life.p[0] == group.fit[COX_FIT_LIKELIHOOD][1].life.p[0]);
    assert_true(s.type[4].life.p[0] < s.type[3].life.p[0]); /* blind to those that were stopped */
    cox_sweep_servers_deinit(&s);
    uint64_t in_use = cox_mem_in_use();
    int failed = 0;
    for (uint64_t n = 1, made = 0; made + 1 >= n;
         n++) { /* memory that is not there, each time in turn */
        uint64_t first = cox_mem_allocations();
        cox_mem_fail_at(n);
        int rc = read_text(&s, &d, text, NULL);
        cox_mem_fail_at(0);
        made = cox_mem_allocations() - first;
        failed += rc != 0;
        assert_true(rc == 0 || made >= n);
        if (!rc)
            cox_sweep_servers_deinit(&s);
        assert_true(cox_mem_in_use() == in_use);
    }
    assert_true(failed > 20);
    snprintf(text, sizeof text,
             "servers:\n  types:\n    - {name: a, lifetime: {model: weibull, traces: %s, column: "
             "kind, value: prime}}\n",
             csv);
    assert_int_equal(read_text(&s, &d, text, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "servers.types[0] 'a': "));
    assert_non_null(strstr(err.text, "has no lifetime of prime"));
    assert_int_equal(unlink(csv) | unlink(json), 0);
    assert_int_equal(read_text(&s, &d, text, &err), COX_ENOTFOUND);
    cox_fit_group_deinit(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
