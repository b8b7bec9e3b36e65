/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of the simulate and aggregate roles: real worker processes, and a coordinator reduced
 * to what they need. It plans segments by a rule, so that two runs of the same length must agree to
 * the bit: segment g·lanes + l is generation g of lane l; every third one starts anew, from
 * coordinates that depend on its id, the others continue. Include after <cmocka.h>. */
#ifndef COX_STEER_TEST_CREW_H
#define COX_STEER_TEST_CREW_H

#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cox/system.h"
#include "steer/lane.h"
#include "steer/worker/worker.h"
#include "store/traj.h"
#include "stream/link.h"
#include "stream/message.h"

enum { CREW_ATOMS = 8, CREW_SEGMENTS = 20000, CREW_SIMULATIONS = 2 };
#define CREW_PATIENCE_S 30.0

struct crew_segment {
    bool opened, closed;
    int frames;
    bool blown, cut;
    bool anew; /* though the rule would have it continue: what it would continue blew up */
};

struct crew_worker {
    char name[16];
    const char *role;
    pid_t pid;
    int64_t epoch;
    bool up, bye;
    int exit_code; /* of the last attempt, 128 + signal */
};

struct crew {
    char folder[64];
    struct cox_hub *hub;
    struct cox_system *system;
    int64_t epoch; /* the last one given */
    int lanes, simulations, frames_per_segment;
    int generations;                                 /* of every lane, then nothing more is given */
    struct crew_worker worker[CREW_SIMULATIONS + 1]; /* the last is the aggregator */
    struct crew_segment segment[CREW_SEGMENTS];
    int64_t newest[64]; /* [lanes] segment given last */
    bool done[64];      /* [lanes] its last segment has ended */
    char endpoint[COX_ENDPOINT_SIZE];
    struct cox_message *heartbeat, *stored;   /* the newest of a simulation, of the aggregator */
    int troubles, recoveries, fenced, paused; /* messages of the kind */
    char trouble[512];
};

static inline void crew_path(const struct crew *c, const char *name, char out[PATH_MAX])
{
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_path_join(out, PATH_MAX, c->folder, name, &err), 0);
}

static inline void crew_write_system(struct crew *c)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    char path[PATH_MAX];
    assert_int_equal(cox_system_create(&s, CREW_ATOMS, CREW_ATOMS, 0, 0, 0, 0, 0, &err), 0);
    for (int i = 0; i < CREW_ATOMS; i++) {
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
        s->position_nm[i][0] = 0.38 * i;
        s->position_nm[i][1] = 0.1 * (i % 2);
    }
    snprintf(s->name, sizeof s->name, "chain");
    crew_path(c, "chain.system.h5", path);
    assert_int_equal(cox_system_save(s, path, &err), 0);
    c->system = s;
}

/* `extra`: more lines of the configuration; frames of 0.2 ps, ten to a segment. */
static inline struct crew *crew_create(int lanes, int simulations, const char *extra)
{
    struct cox_err err = COX_ERR_INIT;
    struct crew *c = cox_alloc(1, sizeof *c);
    char text[2048];
    char path[PATH_MAX];
    snprintf(c->folder, sizeof c->folder, "/tmp/cox-crew-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    c->lanes = lanes;
    c->simulations = simulations;
    c->frames_per_segment = 10;
    c->generations = 1000000;
    for (int lane = 0; lane < lanes; lane++)
        c->newest[lane] = -1;
    crew_write_system(c);
    snprintf(text, sizeof text,
             "system: chain.system.h5\ncoordination: streaming\nstop: {rounds: 3}\nseed: 5\n"
             "simulation: {engine: fake, replicas: %d, segment_ps: 2, frame_ps: 0.2}\n%s\n",
             lanes, extra);
    crew_path(c, "config.yaml", path);
    assert_int_equal(cox_file_replace(path, text, strlen(text), &err), 0);
    if (cox_hub_create(&c->hub, "ipc", NULL, &err))
        fail_msg("%s", err.text);
    for (int w = 0; w < simulations; w++) {
        snprintf(c->worker[w].name, sizeof c->worker[w].name, "sim-%d", w);
        c->worker[w].role = "simulate";
    }
    snprintf(c->worker[simulations].name, sizeof c->worker[simulations].name, "agg-0");
    c->worker[simulations].role = "aggregate";
    return c;
}

static atomic_int crew_cancel;

static inline void crew_on_signal(int number)
{
    (void)number;
    atomic_store(&crew_cancel, 1);
}

static inline void crew_log(void *user, enum cox_log_level level, const char *line)
{
    (void)user;
    if (getenv("COX_TEST_LOG") && level >= COX_LOG_INFO)
        fprintf(stderr, "%d: %s\n", (int)getpid(), line);
}

/* What such a process does: this program again, with the worker's words. -1: it is none. */
static inline int crew_worker_main(int argc, char **argv)
{
    if (argc != 7 || strcmp(argv[1], "--worker") != 0)
        return -1;
    struct sigaction action = {.sa_handler = crew_on_signal};
    sigaction(SIGTERM, &action, NULL);
    cox_log_set_sink(crew_log, NULL);
    struct cox_worker_options options = {.role = argv[2],
                                         .directory = argv[3],
                                         .name = argv[4],
                                         .epoch = strtoll(argv[5], NULL, 10),
                                         .hub = argv[6],
                                         .cancel = &crew_cancel};
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_worker_run(&options, &err);
    if (rc && (rc != COX_ECANCELLED || getenv("COX_TEST_LOG")))
        fprintf(stderr, "%s (epoch %s): %s\n", argv[4], argv[5], err.text);
    return !rc ? 0 : rc == COX_ECANCELLED ? 130 : 1;
}

static inline int crew_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
    int code = crew_worker_main(argc, argv);
    if (code >= 0)
        return code;
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return _cmocka_run_group_tests("workers", tests, n, NULL, NULL);
}

