/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/md_run.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cox/engine.h"

#define CHECKPOINT_S 10
#define CHUNK_S 0.25 /* so soon an interrupt is answered */
#define BLOWN_MAX \
    5 /* blow-ups of one lane without a new frame: something is wrong with the input */
#define MINIMIZE_TO 10.0 /* kJ/mol/nm */

static void md_deinit(struct md_run *m)
{
    void *blocks[] = {m->x, m->last, m->block, m->step, m->blows, m->lane, m->time_ps, m->base};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_traj_destroy(m->traj);
    cox_engine_destroy(m->engine);
    cox_system_destroy(m->system);
    cox_md_observe_deinit(&m->observe);
}

static int md_allocate(struct md_run *m, struct cox_err *err)
{
    size_t lanes = (size_t)m->replicas, n = (size_t)m->system->n_atoms;
    m->x = cox_alloc(n, sizeof *m->x);
    m->last = cox_alloc(lanes * n, sizeof *m->last);
    m->block = cox_alloc(lanes * n, 3 * sizeof *m->block);
    m->step = cox_alloc(lanes, sizeof *m->step);
    m->blows = cox_alloc(lanes, sizeof *m->blows);
    m->lane = cox_alloc(lanes, sizeof *m->lane);
    m->time_ps = cox_alloc(lanes, sizeof *m->time_ps);
    m->base = cox_alloc(lanes, sizeof *m->base);
    if (!m->x || !m->last || !m->block || !m->step || !m->blows || !m->lane || !m->time_ps ||
        !m->base)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d replicas of %d atoms",
                           m->replicas, m->system->n_atoms);
    for (int l = 0; l < m->replicas; l++)
        m->lane[l] = l;
    return COX_OK;
}

/* Frames must fall on steps, or times in the file would not be what was asked for. */
static int md_plan(struct md_run *m, struct cox_err *err)
{
    double steps = m->frame_ps * 1000 / m->o.timestep_fs;
    double frames = m->length_ns * 1000 / m->frame_ps;
    if (steps < 0.5 || fabs(steps - round(steps)) > 1e-6 * steps || steps > 1e9)
        return cox_err_set(err, COX_EINVAL,
                           "--frame-ps %g is no whole number of steps of --timestep-fs %g",
                           m->frame_ps, m->o.timestep_fs);
    if (frames < 1 - 1e-6)
        return cox_err_set(err, COX_EINVAL, "--length-ns %g is less than one frame (%g ps)",
                           m->length_ns, m->frame_ps);
    m->steps_per_frame = (int)lround(steps);
    m->frames = (int64_t)(frames + 1e-6);
    m->left = m->steps_per_frame;
    if (m->observe.names.n && !(m->skip_ps < (double)m->frames * m->frame_ps))
        return cox_err_set(err, COX_EINVAL,
                           "--skip-ps %g leaves no frame of %lld to observe (every %g ps)",
                           m->skip_ps, (long long)m->frames, m->frame_ps);
    return COX_OK;
}

static int md_begin(struct md_run *m, struct cox_err *err)
{
    static const struct cox_traj_column columns[] = {{"lane", COX_TRAJ_I32, ""}};
    struct cox_traj_options traj = COX_TRAJ_OPTIONS_INIT;
    traj.n_columns = 1;
    traj.columns = columns;
    int rc = cox_traj_create(&m->traj, m->output, m->system, &traj, err);
    if (!rc)
        rc = md_state_remove(m, err);
    if (!rc && m->minimize)
        rc = cox_engine_minimize(m->engine, (int)m->minimize, MINIMIZE_TO, err);
    size_t n = rc ? 0 : (size_t)m->system->n_atoms;
    for (int l = 0; !rc && l < m->replicas; l++) {
        rc = cox_engine_draw_velocities(m->engine, l, err);
        if (!rc)
            rc = cox_engine_get_state(m->engine, l, m->last + (size_t)l * n, NULL, err);
    }
    return rc;
}

