/* SPDX-License-Identifier: BSD-3-Clause */
/* What a simulation is given: when its segments end, once more when it asks again, and when it
 * comes back after a crash with an old checkpoint or none. No process, no socket: the coordinator's
 * own books, its catalog, and the messages that it would send. */
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

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "steer/streaming/streaming.h"

#define ATOMS 2
#define LANES 2
#define FRAMES 4

static char folder[PATH_MAX];

struct bench {
    struct cox_streaming s;
    struct cox_settings settings;
    struct cox_system system;
    float x[ATOMS * 3];
    float *start[2];
};

static void open_bench(struct bench *b)
{
    struct cox_err err = COX_ERR_INIT;
    char path[PATH_MAX];
    *b = (struct bench){
        .settings.simulation = {.replicas = LANES, .temperature_K = 300, .timestep_fs = 2},
        .settings.stop = {.target = {.rmsd_A = NAN, .segments = 2}},
        .system.n_atoms = ATOMS};
    b->settings.streaming.aggregators = 1;
    struct cox_streaming *s = &b->s;
    s->settings = &b->settings;
    s->system = &b->system;
    s->lanes = LANES;
    s->simulations = 1;
    s->aggregators = 1;
    s->steps_per_frame = 10;
    s->frames_per_segment = FRAMES;
    s->n_starts = 1;
    b->start[0] = b->start[1] = b->x;
    s->start = b->start;
    s->best = s->first_hit_ns = NAN;
    s->frames.objective = s->frames.rmsd = -1;
    s->scratch_frame = -1;
    s->scratch = cox_alloc(ATOMS * 3, sizeof *s->scratch);
    s->record.zero = cox_clock_seconds();
    snprintf(path, sizeof path, "%.4000s/catalog.db", folder);
    assert_int_equal(cox_catalog_open(&s->record.catalog, path, &err), 0);
    assert_int_equal(cox_follow_open(&s->follow, folder, &err), 0);
    s->worker = cox_alloc(1, sizeof *s->worker);
    s->n_workers = 1;
    snprintf(s->worker[0].name, sizeof s->worker[0].name, "sim-0");
    s->worker[0].up = true;
    assert_int_equal(cox_streaming_lanes_init(s, &err), 0);
}

static void close_bench(struct bench *b)
{
    struct cox_streaming *s = &b->s;
    for (int i = 0; i < s->n_out; i++)
        cox_message_destroy(s->out[i].message);
    cox_follow_close(s->follow);
    cox_catalog_close(s->record.catalog);
    cox_free(s->worker);
    cox_free(s->lane);
    cox_free(s->arrived);
    cox_free(s->segment);
    cox_free(s->scratch);
    cox_free(s->op);
    cox_free(s->out);
    cox_free(s->poison);
}

static int set_up(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    snprintf(folder, sizeof folder, "/tmp/cox-lanes-XXXXXX");
    assert_non_null(mkdtemp(folder));
    struct bench *b = cox_alloc(1, sizeof *b);
    open_bench(b);
    struct cox_catalog_start row = {.id = 0};
    assert_int_equal(cox_catalog_add_start(b->s.record.catalog, &row, &err), 0);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    close_bench(*state);
    cox_free(*state);
    assert_int_equal(cox_directory_remove(folder, &err), 0);
    return 0;
}

/* The coordinator dies and comes back. */
static void restart(struct bench *b)
{
    struct cox_err err = COX_ERR_INIT;
    close_bench(b);
    open_bench(b);
    assert_int_equal(cox_streaming_lanes_reload(&b->s, &err), 0);
}

/* Takes what would be sent, commits, and gives the only message; NULL: none. */
static struct cox_message *answer(struct cox_streaming *s)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_message *m = s->n_out ? s->out[s->n_out - 1].message : NULL;
    assert_true(s->n_out <= 1);
    s->n_out = 0;
    assert_int_equal(cox_streaming_commit(s, &err), 0);
    return m;
}

struct given {
    int64_t segment, generation, clock, frames;
    char kind[16];
};

static struct given given(const struct cox_message *m, int lane)
{
    struct given g = {.segment = -1};
    for (int i = 0; i < cox_message_count(m, "lanes"); i++) {
        const struct cox_message *item = cox_message_item(m, "lanes", i);
        if (cox_message_int(item, "lane", -1) != lane)
            continue;
        g.segment = cox_message_int(item, "segment", -1);
        g.generation = cox_message_int(item, "generation", -1);
        g.clock = cox_message_int(item, "clock", -1);
        g.frames = cox_message_int(item, "frames", -1);
        snprintf(g.kind, sizeof g.kind, "%s", cox_message_text(item, "kind", ""));
    }
    return g;
}

