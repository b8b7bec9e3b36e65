/* SPDX-License-Identifier: BSD-3-Clause */
/* One training: on the samples as they are when it begins, from where the model stands. A model is
 * published when its loss on held-out frames is at most (1 + learn.publish_tolerance) times that of
 * the published one on the same frames: a loss of another day, on other frames, would say nothing,
 * since the frames become more diverse as the run goes on. */
#include "steer/worker/train.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "steer/learner.h"
#include "stream/message.h"

#define TEND_S 0.02 /* between two looks at messages while batches are done */
#define LOOK_S 1.0  /* at the frames files, so that the lag is known */
#define PIECE 256   /* maps whose loss is taken at once */

/* The stretch of time since the one before; `more`: the training goes on after it. With the lag as
 * it is now: by it the coordinator knows at once whether the cores are still needed. */
static int note_stretch(struct cox_train *t, const char *kind, int cores, bool more,
                        struct cox_err *err)
{
    double now = cox_clock_unix();
    struct cox_message *m = cox_worker_message(t->worker, "task");
    cox_message_set_text(m, "kind", kind);
    cox_message_set_number(m, "began", t->task_began);
    cox_message_set_number(m, "ended", now);
    cox_message_set_int(m, "cores", cores);
    cox_message_set_int(m, "more", more);
    cox_message_set_number(m, "lag", cox_train_lag(t));
    t->task_began = now;
    return cox_worker_send(t->worker, m, err);
}

/* Between two batches: cores may be taken away (wait until some come back) or added. */
static int pulse(void *user, struct cox_err *err)
{
    struct cox_train *t = user;
    double now = cox_clock_seconds();
    if (now - t->worker->tended < TEND_S)
        return COX_OK;
    if (now - t->looked > LOOK_S) {
        t->looked = now;
        int rc = cox_follow_refresh(t->follow, &t->known, err);
        if (rc)
            return cox_err_wrap(err, rc, "following the frames");
    }
    int before = t->granted;
    int rc = cox_train_tend(t, 0, err);
    if (!rc && !t->granted) {
        rc = note_stretch(t, "train", before, true, err);
        double began = cox_clock_seconds();
        while (!rc && !t->granted && !t->worker->stopping)
            rc = cox_train_tend(t, -1, err);
        t->paused_s += cox_clock_seconds() - began;
        if (!rc)
            rc = note_stretch(t, "paused", 0, true, err);
    } else if (!rc && t->granted != before) {
        rc = note_stretch(t, "train", before, true, err);
    }
    if (!rc && t->worker->stopping)
        rc = cox_err_set(err, COX_ECANCELLED, "training was stopped");
    return rc;
}

static void after_epoch(void *user, const struct cox_cvae_epoch *epoch)
{
    struct cox_train *t = user;
    t->epoch = epoch->epoch + 1;
    t->loss = epoch->train_loss;
    t->maps_per_s = epoch->maps_per_s;
}

/* Mean loss on the held-out frames, in pieces with a pulse between. NaN without any. */
static int held_out_loss(struct cox_train *t, struct cox_cvae *cvae, double *loss,
                         struct cox_err *err)
{
    double sum = 0;
    int rc = COX_OK;
    *loss = NAN;
    for (int64_t i = 0; !rc && i < t->n_valid; i += PIECE) {
        int64_t n = t->n_valid - i < PIECE ? t->n_valid - i : PIECE;
        struct cox_cvae_maps maps = {COX_CVAE_BITS, n, cox_samples_maps(t->samples),
                                     t->valid_rows + i};
        double mean = 0;
        rc = cox_cvae_loss(cvae, &maps, &mean, NULL, err);
        sum += mean * (double)n;
        if (!rc)
            rc = pulse(t, err);
    }
    if (!rc && t->n_valid)
        *loss = sum / (double)t->n_valid;
    return rc;
}

/* That of the published model on the frames of this training; NaN when there is none, or none that
 * can be read. */
static int published_loss(struct cox_train *t, double *loss, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_err problem = COX_ERR_INIT;
    struct cox_cvae *published = NULL;
    *loss = NAN;
    if (t->model < 0 || !t->n_valid)
        return COX_OK;
    if (t->is_published)
        return held_out_loss(t, t->cvae, loss, err);
    int rc =
        cox_path_join(path, sizeof path, t->worker->options->directory, t->model_path, &problem);
    if (!rc)
        rc = cox_cvae_load(&published, path, NULL, &problem);
    if (rc)
        return rc == COX_ENOMEM ? cox_err_set(err, rc, "%s", problem.text) : COX_OK;
    rc = held_out_loss(t, published, loss, err);
    cox_cvae_destroy(published);
    return rc;
}