/* Another attempt of a worker in a process of its own. */
static inline void crew_start(struct crew *c, struct crew_worker *w)
{
    w->epoch = ++c->epoch;
    w->up = w->bye = false;
    w->exit_code = -1;
    pid_t parent = getpid();
    char epoch[24];
    char program[] = "cox-worker", option[] = "--worker", role[16], hub[COX_ENDPOINT_SIZE];
    snprintf(epoch, sizeof epoch, "%lld", (long long)w->epoch);
    snprintf(role, sizeof role, "%s", w->role);
    snprintf(hub, sizeof hub, "%s", cox_hub_endpoint(c->hub));
    char *const argv[] = {program, option, role, c->folder, w->name, epoch, hub, NULL};
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        execv("/proc/self/exe", argv); /* a fork of a process with threads can do little else */
    _exit(9);
}

static inline void crew_start_all(struct crew *c)
{
    for (int w = 0; w <= c->simulations; w++)
        crew_start(c, &c->worker[w]);
}

static inline void crew_reap(struct crew_worker *w, bool wait)
{
    int status = 0;
    if (!w->pid || waitpid(w->pid, &status, wait ? 0 : WNOHANG) != w->pid)
        return;
    w->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    w->pid = 0;
}

/* kill -9, and another attempt. */
static inline void crew_kill(struct crew *c, struct crew_worker *w)
{
    kill(w->pid, SIGKILL);
    crew_reap(w, true);
    crew_start(c, w);
}

static inline void crew_destroy(struct crew *c)
{
    for (int w = 0; w <= c->simulations; w++) {
        if (!c->worker[w].pid)
            continue;
        kill(c->worker[w].pid, SIGKILL);
        crew_reap(&c->worker[w], true);
    }
    cox_message_destroy(c->heartbeat);
    cox_message_destroy(c->stored);
    cox_hub_destroy(c->hub);
    cox_system_destroy(c->system);
    assert_int_equal(cox_directory_remove(c->folder, NULL), 0);
    cox_free(c);
}

/* ---- the rule ---- */

static inline int crew_lane(const struct crew *c, int64_t segment)
{
    return (int)(segment % c->lanes);
}

static inline bool crew_continued(const struct crew *c, int64_t segment)
{
    return segment / c->lanes % 3 != 0 && !c->segment[segment].anew;
}

