/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent role: follows the frames files, embeds what is new with the newest model (the whole
 * window anew when a model arrives, in pieces), and offers the coordinator starts: for each of the
 * least promising lanes, a frame to begin at when its segment ends, or at once when it has gone
 * stale. Each list of offers replaces the one before. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "learn/cvae.h"
#include "steer/agent/agent.h"
#include "steer/agent/window.h"
#include "steer/learner.h"
#include "steer/stale.h"
#include "steer/worker/worker.h"
#include "store/follow.h"
#include "stream/message.h"

#define LOOK_S 0.1              /* between two looks at the frames files */
#define BLOCK_BYTES (16u << 20) /* coordinates read at once */
#define BLOCK_FRAMES 256
#define PIECE 256 /* frames embedded at once */
#define PATIENCE                                                                     \
    4.0 /* after a decision that took t, none for PATIENCE·t: the agent has no core \
           of its own, and the simulations are to keep theirs */
#define WORTH_TELLING 0.01 /* s, of a task on the timeline */

struct agent {
    struct cox_worker *worker;
    const struct cox_settings *settings;
    struct cox_agent_window window;
    struct cox_follow *follow;
    struct cox_stale *stale; /* NULL: off */
    bool by_objective;       /* how staleness is measured */
    bool embeds;             /* somebody needs latent vectors */

    int64_t block;
    int64_t *ids, *steps; /* [BLOCK_FRAMES] */
    double *times;
    int32_t *columns; /* [3][BLOCK_FRAMES] */
    float *x;         /* [block][N][3] */

    struct cox_cvae *cvae;
    int64_t model;      /* -1: none */
    double embed_began; /* Unix time at which re-embedding began, 0: not under way */
    struct cox_pick *picks;
    bool *urgent;
    int64_t decided_at; /* frames seen at the newest decision */
    int64_t decisions;
    bool fresh_model;     /* not decided with yet */
    double next_decision; /* clock: not before */
    int outliers;
};

static void figures(void *user, struct cox_message *heartbeat)
{
    const struct agent *a = user;
    const struct cox_frames *f = &a->window.frames;
    int64_t embedded = a->window.embedded;
    cox_message_set_int(heartbeat, "seen", a->window.seen);
    cox_message_set_int(heartbeat, "window", f->n < a->window.size ? f->n : a->window.size);
    cox_message_set_int(heartbeat, "embedded", a->cvae && a->embeds ? embedded : 0);
    cox_message_set_int(heartbeat, "model", a->model);
    cox_message_set_int(heartbeat, "states", f->n_states);
    cox_message_set_int(heartbeat, "outliers", a->outliers);
    cox_message_set_int(heartbeat, "decisions", a->decisions);
    cox_message_set_text(heartbeat, "doing", a->embed_began > 0 ? "embed" : "watch");
}

/* ---- messages ---- */

static int take_model(struct agent *a, int64_t id, const char *name, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_err problem = COX_ERR_INIT;
    struct cox_cvae *cvae = NULL;
    if (id < 0 || !name[0] || id == a->model)
        return COX_OK;
    int rc = cox_path_join(path, sizeof path, a->worker->options->directory, name, &problem);
    if (!rc)
        rc = cox_cvae_load(&cvae, path, a->worker->team, &problem);
    if (!rc)
        rc = cox_learner_check_size(cvae, path, a->window.frames.points.n, &problem);
    if (!rc)
        rc = cox_agent_window_model(&a->window, cox_cvae_latent(cvae), &problem);
    if (rc) {
        cox_cvae_destroy(cvae);
        if (rc == COX_ENOMEM)
            return cox_err_set(err, rc, "%s", problem.text);
        /* better an old model than no agent */
        cox_worker_tell(a->worker, "trouble", "model %" PRId64 " is not taken: %s", id,
                        problem.text);
        return COX_OK;
    }
    cox_cvae_destroy(a->cvae);
    a->cvae = cvae;
    a->model = id;
    a->fresh_model = true;
    a->embed_began = a->embeds ? cox_clock_unix() : 0;
    return COX_OK;
}

