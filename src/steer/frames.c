/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/frames.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "molecule/features.h"
#include "molecule/rmsd.h"

static int add_observable(struct cox_frames *frames, const char *what, int *column,
                          struct cox_err *err)
{
    for (int i = 0; i < frames->n_observables; i++) {
        if (!strcmp(cox_observable_name(frames->observable[i]), what)) {
            *column = i;
            return COX_OK;
        }
    }
    if (frames->n_observables == COX_FRAMES_MAX_OBSERVABLES)
        return cox_err_set(err, COX_EINVAL, "more than %d observables", COX_FRAMES_MAX_OBSERVABLES);
    int rc = cox_observable_create(&frames->observable[frames->n_observables], what, frames->system,
                                   frames->reference, NULL, err);
    if (!rc)
        *column = frames->n_observables++;
    return rc;
}

/* The RMSD is that of reference.selection; other observables choose their own atoms. */
static int add_rmsd(struct cox_frames *frames, const struct cox_settings *settings,
                    struct cox_err *err)
{
    struct cox_selection selection;
    int rc = cox_selection_init(&selection, frames->system, settings->reference.selection, err);
    if (rc)
        return rc;
    rc = cox_observable_create(&frames->observable[0], "rmsd_A", frames->system, frames->reference,
                               &selection, err);
    cox_selection_deinit(&selection);
    if (!rc) {
        frames->rmsd = 0;
        frames->n_observables = 1;
    }
    return rc;
}

static int place(const struct cox_config *config, const char *key, struct cox_err *err, int rc)
{
    if (!rc || !config || rc == COX_ENOMEM)
        return rc;
    struct cox_err inner = COX_ERR_INIT;
    cox_err_set(&inner, rc, "%s", err ? err->text : "");
    return cox_config_error(config, key, err, rc, "%s", inner.text);
}

static int init_columns(struct cox_frames *f, const struct cox_settings *settings,
                        const struct cox_config *config, struct cox_err *err)
{
    int rc = COX_OK;
    int column;
    if (settings->reference.path) {
        rc = cox_reference_load(&f->reference, f->system, settings->reference.path,
                                settings->reference.model, err);
        if (rc)
            return place(config, "reference.path", err, rc);
        rc = add_rmsd(f, settings, err);
        if (rc)
            return place(config, "reference.selection", err, rc);
    }
    if (settings->agent.objective) {
        rc = add_observable(f, settings->agent.objective, &f->objective, err);
        if (rc)
            return place(config, "agent.objective", err, rc);
    }
    for (int i = 0; i < settings->features.observables.n; i++) {
        rc = add_observable(f, settings->features.observables.items[i], &column, err);
        if (rc)
            return place(config, "features.observables", err, rc);
    }
    return COX_OK;
}

int cox_frames_init(struct cox_frames *frames, const struct cox_system *system,
                    const struct cox_settings *settings, const struct cox_config *config,
                    struct cox_err *err)
{
    *frames = (struct cox_frames){.system = system, .rmsd = -1, .objective = -1};
    frames->maximise = settings->agent.direction == COX_MAXIMISE && settings->agent.objective;
    frames->cutoff_nm = settings->features.contact_cutoff_A * 0.1;
    frames->state_radius_nm = settings->stop.convergence.state_radius_A * 0.1;
    int rc = cox_selection_init(&frames->points, system, settings->features.selection, err);
    if (rc)
        return place(config, "features.selection", err, rc);
    if (frames->points.n < 2) {
        cox_err_set(err, COX_EINVAL, "'%s' selects %d atom(s); a contact map needs at least 2",
                    settings->features.selection, frames->points.n);
        rc = place(config, "features.selection", err, COX_EINVAL);
    }
    if (!rc)
        rc = init_columns(frames, settings, config, err);
    if (rc) {
        cox_frames_deinit(frames);
        return rc;
    }
    size_t d = (size_t)frames->points.n;
    frames->n_pairs = (int)cox_pair_count(frames->points.n);
    frames->map_bytes = (d * d + 7) / 8;
    return COX_OK;
}

