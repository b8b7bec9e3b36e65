/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports and comparisons of streaming runs, made by hand so that every figure is known: two frames
 * files, generations that overlap, a segment that is cut, processes that are begun again. */
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
#include "base/rng.h"
#include "base/str.h"
#include "cox/system.h"
#include "steer/report/compare.h"
#include "steer/report/data.h"
#include "steer/report/run.h"
#include "steer/run.h"
#include "store/traj.h"

#define ATOMS 8
#define LANES 4
#define GENERATIONS 5
#define FRAMES 10 /* of a segment */

static char folder[] = "/tmp/cox-stream-report-XXXXXX";
static struct cox_err err;
static struct cox_system *chain;

#define OK(call)                      \
    do {                              \
        if (call)                     \
            fail_msg("%s", err.text); \
    } while (0)

static const char *in_folder(const char *name)
{
    static char paths[8][PATH_MAX];
    static int at;
    char *path = paths[at++ % 8];
    OK(cox_path_join(path, PATH_MAX, folder, name, &err));
    return path;
}

static void write_chain(void)
{
    OK(cox_system_create(&chain, ATOMS, ATOMS, 0, 0, 0, 0, 0, &err));
    for (int i = 0; i < ATOMS; i++) {
        chain->mass_u[i] = 12;
        chain->element[i] = 6;
        chain->sigma_nm[i] = 0.3;
        chain->gb_radius_nm[i] = 0.17;
        chain->gb_scale[i] = 0.72;
        chain->residue[i] = i;
        chain->residue_number[i] = i + 1;
        snprintf(chain->atom_name[i], COX_NAME_SIZE, "CA");
        snprintf(chain->residue_name[i], COX_NAME_SIZE, "GLY");
        snprintf(chain->chain[i], COX_NAME_SIZE, "A");
        chain->position_nm[i][0] = 0.38 * i;
        chain->position_nm[i][1] = 0.1 * (i % 2);
    }
    snprintf(chain->name, sizeof chain->name, "chain");
    OK(cox_system_save(chain, in_folder("chain.system.h5"), &err));
}

static void write_config(const char *run, const char *coordination)
{
    char text[2048], path[PATH_MAX];
    snprintf(text, sizeof text,
             "title: by hand\nsystem: ../chain.system.h5\ncoordination: %s\n"
             "reference: {path: ../chain.system.h5}\n"
             "simulation: {engine: fake, replicas: %d, segment_ps: 2, frame_ps: 0.2}\n"
             "learn: {filters: [8], strides: [1], dense: 16, latent: 3}\n"
             "agent: {outliers: lof, objective: rmsd_A, window: 200}\n"
             "stop: {simulated_ns: 1}\n",
             coordination, LANES);
    OK(cox_path_join(path, sizeof path, run, "config.yaml", &err));
    OK(cox_file_replace(path, text, strlen(text), &err));
    OK(cox_path_join(path, sizeof path, run, "system.h5", &err));
    OK(cox_system_save(chain, path, &err));
}