/* {frames, poisoned, lane, segment}: what lanes have begun at, now (`used`) and before (`welcome`),
 * and what is set aside; `lane` begins anew with `segment`. */
static int take_uses(struct agent *a, const struct cox_message *m, struct cox_err *err)
{
    int n = 0;
    int rc = COX_OK;
    const int64_t *frames = cox_message_ints(m, "frames", &n);
    for (int i = 0; !rc && i < n; i++)
        rc = cox_agent_window_used(&a->window, frames[i], err);
    frames = cox_message_ints(m, "poisoned", &n);
    for (int i = 0; !rc && i < n; i++)
        rc = cox_agent_window_poisoned(&a->window, frames[i], err);
    int64_t lane = cox_message_int(m, "lane", -1);
    if (a->stale && lane >= 0 && lane < a->window.lanes)
        cox_stale_restarted(a->stale, (int)lane, cox_message_int(m, "segment", 0));
    return rc;
}

static int tend(struct agent *a, double timeout_s, struct cox_err *err)
{
    struct cox_message *m = NULL;
    int rc = cox_worker_receive(a->worker, timeout_s, NULL, 0, &m, err);
    while (!rc && m && !a->worker->stopping) {
        if (cox_message_is(m, "model"))
            rc = take_model(a, cox_message_int(m, "id", -1), cox_message_text(m, "path", ""), err);
        else if (cox_message_is(m, "used"))
            rc = take_uses(a, m, err);
        cox_message_destroy(m);
        m = NULL;
        if (!rc)
            rc = cox_worker_receive(a->worker, 0, NULL, 0, &m, err);
    }
    cox_message_destroy(m);
    return rc;
}

/* ---- frames ---- */

static int read_block(struct agent *a, int64_t n, struct cox_agent_block *b, struct cox_err *err)
{
    struct cox_follow *f = a->follow;
    *b = (struct cox_agent_block){.n = (int)n,
                                  .id = a->ids,
                                  .x = a->x,
                                  .segment = a->columns,
                                  .lane = a->columns + BLOCK_FRAMES,
                                  .round = a->columns + 2 * BLOCK_FRAMES,
                                  .time_ps = a->times};
    int rc = cox_follow_i32(f, "segment", a->ids, n, a->columns, err);
    if (!rc)
        rc = cox_follow_i32(f, "lane", a->ids, n, a->columns + BLOCK_FRAMES, err);
    if (!rc)
        rc = cox_follow_i32(f, "round", a->ids, n, a->columns + 2 * BLOCK_FRAMES, err);
    if (!rc)
        rc = cox_follow_times(f, a->ids, n, a->steps, a->times, err);
    return rc ? rc : cox_follow_positions(f, a->ids, n, a->x, err);
}

static void watch_progress(struct agent *a, int n)
{
    const struct cox_frames *f = &a->window.frames;
    double sign = f->maximise ? 1 : -1;
    for (int64_t row = f->n - n; a->stale && row < f->n; row++)
        cox_stale_frame(a->stale, f->lane[row], f->segment[row], a->window.time_ps[row],
                        sign * cox_frames_value(f, row, f->objective));
}

/* Takes up to a block of new frames; *more: there may be others. */
static int look(struct agent *a, bool *more, struct cox_err *err)
{
    struct cox_agent_block block;
    int64_t known = 0;
    int64_t n = 0;
    int rc = cox_follow_refresh(a->follow, &known, err);
    if (!rc)
        rc = cox_follow_take(a->follow, a->block, a->ids, &n, err);
    *more = n == a->block;
    if (!rc && n)
        rc = read_block(a, n, &block, err);
    if (!rc && n)
        rc = cox_agent_window_append(&a->window, &block, a->worker->team, err);
    if (rc)
        return cox_err_wrap(err, rc, "following the frames");
    watch_progress(a, (int)n);
    return COX_OK;
}

static bool embedded(const struct agent *a)
{
    return !a->embeds || !a->cvae || a->window.embedded == a->window.frames.n;
}

