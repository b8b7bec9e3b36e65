/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of input.json. Names, defaults and meanings: https://docs.deepmodeling.com, "Training
 * parameters". */
#include "dp_train/input.h"

#include <math.h>

#define D(member) COX_CONFIG_FIELD(struct cox_dp_input_descriptor, member)
#define N(member) COX_CONFIG_FIELD(struct cox_dp_input_fitting, member)
#define M(member) COX_CONFIG_FIELD(struct cox_dp_input_model, member)
#define R(member) COX_CONFIG_FIELD(struct cox_dp_input_rate, member)
#define L(member) COX_CONFIG_FIELD(struct cox_dp_input_loss, member)
#define S(member) COX_CONFIG_FIELD(struct cox_dp_input_data, member)
#define T(member) COX_CONFIG_FIELD(struct cox_dp_input_training, member)
#define O(member) COX_CONFIG_FIELD(struct cox_dp_input_optimizer, member)
#define I(member) COX_CONFIG_FIELD(struct cox_dp_input, member)

/* A key with one possible value (written in several ways): what others would switch on is not
 * here. */
#define ONLY(name, field, list, value)                                         \
    {                                                                          \
        name, COX_CONFIG_ENUM, field, .initial = value, .choices = list,       \
                                      .help = "other values are not supported" \
    }
#define NOTHING(name, field)                                                        \
    {                                                                               \
        name, COX_CONFIG_ENUM, field, .choices = only_null, .help = "not supported" \
    }
/* A key that changes nothing here. */
#define UNUSED(name, field)                                                                        \
    {                                                                                              \
        name, COX_CONFIG_TEXT, field, .flags = COX_CONFIG_ANYTHING,                                \
                                      .help = "accepted for the sake of existing files; no effect" \
    }
#define LARGE 1e15

static const char *const only_null[] = {"null", NULL};
static const char *const only_tanh[] = {"tanh", NULL};
static const char *const only_true[] = {"true", "True", NULL};
static const char *const only_false[] = {"false", "False", NULL};
static const char *const only_zero[] = {"0", "0.0", NULL};
static const char *const only_ener[] = {"ener", NULL};
static const char *const only_exp[] = {"exp", NULL};
static const char *const only_mse[] = {"mse", NULL};
static const char *const only_adam[] = {"Adam", "adam", NULL};
static const char *const only_standard[] = {"standard", NULL};
static const char *const only_none[] = {"None", "none", NULL};
static const char *const only_one[] = {"1", NULL};
static const char *const precisions[] = {"default", "float64", "float32", NULL};
static const char *const descriptors[] = {"se_e2_a", "se_a", "se_e2_r", "se_r", "hybrid", NULL};
static const char *const neuron_names[] = {"n_neuron", NULL};
static const char *const axis_names[] = {"n_axis_neuron", NULL};
static const char *const step_names[] = {"stop_batch", "num_steps", NULL};
static const char *const prob_names[] = {"auto_prob_style", NULL};
static const char *const weight_names[] = {"sys_weights", NULL};
static const char *const btch_names[] = {"numb_batch", NULL};

