/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/report_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "molecule/features.h"
#include "molecule/rmsd.h"
#include "store/traj.h"

#define READ_BLOCK 256
#define SPARSE_BLOCK COX_TRAJ_CHUNK /* frames read at a time where most are left out */

void cox_run_data_deinit(struct cox_run_data *run)
{
    cox_selection_deinit(&run->points);
    cox_system_destroy(run->system);
    cox_json_destroy(run->summary);
    cox_free(run->segments);
    cox_free(run->models);
    cox_free(run->picks);
    cox_free(run->tasks);
    cox_free(run->rounds);
    cox_free(run->segment);
    cox_free(run->lane);
    cox_free(run->round);
    cox_free(run->ns);
    cox_free(run->in_time);
    cox_free(run->rmsd_A);
    cox_free(run->objective);
    cox_free(run->temperature_K);
    cox_free(run->maps);
    cox_free(run->mapped);
    cox_arena_destroy(run->arena);
    memset(run, 0, sizeof *run);
}

static int load_settings(struct cox_run_data *run, struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = cox_path_join(path, sizeof path, run->directory, "catalog.db", err);
    if (!rc && !cox_file_exists(path))
        rc =
            cox_err_set(err, COX_ENOTFOUND, "'%s' is no run: it has no catalog.db", run->directory);
    run->arena = cox_arena_create();
    if (!rc && !run->arena)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = cox_path_join(path, sizeof path, run->directory, "config.yaml", err);
    if (!rc)
        rc = cox_settings_load(&run->settings, &run->config, path, NULL, 0, run->arena, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, run->directory, "system.h5", err);
    if (!rc)
        rc = cox_system_load(&run->system, path, err);
    if (!rc)
        rc = cox_selection_init(&run->points, run->system, run->settings.features.selection, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, run->directory, "summary.json", err);
    if (!rc && cox_file_exists(path))
        rc = cox_json_read(&run->summary, path, err);
    return rc;
}

static int load_catalog(struct cox_run_data *run, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_catalog *catalog = NULL;
    int rc = cox_path_join(path, sizeof path, run->directory, "catalog.db", err);
    if (!rc)
        rc = cox_catalog_open_read(&catalog, path, err);
    if (!rc)
        rc = cox_catalog_rounds(catalog, &run->rounds, &run->n_rounds, err);
    if (!rc)
        rc = cox_catalog_segments(catalog, &run->segments, &run->n_segments, err);
    if (!rc)
        rc = cox_catalog_models(catalog, &run->models, &run->n_models, err);
    if (!rc)
        rc = cox_catalog_picks(catalog, &run->picks, &run->n_picks, err);
    if (!rc)
        rc = cox_catalog_tasks(catalog, &run->tasks, &run->n_tasks, err);
    cox_catalog_close(catalog);
    if (rc)
        return rc;
    run->lanes = run->settings.simulation.replicas;
    run->n = run->n_rounds ? run->rounds[run->n_rounds - 1].frames : 0;
    run->total_ns = run->n_rounds ? run->rounds[run->n_rounds - 1].ns : 0;
    /* A round that is simulated but not yet decided is left out. */
    while (run->n_segments && run->segments[run->n_segments - 1].round >= run->n_rounds)
        run->n_segments--;
    return COX_OK;
}

static int allocate_frames(struct cox_run_data *run, bool temperature, struct cox_err *err)
{
    const size_t n = (size_t)run->n;
    run->segment = cox_alloc(n, sizeof *run->segment);
    run->lane = cox_alloc(n, sizeof *run->lane);
    run->round = cox_alloc(n, sizeof *run->round);
    run->ns = cox_alloc(n, sizeof *run->ns);
    run->in_time = cox_alloc(n, sizeof *run->in_time);
    run->rmsd_A = cox_alloc(n, sizeof *run->rmsd_A);
    run->objective = cox_alloc(n, sizeof *run->objective);
    if (temperature)
        run->temperature_K = cox_alloc(n, sizeof *run->temperature_K);
    if (!run->segment || !run->lane || !run->round || !run->ns || !run->in_time || !run->rmsd_A ||
        !run->objective || (temperature && !run->temperature_K))
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)run->n);
    return COX_OK;
}