static inline void crew_entry(struct crew *c, int64_t segment, struct cox_message *to)
{
    float x[CREW_ATOMS][3];
    bool continued = crew_continued(c, segment);
    int64_t generation = segment / c->lanes;
    struct cox_settings settings = {.seed = 5};
    for (int i = 0; i < CREW_ATOMS; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] = (float)(c->system->position_nm[i][k] * (1 + 0.001 * (double)(segment % 7)));
    cox_message_set_int(to, "lane", crew_lane(c, segment));
    cox_message_set_int(to, "segment", segment);
    cox_message_set_int(to, "generation", generation);
    cox_message_set_int(to, "seed", (int64_t)cox_lane_seed(&settings, segment));
    cox_message_set_int(to, "clock", generation * c->frames_per_segment * 100);
    cox_message_set_int(to, "parent_segment", generation ? segment - c->lanes : -1);
    cox_message_set_text(to, "kind", continued ? "continue" : generation ? "restart" : "start");
    if (!continued)
        cox_message_set_bytes(to, "x", x, sizeof x);
}

static inline void crew_send(struct crew *c, const char *peer, struct cox_message *m)
{
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_hub_send(c->hub, peer, m, &err);
    if (rc && rc != COX_ENOTFOUND)
        fail_msg("%s: %s", peer, err.text);
}

static inline struct crew_worker *crew_find(struct crew *c, const char *peer)
{
    for (int w = 0; w <= c->simulations; w++)
        if (!strcmp(c->worker[w].name, peer))
            return &c->worker[w];
    fail_msg("a message of %s", peer);
    return NULL;
}

/* A lane without a checkpoint begins its newest chain again. */
static inline void crew_welcome_lane(struct crew *c, int lane, const struct cox_message *hello,
                                     struct cox_message *welcome)
{
    for (int i = 0; i < cox_message_count(hello, "lanes"); i++) {
        const struct cox_message *at = cox_message_item(hello, "lanes", i);
        if (cox_message_int(at, "lane", -1) != lane)
            continue;
        struct cox_message *entry = cox_message_push(welcome, "lanes");
        cox_message_set_int(entry, "lane", lane);
        cox_message_set_int(entry, "segment", cox_message_int(at, "segment", -1));
        cox_message_set_text(entry, "kind", "keep");
        return;
    }
    int64_t segment = c->newest[lane] < 0 ? lane : c->newest[lane];
    while (crew_continued(c, segment))
        segment -= c->lanes;
    if (c->newest[lane] < 0)
        c->newest[lane] = segment;
    c->segment[segment].opened = true;
    crew_entry(c, segment, cox_message_push(welcome, "lanes"));
}

static inline void crew_expect(struct crew *c, const struct crew_worker *w)
{
    struct cox_message *expect = cox_message_create("expect");
    cox_message_set_text(expect, "name", w->name);
    cox_message_set_int(expect, "epoch", w->epoch);
    crew_send(c, c->worker[c->simulations].name, expect);
}

static inline void crew_hello(struct crew *c, struct crew_worker *w,
                              const struct cox_message *hello)
{
    struct cox_message *welcome = cox_message_create("welcome");
    w->up = true;
    if (!strcmp(w->role, "aggregate")) {
        snprintf(c->endpoint, sizeof c->endpoint, "%s", cox_message_text(hello, "endpoint", ""));
        for (int s = 0; s < c->simulations; s++) {
            struct cox_message *moved = cox_message_create("aggregator");
            cox_message_set_text(moved, "endpoint", c->endpoint);
            crew_send(c, c->worker[s].name, moved);
        }
    } else {
        int share = c->lanes / c->simulations;
        int first = (int)(w - c->worker) * share;
        cox_message_set_text(welcome, "endpoint", c->endpoint);
        cox_message_set_int(welcome, "first_lane", first);
        cox_message_set_int(welcome, "n_lanes", share);
        for (int lane = first; lane < first + share; lane++)
            crew_welcome_lane(c, lane, hello, welcome);
        crew_expect(c, w);
    }
    crew_send(c, w->name, welcome);
    for (int s = 0; !strcmp(w->role, "aggregate") && s < c->simulations; s++)
        crew_expect(c, &c->worker[s]);
}

static inline bool crew_all_done(const struct crew *c)
{
    for (int lane = 0; lane < c->lanes; lane++)
        if (!c->done[lane])
            return false;
    return true;
}