void cox_frames_deinit(struct cox_frames *frames)
{
    for (int i = 0; i < frames->n_observables; i++)
        cox_observable_destroy(frames->observable[i]);
    cox_reference_destroy(frames->reference);
    cox_selection_deinit(&frames->points);
    cox_free(frames->pairs);
    cox_free(frames->maps);
    cox_free(frames->values);
    cox_free(frames->segment);
    cox_free(frames->lane);
    cox_free(frames->round);
    cox_free(frames->state);
    cox_free(frames->reuse);
    cox_free(frames->leader);
    cox_free(frames->leader_pairs);
    cox_free(frames->population);
    *frames = (struct cox_frames){0};
}

static int grow(void **array, size_t n, size_t size)
{
    void *bigger = cox_realloc(*array, n, size);
    if (!bigger)
        return COX_ENOMEM;
    *array = bigger;
    return COX_OK;
}

static int reserve(struct cox_frames *f, int64_t n, struct cox_err *err)
{
    if (n <= f->capacity)
        return COX_OK;
    int64_t capacity = f->capacity ? f->capacity : 1024;
    while (capacity < n)
        capacity += capacity / 2;
    size_t c = (size_t)capacity;
    if (grow((void **)&f->pairs, c, (size_t)f->n_pairs * sizeof(float)) ||
        grow((void **)&f->maps, c, f->map_bytes) ||
        grow((void **)&f->values, c, (size_t)(f->n_observables + 1) * sizeof(float)) ||
        grow((void **)&f->segment, c, sizeof(int32_t)) ||
        grow((void **)&f->lane, c, sizeof(int32_t)) ||
        grow((void **)&f->round, c, sizeof(int32_t)) ||
        grow((void **)&f->state, c, sizeof(int32_t)) ||
        grow((void **)&f->reuse, c, sizeof(int32_t)))
        return cox_err_set(err, COX_ENOMEM, "out of memory for the features of %lld frames",
                           (long long)capacity);
    f->capacity = capacity;
    return COX_OK;
}

/* Room for n states; before any frame is appended, so that a failure leaves all as it was. */
static int reserve_states(struct cox_frames *f, int64_t n, struct cox_err *err)
{
    if (n <= f->state_capacity)
        return COX_OK;
    int64_t capacity = f->state_capacity ? f->state_capacity : 64;
    while (capacity < n)
        capacity += capacity / 2;
    size_t c = (size_t)capacity;
    if (capacity > INT32_MAX || grow((void **)&f->leader, c, sizeof(int64_t)) ||
        grow((void **)&f->leader_pairs, c, (size_t)f->n_pairs * sizeof(float)) ||
        grow((void **)&f->population, c, sizeof(int32_t)))
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld states", (long long)capacity);
    f->state_capacity = (int)capacity;
    return COX_OK;
}

struct feature_job {
    struct cox_frames *frames;
    const float *x;
    int n;
};

#define BLOCK 16

static void pack_map(const struct cox_frames *f, const float *pairs, uint8_t *bits)
{
    int d = f->points.n;
    float cutoff = (float)f->cutoff_nm;
    memset(bits, 0, f->map_bytes);
    for (int i = 0; i < d; i++) {
        int p = i * d + i;
        bits[p / 8] |= (uint8_t)(1u << (p % 8));
        for (int j = i + 1; j < d; j++, pairs++) {
            if (*pairs > cutoff)
                continue;
            int upper = i * d + j;
            int lower = j * d + i;
            bits[upper / 8] |= (uint8_t)(1u << (upper % 8));
            bits[lower / 8] |= (uint8_t)(1u << (lower % 8));
        }
    }
}

static void compute_block(void *user, int item, int thread)
{
    struct feature_job *job = user;
    struct cox_frames *f = job->frames;
    size_t stride = (size_t)f->system->n_atoms * 3;
    (void)thread;
    for (int i = item * BLOCK; i < job->n && i < (item + 1) * BLOCK; i++) {
        int64_t row = f->n + i;
        const float(*x)[3] = (const float(*)[3])(job->x + stride * (size_t)i);
        float *pairs = f->pairs + row * f->n_pairs;
        cox_pair_distances(f->points.n, f->points.atom, x, pairs);
        pack_map(f, pairs, f->maps + (size_t)row * f->map_bytes);
        for (int k = 0; k < f->n_observables; k++)
            f->values[row * f->n_observables + k] =
                (float)cox_observable_value(f->observable[k], x);
    }
}

/* The state of a frame: the first leader within the radius, tried from the newest, since
 * trajectories stay near where they were. */
