/* SPDX-License-Identifier: BSD-3-Clause */
/* A finished or running run, read back from its directory for reports and comparisons. */
#ifndef COX_STEER_REPORT_DATA_H
#define COX_STEER_REPORT_DATA_H

#include <limits.h>
#include <stdint.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/team.h"
#include "cox/err.h"
#include "cox/system.h"
#include "molecule/reference.h"
#include "molecule/select.h"
#include "steer/settings.h"
#include "store/catalog.h"

struct cox_run_data {
    char directory[PATH_MAX];
    struct cox_arena *arena;
    struct cox_settings settings;
    struct cox_config *config; /* owned by the arena */
    struct cox_system *system;
    struct cox_selection points; /* of the contact maps */
    struct cox_json *summary;    /* NULL: none was written */

    struct cox_catalog_segment *segments;
    struct cox_catalog_model *models;
    struct cox_catalog_pick *picks;
    struct cox_catalog_task *tasks;
    struct cox_catalog_round *rounds;
    int64_t n_segments, n_models, n_picks, n_tasks, n_rounds;
    int lanes;

    /* Frames of the rounds that are committed. */
    int64_t n;
    int32_t *segment, *lane, *round; /* [n] */
    double *ns;        /* [n] aggregate simulated time at which the frame was taken: within a round
                          the lanes run side by side */
    int64_t *in_time;  /* [n] frames ordered by ns, then number */
    double *rmsd_A;    /* [n], NaN without a reference */
    double *objective; /* [n], NaN without one */
    double *temperature_K; /* [n], NULL when the frames file has no such column */
    bool has_rmsd, has_objective;
    double frame_ns; /* aggregate time per frame */
    double total_ns;
    uint8_t *maps;   /* [n_mapped][points²] contact maps, one byte per pixel; NULL unless
                        wanted */
    int64_t *mapped; /* [n_mapped] the frame of each map */
    int64_t n_mapped;
};

/* `maps`: read all coordinates and compute the contact maps. Where `reference` is given, rmsd_A is
 * measured to it (over `reference_points`, all frames) instead of being read; both are borrowed.
 * `team` may be NULL. Release with cox_run_data_deinit, also after a failure. */
struct cox_run_data_options {
    bool maps;
    int64_t most_maps; /* of more frames only about so many are mapped, evenly; 0: all */
    const struct cox_reference *reference;
    const struct cox_selection *reference_points;
    struct cox_team *team;
};
int cox_run_data_init(struct cox_run_data *run, const char *directory,
                      const struct cox_run_data_options *options,
                      struct cox_err *err) COX_MUST_CHECK;
void cox_run_data_deinit(struct cox_run_data *run);

/* Distinct roots of the pathways that the lanes are on in a round; 0 when it has no segment;
 * negative: out of memory. */
int cox_run_data_ancestors(const struct cox_run_data *run, int round, struct cox_err *err);
/* "LOF outliers in latent space, rmsd_A minimised, …" or "no steering". */
void cox_run_data_strategy(const struct cox_run_data *run, char *text, size_t size);
/* "Cα RMSD", or "RMSD" over other atoms; static. */
const char *cox_run_data_rmsd_name(const struct cox_run_data *run);

#endif
