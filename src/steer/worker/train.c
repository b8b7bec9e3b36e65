/* SPDX-License-Identifier: BSD-3-Clause */
/* The train role: follows the frames files, keeps the samples that learn.sampling asks for, and
 * trains whenever enough new frames came and cores are granted. */
#include "steer/worker/train.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "steer/learner.h"
#include "stream/message.h"

#define LOOK_S 0.2              /* between two looks at the frames files */
#define TAKE 4096               /* ids taken at once */
#define BLOCK_BYTES (16u << 20) /* coordinates read at once */
#define BLOCK_FRAMES 256

double cox_train_lag(const struct cox_train *t)
{
    const struct cox_settings_streaming *s = &t->settings->streaming;
    double due = t->trained ? s->train_after_frames : s->train_first_frames;
    return (double)(t->known - t->began_at) / due;
}

static void figures(void *user, struct cox_message *heartbeat)
{
    const struct cox_train *t = user;
    cox_message_set_int(heartbeat, "samples", t->n_train + t->n_valid);
    cox_message_set_int(heartbeat, "seen", t->known);
    cox_message_set_number(heartbeat, "lag", cox_train_lag(t));
    cox_message_set_text(heartbeat, "doing",
                         !t->training  ? "waiting"
                         : !t->granted ? "paused"
                                       : "train");
    cox_message_set_int(heartbeat, "cores", t->granted);
    cox_message_set_int(heartbeat, "model", t->model);
    if (isfinite(t->loss))
        cox_message_set_number(heartbeat, "loss", t->loss);
    if (isfinite(t->valid_loss))
        cox_message_set_number(heartbeat, "valid_loss", t->valid_loss);
    if (t->training) {
        cox_message_set_int(heartbeat, "epoch_of_training", t->epoch);
        cox_message_set_number(heartbeat, "samples_per_s", t->maps_per_s);
    }
}

static int grant(struct cox_train *t, const struct cox_message *cores, struct cox_err *err)
{
    int n = 0;
    int rc = cox_worker_grant(t->worker, cores, &n, err);
    if (!rc) {
        t->granted = n;
        t->called = n > 0;
    }
    if (!rc && t->cvae)
        rc = cox_cvae_set_team(t->cvae, t->worker->team, err);
    return rc;
}

int cox_train_tend(struct cox_train *t, double timeout_s, struct cox_err *err)
{
    struct cox_message *m = NULL;
    int rc = cox_worker_receive(t->worker, timeout_s, NULL, 0, &m, err);
    while (!rc && m && !t->worker->stopping) {
        if (cox_message_is(m, "cores"))
            rc = grant(t, m, err);
        cox_message_destroy(m);
        m = NULL;
        if (!rc)
            rc = cox_worker_receive(t->worker, 0, NULL, 0, &m, err);
    }
    cox_message_destroy(m);
    return rc;
}

/* ---- following ---- */

/* Reads the maps of up to a block of samples that have none; *more: that was not all. */
static int fill_samples(struct cox_train *t, bool *more, struct cox_err *err)
{
    int64_t n = 0;
    cox_samples_missing(t->samples, t->block, t->ids, t->places, &n);
    *more = n == t->block;
    if (!n)
        return COX_OK;
    int rc = cox_follow_positions(t->follow, t->ids, n, t->x, err);
    if (!rc)
        rc = cox_frames_maps(&t->frames, (int)n, t->x, t->maps, t->worker->team, err);
    for (int64_t i = 0; !rc && i < n; i++)
        cox_samples_fill(t->samples, t->places[i], t->maps + (size_t)i * t->frames.map_bytes);
    return rc;
}

static int look(struct cox_train *t, bool *more, struct cox_err *err)
{
    int64_t n = 0;
    int rc = cox_follow_refresh(t->follow, &t->known, err);
    if (!rc)
        rc = cox_follow_take(t->follow, TAKE, t->ids, &n, err);
    if (rc)
        return cox_err_wrap(err, rc, "following the frames");
    t->looked = cox_clock_seconds();
    for (int64_t i = 0; i < n; i++)
        cox_samples_offer(t->samples, t->ids[i]);
    *more = n == TAKE;
    if (*more) /* what has no place in the end need not be read */
        return COX_OK;
    rc = fill_samples(t, more, err);
    return rc ? cox_err_wrap(err, rc, "reading frames to train on") : COX_OK;
}

/* ---- life ---- */

/* Goes on with the model that the coordinator names: the newest of this run. One that cannot be
 * read is no reason to learn nothing: training begins anew then. */
static int load_newest(struct cox_train *t, const struct cox_message *welcome, struct cox_err *err)
{
    struct cox_err problem = COX_ERR_INIT;
    char path[PATH_MAX];
    const char *name = cox_message_text(welcome, "path", "");
    t->model = name[0] ? cox_message_int(welcome, "model", -1) : -1;
    if (t->model < 0)
        return COX_OK;
    snprintf(t->model_path, sizeof t->model_path, "%s", name);
    int rc = cox_path_join(path, sizeof path, t->worker->options->directory, name, &problem);
    if (!rc)
        rc = cox_cvae_load(&t->cvae, path, t->worker->team, &problem);
    if (!rc)
        rc = cox_learner_check_size(t->cvae, path, t->frames.points.n, &problem);
    if (rc == COX_ENOMEM)
        return cox_err_set(err, rc, "%s", problem.text);
    if (rc) {
        cox_cvae_destroy(t->cvae);
        t->cvae = NULL;
        cox_worker_tell(t->worker, "trouble", "training begins anew: %s", problem.text);
        return COX_OK;
    }
    t->is_published = t->trained = true;
    return COX_OK;
}