#define DESCRIPTOR_ROWS                                                                         \
    {"type",                                                                                    \
     COX_CONFIG_ENUM,                                                                           \
     D(type),                                                                                   \
     .initial = "se_e2_a",                                                                      \
     .choices = descriptors,                                                                    \
     .help = "se_e2_a: two-body embedding, full information; se_e2_r: distances only"},         \
        {"sel",                                                                                 \
         COX_CONFIG_TEXTS,                                                                      \
         D(sel),                                                                                \
         .initial = "[auto]",                                                                   \
         .max_items = COX_DP_MAX_TYPES,                                                         \
         .help =                                                                                \
             "largest number of neighbours of each type; auto or auto:FACTOR: what is seen in " \
             "the data, times the factor (1.1), rounded up to 4"},                              \
        {"rcut",          COX_CONFIG_DOUBLE, D(rcut),        .unit = "Å",                       \
         .initial = "6",  .minimum = 0,      .maximum = 100, .flags = COX_CONFIG_ABOVE_MINIMUM, \
         .help = "cutoff"},                                                                     \
        {"rcut_smth",      COX_CONFIG_DOUBLE,                                                   \
         D(rcut_smth),     .unit = "Å",                                                         \
         .initial = "0.5", .minimum = 0,                                                        \
         .maximum = 100,   .help = "where smoothing towards the cutoff begins"},                \
        {"neuron",                                                                              \
         COX_CONFIG_INTS,                                                                       \
         D(neuron),                                                                             \
         .initial = "[10, 20, 40]",                                                             \
         .minimum = 1,                                                                          \
         .maximum = 4096,                                                                       \
         .min_items = 1,                                                                        \
         .max_items = COX_DP_MAX_LAYERS,                                                        \
         .aliases = neuron_names,                                                               \
         .help = "widths of the embedding net"},                                                \
        {"axis_neuron",         COX_CONFIG_INT,                                                 \
         D(axis_neuron),        .initial = "4",                                                 \
         .minimum = 1,          .maximum = 4096,                                                \
         .aliases = axis_names, .help = "columns of the second factor of the descriptor"},      \
        {"resnet_dt", COX_CONFIG_BOOL, D(resnet_dt), .initial = "false",                        \
         .help = "a trained step length in the layers of the embedding net"},                   \
        {"type_one_side", COX_CONFIG_BOOL, D(type_one_side), .initial = "false",                \
         .help = "one embedding net per type of neighbour, not per pair of types"},             \
        {"precision",                                                                           \
         COX_CONFIG_ENUM,                                                                       \
         D(precision),                                                                          \
         .initial = "default",                                                                  \
         .choices = precisions,                                                                 \
         .help = "of the nets; the fitting net must have the same; default: float64"},          \
        {"seed",           COX_CONFIG_INT64,                                                    \
         D(seed),          .minimum = 0,                                                        \
         .maximum = LARGE, .help = "of the first weights; left out: made from training.seed"},  \
        {"exclude_types",                                                                       \
         COX_CONFIG_INTS,                                                                       \
         D(exclude_types),                                                                      \
         .initial = "[]",                                                                       \
         .minimum = 0,                                                                          \
         .maximum = COX_DP_MAX_TYPES - 1,                                                       \
         .flags = COX_CONFIG_FLATTEN,                                                           \
         .max_items = 2 * COX_DP_MAX_TYPES * COX_DP_MAX_TYPES,                                  \
         .help = "pairs of types that do not see each other, e.g. [[0, 1]]"},                   \
        {"set_davg_zero", COX_CONFIG_BOOL, D(set_davg_zero), .initial = "false",                \
         .help = "the mean of the environment is taken as zero"},                               \
        ONLY("activation_function", D(only), only_tanh, "tanh"),                                \
        ONLY("trainable", D(only), only_true, "true"),                                          \
        ONLY("env_protection", D(only), only_zero, "0")

static const struct cox_config_row member_rows[] = {DESCRIPTOR_ROWS};
static const struct cox_config_schema member_schema = {
    .rows = member_rows,
    .n = (int)(sizeof member_rows / sizeof member_rows[0]),
    .size = sizeof(struct cox_dp_input_descriptor),
    .help = "One descriptor of a hybrid.",
    .comments = true};
static const struct cox_config_row descriptor_rows[] = {
    DESCRIPTOR_ROWS,
    {"list", COX_CONFIG_SECTIONS, D(list), .section = &member_schema,
     .max_items = COX_DP_MAX_DESCRIPTORS, .help = "the descriptors of a hybrid, laid end to end"},
};
static const struct cox_config_schema descriptor_schema = {
    .rows = descriptor_rows,
    .n = (int)(sizeof descriptor_rows / sizeof descriptor_rows[0]),
    .size = sizeof(struct cox_dp_input_descriptor),
    .help = "What an atom sees of its surroundings.",
    .comments = true};