/* A column as doubles, NaN where the file has none. */
static int read_column(struct cox_run_data *run, struct cox_traj *traj, const char *name,
                       double *out, bool *has, struct cox_err *err)
{
    float block[READ_BLOCK];
    *has = name && cox_traj_column_index(traj, name) >= 0;
    int rc = COX_OK;
    for (int64_t first = 0; !rc && first < run->n; first += READ_BLOCK) {
        const int64_t many = run->n - first < READ_BLOCK ? run->n - first : READ_BLOCK;
        if (*has)
            rc = cox_traj_read_f32(traj, name, first, many, block, err);
        for (int64_t i = 0; !rc && i < many; i++)
            out[first + i] = *has ? (double)block[i] : NAN;
    }
    return rc;
}

struct map_job {
    struct cox_run_data *run;
    const struct cox_run_data_options *options;
    const double (*target)[3]; /* of the RMSD, or NULL */
    const float *x;
    int64_t first;
    uint8_t *maps; /* of this block, or NULL */
};

static void map_frame(void *user, int item, int thread)
{
    (void)thread;
    const struct map_job *job = user;
    struct cox_run_data *run = job->run;
    const float(*x)[3] =
        (const float(*)[3])(job->x + (size_t)item * (size_t)run->system->n_atoms * 3);
    const size_t d = (size_t)run->points.n;
    if (job->maps)
        cox_contact_map_u8(run->points.n, run->points.atom, x,
                           run->settings.features.contact_cutoff_A * 0.1,
                           job->maps + (size_t)item * d * d);
    if (job->target)
        run->rmsd_A[job->first + item] =
            10 * cox_rmsd(job->options->reference_points->n, job->options->reference_points->atom,
                          x, job->target);
}

/* Walks through the coordinates; `stride` 1 takes every block, else one block in so many. */
static int walk(struct cox_run_data *run, struct cox_traj *traj, struct map_job *job,
                int64_t stride, float *x, struct cox_err *err)
{
    const int64_t block = stride > 1 ? SPARSE_BLOCK : READ_BLOCK;
    const size_t d = (size_t)run->points.n;
    int rc = COX_OK;
    for (int64_t first = 0; !rc && first < run->n; first += block * stride) {
        const int many = (int)(run->n - first < block ? run->n - first : block);
        rc = cox_traj_read_positions(traj, first, many, x, err);
        if (rc)
            break;
        job->first = first;
        job->maps = run->maps ? run->maps + (size_t)run->n_mapped * d * d : NULL;
        cox_team_run(job->options->team, many, map_frame, job);
        for (int i = 0; run->maps && i < many; i++)
            run->mapped[run->n_mapped++] = first + i;
    }
    return rc;
}

