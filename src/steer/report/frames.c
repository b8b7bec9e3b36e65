/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of a run of either kind, read through store/follow.h, and their place in time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "molecule/features.h"
#include "molecule/rmsd.h"
#include "steer/report/data.h"
#include "store/follow.h"

#define READ_BLOCK 256
#define SPARSE_BLOCK COX_TRAJ_CHUNK /* frames read at a time where most are left out */

/* Some frames, in the order of the files, so that few reads fetch them. */
struct block {
    int n;
    int64_t id[READ_BLOCK];
    int64_t frame[READ_BLOCK]; /* their numbers */
};

static void take_block(struct block *b, const struct cox_run_data *run, int files, int64_t first,
                       int64_t most)
{
    b->n = 0;
    const int64_t end = run->n - first < most ? run->n : first + most;
    for (int f = 0; f < files; f++)
        for (int64_t i = first; i < end; i++)
            if (run->id[i] % files == f) {
                b->frame[b->n] = i;
                b->id[b->n++] = run->id[i];
            }
}

static int allocate(struct cox_run_data *run, struct cox_err *err)
{
    const size_t n = (size_t)run->n;
    run->id = cox_alloc(n, sizeof *run->id);
    run->segment = cox_alloc(n, sizeof *run->segment);
    run->lane = cox_alloc(n, sizeof *run->lane);
    run->round = cox_alloc(n, sizeof *run->round);
    run->ns = cox_alloc(n, sizeof *run->ns);
    run->wall_s = cox_alloc(n, sizeof *run->wall_s);
    run->in_time = cox_alloc(n, sizeof *run->in_time);
    run->rmsd_A = cox_alloc(n, sizeof *run->rmsd_A);
    run->objective = cox_alloc(n, sizeof *run->objective);
    if (!run->id || !run->segment || !run->lane || !run->round || !run->ns || !run->wall_s ||
        !run->in_time || !run->rmsd_A || !run->objective)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)run->n);
    return COX_OK;
}

/* ---- which frames there are ---- */

struct arrival {
    int64_t rows[1024]; /* of each file, so far the most that a run may have */
    int files;
};

static int by_arrival(const void *a, const void *b, void *user)
{
    const struct arrival *files = user;
    const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    const int64_t row_i = i / files->files, row_j = j / files->files;
    const double x = ((double)row_i + 0.5) / (double)files->rows[i % files->files];
    const double y = ((double)row_j + 0.5) / (double)files->rows[j % files->files];
    if (x != y)
        return x < y ? -1 : 1;
    return (i > j) - (i < j);
}

/* Files are written side by side: the k-th part of one is as old as the k-th part of another. */
static int sort_ids(struct cox_run_data *run, int files, struct cox_err *err)
{
    struct arrival *arrival = cox_alloc(1, sizeof *arrival);
    if (!arrival)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    arrival->files = files;
    for (int64_t i = 0; i < run->n; i++)
        arrival->rows[run->id[i] % files]++;
    qsort_r(run->id, (size_t)run->n, sizeof *run->id, by_arrival, arrival);
    cox_free(arrival);
    return COX_OK;
}

static int find_frames(struct cox_run_data *run, struct cox_follow *follow, struct cox_err *err)
{
    int64_t known = 0, taken = 0, more = 1;
    int rc = cox_follow_refresh(follow, &known, err);
    const int files = rc ? 1 : cox_follow_files(follow);
    if (!rc && !run->streaming && known < run->n)
        rc = cox_err_set(err, COX_EFORMAT, "frames-0.h5 holds %lld frames, the catalog knows %lld",
                         (long long)known, (long long)run->n);
    if (!rc && files > (int)(sizeof((struct arrival *)NULL)->rows / sizeof(int64_t)))
        rc = cox_err_set(err, COX_EUNSUPPORTED, "a run of %d frames files", files);
    if (!rc && run->streaming)
        run->n = known;
    if (!rc)
        rc = allocate(run, err);
    for (; !rc && more > 0 && taken < run->n; taken += more)
        rc = cox_follow_take(follow, run->n - taken, run->id + taken, &more, err);
    if (rc)
        return rc;
    run->n = taken;
    if (files > 1)
        rc = sort_ids(run, files, err);
    run->last_id = -1;
    for (int64_t i = 0; i < run->n; i++)
        run->last_id = run->id[i] > run->last_id ? run->id[i] : run->last_id;
    run->at = cox_alloc((size_t)run->last_id + 1, sizeof *run->at);
    if (!rc && !run->at)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)run->n);
    for (int64_t i = 0; !rc && i <= run->last_id; i++)
        run->at[i] = -1;
    for (int64_t i = 0; !rc && i < run->n; i++)
        run->at[run->id[i]] = i;
    return rc;
}