/* Lanes 0 and 2 go to the first file, 1 and 3 to the second; the second pair is slower by half. */
static void write_frames(const char *run, int files, int file)
{
    static const struct cox_traj_column columns[] = {
        {"segment", COX_TRAJ_I32, ""},        {"lane", COX_TRAJ_I32, ""},
        {"round", COX_TRAJ_I32, ""},          {"rmsd_A", COX_TRAJ_F32, "Angstrom"},
        {"temperature_K", COX_TRAJ_F32, "K"}, {"index", COX_TRAJ_I32, ""}};
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    struct cox_traj *traj = NULL;
    char name[32], path[PATH_MAX];
    struct cox_rng rng;
    cox_rng_init(&rng, 7, (uint64_t)file);
    snprintf(name, sizeof name, "frames-%d.h5", file);
    options.n_columns = 6;
    options.columns = columns;
    options.files = files;
    options.file = file;
    OK(cox_path_join(path, sizeof path, run, name, &err));
    OK(cox_traj_create(&traj, path, chain, &options, &err));
    const int generations = file ? GENERATIONS - 2 : GENERATIONS;
    for (int t = 0; t < generations * FRAMES; t++)
        for (int lane = file; lane < LANES; lane += files) {
            const int32_t round = t / FRAMES, segment = round * LANES + lane, index = t % FRAMES;
            const float rmsd = (float)(10.0 / (1 + t) + lane);
            const float temperature = 300;
            const int64_t step = 50 * (t + 1);
            const double time_ps = 0.2 * (t + 1);
            float x[ATOMS][3];
            for (int i = 0; i < ATOMS; i++)
                for (int d = 0; d < 3; d++)
                    x[i][d] = (float)(chain->position_nm[i][d] + 0.2 * cox_rng_uniform(&rng));
            const void *const values[] = {&segment, &lane, &round, &rmsd, &temperature, &index};
            const struct cox_traj_block block = {1, &step, &time_ps, &x[0][0], NULL, NULL, values};
            OK(cox_traj_append(traj, &block, &err));
        }
    OK(cox_traj_close(traj, &err));
}

static void write_catalog(const char *run, int files)
{
    char path[PATH_MAX];
    struct cox_catalog *catalog = NULL;
    OK(cox_path_join(path, sizeof path, run, "catalog.db", &err));
    OK(cox_catalog_open(&catalog, path, &err));
    OK(cox_catalog_begin(catalog, &err));
    OK(cox_catalog_add_start(catalog, &(struct cox_catalog_start){.id = 0, .path = "x"}, &err));
    for (int g = 0; g < GENERATIONS; g++)
        for (int lane = 0; lane < LANES; lane++) {
            struct cox_catalog_segment s = {.id = g * LANES + lane,
                                            .round = g,
                                            .lane = lane,
                                            .parent_segment = -1,
                                            .parent_frame = -1,
                                            .start = 0,
                                            .seed = 1,
                                            .temperature_K = 300,
                                            .engine = "fake",
                                            .first_frame = -1,
                                            .n_frames = FRAMES,
                                            .best_objective = NAN,
                                            .ancestor = -1};
            if (g) { /* everyone goes on from lane 0: one ancestor in the end */
                s.parent_segment = (g - 1) * LANES;
                s.start = -1;
                s.parent_frame = ((g * FRAMES - 1) * LANES / files) * files;
                s.cut = g == 2;
            }
            OK(cox_catalog_add_segment(catalog, &s, &err));
        }
    for (int t = 0; t < 10; t++) {
        static const char *const kinds[] = {"simulate", "train", "store", "paused"};
        static const char *const who[] = {"sim-0", "train-0", "agg-1", "sim-0"};
        for (int k = 0; k < 4; k++) {
            struct cox_catalog_task task = {.id = -1, .worker = k < 2, .began_s = t + 0.2 * k};
            task.ended_s = t + (k ? 0.2 * k + 0.2 : 0.5);
            snprintf(task.kind, sizeof task.kind, "%s", kinds[k]);
            snprintf(task.who, sizeof task.who, "%s", who[k]);
            OK(cox_catalog_add_task(catalog, &task, &err));
        }
    }
    for (int e = 1; e <= 3; e++) {
        struct cox_catalog_attempt a = {.epoch = e, .pid = 5, .began_s = e - 1.0, .ended_s = NAN};
        snprintf(a.task, sizeof a.task, "%s", e == 2 ? "train-0" : "sim-0");
        snprintf(a.host, sizeof a.host, "here");
        OK(cox_catalog_add_attempt(catalog, &a, &err));
    }
    const struct cox_catalog_poison poison = {
        .frame = 3, .start = -1, .crashes = 2, .set_aside = true, .reason = "it <blew> up twice"};
    OK(cox_catalog_set_poison(catalog, &poison, &err));
    OK(cox_catalog_commit(catalog, &err));
    cox_catalog_close(catalog);
}