/* The next piece; the first that ends at the newest frame ends the task that began with a model. */
static int embed(struct agent *a, struct cox_err *err)
{
    struct cox_agent_window *w = &a->window;
    const struct cox_frames *f = &w->frames;
    int64_t n = f->n - w->embedded < PIECE ? f->n - w->embedded : PIECE;
    struct cox_cvae_maps maps = {COX_CVAE_BITS, n, f->maps + (size_t)w->embedded * f->map_bytes,
                                 NULL};
    int rc = cox_cvae_embed(a->cvae, &maps, w->latent + w->embedded * w->n_latent, err);
    if (rc)
        return cox_err_wrap(err, rc, "embedding with model %" PRId64, a->model);
    w->embedded += n;
    if (!embedded(a) || a->embed_began <= 0)
        return COX_OK;
    if (cox_clock_unix() - a->embed_began > WORTH_TELLING)
        rc = cox_worker_task(a->worker, "embed", a->embed_began, 1, err);
    a->embed_began = 0;
    return rc;
}

/* ---- decisions ---- */

static void find_urgent(struct agent *a)
{
    struct cox_agent_window *w = &a->window;
    const struct cox_frames *f = &w->frames;
    struct cox_stale_rows rows = {f->n, f->lane, f->segment, w->time_ps, w->latent, w->n_latent};
    memset(a->urgent, 0, (size_t)w->lanes * sizeof *a->urgent);
    if (!a->stale)
        return;
    if (a->by_objective) {
        cox_stale_by_objective(a->stale, a->urgent);
    } else if (a->cvae) {
        /* the slack before the window has no vectors of this model */
        int64_t first = f->n > w->size ? f->n - w->size : 0;
        rows.n -= first;
        rows.lane += first;
        rows.segment += first;
        rows.time_ps += first;
        rows.latent += first * w->n_latent;
        cox_stale_by_latent(a->stale, &rows, a->urgent);
    }
}

static int offer(struct agent *a, const struct cox_agent_result *r, struct cox_err *err)
{
    const struct cox_agent_window *w = &a->window;
    struct cox_message *m = cox_worker_message(a->worker, "starts");
    cox_message_set_int(m, "model", a->model);
    cox_message_set_int(m, "outliers", r->outliers);
    cox_message_set_int(m, "window", r->window);
    cox_message_set_number(m, "eps", r->eps);
    cox_message_set_int(m, "states", w->frames.n_states);
    cox_message_set_int(m, "frames", w->seen);
    for (int i = 0; i < r->n_picks; i++) {
        const struct cox_pick *p = &r->picks[i];
        struct cox_message *item = cox_message_push(m, "starts");
        cox_message_set_int(item, "lane", p->lane);
        cox_message_set_int(item, "frame", w->id[p->frame]);
        cox_message_set_int(item, "parent_segment", w->frames.segment[p->frame]);
        cox_message_set_number(item, "score", p->score);
        cox_message_set_number(item, "novelty", p->novelty);
        cox_message_set_int(item, "rank", p->rank);
        cox_message_set_int(item, "now", a->urgent[p->lane]);
        if (a->urgent[p->lane])
            cox_stale_asked(a->stale, p->lane);
    }
    return cox_worker_send(a->worker, m, err);
}

static int decide(struct agent *a, struct cox_err *err)
{
    const struct cox_settings_agent *s = &a->settings->agent;
    const struct cox_agent_window *w = &a->window;
    double began = cox_clock_seconds();
    double began_unix = cox_clock_unix();
    uint64_t epoch = (uint64_t)a->worker->options->epoch;
    find_urgent(a);
    struct cox_agent_input input = {
        .settings = s,
        .frames = &a->window.frames,
        .latent = a->cvae && a->embeds ? w->latent : NULL,
        .n_latent = w->n_latent,
        .lanes = w->lanes,
        .last_frame = w->last,
        .urgent = a->urgent,
        .offers = true,
        .seed = cox_seed_mix(cox_seed_mix((uint64_t)a->settings->seed, 0xa6e0000u + epoch),
                             (uint64_t)a->decisions),
        .team = a->worker->team};
    struct cox_agent_result result = {.picks = a->picks};
    int rc = cox_agent_decide(&result, &input, err);
    if (rc)
        return cox_err_wrap(err, rc, "deciding");
    a->outliers = result.outliers;
    a->decisions++;
    a->decided_at = w->seen;
    a->fresh_model = false;
    rc = offer(a, &result, err);
    double took = cox_clock_seconds() - began;
    a->next_decision = cox_clock_seconds() + PATIENCE * took;
    if (!rc && took > WORTH_TELLING)
        rc = cox_worker_task(a->worker, "agent", began_unix, 1, err);
    return rc;
}

