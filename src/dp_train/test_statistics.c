/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics of the water data against figures of an independent program, least squares, and what a
 * new model is made of. */
#include "dp_train/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "dp_train/create.h"
#include "dp_train/least_squares.h"

#define WATER COX_SOURCE_DIR "/../shared/data/water/data/"

struct world {
    struct cox_arena *arena;
    struct cox_dp_input input;
    struct cox_dp_model *model;
    struct cox_dp_systems systems;
    struct cox_dp_lists lists;
    struct cox_dp_lists_survey survey;
};

/* Reads the input in which S stands for the folder of the water data, and the data. */
static void world_init(struct world *w, const char *descriptor, int64_t bytes)
{
    char json[2000];
    struct cox_err err = COX_ERR_INIT;
    memset(w, 0, sizeof *w);
    w->arena = cox_arena_create();
    snprintf(json, sizeof json,
             "{\"model\": {\"type_map\": [\"O\", \"H\"], \"descriptor\": {%s},"
             "\"fitting_net\": {\"neuron\": [5, 5]}},"
             "\"training\": {\"training_data\": {\"systems\": [\"" WATER "data_0\"]},"
             "\"numb_steps\": 10, \"seed\": 3}}",
             descriptor);
    struct cox_config_text text = {"input.json", json, strlen(json)};
    if (cox_dp_input_parse(&w->input, &text, w->arena, &err) ||
        cox_dp_model_outline(&w->model, &w->input, &err) ||
        cox_dp_systems_read(&w->systems, &w->input.training.data, w->model, 3, &err) ||
        cox_dp_lists_build(&w->lists, &w->survey, &w->systems, w->model, bytes, NULL, &err))
        fail_msg("%s", err.text);
    cox_dp_model_set_sel(w->model, &w->input, w->survey.most);
}

static void world_end(struct world *w)
{
    cox_dp_lists_deinit(&w->lists);
    cox_dp_systems_deinit(&w->systems);
    cox_dp_model_destroy(w->model);
    cox_arena_destroy(w->arena);
}

static void need_water(void)
{
    if (cox_file_is_directory(WATER "data_0"))
        return;
    print_message("skipped: there is no %s\n", WATER "data_0");
    skip();
}

static void close_to(double found, double wanted, double within)
{
    if (!(fabs(found - wanted) <= within))
        fail_msg("%.17g is not within %g of %g", found, within, wanted);
}

/* The figures have four digits, so half of the last one is allowed. Ten batches of one frame out of
 * 80 are every 8th frame. */
static void the_statistics_of_water_are_known(void **state)
{
    static const char descriptor[] = "\"sel\": [46, 92], \"rcut\": 6, \"rcut_smth\": 0.5";
    struct world w;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    need_water();
    world_init(&w, descriptor, 1 << 30);
    assert_int_equal(cox_dp_statistics_environment(w.model, &w.input, &w.lists, &err), 0);
    const struct cox_dp_descriptor *q = &w.model->descriptor[0];
    close_to(q->davg[0][0], 0.0504, 5e-5);
    close_to(q->davg[1][0], 0.0482, 5e-5);
    close_to(q->dstd[0][0], 0.1399, 5e-5);
    close_to(q->dstd[1][0], 0.1239, 5e-5);
    for (int c = 1; c < 4; c++) {
        assert_true(q->davg[0][c] == 0);
        close_to(q->dstd[0][c], 0.0858, 5e-5);
        close_to(q->dstd[1][c], 0.0767, 5e-5);
    }
    assert_int_equal(cox_dp_statistics_bias(w.model, &w.input, &w.systems, &err), 0);
    close_to(w.model->bias[0], -93.57, 5e-3);
    close_to(w.model->bias[1], -187.15, 5e-3);
    world_end(&w);
}

/* DeePMD-kit 3.2 reports 0.885439 Å and [38 72] for data_0 to data_2. */
static void sel_auto_is_what_was_seen(void **state)
{
    struct world w;
    (void)state;
    need_water();
    world_init(&w, "\"sel\": \"auto\"", 1 << 30);
    assert_true(w.survey.min_distance > 0.885 && w.survey.min_distance < 1);
    for (int t = 0; t < 2; t++) {
        int most = w.survey.most[t];
        int sel = w.model->descriptor[0].sel[t];
        assert_true(most > 20 && most <= (t ? 72 : 38));
        assert_true(sel % 4 == 0 && sel >= 1.1 * most && sel < 1.1 * most + 4);
    }
    world_end(&w);
    world_init(&w, "\"sel\": \"auto:2\"", 1 << 30);
    assert_true(w.model->descriptor[0].sel[0] >= 2 * w.survey.most[0]);
    world_end(&w);
}