static int md_init(struct md_run *m, const char *path, struct cox_err *err)
{
    m->replicas = (int)m->o.replicas;
    int rc = md_plan(m, err);
    if (!rc)
        rc = cox_system_load(&m->system, path, err);
    if (!rc)
        rc = cox_md_observe_init(&m->observe, m->system, m->replicas, err);
    if (!rc)
        rc = cox_md_engine(&m->engine, m->system, &m->o, m->replicas, (int)m->o.threads, err);
    if (!rc)
        rc = md_allocate(m, err);
    /* A trajectory that was begun but has no state yet is that of a run killed in its first
     * moments: nothing of it can be used. */
    if (!rc && m->resume)
        rc = md_state_load(m, err);
    if (!rc && !m->traj)
        rc = md_begin(m, err);
    return rc;
}

/* A blown lane goes back to its last frame with another seed; its own clock says so too. */
static int md_revive(struct md_run *m, struct cox_progress *line, struct cox_err *err)
{
    int rc = COX_OK;
    for (int l = 0; !rc && l < m->replicas; l++) {
        if (cox_engine_lane_state(m->engine, l) == COX_LANE_OK)
            continue;
        m->blown++;
        const char *reason = cox_engine_lane_reason(m->engine, l);
        if (++m->blows[l] > BLOWN_MAX)
            return cox_err_set(err, COX_EUNSTABLE,
                               "lane %d blew up %d times in a row (%s); "
                               "try a shorter --timestep-fs, or more steps of --minimize",
                               l, m->blows[l], reason);
        if (!m->quiet) {
            cox_progress_end(line);
            printf("lane %d blew up (%s); restarted from %g ps\n", l, reason,
                   (double)m->step[l] * m->o.timestep_fs * 1e-3);
        }
        uint64_t seed = cox_seed_mix((uint64_t)m->o.seed, (uint64_t)l);
        rc = cox_engine_set_seed(m->engine, l, cox_seed_mix(seed, (uint64_t)m->blown), err);
        m->base[l] = m->step[l];
        if (!rc)
            rc = cox_engine_set_positions(
                m->engine, l, (const double(*)[3])m->last + (size_t)l * (size_t)m->system->n_atoms,
                err);
        if (!rc)
            rc = cox_engine_draw_velocities(m->engine, l, err);
    }
    return rc;
}

static int md_store(struct md_run *m, struct cox_err *err)
{
    size_t n = (size_t)m->system->n_atoms;
    int rc = COX_OK;
    for (int l = 0; !rc && l < m->replicas; l++) {
        double(*x)[3] = m->last + (size_t)l * n;
        float *out = m->block + 3 * (size_t)l * n;
        rc = cox_engine_get_state(m->engine, l, x, NULL, err);
        for (size_t i = 0; i < 3 * n; i++)
            out[i] = (float)x[i / 3][i % 3];
        m->step[l] = m->base[l] + cox_engine_lane_steps(m->engine, l);
        m->time_ps[l] = (double)m->step[l] * m->o.timestep_fs * 1e-3;
        if (cox_engine_lane_steps(m->engine, l) >= m->steps_per_frame)
            m->blows[l] = 0;
    }
    const void *column[] = {m->lane};
    const struct cox_traj_block block = {.n = m->replicas,
                                         .step = m->step,
                                         .time_ps = m->time_ps,
                                         .position_nm = m->block,
                                         .column = column};
    if (!rc)
        rc = cox_traj_append(m->traj, &block, err);
    m->done += !rc;
    m->left = m->steps_per_frame;
    if (!rc && (double)m->done * m->frame_ps > m->skip_ps)
        cox_md_observe_add(&m->observe, m->block, m->system->n_atoms);
    return rc;
}

/* All frames on the disk, and then the state that goes on from there. */
static int md_checkpoint(struct md_run *m, struct cox_err *err)
{
    int rc = cox_traj_sync(m->traj, err);
    return rc ? rc : md_state_save(m, err);
}

static double md_ns(const struct md_run *m, double frames)
{
    return frames * m->steps_per_frame * m->o.timestep_fs * 1e-6 * m->replicas;
}

