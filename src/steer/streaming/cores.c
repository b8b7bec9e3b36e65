/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/streaming/cores.h"

#include <math.h>
#include <sched.h>

#include "steer/streaming/streaming.h"

#define LATE 2.0
#define IN_TIME 1.25

int cox_cores_burst(struct cox_cores *cores, double lag)
{
    if (lag >= LATE && cores->want < cores->most)
        cores->want++;
    else if (lag < IN_TIME && cores->want > 1)
        cores->want--;
    return cores->want;
}

static int list_cores(struct cox_cores *cores, int most, struct cox_err *err)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set))
        return cox_err_errno(err, "cannot ask for this process's cores");
    for (int i = 0; i < CPU_SETSIZE && cores->n < most && cores->n < COX_CORES_MAX; i++)
        if (CPU_ISSET(i, &set))
            cores->list[cores->n++] = i;
    return COX_OK;
}

int cox_streaming_cores_init(struct cox_streaming *s, struct cox_err *err)
{
    int threads = s->settings->simulation.threads;
    s->cores = (struct cox_cores){.most = s->settings->streaming.learn_cores_max, .want = 1};
    return list_cores(&s->cores, threads > 0 ? threads : COX_CORES_MAX, err);
}

static int grant(struct cox_streaming *s, const struct stream_worker *w, const int *list, int n,
                 struct cox_err *err)
{
    struct cox_message *m = cox_message_create("cores");
    int64_t cores[COX_CORES_MAX];
    for (int i = 0; i < n; i++)
        cores[i] = list[i];
    cox_message_set_ints(m, "list", cores, n);
    return cox_streaming_send(s, w->name, m, err);
}

static void note_move(struct cox_streaming *s, const char *what, int learning)
{
    struct cox_json *j = cox_json_object();
    int simulating = 0;
    for (int i = 0; i < s->simulations; i++)
        simulating += !s->worker[i].over && !s->worker[i].paused;
    cox_json_set_text(j, "what", what);
    cox_json_set_int(j, "learning", learning);
    cox_json_set_int(j, "simulating", simulating);
    cox_streaming_event(s, "cores", j);
    s->cores.moves++;
}

/* The simulation that is farthest ahead gives its core; never the last one. */
static struct stream_worker *lender(struct cox_streaming *s)
{
    struct stream_worker *best = NULL;
    double farthest = 0;
    int running = 0;
    for (int i = 0; i < s->simulations; i++) {
        struct stream_worker *w = &s->worker[i];
        if (!w->up || w->over || w->paused || w->core < 0)
            continue;
        running++;
        double ns = w->before.ns + w->now.ns;
        if (!best || ns > farthest) {
            best = w;
            farthest = ns;
        }
    }
    return running > 1 ? best : NULL;
}

/* Spare cores first, then those of simulations; without any, training shares the first core. */
static int lend(struct cox_streaming *s, struct stream_worker *train, double lag,
                struct cox_err *err)
{
    struct cox_cores *c = &s->cores;
    int list[COX_CORES_MAX];
    int n = 0;
    int rc = COX_OK;
    int want = cox_cores_burst(c, lag);
    for (int i = c->n - c->spare; i < c->n && n < want; i++)
        list[n++] = c->list[i];
    for (struct stream_worker *w; !rc && n < want && (w = lender(s));) {
        w->paused = true;
        list[n++] = w->core;
        rc = grant(s, w, NULL, 0, err);
    }
    if (!n)
        list[n++] = c->list[0];
    if (!rc)
        rc = grant(s, train, list, n, err);
    c->lent = true;
    c->lent_at = (double)s->n_frames;
    c->granted = n;
    train->status.cores = n;
    note_move(s, "lent", n);
    return rc;
}

static int give_back(struct cox_streaming *s, struct stream_worker *train, struct cox_err *err)
{
    int rc = COX_OK;
    if (train->up && !train->over)
        rc = grant(s, train, NULL, 0, err);
    for (int i = 0; !rc && i < s->simulations; i++) {
        struct stream_worker *w = &s->worker[i];
        if (!w->paused)
            continue;
        w->paused = false;
        if (w->up && !w->over)
            rc = grant(s, w, &w->core, 1, err);
    }
    s->cores.lent = false;
    s->cores.granted = 0;
    train->status.cores = 0;
    note_move(s, "returned", 0);
    return rc;
}

int cox_streaming_cores_welcome(struct cox_streaming *s, struct stream_worker *w,
                                struct cox_err *err)
{
    struct cox_cores *c = &s->cores;
    if (c->off)
        return COX_OK;
    if (w->role == STREAM_TRAIN)
        return grant(s, w, NULL, 0, err);
    if (w->role == STREAM_SIMULATE && w->core >= 0)
        return grant(s, w, &w->core, w->paused ? 0 : 1, err);
    return COX_OK;
}

/* Frames since the last training began, over those that make one due: as the trainer says, or for
 * one that does not say it, as seen from here. */
static double lag_of(const struct cox_streaming *s, const struct stream_worker *train)
{
    const struct cox_settings_streaming *t = &s->settings->streaming;
    double due = s->cores.lent_at > 0 ? t->train_after_frames : t->train_first_frames;
    if (!isnan(train->status.lag))
        return train->status.lag;
    return ((double)s->n_frames - s->cores.lent_at) / (due > 1 ? due : 1);
}

void cox_streaming_cores_trained(struct cox_streaming *s)
{
    s->cores.trained = true;
}

int cox_streaming_cores_turn(struct cox_streaming *s, struct cox_err *err)
{
    struct stream_worker *train = cox_streaming_role(s, STREAM_TRAIN);
    struct cox_cores *c = &s->cores;
    if (c->off || !train)
        return COX_OK;
    double lag = lag_of(s, train);
    bool due = train->up && !train->over && s->phase == STREAM_RUNNING && lag >= 1;
    if (c->lent && (!train->up || train->over || s->phase != STREAM_RUNNING))
        return give_back(s, train, err);
    if (c->lent && c->trained) {
        c->trained = false;
        if (!due)
            return give_back(s, train, err);
        c->lent_at = (double)s->n_frames; /* behind already: it goes on with what it has */
        return COX_OK;
    }
    if (!c->lent && due) {
        c->trained = false;
        return lend(s, train, lag, err);
    }
    return COX_OK;
}
