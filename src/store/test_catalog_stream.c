/* SPDX-License-Identifier: BSD-3-Clause */
/* What a streaming run keeps in the catalog, and catalogs of version 1. */
#include "store/catalog.h"

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
#include <sqlite3.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

static char folder[200];
static char path[256];
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

static int setup(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/cox-catalog-stream-%d", root ? root : "/tmp",
             (int)getpid());
    snprintf(path, sizeof path, "%s/catalog.db", folder);
    return cox_directory_create(folder, &failure);
}

static int teardown(void **state)
{
    (void)state;
    return cox_directory_remove(folder, &failure);
}

static struct cox_catalog *create(void)
{
    static const struct cox_catalog_start start = {.id = 0, .path = "u.pdb", .title = "unfolded"};
    struct cox_catalog *c = NULL;
    unlink(path);
    CHECK(cox_catalog_open(&c, path, &failure));
    CHECK(cox_catalog_add_start(c, &start, &failure));
    return c;
}

static struct cox_catalog_segment running(int64_t id, int lane, int64_t parent, int64_t frame)
{
    return (struct cox_catalog_segment){.id = id,
                                        .round = (int)id / 2,
                                        .lane = lane,
                                        .parent_segment = parent,
                                        .parent_frame = frame,
                                        .start = parent < 0 ? 0 : -1,
                                        .seed = 7 + (uint64_t)id,
                                        .temperature_K = 340,
                                        .engine = "fake 0.1.0",
                                        .timestep_fs = 4,
                                        .first_frame = -1,
                                        .running = true,
                                        .best_objective = NAN,
                                        .ancestor = -1};
}

static void test_segments_while_running(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    struct cox_catalog_segment s = running(0, 0, -1, -1);
    int64_t id = 0;
    CHECK(cox_catalog_lane_segment(c, 0, &id, &failure));
    assert_int_equal(id, -1);
    CHECK(cox_catalog_add_segment(c, &s, &failure));
    s = running(1, 1, -1, -1);
    CHECK(cox_catalog_add_segment(c, &s, &failure));
    /* a frame's id says nothing about its segment here: any is taken */
    s = running(2, 0, 0, 123456);
    CHECK(cox_catalog_add_segment(c, &s, &failure));
    CHECK(cox_catalog_lane_segment(c, 0, &id, &failure));
    assert_int_equal(id, 2);
    CHECK(cox_catalog_lane_segment(c, 1, &id, &failure));
    assert_int_equal(id, 1);
    CHECK(cox_catalog_segment(c, 2, &s, &failure));
    assert_true(s.running && !s.blown && !s.cut && !s.lost && s.first_frame == -1);
    assert_int_equal(s.ancestor, 0);
    CHECK(cox_catalog_frames(c, &id, &failure));
    assert_int_equal(id, 0);

    s.running = false;
    s.cut = true;
    s.n_frames = 17;
    s.steps = 1700;
    s.best_objective = 2.5;
    s.parent_segment = 1; /* what it came from stays */
    s.seed = 99;
    s.ancestor = 1;
    snprintf(s.reason, sizeof s.reason, "stale");
    CHECK(cox_catalog_update_segment(c, &s, &failure));
    CHECK(cox_catalog_segment(c, 2, &s, &failure));
    assert_true(s.cut && !s.running && s.n_frames == 17 && s.steps == 1700);
    assert_true(s.best_objective == 2.5 && s.parent_segment == 0 && s.parent_frame == 123456);
    assert_true(s.seed == 9 && s.ancestor == 0 && s.lane == 0 && s.round == 1);
    assert_string_equal(s.reason, "stale");
    CHECK(cox_catalog_frames(c, &id, &failure));
    assert_int_equal(id, 17);
    s.blown = true; /* says more than that it was cut */
    CHECK(cox_catalog_update_segment(c, &s, &failure));
    CHECK(cox_catalog_segment(c, 2, &s, &failure));
    assert_true(s.blown && !s.cut);
    s.blown = s.cut = false;
    s.lost = true;
    CHECK(cox_catalog_update_segment(c, &s, &failure));
    CHECK(cox_catalog_segment(c, 2, &s, &failure));
    assert_true(s.lost && !s.blown);
    s.n_frames = -1;
    assert_int_equal(cox_catalog_update_segment(c, &s, &failure), COX_EINVAL);
    s.n_frames = 1;
    s.id = 3;
    assert_int_equal(cox_catalog_update_segment(c, &s, &failure), COX_ENOTFOUND);
    assert_non_null(strstr(failure.text, "3"));
    cox_catalog_close(c);
}

