/* SPDX-License-Identifier: BSD-3-Clause */
/* The training step of a Deep Potential: the loss of some frames and its gradient by every
 * parameter. The force loss needs second derivatives: they are derived in
 * docs/potential-training.md. L = mean over frames of  p_e/N·ΔE² + p_f/(3N)·Σ ΔF² + p_v/(9N)·Σ ΔW²
 * (Zhang et al., PRL 120, 143001 (2018), eq. 2); a label that a frame does not have adds nothing.
 * Units Å, eV. */
#ifndef COX_DP_TRAIN_GRADIENT_H
#define COX_DP_TRAIN_GRADIENT_H

#include "base/team.h"
#include "potential/evaluate.h"

/* One labelled frame; everything borrowed. */
struct cox_dp_frame {
    struct cox_dp_atoms atoms; /* no ghosts */
    const struct cox_neighbours *list;
    const double *fparam;      /* [n_fparam], NULL when the model has none */
    const double *energy;      /* one number; NULL: not labelled */
    const double (*force)[3];  /* [n] or NULL */
    const double (*virial)[3]; /* [3][3] or NULL */
};

struct cox_dp_prefactors {
    double energy, force, virial; /* p_e, p_f, p_v at this step */
};

/* Means over the frames that have the label; 0 where none has. */
struct cox_dp_losses {
    double loss;
    double energy2; /* (ΔE/N)² */
    double force2;  /* ΣΔF²/3N */
    double virial2; /* Σ(ΔW/N)²/9 */
    long long overflow;
};

/* All trainable parameters of a model as one vector of cox_dp_model_parameters(model) numbers:
 * embedding nets by descriptor and index, then fitting nets by type; in a net by layer w, b, idt.
 */
void cox_dp_parameters_get(double *to, const struct cox_dp_model *model);
void cox_dp_parameters_set(struct cox_dp_model *model, const double *from);

/* The plain way, double precision, atom by atom: what the fast one is held to. `gradient` may be
 * NULL (losses only). */
int cox_dp_gradient_ref(double *gradient, struct cox_dp_losses *losses,
                        const struct cox_dp_model *model, const struct cox_dp_frame *frames, int n,
                        const struct cox_dp_prefactors *prefactors,
                        struct cox_err *err) COX_MUST_CHECK;

struct cox_dp_gradient;
/* Plans for the model's shape, statistics and bias; its parameters come with each call. `team` (may
 * be NULL) is borrowed. */
int cox_dp_gradient_create(struct cox_dp_gradient **out, const struct cox_dp_model *model,
                           enum cox_dp_precision precision, struct cox_team *team,
                           struct cox_err *err) COX_MUST_CHECK;
/* NULL is allowed. */
void cox_dp_gradient_destroy(struct cox_dp_gradient *gradient);
/* As cox_dp_gradient_ref with the given parameters. No allocation once frames of this size were
 * seen; with the same number of threads the same bits. */
int cox_dp_gradient_compute(struct cox_dp_gradient *plan, double *gradient,
                            struct cox_dp_losses *losses, const double *parameters,
                            const struct cox_dp_frame *frames, int n,
                            const struct cox_dp_prefactors *prefactors,
                            struct cox_err *err) COX_MUST_CHECK;

#endif
