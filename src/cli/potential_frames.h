/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands that go through labelled data share: words of the command line, systems, the
 * order of frames, and models evaluated on one frame with one list of neighbours. */
#ifndef COX_CLI_POTENTIAL_FRAMES_H
#define COX_CLI_POTENTIAL_FRAMES_H

#include "base/team.h"
#include "cli/options.h"
#include "potential/data.h"
#include "potential/evaluate.h"

#define POTENTIAL_MAX_MODELS 16

/* `-s a b c` becomes `-s a -s b -s c`, as DeePMD-kit's users write it; `names` are the options that
 * take several values, such as "-s", ended by NULL. *argv becomes a block that is freed with
 * cox_free; -1, or the exit code. */
int potential_spread(int *argc, char ***argv, const char *const *names);

/* Systems under the given paths, or in a file with one path a line (`list`); cox_free. */
int potential_systems(char ***paths, int *n, const struct cox_option_texts *given, const char *list,
                      struct cox_err *err) COX_MUST_CHECK;

/* *n of the frames of a system: the first, or with seed >= 0 some drawn by it. *n 0: all. cox_free.
 */
int potential_order(int64_t **out, int64_t *n, int64_t frames, long long seed,
                    struct cox_err *err) COX_MUST_CHECK;

struct potential_frame {
    int n;
    const int *type;
    const double (*x)[3];
    struct cox_box box;
    const double *fparam; /* [n_fparam], NULL: none */
    int n_fparam;
};
void potential_frame_of(struct potential_frame *out, const struct cox_dp_data *data, int64_t frame);

struct potential_models {
    int n;
    const char *path[POTENTIAL_MAX_MODELS];
    struct cox_dp_model *model[POTENTIAL_MAX_MODELS];
    struct cox_dp_eval *eval[POTENTIAL_MAX_MODELS];
    struct cox_team *team;
    struct cox_neighbours list;
    double cutoff;
    int capacity;                              /* atoms */
    double *force[POTENTIAL_MAX_MODELS];       /* [n][3], of the last frame */
    double *atom_energy[POTENTIAL_MAX_MODELS]; /* [n] */
    double energy[POTENTIAL_MAX_MODELS], virial[POTENTIAL_MAX_MODELS][9];
    long long overflow; /* neighbours that found no slot, over all frames */
};

/* Reads models of the same types; `precision` as cox_dp_precision_parse; threads 0: all. Close it
 * in any case. */
int potential_models_open(struct potential_models *models, const struct cox_option_texts *paths,
                          const char *precision, int threads, struct cox_err *err) COX_MUST_CHECK;
void potential_models_close(struct potential_models *models);
int potential_models_evaluate(struct potential_models *models, const struct potential_frame *frame,
                              struct cox_err *err) COX_MUST_CHECK;
/* Says on standard error how many neighbours found no slot. */
void potential_models_tell_overflow(const struct potential_models *models);

#endif