/* What an attempt left that was killed while it wrote a model. */
static void remove_leftovers(const struct cox_train *t)
{
    char path[PATH_MAX];
    if (cox_path_join(path, sizeof path, t->worker->options->directory, "models", NULL))
        return;
    DIR *folder = opendir(path);
    for (const struct dirent *e; folder && (e = readdir(folder));)
        if (strstr(e->d_name, ".h5.tmp-"))
            (void)unlinkat(dirfd(folder), e->d_name, 0);
    if (folder)
        closedir(folder);
}

static int prepare(struct cox_train *t, const struct cox_message *welcome, struct cox_err *err)
{
    struct cox_worker *w = t->worker;
    int rc = cox_frames_init(&t->frames, w->system, t->settings, w->config, err);
    if (rc)
        return rc;
    size_t frame_bytes = (size_t)w->system->n_atoms * 3 * sizeof(float);
    size_t most = (size_t)t->settings->learn.max_samples;
    t->block = (int64_t)(BLOCK_BYTES / frame_bytes);
    t->block = t->block < 1 ? 1 : t->block > BLOCK_FRAMES ? BLOCK_FRAMES : t->block;
    t->ids = cox_alloc(TAKE, sizeof *t->ids);
    t->places = cox_alloc(BLOCK_FRAMES, sizeof *t->places);
    t->x = cox_alloc((size_t)t->block, frame_bytes);
    t->maps = cox_alloc((size_t)t->block, t->frames.map_bytes);
    t->train_rows = cox_alloc(most, sizeof *t->train_rows);
    t->valid_rows = cox_alloc(most, sizeof *t->valid_rows);
    if (!t->ids || !t->places || !t->x || !t->maps || !t->train_rows || !t->valid_rows)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the trainer");
    rc = cox_samples_create(&t->samples, &t->settings->learn, t->frames.map_bytes, t->seed, err);
    if (!rc)
        rc = cox_follow_open(&t->follow, w->options->directory, err);
    remove_leftovers(t);
    if (!rc)
        rc = load_newest(t, welcome, err);
    return rc;
}

static void release(struct cox_train *t)
{
    cox_follow_close(t->follow);
    cox_samples_destroy(t->samples);
    cox_cvae_destroy(t->cvae);
    cox_frames_deinit(&t->frames);
    cox_free(t->ids);
    cox_free(t->places);
    cox_free(t->x);
    cox_free(t->maps);
    cox_free(t->train_rows);
    cox_free(t->valid_rows);
}

/* Until the coordinator speaks of cores (it does at once where it deals them out) there are those
 * that whoever started this process left it. */
static int begin_with_own_cores(struct cox_train *t, struct cox_err *err)
{
    struct cox_team *team = NULL;
    int most = t->settings->streaming.learn_cores_max;
    int n = cox_processors();
    n = n < most ? n : most;
    int rc = cox_team_create(&team, n, err);
    if (!rc && t->cvae)
        rc = cox_cvae_set_team(t->cvae, team, err);
    if (rc) {
        cox_team_destroy(team);
        return rc;
    }
    cox_team_destroy(t->worker->team);
    t->worker->team = team;
    t->granted = n;
    return COX_OK;
}

static int serve(struct cox_train *t, struct cox_err *err)
{
    bool caught_up = false; /* once: an earlier attempt has trained on what was there */
    int rc = COX_OK;
    while (!rc && !t->worker->stopping) {
        bool more = false;
        rc = look(t, &more, err);
        if (!rc && !more && !caught_up) {
            caught_up = true;
            t->began_at = t->trained ? t->known : 0;
        }
        bool due = t->called ? t->known > 0 : cox_train_lag(t) >= 1;
        if (!rc && !more && t->granted && due) {
            rc = cox_train_fit(t, err);
            more = true;
        }
        if (!rc)
            rc = cox_train_tend(t, more ? 0 : LOOK_S, err);
    }
    return rc;
}

int cox_worker_train(struct cox_worker *worker, const struct cox_message *welcome,
                     struct cox_err *err)
{
    struct cox_train t = {.worker = worker,
                          .settings = &worker->settings,
                          .seed = cox_learner_seed_of(&worker->settings),
                          .model = -1,
                          .loss = NAN,
                          .valid_loss = NAN};
    int rc = prepare(&t, welcome, err);
    worker->figures = figures;
    worker->figures_user = &t;
    if (!rc)
        rc = begin_with_own_cores(&t, err);
    if (!rc)
        rc = serve(&t, err);
    worker->figures = NULL;
    release(&t);
    return rc;
}