/* ---- columns ---- */

static int read_whole(struct cox_run_data *run, struct cox_follow *follow, const char *name,
                      int32_t *out, struct cox_err *err)
{
    struct block b;
    int32_t value[READ_BLOCK];
    int rc = COX_OK;
    for (int64_t first = 0; !rc && first < run->n; first += READ_BLOCK) {
        take_block(&b, run, cox_follow_files(follow), first, READ_BLOCK);
        rc = cox_follow_i32(follow, name, b.id, b.n, value, err);
        for (int i = 0; !rc && i < b.n; i++)
            out[b.frame[i]] = value[i];
    }
    return rc;
}

static bool has_column(struct cox_follow *follow, const char *name)
{
    struct cox_traj *traj = cox_follow_file(follow, 0);
    return name && traj && cox_traj_column_index(traj, name) >= 0;
}

/* A column as doubles, NaN where the files have none. */
static int read_numbers(struct cox_run_data *run, struct cox_follow *follow, const char *name,
                        double *out, bool *has, struct cox_err *err)
{
    struct block b;
    float value[READ_BLOCK];
    int rc = COX_OK;
    *has = has_column(follow, name);
    for (int64_t first = 0; !rc && first < run->n; first += READ_BLOCK) {
        take_block(&b, run, cox_follow_files(follow), first, READ_BLOCK);
        if (*has)
            rc = cox_follow_f32(follow, name, b.id, b.n, value, err);
        for (int i = 0; !rc && i < b.n; i++)
            out[b.frame[i]] = *has ? (double)value[i] : NAN;
    }
    return rc;
}

static int read_columns(struct cox_run_data *run, struct cox_follow *follow, struct cox_err *err)
{
    bool has;
    int rc = read_whole(run, follow, "segment", run->segment, err);
    if (!rc)
        rc = read_whole(run, follow, "lane", run->lane, err);
    if (!rc)
        rc = read_whole(run, follow, "round", run->round, err);
    if (!rc)
        rc = read_numbers(run, follow, "rmsd_A", run->rmsd_A, &run->has_rmsd, err);
    if (!rc)
        rc = read_numbers(run, follow, run->settings.agent.objective, run->objective,
                          &run->has_objective, err);
    if (!rc && has_column(follow, "temperature_K")) {
        run->temperature_K = cox_alloc((size_t)run->n, sizeof *run->temperature_K);
        rc = run->temperature_K
                 ? read_numbers(run, follow, "temperature_K", run->temperature_K, &has, err)
                 : cox_err_set(err, COX_ENOMEM, "out of memory for temperatures");
    }
    run->generations = 0;
    for (int64_t i = 0; !rc && i < run->n; i++)
        if (run->round[i] >= run->generations)
            run->generations = run->round[i] + 1;
    return rc;
}

/* ---- coordinates ---- */

struct map_job {
    struct cox_run_data *run;
    const struct cox_run_data_options *options;
    const double (*target)[3]; /* of the RMSD, or NULL */
    const float *x;
    struct block block;
    int64_t first; /* its first frame */
    uint8_t *maps; /* of this block, or NULL */
};

