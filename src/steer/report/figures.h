/* SPDX-License-Identifier: BSD-3-Clause */
/* The figures of a run's report: each appends a <figure> to the page, or nothing (or a sentence)
 * when the run has nothing to show there. Memory failures stick to the page. */
#ifndef COX_STEER_REPORT_FIGURES_H
#define COX_STEER_REPORT_FIGURES_H

#include "base/str.h"
#include "steer/report/data.h"

/* What the run is judged by: RMSD where there is one, else the objective; NULL for neither. */
const double *cox_figure_measure(const struct cox_run_data *run, const char **label,
                                 bool *maximise);

void cox_figure_histogram(struct cox_str *page, const struct cox_run_data *run);
void cox_figure_best(struct cox_str *page, const struct cox_run_data *run);
void cox_figure_states(struct cox_str *page, const struct cox_run_data *run);
/* Embeds the mapped frames with the last model; a model that cannot be read costs this figure only.
 */
void cox_figure_latent(struct cox_str *page, const struct cox_run_data *run, struct cox_team *team);
void cox_figure_losses(struct cox_str *page, const struct cox_run_data *run);
/* report_timeline.c. The tasks of a sequential run in rounds first … last. */
void cox_figure_timeline(struct cox_str *page, const struct cox_run_data *run, int first, int last);
/* The tasks of a run of either kind between two moments (NaN: its end), under a title. */
void cox_figure_timeline_span(struct cox_str *page, const struct cox_run_data *run,
                              const char *title, double from_s, double until_s);
/* Of a streaming run: cores that simulated and that learned, over time. */
void cox_figure_cores(struct cox_str *page, const struct cox_run_data *run);
void cox_figure_idle(struct cox_str *page, const struct cox_run_data *run);
void cox_figure_temperatures(struct cox_str *page, const struct cox_run_data *run);
void cox_figure_ancestors(struct cox_str *page, const struct cox_run_data *run);

#endif
