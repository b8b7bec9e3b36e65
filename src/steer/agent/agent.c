/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/agent/agent.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "learn/dbscan.h"
#include "learn/lof.h"
#include "learn/neighbours.h"

/* One frame of the window. */
struct candidate {
    int64_t frame;
    double novelty, objective; /* larger is better */
    double novelty_rank, objective_rank;
    double score;
};

struct work {
    const struct cox_agent_input *in;
    int64_t first;          /* first frame of the window */
    int n;                  /* frames in it */
    struct candidate *all;  /* [n], by frame */
    struct candidate *best; /* [n] scratch: the candidates, sorted */
    bool *outlier;          /* [n] */
    float *score;           /* [n] */
    int *label;             /* [n] */
};

int cox_agent_unsteered(const struct cox_settings_agent *settings, int lanes)
{
    return (int)lround(settings->unsteered * lanes);
}

void cox_agent_describe(const struct cox_settings_agent *settings, char *text, size_t size)
{
    static const char *const methods[] = {
        [COX_OUTLIERS_NONE] = "state rarity",
        [COX_OUTLIERS_DBSCAN] = "DBSCAN",
        [COX_OUTLIERS_LOF] = "LOF",
        [COX_OUTLIERS_KNN] = "distance to neighbours",
    };
    bool aims = settings->objective && settings->explore < 1;
    snprintf(text, size, "%s%s%s", methods[settings->outliers], aims ? ", " : "",
             aims ? settings->objective : "");
}

static int by_novelty(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    if (x->novelty != y->novelty)
        return x->novelty < y->novelty ? -1 : 1;
    return (x->frame > y->frame) - (x->frame < y->frame);
}

static int by_objective(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    if (x->objective != y->objective)
        return x->objective < y->objective ? -1 : 1;
    return (x->frame > y->frame) - (x->frame < y->frame);
}

/* Best first; of equals the newer frame. */
static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->frame < y->frame) - (x->frame > y->frame);
}

static double position(int i, int n)
{
    return n > 1 ? (double)i / (n - 1) : 1;
}

/* Ranks and scores n candidates and leaves them best first. */
static void rank(const struct cox_agent_input *in, struct candidate *c, int n)
{
    bool has_objective = in->frames->objective >= 0;
    double explore = has_objective ? in->settings->explore : 1;
    qsort(c, (size_t)n, sizeof *c, by_novelty);
    for (int i = 0; i < n; i++)
        c[i].novelty_rank = position(i, n);
    qsort(c, (size_t)n, sizeof *c, by_objective);
    for (int i = 0; i < n; i++)
        c[i].objective_rank = position(i, n);
    for (int i = 0; i < n; i++)
        c[i].score = explore * c[i].novelty_rank + (1 - explore) * c[i].objective_rank;
    qsort(c, (size_t)n, sizeof *c, by_score);
}

/* w->label holds the frames, the most outlying first: the first `high` are the outliers. */
static void mark_first(struct work *w, int high, struct cox_agent_result *result)
{
    for (int i = 0; i < high; i++)
        w->outlier[w->label[i]] = true;
    result->outliers = high;
}

static int by_score_of(const void *a, const void *b, void *user)
{
    const float *score = user;
    const int i = *(const int *)a;
    const int j = *(const int *)b;
    if (score[i] != score[j])
        return score[i] > score[j] ? -1 : 1;
    return i - j;
}

/* Novelty is the distance to the k-th neighbour, copies of a frame counted: a density, the same
 * everywhere in space, where LOF only compares a frame with its neighbours. */
static int far_from_neighbours(struct work *w, const float *points, int d, struct cox_err *err)
{
    int k = w->in->settings->lof_neighbours;
    struct cox_neighbours *index = NULL;
    k = k < w->n - 1 ? k : w->n - 1;
    float *distance = cox_alloc((size_t)w->n, (size_t)k * sizeof *distance);
    int rc = distance ? cox_neighbours_create(&index, points, w->n, d, err)
                      : cox_err_set(err, COX_ENOMEM, "out of memory in the agent");
    if (!rc)
        rc = cox_neighbours_knn(index, k, distance, NULL, w->in->team, err);
    for (int i = 0; !rc && i < w->n; i++) {
        w->score[i] = distance[(size_t)i * (size_t)k + (size_t)k - 1];
        w->label[i] = i;
    }
    if (!rc)
        qsort_r(w->label, (size_t)w->n, sizeof *w->label, by_score_of, w->score);
    cox_neighbours_destroy(index);
    cox_free(distance);
    return rc;
}

