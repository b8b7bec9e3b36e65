/* SPDX-License-Identifier: BSD-3-Clause */
#include "store/catalog.h"

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

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/events.h"

static char folder[200];
static char path[256];
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

static void remove_files(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (int i = 0; i < 4; i++) {
        char name[300];
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

static int setup(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/cox-catalog-%d", root ? root : "/tmp", (int)getpid());
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
    struct cox_catalog *c = NULL;
    remove_files();
    CHECK(cox_catalog_open(&c, path, &failure));
    return c;
}

static const struct cox_catalog_start a_start = {.id = 0, .path = "u.pdb", .title = "unfolded"};

static struct cox_catalog_segment segment(int64_t id, int64_t parent, int64_t frame, int64_t first,
                                          int64_t n)
{
    return (struct cox_catalog_segment){.id = id,
                                        .round = (int)(id / 4),
                                        .lane = (int)(id % 4),
                                        .parent_segment = parent,
                                        .parent_frame = frame,
                                        .start = parent < 0 ? 0 : -1,
                                        .steered = parent >= 0,
                                        .seed = 0xfedcba9876543210U + (uint64_t)id,
                                        .temperature_K = 340,
                                        .engine = "fake 0.1.0",
                                        .steps = 1000,
                                        .timestep_fs = 4,
                                        .first_frame = first,
                                        .n_frames = n,
                                        .best_objective = id ? 1.5 : NAN,
                                        .ancestor = -1};
}

static int add(struct cox_catalog *c, int64_t id, int64_t parent, int64_t frame, int64_t first,
               int64_t n)
{
    struct cox_catalog_segment row = segment(id, parent, frame, first, n);
    return cox_catalog_add_segment(c, &row, &failure);
}

static void test_segments(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    struct cox_catalog_segment s;
    int64_t n = -1;
    CHECK(cox_catalog_frames(c, &n, &failure));
    assert_int_equal(n, 0);
    CHECK(cox_catalog_next_segment(c, &n, &failure));
    assert_int_equal(n, 0);
    CHECK(cox_catalog_add_start(c, &a_start, &failure));
    CHECK(add(c, 0, -1, -1, 0, 10));
    CHECK(add(c, 1, -1, -1, 10, 10));
    CHECK(add(c, 2, 1, 14, 20, 5));
    struct cox_catalog_segment blown = segment(3, 2, 24, 25, 0);
    blown.blown = true;
    blown.continued = true;
    snprintf(blown.reason, sizeof blown.reason, "atom 3 ran away");
    CHECK(cox_catalog_add_segment(c, &blown, &failure));
    CHECK(cox_catalog_frames(c, &n, &failure));
    assert_int_equal(n, 25);
    CHECK(cox_catalog_next_segment(c, &n, &failure));
    assert_int_equal(n, 4);
    CHECK(cox_catalog_segment(c, 2, &s, &failure));
    assert_int_equal(s.parent_segment, 1);
    assert_int_equal(s.parent_frame, 14);
    assert_int_equal(s.start, -1);
    assert_int_equal(s.ancestor, 1);
    assert_true(s.seed == 0xfedcba9876543212U);
    assert_true(s.steered && !s.continued && !s.blown);
    assert_true(s.temperature_K == 340 && s.timestep_fs == 4 && s.best_objective == 1.5);
    assert_string_equal(s.engine, "fake 0.1.0");
    CHECK(cox_catalog_segment(c, 3, &s, &failure));
    assert_true(s.blown && s.continued);
    assert_string_equal(s.reason, "atom 3 ran away");
    assert_int_equal(s.ancestor, 1);
    CHECK(cox_catalog_segment(c, 0, &s, &failure));
    assert_true(isnan(s.best_objective));
    assert_int_equal(s.parent_segment, -1);
    CHECK(cox_catalog_segment_of_frame(c, 19, &s, &failure));
    assert_int_equal(s.id, 1);
    CHECK(cox_catalog_segment_of_frame(c, 24, &s, &failure));
    assert_int_equal(s.id, 2);
    struct cox_catalog_segment *all = NULL;
    CHECK(cox_catalog_segments(c, &all, &n, &failure));
    assert_int_equal(n, 4);
    assert_int_equal(all[3].id, 3);
    cox_free(all);
    cox_catalog_close(c);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    struct cox_catalog_segment s;
    assert_int_equal(add(c, 0, -1, -1, 0, 10), COX_EINVAL); /* no such start */
    CHECK(cox_catalog_add_start(c, &a_start, &failure));
    assert_int_equal(cox_catalog_add_start(c, &a_start, &failure), COX_EEXISTS);
    CHECK(add(c, 0, -1, -1, 0, 10));
    assert_int_equal(add(c, 0, -1, -1, 0, 10), COX_EEXISTS);
    assert_non_null(strstr(failure.text, path));
    assert_int_equal(add(c, 1, 7, 3, 10, 10), COX_EINVAL);
    assert_non_null(strstr(failure.text, "no segment 7; the last one is 0"));
    assert_int_equal(add(c, 1, 0, 10, 10, 10), COX_EINVAL);
    assert_non_null(strstr(failure.text, "cannot come from frame 10 of segment 0"));
    s = segment(1, 0, 3, 10, 10);
    s.start = 0;
    assert_int_equal(cox_catalog_add_segment(c, &s, &failure), COX_EINVAL);
    assert_non_null(strstr(failure.text, "either a parent or a start"));
    assert_int_equal(add(c, 1, 0, 3, 10, -1), COX_EINVAL);
    assert_int_equal(cox_catalog_segment(c, 9, &s, &failure), COX_ENOTFOUND);
    assert_int_equal(cox_catalog_segment_of_frame(c, 10, &s, &failure), COX_ENOTFOUND);
    assert_non_null(strstr(failure.text, "there are 10 frames"));
    cox_catalog_close(c);
}

static void test_other_tables(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    int64_t n;
    const struct cox_catalog_model model = {.id = 0,
                                            .round = 2,
                                            .path = "models/model-000.h5",
                                            .train_loss = 3.5,
                                            .valid_loss = NAN,
                                            .epochs = 10,
                                            .samples = 4000,
                                            .wall_s = 1.25,
                                            .seed = 77};
    const struct cox_catalog_pick picks[2] = {
        {.round = 2, .lane = 3, .frame = 70, .score = 2.5, .rank = 1, .reason = "second"},
        {.round = 2, .lane = 1, .frame = 42, .score = -0.5, .rank = 0, .reason = "outlier"}};
    const struct cox_catalog_task task = {
        .id = -1, .round = 2, .kind = "train", .worker = 1, .began_s = 0.5, .ended_s = 2.5};
    const struct cox_catalog_round round = {.id = 2,
                                            .frames = 300,
                                            .ns = 1.5,
                                            .best_objective = 0.75,
                                            .best_frame = -1,
                                            .outliers = 12,
                                            .new_states = 3,
                                            .idle_s = 0.01,
                                            .wall_s = 9.5};
    CHECK(cox_catalog_begin(c, &failure));
    CHECK(cox_catalog_add_start(c, &a_start, &failure));
    CHECK(cox_catalog_add_model(c, &model, &failure));
    CHECK(cox_catalog_add_pick(c, &picks[0], &failure));
    CHECK(cox_catalog_add_pick(c, &picks[1], &failure));
    CHECK(cox_catalog_add_task(c, &task, &failure));
    CHECK(cox_catalog_add_task(c, &task, &failure));
    CHECK(cox_catalog_add_round(c, &round, &failure));
    CHECK(cox_catalog_commit(c, &failure));
    struct cox_catalog_start *starts;
    struct cox_catalog_model *models;
    struct cox_catalog_pick *got;
    struct cox_catalog_task *tasks;
    struct cox_catalog_round *rounds;
    CHECK(cox_catalog_starts(c, &starts, &n, &failure));
    assert_int_equal(n, 1);
    assert_string_equal(starts[0].title, "unfolded");
    CHECK(cox_catalog_models(c, &models, &n, &failure));
    assert_int_equal(n, 1);
    assert_string_equal(models[0].path, model.path);
    assert_true(models[0].train_loss == 3.5 && isnan(models[0].valid_loss));
    assert_true(models[0].samples == 4000 && models[0].seed == 77 && models[0].wall_s == 1.25);
    CHECK(cox_catalog_picks(c, &got, &n, &failure));
    assert_int_equal(n, 2);
    assert_true(got[0].frame == 42 && got[0].score == -0.5 && got[1].lane == 3);
    assert_string_equal(got[0].reason, "outlier");
    CHECK(cox_catalog_tasks(c, &tasks, &n, &failure));
    assert_int_equal(n, 2);
    assert_true(tasks[0].id < tasks[1].id && tasks[1].ended_s == 2.5);
    assert_string_equal(tasks[0].kind, "train");
    CHECK(cox_catalog_rounds(c, &rounds, &n, &failure));
    assert_int_equal(n, 1);
    assert_true(rounds[0].ns == 1.5 && rounds[0].best_frame == -1 && rounds[0].new_states == 3);
    cox_free(starts);
    cox_free(models);
    cox_free(got);
    cox_free(tasks);
    cox_free(rounds);
    cox_catalog_close(c);
}

static void test_keys_and_lanes(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    char *value = NULL;
    void *bytes = NULL;
    size_t length = 0;
    int64_t owner = 0;
    unsigned char blob[1000];
    for (size_t i = 0; i < sizeof blob; i++)
        blob[i] = (unsigned char)(i * 7);
    CHECK(cox_catalog_get(c, "seed", &value, &failure));
    assert_null(value);
    CHECK(cox_catalog_set(c, "seed", "1", &failure));
    CHECK(cox_catalog_set(c, "seed", "Ω 2", &failure));
    CHECK(cox_catalog_get(c, "seed", &value, &failure));
    assert_string_equal(value, "Ω 2");
    cox_free(value);
    assert_int_equal(cox_catalog_get_lane(c, 3, &owner, &bytes, &length, &failure), COX_ENOTFOUND);
    CHECK(cox_catalog_set_lane(c, 3, 17, "x", 1, &failure));
    CHECK(cox_catalog_set_lane(c, 3, 18, blob, sizeof blob, &failure));
    CHECK(cox_catalog_get_lane(c, 3, &owner, &bytes, &length, &failure));
    assert_int_equal(owner, 18);
    assert_int_equal(length, sizeof blob);
    assert_memory_equal(bytes, blob, sizeof blob);
    cox_free(bytes);
    CHECK(cox_catalog_set_lane(c, 4, -1, NULL, 0, &failure));
    CHECK(cox_catalog_get_lane(c, 4, &owner, &bytes, &length, &failure));
    assert_true(owner == -1 && length == 0 && bytes != NULL);
    cox_free(bytes);
    cox_catalog_close(c);
}

static void test_rollback_and_readers(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    struct cox_catalog *reader = NULL;
    int64_t n = 0;
    CHECK(cox_catalog_add_start(c, &a_start, &failure));
    CHECK(cox_catalog_open_read(&reader, path, &failure));
    CHECK(cox_catalog_begin(c, &failure));
    CHECK(add(c, 0, -1, -1, 0, 10));
    CHECK(cox_catalog_frames(reader, &n, &failure));
    assert_int_equal(n, 0);
    cox_catalog_rollback(c);
    CHECK(cox_catalog_begin(c, &failure));
    CHECK(add(c, 0, -1, -1, 0, 10));
    CHECK(cox_catalog_commit(c, &failure));
    CHECK(cox_catalog_frames(reader, &n, &failure));
    assert_int_equal(n, 10);
    assert_int_equal(cox_catalog_set(reader, "a", "b", &failure), COX_EIO);
    assert_non_null(strstr(failure.text, path));
    cox_catalog_close(reader);
    cox_catalog_rollback(c); /* outside a transaction: nothing */
    cox_catalog_close(c);
    CHECK(cox_catalog_open(&c, path, &failure));
    CHECK(cox_catalog_frames(c, &n, &failure));
    assert_int_equal(n, 10);
    cox_catalog_close(c);
}

/* A process killed within a round leaves the rounds before it. */
static void test_killed_writer(void **state)
{
    (void)state;
    for (int trial = 0; trial < 6; trial++) {
        int pipes[2];
        remove_files();
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            struct cox_catalog *c = NULL;
            int64_t id = 0;
            if (cox_catalog_open(&c, path, NULL) || cox_catalog_add_start(c, &a_start, NULL))
                _exit(1);
            for (;;) {
                if (cox_catalog_begin(c, NULL))
                    _exit(1);
                for (int i = 0; i < 4; i++, id++)
                    if (add(c, id, -1, -1, 10 * id, 10))
                        _exit(1);
                if (cox_catalog_commit(c, NULL) || write(pipes[1], &id, sizeof id) < 0)
                    _exit(1);
            }
        }
        close(pipes[1]);
        int64_t committed = 0;
        int64_t more;
        int status = 0;
        assert_int_equal(read(pipes[0], &committed, sizeof committed), sizeof committed);
        usleep((useconds_t)(300 + 2300 * trial));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        while (read(pipes[0], &more, sizeof more) == sizeof more)
            committed = more;
        close(pipes[0]);
        struct cox_catalog *c = NULL;
        int64_t next = 0;
        CHECK(cox_catalog_open_read(&c, path, &failure));
        cox_catalog_close(c);
        CHECK(cox_catalog_open(&c, path, &failure));
        CHECK(cox_catalog_next_segment(c, &next, &failure));
        assert_true(next >= committed && next % 4 == 0);
        cox_catalog_close(c);
    }
}

static void test_one_writer(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    struct cox_catalog *other = NULL;
    assert_int_equal(cox_catalog_open(&other, path, &failure), COX_EEXISTS);
    assert_non_null(strstr(failure.text, "another process"));
    CHECK(cox_catalog_open_read(&other, path, &failure));
    cox_catalog_close(other);
    cox_catalog_close(c);
    CHECK(cox_catalog_open(&c, path, &failure));
    cox_catalog_close(c);
}

/* Closed, it is one file that can be read where nothing can be written. */
static void test_plain_at_rest(void **state)
{
    (void)state;
    struct cox_catalog *c = create();
    char wal[300];
    char *bytes = NULL;
    size_t length = 0;
    snprintf(wal, sizeof wal, "%s-wal", path);
    CHECK(cox_catalog_add_start(c, &a_start, &failure));
    assert_true(cox_file_exists(wal));
    CHECK(cox_catalog_begin(c, &failure));
    CHECK(add(c, 0, -1, -1, 0, 10));
    cox_catalog_close(c); /* rolls back */
    assert_false(cox_file_exists(wal));
    CHECK(cox_file_read(&bytes, &length, path, 1 << 20, &failure));
    assert_true(length > 100 && bytes[18] == 1 && bytes[19] == 1); /* not WAL */
    cox_free(bytes);
    int64_t n = -1;
    CHECK(cox_catalog_open_read(&c, path, &failure));
    CHECK(cox_catalog_frames(c, &n, &failure));
    assert_int_equal(n, 0);
    cox_catalog_close(c);
}

static void test_foreign_files(void **state)
{
    (void)state;
    struct cox_catalog *c = NULL;
    remove_files();
    assert_int_equal(cox_catalog_open_read(&c, path, &failure), COX_ENOTFOUND);
    CHECK(cox_file_replace(path, "no database, but long enough to look at", 39, &failure));
    assert_int_equal(cox_catalog_open_read(&c, path, &failure), COX_EFORMAT);
    assert_int_equal(cox_catalog_open(&c, path, &failure), COX_EFORMAT);
    assert_non_null(strstr(failure.text, path));
    assert_int_equal(cox_catalog_open(&c, "/nowhere/catalog.db", &failure), COX_EIO);
    remove_files();
    CHECK(cox_file_replace(path, "", 0, &failure)); /* an empty file is an empty database */
    assert_int_equal(cox_catalog_open_read(&c, path, &failure), COX_EFORMAT);
    CHECK(cox_catalog_open(&c, path, &failure));
    cox_catalog_close(c);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    struct cox_catalog *made = create();
    CHECK(cox_catalog_begin(made, &failure));
    CHECK(cox_catalog_add_start(made, &a_start, &failure));
    for (int64_t i = 0; i < 200; i++)
        CHECK(add(made, i, i ? i - 1 : -1, i ? 10 * i - 1 : -1, 10 * i, 10));
    CHECK(cox_catalog_commit(made, &failure));
    cox_catalog_close(made);
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1;; n++) {
        struct cox_catalog *c = NULL;
        struct cox_catalog_segment *rows = NULL;
        int64_t count;
        cox_mem_fail_at(n);
        int rc = cox_catalog_open(&c, path, NULL);
        if (!rc)
            rc = cox_catalog_segments(c, &rows, &count, NULL);
        cox_mem_fail_at(0);
        cox_free(rows);
        cox_catalog_close(c);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(rc, COX_ENOMEM);
    }
}