/* Contact maps and, where asked for, the RMSD to a common reference, from the coordinates. */
static int read_coordinates(struct cox_run_data *run, struct cox_traj *traj,
                            const struct cox_run_data_options *o, struct cox_err *err)
{
    const size_t floats = (size_t)run->system->n_atoms * 3, d = (size_t)run->points.n;
    const int64_t stride =
        o->most_maps > 0 && !o->reference ? (run->n + o->most_maps - 1) / o->most_maps : 1;
    const size_t room = (size_t)(run->n / (stride > 0 ? stride : 1) + READ_BLOCK);
    double(*target)[3] = NULL;
    float *x = cox_alloc(READ_BLOCK * floats, sizeof *x);
    if (o->reference)
        target = cox_alloc((size_t)o->reference_points->n, sizeof *target);
    if (o->maps) {
        run->maps = cox_alloc(room, d * d);
        run->mapped = cox_alloc(room, sizeof *run->mapped);
    }
    int rc = COX_OK;
    if (!x || (o->reference && !target) || (o->maps && (!run->maps || !run->mapped)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading frames");
    if (!rc && o->reference) {
        cox_reference_gather(o->reference, o->reference_points, target);
        run->has_rmsd = true;
    }
    struct map_job job = {run, o, (const double(*)[3])target, x, 0, NULL};
    if (!rc)
        rc = walk(run, traj, &job, stride > 0 ? stride : 1, x, err);
    cox_free(x);
    cox_free(target);
    return rc;
}

static int load_frames(struct cox_run_data *run, const struct cox_run_data_options *o,
                       struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_traj *traj = NULL;
    int rc = cox_path_join(path, sizeof path, run->directory, "frames-0.h5", err);
    if (!rc)
        rc = cox_traj_open_read(&traj, path, err);
    if (!rc && (cox_traj_frames(traj) < run->n || cox_traj_atoms(traj) != run->system->n_atoms))
        rc = cox_err_set(err, COX_EFORMAT,
                         "%s holds %lld frames of %d atoms; the catalog knows %lld frames, the "
                         "system has %d atoms",
                         path, (long long)cox_traj_frames(traj), cox_traj_atoms(traj),
                         (long long)run->n, run->system->n_atoms);
    const bool temperature = !rc && cox_traj_column_index(traj, "temperature_K") >= 0;
    bool has;
    if (!rc)
        rc = allocate_frames(run, temperature, err);
    if (!rc && run->n)
        rc = cox_traj_read_i32(traj, "segment", 0, run->n, run->segment, err);
    if (!rc && run->n)
        rc = cox_traj_read_i32(traj, "lane", 0, run->n, run->lane, err);
    if (!rc && run->n)
        rc = cox_traj_read_i32(traj, "round", 0, run->n, run->round, err);
    if (!rc)
        rc = read_column(run, traj, "rmsd_A", run->rmsd_A, &run->has_rmsd, err);
    if (!rc)
        rc = read_column(run, traj, run->settings.agent.objective, run->objective,
                         &run->has_objective, err);
    if (!rc && temperature)
        rc = read_column(run, traj, "temperature_K", run->temperature_K, &has, err);
    if (!rc && (o->maps || o->reference))
        rc = read_coordinates(run, traj, o, err);
    cox_traj_destroy(traj);
    return rc;
}

static int compare_times(const void *a, const void *b, void *user)
{
    const double *ns = user;
    const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (ns[i] != ns[j])
        return ns[i] < ns[j] ? -1 : 1;
    return (i > j) - (i < j);
}

/* Frames stand round by round and, within a round, lane by lane; the lanes ran side by side. */
static void place_in_time(struct cox_run_data *run)
{
    run->frame_ns = run->n ? run->total_ns / (double)run->n : 0;
    int64_t round_first = 0, place = 0;
    for (int64_t i = 0; i < run->n; i++) {
        if (i > 0 && run->round[i] != run->round[i - 1])
            round_first = i;
        place = i > round_first && run->lane[i] == run->lane[i - 1] ? place + 1 : 1;
        run->ns[i] = ((double)round_first + (double)place * run->lanes) * run->frame_ns;
        run->in_time[i] = i;
    }
    qsort_r(run->in_time, (size_t)run->n, sizeof *run->in_time, compare_times, run->ns);
}

int cox_run_data_init(struct cox_run_data *run, const char *directory,
                      const struct cox_run_data_options *options, struct cox_err *err)
{
    memset(run, 0, sizeof *run);
    snprintf(run->directory, sizeof run->directory, "%s", directory);
    int rc = load_settings(run, err);
    if (!rc)
        rc = load_catalog(run, err);
    if (!rc)
        rc = load_frames(run, options, err);
    if (!rc)
        place_in_time(run);
    return rc;
}

int cox_run_data_ancestors(const struct cox_run_data *run, int round, struct cox_err *err)
{
    bool *seen = cox_alloc((size_t)run->n_segments + 1, sizeof *seen);
    if (!seen)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int count = 0;
    for (int64_t i = 0; i < run->n_segments; i++) {
        const int64_t root = run->segments[i].ancestor;
        if (run->segments[i].round != round || root < 0 || root >= run->n_segments || seen[root])
            continue;
        seen[root] = true;
        count++;
    }
    cox_free(seen);
    return count;
}

void cox_run_data_strategy(const struct cox_run_data *run, char *text, size_t size)
{
    static const char *const methods[] = {"every frame a candidate", "DBSCAN outliers",
                                          "LOF outliers"};
    const struct cox_settings *s = &run->settings;
    const struct cox_settings_agent *a = &s->agent;
    if (s->control || !a->enabled) {
        snprintf(text, size, "no steering (control)");
        return;
    }
    const char *space = a->outliers == COX_OUTLIERS_NONE ? ""
                        : a->space == COX_SPACE_LATENT   ? " in the CVAE's latent space"
                                                         : " on point distances";
    char goal[160] = "novelty only";
    if (a->objective && a->explore < 1)
        snprintf(goal, sizeof goal, "%s %s (weight of novelty %g)", a->objective,
                 a->direction == COX_MINIMISE ? "minimised" : "maximised", a->explore);
    snprintf(text, size,
             "%s%s, %s, picks at least %g Å apart, a frame used at most %d times, %g %% of the "
             "replicas unsteered",
             methods[a->outliers], space, goal, a->diversity_A, a->max_reuse, 100 * a->unsteered);
}

const char *cox_run_data_rmsd_name(const struct cox_run_data *run)
{
    const char *selection = run->settings.reference.selection;
    return selection && strcmp(selection, "name CA") ? "RMSD" : "Cα RMSD";
}
