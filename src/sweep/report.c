/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/report.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "report/html.h"
#include "sweep/export.h"
#include "sweep/performance.h"
#include "sweep/report_figures.h"
#include "sweep/surrogate.h"

enum {
    LARGEST = 64 << 20,
    CELL = 96,
    MOST_EFFECTS = 12, /* figures of outputs over inputs */
    MOST_FAILURES = 20
};

static void count_states(const struct cox_sweep_view *v, int count[COX_POINT_FAILED + 1])
{
    memset(count, 0, (COX_POINT_FAILED + 1) * sizeof *count);
    for (int i = 0; i < v->points.n; i++)
        count[v->row[i].state]++;
}

static const char *dollars(const struct cox_sweep_view *v)
{
    return v->n_servers ? "USD" : "core hours";
}

static void keys(struct cox_str *out, const struct cox_sweep_view *v)
{
    int count[COX_POINT_FAILED + 1];
    char text[5][CELL], note[CELL];
    const struct cox_ledger_batch *last = v->n_batches ? &v->batch[v->n_batches - 1] : NULL;
    count_states(v, count);
    snprintf(text[0], CELL, "%d", v->points.n);
    snprintf(text[1], CELL, "%d", count[COX_POINT_SIMULATED]);
    snprintf(text[2], CELL, "%d", count[COX_POINT_PREDICTED]);
    snprintf(text[3], CELL, "%.3g", last ? last->speedup : NAN);
    snprintf(text[4], CELL, "%.3g", last ? last->cost : NAN);
    snprintf(note, CELL, "at most %.3g %% may miss their accuracy",
             last ? 100 * last->failing_bound : NAN);
    const struct cox_html_key key[] = {
        {text[0], "points", count[COX_POINT_FAILED] ? "some failed, see below" : NULL},
        {text[1], "simulated", NULL},
        {text[2], "predicted", count[COX_POINT_PREDICTED] ? note : NULL},
        {text[3], "S, effective performance", "all simulated, by what it took"},
        {text[4], dollars(v), NULL},
    };
    cox_html_keys(out, key, last ? 5 : 3);
}

static void performance(struct cox_str *out, const struct cox_sweep_view *v)
{
    static const char *const heads[] = {"term", ">value", "meaning"};
    const struct cox_ledger_batch *b = &v->batch[v->n_batches - 1];
    const struct cox_performance p = {.N = v->points.n,
                                      .n = (double)(b->simulated - b->audits),
                                      .v = (double)b->audits,
                                      .t_sim = b->t_sim,
                                      .t_learn = b->t_learn,
                                      .t_lookup = b->t_lookup};
    const struct {
        const char *name, *meaning;
        double value;
    } row[] = {
        {"N", "points of the sweep", p.N},
        {"n", "simulated to learn from", p.n},
        {"v", "simulated as audits", p.v},
        {"T_sim (s)", "one simulation, mean", p.t_sim},
        {"T_learn (s)", "all training together", p.t_learn},
        {"T_lookup (s)", "one prediction", p.t_lookup},
        {"S", "N·T_sim / ((n + v)·T_sim + T_learn + (N − n − v)·T_lookup)", cox_speedup(&p)},
        {"crossover", "points from which on learning with these n, v and times wins",
         cox_speedup_crossover(&p)},
        {"without learning (s)", "simulating every point, one after the other", p.N * p.t_sim},
    };
    cox_html_section(out, "Effective performance");
    cox_html_row_begin(out);
    cox_sweep_figure_speedup(out, v);
    cox_html_row_end(out);
    cox_html_table_begin(out, heads, 3);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        char value[CELL];
        snprintf(value, CELL, "%.4g", row[i].value);
        const char *const cells[] = {row[i].name, value, row[i].meaning};
        cox_html_table_row(out, heads, cells, 3);
    }
    cox_html_table_end(out);
}

/* Audits that the newest model has not learned from, and what it says of them; false: there are
 * none, or no model. */