/* Lists that are built each time are those that are kept. */
static void lists_do_not_depend_on_memory(void **state)
{
    struct world all;
    struct world few;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    need_water();
    world_init(&all, "\"rcut\": 4", (int64_t)1 << 32);
    world_init(&few, "\"rcut\": 4", 2000000);
    assert_true(few.lists.bytes > 0 && few.lists.bytes <= 2000000);
    assert_true(all.lists.bytes > 3 * few.lists.bytes);
    for (int frame = 0; frame < 80; frame += 13) {
        const struct cox_neighbours *a;
        const struct cox_neighbours *b;
        assert_int_equal(cox_dp_lists_get(&a, &all.lists, 0, frame, 0, &err), 0);
        assert_int_equal(cox_dp_lists_get(&b, &few.lists, 0, frame, 0, &err), 0);
        assert_int_equal(a->total, b->total);
        assert_memory_equal(a->dr, b->dr, (size_t)a->total * sizeof *a->dr);
        assert_memory_equal(a->index, b->index, (size_t)a->total * sizeof *a->index);
    }
    world_end(&few);
    world_end(&all);
}

static void too_few_slots_see_the_nearest(void **state)
{
    struct world w;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    need_water();
    /* the nearest two H of an O are its own: s is about 1/0.99 Å, the same for every molecule */
    world_init(&w, "\"sel\": [0, 2], \"rcut_smth\": 3", 1 << 30);
    assert_int_equal(cox_dp_statistics_environment(w.model, &w.input, &w.lists, &err), 0);
    assert_true(w.model->descriptor[0].davg[0][0] > 0.9);
    assert_true(w.model->descriptor[0].dstd[0][0] < 0.1);
    world_end(&w);
}

/* ---- least squares ---- */

static void least_squares_solves_and_takes_the_shortest(void **state)
{
    double x[3];
    (void)state;
    /* overdetermined: the normal equations by hand give (1.5, 1) */
    const double a[] = {1, 0, 1, 1, 1, 2};
    const double b[] = {1, 3, 3.5};
    assert_int_equal(cox_dp_least_squares(x, a, b, 3, 2, NULL), 0);
    close_to(x[0], 1.25, 1e-14);
    close_to(x[1], 1.25, 1e-14);
    /* one row: x = aᵀ b / |a|²; of a type that is nowhere: 0 */
    const double row[] = {64, 128, 0};
    const double e[] = {-29943.0};
    assert_int_equal(cox_dp_least_squares(x, row, e, 1, 3, NULL), 0);
    close_to(x[0], -29943.0 / 320, 1e-11);
    close_to(x[1], -29943.0 / 160, 1e-11);
    assert_true(x[2] == 0);
    /* compositions that differ by one in a thousand still tell two types apart */
    const double c[] = {1000, 1000, 1001, 1000};
    const double f[] = {-7000, -7004};
    assert_int_equal(cox_dp_least_squares(x, c, f, 2, 2, NULL), 0);
    close_to(x[0], -4, 1e-8);
    close_to(x[1], -3, 1e-8);
}

static void assigned_energies_are_kept(void **state)
{
    struct world w;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    need_water();
    world_init(&w, "\"rcut\": 3", 1 << 30);
    w.input.model.fitting.vacuum[0] = -430;
    assert_int_equal(cox_dp_statistics_bias(w.model, &w.input, &w.systems, &err), 0);
    assert_true(w.model->bias[0] == -430);
    double mean = 0;
    for (int f = 0; f < 80; f++)
        mean += w.systems.system[0].data->energy[f] / 80;
    close_to(64 * -430 + 128 * w.model->bias[1], mean, 1e-7);
    world_end(&w);
}

/* ---- first weights ---- */

static void first_weights_are_distributed_as_they_should(void **state)
{
    struct world w;
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    need_water();
    world_init(&w,
               "\"sel\": [20, 40], \"rcut\": 3, \"neuron\": [50, 100, 100], \"resnet_dt\": true",
               1 << 30);
    assert_int_equal(cox_dp_model_draw(w.model, &w.input, &err), 0);
    const struct cox_dp_net *net = cox_dp_embed_of(w.model, 0, 0, 1);
    assert_null(net->layer[0].idt); /* 1 → 50 is not added to its input */
    assert_int_equal(net->layer[1].skip, COX_DP_SKIP_DOUBLED);
    assert_non_null(net->layer[1].idt);
    double sum = 0;
    double square = 0;
    const struct cox_dp_layer *l = &net->layer[2];
    for (int i = 0; i < 10000; i++) {
        sum += l->w[i];
        square += l->w[i] * l->w[i];
    }
    double sigma = 1 / sqrt(200);
    close_to(sum / 10000, 0, 5 * sigma / 100); /* five deviations of the mean */
    close_to(square / 10000, sigma * sigma, 5 * sigma * sigma * sqrt(2) / 100);
    for (int i = 0; i < 100; i++)
        close_to(l->idt[i], 0.1, 0.006);
    assert_true(w.model->fit[0].layer[2].linear);
    assert_int_equal(w.model->fit[0].n, 3);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_statistics_of_water_are_known),
        cmocka_unit_test(sel_auto_is_what_was_seen),
        cmocka_unit_test(lists_do_not_depend_on_memory),
        cmocka_unit_test(too_few_slots_see_the_nearest),
        cmocka_unit_test(least_squares_solves_and_takes_the_shortest),
        cmocka_unit_test(assigned_energies_are_kept),
        cmocka_unit_test(first_weights_are_distributed_as_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