static int make_runs(void **state)
{
    (void)state;
    static const char *const names[] = {"one", "two", "none"};
    assert_non_null(mkdtemp(folder));
    write_chain();
    for (int r = 0; r < 3; r++) {
        const char *run = in_folder(names[r]);
        OK(cox_directory_create(run, &err));
        write_config(run, "streaming");
        write_catalog(run, r == 1 ? 2 : 1);
        for (int f = 0; r < 2 && f <= r; f++)
            write_frames(run, r + 1, f);
    }
    return 0;
}

static int remove_runs(void **state)
{
    (void)state;
    cox_system_destroy(chain);
    if (getenv("COX_GALLERY"))
        printf("runs and pages are kept in %s\n", folder);
    else
        assert_int_equal(cox_directory_remove(folder, &err), 0);
    return 0;
}

static void check_frames(const struct cox_run_data *run, int files)
{
    for (int64_t i = 0; i < run->n; i++) {
        assert_int_equal(cox_run_data_frame(run, run->id[i]), i);
        assert_int_equal(run->lane[i] % files, run->id[i] % files);
        assert_int_equal(run->segment[i], run->round[i] * LANES + run->lane[i]);
        assert_int_equal(run->in_time[i], i);
        assert_true(fabs(run->ns[i] - (double)(i + 1) * 0.0002) < 1e-12);
        assert_true(run->wall_s[i] > 0 && run->wall_s[i] <= 9.5 + 1e-9);
        assert_true(i == 0 || run->wall_s[i] >= run->wall_s[i - 1]);
        assert_int_equal(run->mapped[i], i);
    }
}

/* The k-th map is that of the k-th frame, whatever order the files were read in. */
static void check_maps(const struct cox_run_data *run, const char *directory)
{
    const size_t d2 = (size_t)run->points.n * (size_t)run->points.n;
    struct cox_traj *traj = NULL;
    char path[PATH_MAX];
    OK(cox_path_join(path, sizeof path, directory, "frames-0.h5", &err));
    OK(cox_traj_open_read(&traj, path, &err));
    const int files = cox_traj_files(traj, &(int){0});
    for (int64_t row = 0; row < cox_traj_frames(traj); row += 7) {
        float x[ATOMS][3];
        const uint8_t *map = run->maps + (size_t)cox_run_data_frame(run, row * files) * d2;
        OK(cox_traj_read_positions(traj, row, 1, &x[0][0], &err));
        for (int i = 0; i < ATOMS; i++)
            for (int j = 0; j < ATOMS; j++) {
                double r2 = 0;
                for (int d = 0; d < 3; d++)
                    r2 += pow((double)x[i][d] - (double)x[j][d], 2);
                assert_int_equal(map[i * ATOMS + j] != 0, sqrt(r2) <= 0.8);
            }
    }
    cox_traj_destroy(traj);
}

static void test_frames(void **state)
{
    (void)state;
    const struct cox_run_data_options options = {.maps = true};
    struct cox_run_data run;
    OK(cox_run_data_init(&run, in_folder("one"), &options, &err));
    assert_true(run.streaming);
    assert_int_equal(run.n, LANES * GENERATIONS * FRAMES);
    assert_int_equal(run.generations, GENERATIONS);
    assert_true(fabs(run.total_ns - 0.0002 * (double)run.n) < 1e-12);
    check_frames(&run, 1);
    check_maps(&run, run.directory);
    assert_int_equal(cox_run_data_frame(&run, run.n), -1);
    assert_int_equal(cox_run_data_frame(&run, -1), -1);
    /* ten stretches of half a second: the frame in the middle came at the end of the fifth */
    assert_true(fabs(run.wall_s[run.n / 2 - 1] - 4.5) < 1e-6);
    assert_true(fabs(run.wall_s[run.n - 1] - 9.5) < 1e-6);
    assert_int_equal(cox_run_data_ancestors(&run, 0, &err), LANES);
    assert_int_equal(cox_run_data_ancestors(&run, GENERATIONS - 1, &err), 1);
    assert_true(fabs(cox_run_data_core_seconds(&run, "train") - 10 * 0.2) < 1e-9);
    assert_true(cox_run_data_core_seconds(&run, "paused") == 0);
    assert_true(fabs(cox_run_data_wall_s(&run) - 9.8) < 1e-9);
    assert_int_equal(cox_run_data_cores(&run), 1);
    cox_run_data_deinit(&run);
    OK(cox_run_data_init(&run, in_folder("two"), &options, &err));
    assert_int_equal(run.n, 2 * GENERATIONS * FRAMES + 2 * (GENERATIONS - 2) * FRAMES);
    check_frames(&run, 2);
    check_maps(&run, run.directory);
    /* both files' first and last rows stand at the ends */
    assert_int_equal(run.lane[0] + run.lane[1], 1);
    assert_int_equal(run.round[run.n - 1] + run.round[run.n - 2],
                     GENERATIONS - 1 + GENERATIONS - 3);
    assert_true(run.last_id > run.n);
    assert_int_equal(cox_run_data_frame(&run, run.last_id - 1), -1);
    cox_run_data_deinit(&run);
}