/* The epoch is in the name, so that an attempt that was given up cannot overwrite what a later one
 * published; the catalog knows whose counts. */
static int publish(struct cox_train *t, const struct cox_cvae_result *result, double seconds,
                   struct cox_err *err)
{
    char name[64];
    char path[PATH_MAX];
    snprintf(name, sizeof name, "models/model-%04" PRId64 ".e%" PRId64 ".h5", t->model + 1,
             t->worker->options->epoch);
    struct cox_err problem = COX_ERR_INIT;
    int rc = cox_path_join(path, sizeof path, t->worker->options->directory, name, &problem);
    if (!rc)
        rc = cox_cvae_save(t->cvae, path, &problem);
    if (rc == COX_EIO || rc == COX_ENOSPACE) {
        /* the weights are here still: the next training ends with another try */
        t->refused++;
        cox_worker_tell(t->worker, "trouble", "a model cannot be published: %s", problem.text);
        return COX_OK;
    }
    if (rc)
        return cox_err_set(err, rc, "%s", problem.text);
    struct cox_message *m = cox_worker_message(t->worker, "published");
    cox_message_set_int(m, "id", t->model + 1);
    cox_message_set_text(m, "path", name);
    cox_message_set_number(m, "train_loss", result->train_loss);
    cox_message_set_number(m, "valid_loss", t->valid_loss);
    cox_message_set_int(m, "epochs", result->epochs);
    cox_message_set_int(m, "samples", t->n_train + t->n_valid);
    cox_message_set_number(m, "seconds", seconds);
    cox_message_set_int(m, "seed", (int64_t)t->seed);
    t->model++;
    t->is_published = true;
    if (t->refused)
        cox_worker_tell(t->worker, "recovered", "models are published again");
    t->refused = 0;
    snprintf(t->model_path, sizeof t->model_path, "%s", name);
    return cox_worker_send(t->worker, m, err);
}

static int fit(struct cox_train *t, struct cox_err *err)
{
    const struct cox_settings_learn *s = &t->settings->learn;
    struct cox_cvae_fit_options options = COX_CVAE_FIT_OPTIONS_INIT;
    struct cox_cvae_result result;
    double before = NAN;
    int rc = COX_OK;
    if (!t->cvae)
        rc = cox_learner_fresh(&t->cvae, s, t->frames.points.n, t->seed, t->worker->team, err);
    if (!rc)
        rc = published_loss(t, &before, err);
    if (rc)
        return rc;
    options.epochs = t->trained ? s->epochs : s->epochs_first;
    options.valid_fraction = 0; /* what is held out is held out here */
    options.pulse = pulse;
    options.progress = after_epoch;
    options.user = t;
    t->paused_s = 0;
    t->is_published = false;
    double began = cox_clock_seconds();
    struct cox_cvae_maps maps = {COX_CVAE_BITS, t->n_train, cox_samples_maps(t->samples),
                                 t->train_rows};
    rc = cox_cvae_fit(t->cvae, &maps, &options, &result, err);
    if (!rc)
        rc = held_out_loss(t, t->cvae, &t->valid_loss, err);
    if (rc)
        return rc;
    t->trained = true;
    t->loss = result.train_loss;
    if (t->valid_loss > (1 + s->publish_tolerance) * before) {
        t->refused++;
        cox_worker_tell(t->worker, "trouble",
                        "a model of validation loss %.4g is not published: that of model %" PRId64
                        " is %.4g on the same frames (learn.publish_tolerance %g)",
                        t->valid_loss, t->model, before, s->publish_tolerance);
        return COX_OK;
    }
    return publish(t, &result, cox_clock_seconds() - began - t->paused_s, err);
}

int cox_train_fit(struct cox_train *t, struct cox_err *err)
{
    cox_samples_rows(t->samples, t->train_rows, &t->n_train, t->valid_rows, &t->n_valid);
    t->began_at = t->known;
    if (!t->n_train) /* all of a handful is held out */
        return COX_OK;
    t->training = true;
    t->called = false;
    t->epoch = 0;
    t->task_began = cox_clock_unix();
    int rc = fit(t, err);
    t->training = false;
    if (rc == COX_EUNSTABLE) {
        /* the model is as it was; other frames may do better */
        cox_worker_tell(t->worker, "trouble", "%s", err ? err->text : "training diverged");
        if (err)
            *err = (struct cox_err)COX_ERR_INIT;
        rc = COX_OK;
    }
    int told = note_stretch(t, "train", t->granted, false, rc ? NULL : err);
    if (rc == COX_ECANCELLED && t->worker->stopping) /* told to stop: nothing is lost by it */
        return COX_OK;
    return rc ? rc : told;
}