static bool due(const struct agent *a)
{
    const struct cox_agent_window *w = &a->window;
    bool enough = w->seen - a->decided_at >= w->lanes || (a->fresh_model && w->seen > 0);
    return enough && embedded(a) && cox_clock_seconds() >= a->next_decision;
}

/* ---- life ---- */

static int prepare(struct agent *a, const struct cox_message *welcome, struct cox_err *err)
{
    struct cox_worker *w = a->worker;
    const struct cox_settings *s = a->settings;
    int rc = cox_agent_window_init(&a->window, w->system, s, w->config, err);
    if (rc)
        return rc;
    size_t lanes = (size_t)s->simulation.replicas;
    size_t frame_bytes = (size_t)w->system->n_atoms * 3 * sizeof(float);
    a->by_objective = a->window.frames.objective >= 0;
    a->embeds = (s->agent.outliers != COX_OUTLIERS_NONE && s->agent.space == COX_SPACE_LATENT) ||
                (s->agent.stale_ps > 0 && !a->by_objective);
    a->block = (int64_t)(BLOCK_BYTES / frame_bytes);
    a->block = a->block < 1 ? 1 : a->block > BLOCK_FRAMES ? BLOCK_FRAMES : a->block;
    a->ids = cox_alloc(BLOCK_FRAMES, sizeof *a->ids);
    a->steps = cox_alloc(BLOCK_FRAMES, sizeof *a->steps);
    a->times = cox_alloc(BLOCK_FRAMES, sizeof *a->times);
    a->columns = cox_alloc(3 * BLOCK_FRAMES, sizeof *a->columns);
    a->x = cox_alloc((size_t)a->block, frame_bytes);
    a->picks = cox_alloc(lanes, sizeof *a->picks);
    a->urgent = cox_alloc(lanes, sizeof *a->urgent);
    if (!a->ids || !a->steps || !a->times || !a->columns || !a->x || !a->picks || !a->urgent)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the agent");
    if (s->agent.stale_ps > 0)
        rc = cox_stale_create(&a->stale, s->simulation.replicas, s->agent.stale_ps, err);
    if (!rc)
        rc = cox_follow_open(&a->follow, w->options->directory, err);
    if (!rc)
        rc = take_uses(a, welcome, err);
    if (!rc)
        rc = take_model(a, cox_message_int(welcome, "model", -1),
                        cox_message_text(welcome, "path", ""), err);
    return rc;
}

static void release(struct agent *a)
{
    cox_follow_close(a->follow);
    cox_stale_destroy(a->stale);
    cox_cvae_destroy(a->cvae);
    cox_agent_window_deinit(&a->window);
    cox_free(a->ids);
    cox_free(a->steps);
    cox_free(a->times);
    cox_free(a->columns);
    cox_free(a->x);
    cox_free(a->picks);
    cox_free(a->urgent);
}

static int serve(struct agent *a, struct cox_err *err)
{
    int rc = COX_OK;
    while (!rc && !a->worker->stopping) {
        bool more = false;
        rc = look(a, &more, err);
        if (!rc && !more && !embedded(a)) {
            rc = embed(a, err);
            more = !embedded(a);
        }
        if (!rc && !more && due(a))
            rc = decide(a, err);
        if (!rc)
            rc = tend(a, more ? 0 : LOOK_S, err);
    }
    return rc;
}

int cox_worker_agent(struct cox_worker *worker, const struct cox_message *welcome,
                     struct cox_err *err)
{
    struct agent a = {.worker = worker, .settings = &worker->settings, .model = -1, .outliers = -1};
    int rc = prepare(&a, welcome, err);
    worker->figures = figures;
    worker->figures_user = &a;
    if (!rc)
        rc = serve(&a, err);
    worker->figures = NULL;
    release(&a);
    return rc;
}
