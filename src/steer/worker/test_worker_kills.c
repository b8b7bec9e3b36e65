/* SPDX-License-Identifier: BSD-3-Clause */
/* Simulations and an aggregator that are killed (-9) at random moments: every frame is stored once,
 * and what is stored is to the bit what an undisturbed run stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "steer/test_crew.h"

enum { LANES = 8, KILLS = 20 };

static const char *const settings =
    "streaming: {checkpoint_s: 0.02, heartbeat_s: 0.05, window_frames: 32, compress: false}";

/* Waits a random time while the run goes on, then kills one that is at work. */
static void kill_one(struct crew *c, struct cox_rng *rng, struct crew_worker *w)
{
    crew_until(c, w->up);
    crew_serve(c, 0.002 + 0.11 * cox_rng_uniform(rng));
    crew_kill(c, w);
}

static void run_disturbed(struct crew *c)
{
    struct cox_rng rng;
    cox_rng_init(&rng, 11, 0);
    int simulate = 0;
    int aggregate = 0;
    crew_start_all(c);
    while (simulate < KILLS || aggregate < KILLS) {
        int which = (int)cox_rng_below(&rng, 2);
        if (which && aggregate < KILLS) {
            kill_one(c, &rng, &c->worker[c->simulations]);
            aggregate++;
        } else {
            kill_one(c, &rng, &c->worker[cox_rng_below(&rng, (uint32_t)c->simulations)]);
            simulate++;
        }
    }
    c->generations = (int)crew_slowest(c) + 6;
    crew_until(c, crew_all_done(c));
    crew_stop_all(c);
}

static void killed_at_random_moments_every_frame_is_stored_once(void **state)
{
    (void)state;
    struct crew *disturbed = crew_create(LANES, 2, settings);
    run_disturbed(disturbed);
    struct crew *quiet = crew_create(LANES, 2, settings);
    quiet->generations = disturbed->generations;
    crew_start_all(quiet);
    crew_until(quiet, crew_all_done(quiet));
    crew_stop_all(quiet);

    int64_t n[2];
    struct crew_row *rows[2] = {crew_rows(quiet, &n[0]), crew_rows(disturbed, &n[1])};
    crew_assert_complete(quiet, rows[0], n[0]);
    crew_assert_complete(disturbed, rows[1], n[1]);
    n[0] = crew_common(quiet, rows[0], n[0]);
    n[1] = crew_common(disturbed, rows[1], n[1]);
    assert_int_equal(n[0], (int64_t)quiet->generations * LANES * 10);
    assert_int_equal(n[0], n[1]);
    for (int64_t i = 0; i < n[0]; i++)
        assert_memory_equal(&rows[0][i], &rows[1][i], sizeof rows[0][i]);
    assert_int_equal(disturbed->troubles, 0);
    print_message("%d generations, %lld frames, %d kills of each role\n", quiet->generations,
                  (long long)n[0], KILLS);
    cox_free(rows[0]);
    cox_free(rows[1]);
    crew_destroy(quiet);
    crew_destroy(disturbed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_random_moments_every_frame_is_stored_once),
    };
    return crew_main(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