static void assign_state(struct cox_frames *f, int64_t frame)
{
    const float *pairs = f->pairs + frame * f->n_pairs;
    for (int s = f->n_states - 1; s >= 0; s--) {
        const float *leader = f->leader_pairs + (size_t)s * (size_t)f->n_pairs;
        if (cox_pair_rms((size_t)f->n_pairs, pairs, leader) <= f->state_radius_nm) {
            f->state[frame] = s;
            f->population[s]++;
            return;
        }
    }
    f->state[frame] = f->n_states;
    f->leader[f->n_states] = frame;
    memcpy(f->leader_pairs + (size_t)f->n_states * (size_t)f->n_pairs, pairs,
           (size_t)f->n_pairs * sizeof *pairs);
    f->population[f->n_states++] = 1;
}

int cox_frames_append(struct cox_frames *frames, int n, const float *x, const int32_t *segment,
                      const int32_t *lane, const int32_t *round, struct cox_team *team,
                      struct cox_err *err)
{
    int rc = reserve(frames, frames->n + n, err);
    if (!rc)
        rc = reserve_states(frames, (int64_t)frames->n_states + n, err);
    if (rc)
        return rc;
    struct feature_job job = {frames, x, n};
    cox_team_run(team, (n + BLOCK - 1) / BLOCK, compute_block, &job);
    for (int i = 0; i < n; i++) {
        int64_t row = frames->n + i;
        frames->segment[row] = segment[i];
        frames->lane[row] = lane[i];
        frames->round[row] = round[i];
        frames->reuse[row] = 0;
        assign_state(frames, row);
    }
    frames->n += n;
    return COX_OK;
}

static void forget(void *array, int64_t dropped, int64_t n, size_t size)
{
    char *rows = array;
    memmove(rows, rows + (size_t)dropped * size, (size_t)(n - dropped) * size);
}

void cox_frames_drop(struct cox_frames *f, int64_t n)
{
    if (n <= 0)
        return;
    forget(f->pairs, n, f->n, (size_t)f->n_pairs * sizeof(float));
    forget(f->maps, n, f->n, f->map_bytes);
    forget(f->values, n, f->n, (size_t)f->n_observables * sizeof(float));
    forget(f->segment, n, f->n, sizeof(int32_t));
    forget(f->lane, n, f->n, sizeof(int32_t));
    forget(f->round, n, f->n, sizeof(int32_t));
    forget(f->state, n, f->n, sizeof(int32_t));
    forget(f->reuse, n, f->n, sizeof(int32_t));
    for (int s = 0; s < f->n_states; s++)
        f->leader[s] -= n;
    f->n -= n;
}

struct map_job {
    const struct cox_frames *frames;
    const float *x;
    uint8_t *maps;
    float *pairs; /* [n][n_pairs] */
    int n;
};

static void map_block(void *user, int item, int thread)
{
    const struct map_job *job = user;
    const struct cox_frames *f = job->frames;
    size_t stride = (size_t)f->system->n_atoms * 3;
    (void)thread;
    for (int i = item * BLOCK; i < job->n && i < (item + 1) * BLOCK; i++) {
        const float(*x)[3] = (const float(*)[3])(job->x + stride * (size_t)i);
        float *pairs = job->pairs + (size_t)i * (size_t)f->n_pairs;
        cox_pair_distances(f->points.n, f->points.atom, x, pairs);
        pack_map(f, pairs, job->maps + (size_t)i * f->map_bytes);
    }
}

int cox_frames_maps(const struct cox_frames *frames, int n, const float *x, uint8_t *maps,
                    struct cox_team *team, struct cox_err *err)
{
    struct map_job job = {.frames = frames, .x = x, .maps = maps, .n = n};
    job.pairs = cox_alloc((size_t)n, (size_t)frames->n_pairs * sizeof *job.pairs);
    if (!job.pairs)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the distances of %d frames", n);
    cox_team_run(team, (n + BLOCK - 1) / BLOCK, map_block, &job);
    cox_free(job.pairs);
    return COX_OK;
}

double cox_frames_distance_A(const struct cox_frames *frames, int64_t a, int64_t b)
{
    return 10 * cox_pair_rms((size_t)frames->n_pairs, frames->pairs + a * frames->n_pairs,
                             frames->pairs + b * frames->n_pairs);
}

double cox_frames_value(const struct cox_frames *frames, int64_t frame, int column)
{
    return column < 0 ? NAN : (double)frames->values[frame * frames->n_observables + column];
}