static bool audits(struct cox_sweep_view *v, const char *directory, int **audit, int *n,
                   double **predicted)
{
    struct cox_surrogate *surrogate = NULL;
    struct cox_err err = COX_ERR_INIT;
    char path[PATH_MAX];
    size_t d = (size_t)v->points.n_features;
    *n = 0;
    *audit = cox_arena_alloc(v->arena, (size_t)v->points.n, sizeof **audit);
    double *feature = cox_arena_alloc(v->arena, (size_t)v->points.n * d, sizeof *feature);
    if (!v->n_models || !*audit || !feature)
        return false;
    for (int i = 0; i < v->points.n; i++)
        if (v->row[i].state == COX_POINT_SIMULATED && v->row[i].purpose == COX_PURPOSE_AUDIT) {
            memcpy(feature + (size_t)*n * d, v->points.feature + (size_t)i * d,
                   d * sizeof *feature);
            (*audit)[(*n)++] = i;
        }
    *predicted =
        cox_arena_alloc(v->arena, (size_t)*n * (size_t)v->n_values + 1, sizeof **predicted);
    if (!*n || !*predicted)
        return false;
    int rc = cox_path_join(path, sizeof path, directory, v->model[v->n_models - 1].path, &err);
    if (!rc)
        rc = cox_surrogate_create(&surrogate, &v->settings, &v->points, 1, &err);
    if (!rc)
        rc = cox_surrogate_load(surrogate, path, &err);
    if (!rc && cox_surrogate_values(surrogate) != v->n_values)
        rc = COX_EFORMAT;
    if (!rc)
        rc =
            cox_surrogate_predict(surrogate, *n, feature, *predicted, NULL, NULL, NULL, NULL, &err);
    cox_surrogate_destroy(surrogate);
    return !rc;
}

static bool is_profile(const struct cox_sweep_view *v, int o)
{
    return v->first[o + 1] - v->first[o] > 1;
}

static void surrogate(struct cox_str *out, struct cox_sweep_view *v, const char *directory)
{
    int *audit, n;
    double *predicted;
    cox_html_section(out, "The surrogate");
    cox_html_row_begin(out);
    cox_sweep_figure_learning(out, v);
    cox_sweep_figure_progress(out, v);
    cox_html_row_end(out);
    if (!audits(v, directory, &audit, &n, &predicted))
        return;
    cox_html_row_begin(out);
    for (int o = 0; o < v->n_outputs; o++)
        if (!is_profile(v, o))
            cox_sweep_figure_parity(out, v, o, audit, n, predicted);
    cox_html_row_end(out);
}

static void values(struct cox_str *out, const struct cox_sweep_view *v)
{
    int shown = 0;
    cox_html_section(out, "What came out");
    cox_html_row_begin(out);
    for (int o = 0; o < v->n_outputs; o++)
        if (is_profile(v, o))
            cox_sweep_figure_profiles(out, v, o);
    cox_html_row_end(out);
    cox_html_row_begin(out);
    for (int o = 0; o < v->n_outputs; o++)
        for (int p = 0; p < v->points.n_inputs && !is_profile(v, o) && shown < MOST_EFFECTS; p++)
            if (!v->points.parameter[p].choices.n) {
                cox_sweep_figure_effect(out, v, o, p);
                shown++;
            }
    cox_html_row_end(out);
}

