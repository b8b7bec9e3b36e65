/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports and comparisons of short runs on the fake engine: steered with a model, control, without
 * a reference; what must be refused. COX_GALLERY=folder keeps the pages, to be looked at. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cox/system.h"
#include "steer/report/compare.h"
#include "steer/report/data.h"
#include "steer/report/run.h"
#include "steer/run.h"
#include "steer/thermometer.h"

static char folder[] = "/tmp/cox-report-XXXXXX";
static struct cox_err err;

static const char *in_folder(const char *name)
{
    static char paths[8][PATH_MAX];
    static int at;
    char *path = paths[at++ % 8];
    assert_int_equal(cox_path_join(path, PATH_MAX, folder, name, &err), 0);
    return path;
}

static void write_chain(const char *name, int atoms, double bond_nm)
{
    struct cox_system *s = NULL;
    assert_int_equal(cox_system_create(&s, atoms, atoms, 0, 0, 0, 0, 0, &err), 0);
    for (int i = 0; i < atoms; i++) {
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
        s->position_nm[i][0] = bond_nm * i;
        s->position_nm[i][1] = 0.1 * (i % 2);
    }
    snprintf(s->name, sizeof s->name, "chain%d", atoms);
    assert_int_equal(cox_system_save(s, in_folder(name), &err), 0);
    cox_system_destroy(s);
}

static void make_run(const char *name, const char *system, const char *reference, const char *extra)
{
    char text[4096];
    snprintf(text, sizeof text,
             "title: %s <&>\nsystem: %s\n%s\n"
             "simulation: {engine: fake, replicas: 6, threads: 2, segment_ps: 2, frame_ps: 0.2}\n"
             "learn: {filters: [8], strides: [1], dense: 16, latent: 3, epochs_first: 2, epochs: 1,"
             " retrain_every: 2, batch: 16}\n"
             "stop: {rounds: 7}\n%s\n",
             name, system, reference, extra);
    const char *file = in_folder("run.yaml");
    assert_int_equal(cox_file_replace(file, text, strlen(text), &err), 0);
    struct cox_settings settings;
    struct cox_config *config = NULL;
    struct cox_steer_outcome outcome;
    struct cox_arena *arena = cox_arena_create();
    if (cox_settings_load(&settings, &config, file, NULL, 0, arena, &err))
        fail_msg("%s", err.text);
    if (cox_steer_run(&outcome, &settings, config, in_folder(name), NULL, &err))
        fail_msg("%s", err.text);
    cox_arena_destroy(arena);
}

static int make_runs(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_chain("chain.system.h5", 8, 0.38);
    write_chain("fold.system.h5", 8, 0.36);
    write_chain("other.system.h5", 9, 0.38);
    const char *fold = "reference: {path: fold.system.h5}";
    make_run("steered", "chain.system.h5", fold,
             "agent: {outliers: lof, objective: rmsd_A, diversity_A: 0.1, window: 200, "
             "lof_neighbours: 5}");
    make_run("again", "chain.system.h5", fold,
             "seed: 2\nagent: {outliers: lof, objective: rmsd_A, diversity_A: 0.1, window: 200, "
             "lof_neighbours: "
             "5}");
    make_run("control", "chain.system.h5", fold, "control: true");
    make_run("novelty", "chain.system.h5", "seed: 3",
             "agent: {outliers: lof, diversity_A: 0.1, window: 200}");
    make_run("other", "other.system.h5", "seed: 4", "control: true");
    make_run("cutoff", "chain.system.h5", "features: {contact_cutoff_A: 7}", "control: true");
    return 0;
}

static int remove_runs(void **state)
{
    (void)state;
    const char *keep = getenv("COX_GALLERY");
    if (keep)
        printf("runs and pages are kept in %s\n", folder);
    else
        assert_int_equal(cox_directory_remove(folder, &err), 0);
    return 0;
}

static char *report_of(const char *name)
{
    char path[PATH_MAX];
    char *page = NULL;
    size_t length;
    if (cox_steer_report(in_folder(name), &err))
        fail_msg("%s", err.text);
    assert_int_equal(cox_path_join(path, sizeof path, in_folder(name), "report.html", &err), 0);
    assert_int_equal(cox_file_read(&page, &length, path, 1 << 26, &err), 0);
    assert_null(strstr(page, "<script"));
    assert_null(strstr(page, "href="));
    assert_null(strstr(page, "\"nan"));
    assert_null(strstr(page, "Mnan"));
    return page;
}