static void md_progress(const struct md_run *m, struct cox_progress *line, double frames)
{
    char eta[32];
    double wall = cox_clock_seconds() - m->began;
    if (m->quiet || frames <= (double)m->from)
        return;
    double made = frames - (double)m->from; /* in this session */
    cox_clock_human(wall * ((double)m->frames - frames) / made, eta, sizeof eta);
    cox_progress_show(line, "%.2f of %.2f ns (%d x %g ns), %.0f ns/day, %s left", md_ns(m, frames),
                      md_ns(m, (double)m->frames), m->replicas, m->length_ns,
                      md_ns(m, made) / wall * 86400, eta);
}

/* To the next frame in pieces, so that an interrupt is answered soon. */
static int md_to_frame(struct md_run *m, int *chunk, const atomic_int *interrupted,
                       struct cox_progress *line, struct cox_err *err)
{
    int rc = COX_OK;
    while (!rc && m->left > 0) {
        int n = *chunk < m->left ? *chunk : m->left;
        double t = cox_clock_seconds();
        if (atomic_load(interrupted))
            return cox_err_set(err, COX_ECANCELLED, "interrupted");
        rc = cox_engine_step(m->engine, n, err);
        t = cox_clock_seconds() - t;
        m->left -= n;
        *chunk = t < CHUNK_S / 2 ? 2 * n + 1 : t > 2 * CHUNK_S ? n / 2 + 1 : *chunk;
        if (!rc)
            rc = md_revive(m, line, err);
        md_progress(m, line, (double)m->done + 1 - (double)m->left / m->steps_per_frame);
    }
    return rc;
}

/* Returns COX_ECANCELLED after an interrupt; what was stored stays. */
static int md_loop(struct md_run *m, const atomic_int *interrupted, struct cox_err *err)
{
    struct cox_progress line;
    int rc = COX_OK, chunk = 10;
    cox_progress_init(&line);
    m->began = cox_clock_seconds();
    double synced = m->began;
    m->from = m->done;
    while (!rc && m->done < m->frames) {
        rc = md_to_frame(m, &chunk, interrupted, &line, err);
        if (!rc)
            rc = md_store(m, err);
        if (!rc && cox_clock_seconds() - synced > CHECKPOINT_S) {
            rc = md_checkpoint(m, err);
            synced = cox_clock_seconds();
        }
    }
    m->wall_s = cox_clock_seconds() - m->began;
    cox_progress_end(&line);
    struct cox_err close_err = COX_ERR_INIT;
    int close_rc = !rc || rc == COX_ECANCELLED ? md_checkpoint(m, &close_err) : COX_OK;
    struct cox_traj *traj = m->traj;
    m->traj = NULL;
    if (close_rc)
        cox_traj_destroy(traj);
    else
        close_rc = cox_traj_close(traj, &close_err);
    if (close_rc && (!rc || rc == COX_ECANCELLED)) {
        rc = close_rc;
        cox_err_set(err, rc, "%s", close_err.text);
    }
    return rc;
}

static struct cox_json *md_json(const struct md_run *m, double ns, double per_day, bool interrupted)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "output", m->output);
    cox_json_set_text(j, "engine", cox_engine_version(m->engine));
    cox_json_set_int(j, "atoms", m->system->n_atoms);
    cox_json_set_int(j, "replicas", m->replicas);
    cox_json_set_int(j, "frames", m->done * m->replicas);
    cox_json_set_number(j, "ns", ns);
    cox_json_set_number(j, "wall_s", m->wall_s);
    cox_json_set_number(j, "ns_per_day", per_day);
    cox_json_set_int(j, "blown", m->blown);
    cox_json_set_bool(j, "interrupted", interrupted);
    if (m->observe.frames)
        cox_json_set(j, "observables", cox_md_observe_json(&m->observe));
    return j;
}

static int md_print(const struct md_run *m, bool interrupted, struct cox_err *err)
{
    double ns = md_ns(m, (double)m->done);
    double per_day = md_ns(m, (double)(m->done - m->from)) / m->wall_s * 86400;
    char wall[32];
    struct cox_json *j = md_json(m, ns, per_day, interrupted);
    int rc = m->summary && !interrupted ? cox_json_write(j, m->summary, err) : COX_OK;
    if (m->o.json) {
        cox_md_print_json(j);
        return rc;
    }
    cox_json_destroy(j);
    cox_clock_human(m->wall_s, wall, sizeof wall);
    printf("%s%d x %g ns = %g ns in %s: %.0f ns/day (%s)\n", interrupted ? "interrupted: " : "",
           m->replicas, ns / m->replicas, ns, wall, per_day, cox_engine_version(m->engine));
    if (m->blown)
        printf("lanes blew up %lld time%s and went on from their last frame\n", (long long)m->blown,
               m->blown == 1 ? "" : "s");
    printf("%lld frames in %s\n", (long long)m->done * m->replicas, m->output);
    if (m->observe.frames)
        cox_md_observe_print(&m->observe);
    if (interrupted)
        printf("the same command with --resume goes on\n");
    return rc;
}