static void failures(struct cox_str *out, const struct cox_sweep_view *v)
{
    static const char *const heads[] = {">point", "inputs", "how it ended", "reason", "directory"};
    int n = 0;
    for (int i = 0; i < v->n_attempts; i++)
        n += !strcmp(v->attempt[i].end, "failed") || !strcmp(v->attempt[i].end, "timeout");
    if (!n)
        return;
    cox_html_section(out, "Failures");
    cox_html_paragraph(out, "%d attempt%s failed%s.", n, n == 1 ? "" : "s",
                       n > MOST_FAILURES ? "; the last of them" : "");
    cox_html_table_begin(out, heads, 5);
    int skip = n - MOST_FAILURES;
    for (int i = 0; i < v->n_attempts; i++) {
        const struct cox_ledger_attempt *a = &v->attempt[i];
        if ((strcmp(a->end, "failed") && strcmp(a->end, "timeout")) || skip-- > 0)
            continue;
        char point[CELL];
        struct cox_str words;
        cox_str_init(&words, 4096);
        if (a->point >= 0 && a->point < v->points.n)
            cox_points_describe(
                &v->points, v->points.x + (size_t)a->point * (size_t)v->points.n_inputs, &words);
        snprintf(point, CELL, "%lld", (long long)a->point);
        const char *const cells[] = {point, cox_str_text(&words), a->end, a->reason, a->directory};
        cox_html_table_row(out, heads, cells, 5);
        cox_str_deinit(&words);
    }
    cox_html_table_end(out);
}

static void servers(struct cox_str *out, const struct cox_sweep_view *v)
{
    static const char *const heads[] = {"type", ">servers", ">preempted", ">hours", ">USD"};
    if (!v->n_servers)
        return;
    cox_html_section(out, "Servers");
    cox_html_table_begin(out, heads, 5);
    for (int i = 0; i < v->n_servers; i++) {
        int n = 0, gone = 0, earlier = 0;
        double hours = 0, cost = 0;
        for (int k = 0; k < v->n_servers; k++) {
            const struct cox_ledger_server *s = &v->server[k];
            if (strcmp(s->type, v->server[i].type))
                continue;
            earlier += k < i;
            n++;
            gone += s->preempted;
            cost += s->cost;
            hours += s->price > 0 ? s->cost / s->price : 0;
        }
        char cell[4][CELL];
        if (earlier)
            continue; /* a row per type, at its first server */
        snprintf(cell[0], CELL, "%d", n);
        snprintf(cell[1], CELL, "%d", gone);
        snprintf(cell[2], CELL, "%.3g", hours);
        snprintf(cell[3], CELL, "%.4g", cost);
        const char *const cells[] = {v->server[i].type, cell[0], cell[1], cell[2], cell[3]};
        cox_html_table_row(out, heads, cells, 5);
    }
    cox_html_table_end(out);
}

static void configuration(struct cox_str *out, const struct cox_sweep_view *v)
{
    struct cox_str text;
    cox_str_init(&text, 1 << 20);
    cox_config_emit(&text, &cox_sweep_settings_schema, &v->settings);
    cox_html_section(out, "Configuration");
    cox_html_preformatted(out, "effective settings", cox_str_text(&text));
    cox_str_deinit(&text);
}

int cox_sweep_report_write(const char *directory, struct cox_err *err)
{
    struct cox_sweep_view view;
    struct cox_str out;
    char path[PATH_MAX], foot[CELL + 32], now[32];
    int rc = cox_sweep_view_open(&view, directory, err);
    if (rc)
        return rc;
    cox_str_init(&out, LARGEST);
    cox_clock_utc(now, sizeof now);
    snprintf(foot, sizeof foot, "cox sweep report, %s", now);
    cox_html_begin(&out, view.settings.title, "a sweep");
    keys(&out, &view);
    if (view.n_models)
        surrogate(&out, &view, directory);
    if (view.n_batches && view.settings.surrogate.enabled)
        performance(&out, &view);
    if (view.first)
        values(&out, &view);
    if (view.n_attempts) {
        cox_html_section(&out, "Jobs");
        cox_sweep_figure_timeline(&out, &view);
    }
    servers(&out, &view);
    failures(&out, &view);
    configuration(&out, &view);
    cox_html_end(&out, foot);
    rc = cox_str_status(&out, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, "report.html", err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&out), out.length, err);
    cox_str_deinit(&out);
    cox_sweep_view_close(&view);
    return rc;
}