static inline void crew_ended(struct crew *c, struct crew_worker *w, const struct cox_message *m)
{
    struct cox_message *answer = cox_message_create("assign");
    for (int i = 0; i < cox_message_count(m, "lanes"); i++) {
        const struct cox_message *entry = cox_message_item(m, "lanes", i);
        int64_t id = cox_message_int(entry, "segment", -1);
        int lane = (int)cox_message_int(entry, "lane", -1);
        assert_true(id >= 0 && id < CREW_SEGMENTS && lane == crew_lane(c, id));
        struct crew_segment *g = &c->segment[id];
        int frames = (int)cox_message_int(entry, "frames", -1);
        assert_true(g->opened);
        bool cut = cox_message_int(entry, "cut", 0) != 0;
        if (g->closed && !g->cut && cut)
            continue; /* stopped while it was repeating what an attempt before it had done */
        if (g->closed && !g->cut)
            assert_int_equal(g->frames, frames);
        g->closed = true;
        g->frames = frames;
        g->cut = cut;
        g->blown = cox_message_int(entry, "blown", 0) != 0;
        int64_t next = id + c->lanes;
        if (g->cut)
            continue;
        c->done[lane] = c->done[lane] || next / c->lanes >= c->generations;
        if (crew_all_done(c))
            continue;
        c->segment[next].opened = true;
        c->segment[next].anew = g->blown;
        if (next > c->newest[lane])
            c->newest[lane] = next;
        crew_entry(c, next, cox_message_push(answer, "lanes"));
    }
    if (cox_message_count(answer, "lanes"))
        crew_send(c, w->name, answer);
    else
        cox_message_destroy(answer);
}

static inline void crew_handle(struct crew *c, const char *peer, struct cox_message *m)
{
    struct crew_worker *w = crew_find(c, peer);
    if (cox_message_int(m, "epoch", -1) != w->epoch) {
        struct cox_message *fenced = cox_message_create("fenced");
        cox_message_set_int(fenced, "epoch", cox_message_int(m, "epoch", -1));
        c->fenced++;
        crew_send(c, peer, fenced);
    } else if (cox_message_is(m, "hello")) {
        crew_hello(c, w, m);
    } else if (cox_message_is(m, "heartbeat")) {
        crew_send(c, peer, cox_message_create("alive"));
        struct cox_message **kept = !strcmp(w->role, "simulate") ? &c->heartbeat : &c->stored;
        cox_message_destroy(*kept);
        *kept = m;
        return;
    } else if (cox_message_is(m, "ended")) {
        crew_ended(c, w, m);
    } else if (cox_message_is(m, "trouble")) {
        c->troubles++;
        snprintf(c->trouble, sizeof c->trouble, "%s", cox_message_text(m, "text", ""));
    } else if (cox_message_is(m, "recovered")) {
        c->recoveries++;
    } else if (cox_message_is(m, "task")) {
        c->paused += !strcmp(cox_message_text(m, "kind", ""), "paused");
    } else if (cox_message_is(m, "bye")) {
        w->bye = true;
    }
    cox_message_destroy(m);
}

/* Serves for so many seconds; false: none came in them. */
static inline bool crew_serve(struct crew *c, double seconds)
{
    double end = cox_clock_seconds() + seconds;
    bool any = false;
    for (double left = seconds; left >= 0; left = end - cox_clock_seconds()) {
        struct cox_err err = COX_ERR_INIT;
        struct cox_message *m = NULL;
        char peer[COX_PEER_SIZE];
        if (cox_hub_receive(c->hub, left, NULL, 0, &m, peer, &err))
            fail_msg("%s", err.text);
        if (!m)
            continue;
        any = true;
        crew_handle(c, peer, m);
    }
    return any;
}

