/* SPDX-License-Identifier: BSD-3-Clause */
/* input.json: the standard file, files of other versions, what is refused and how. */
#include "dp_train/input.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "dp_train/schedule.h"

#define STANDARD COX_SOURCE_DIR "/../shared/data/water/input.json"

struct reading {
    struct cox_arena *arena;
    struct cox_dp_input input;
    struct cox_err err;
    int rc;
};

static void parse(struct reading *r, const char *json)
{
    struct cox_config_text text = {"input.json", json, strlen(json)};
    *r = (struct reading){.arena = cox_arena_create()};
    r->rc = cox_dp_input_parse(&r->input, &text, r->arena, &r->err);
}

static void says(const char *json, const char *message)
{
    struct reading r;
    parse(&r, json);
    assert_int_not_equal(r.rc, COX_OK);
    if (!strstr(r.err.text, message))
        fail_msg("'%s' does not say '%s'", r.err.text, message);
    cox_arena_destroy(r.arena);
}

static void the_tables_make_sense(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    if (cox_config_check_schema(&cox_dp_input_schema, &err))
        fail_msg("%s", err.text);
}

static void the_standard_input_is_read(void **state)
{
    struct reading r = {.arena = cox_arena_create()};
    (void)state;
    if (!cox_file_exists(STANDARD)) {
        cox_arena_destroy(r.arena);
        print_message("skipped: there is no %s\n", STANDARD);
        skip();
    }
    if (cox_dp_input_load(&r.input, STANDARD, r.arena, &r.err))
        fail_msg("%s", r.err.text);
    assert_int_equal(r.input.model.descriptor.sel_of[1], 92);
    assert_int_equal(r.input.model.descriptor.axis_neuron, 16);
    assert_true(r.input.model.descriptor.type_one_side);
    assert_int_equal(r.input.model.fitting.neuron.items[2], 240);
    assert_string_equal(r.input.training.data.systems.items[0], "../data/data_0/");
    assert_int_equal(r.input.training.data.batch_auto, 32);
    assert_int_equal(r.input.training.validation.batch[0], 1);
    assert_int_equal(r.input.training.validation.numb_btch, 3);
    /* a fact of DeePMD-kit 3.2's learning curve for this input: 0.951 every 5000 steps */
    assert_true(fabs(r.input.rate.decay_rate - 0.95001) < 1e-3);
    assert_true(fabs(cox_dp_rate_at(&r.input.rate, 4999) - 1e-3) < 1e-15);
    assert_true(fabs(cox_dp_rate_at(&r.input.rate, 1000000) - 3.51e-8) < 1e-16);
    struct cox_dp_prefactors p = cox_dp_prefactors_at(&r.input, 0);
    assert_true(p.energy == 0.02 && p.force == 1000 && p.virial == 0);
    p = cox_dp_prefactors_at(&r.input, 1000000);
    assert_true(fabs(p.energy - 1) < 1e-4 && fabs(p.force - 1.035) < 1e-3);
    cox_arena_destroy(r.arena);
}

static void what_is_written_reads_back(void **state)
{
    struct reading a;
    struct reading b;
    char *first;
    char *second;
    (void)state;
    parse(&a, "{\"model\": {\"type_map\": [\"O\", \"H\"], \"descriptor\": {\"sel\": \"auto:1.5\","
              "\"exclude_types\": [[0, 1], [1, 1]], \"precision\": \"float32\"},"
              "\"fitting_net\": {\"atom_ener\": [null, -13.6], \"precision\": \"float32\"}},"
              "\"learning_rate\": {\"stop_lr_ratio\": 0.001},"
              "\"training\": {\"training_data\": {\"systems\": \"a\", \"batch_size\": \"max:99\"},"
              "\"validation_data\": {\"systems\": [\"b\", \"c\"], \"batch_size\": [2, 3]},"
              "\"numb_steps\": 5e4}}");
    if (a.rc)
        fail_msg("%s", a.err.text);
    assert_true(isnan(a.input.model.fitting.vacuum[0]));
    assert_true(a.input.model.fitting.vacuum[1] == -13.6);
    assert_true(a.input.rate.stop_lr == 1e-6);
    assert_true(cox_dp_input_f32(&a.input));
    assert_int_equal(a.input.training.data.batch_most, 99);
    assert_int_equal(cox_dp_input_json(&first, &a.input, NULL, &a.err), 0);
    parse(&b, first);
    if (b.rc)
        fail_msg("%s", b.err.text);
    assert_int_equal(b.input.model.descriptor.exclude_types.n, 4);
    assert_true(b.input.model.descriptor.sel_auto == 1.5);
    assert_int_equal(b.input.training.validation.batch[1], 3);
    assert_int_equal(cox_dp_input_json(&second, &b.input, NULL, &b.err), 0);
    assert_string_equal(first, second);
    cox_free(first);
    cox_free(second);
    cox_arena_destroy(a.arena);
    cox_arena_destroy(b.arena);
}