static struct given welcome(struct bench *b, const int64_t *segment, const int64_t *index)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_message *hello = cox_message_create("hello");
    struct cox_message *m = cox_message_create("welcome");
    for (int lane = 0; segment && lane < LANES; lane++) {
        struct cox_message *item = cox_message_push(hello, "lanes");
        cox_message_set_int(item, "lane", lane);
        cox_message_set_int(item, "segment", segment[lane]);
        cox_message_set_int(item, "index", index[lane]);
    }
    if (cox_streaming_welcome_lanes(&b->s, &b->s.worker[0], hello, m, &err))
        fail_msg("%s", err.text);
    struct given g = given(m, 0);
    assert_null(answer(&b->s));
    cox_message_destroy(hello);
    cox_message_destroy(m);
    return g;
}

static struct given ended(struct bench *b, int64_t segment, int64_t frames, const char *flag)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_message *m = cox_message_create("ended");
    struct cox_message *item = cox_message_push(m, "lanes");
    cox_message_set_int(item, "lane", 0);
    cox_message_set_int(item, "segment", segment);
    cox_message_set_int(item, "frames", frames);
    if (flag)
        cox_message_set_int(item, flag, 1);
    if (cox_streaming_ended(&b->s, &b->s.worker[0], m, &err))
        fail_msg("%s", err.text);
    cox_message_destroy(m);
    struct cox_message *out = answer(&b->s);
    struct given g = given(out, 0);
    cox_message_destroy(out);
    return g;
}

/* As if that many frames of it had been stored. */
static void store(struct bench *b, int64_t segment, int frames)
{
    b->s.segment[segment].seen = frames;
}

static const char *status_of(struct bench *b, int64_t segment)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_catalog_segment row;
    assert_int_equal(cox_catalog_segment(b->s.record.catalog, segment, &row, &err), 0);
    return row.running ? "running"
           : row.blown ? "blown"
           : row.lost  ? "lost"
           : row.cut   ? "cut"
                       : "done";
}

static void a_segment_is_followed_by_one_that_continues_it(void **state)
{
    struct bench *b = *state;
    struct given g = welcome(b, NULL, NULL);
    assert_string_equal(g.kind, "start");
    assert_int_equal(g.segment, 0);
    g = ended(b, 0, FRAMES, NULL);
    assert_string_equal(g.kind, "continue");
    assert_int_equal(g.segment, 2); /* 1 is the other lane's */
    assert_int_equal(g.generation, 1);
    assert_int_equal(g.clock, FRAMES * 10);
    assert_string_equal(status_of(b, 0), "done");
    assert_string_equal(status_of(b, 2), "running");
}

static void the_same_question_has_the_same_answer(void **state)
{
    struct bench *b = *state;
    welcome(b, NULL, NULL);
    struct given first = ended(b, 0, FRAMES, NULL);
    struct given again = ended(b, 0, FRAMES, NULL);
    assert_int_equal(first.segment, again.segment);
    restart(b);
    again = ended(b, 0, FRAMES, NULL);
    assert_int_equal(first.segment, again.segment);
    assert_int_equal(b->s.n_segments, 3);
}

static void a_checkpoint_is_gone_on_from(void **state)
{
    struct bench *b = *state;
    const int64_t segments[LANES] = {0, 1};
    const int64_t index[LANES] = {2, 2};
    welcome(b, NULL, NULL);
    ended(b, 0, FRAMES, NULL);
    store(b, 0, FRAMES);
    struct given g = welcome(b, segments, index); /* it stood in 0, the lane is in 2 by now */
    assert_string_equal(g.kind, "keep");
    assert_int_equal(g.segment, 0);
    assert_int_equal(g.frames, FRAMES);
    g = ended(b, 0, FRAMES, NULL); /* once more */
    assert_int_equal(g.segment, 2);
    assert_string_equal(g.kind, "continue");
}

static void without_a_checkpoint_the_segment_begins_again_or_is_lost(void **state)
{
    struct bench *b = *state;
    welcome(b, NULL, NULL);
    struct given g = welcome(b, NULL, NULL);
    assert_int_equal(g.segment, 0); /* a start can be repeated */
    ended(b, 0, FRAMES, NULL);
    g = welcome(b, NULL, NULL);
    assert_int_equal(g.segment, 0); /* nor is a short chain of continuations worth losing */
    ended(b, 2, FRAMES, NULL);
    assert_int_equal(ended(b, 3, FRAMES, NULL).segment, 4);
    store(b, 2, FRAMES);
    g = welcome(b, NULL, NULL);
    assert_int_equal(g.segment, 5);       /* a longer one is */
    assert_string_equal(g.kind, "start"); /* nothing is in the files to begin at */
    assert_string_equal(status_of(b, 4), "lost");
    assert_int_equal(g.generation, 3); /* in the lost one's place */
    /* what never came is not waited for: it has what is stored */
    assert_string_equal(status_of(b, 3), "cut");
    assert_int_equal(b->s.segment[3].frames, 0);
    assert_string_equal(status_of(b, 2), "done");
}