static const struct cox_config_row fitting_rows[] = {
    ONLY("type", N(only), only_ener, "ener"),
    {"neuron", COX_CONFIG_INTS, N(neuron), .initial = "[120, 120, 120]", .minimum = 1,
     .maximum = 8192, .min_items = 1, .max_items = COX_DP_MAX_LAYERS - 1, .aliases = neuron_names,
     .help = "widths of the fitting net's hidden layers"},
    {"resnet_dt", COX_CONFIG_BOOL, N(resnet_dt), .initial = "true",
     .help = "a trained step length in the layers that are added to their input"},
    {"precision", COX_CONFIG_ENUM, N(precision), .initial = "default", .choices = precisions,
     .help = "of the nets"},
    {"seed", COX_CONFIG_INT64, N(seed), .minimum = 0, .maximum = LARGE,
     .help = "of the first weights; left out: made from training.seed"},
    {"numb_fparam", COX_CONFIG_INT, N(numb_fparam), .initial = "0", .minimum = 0, .maximum = 1000,
     .help = "numbers in a row of fparam.npy: parameters of a frame, such as a temperature"},
    {"atom_ener", COX_CONFIG_TEXTS, N(atom_ener), .initial = "[]", .max_items = COX_DP_MAX_TYPES,
     .help = "energy of a free atom of each type (eV), null: from the data"},
    {"trainable", COX_CONFIG_TEXTS, N(trainable), .initial = "[true]",
     .help = "true, or true for each layer; other values are not supported"},
    ONLY("activation_function", N(only), only_tanh, "tanh"),
    ONLY("numb_aparam", N(only), only_zero, "0"),
    ONLY("dim_case_embd", N(only), only_zero, "0"),
    ONLY("use_aparam_as_mask", N(only), only_false, "false"),
    NOTHING("default_fparam", N(only)),
    NOTHING("rcond", N(only)),
    NOTHING("layer_name", N(only)),
};
static const struct cox_config_schema fitting_schema = {
    .rows = fitting_rows,
    .n = (int)(sizeof fitting_rows / sizeof fitting_rows[0]),
    .size = sizeof(struct cox_dp_input_fitting),
    .help = "The net that makes an atom's energy of its descriptor.",
    .comments = true};

static const struct cox_config_row model_rows[] = {
    {"type_map", COX_CONFIG_TEXTS, M(type_map), .flags = COX_CONFIG_REQUIRED, .min_items = 1,
     .max_items = COX_DP_MAX_TYPES, .help = "names of the types of atoms, in their order"},
    {"descriptor", COX_CONFIG_SECTION, M(descriptor), .section = &descriptor_schema,
     .help = "what an atom sees"},
    {"fitting_net", COX_CONFIG_SECTION, M(fitting), .section = &fitting_schema,
     .help = "what energy it has"},
    {"data_stat_nbatch", COX_CONFIG_INT, M(data_stat_nbatch), .initial = "10", .minimum = 1,
     .maximum = 1e9, .help = "batches of each system that the statistics are made of"},
    {"data_stat_protect", COX_CONFIG_DOUBLE, M(data_stat_protect), .initial = "0.01", .minimum = 0,
     .maximum = 1, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "smaller deviations are taken as this"},
    {"pair_exclude_types", COX_CONFIG_INTS, M(pair_exclude_types), .initial = "[]",
     .flags = COX_CONFIG_FLATTEN, .help = "not supported: see descriptor.exclude_types"},
    {"atom_exclude_types", COX_CONFIG_INTS, M(atom_exclude_types), .initial = "[]",
     .help = "not supported"},
    ONLY("type", M(only), only_standard, "standard"),
    ONLY("bridging_method", M(only), only_none, "None"),
    NOTHING("preset_out_bias", M(only)),
    NOTHING("spin", M(only)),
    NOTHING("modifier", M(only)),
    NOTHING("type_embedding", M(only)),
    NOTHING("use_srtab", M(only)),
    NOTHING("compress", M(only)),
    UNUSED("data_bias_nsample", M(unused)),
    UNUSED("finetune_head", M(unused)),
    UNUSED("smin_alpha", M(unused)),
    UNUSED("sw_rmin", M(unused)),
    UNUSED("sw_rmax", M(unused)),
    UNUSED("srtab_add_bias", M(unused)),
    UNUSED("model_branch_alias", M(unused)),
    UNUSED("bridging_r_inner", M(unused)),
    UNUSED("bridging_r_outer", M(unused)),
    UNUSED("info", M(unused)),
};
static const struct cox_config_schema model_schema = {
    .rows = model_rows,
    .n = (int)(sizeof model_rows / sizeof model_rows[0]),
    .size = sizeof(struct cox_dp_input_model),
    .help = "The potential.",
    .comments = true};