static void version_1_is_understood(void **state)
{
    struct reading r;
    (void)state;
    parse(&r, "{\"model\": {\"type_map\": [\"Cu\"], \"descriptor\": {\"type\": \"se_a\", \"sel\": "
              "[500], \"n_neuron\": [2, 4], \"n_axis_neuron\": 2}, \"fitting_net\": {\"n_neuron\": "
              "[7]}},"
              "\"learning_rate\": {\"type\": \"exp\", \"decay_rate\": 0.9},"
              "\"training\": {\"systems\": [\"x\"], \"set_prefix\": \"set\", \"batch_size\": 4,"
              "\"stop_batch\": 30000, \"numb_test\": 10, \"disp_training\": true, \"profiling\": "
              "false, \"load_ckpt\": \"model.ckpt\"}}");
    if (r.rc)
        fail_msg("%s", r.err.text);
    assert_int_equal(r.input.training.numb_steps, 30000);
    assert_int_equal(r.input.training.data.batch[0], 4);
    assert_string_equal(r.input.training.data.systems.items[0], "x");
    assert_int_equal(r.input.model.descriptor.neuron.items[1], 4);
    assert_int_equal(r.input.model.fitting.neuron.items[0], 7);
    assert_true(r.input.rate.decay_rate == 0.9);
    cox_arena_destroy(r.arena);
}

#define MODEL "\"model\": {\"type_map\": [\"O\", \"H\"]}"
#define DATA "\"training_data\": {\"systems\": \"d\"}"
#define TRAINING "\"training\": {" DATA ", \"numb_steps\": 10}"

static void what_is_wrong_is_named_with_its_place(void **state)
{
    (void)state;
    says("{" MODEL ",\n \"trainin\": {}}",
         "input.json:2:2: unknown key 'trainin'; did you mean 'training'?");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"rcut_smt\": 1}}}",
         "unknown key 'rcut_smt' in 'descriptor'; did you mean 'rcut_smth'?");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"type\": "
         "\"se_atten\"}}}",
         "'type' cannot be 'se_atten'");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": "
         "{\"activation_function\": \"relu\"}}}",
         "'activation_function' cannot be 'relu'");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"sel\": [1, 2]}}}",
         "'sel' has 2 numbers, 'type_map' 1 types");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"sel\": \"all\"}}}",
         "'sel' holds 'all'");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"rcut_smth\": 6}}}",
         "'rcut_smth' is 6, but must be below 'rcut', 6");
    says("{" TRAINING
         ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"axis_neuron\": 41}}}",
         "'axis_neuron' is 41, but the embedding net gives 40 numbers");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\", \"O\"]}}", "'type_map' names 'O' twice");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"exclude_types\": "
         "[[0, 1]]}}}",
         "'exclude_types' names type 1; there are 0 to 0");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"fitting_net\": {\"precision\": "
         "\"float32\"}}}",
         "must be the same in descriptor and fitting_net");
    says("{" MODEL ", \"training\": {\"numb_steps\": 10}}", "'systems' is missing");
    says("{" MODEL ", \"training\": {" DATA "}}", "'numb_steps' is missing in 'training'");
    says("{" MODEL ", \"training\": {\"numb_steps\": 10, \"training_data\": {\"systems\": \"d\", "
         "\"batch_size\": \"mixed:3\"}}}",
         "'batch_size' is 'mixed:3'");
    says("{" MODEL ", \"training\": {\"numb_steps\": 10, \"training_data\": {\"systems\": [\"d\"], "
         "\"batch_size\": [1, 2]}}}",
         "'batch_size' has 2 numbers, 'systems' 1 entries");
    says("{" MODEL ", " TRAINING ", \"learning_rate\": {\"stop_lr\": 1}}",
         "'stop_lr' is 1, but must be at most 'start_lr', 0.001");
    says("{" MODEL ", " TRAINING ", \"loss\": {\"start_pref_ae\": 1}}",
         "'start_pref_ae' cannot be '1'");
    says("{" MODEL ", " TRAINING, "not valid YAML");
}

static void a_hybrid_has_a_list(void **state)
{
    struct reading r;
    (void)state;
    parse(&r, "{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"type\": "
              "\"hybrid\", \"list\": [{\"type\": \"se_e2_a\", \"rcut\": 4}, {\"type\": \"se_e2_r\","
              " \"sel\": [9]}]}}}");
    if (r.rc)
        fail_msg("%s", r.err.text);
    assert_int_equal(cox_dp_input_descriptors(&r.input), 2);
    assert_true(cox_dp_input_descriptor(&r.input, 0)->rcut == 4);
    assert_int_equal(cox_dp_input_descriptor(&r.input, 1)->sel_of[0], 9);
    cox_arena_destroy(r.arena);
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"type\": "
         "\"hybrid\"}}}",
         "a hybrid needs its descriptors in 'list'");
    says("{" TRAINING ", \"model\": {\"type_map\": [\"O\"], \"descriptor\": {\"type\": "
         "\"hybrid\", \"list\": [{\"type\": \"hybrid\"}]}}}",
         "a hybrid in a hybrid");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_make_sense),
        cmocka_unit_test(the_standard_input_is_read),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(version_1_is_understood),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(a_hybrid_has_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