static int find_outliers(struct work *w, const float *points, int d,
                         struct cox_agent_result *result, struct cox_err *err)
{
    const struct cox_settings_agent *a = w->in->settings;
    int low = (int)ceil(a->outliers_min * w->n);
    int high = (int)floor(a->outliers_max * w->n);
    result->outliers = 0;
    if (a->outliers == COX_OUTLIERS_DBSCAN) {
        struct cox_dbscan_options options = COX_DBSCAN_OPTIONS_INIT;
        struct cox_dbscan_result found;
        options.min_samples = a->min_samples;
        options.outliers_min = low;
        options.outliers_max = high;
        int rc =
            cox_dbscan(&found, w->label, w->score, points, w->n, d, &options, w->in->team, err);
        if (rc)
            return rc;
        for (int i = 0; i < w->n; i++)
            w->outlier[i] = w->label[i] < 0;
        result->outliers = found.outliers;
        result->eps = found.eps;
        return COX_OK;
    }
    int rc = a->outliers == COX_OUTLIERS_KNN && w->n > 1
                 ? far_from_neighbours(w, points, d, err)
                 : cox_lof(w->score, w->label, NULL, points, w->n, d, a->lof_neighbours,
                           w->in->team, err);
    if (!rc)
        mark_first(w, high, result);
    return rc;
}

static int measure_novelty(struct work *w, struct cox_agent_result *result, struct cox_err *err)
{
    const struct cox_frames *f = w->in->frames;
    bool latent = w->in->settings->space == COX_SPACE_LATENT && w->in->latent;
    int d = latent ? w->in->n_latent : f->n_pairs;
    const float *base = latent ? w->in->latent : f->pairs;
    result->outliers = -1;
    if (w->in->settings->outliers == COX_OUTLIERS_NONE) {
        for (int i = 0; i < w->n; i++) {
            w->outlier[i] = true;
            w->score[i] = 1.0f / (float)f->population[f->state[w->first + i]];
        }
        return COX_OK;
    }
    return find_outliers(w, base + w->first * d, d, result, err);
}

static void fill(struct work *w)
{
    const struct cox_frames *f = w->in->frames;
    double sign = w->in->settings->direction == COX_MAXIMISE ? 1 : -1;
    for (int i = 0; i < w->n; i++) {
        double value = cox_frames_value(f, w->first + i, f->objective);
        /* an objective that cannot be computed is the worst */
        w->all[i] = (struct candidate){.frame = w->first + i,
                                       .novelty = isnan(w->score[i]) ? 0 : w->score[i],
                                       .objective = isnan(value) ? -INFINITY : sign * value};
    }
}

static bool is_urgent(const struct cox_agent_input *in, int lane)
{
    return in->urgent && in->urgent[lane];
}

/* The lanes to restart: the urgent ones, then the others, each the least promising first. */
static int choose_lanes(struct work *w, int *lanes, struct cox_err *err)
{
    const struct cox_agent_input *in = w->in;
    int steered = in->lanes - cox_agent_unsteered(in->settings, in->lanes);
    int wanted = (int)lround(in->settings->restart * steered);
    struct candidate *c = cox_alloc((size_t)steered + 1, sizeof *c);
    int *lane_of = cox_alloc((size_t)w->n + 1, sizeof *lane_of);
    int n = 0;
    if (!c || !lane_of) {
        cox_free(c);
        cox_free(lane_of);
        cox_err_set(err, COX_ENOMEM, "out of memory in the agent");
        return -1;
    }
    for (int lane = 0; lane < steered; lane++) {
        int64_t frame = in->last_frame[lane];
        if (frame < w->first)
            continue;
        lane_of[frame - w->first] = lane;
        c[n++] = w->all[frame - w->first];
    }
    rank(in, c, n);
    int urgent = 0;
    for (int i = n - 1; i >= 0; i--)
        if (is_urgent(in, lane_of[c[i].frame - w->first]))
            lanes[urgent++] = lane_of[c[i].frame - w->first];
    if (wanted > n)
        wanted = n;
    if (wanted < urgent)
        wanted = urgent;
    for (int i = n - 1, k = urgent; k < wanted; i--)
        if (!is_urgent(in, lane_of[c[i].frame - w->first]))
            lanes[k++] = lane_of[c[i].frame - w->first];
    cox_free(c);
    cox_free(lane_of);
    return wanted;
}

