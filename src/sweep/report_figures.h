/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the report of a sweep: its figures, each appended to the page with its caption; those for
 * which there are no data are left out. */
#ifndef COX_SWEEP_REPORT_FIGURES_H
#define COX_SWEEP_REPORT_FIGURES_H

#include "base/str.h"
#include "sweep/view.h"

void cox_sweep_figure_learning(struct cox_str *out, const struct cox_sweep_view *view);
void cox_sweep_figure_progress(struct cox_str *out, const struct cox_sweep_view *view);
void cox_sweep_figure_speedup(struct cox_str *out, const struct cox_sweep_view *view);
void cox_sweep_figure_timeline(struct cox_str *out, const struct cox_sweep_view *view);
/* Audits: simulated against predicted[n] values of output o by the newest model. */
void cox_sweep_figure_parity(struct cox_str *out, const struct cox_sweep_view *view, int o,
                             const int *audit, int n, const double *predicted);
/* A scalar output over one input. */
void cox_sweep_figure_effect(struct cox_str *out, const struct cox_sweep_view *view, int o, int p);
/* A profile: the points with the least, the middle and the greatest mean. */
void cox_sweep_figure_profiles(struct cox_str *out, const struct cox_sweep_view *view, int o);

#endif