static void test_events(void **state)
{
    (void)state;
    struct cox_events *events = NULL;
    char *text = NULL;
    remove_files();
    CHECK(cox_file_append(path, "{\"cut\": tr", 10, &failure));
    CHECK(cox_events_open(&events, path, &failure));
    CHECK(cox_events_write(events, "hello", NULL, &failure));
    CHECK(cox_events_write(events, "empty", cox_json_object(), &failure));
    struct cox_json *members = cox_json_object();
    cox_json_set_int(members, "round", 3);
    cox_json_set_text(members, "note", "a \"quoted\"\nline");
    CHECK(cox_events_write(events, "round", members, &failure));
    CHECK(cox_events_write(NULL, "nothing", cox_json_object(), &failure));
    cox_events_close(events);
    CHECK(cox_file_read(&text, NULL, path, 10000, &failure));
    char *line = strchr(text, '\n');
    assert_non_null(line);
    int lines = 0;
    while (line[1]) {
        char *end = strchr(line + 1, '\n');
        struct cox_json *json = NULL;
        assert_non_null(end);
        *end = '\0';
        CHECK(cox_json_parse(&json, line + 1, &failure));
        assert_non_null(cox_json_get_text(json, "time"));
        if (++lines == 3) {
            assert_string_equal(cox_json_get_text(json, "event"), "round");
            assert_true(cox_json_get_number(json, "round", 0) == 3);
            assert_string_equal(cox_json_get_text(json, "note"), "a \"quoted\"\nline");
        }
        cox_json_destroy(json);
        line = end;
    }
    assert_int_equal(lines, 3);
    cox_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_other_tables),
        cmocka_unit_test(test_keys_and_lanes),
        cmocka_unit_test(test_rollback_and_readers),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_plain_at_rest),
        cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
