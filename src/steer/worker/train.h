/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two files of the train role share: it follows the frames (worker_train.c), trains,
 * judges and publishes (worker_train_fit.c). */
#ifndef COX_STEER_WORKER_TRAIN_H
#define COX_STEER_WORKER_TRAIN_H

#include "learn/cvae.h"
#include "steer/frames.h"
#include "steer/samples.h"
#include "steer/worker/worker.h"
#include "store/follow.h"

struct cox_train {
    struct cox_worker *worker;
    const struct cox_settings *settings;
    uint64_t seed;

    struct cox_frames frames; /* holds no frame: how maps are made */
    struct cox_follow *follow;
    struct cox_samples *samples;
    int64_t block; /* frames read at once */
    int64_t *ids;  /* [TAKE] */
    int64_t *places;
    float *x;      /* [block][N][3] */
    uint8_t *maps; /* [block][map_bytes] */
    int64_t known; /* frames stored, as of the last look */
    double looked;

    struct cox_cvae *cvae;
    int64_t *train_rows, *valid_rows; /* [max_samples] */
    int64_t n_train, n_valid;
    int64_t began_at;     /* frames known when the newest training began; 0: none was */
    bool trained;         /* by this run: train_after_frames counts */
    int64_t model;        /* newest published, -1: none */
    char model_path[512]; /* within the run directory */
    bool is_published;    /* cvae is that model */
    int refused;          /* trainings in a row that gave no model worth publishing */

    int granted; /* cores */
    bool called; /* they came for a training that has not begun: whoever counts frames elsewhere
                    finds that it is due, so it is, whatever we have counted */
    bool training;
    double task_began; /* Unix time of the stretch under way */
    double paused_s, pause_began;
    double loss, valid_loss, maps_per_s;
    int epoch;
};

/* Answers messages: `cores`, and nothing else matters here. Waits at most `timeout_s`. */
int cox_train_tend(struct cox_train *t, double timeout_s, struct cox_err *err) COX_MUST_CHECK;
/* Frames that came since the newest training began, over those that make the next one due. */
double cox_train_lag(const struct cox_train *t);
/* One training on the samples as they are. */
int cox_train_fit(struct cox_train *t, struct cox_err *err) COX_MUST_CHECK;

#endif
