/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox md --observe`: means of observables over frames and replicas. Each replica's own mean is one
 * sample, and replicas are independent, so the standard error over them honours the correlation
 * within each, however long it is. */
#ifndef COX_CLI_MD_OBSERVE_H
#define COX_CLI_MD_OBSERVE_H

#include <stdint.h>

#include "base/json.h"
#include "cli/options.h"
#include "cox/system.h"
#include "molecule/observable.h"

struct cox_md_observe {
    struct cox_option_texts names; /* as given */
    const char *reference; /* PDB, system file or trajectory for rmsd_A and the like; NULL */
    int replicas;
    struct cox_observable *observable[COX_OPTION_TEXTS_MAX];
    double *sum;    /* [names.n][replicas] of the frames that count, owned */
    int64_t frames; /* that count, of each replica */
};

int cox_md_observe_init(struct cox_md_observe *o, const struct cox_system *system, int replicas,
                        struct cox_err *err) COX_MUST_CHECK;
void cox_md_observe_deinit(struct cox_md_observe *o);
/* One frame of each replica: x [replicas][n_atoms][3], nm. */
void cox_md_observe_add(struct cox_md_observe *o, const float *x, int n_atoms);
/* Mean and its standard error; NaN without frames, the error NaN with one replica. */
void cox_md_observe_mean(const struct cox_md_observe *o, int i, double *mean, double *error);
void cox_md_observe_print(const struct cox_md_observe *o);
/* {"rg_A": {"mean": …, "error": …}, …}; NULL where nothing is observed. */
struct cox_json *cox_md_observe_json(const struct cox_md_observe *o);

#endif