static bool far_from_picks(const struct cox_agent_input *in, const struct cox_agent_result *result,
                           int64_t frame)
{
    for (int i = 0; i < result->n_picks; i++)
        if (cox_frames_distance_A(in->frames, frame, result->picks[i].frame) <
            in->settings->diversity_A)
            return false;
    return true;
}

static void pick(struct work *w, const int *lanes, int wanted, int n_best,
                 struct cox_agent_result *result)
{
    const struct cox_agent_input *in = w->in;
    struct cox_frames *f = in->frames;
    for (int i = 0; i < n_best && result->n_picks < wanted; i++) {
        int64_t frame = w->best[i].frame;
        if (f->reuse[frame] >= in->settings->max_reuse || !far_from_picks(in, result, frame))
            continue;
        if (!in->offers)
            f->reuse[frame]++;
        result->picks[result->n_picks] = (struct cox_pick){.lane = lanes[result->n_picks],
                                                           .frame = frame,
                                                           .score = w->best[i].score,
                                                           .novelty = w->best[i].novelty,
                                                           .rank = i};
        result->n_picks++;
    }
}

/* Several times as many as are needed, in random order: picks are then drawn from the best. */
static void shuffle_best(struct work *w, int wanted, int *n_best)
{
    struct cox_rng rng;
    cox_rng_init(&rng, w->in->seed, 7);
    int n = wanted * 4 < *n_best ? wanted * 4 : *n_best;
    for (int i = n - 1; i > 0; i--) {
        int j = (int)cox_rng_below(&rng, (uint32_t)i + 1);
        struct candidate swap = w->best[i];
        w->best[i] = w->best[j];
        w->best[j] = swap;
    }
    *n_best = n;
}

static int decide(struct work *w, int *lanes, struct cox_agent_result *result, struct cox_err *err)
{
    int rc = measure_novelty(w, result, err);
    if (rc)
        return rc;
    fill(w);
    int wanted = choose_lanes(w, lanes, err);
    if (wanted < 0)
        return COX_ENOMEM;
    int n_best = 0;
    for (int i = 0; i < w->n; i++)
        if (w->outlier[i])
            w->best[n_best++] = w->all[i];
    rank(w->in, w->best, n_best);
    if (w->in->settings->random_order)
        shuffle_best(w, wanted, &n_best);
    pick(w, lanes, wanted, n_best, result);
    return COX_OK;
}

int cox_agent_decide(struct cox_agent_result *result, const struct cox_agent_input *input,
                     struct cox_err *err)
{
    struct work w = {.in = input};
    struct cox_pick *picks = result->picks;
    *result = (struct cox_agent_result){.picks = picks, .outliers = -1};
    w.first = input->frames->n - input->settings->window;
    if (w.first < 0)
        w.first = 0;
    w.n = (int)(input->frames->n - w.first);
    result->window = w.n;
    if (!w.n)
        return COX_OK;
    size_t n = (size_t)w.n;
    w.all = cox_alloc(n, sizeof *w.all);
    w.best = cox_alloc(n, sizeof *w.best);
    w.outlier = cox_alloc(n, sizeof *w.outlier);
    w.score = cox_alloc(n, sizeof *w.score);
    w.label = cox_alloc(n, sizeof *w.label);
    int *lanes = cox_alloc((size_t)input->lanes, sizeof *lanes);
    int rc = w.all && w.best && w.outlier && w.score && w.label && lanes
                 ? decide(&w, lanes, result, err)
                 : cox_err_set(err, COX_ENOMEM, "out of memory in the agent (%d frames)", w.n);
    cox_free(w.all);
    cox_free(w.best);
    cox_free(w.outlier);
    cox_free(w.score);
    cox_free(w.label);
    cox_free(lanes);
    return rc;
}
