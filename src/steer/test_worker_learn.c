/* SPDX-License-Identifier: BSD-3-Clause */
/* The train and agent roles as processes of their own; the test plays the coordinator (hub) and the
 * aggregator (it writes the frames file that they follow). */
#include <limits.h>
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
#include <math.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cox/system.h"
#include "learn/cvae.h"
#include "steer/columns.h"
#include "steer/learner.h"
#include "steer/worker.h"
#include "stream/link.h"
#include "stream/message.h"

enum { ATOMS = 8, LANES = 4 };
#define PATIENCE_S 20.0

static char folder[] = "/tmp/cox-learn-XXXXXX";

struct world {
    struct cox_hub *hub;
    struct cox_traj *traj;
    struct cox_settings settings;
    struct cox_arena *arena;
    struct cox_system *system;
    struct cox_frames frames;
    pid_t child;
    char name[16];
    int64_t epoch, frame;     /* the newest attempt; frames written */
    struct cox_message *seen; /* the newest message of the kind last waited for */
    struct cox_message *heartbeat;
};

static void path_in(char *out, const char *name)
{
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_path_join(out, PATH_MAX, folder, name, &err), 0);
}

/* ---- a run directory ---- */

/* A chain; `stretch` 1 is the start, 0 the fold. */
static void chain(double (*x)[3], double stretch)
{
    for (int i = 0; i < ATOMS; i++) {
        x[i][0] = (0.2 + 0.2 * stretch) * i;
        x[i][1] = 0.1 * (i % 2);
        x[i][2] = 0.25 * (1 - stretch) * (i % 3);
    }
}

static void write_system(const char *name, double stretch)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    char path[PATH_MAX];
    assert_int_equal(cox_system_create(&s, ATOMS, ATOMS, 0, 0, 0, 0, 0, &err), 0);
    for (int i = 0; i < ATOMS; i++) {
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
    }
    chain(s->position_nm, stretch);
    snprintf(s->name, sizeof s->name, "chain");
    path_in(path, name);
    assert_int_equal(cox_system_save(s, path, &err), 0);
    cox_system_destroy(s);
}

static void open_world(struct world *w, const char *extra)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_config *config;
    struct cox_traj_column columns[COX_COLUMNS_MAX];
    char text[2048];
    char path[PATH_MAX];
    *w = (struct world){.arena = cox_arena_create()};
    assert_int_equal(cox_directory_remove(folder, &err), 0);
    path_in(path, "models");
    assert_int_equal(cox_directory_create(path, &err), 0);
    write_system("chain.system.h5", 1);
    write_system("fold.system.h5", 0);
    snprintf(text, sizeof text,
             "system: chain.system.h5\nreference: {path: fold.system.h5}\n"
             "coordination: streaming\nstop: {rounds: 3}\n"
             "simulation: {engine: fake, replicas: %d, frame_ps: 1, segment_ps: 10}\n"
             "%s\n",
             LANES, extra);
    path_in(path, "config.yaml");
    assert_int_equal(cox_file_replace(path, text, strlen(text), &err), 0);
    if (cox_settings_load(&w->settings, &config, path, NULL, 0, w->arena, &err))
        fail_msg("%s", err.text);
    path_in(path, "chain.system.h5");
    assert_int_equal(cox_system_load(&w->system, path, &err), 0);
    assert_int_equal(cox_frames_init(&w->frames, w->system, &w->settings, config, &err), 0);
    struct cox_traj_options options = {.n_columns = cox_columns(&w->frames, true, columns),
                                       .columns = columns};
    path_in(path, "frames-0.h5");
    if (cox_traj_create(&w->traj, path, w->system, &options, &err) ||
        cox_hub_create(&w->hub, "ipc", NULL, &err))
        fail_msg("%s", err.text);
}

static void reap(struct world *w, int wanted)
{
    int status = -1;
    assert_int_equal(waitpid(w->child, &status, 0), w->child);
    if (wanted >= 0)
        assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : 255, wanted);
    w->child = 0;
}