static const struct cox_config_row rate_rows[] = {
    ONLY("type", R(only), only_exp, "exp"),
    {"start_lr", COX_CONFIG_DOUBLE, R(start_lr), .initial = "0.001", .minimum = 0, .maximum = 10,
     .flags = COX_CONFIG_ABOVE_MINIMUM, .help = "learning rate of the first step"},
    {"stop_lr", COX_CONFIG_DOUBLE, R(stop_lr), .minimum = 0, .maximum = 10,
     .flags = COX_CONFIG_ABOVE_MINIMUM, .help = "of the last step; left out: 1e-8"},
    {"stop_lr_ratio", COX_CONFIG_DOUBLE, R(stop_lr_ratio), .minimum = 0, .maximum = 1,
     .flags = COX_CONFIG_ABOVE_MINIMUM, .help = "stop_lr as a share of start_lr"},
    {"decay_steps", COX_CONFIG_INT64, R(decay_steps), .initial = "5000", .minimum = 1,
     .maximum = LARGE,
     .help = "the rate is lowered every so many steps; where that is the whole "
             "training or more: 100, or a hundredth of a short training"},
    {"decay_rate", COX_CONFIG_DOUBLE, R(decay_rate), .minimum = 0, .maximum = 1,
     .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "its factor each time; left out: so that stop_lr is reached at the end"},
    {"smooth", COX_CONFIG_BOOL, R(smooth), .initial = "false",
     .help = "lowered at every step instead"},
    ONLY("warmup_steps", R(only), only_zero, "0"),
    NOTHING("warmup_ratio", R(only)),
    UNUSED("warmup_start_factor", R(unused)),
    UNUSED("scale_by_worker", R(unused)),
};
static const struct cox_config_schema rate_schema = {
    .rows = rate_rows,
    .n = (int)(sizeof rate_rows / sizeof rate_rows[0]),
    .size = sizeof(struct cox_dp_input_rate),
    .help = "The learning rate: it decays exponentially.",
    .comments = true};

#define PREFACTOR(name, field, value, text)                                              \
    {                                                                                    \
        name, COX_CONFIG_DOUBLE, field, .initial = value, .minimum = 0, .maximum = 1e12, \
                                        .help = text                                     \
    }
static const struct cox_config_row loss_rows[] = {
    ONLY("type", L(only), only_ener, "ener"),
    PREFACTOR("start_pref_e", L(start_e), "0.02", "weight of the energy at first"),
    PREFACTOR("limit_pref_e", L(limit_e), "1", "and as the learning rate goes to zero"),
    PREFACTOR("start_pref_f", L(start_f), "1000", "of the forces at first"),
    PREFACTOR("limit_pref_f", L(limit_f), "1", "and in the end"),
    PREFACTOR("start_pref_v", L(start_v), "0", "of the virial at first"),
    PREFACTOR("limit_pref_v", L(limit_v), "0", "and in the end"),
    ONLY("start_pref_h", L(only), only_zero, "0"),
    ONLY("limit_pref_h", L(only), only_zero, "0"),
    ONLY("start_pref_ae", L(only), only_zero, "0"),
    ONLY("limit_pref_ae", L(only), only_zero, "0"),
    ONLY("start_pref_pf", L(only), only_zero, "0"),
    ONLY("limit_pref_pf", L(only), only_zero, "0"),
    ONLY("start_pref_gf", L(only), only_zero, "0"),
    ONLY("limit_pref_gf", L(only), only_zero, "0"),
    ONLY("numb_generalized_coord", L(only), only_zero, "0"),
    ONLY("enable_atom_ener_coeff", L(only), only_false, "false"),
    ONLY("use_default_pf", L(only), only_false, "false"),
    ONLY("use_huber", L(only), only_false, "false"),
    ONLY("f_use_norm", L(only), only_false, "false"),
    ONLY("intensive_ener_virial", L(only), only_false, "false"),
    ONLY("loss_func", L(only), only_mse, "mse"),
    NOTHING("relative_f", L(only)),
    UNUSED("huber_delta", L(unused)),
};
static const struct cox_config_schema loss_schema = {
    .rows = loss_rows,
    .n = (int)(sizeof loss_rows / sizeof loss_rows[0]),
    .size = sizeof(struct cox_dp_input_loss),
    .help = "What is made small: weighted squares of the errors of energy, forces and virial. The "
            "weights go with the learning rate from start to limit.",
    .comments = true};