static char *report_of(const char *name)
{
    char path[PATH_MAX];
    char *page = NULL;
    OK(cox_steer_report(in_folder(name), &err));
    OK(cox_path_join(path, sizeof path, in_folder(name), "report.html", &err));
    OK(cox_file_read(&page, NULL, path, 1 << 26, &err));
    assert_null(strstr(page, "\"nan"));
    assert_null(strstr(page, "Mnan"));
    assert_null(strstr(page, "inf"));
    return page;
}

static void test_report(void **state)
{
    (void)state;
    static const char *const says[] = {
        "streaming: LOF outliers", "by generation",        "train-0",         "begun again",
        "Cores that learn",        "segments an hour",     "Set aside after", "it &lt;blew&gt; up",
        "of all core time",        "1 core second to 2.5", "until "};
    for (int r = 0; r < 2; r++) {
        char *page = report_of(r ? "two" : "one");
        for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
            if (!strstr(page, says[i]))
                fail_msg("the page lacks \"%s\"", says[i]);
        assert_null(strstr(page, "by round"));
        cox_free(page);
    }
    /* begun, and no frame stored yet */
    cox_free(report_of("none"));
}

static void test_compare(void **state)
{
    (void)state;
    const char *runs[] = {in_folder("one"), in_folder("two"), in_folder("one")};
    struct cox_compare_options o = COX_COMPARE_OPTIONS_INIT;
    struct cox_comparison *c = NULL;
    struct cox_str page;
    o.states = 8;
    o.samples = 100;
    o.epochs = 1;
    o.threads = 1;
    OK(cox_compare(&c, runs, 3, &o, &err));
    struct cox_json *j = cox_comparison_json(c), *arm = cox_json_item(j, "arms", 1);
    assert_string_equal(cox_json_get_text(arm, "coordination"), "streaming");
    assert_true(fabs(cox_json_get_number(arm, "segments_per_hour", 0) - 16 / 9.8 * 3600) < 1e-6);
    assert_true(fabs(cox_json_get_number(arm, "learn_share", 0) - 2 / 9.8) < 1e-9);
    cox_json_destroy(arm);
    cox_json_destroy(j);
    cox_str_init(&page, 1 << 26);
    cox_comparison_html(c, &page);
    assert_int_equal(cox_str_status(&page, &err), 0);
    assert_non_null(strstr(page.text, "wall time (s)"));
    assert_null(strstr(page.text, "Mnan"));
    if (getenv("COX_GALLERY"))
        OK(cox_file_replace(in_folder("compare.html"), page.text, page.length, &err));
    cox_str_deinit(&page);
    cox_comparison_destroy(c);
    runs[1] = in_folder("none");
    assert_int_equal(cox_compare(&c, runs, 2, &o, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "no frame yet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_compare),
    };
    return cmocka_run_group_tests(tests, make_runs, remove_runs);
}