static void close_world(struct world *w)
{
    if (w->child) {
        kill(w->child, SIGKILL);
        reap(w, -1);
    }
    cox_message_destroy(w->seen);
    cox_message_destroy(w->heartbeat);
    cox_hub_destroy(w->hub);
    cox_traj_destroy(w->traj);
    cox_frames_deinit(&w->frames);
    cox_system_destroy(w->system);
    cox_arena_destroy(w->arena);
}

/* ---- the aggregator's part ---- */

/* One frame of `lane`: a chain stretched so far, with a little noise. */
static void write_frame(struct world *w, int lane, int segment, double stretch, bool sync)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_rng rng;
    double x[ATOMS][3];
    float position[ATOMS][3];
    float values[COX_FRAMES_MAX_OBSERVABLES + 1];
    const void *column[COX_COLUMNS_MAX];
    int32_t ints[4] = {segment, lane, 0, 0}; /* the index matters to nobody here */
    int64_t step = w->frame / LANES * 1000;
    double time = (double)(w->frame / LANES);
    int n = 0;
    cox_rng_init(&rng, 5, (uint64_t)w->frame);
    chain(x, stretch);
    for (int i = 0; i < ATOMS; i++)
        for (int k = 0; k < 3; k++)
            position[i][k] = (float)(x[i][k] + 1e-4 * cox_rng_normal(&rng));
    cox_columns_fill(&w->frames, (const float(*)[3])position, 300, values);
    for (; n < COX_COLUMN_VALUES; n++)
        column[n] = &ints[n];
    for (int i = 0; i < cox_columns_values(&w->frames); i++)
        column[n++] = &values[i];
    column[n] = &ints[3];
    struct cox_traj_block block = {
        .n = 1, .step = &step, .time_ps = &time, .position_nm = &position[0][0], .column = column};
    if (cox_traj_append(w->traj, &block, &err) || (sync && cox_traj_sync(w->traj, &err)))
        fail_msg("%s", err.text);
    w->frame++;
}

/* n rounds of frames of all lanes at random stretches. */
static void write_frames(struct world *w, int n)
{
    for (int i = 0; i < n * LANES; i++) {
        struct cox_rng rng;
        cox_rng_init(&rng, 9, (uint64_t)w->frame);
        int lane = (int)(w->frame % LANES);
        write_frame(w, lane, lane, 0.2 + 0.8 * cox_rng_uniform(&rng), i == n * LANES - 1);
    }
}

/* ---- the coordinator's part ---- */

static void start(struct world *w, const char *role, const char *name)
{
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%d", (int)++w->epoch);
    snprintf(w->name, sizeof w->name, "%s", name);
    w->child = fork();
    assert_true(w->child >= 0);
    if (w->child == 0) { /* a program of its own: libraries do not survive a fork */
        execl("/proc/self/exe", "worker", role, folder, name, epoch, cox_hub_endpoint(w->hub),
              (char *)NULL);
        _exit(127);
    }
}

static void tell(struct world *w, struct cox_message *m)
{
    struct cox_err err = COX_ERR_INIT;
    if (cox_hub_send(w->hub, w->name, m, &err))
        fail_msg("%s", err.text);
}

static void grant(struct world *w, int n)
{
    static const int64_t list[] = {0, 1};
    struct cox_message *m = cox_message_create("cores");
    cox_message_set_ints(m, "list", list, n);
    tell(w, m);
}