static void map_frame(void *user, int item, int thread)
{
    (void)thread;
    const struct map_job *job = user;
    struct cox_run_data *run = job->run;
    const int64_t frame = job->block.frame[item];
    const float(*x)[3] =
        (const float(*)[3])(job->x + (size_t)item * (size_t)run->system->n_atoms * 3);
    const size_t d = (size_t)run->points.n;
    if (job->maps)
        cox_contact_map_u8(run->points.n, run->points.atom, x,
                           run->settings.features.contact_cutoff_A * 0.1,
                           job->maps + (size_t)(frame - job->first) * d * d);
    if (job->target)
        run->rmsd_A[frame] = 10 * cox_rmsd(job->options->reference_points->n,
                                           job->options->reference_points->atom, x, job->target);
}

/* Walks through the coordinates; `stride` 1 takes every block, else one block in so many. */
static int walk(struct cox_run_data *run, struct cox_follow *follow, struct map_job *job,
                int64_t stride, float *x, struct cox_err *err)
{
    const int64_t block = stride > 1 ? SPARSE_BLOCK : READ_BLOCK;
    const size_t d = (size_t)run->points.n;
    int rc = COX_OK;
    for (int64_t first = 0; !rc && first < run->n; first += block * stride) {
        take_block(&job->block, run, cox_follow_files(follow), first, block);
        rc = cox_follow_positions(follow, job->block.id, job->block.n, x, err);
        if (rc)
            break;
        job->first = first;
        job->maps = run->maps ? run->maps + (size_t)run->n_mapped * d * d : NULL;
        cox_team_run(job->options->team, job->block.n, map_frame, job);
        for (int i = 0; run->maps && i < job->block.n; i++)
            run->mapped[run->n_mapped++] = first + i;
    }
    return rc;
}

/* Contact maps and, where asked for, the RMSD to a common reference, from the coordinates. */
static int read_coordinates(struct cox_run_data *run, struct cox_follow *follow,
                            const struct cox_run_data_options *o, struct cox_err *err)
{
    const size_t floats = (size_t)run->system->n_atoms * 3, d = (size_t)run->points.n;
    const int64_t stride =
        o->most_maps > 0 && !o->reference ? (run->n + o->most_maps - 1) / o->most_maps : 1;
    const size_t room = (size_t)(run->n / (stride > 0 ? stride : 1) + READ_BLOCK);
    double(*target)[3] = NULL;
    struct map_job *job = cox_alloc(1, sizeof *job);
    float *x = cox_alloc(READ_BLOCK * floats, sizeof *x);
    if (o->reference)
        target = cox_alloc((size_t)o->reference_points->n, sizeof *target);
    if (o->maps) {
        run->maps = cox_alloc(room, d * d);
        run->mapped = cox_alloc(room, sizeof *run->mapped);
    }
    int rc = COX_OK;
    if (!job || !x || (o->reference && !target) || (o->maps && (!run->maps || !run->mapped)))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading frames");
    if (!rc && o->reference) {
        cox_reference_gather(o->reference, o->reference_points, target);
        run->has_rmsd = true;
    }
    if (!rc) {
        *job = (struct map_job){
            .run = run, .options = o, .target = (const double(*)[3])target, .x = x};
        rc = walk(run, follow, job, stride > 0 ? stride : 1, x, err);
    }
    cox_free(job);
    cox_free(x);
    cox_free(target);
    return rc;
}

/* ---- time ---- */

static int compare_times(const void *a, const void *b, void *user)
{
    const double *ns = user;
    const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (ns[i] != ns[j])
        return ns[i] < ns[j] ? -1 : 1;
    return (i > j) - (i < j);
}

/* Frames stand round by round and, within a round, lane by lane; the lanes ran side by side. */
static void place_rounds(struct cox_run_data *run)
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

static void place_stream(struct cox_run_data *run)
{
    run->frame_ns = run->settings.simulation.frame_ps * 1e-3;
    run->total_ns = (double)run->n * run->frame_ns;
    for (int64_t i = 0; i < run->n; i++) {
        run->ns[i] = (double)(i + 1) * run->frame_ns;
        run->in_time[i] = i;
    }
}