static void test_attempts(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    struct cox_catalog_attempt *rows = NULL;
    int64_t n = 0;
    CHECK(cox_catalog_next_epoch(c, &n, &failure));
    assert_int_equal(n, 1);
    struct cox_catalog_attempt a = {
        .epoch = 5, .task = "sim-3", .pid = -1, .began_s = 1.5, .ended_s = NAN};
    CHECK(cox_catalog_add_attempt(c, &a, &failure));
    assert_int_equal(cox_catalog_add_attempt(c, &a, &failure), COX_EEXISTS);
    a.epoch = 4;
    snprintf(a.task, sizeof a.task, "agent-0");
    CHECK(cox_catalog_add_attempt(c, &a, &failure));
    a.epoch = 0;
    assert_int_equal(cox_catalog_add_attempt(c, &a, &failure), COX_EINVAL);
    CHECK(cox_catalog_next_epoch(c, &n, &failure));
    assert_int_equal(n, 6);
    a.epoch = 5;
    a.pid = 4321;
    a.ended_s = 9.25;
    snprintf(a.host, sizeof a.host, "n3");
    snprintf(a.end, sizeof a.end, "killed");
    snprintf(a.reason, sizeof a.reason, "signal 9");
    CHECK(cox_catalog_end_attempt(c, &a, &failure));
    CHECK(cox_catalog_attempts(c, &rows, &n, &failure));
    assert_int_equal(n, 2);
    assert_true(rows[0].epoch == 4 && rows[0].pid == -1 && isnan(rows[0].ended_s));
    assert_string_equal(rows[0].end, "");
    assert_true(rows[1].pid == 4321 && rows[1].began_s == 1.5 && rows[1].ended_s == 9.25);
    assert_string_equal(rows[1].task, "sim-3"); /* the row's other fields are not written */
    assert_string_equal(rows[1].host, "n3");
    assert_string_equal(rows[1].end, "killed");
    assert_string_equal(rows[1].reason, "signal 9");
    cox_free(rows);
    a.epoch = 77;
    assert_int_equal(cox_catalog_end_attempt(c, &a, &failure), COX_ENOTFOUND);
    cox_catalog_close(c);
}

static void test_poisons(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    struct cox_catalog_poison *rows = NULL;
    int64_t n = 0;
    CHECK(cox_catalog_poisons(c, &rows, &n, &failure));
    assert_int_equal(n, 0);
    cox_free(rows);
    struct cox_catalog_poison p = {.frame = -1, .start = 0, .crashes = 2, .set_aside = true};
    snprintf(p.reason, sizeof p.reason, "crashed sim-1 twice");
    CHECK(cox_catalog_set_poison(c, &p, &failure));
    p = (struct cox_catalog_poison){.frame = 500, .start = -1, .crashes = 1};
    CHECK(cox_catalog_set_poison(c, &p, &failure));
    p.crashes = 2;
    p.set_aside = true;
    CHECK(cox_catalog_set_poison(c, &p, &failure));
    p.frame = 12;
    CHECK(cox_catalog_set_poison(c, &p, &failure));
    p.start = 0;
    assert_int_equal(cox_catalog_set_poison(c, &p, &failure), COX_EINVAL);
    p.start = p.frame = -1;
    assert_int_equal(cox_catalog_set_poison(c, &p, &failure), COX_EINVAL);
    CHECK(cox_catalog_poisons(c, &rows, &n, &failure));
    assert_int_equal(n, 3);
    assert_true(rows[0].frame == 12 && rows[0].start == -1);
    assert_true(rows[1].frame == 500 && rows[1].crashes == 2 && rows[1].set_aside);
    assert_true(rows[2].frame == -1 && rows[2].start == 0 && rows[2].crashes == 2);
    assert_string_equal(rows[2].reason, "crashed sim-1 twice");
    cox_free(rows);
    cox_catalog_close(c);
}

/* As a program of version 1 wrote it: its schema, two segments, two tasks. */
static const char version_1[] =
    "PRAGMA application_id=1131374675; PRAGMA user_version=1;"
    "CREATE TABLE run(key TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE start(id INTEGER PRIMARY KEY, path TEXT, title TEXT);"
    "CREATE TABLE segment(id INTEGER PRIMARY KEY, round INT, lane INT, parent_segment INT, "
    "parent_frame INT, start INT, continued INT, steered INT, seed INT, temperature_K REAL, "
    "engine TEXT, steps INT, timestep_fs REAL, first_frame INT, n_frames INT, status TEXT, "
    "reason TEXT, best_objective REAL, ancestor INT);"
    "CREATE INDEX segment_frames ON segment(first_frame);"
    "CREATE TABLE model(id INTEGER PRIMARY KEY, round INT, path TEXT, train_loss REAL, "
    "valid_loss REAL, epochs INT, samples INT, wall_s REAL, seed INT);"
    "CREATE TABLE pick(round INT, lane INT, frame INT, score REAL, rank INT, reason TEXT);"
    "CREATE TABLE task(id INTEGER PRIMARY KEY, round INT, kind TEXT, worker INT, began_s REAL, "
    "ended_s REAL);"
    "CREATE TABLE round(id INTEGER PRIMARY KEY, frames INT, ns REAL, best_objective REAL, "
    "best_frame INT, outliers INT, new_states INT, idle_s REAL, wall_s REAL);"
    "CREATE TABLE lane_state(lane INTEGER PRIMARY KEY, segment INT, bytes BLOB);"
    "INSERT INTO start VALUES (0, 'u.pdb', 'unfolded');"
    "INSERT INTO segment VALUES (0,0,0,NULL,NULL,0,0,0,11,340.0,'e',100,4.0,0,10,'done','',1.5,0);"
    "INSERT INTO segment VALUES (1,1,0,0,4,NULL,0,1,12,340.0,'e',100,4.0,10,10,'blown','x',NULL,0);"
    "INSERT INTO task VALUES (1,0,'simulate',0,0.0,1.0);"
    "INSERT INTO task VALUES (2,0,'train',0,1.0,2.0);";

