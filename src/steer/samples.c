/* SPDX-License-Identifier: BSD-3-Clause */
/* Places 0 … newest−1 are a ring of the newest frames, the rest a reservoir (Vitter 1985, algorithm
 * R) of what left the ring: the k-th frame to leave it takes a random place with odds size / k, so
 * at any time each of them is as likely to be there. */
#include "steer/samples.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { SALT_RESERVOIR = 0x5a1, SALT_HELD = 0x5a2 };

struct cox_samples {
    uint64_t seed;
    double held_out;
    size_t map_bytes;
    int64_t newest, reservoir; /* sizes of the two parts */
    int64_t offered, left;     /* ids so far; of them those that left the ring */
    int64_t *id;               /* [newest + reservoir], -1: empty */
    bool *filled;
    uint8_t *maps;
    int64_t missing; /* places taken and not filled */
};

int cox_samples_create(struct cox_samples **out, const struct cox_settings_learn *settings,
                       size_t map_bytes, uint64_t seed, struct cox_err *err)
{
    int64_t most = settings->max_samples;
    size_t places = (size_t)most;
    *out = NULL;
    struct cox_samples *s = cox_alloc(1, sizeof *s);
    if (s) {
        s->seed = seed;
        s->held_out = settings->validation_fraction;
        s->map_bytes = map_bytes;
        s->newest = settings->sampling == COX_SAMPLING_NEWEST      ? most
                    : settings->sampling == COX_SAMPLING_RESERVOIR ? 0
                                                                   : most - most / 2;
        s->reservoir = most - s->newest;
        s->id = cox_alloc(places, sizeof *s->id);
        s->filled = cox_alloc(places, sizeof *s->filled);
        s->maps = cox_alloc(places, map_bytes);
    }
    if (!s || !s->id || !s->filled || !s->maps) {
        cox_samples_destroy(s);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld samples of %zu bytes",
                           (long long)most, map_bytes);
    }
    for (int64_t i = 0; i < most; i++)
        s->id[i] = -1;
    *out = s;
    return COX_OK;
}

void cox_samples_destroy(struct cox_samples *samples)
{
    if (!samples)
        return;
    cox_free(samples->id);
    cox_free(samples->filled);
    cox_free(samples->maps);
    cox_free(samples);
}

static void put(struct cox_samples *s, int64_t place, int64_t id, const uint8_t *map)
{
    s->missing -= s->id[place] >= 0 && !s->filled[place];
    s->id[place] = id;
    s->filled[place] = map != NULL;
    s->missing += map == NULL;
    if (map)
        memcpy(s->maps + (size_t)place * s->map_bytes, map, s->map_bytes);
}

/* One that left the ring, or, without a ring, a new one. */
static void offer_reservoir(struct cox_samples *s, int64_t id, const uint8_t *map)
{
    int64_t k = s->left++;
    if (!s->reservoir)
        return;
    int64_t place = k;
    if (k >= s->reservoir) {
        struct cox_rng rng;
        cox_rng_init(&rng, cox_seed_mix(s->seed, SALT_RESERVOIR), (uint64_t)k);
        place = (int64_t)(cox_rng_uniform(&rng) * (double)(k + 1));
    }
    if (place < s->reservoir)
        put(s, s->newest + place, id, map);
}

void cox_samples_offer(struct cox_samples *samples, int64_t id)
{
    struct cox_samples *s = samples;
    int64_t k = s->offered++;
    if (!s->newest) {
        offer_reservoir(s, id, NULL);
        return;
    }
    int64_t place = k % s->newest;
    if (s->id[place] >= 0)
        offer_reservoir(s, s->id[place],
                        s->filled[place] ? s->maps + (size_t)place * s->map_bytes : NULL);
    put(s, place, id, NULL);
}

int64_t cox_samples_offered(const struct cox_samples *samples)
{
    return samples->offered;
}

/* The `most` smallest ids among the missing: a sorted list, each new one inserted. Missing places
 * are few but for the first call, where the ring's part comes in order. */
void cox_samples_missing(struct cox_samples *samples, int64_t most, int64_t *ids, int64_t *places,
                         int64_t *n)
{
    int64_t found = 0;
    int64_t all = samples->missing ? samples->newest + samples->reservoir : 0;
    for (int64_t i = 0; i < all; i++) {
        int64_t id = samples->id[i];
        if (id < 0 || samples->filled[i] || (found == most && id >= ids[found - 1]))
            continue;
        int64_t at = found < most ? found++ : most - 1;
        for (; at > 0 && ids[at - 1] > id; at--) {
            ids[at] = ids[at - 1];
            places[at] = places[at - 1];
        }
        ids[at] = id;
        places[at] = i;
    }
    *n = found;
}

void cox_samples_fill(struct cox_samples *samples, int64_t place, const uint8_t *map)
{
    memcpy(samples->maps + (size_t)place * samples->map_bytes, map, samples->map_bytes);
    samples->missing -= !samples->filled[place];
    samples->filled[place] = true;
}

static bool held_out(const struct cox_samples *s, int64_t id)
{
    struct cox_rng rng;
    cox_rng_init(&rng, cox_seed_mix(s->seed, SALT_HELD), (uint64_t)id);
    return cox_rng_uniform(&rng) < s->held_out;
}

void cox_samples_rows(const struct cox_samples *samples, int64_t *train, int64_t *n_train,
                      int64_t *valid, int64_t *n_valid)
{
    *n_train = *n_valid = 0;
    for (int64_t i = 0; i < samples->newest + samples->reservoir; i++) {
        if (samples->id[i] < 0 || !samples->filled[i])
            continue;
        if (held_out(samples, samples->id[i]))
            valid[(*n_valid)++] = i;
        else
            train[(*n_train)++] = i;
    }
}

const uint8_t *cox_samples_maps(const struct cox_samples *samples)
{
    return samples->maps;
}