static int md_run(struct md_run *m, const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    const atomic_int *interrupted = cox_interrupt_watch();
    m->quiet |= m->o.json;
    int rc = md_init(m, path, &err);
    bool started = !rc;
    if (!rc)
        rc = md_loop(m, interrupted, &err);
    int printed = COX_OK;
    if (started && (!rc || rc == COX_ECANCELLED))
        printed = md_print(m, rc == COX_ECANCELLED, &err);
    rc = rc ? rc : printed;
    if (rc && rc != COX_ECANCELLED)
        fprintf(stderr, "cox: %s\n", err.text);
    md_deinit(m);
    return !rc ? COX_EXIT_OK : rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : COX_EXIT_FAILED;
}

int cox_cmd_md(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "bench") == 0)
        return cox_cmd_md_bench(argc - 1, argv + 1);
    struct md_run m = {.o = COX_MD_OPTIONS_INIT, .length_ns = 1, .frame_ps = 10, .minimize = 200};
    struct cox_option options[COX_MD_SHARED + 11] = {
        {"output", 'o', COX_OPT_TEXT, &m.output, "TRAJ.h5", "trajectory to write (H5MD)", 0, 0},
        {"length-ns", 0, COX_OPT_NUMBER, &m.length_ns, "NS", "of each replica", 1e-6, 1e9},
        {"frame-ps", 0, COX_OPT_NUMBER, &m.frame_ps, "PS", "time between frames", 1e-4, 1e6},
        {"minimize", 0, COX_OPT_INT, &m.minimize, "STEPS", "steps downhill before; 0: none", 0,
         1000000},
        {"observe", 0, COX_OPT_TEXTS, &m.observe.names, "NAME",
         "mean and standard error over the replicas: rg_A, end_to_end_A, helix_fraction, …", 0, 0},
        {"reference", 0, COX_OPT_TEXT, &m.observe.reference, "FILE",
         "fold for rmsd_A and the like: PDB, system file", 0, 0},
        {"skip-ps", 0, COX_OPT_NUMBER, &m.skip_ps, "PS", "of each replica not observed", 0, 1e9},
        {"resume", 0, COX_OPT_FLAG, &m.resume, NULL,
         "go on with an interrupted run, to the same bits; begin where there is none", 0, 0},
        {"summary", 0, COX_OPT_TEXT, &m.summary, "FILE.json", "write there what --json prints", 0,
         0},
        {"quiet", 'q', COX_OPT_FLAG, &m.quiet, NULL, "no progress", 0, 0},
    };
    int n = cox_md_shared_options(&m.o, options, 10);
    const struct cox_usage usage = {
        .synopsis = "cox md SYSTEM.h5 -o TRAJ.h5 [options]\n"
                    "       cox md bench SYSTEM.h5 [options]",
        .description =
            "Plain molecular dynamics of many replicas of one system, in implicit "
            "solvent.\nFrames of all replicas go to one H5MD file; the observable "
            "'lane' tells whose a frame is.\nCtrl-C (or SIGTERM) stops and keeps what there is; "
            "--resume goes on. At most the last 10 s\nof work are lost when it is "
            "killed.\n\n"
            "  cox md bba.system.h5 --replicas 16 --length-ns 1 -o bba.traj.h5\n\n"
            "'cox md bench' measures the speed instead and writes nothing.",
        .options = options,
        .n_options = n,
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if (!m.output) {
        fprintf(stderr, "cox: --output TRAJ.h5 is missing\nusage: %s\n", usage.synopsis);
        return COX_EXIT_USAGE;
    }
    return md_run(&m, argv[1]);
}