/* Answers heartbeats until a message of this type comes; NULL after `seconds`. Owned by w. */
static const struct cox_message *hear(struct world *w, const char *type, double seconds)
{
    struct cox_err err = COX_ERR_INIT;
    double end = cox_clock_seconds() + seconds;
    cox_message_destroy(w->seen);
    w->seen = NULL;
    while (cox_clock_seconds() < end) {
        struct cox_message *m = NULL;
        char peer[COX_PEER_SIZE];
        assert_int_equal(cox_hub_receive(w->hub, 0.1, NULL, 0, &m, peer, &err), 0);
        if (!m || cox_message_int(m, "epoch", -1) != w->epoch) {
            cox_message_destroy(m);
            continue;
        }
        bool wanted = cox_message_is(m, type);
        if (cox_message_is(m, "heartbeat")) {
            if (cox_hub_send(w->hub, w->name, cox_message_create("alive"), &err))
                err = (struct cox_err)COX_ERR_INIT; /* it may have said bye meanwhile */
            cox_message_destroy(w->heartbeat);
            w->heartbeat = m;
            if (wanted)
                return m;
            continue;
        }
        if (wanted)
            return w->seen = m;
        if (cox_message_is(m, "trouble"))
            print_message("trouble: %s\n", cox_message_text(m, "text", ""));
        cox_message_destroy(m);
    }
    return NULL;
}

static const struct cox_message *must_hear(struct world *w, const char *type)
{
    const struct cox_message *m = hear(w, type, PATIENCE_S);
    if (!m)
        fail_msg("no '%s' came", type);
    return m;
}

static void stop(struct world *w)
{
    tell(w, cox_message_create("stop"));
    must_hear(w, "bye");
    reap(w, 0);
}

/* ---- train ---- */

#define TINY                                                                                \
    "learn: {filters: [4], strides: [1], dense: 16, latent: 2, batch: 8, max_samples: 60, " \
    "validation_fraction: 0.25, "

static int64_t steps_of(const char *name)
{
    char path[PATH_MAX];
    struct cox_cvae *cvae = NULL;
    struct cox_err err = COX_ERR_INIT;
    path_in(path, name);
    if (cox_cvae_load(&cvae, path, NULL, &err))
        fail_msg("%s", err.text);
    int64_t steps = cox_cvae_steps(cvae);
    cox_cvae_destroy(cvae);
    return steps;
}

static void wait_doing(struct world *w, const char *what)
{
    double end = cox_clock_seconds() + PATIENCE_S;
    while (strcmp(cox_message_text(must_hear(w, "heartbeat"), "doing", ""), what) != 0)
        if (cox_clock_seconds() > end)
            fail_msg("never '%s'", what);
}

