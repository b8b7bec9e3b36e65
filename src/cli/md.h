/* SPDX-License-Identifier: BSD-3-Clause */
/* What `cox md` and `cox md bench` share. */
#ifndef COX_CLI_MD_H
#define COX_CLI_MD_H

#include <stdbool.h>

#include "base/json.h"
#include "cli/options.h"
#include "cox/engine.h"

struct cox_md_options {
    long long replicas, threads, seed, slow_every;
    double timestep_fs, temperature_K, friction_per_ps, hydrogen_mass_u;
    const char *isa, *engine;
    bool json;
};
#define COX_MD_OPTIONS_INIT                                                                 \
    {                                                                                       \
        .replicas = 16, .seed = 1, .slow_every = 1, .timestep_fs = 2, .temperature_K = 300, \
        .friction_per_ps = 1, .engine = "ensemble"                                          \
    }

/* Adds the options of the struct to a table that has room for COX_MD_SHARED more after `n`; returns
 * how many there are then. */
#define COX_MD_SHARED 11
int cox_md_shared_options(struct cox_md_options *o, struct cox_option *table, int n);
int cox_md_engine(struct cox_engine **out, const struct cox_system *system,
                  const struct cox_md_options *o, int replicas, int threads,
                  struct cox_err *err) COX_MUST_CHECK;
/* Prints it indented and destroys it. */
void cox_md_print_json(struct cox_json *json);
int cox_cmd_md_bench(int argc, char **argv);

#endif
