/* SPDX-License-Identifier: BSD-3-Clause */
/* The input file of a training: DeePMD-kit's input.json with the same keys, defaults and other
 * names of keys. Keys that choose something this program does not have are accepted with the value
 * that switches it off, and refused by name otherwise; keys that only steer how the reference
 * implementation runs are accepted and do nothing. */
#ifndef COX_DP_TRAIN_INPUT_H
#define COX_DP_TRAIN_INPUT_H

#include "config/config.h"
#include "potential/model.h"

enum {
    COX_DP_INPUT_SE_A,
    COX_DP_INPUT_SE_A_OLD,
    COX_DP_INPUT_SE_R,
    COX_DP_INPUT_SE_R_OLD,
    COX_DP_INPUT_HYBRID
};

struct cox_dp_input_descriptor {
    int type;
    struct cox_config_texts sel;
    double rcut, rcut_smth;
    struct cox_config_ints neuron;
    int axis_neuron;
    bool resnet_dt, type_one_side, set_davg_zero;
    int precision; /* default, float64, float32 */
    int64_t seed;
    struct cox_config_ints exclude_types;
    struct cox_config_sections list; /* of a hybrid */
    int only;                        /* keys with one possible value */
    const char *unused;              /* keys without effect */
    /* what `sel` says */
    double sel_auto; /* factor over what was observed; 0: the numbers below */
    int sel_of[COX_DP_MAX_TYPES];
};

struct cox_dp_input_fitting {
    struct cox_config_ints neuron;
    bool resnet_dt;
    int precision;
    int64_t seed;
    int numb_fparam;
    struct cox_config_texts atom_ener;
    struct cox_config_texts trainable;
    int only;
    const char *unused;
    double vacuum[COX_DP_MAX_TYPES]; /* of atom_ener; NaN: not assigned */
};

struct cox_dp_input_model {
    struct cox_config_texts type_map;
    int data_stat_nbatch;
    double data_stat_protect;
    struct cox_dp_input_descriptor descriptor;
    struct cox_dp_input_fitting fitting;
    struct cox_config_ints pair_exclude_types, atom_exclude_types;
    int only;
    const char *unused;
};

struct cox_dp_input_rate {
    double start_lr, stop_lr, stop_lr_ratio, decay_rate;
    int64_t decay_steps;
    bool smooth;
    int only;
    const char *unused;
};

struct cox_dp_input_loss {
    double start_e, limit_e, start_f, limit_f, start_v, limit_v;
    int only;
    const char *unused;
};

struct cox_dp_input_data {
    struct cox_config_texts systems;
    struct cox_config_texts batch_size;
    const char *auto_prob;
    struct cox_config_doubles sys_probs;
    const char *set_prefix;
    int numb_btch; /* validation */
    int only;
    const char *unused;
    /* what `batch_size` says */
    int batch_auto; /* at least so many atoms in a batch; 0: the numbers below */
    int batch_most; /* at most so many atoms in a batch */
    int n_batch;    /* one for all, or one for each entry of `systems` */
    int *batch;
};

struct cox_dp_input_training {
    struct cox_dp_input_data data, validation, old; /* old: version 1 has the keys of data here */
    int64_t numb_steps;
    int64_t seed;
    const char *disp_file;
    int64_t disp_freq, save_freq;
    const char *save_ckpt;
    int max_ckpt_keep;
    double gradient_max_norm; /* 0: not limited */
    int only;
    const char *unused;
};

struct cox_dp_input_optimizer {
    double beta1, beta2;
    int only;
    const char *unused;
};

struct cox_dp_input {
    struct cox_dp_input_model model;
    struct cox_dp_input_rate rate;
    struct cox_dp_input_loss loss;
    struct cox_dp_input_training training;
    struct cox_dp_input_optimizer optimizer;
    int only;
    const char *unused;
};

extern const struct cox_config_schema cox_dp_input_schema;

/* Reads a file and checks what needs more than one key. `input` lives in the arena. */
int cox_dp_input_load(struct cox_dp_input *input, const char *path, struct cox_arena *arena,
                      struct cox_err *err) COX_MUST_CHECK;
/* The same from memory. */
int cox_dp_input_parse(struct cox_dp_input *input, const struct cox_config_text *text,
                       struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* All of it with its defaults as JSON that DeePMD-kit reads, too; free with cox_free. `sel` is
 * that of the model (may be NULL: as in the input). */
int cox_dp_input_json(char **out, const struct cox_dp_input *input,
                      const struct cox_dp_model *model, struct cox_err *err) COX_MUST_CHECK;

/* The descriptors that it asks for: one, or those of a hybrid. */
int cox_dp_input_descriptors(const struct cox_dp_input *input);
const struct cox_dp_input_descriptor *cox_dp_input_descriptor(const struct cox_dp_input *input,
                                                              int i);
bool cox_dp_input_f32(const struct cox_dp_input *input);
/* Systems to validate with are given. */
bool cox_dp_input_validates(const struct cox_dp_input *input);

#endif