static void a_trainer_waits_trains_pauses_and_goes_on_after_a_crash(void **state)
{
    struct world w;
    char first[128];
    (void)state;
    open_world(&w, TINY "epochs_first: 300, epochs: 2, publish_tolerance: 1e6}\n"
                        "streaming: {train_first_frames: 40, train_after_frames: 20, "
                        "heartbeat_s: 0.05}");
    start(&w, "train", "train-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    grant(&w, 0);
    write_frames(&w, 20);
    while (cox_message_number(must_hear(&w, "heartbeat"), "lag", 0) < 2) /* 80 of 40 */
        assert_string_equal(cox_message_text(w.heartbeat, "doing", ""), "waiting");
    assert_null(hear(&w, "published", 0.3)); /* no core, no training */

    grant(&w, 1);
    wait_doing(&w, "train");
    grant(&w, 0);
    wait_doing(&w, "paused");
    assert_null(hear(&w, "published", 0.3));
    grant(&w, 2); /* as many as there are, or more */
    const struct cox_message *m = must_hear(&w, "task");
    while (strcmp(cox_message_text(m, "kind", ""), "paused") != 0)
        m = must_hear(&w, "task");
    assert_true(cox_message_number(m, "ended", 0) - cox_message_number(m, "began", 0) > 0.25);
    assert_int_equal(cox_message_int(m, "more", 0), 1);
    m = must_hear(&w, "published");
    assert_int_equal(cox_message_int(m, "id", -1), 0);
    assert_int_equal(cox_message_int(m, "samples", 0), 60); /* of 80: the most that are kept */
    assert_int_equal(cox_message_int(m, "epochs", 0), 300);
    assert_true(isfinite(cox_message_number(m, "valid_loss", NAN)));
    snprintf(first, sizeof first, "%s", cox_message_text(m, "path", ""));
    assert_string_equal(first, "models/model-0000.e1.h5");
    int64_t steps = steps_of(first);
    m = must_hear(&w, "task");
    assert_string_equal(cox_message_text(m, "kind", ""), "train");
    assert_int_equal(cox_message_int(m, "more", 0), 0);
    assert_true(cox_message_number(m, "lag", 9) < 1); /* as it is now: the core may go back */

    /* it has its cores still, and goes on by itself when it is due */
    write_frames(&w, 5);
    m = must_hear(&w, "published");
    assert_int_equal(cox_message_int(m, "id", -1), 1);
    assert_true(steps_of(cox_message_text(m, "path", "")) > steps);

    /* a crash: the next attempt goes on from the newest model that counts */
    kill(w.child, SIGKILL);
    reap(&w, -1);
    start(&w, "train", "train-0");
    must_hear(&w, "hello");
    struct cox_message *welcome = cox_message_create("welcome");
    cox_message_set_int(welcome, "model", 0);
    cox_message_set_text(welcome, "path", first);
    tell(&w, welcome);
    grant(&w, 0);
    assert_null(hear(&w, "published", 0.3));
    grant(&w, 1); /* a call: trained even though nothing new has come */
    m = must_hear(&w, "published");
    assert_int_equal(cox_message_int(m, "id", -1), 1);
    assert_string_equal(cox_message_text(m, "path", ""), "models/model-0001.e2.h5");
    int64_t again = steps_of("models/model-0001.e2.h5");
    assert_in_range(again - steps, 2, 2 * 8); /* two epochs of some 45 maps in batches of 8 */
    stop(&w);
    close_world(&w);
}

static void a_worse_model_is_not_published(void **state)
{
    struct world w;
    int published = 0;
    int refused = 0;
    (void)state;
    /* a learning rate that throws the weights about */
    open_world(&w, TINY "epochs_first: 5, epochs: 1, publish_tolerance: 0, learning_rate: 0.1}\n"
                        "streaming: {train_first_frames: 40, train_after_frames: 4, "
                        "heartbeat_s: 0.05}");
    start(&w, "train", "train-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    grant(&w, 1);
    write_frames(&w, 20);
    while (!published || refused < 2) {
        struct cox_err err = COX_ERR_INIT;
        struct cox_message *m = NULL;
        char peer[COX_PEER_SIZE];
        assert_int_equal(cox_hub_receive(w.hub, PATIENCE_S, NULL, 0, &m, peer, &err), 0);
        assert_non_null(m);
        published += cox_message_is(m, "published");
        refused += cox_message_is(m, "trouble") &&
                   strstr(cox_message_text(m, "text", ""), "publish_tolerance") != NULL;
        if (cox_message_is(m, "task"))
            write_frames(&w, 2);
        if (cox_message_is(m, "heartbeat"))
            tell(&w, cox_message_create("alive")); /* it has not been told to stop */
        if (cox_message_is(m, "published"))
            assert_int_equal(cox_message_int(m, "id", -1), published - 1);
        cox_message_destroy(m);
        assert_true(published < 200);
    }
    stop(&w);
    close_world(&w);
}

/* ---- agent ---- */

static int64_t offered(const struct cox_message *m, int i, const char *key)
{
    return cox_message_int(cox_message_item(m, "starts", i), key, -1);
}

/* The newest list of offers that knows all frames written. */
static const struct cox_message *offers(struct world *w)
{
    double end = cox_clock_seconds() + PATIENCE_S;
    const struct cox_message *m = must_hear(w, "starts");
    while (cox_message_int(m, "frames", 0) < w->frame) {
        assert_true(cox_clock_seconds() < end);
        m = must_hear(w, "starts");
    }
    return m;
}

static void used(struct world *w, const char *key, int64_t frame, int lane, int segment)
{
    struct cox_message *m = cox_message_create("used");
    cox_message_set_ints(m, key, &frame, 1);
    if (lane >= 0) {
        cox_message_set_int(m, "lane", lane);
        cox_message_set_int(m, "segment", segment);
    }
    tell(w, m);
}

/* Frames 0 … LANES−1 at these stretches, then rounds in which nobody gets anywhere. */
static void write_known(struct world *w, const double best[LANES], int rounds)
{
    for (int lane = 0; lane < LANES; lane++)
        write_frame(w, lane, lane, best[lane], lane == LANES - 1);
    for (int i = 0; i < rounds * LANES; i++)
        write_frame(w, i % LANES, i % LANES, 0.9 + 0.01 * (i % LANES), i == rounds * LANES - 1);
}

static void an_agent_offers_the_best_and_forgets_what_was_used(void **state)
{
    static const double best[LANES] = {0.5, 0.1, 0.3, 0.7};
    static const double better[LANES] = {0.5, 0.05, 0.3, 0.7};
    struct world w;
    (void)state;
    open_world(&w, "agent: {objective: rmsd_A, explore: 0, diversity_A: 0.01, max_reuse: 2, "
                   "window: 40, unsteered: 0.25}\nlearn: {enabled: false}\n"
                   "streaming: {heartbeat_s: 0.05}");
    write_known(&w, best, 5);
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    const struct cox_message *m = offers(&w);
    assert_int_equal(cox_message_count(m, "starts"), 2); /* half of three, rounded */
    assert_int_equal(offered(m, 0, "frame"), 1);
    assert_int_equal(offered(m, 1, "frame"), 2);
    assert_int_equal(offered(m, 0, "parent_segment"), 1);
    assert_int_equal(offered(m, 0, "now"), 0);
    assert_int_equal(offered(m, 0, "lane"), 2); /* of 0, 1 and 2 the farthest from the fold */
    int states = (int)cox_message_int(m, "states", 0);
    assert_true(states > 1);

    /* offers are no uses: it is offered until it was taken twice; a poisoned one never again */
    write_known(&w, better, 0);
    m = offers(&w);
    assert_int_equal(offered(m, 0, "frame"), 24 + 1);
    used(&w, "frames", 25, 2, 10);
    used(&w, "frames", 25, 2, 11);
    write_known(&w, best, 0);
    m = offers(&w);
    assert_true(offered(m, 0, "frame") == 28 + 1 || offered(m, 0, "frame") == 1);
    used(&w, "poisoned", 1, -1, 0);
    used(&w, "poisoned", 29, -1, 0);
    for (int i = 0; i < LANES; i++)
        write_frame(&w, i, i, 0.95, i == LANES - 1);
    m = offers(&w);
    assert_true(offered(m, 0, "frame") % LANES == 2); /* the next best */

    /* the window: what has fallen out of it is not offered; states are for ever */
    for (int i = 0; i < 30 * LANES; i++)
        write_frame(&w, i % LANES, i % LANES, 0.9 + 0.01 * (i % LANES), i == 30 * LANES - 1);
    m = offers(&w);
    assert_int_equal(cox_message_int(m, "window", 0), 40);
    for (int i = 0; i < cox_message_count(m, "starts"); i++)
        assert_true(offered(m, i, "frame") >= w.frame - 40);
    assert_true(cox_message_int(m, "states", 0) >= states);
    states = (int)cox_message_int(m, "states", 0);
    int64_t favourite = offered(m, 0, "frame");

    /* a crash: the next attempt knows what was used, and finds the same states */
    kill(w.child, SIGKILL);
    reap(&w, -1);
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    struct cox_message *welcome = cox_message_create("welcome");
    cox_message_set_ints(welcome, "used", (const int64_t[]){favourite, 25, favourite}, 3);
    tell(&w, welcome);
    m = offers(&w);
    assert_int_equal(cox_message_int(m, "states", 0), states);
    for (int i = 0; i < cox_message_count(m, "starts"); i++)
        assert_true(offered(m, i, "frame") != favourite);
    stop(&w);
    close_world(&w);
}

static void save_model(const struct world *w, const char *name, uint64_t seed)
{
    char path[PATH_MAX];
    struct cox_cvae *cvae = NULL;
    struct cox_err err = COX_ERR_INIT;
    path_in(path, name);
    if (cox_learner_fresh(&cvae, &w->settings.learn, ATOMS, seed, NULL, &err) ||
        cox_cvae_save(cvae, path, &err))
        fail_msg("%s", err.text);
    cox_cvae_destroy(cvae);
}

static void tell_model(struct world *w, int id, const char *name)
{
    struct cox_message *m = cox_message_create("model");
    cox_message_set_int(m, "id", id);
    cox_message_set_text(m, "path", name);
    tell(w, m);
}

static void a_new_model_embeds_the_window_anew(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, TINY "epochs: 1}\nagent: {outliers: lof, window: 600, lof_neighbours: 4}\n"
                        "streaming: {heartbeat_s: 0.05}");
    write_frames(&w, 200); /* 800, more than a window and several pieces */
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    assert_int_equal(cox_message_int(offers(&w), "model", 0), -1);
    for (int id = 3; id < 5; id++) {
        char name[64];
        snprintf(name, sizeof name, "models/model-%d.h5", id);
        save_model(&w, name, (uint64_t)id);
        tell_model(&w, id, name);
        const struct cox_message *m = offers(&w); /* nothing new came but the model */
        assert_int_equal(cox_message_int(m, "model", 0), id);
        assert_int_equal(cox_message_int(m, "outliers", 0), 60);
        must_hear(&w, "heartbeat");
        assert_true(cox_message_int(w.heartbeat, "embedded", 0) >= 600);
        write_frames(&w, 1);
        assert_int_equal(cox_message_int(offers(&w), "model", 0), id);
    }
    stop(&w);
    close_world(&w);
}

static void a_stale_lane_is_to_be_replaced_at_once(void **state)
{
    struct world w;
    (void)state;
    open_world(&w, "agent: {objective: rmsd_A, explore: 0, diversity_A: 0, stale_ps: 5, "
                   "restart: 0, unsteered: 0}\nlearn: {enabled: false}\n"
                   "streaming: {heartbeat_s: 0.05}");
    for (int i = 0; i < 8 * LANES; i++) { /* all move towards the fold but lane 2 */
        int lane = i % LANES;
        write_frame(&w, lane, lane, lane == 2 ? 0.9 + 0.01 * i : 0.9 - 0.005 * i,
                    i == 8 * LANES - 1);
    }
    start(&w, "agent", "agent-0");
    must_hear(&w, "hello");
    tell(&w, cox_message_create("welcome"));
    const struct cox_message *m = offers(&w);
    assert_int_equal(cox_message_count(m, "starts"), 1);
    assert_int_equal(offered(m, 0, "lane"), 2);
    assert_int_equal(offered(m, 0, "now"), 1);
    used(&w, "frames", offered(m, 0, "frame"), 2, 77);
    for (int i = 8 * LANES; i < 12 * LANES; i++) {
        int lane = i % LANES;
        write_frame(&w, lane, lane == 2 ? 77 : lane, lane == 2 ? 1 : 0.9 - 0.005 * i,
                    i == 12 * LANES - 1);
    }
    assert_int_equal(cox_message_count(offers(&w), "starts"), 0); /* it has its time now */
    stop(&w);
    close_world(&w);
}

/* ---- */

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    return cox_directory_remove(folder, &err);
}

static int be_worker(char **argv)
{
    static atomic_int cancel;
    struct cox_err err = COX_ERR_INIT;
    long long epoch = -1;
    if (cox_parse_int(argv[4], &epoch))
        return 2;
    struct cox_worker_options options = {.role = argv[1],
                                         .directory = argv[2],
                                         .name = argv[3],
                                         .epoch = epoch,
                                         .hub = argv[5],
                                         .cancel = &cancel};
    int rc = cox_worker_run(&options, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trainer_waits_trains_pauses_and_goes_on_after_a_crash),
        cmocka_unit_test(a_worse_model_is_not_published),
        cmocka_unit_test(an_agent_offers_the_best_and_forgets_what_was_used),
        cmocka_unit_test(a_new_model_embeds_the_window_anew),
        cmocka_unit_test(a_stale_lane_is_to_be_replaced_at_once),
    };
    if (argc == 6)
        return be_worker(argv);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
