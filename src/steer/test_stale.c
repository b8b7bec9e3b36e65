/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "steer/stale.h"

enum { LANES = 5 };

static struct cox_stale *make(void)
{
    struct cox_stale *s;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_stale_create(&s, LANES, 100, &err), 0);
    return s;
}

static void a_lane_that_improves_is_left_alone(void **state)
{
    bool stale[LANES];
    struct cox_stale *s = make();
    (void)state;
    for (int t = 0; t <= 90; t += 10) {
        cox_stale_frame(s, 0, 0, t, t);      /* better all the time */
        cox_stale_frame(s, 1, 1, t, -t);     /* worse all the time */
        cox_stale_frame(s, 2, 2, t, t < 50); /* best until 40 */
        cox_stale_frame(s, 3, 3, t, NAN);    /* cannot be computed */
    }
    assert_int_equal(cox_stale_by_objective(s, stale), 0); /* 90 ps are not 100 */
    for (int t = 100; t <= 130; t += 10)
        for (int lane = 0; lane < 4; lane++)
            cox_stale_frame(s, lane, lane, t, lane == 3 ? NAN : lane ? -1000 : t);
    assert_int_equal(cox_stale_by_objective(s, stale), 3);
    assert_false(stale[0]);
    assert_true(stale[1]);
    assert_true(stale[2]); /* its best was at 0; equal is no progress */
    assert_true(stale[3]);
    assert_false(stale[4]); /* never seen */
    cox_stale_destroy(s);
}

static void a_restart_begins_anew_and_an_asked_lane_has_time(void **state)
{
    bool stale[LANES];
    struct cox_stale *s = make();
    (void)state;
    for (int t = 0; t <= 200; t += 10)
        cox_stale_frame(s, 0, 7, t, -t);
    assert_int_equal(cox_stale_by_objective(s, stale), 1);
    cox_stale_asked(s, 0);
    assert_int_equal(cox_stale_by_objective(s, stale), 0);
    for (int t = 210; t <= 300; t += 10) /* it was not restarted: ask again in time */
        cox_stale_frame(s, 0, 7, t, -t);
    assert_int_equal(cox_stale_by_objective(s, stale), 1);
    cox_stale_restarted(s, 0, 9);
    cox_stale_frame(s, 0, 7, 310, -310); /* was on its way: of the path before */
    assert_int_equal(cox_stale_by_objective(s, stale), 0);
    for (int t = 320; t <= 410; t += 10)
        cox_stale_frame(s, 0, t < 350 ? 9 : 12, t, -t); /* 12 goes on with 9 */
    assert_int_equal(cox_stale_by_objective(s, stale), 0);
    cox_stale_frame(s, 0, 12, 420, -420);
    assert_int_equal(cox_stale_by_objective(s, stale), 1);
    cox_stale_destroy(s);
}

static void the_slow_ones_in_latent_space(void **state)
{
    /* lane l moves by speed[l] in 10 ps; lane 4 was restarted just now, from far away */
    static const float speed[LANES] = {1, 2, 0.1f, 1.5f, 1};
    enum { N = 16 * LANES };
    int32_t lane[N];
    int32_t segment[N];
    double time[N];
    float latent[N][2];
    bool stale[LANES];
    struct cox_stale *s = make();
    (void)state;
    for (int i = 0; i < N; i++) {
        int t = i / LANES;
        lane[i] = i % LANES;
        time[i] = 10 * t;
        segment[i] = lane[i] == 4 && t >= 13 ? 50 : lane[i];
        latent[i][0] = (segment[i] == 50 ? 100.0f : 0.0f) + speed[lane[i]] * (float)t;
        latent[i][1] = 3;
        if (segment[i] == 50 && t == 13)
            cox_stale_restarted(s, 4, 50);
        cox_stale_frame(s, lane[i], segment[i], time[i], NAN);
    }
    struct cox_stale_rows rows = {0, lane, segment, time, &latent[0][0], 2};
    rows.n = 9 * LANES; /* no lane is old enough in these */
    assert_int_equal(cox_stale_by_latent(s, &rows, stale), 0);
    rows.n = N;
    assert_int_equal(cox_stale_by_latent(s, &rows, stale), 1);
    assert_true(stale[2]);
    cox_stale_asked(s, 2);
    assert_int_equal(cox_stale_by_latent(s, &rows, stale), 0);
    cox_stale_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_that_improves_is_left_alone),
        cmocka_unit_test(a_restart_begins_anew_and_an_asked_lane_has_time),
        cmocka_unit_test(the_slow_ones_in_latent_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