#define DATA_ROWS(of)                                                                              \
    {"systems", COX_CONFIG_TEXTS, of(systems), .max_items = 1000000,                               \
     .help = "folders (or FILE.h5#/GROUP) with a type.raw, or folders with such folders in them"}, \
        {"set_prefix", COX_CONFIG_TEXT, of(set_prefix), .initial = "set",                          \
         .help = "how the names of the folders of a system begin; only 'set'"},                    \
        {"batch_size",                                                                             \
         COX_CONFIG_TEXTS,                                                                         \
         of(batch_size),                                                                           \
         .initial = "[auto]",                                                                      \
         .max_items = 1000000,                                                                     \
         .help = "frames of a step: a number, one for each system, auto (at least 32 atoms), "     \
                 "auto:ATOMS (at least), or max:ATOMS (at most)"},                                 \
        {"auto_prob",                                                                              \
         COX_CONFIG_TEXT,                                                                          \
         of(auto_prob),                                                                            \
         .initial = "prob_sys_size",                                                               \
         .aliases = prob_names,                                                                    \
         .help = "how often a system is drawn: prob_sys_size (by its number of batches), "         \
                 "prob_uniform, or 'prob_sys_size;0:3:0.4;3:9:0.6'"},                              \
        {"sys_probs",                                                                              \
         COX_CONFIG_DOUBLES,                                                                       \
         of(sys_probs),                                                                            \
         .minimum = 0,                                                                             \
         .maximum = 1e12,                                                                          \
         .max_items = 1000000,                                                                     \
         .aliases = weight_names,                                                                  \
         .help = "how often each system is drawn, in place of auto_prob"},                         \
        UNUSED("rglob_patterns", of(unused)), UNUSED("patterns", of(unused))

static const struct cox_config_row training_data_rows[] = {
    DATA_ROWS(S),
    ONLY("min_pair_dist", S(only), only_zero, "0"),
};
static const struct cox_config_row validation_rows[] = {
    DATA_ROWS(S),
    {"numb_btch", COX_CONFIG_INT, S(numb_btch), .initial = "1", .minimum = 1, .maximum = 1e9,
     .aliases = btch_names, .help = "batches of a test during training"},
};
static const struct cox_config_schema training_data_schema = {
    .rows = training_data_rows,
    .n = (int)(sizeof training_data_rows / sizeof training_data_rows[0]),
    .size = sizeof(struct cox_dp_input_data),
    .help = "What is trained with. Paths are as seen from the working directory.",
    .comments = true};
static const struct cox_config_schema validation_schema = {
    .rows = validation_rows,
    .n = (int)(sizeof validation_rows / sizeof validation_rows[0]),
    .size = sizeof(struct cox_dp_input_data),
    .help = "What the model is tested with during training, and never trained with.",
    .comments = true};

