/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/report/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "steer/report/compare_arm.h"

const double cox_compare_levels[COX_COMPARE_LEVELS] = {0.5, 0.8};

void cox_comparison_destroy(struct cox_comparison *c)
{
    if (!c)
        return;
    for (int a = 0; a < c->n; a++) {
        cox_run_data_deinit(&c->arms[a].run);
        cox_free(c->arms[a].state);
        cox_free(c->arms[a].coverage);
        cox_free(c->arms[a].best);
    }
    cox_free(c->arms);
    cox_team_destroy(c->team);
    cox_free(c);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* ---- the common reference ---- */

struct common {
    struct cox_system *system;
    struct cox_reference *reference; /* NULL: none of the arms has one */
    struct cox_selection points;
};

static void common_deinit(struct common *common)
{
    cox_reference_destroy(common->reference);
    cox_selection_deinit(&common->points);
    cox_system_destroy(common->system);
}

/* The reference of the first arm that has one: RMSD is measured to it in all arms, also in those
 * that ran without, so that a reference-free arm can be judged. */
static int find_reference(struct cox_comparison *c, struct common *common,
                          const char *const *directories, int n, struct cox_err *err)
{
    for (int a = 0; a < n; a++) {
        struct cox_settings s;
        struct cox_config *config;
        char path[PATH_MAX];
        struct cox_arena *arena = cox_arena_create();
        int rc = arena ? cox_path_join(path, sizeof path, directories[a], "config.yaml", err)
                       : cox_err_set(err, COX_ENOMEM, "out of memory");
        if (!rc)
            rc = cox_settings_load(&s, &config, path, NULL, 0, arena, err);
        if (!rc && s.reference.path) {
            rc = cox_system_load(&common->system, s.system, err);
            if (!rc)
                rc = cox_reference_load(&common->reference, common->system, s.reference.path,
                                        s.reference.model, err);
            if (!rc)
                rc =
                    cox_selection_init(&common->points, common->system, s.reference.selection, err);
            if (!rc)
                rc = cox_reference_require(common->reference, common->system, &common->points, err);
            if (!rc) {
                c->has_rmsd = true;
                snprintf(c->reference, sizeof c->reference, "%s", common->reference->title);
                snprintf(c->rmsd_name, sizeof c->rmsd_name, "%s",
                         strcmp(s.reference.selection, "name CA") ? "RMSD" : "Cα RMSD");
            }
        }
        cox_arena_destroy(arena);
        if (rc)
            return cox_err_wrap(err, rc, "'%s'", directories[a]);
        if (common->reference)
            return COX_OK;
    }
    return COX_OK;
}

/* ---- the arms ---- */

static int differs(const struct cox_arm *a, const struct cox_arm *b, struct cox_err *err)
{
    const struct cox_system *s = a->run.system, *t = b->run.system;
    const char *x = a->run.directory, *y = b->run.directory;
    if (s->n_atoms != t->n_atoms)
        return cox_err_set(err, COX_EINVAL,
                           "'%s' and '%s' are runs of different systems: %s has %d atoms, %s %d; "
                           "only runs of one system can be compared",
                           x, y, s->name, s->n_atoms, t->name, t->n_atoms);
    for (int i = 0; i < s->n_atoms; i++)
        if (strcmp(s->atom_name[i], t->atom_name[i]) != 0 ||
            strcmp(s->residue_name[s->residue[i]], t->residue_name[t->residue[i]]) != 0 ||
            fabs(s->charge_e[i] - t->charge_e[i]) > 1e-4)
            return cox_err_set(
                err, COX_EINVAL,
                "'%s' and '%s' are runs of different systems: atom %d is %s of %s (%.4f e) "
                "in one, %s of %s (%.4f e) in the other",
                x, y, i, s->atom_name[i], s->residue_name[s->residue[i]], s->charge_e[i],
                t->atom_name[i], t->residue_name[t->residue[i]], t->charge_e[i]);
    const struct cox_settings_features *f = &a->run.settings.features,
                                       *g = &b->run.settings.features;
    if (a->run.points.n != b->run.points.n ||
        memcmp(a->run.points.atom, b->run.points.atom, (size_t)a->run.points.n * sizeof(int)) != 0)
        return cox_err_set(err, COX_EINVAL,
                           "'%s' and '%s' have contact maps of different points: '%s' and '%s'", x,
                           y, f->selection, g->selection);
    if (f->contact_cutoff_A != g->contact_cutoff_A)
        return cox_err_set(err, COX_EINVAL,
                           "'%s' and '%s' have contact maps of different cutoffs: %g and %g Å", x,
                           y, f->contact_cutoff_A, g->contact_cutoff_A);
    return COX_OK;
}

static int load_arm(struct cox_comparison *c, int a, const char *directory,
                    const struct common *common, struct cox_err *err)
{
    struct cox_arm *arm = &c->arms[a];
    const struct cox_run_data_options options = {.maps = true,
                                                 .reference = common->reference,
                                                 .reference_points =
                                                     common->reference ? &common->points : NULL,
                                                 .team = c->team};
    /* A reference of another size must not be gathered from: settle that with the first arm. */
    int rc = cox_run_data_init(&arm->run, directory, &options, err);
    if (!rc && arm->run.n < 1)
        rc = cox_err_set(err, COX_EINVAL, "'%s' has no %s yet", directory,
                         arm->run.streaming ? "frame" : "finished round");
    if (!rc && a > 0)
        rc = differs(&c->arms[0], arm, err);
    if (rc)
        return rc;
    arm->control = arm->run.settings.control || !arm->run.settings.agent.enabled;
    c->n_controls += arm->control;
    c->frames += arm->run.n;
    cox_run_data_strategy(&arm->run, arm->strategy, sizeof arm->strategy);
    const size_t n = (size_t)arm->run.n;
    arm->state = cox_alloc(n, sizeof *arm->state);
    arm->coverage = cox_alloc(n, sizeof *arm->coverage);
    arm->best = cox_alloc(n, sizeof *arm->best);
    if (!arm->state || !arm->coverage || !arm->best)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu frames", n);
    const char *title = arm->run.settings.title;
    snprintf(arm->name, sizeof arm->name, "%s",
             title && title[0] && strcmp(title, "a run") ? title : base_name(directory));
    return COX_OK;
}

/* Unique names; arms of one strategy are one group. */
static void name_arms(struct cox_comparison *c)
{
    for (int a = 0; a < c->n; a++) {
        struct cox_arm *arm = &c->arms[a];
        bool shared = false;
        for (int b = 0; b < c->n; b++)
            shared |= a != b &&
                      !strcmp(arm->run.settings.title ? arm->run.settings.title : "",
                              c->arms[b].run.settings.title ? c->arms[b].run.settings.title : "");
        if (shared)
            snprintf(arm->name, sizeof arm->name, "%.60s, seed %lld", arm->run.settings.title,
                     (long long)arm->run.settings.seed);
        arm->group = -1;
        for (int b = 0; b < a && arm->group < 0; b++)
            if (!strcmp(arm->strategy, c->arms[b].strategy) &&
                arm->run.lanes == c->arms[b].run.lanes)
                arm->group = c->arms[b].group;
        arm->first_of_group = arm->group < 0;
        if (arm->group < 0)
            arm->group = c->n_groups++;
    }
    for (int a = 0; a < c->n; a++)
        for (int b = 0; b < c->n; b++)
            c->arms[a].group_size += c->arms[a].group == c->arms[b].group;
}

/* ---- the figures ---- */

static int measure_arm(struct cox_comparison *c, struct cox_arm *arm, struct cox_err *err)
{
    const struct cox_run_data *run = &arm->run;
    bool *seen = cox_alloc((size_t)c->k, sizeof *seen);
    if (!seen)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int visited = 0;
    arm->best_rmsd_A = arm->fold_ns = arm->fold_s = NAN;
    arm->best_frame = -1;
    for (int l = 0; l < COX_COMPARE_LEVELS; l++)
        arm->reached_ns[l] = arm->reached_s[l] = NAN;
    for (int64_t i = 0; i < run->n; i++) {
        const int64_t at = run->in_time[i];
        if (!seen[arm->state[at]]) {
            seen[arm->state[at]] = true;
            visited++;
        }
        arm->coverage[i] = (double)visited / c->k;
        for (int l = 0; l < COX_COMPARE_LEVELS; l++)
            if (isnan(arm->reached_ns[l]) && arm->coverage[i] >= cox_compare_levels[l] - 1e-12) {
                arm->reached_ns[l] = run->ns[at];
                arm->reached_s[l] = run->wall_s[at];
            }
        if (run->has_rmsd && (isnan(arm->best_rmsd_A) || run->rmsd_A[at] < arm->best_rmsd_A)) {
            arm->best_rmsd_A = run->rmsd_A[at];
            arm->best_frame = at;
        }
        arm->best[i] = arm->best_rmsd_A;
        if (run->has_rmsd && isnan(arm->fold_ns) && run->rmsd_A[at] <= c->fold_A) {
            arm->fold_ns = run->ns[at];
            arm->fold_s = run->wall_s[at];
        }
    }
    cox_free(seen);
    arm->final_coverage = (double)visited / c->k;
    arm->wall_s = cox_run_data_wall_s(run);
    arm->segments_per_hour = cox_run_data_segments_per_hour(run);
    const double learning = cox_run_data_core_seconds(run, "train") +
                            cox_run_data_core_seconds(run, "embed") +
                            cox_run_data_core_seconds(run, "agent");
    arm->learn_share = learning / (arm->wall_s * cox_run_data_cores(run));
    const int newest = (int)(run->streaming ? run->generations : run->n_rounds) - 1;
    arm->ancestors = cox_run_data_ancestors(run, newest, err);
    return arm->ancestors < 0 ? arm->ancestors : COX_OK;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median over the baseline arms of the time to each level; a median that was never reached makes
 * the speed-ups lower bounds. */
static int set_baseline(struct cox_comparison *c, struct cox_err *err)
{
    double *ns = cox_alloc((size_t)c->n, sizeof *ns);
    if (!ns)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int l = 0; l < COX_COMPARE_LEVELS; l++) {
        int n = 0;
        for (int a = 0; a < c->n; a++) {
            const struct cox_arm *arm = &c->arms[a];
            if (c->n_controls ? !arm->control : a > 0)
                continue;
            ns[n++] = isnan(arm->reached_ns[l]) ? INFINITY : arm->reached_ns[l];
            c->baseline_longest_ns = fmax(c->baseline_longest_ns, arm->run.total_ns);
        }
        qsort(ns, (size_t)n, sizeof *ns, rising);
        const double median = n % 2 ? ns[n / 2] : (ns[n / 2 - 1] + ns[n / 2]) / 2;
        c->baseline_ns[l] = isfinite(median) ? median : NAN;
    }
    cox_free(ns);
    for (int a = 0; a < c->n; a++)
        for (int l = 0; l < COX_COMPARE_LEVELS; l++) {
            struct cox_arm *arm = &c->arms[a];
            arm->at_least[l] = isnan(c->baseline_ns[l]);
            arm->speedup[l] = (arm->at_least[l] ? c->baseline_longest_ns : c->baseline_ns[l]) /
                              arm->reached_ns[l];
            if (arm->at_least[l] && (c->n_controls ? arm->control : a == 0))
                arm->speedup[l] = NAN;
        }
    return COX_OK;
}

static void set_common_time(struct cox_comparison *c)
{
    c->common_ns = INFINITY;
    for (int a = 0; a < c->n; a++)
        c->common_ns = fmin(c->common_ns, c->arms[a].run.total_ns);
    for (int a = 0; a < c->n; a++) {
        struct cox_arm *arm = &c->arms[a];
        for (int64_t i = 0;
             i < arm->run.n && arm->run.ns[arm->run.in_time[i]] <= c->common_ns * (1 + 1e-9); i++)
            arm->common_coverage = arm->coverage[i];
    }
}

static void set_fold(struct cox_comparison *c, const struct cox_compare_options *o)
{
    c->fold_A = o->fold_A;
    for (int a = 0; a < c->n && isnan(c->fold_A); a++)
        c->fold_A = c->arms[a].run.settings.stop.target.rmsd_A;
}

static int check_options(const struct cox_compare_options *o, int n, struct cox_err *err)
{
    if (n < 1)
        return cox_err_set(err, COX_EINVAL, "no run to compare");
    if (o->states < 2 || o->samples < n || o->epochs < 1)
        return cox_err_set(err, COX_EINVAL,
                           "%d states, %d samples, %d epochs: needs at least 2 states, as many "
                           "samples as runs and 1 epoch",
                           o->states, o->samples, o->epochs);
    return COX_OK;
}

/* The reference's atoms are those of the arm that it came from: the others must have as many before
 * it is used on them. */
static int check_atoms(const struct common *common, const char *directory, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_system *system = NULL;
    int rc = cox_path_join(path, sizeof path, directory, "system.h5", err);
    if (!rc)
        rc = cox_system_load(&system, path, err);
    if (!rc && common->system && system->n_atoms != common->system->n_atoms)
        rc = cox_err_set(err, COX_EINVAL,
                         "'%s' is a run of another system: %s has %d atoms, %s %d; only runs of "
                         "one system can be compared",
                         directory, system->name, system->n_atoms, common->system->name,
                         common->system->n_atoms);
    cox_system_destroy(system);
    return rc;
}

int cox_compare(struct cox_comparison **out, const char *const *directories, int n,
                const struct cox_compare_options *options, struct cox_err *err)
{
    *out = NULL;
    int rc = check_options(options, n, err);
    if (rc)
        return rc;
    struct common common = {0};
    struct cox_comparison *c = cox_alloc(1, sizeof *c);
    if (c)
        c->arms = cox_alloc((size_t)n, sizeof *c->arms);
    if (!c || !c->arms)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d runs", n);
    if (!rc)
        rc = cox_team_create(&c->team, options->threads, err);
    if (!rc)
        rc = find_reference(c, &common, directories, n, err);
    for (int a = 0; a < n && !rc; a++) {
        if (options->progress)
            options->progress(options->user, "reading the runs");
        rc = check_atoms(&common, directories[a], err);
        if (rc)
            break;
        c->n = a + 1;
        rc = load_arm(c, a, directories[a], &common, err);
    }
    if (!rc) {
        name_arms(c);
        set_fold(c, options);
        rc = cox_comparison_states(c, options, err);
    }
    for (int a = 0; a < n && !rc; a++)
        rc = measure_arm(c, &c->arms[a], err);
    if (!rc)
        rc = set_baseline(c, err);
    common_deinit(&common);
    if (rc) {
        cox_comparison_destroy(c);
        return rc;
    }
    set_common_time(c);
    *out = c;
    return COX_OK;
}