static void a_stop_ends_segments_and_a_resume_continues_them(void **state)
{
    struct bench *b = *state;
    const int64_t segments[LANES] = {0, 1};
    const int64_t index[LANES] = {3, 3};
    welcome(b, NULL, NULL);
    b->s.phase = STREAM_DRAINING;
    struct given g = ended(b, 0, 3, "cut");
    assert_int_equal(g.segment, -1);
    assert_string_equal(status_of(b, 0), "cut");
    restart(b);
    store(b, 0, 3);
    g = welcome(b, segments, index);
    assert_string_equal(g.kind, "continue");
    assert_int_equal(g.clock, 30);
    assert_int_equal(b->s.lane[0].row.parent_segment, 0);
}

/* An attempt before had stored more of it than the one that is cut has repeated. */
static void what_is_stored_counts_when_a_repetition_is_cut(void **state)
{
    struct bench *b = *state;
    welcome(b, NULL, NULL);
    store(b, 0, 3);
    welcome(b, NULL, NULL);
    ended(b, 0, 1, "cut");
    assert_int_equal(b->s.segment[0].frames, 3);
}

static void a_lane_that_blew_up_begins_anew(void **state)
{
    struct bench *b = *state;
    welcome(b, NULL, NULL);
    struct given g = ended(b, 0, 1, "blown");
    assert_string_equal(status_of(b, 0), "blown");
    assert_string_equal(g.kind, "start");
    assert_int_equal(b->s.n_poisons, 0); /* the only start there is cannot be set aside */
}

static void what_crashes_twice_is_set_aside(void **state)
{
    struct bench *b = *state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_catalog_segment row = {.parent_segment = 0, .parent_frame = 7, .start = -1};
    assert_int_equal(cox_streaming_blame(&b->s, &row, "SIGSEGV", &err), 0);
    assert_false(cox_streaming_poisoned(&b->s, 7, -1));
    assert_int_equal(cox_streaming_blame(&b->s, &row, "SIGSEGV", &err), 0);
    assert_true(cox_streaming_poisoned(&b->s, 7, -1));
    assert_false(cox_streaming_poisoned(&b->s, 8, -1));
    assert_int_equal(cox_streaming_commit(&b->s, &err), 0);
    struct cox_catalog_poison *rows = NULL;
    int64_t n = 0;
    assert_int_equal(cox_catalog_poisons(b->s.record.catalog, &rows, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_true(rows[0].set_aside);
    assert_int_equal(rows[0].frame, 7);
    cox_free(rows);
}

static void a_start_that_crashes_its_worker_twice_is_left(void **state)
{
    struct bench *b = *state;
    struct cox_streaming *s = &b->s;
    struct cox_err err = COX_ERR_INIT;
    struct cox_catalog_start row = {.id = 1};
    assert_int_equal(cox_catalog_add_start(s->record.catalog, &row, &err), 0);
    s->n_starts = 2;
    assert_int_equal(welcome(b, NULL, NULL).segment, 0);
    store(b, 1, STREAM_YOUNG); /* the other lane is past its first frames: not suspected */
    assert_int_equal(cox_streaming_blame_worker(s, &s->worker[0], "SIGSEGV", &err), 0);
    assert_int_equal(welcome(b, NULL, NULL).segment, 0); /* once is no proof */
    assert_int_equal(cox_streaming_blame_worker(s, &s->worker[0], "SIGSEGV", &err), 0);
    struct given g = welcome(b, NULL, NULL);
    assert_int_equal(g.segment, 2);
    assert_string_equal(g.kind, "start");
    assert_string_equal(status_of(b, 0), "lost");
    assert_true(cox_streaming_poisoned(s, -1, 0));
    assert_false(cox_streaming_poisoned(s, -1, 1));
    assert_int_equal(s->lane[0].row.start, 1);
    assert_string_equal(status_of(b, 1), "running");
}

static void nobody_ends_what_is_not_his(void **state)
{
    struct bench *b = *state;
    welcome(b, NULL, NULL);
    assert_int_equal(ended(b, 1, FRAMES, NULL).segment, -1); /* of lane 1, said of lane 0 */
    assert_int_equal(ended(b, 99, FRAMES, NULL).segment, -1);
    assert_string_equal(status_of(b, 1), "running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_segment_is_followed_by_one_that_continues_it),
        TEST(the_same_question_has_the_same_answer),
        TEST(a_checkpoint_is_gone_on_from),
        TEST(without_a_checkpoint_the_segment_begins_again_or_is_lost),
        TEST(a_stop_ends_segments_and_a_resume_continues_them),
        TEST(what_is_stored_counts_when_a_repetition_is_cut),
        TEST(a_lane_that_blew_up_begins_anew),
        TEST(what_crashes_twice_is_set_aside),
        TEST(a_start_that_crashes_its_worker_twice_is_left),
        TEST(nobody_ends_what_is_not_his),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