#define OLD(member) T(old.member)
static const struct cox_config_row training_rows[] = {
    {"training_data", COX_CONFIG_SECTION, T(data), .section = &training_data_schema,
     .help = "what is trained with"},
    {"validation_data", COX_CONFIG_SECTION, T(validation), .section = &validation_schema,
     .help = "what it is tested with"},
    {"numb_steps", COX_CONFIG_INT64, T(numb_steps), .flags = COX_CONFIG_REQUIRED, .minimum = 1,
     .maximum = LARGE, .aliases = step_names, .help = "steps of the training"},
    {"seed", COX_CONFIG_INT64, T(seed), .minimum = 0, .maximum = LARGE,
     .help = "of the order of the frames; left out: another one each time, which is printed"},
    {"disp_file", COX_CONFIG_TEXT, T(disp_file), .initial = "lcurve.out",
     .help = "the learning curve"},
    {"disp_freq", COX_CONFIG_INT64, T(disp_freq), .initial = "1000", .minimum = 1, .maximum = LARGE,
     .help = "steps between its rows"},
    {"save_freq", COX_CONFIG_INT64, T(save_freq), .initial = "1000", .minimum = 1, .maximum = LARGE,
     .help = "steps between checkpoints"},
    {"save_ckpt", COX_CONFIG_TEXT, T(save_ckpt), .initial = "model.ckpt",
     .help = "how their names begin: SAVE_CKPT-STEP.dp"},
    {"max_ckpt_keep", COX_CONFIG_INT, T(max_ckpt_keep), .initial = "5", .minimum = 1,
     .maximum = 1e6, .help = "as many are kept"},
    {"gradient_max_norm", COX_CONFIG_DOUBLE, T(gradient_max_norm), .initial = "0", .minimum = 0,
     .maximum = 1e30, .help = "longer gradients are shortened to this; 0: never"},
    ONLY("opt_type", T(only), only_adam, "Adam"),
    ONLY("acc_freq", T(only), only_one, "1"),
    ONLY("enable_ema", T(only), only_false, "false"),
    ONLY("change_bias_after_training", T(only), only_false, "false"),
    NOTHING("mixed_precision", T(only)),
    NOTHING("numb_epoch", T(only)),
    NOTHING("data_dict", T(only)),
    DATA_ROWS(OLD), /* version 1 of the file has these here */
    UNUSED("numb_test", T(unused)),
    UNUSED("load_ckpt", T(unused)),
    UNUSED("save_dir", T(unused)),
    UNUSED("ckpt_keep_ratio", T(unused)),
    UNUSED("ema_decay", T(unused)),
    UNUSED("ema_ckpt_keep", T(unused)),
    UNUSED("stat_file", T(unused)),
    UNUSED("stat_file_mode", T(unused)),
    UNUSED("disp_training", T(unused)),
    UNUSED("time_training", T(unused)),
    UNUSED("disp_avg", T(unused)),
    UNUSED("profiling", T(unused)),
    UNUSED("profiling_file", T(unused)),
    UNUSED("enable_profiler", T(unused)),
    UNUSED("tensorboard", T(unused)),
    UNUSED("tensorboard_log_dir", T(unused)),
    UNUSED("tensorboard_freq", T(unused)),
    UNUSED("zero_stage", T(unused)),
    UNUSED("neighbor_graph_method", T(unused)),
    UNUSED("enable_compile", T(unused)),
    UNUSED("enable_tf32", T(unused)),
};
static const struct cox_config_schema training_schema = {
    .rows = training_rows,
    .n = (int)(sizeof training_rows / sizeof training_rows[0]),
    .size = sizeof(struct cox_dp_input_training),
    .help = "Data, length and files of the training.",
    .comments = true};

static const struct cox_config_row optimizer_rows[] = {
    ONLY("type", O(only), only_adam, "Adam"),
    {"adam_beta1", COX_CONFIG_DOUBLE, O(beta1), .initial = "0.9", .minimum = 0,
     .maximum = 0.9999999, .help = "of the mean of the gradient"},
    {"adam_beta2", COX_CONFIG_DOUBLE, O(beta2), .initial = "0.999", .minimum = 0,
     .maximum = 0.9999999, .help = "of the mean of its square"},
    ONLY("weight_decay", O(only), only_zero, "0"),
};
static const struct cox_config_schema optimizer_schema = {
    .rows = optimizer_rows,
    .n = (int)(sizeof optimizer_rows / sizeof optimizer_rows[0]),
    .size = sizeof(struct cox_dp_input_optimizer),
    .help = "Adam (Kingma and Ba, 2015).",
    .comments = true};

static const struct cox_config_row rows[] = {
    {"model", COX_CONFIG_SECTION, I(model), .section = &model_schema, .help = "the potential"},
    {"learning_rate", COX_CONFIG_SECTION, I(rate), .section = &rate_schema,
     .help = "the learning rate"},
    {"loss", COX_CONFIG_SECTION, I(loss), .section = &loss_schema, .help = "what is made small"},
    {"training", COX_CONFIG_SECTION, I(training), .section = &training_schema,
     .help = "data, length and files"},
    {"optimizer", COX_CONFIG_SECTION, I(optimizer), .section = &optimizer_schema,
     .help = "how a step is made"},
    UNUSED("validating", I(unused)),
};
const struct cox_config_schema cox_dp_input_schema = {
    .rows = rows,
    .n = (int)(sizeof rows / sizeof rows[0]),
    .size = sizeof(struct cox_dp_input),
    .help = "input.json of a training, as DeePMD-kit has it. Keys that begin with '_' are remarks.",
    .comments = true};
