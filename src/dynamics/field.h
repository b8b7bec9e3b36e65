/* SPDX-License-Identifier: BSD-3-Clause */
/* What moves atoms: anything that gives energy, forces and virial of positions in a box. The Deep
 * Potential is one (field_potential.h); tests have analytic ones. */
#ifndef COX_DYNAMICS_FIELD_H
#define COX_DYNAMICS_FIELD_H

#include <stddef.h>

#include "cox/err.h"
#include "potential/neighbours.h"

struct cox_dyn_forces {
    double energy;       /* eV */
    double virial[3][3]; /* eV: −∂E/∂strain */
    double (*force)[3];  /* [n] eV/Å, the caller's */
};

/* One caller at a time. */
struct cox_dyn_field {
    void *self;
    /* x [n]: need not lie inside the box. */
    int (*compute)(void *self, struct cox_dyn_forces *out, const double (*x)[3],
                   const struct cox_box *box, struct cox_err *err) COX_MUST_CHECK;
    /* What it remembers of earlier calls and what later results may depend on in their last bits
     * (which positions a list of neighbours was built for): state_size bytes, 0 for none. */
    size_t state_size;
    void (*save)(const void *self, void *bytes);
    int (*restore)(void *self, const void *bytes, struct cox_err *err);
};

#endif
