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
    struct cox_catalog_attempt *attempts; /* of a streaming run's processes */
    struct cox_catalog_poison *poisons;
    int64_t n_segments, n_models, n_picks, n_tasks, n_rounds, n_attempts, n_poisons;
    int lanes;
    bool streaming;  /* a round is then a generation: the ordinal of a segment in its lane */
    int generations; /* rounds that frames are of; of a streaming run's some are not over yet */

    /* Frames: of a sequential run those of its committed rounds, of a streaming one all that are
     * stored, in the order in which they arrived (those of several files dovetailed). Numbered
     * from 0 here; the catalog names them by id. */
    int64_t n;
    int64_t *id;                     /* [n] */
    int64_t *at;                     /* [last_id + 1] the number of an id, -1: none */
    int64_t last_id;                 /* -1 without frames */
    int32_t *segment, *lane, *round; /* [n] */
    double *ns;        /* [n] aggregate simulated time at which the frame was taken: within a round
                          the lanes run side by side; a streaming run's arrive as they are made */
    double *wall_s;    /* [n] since the run began, from the simulations' tasks; NaN: unknown */
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

/* The number of the frame with this id, -1: there is none. */
int64_t cox_run_data_frame(const struct cox_run_data *run, int64_t id);
/* Distinct roots of the pathways that the lanes are on in a round (streaming: in their newest
 * segments of this or an earlier generation); 0 when it has no segment; negative: out of memory. */
int cox_run_data_ancestors(const struct cox_run_data *run, int round, struct cox_err *err);
/* "LOF outliers in latent space, rmsd_A minimised, …" or "no steering". */
void cox_run_data_strategy(const struct cox_run_data *run, char *text, size_t size);
/* "round" or "generation"; static. */
const char *cox_run_data_round_word(const struct cox_run_data *run);
/* Wall time from the run's beginning to the end of its last task. */
double cox_run_data_wall_s(const struct cox_run_data *run);
/* Simulated time in units of one segment's, per hour of wall time: "simulations per hour". */
double cox_run_data_segments_per_hour(const struct cox_run_data *run);
/* Cores that the run used: threads of a sequential run, cores of a streaming one. */
int cox_run_data_cores(const struct cox_run_data *run);
double cox_run_data_task_cores(const struct cox_run_data *run, const struct cox_catalog_task *task);
/* Core seconds of tasks of one kind ("train"); of a sequential run one core per thread. */
double cox_run_data_core_seconds(const struct cox_run_data *run, const char *kind);
/* report_frames.c, inside cox_run_data_init: what the frames files hold. */
int cox_run_data_frames(struct cox_run_data *run, const struct cox_run_data_options *options,
                        struct cox_err *err) COX_MUST_CHECK;
/* "Cα RMSD", or "RMSD" over other atoms; static. */
const char *cox_run_data_rmsd_name(const struct cox_run_data *run);

#endif
