/* SPDX-License-Identifier: BSD-3-Clause */
/* Adam against its definition written down plainly, in every instruction set; and which frames a
 * training's batches have. */
#include "dp_train/adam.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "dp_train/adam_kernels.h"
#include "dp_train/systems.h"
#include "kern/isa.h"

#define N 40007 /* three pieces of work, the last one odd */

struct vectors {
    double x[N], g[N], mean[N], square[N];
};

/* Kingma and Ba, algorithm 1, with both corrections apart and epsilon scaled to "epsilon hat". */
static void plain(struct vectors *v, double rate, int step)
{
    double c1 = 1 - pow(0.9, step);
    double c2 = 1 - pow(0.999, step);
    for (int i = 0; i < N; i++) {
        v->mean[i] = 0.9 * v->mean[i] + 0.1 * v->g[i];
        v->square[i] = 0.999 * v->square[i] + 0.001 * v->g[i] * v->g[i];
        v->x[i] -= rate * (v->mean[i] / c1) / (sqrt(v->square[i] / c2) + 1e-8 / sqrt(c2));
    }
}

static void draw(struct vectors *v, uint64_t stream)
{
    struct cox_rng rng;
    cox_rng_init(&rng, 3, stream);
    for (int i = 0; i < N; i++)
        v->g[i] = i % 7 ? cox_rng_normal(&rng) : 0;
}

static void every_instruction_set_is_the_definition(void **state)
{
    struct vectors *a = cox_alloc(1, sizeof *a);
    struct vectors *b = cox_alloc(1, sizeof *b);
    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    for (int isa = 0; isa < cox_isa_count(); isa++) {
        const struct cox_dp_adam_kernels *k = cox_dp_adam_kernels_at(isa);
        if (!k)
            continue;
        memset(a, 0, sizeof *a);
        memset(b, 0, sizeof *b);
        for (int step = 1; step <= 5; step++) {
            draw(a, (uint64_t)step);
            draw(b, (uint64_t)step);
            plain(a, 0.01, step);
            struct cox_dp_adam_numbers numbers = {
                0.9, 0.999, 1e-8, 0.01 * sqrt(1 - pow(0.999, step)) / (1 - pow(0.9, step))};
            size_t first = 3; /* arrays that begin anywhere */
            k->step(first, &numbers, b->g, b->mean, b->square, b->x);
            k->step(N - first, &numbers, b->g + first, b->mean + first, b->square + first,
                    b->x + first);
        }
        for (int i = 0; i < N; i++) /* five steps of 0.01 with a few roundings each */
            if (!(fabs(a->x[i] - b->x[i]) <= 1e-15))
                fail_msg("%s: %d: %.17g instead of %.17g", k->isa, i, b->x[i], a->x[i]);
    }
    cox_free(a);
    cox_free(b);
}

static void teams_change_nothing(void **state)
{
    struct vectors *v[2] = {cox_alloc(1, sizeof *v[0]), cox_alloc(1, sizeof *v[0])};
    struct cox_team *team = NULL;
    (void)state;
    assert_int_equal(cox_team_create(&team, 3, NULL), 0);
    for (int k = 0; k < 2; k++) {
        assert_non_null(v[k]);
        struct cox_dp_adam adam = {0.9, 0.999, 1e-8, N, v[k]->mean, v[k]->square};
        draw(v[k], 1);
        uint64_t before = cox_mem_allocations();
        for (int step = 1; step < 4; step++)
            cox_dp_adam_step(&adam, v[k]->x, v[k]->g, 0.1, step, k ? team : NULL);
        assert_true(cox_mem_allocations() == before);
    }
    assert_memory_equal(v[0]->x, v[1]->x, sizeof v[0]->x);
    assert_true(fabs(fabs(v[0]->x[1]) - 0.3) <
                1e-6); /* the same gradient thrice: three full steps */
    assert_true(v[0]->x[0] == 0);
    cox_team_destroy(team);
    cox_free(v[0]);
    cox_free(v[1]);
}

static void long_gradients_are_shortened(void **state)
{
    double g[2] = {3, 4};
    (void)state;
    cox_dp_gradient_clip(g, 2, 6);
    assert_true(g[0] == 3 && g[1] == 4);
    cox_dp_gradient_clip(g, 2, 1);
    assert_true(fabs(g[0] - 0.6) < 1e-15 && fabs(g[1] - 0.8) < 1e-15);
}

/* ---- batches ---- */

static void describe(struct cox_dp_systems *s, struct cox_dp_system *two, struct cox_dp_data *data,
                     int *orders)
{
    memset(two, 0, 2 * sizeof *two);
    for (int i = 0; i < 2; i++) {
        data[i] = (struct cox_dp_data){.n = i ? 5 : 30, .n_atoms = 4};
        two[i] = (struct cox_dp_system){.data = &data[i],
                                        .batch = i ? 5 : 8,
                                        .share = i ? 0.2 : 0.8,
                                        .shuffled = -1,
                                        .order = orders + 30 * i};
    }
    *s = (struct cox_dp_systems){.n = 2, .system = two, .frames = 35, .seed = 9};
}

static void batches_give_every_frame_once_before_any_twice(void **state)
{
    struct cox_dp_systems s;
    struct cox_dp_system two[2];
    struct cox_dp_data data[2];
    int orders[60];
    int seen[2][30] = {{0}};
    int steps[2] = {0, 0};
    (void)state;
    describe(&s, two, data, orders);
    for (int step = 0; step < 2000; step++) {
        struct cox_dp_batch b;
        cox_dp_systems_draw(&b, &s, step);
        int i = b.system;
        int at = steps[i]++ % (i ? 1 : 4);
        assert_int_equal(b.n, i ? 5 : at < 3 ? 8 : 6);
        for (int k = 0; k < b.n; k++)
            seen[i][b.frame[k]]++;
        if (i || at == 3)
            for (int k = 1; k < (i ? 5 : 30); k++)
                assert_int_equal(seen[i][k], seen[i][0]);
    }
    /* 2000 draws with 0.8: the deviation is 18 */
    assert_true(abs(steps[0] - 1600) < 90);
}

static void draws_depend_on_counts_alone(void **state)
{
    struct cox_dp_systems s;
    struct cox_dp_systems again;
    struct cox_dp_system two[2];
    struct cox_dp_system others[2];
    struct cox_dp_data data[2];
    int orders[60];
    int second[60];
    (void)state;
    describe(&s, two, data, orders);
    for (int step = 0; step < 57; step++) {
        struct cox_dp_batch b;
        cox_dp_systems_draw(&b, &s, step);
    }
    describe(&again, others, data, second);
    for (int i = 0; i < 2; i++)
        others[i].drawn = two[i].drawn;
    for (int step = 57; step < 120; step++) {
        struct cox_dp_batch a;
        struct cox_dp_batch b;
        cox_dp_systems_draw(&a, &s, step);
        cox_dp_systems_draw(&b, &again, step);
        assert_int_equal(a.system, b.system);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.frame, b.frame, (size_t)a.n * sizeof *a.frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_is_the_definition),
        cmocka_unit_test(teams_change_nothing),
        cmocka_unit_test(long_gradients_are_shortened),
        cmocka_unit_test(batches_give_every_frame_once_before_any_twice),
        cmocka_unit_test(draws_depend_on_counts_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