static void assert_says(const char *page, const char *text)
{
    if (!strstr(page, text))
        fail_msg("the page lacks \"%s\"", text);
}

static void test_report(void **state)
{
    (void)state;
    char *page = report_of("steered");
    assert_says(page, "<h1>steered &lt;&amp;&gt;</h1>");
    assert_says(page, "best RMSD");
    assert_says(page, "Latent space, by round");
    assert_says(page, "LOF outliers in the CVAE");
    assert_says(page, "The objective is the distance to the known answer");
    assert_says(page, "Loss of the models");
    assert_says(page, "limit of 7 rounds reached");
    assert_says(page, "retrain_every: 2");
    cox_free(page);
    page = report_of("control");
    assert_says(page, "no steering (control)");
    assert_null(strstr(page, "Latent space"));
    assert_null(strstr(page, "no data"));
    cox_free(page);
    page = report_of("novelty");
    assert_says(page, "novelty only");
    assert_null(strstr(page, "best RMSD"));
    assert_null(strstr(page, "known answer"));
    cox_free(page);
}

/* A model that is gone costs its figure, not the report. */
static void test_report_without_its_model(void **state)
{
    (void)state;
    char path[PATH_MAX];
    assert_int_equal(cox_path_join(path, sizeof path, in_folder("again"), "models", &err), 0);
    assert_int_equal(cox_directory_remove(path, &err), 0);
    char *page = report_of("again");
    assert_says(page, "The latent map is left out");
    cox_free(page);
}

static void test_report_refuses(void **state)
{
    (void)state;
    assert_int_equal(cox_steer_report("/nowhere/at/all", &err), COX_ENOTFOUND);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
}

/* Frames in time: within a round the replicas run side by side. */
static void test_time_of_frames(void **state)
{
    (void)state;
    struct cox_run_data run;
    const struct cox_run_data_options options = {.maps = true};
    assert_int_equal(cox_run_data_init(&run, in_folder("steered"), &options, &err), 0);
    assert_int_equal(run.n, 7 * 6 * 10);
    assert_int_equal(run.n_mapped, run.n);
    assert_true(fabs(run.total_ns - 7 * 6 * 0.002) < 1e-9);
    for (int64_t i = 0; i < run.n; i++) {
        const int64_t place = i % 10 + 1, round = i / 60; /* lane by lane */
        assert_int_equal(run.round[i], round);
        assert_true(fabs(run.ns[i] - (double)(round * 60 + place * 6) * 0.0002) < 1e-9);
        assert_true(i == 0 || run.ns[run.in_time[i]] >= run.ns[run.in_time[i - 1]]);
        assert_true(isfinite(run.rmsd_A[i]) && run.temperature_K && run.temperature_K[i] >= 0);
    }
    assert_int_equal(cox_run_data_ancestors(&run, 0, &err), 6);
    assert_int_equal(cox_run_data_ancestors(&run, 99, &err), 0);
    cox_run_data_deinit(&run);
    const struct cox_run_data_options few = {.maps = true, .most_maps = 60};
    assert_int_equal(cox_run_data_init(&run, in_folder("steered"), &few, &err), 0);
    assert_true(run.n_mapped >= 48 && run.n_mapped <= 80);
    assert_true(run.mapped[run.n_mapped - 1] > run.n / 2);
    cox_run_data_deinit(&run);
}

/* A rigid C-H with repartitioned masses: 5 degrees of freedom, 10 u and 3 u. */
static void test_thermometer(void **state)
{
    (void)state;
    struct cox_system *s = NULL;
    struct cox_thermometer t;
    const double v[2][3] = {{0.5, 0, -0.5}, {0, 1, 1}};
    const struct cox_settings_simulation rigid = {.hydrogen_mass_u = 3,
                                                  .constrain_hydrogens = true};
    const struct cox_settings_simulation loose = {.hydrogen_mass_u = 0};
    assert_int_equal(cox_system_create(&s, 2, 1, 1, 0, 0, 0, 0, &err), 0);
    s->mass_u[0] = 1.0;
    s->mass_u[1] = 12.0;
    s->element[0] = 1;
    s->element[1] = 6;
    s->bonds[0] = (struct cox_bond){{0, 1}, 0.1, 1000};
    assert_int_equal(cox_thermometer_init(&t, s, &rigid, &err), 0);
    assert_int_equal(t.degrees_of_freedom, 5);
    assert_true(fabs(cox_thermometer_read(&t, v) - (3 * 0.5 + 10 * 2) / (5 * COX_BOLTZMANN)) <
                1e-9);
    cox_thermometer_deinit(&t);
    assert_int_equal(cox_thermometer_init(&t, s, &loose, &err), 0);
    assert_true(fabs(cox_thermometer_read(&t, v) - (1 * 0.5 + 12 * 2) / (6 * COX_BOLTZMANN)) <
                1e-9);
    cox_thermometer_deinit(&t);
    cox_system_destroy(s);
}