static void check_old(struct cox_catalog *c)
{
    struct cox_catalog_attempt *attempts = NULL;
    struct cox_catalog_poison *poisons = NULL;
    struct cox_catalog_segment *segments = NULL;
    struct cox_catalog_task *tasks = NULL;
    int64_t n = -1;
    CHECK(cox_catalog_attempts(c, &attempts, &n, &failure));
    assert_true(n == 0 && attempts);
    CHECK(cox_catalog_poisons(c, &poisons, &n, &failure));
    assert_true(n == 0 && poisons);
    CHECK(cox_catalog_next_epoch(c, &n, &failure));
    assert_int_equal(n, 1);
    CHECK(cox_catalog_lane_segment(c, 0, &n, &failure));
    assert_int_equal(n, 1);
    CHECK(cox_catalog_frames(c, &n, &failure));
    assert_int_equal(n, 20);
    CHECK(cox_catalog_segments(c, &segments, &n, &failure));
    assert_true(n == 2 && segments[1].blown && segments[1].first_frame == 10);
    assert_true(segments[0].seed == 11 && segments[1].parent_frame == 4 && !segments[0].running);
    CHECK(cox_catalog_tasks(c, &tasks, &n, &failure));
    assert_true(n == 2 && tasks[1].ended_s == 2);
    assert_string_equal(tasks[1].who, "");
    cox_free(attempts);
    cox_free(poisons);
    cox_free(segments);
    cox_free(tasks);
}

static void set_up_by_hand(const char *sql)
{
    sqlite3 *db = NULL;
    unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_version_1(void **state)
{
    (void)state;
    struct cox_catalog *c = NULL;
    struct cox_catalog *reader = NULL;
    struct cox_catalog_task *tasks = NULL;
    struct cox_catalog_task task = {.id = -1, .kind = "train", .who = "train-0"};
    struct cox_catalog_segment s = running(2, 0, 1, 12);
    int64_t n = 0;
    set_up_by_hand(version_1);
    CHECK(cox_catalog_open_read(&reader, path, &failure));
    check_old(reader);
    cox_catalog_close(reader);
    CHECK(cox_catalog_open_read(&reader, path, &failure)); /* did not change it */
    CHECK(cox_catalog_open(&c, path, &failure));
    check_old(c);
    check_old(reader); /* opened before */
    CHECK(cox_catalog_add_task(c, &task, &failure));
    CHECK(cox_catalog_add_segment(c, &s, &failure));
    CHECK(cox_catalog_tasks(c, &tasks, &n, &failure));
    assert_int_equal(n, 3);
    assert_string_equal(tasks[2].who, "train-0");
    cox_free(tasks);
    cox_catalog_close(reader);
    cox_catalog_close(c);
    CHECK(cox_catalog_open(&c, path, &failure));
    CHECK(cox_catalog_next_segment(c, &n, &failure));
    assert_int_equal(n, 3);
    cox_catalog_close(c);
    set_up_by_hand("PRAGMA application_id=1131374675; PRAGMA user_version=3; CREATE TABLE run(a);");
    assert_int_equal(cox_catalog_open(&c, path, &failure), COX_EUNSUPPORTED);
    assert_int_equal(cox_catalog_open_read(&c, path, &failure), COX_EUNSUPPORTED);
    assert_non_null(strstr(failure.text, "version 3"));
}

/* A busy coordinator: 100 segments begun and ended in a second, ten commits. */
static void test_speed(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    double began = cox_clock_seconds();
    for (int64_t batch = 0; batch < 10; batch++) {
        CHECK(cox_catalog_begin(c, &failure));
        for (int64_t id = 10 * batch; id < 10 * batch + 10; id++) {
            struct cox_catalog_segment s = running(id, (int)(id % 10), id < 10 ? -1 : id - 10, -1);
            CHECK(cox_catalog_add_segment(c, &s, &failure));
            if (id < 10)
                continue;
            CHECK(cox_catalog_segment(c, id - 10, &s, &failure));
            s.running = false;
            s.n_frames = 20;
            CHECK(cox_catalog_update_segment(c, &s, &failure));
        }
        CHECK(cox_catalog_commit(c, &failure));
    }
    double took = cox_clock_seconds() - began;
    print_message("100 segments in 10 commits: %.1f ms\n", 1e3 * took);
    int64_t frames = 0;
    CHECK(cox_catalog_frames(c, &frames, &failure));
    assert_int_equal(frames, 1800);
    cox_catalog_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_while_running),
        cmocka_unit_test(test_attempts),
        cmocka_unit_test(test_poisons),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