/* Within the task that simulated its round; both stand in the order of rounds. */
static void wall_of_rounds(struct cox_run_data *run)
{
    int64_t task = 0;
    for (int64_t i = 0; i < run->n; i++) {
        const int round = run->round[i];
        while (task < run->n_tasks &&
               (run->tasks[task].round < round || (run->tasks[task].round == round &&
                                                   strcmp(run->tasks[task].kind, "simulate") != 0)))
            task++;
        run->wall_s[i] = NAN;
        if (task == run->n_tasks || run->tasks[task].round != round || round >= run->n_rounds)
            continue;
        const struct cox_catalog_task *t = &run->tasks[task];
        const double before = round > 0 ? run->rounds[round - 1].ns : 0;
        const double share = (run->ns[i] - before) / (run->rounds[round].ns - before);
        run->wall_s[i] = t->began_s + share * (t->ended_s - t->began_s);
    }
}

struct change {
    double at_s;
    int by; /* simulations that are at work from here on, more or fewer */
};

static int by_moment(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    return (x->at_s > y->at_s) - (x->at_s < y->at_s);
}

/* Frames come as fast as simulations are at work: the i-th of n is there when i/n of all their
 * working time has passed. */
static int wall_of_stream(struct cox_run_data *run, struct cox_err *err)
{
    struct change *change = cox_alloc(2 * (size_t)run->n_tasks, sizeof *change);
    if (!change)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld tasks",
                           (long long)run->n_tasks);
    size_t n = 0;
    double all = 0;
    for (int64_t i = 0; i < run->n_tasks; i++) {
        const struct cox_catalog_task *t = &run->tasks[i];
        if (strcmp(t->kind, "simulate") != 0 || !(t->ended_s > t->began_s))
            continue;
        change[n++] = (struct change){t->began_s, 1};
        change[n++] = (struct change){t->ended_s, -1};
        all += t->ended_s - t->began_s;
    }
    qsort(change, n, sizeof *change, by_moment);
    double done = 0;
    int working = 0;
    int64_t frame = 0;
    for (size_t i = 0; i + 1 < n && all > 0; i++) {
        working += change[i].by;
        const double more = working * (change[i + 1].at_s - change[i].at_s);
        for (; frame < run->n && more > 0; frame++) {
            const double due = all * (double)(frame + 1) / (double)run->n;
            if (due > done + more * (1 + 1e-12))
                break;
            run->wall_s[frame] = change[i].at_s + (due - done) / working;
        }
        done += more;
    }
    for (; frame < run->n; frame++) /* the last one, by rounding; all of them without tasks */
        run->wall_s[frame] = n ? change[n - 1].at_s : NAN;
    cox_free(change);
    return COX_OK;
}

int cox_run_data_frames(struct cox_run_data *run, const struct cox_run_data_options *o,
                        struct cox_err *err)
{
    struct cox_follow *follow = NULL;
    int rc = cox_follow_open(&follow, run->directory, err);
    if (!rc)
        rc = find_frames(run, follow, err);
    struct cox_traj *traj = rc ? NULL : cox_follow_file(follow, 0);
    if (traj && cox_traj_atoms(traj) != run->system->n_atoms)
        rc = cox_err_set(err, COX_EFORMAT, "%s has frames of %d atoms, the system has %d atoms",
                         cox_traj_path(traj), cox_traj_atoms(traj), run->system->n_atoms);
    if (!rc && run->n)
        rc = read_columns(run, follow, err);
    if (!rc && (o->maps || o->reference))
        rc = read_coordinates(run, follow, o, err);
    cox_follow_close(follow);
    if (rc)
        return rc;
    if (run->streaming) {
        place_stream(run);
        return wall_of_stream(run, err);
    }
    place_rounds(run);
    wall_of_rounds(run);
    return COX_OK;
}