/* Serves until a condition holds. */
#define crew_until(crew, condition)                                                \
    do {                                                                           \
        double crew_limit = cox_clock_seconds() + CREW_PATIENCE_S;                 \
        while (!(condition)) {                                                     \
            if (cox_clock_seconds() > crew_limit)                                  \
                fail_msg("after %g s still not: %s", CREW_PATIENCE_S, #condition); \
            crew_serve(crew, 0.005);                                               \
        }                                                                          \
    } while (0)

static inline int64_t crew_slowest(const struct crew *c)
{
    int64_t least = INT64_MAX;
    for (int lane = 0; lane < c->lanes; lane++)
        if (c->newest[lane] / c->lanes < least)
            least = c->newest[lane] / c->lanes;
    return least;
}

static inline void crew_stop(struct crew *c, struct crew_worker *w)
{
    crew_send(c, w->name, cox_message_create("stop"));
    crew_until(c, (crew_reap(w, false), !w->pid));
    assert_int_equal(w->exit_code, 0);
    crew_until(c, w->bye); /* it may stand behind other messages */
}

/* Simulations first, so that the aggregator stores all they have. */
static inline void crew_stop_all(struct crew *c)
{
    for (int w = 0; w <= c->simulations; w++)
        crew_stop(c, &c->worker[w]);
}

/* ---- what was stored ---- */

struct crew_row {
    int32_t segment, index, lane, round;
    int64_t step;
    double time_ps;
    float rg, temperature_K;
    float x[CREW_ATOMS][3];
};

static inline int crew_compare(const void *a, const void *b)
{
    const struct crew_row *p = a;
    const struct crew_row *q = b;
    return p->segment != q->segment ? (p->segment > q->segment) - (p->segment < q->segment)
                                    : (p->index > q->index) - (p->index < q->index);
}

/* All rows by (segment, index); freed with cox_free. */
static inline struct crew_row *crew_rows(const struct crew *c, int64_t *n)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_traj *traj = NULL;
    char path[PATH_MAX];
    crew_path(c, "frames-0.h5", path);
    if (cox_traj_open_read(&traj, path, &err))
        fail_msg("%s", err.text);
    *n = cox_traj_frames(traj);
    size_t m = (size_t)*n;
    struct crew_row *rows = cox_alloc(m + 1, sizeof *rows);
    int32_t *whole = cox_alloc(4 * m, sizeof *whole);
    float *numbers = cox_alloc((2 + 3 * CREW_ATOMS) * m, sizeof *numbers);
    int64_t *step = cox_alloc(m, sizeof *step);
    double *time_ps = cox_alloc(m, sizeof *time_ps);
    int rc = cox_traj_read_i32(traj, "segment", 0, *n, whole, &err);
    rc = rc ? rc : cox_traj_read_i32(traj, "index", 0, *n, whole + m, &err);
    rc = rc ? rc : cox_traj_read_i32(traj, "lane", 0, *n, whole + 2 * m, &err);
    rc = rc ? rc : cox_traj_read_i32(traj, "round", 0, *n, whole + 3 * m, &err);
    rc = rc ? rc : cox_traj_read_f32(traj, "rg_A", 0, *n, numbers, &err);
    rc = rc ? rc : cox_traj_read_f32(traj, "temperature_K", 0, *n, numbers + m, &err);
    rc = rc ? rc : cox_traj_read_times(traj, 0, *n, step, time_ps, &err);
    rc = rc ? rc : cox_traj_read_positions(traj, 0, *n, numbers + 2 * m, &err);
    if (rc)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < m; i++) {
        rows[i] = (struct crew_row){.segment = whole[i],
                                    .index = whole[m + i],
                                    .lane = whole[2 * m + i],
                                    .round = whole[3 * m + i],
                                    .step = step[i],
                                    .time_ps = time_ps[i],
                                    .rg = numbers[i],
                                    .temperature_K = numbers[m + i]};
        memcpy(rows[i].x, numbers + 2 * m + 3 * CREW_ATOMS * i, sizeof rows[i].x);
    }
    cox_free(whole);
    cox_free(numbers);
    cox_free(step);
    cox_free(time_ps);
    assert_int_equal(cox_traj_close(traj, &err), 0);
    qsort(rows, (size_t)*n, sizeof *rows, crew_compare);
    return rows;
}

/* Rows of the segments that two runs of as many generations have in common. */
static inline int64_t crew_common(const struct crew *c, const struct crew_row *rows, int64_t n)
{
    int64_t m = 0;
    while (m < n && rows[m].segment < (int64_t)c->generations * c->lanes)
        m++;
    return m;
}

/* Every frame of every segment that ended, once. Only of segments that were under way at the end
 * may there be more than was told: of an attempt that was killed. */
static inline void crew_assert_complete(const struct crew *c, const struct crew_row *rows,
                                        int64_t n)
{
    int64_t at = 0;
    for (int64_t id = 0; id < CREW_SEGMENTS; id++) {
        const struct crew_segment *g = &c->segment[id];
        bool whole = g->closed && (!g->cut || id / c->lanes + 1 < c->generations);
        int i = 0;
        for (; at < n && rows[at].segment == id; at++, i++) {
            assert_int_equal(rows[at].index, i);
            assert_int_equal(rows[at].lane, crew_lane(c, id));
        }
        if (whole)
            assert_int_equal(i, g->frames);
        else
            assert_true(i >= g->frames && i <= c->frames_per_segment);
    }
    assert_int_equal(at, n);
}

#endif