static struct cox_compare_options small(void)
{
    struct cox_compare_options o = COX_COMPARE_OPTIONS_INIT;
    o.states = 12;
    o.samples = 200;
    o.epochs = 1;
    o.threads = 2;
    return o;
}

static void test_compare(void **state)
{
    (void)state;
    const char *runs[] = {in_folder("steered"), in_folder("novelty"), in_folder("control"),
                          in_folder("again")};
    const struct cox_compare_options o = small();
    struct cox_comparison *c, *d;
    if (cox_compare(&c, runs, 4, &o, &err))
        fail_msg("%s", err.text);
    struct cox_json *j = cox_comparison_json(c);
    char *text = cox_json_text(j, true);
    assert_non_null(text);
    assert_true(cox_json_get_number(j, "frames", 0) == 4 * 420);
    assert_true(cox_json_get_number(j, "states", 0) == 12);
    assert_true(fabs(cox_json_get_number(j, "common_ns", 0) - 0.084) < 1e-9);
    assert_string_equal(cox_json_get_text(j, "baseline"), "the control");
    cox_json_destroy(j);
    /* Every state belongs to someone: together the arms have visited all. */
    assert_non_null(strstr(text, "\"coverage\""));
    struct cox_str page;
    cox_str_init(&page, 1 << 26);
    cox_comparison_html(c, &page);
    assert_int_equal(cox_str_status(&page, &err), 0);
    const char *keep = getenv("COX_GALLERY");
    if (keep)
        assert_int_equal(cox_file_replace(in_folder("compare.html"), page.text, page.length, &err),
                         0);
    assert_says(cox_str_text(&page), "By strategy");
    /* The arm without a reference is measured to that of the others. */
    assert_null(strstr(cox_str_text(&page), "Mnan"));
    cox_str_deinit(&page);
    cox_str_init(&page, 1 << 26);
    cox_comparison_svg(c, &page);
    assert_true(cox_str_starts(cox_str_text(&page), "<?xml"));
    cox_str_deinit(&page);
    cox_comparison_destroy(c);
    /* The same again: the same figures. */
    assert_int_equal(cox_compare(&d, runs, 4, &o, &err), 0);
    j = cox_comparison_json(d);
    char *again = cox_json_text(j, true);
    assert_string_equal(text, again);
    cox_json_destroy(j);
    cox_comparison_destroy(d);
    cox_free(text);
    cox_free(again);
}

static void test_compare_with_a_model(void **state)
{
    (void)state;
    const char *runs[] = {in_folder("steered"), in_folder("control")};
    char model[PATH_MAX];
    struct cox_compare_options o = small();
    struct cox_comparison *c;
    assert_int_equal(cox_path_join(model, sizeof model, runs[0], "models/model-0006.h5", &err), 0);
    o.model = model;
    if (cox_compare(&c, runs, 2, &o, &err))
        fail_msg("%s", err.text);
    cox_comparison_destroy(c);
    assert_int_equal(cox_path_join(model, sizeof model, runs[0], "config.yaml", &err), 0);
    assert_int_not_equal(cox_compare(&c, runs, 2, &o, &err), 0);
    assert_null(c);
}

static void assert_refused(const char *a, const char *b, const char *because)
{
    const char *runs[] = {in_folder(a), in_folder(b)};
    const struct cox_compare_options o = small();
    struct cox_comparison *c;
    assert_int_not_equal(cox_compare(&c, runs, 2, &o, &err), 0);
    assert_null(c);
    if (!strstr(err.text, because))
        fail_msg("\"%s\" does not say \"%s\"", err.text, because);
}

static void test_compare_refuses(void **state)
{
    (void)state;
    assert_refused("steered", "other", "only runs of one system");
    assert_refused("novelty", "other", "only runs of one system");
    assert_refused("novelty", "cutoff", "different cutoffs");
    assert_refused("steered", "nowhere", "nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_time_of_frames),
        cmocka_unit_test(test_thermometer),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_compare_with_a_model),
        cmocka_unit_test(test_compare_refuses),
        cmocka_unit_test(test_report_without_its_model),
        cmocka_unit_test(test_report_refuses),
    };
    return cmocka_run_group_tests(tests, make_runs, remove_runs);
}
