/* SPDX-License-Identifier: BSD-3-Clause */
/* `cox md bench`: ns/day of one core and of all, share of time per pass. Numbers are medians over
 * short stretches: a busy machine disturbs some of them, not most. */
#include "cli/md.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/team.h"
#include "cli/commands.h"
#include "cli/interrupt.h"

#define STRETCH_S 0.2
#define STRETCHES_MAX 4096
#define PASSES_MAX 32

int cox_md_shared_options(struct cox_md_options *o, struct cox_option *table, int n)
{
    const struct cox_option shared[COX_MD_SHARED] = {
        {"replicas", 0, COX_OPT_INT, &o->replicas, "N", "trajectories side by side", 1, 65536},
        {"timestep-fs", 0, COX_OPT_NUMBER, &o->timestep_fs, "FS", "4 needs --hydrogen-mass-u 3",
         1e-3, 10},
        {"temperature-K", 0, COX_OPT_NUMBER, &o->temperature_K, "K", "of the thermostat", 0, 10000},
        {"friction-per-ps", 0, COX_OPT_NUMBER, &o->friction_per_ps, "G",
         "of the Langevin thermostat; 0: constant energy", 0, 10000},
        {"hydrogen-mass-u", 0, COX_OPT_NUMBER, &o->hydrogen_mass_u, "U",
         "moves mass from heavy atoms to their hydrogens; 0: none", 0, 5},
        {"slow-every", 0, COX_OPT_INT, &o->slow_every, "K",
         "slow forces every K-th step (RESPA); 1: every step", 1, 16},
        {"seed", 0, COX_OPT_INT, &o->seed, "S", "same seed, same trajectories", 0, 1e18},
        {"threads", 0, COX_OPT_INT, &o->threads, "N", "0: all processors", 0, 1024},
        {"isa", 0, COX_OPT_TEXT, &o->isa, "NAME", "instruction set: sse2, avx2, avx512", 0, 0},
        {"engine", 0, COX_OPT_TEXT, &o->engine, "NAME", "ensemble, or fake for trying out", 0, 0},
        {"json", 0, COX_OPT_FLAG, &o->json, NULL, "print the result as JSON, no progress", 0, 0},
    };
    for (int i = 0; i < COX_MD_SHARED; i++)
        table[n++] = shared[i];
    return n;
}

int cox_md_engine(struct cox_engine **out, const struct cox_system *system,
                  const struct cox_md_options *o, int replicas, int threads, struct cox_err *err)
{
    struct cox_engine_options e = COX_ENGINE_OPTIONS_INIT;
    e.replicas = replicas;
    e.threads = threads;
    e.timestep_fs = o->timestep_fs;
    e.temperature_K = o->temperature_K;
    e.friction_per_ps = o->friction_per_ps;
    e.hydrogen_mass_u = o->hydrogen_mass_u;
    e.slow_every = (int)o->slow_every;
    e.seed = (uint64_t)o->seed;
    e.isa = o->isa;
    return cox_engine_create(out, o->engine, system, &e, err);
}

void cox_md_print_json(struct cox_json *json)
{
    char *text = cox_json_text(json, true);
    fputs(text ? text : "", stdout);
    cox_free(text);
    cox_json_destroy(json);
}

struct measurement {
    int threads, replicas, stretches, n_passes;
    double ns_per_day, best, step_ms; /* median, of the best stretch; of all lanes together */
    struct cox_engine_pass pass[PASSES_MAX]; /* while measured */
    char engine[64];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int stretches(struct measurement *m, struct cox_engine *engine, double timestep_fs,
                     double seconds, struct cox_err *err)
{
    const atomic_int *interrupted = cox_interrupt_watch();
    double *wall = cox_alloc(STRETCHES_MAX, sizeof *wall);
    int n = 4, rc = wall ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    /* warms up, and finds a stretch's length */
    for (double t = 0; !rc && t < STRETCH_S / 2; n = t < STRETCH_S / 2 ? 2 * n : n) {
        double began = cox_clock_seconds();
        rc = cox_engine_step(engine, n, err);
        t = cox_clock_seconds() - began;
    }
    const struct cox_engine_pass *pass;
    int n_passes = rc ? 0 : cox_engine_profile(engine, &pass);
    m->n_passes = n_passes < PASSES_MAX ? n_passes : PASSES_MAX;
    for (int i = 0; i < m->n_passes; i++)
        m->pass[i] = (struct cox_engine_pass){pass[i].name, -pass[i].seconds};
    double began = cox_clock_seconds();
    while (!rc && m->stretches < STRETCHES_MAX &&
           (m->stretches < 3 || cox_clock_seconds() - began < seconds)) {
        double t = cox_clock_seconds();
        if (atomic_load(interrupted))
            rc = cox_err_set(err, COX_ECANCELLED, "interrupted");
        else
            rc = cox_engine_step(engine, n, err);
        wall[m->stretches++] = cox_clock_seconds() - t;
    }
    if (!rc) {
        cox_engine_profile(engine, &pass);
        for (int i = 0; i < m->n_passes; i++)
            m->pass[i].seconds += pass[i].seconds;
        qsort(wall, (size_t)m->stretches, sizeof *wall, by_value);
        double day = n * timestep_fs * 1e-6 * m->replicas * 86400;
        m->ns_per_day = day / wall[m->stretches / 2];
        m->best = day / wall[0];
        m->step_ms = 1e3 * wall[m->stretches / 2] / n;
    }
    cox_free(wall);
    return rc;
}

static int measure(struct measurement *m, const struct cox_system *system,
                   const struct cox_md_options *o, double seconds, struct cox_err *err)
{
    struct cox_engine *engine = NULL;
    int rc = cox_md_engine(&engine, system, o, m->replicas, m->threads, err);
    if (!rc)
        rc = cox_engine_minimize(engine, 50, 10, err);
    for (int l = 0; !rc && l < m->replicas; l++)
        rc = cox_engine_draw_velocities(engine, l, err);
    if (!rc)
        rc = stretches(m, engine, o->timestep_fs, seconds, err);
    for (int l = 0; !rc && l < m->replicas; l++)
        if (cox_engine_lane_state(engine, l) != COX_LANE_OK)
            rc = cox_err_set(err, COX_EUNSTABLE, "lane %d blew up while measured: %s", l,
                             cox_engine_lane_reason(engine, l));
    if (!rc)
        snprintf(m->engine, sizeof m->engine, "%s", cox_engine_version(engine));
    cox_engine_destroy(engine);
    return rc;
}

static double passes_total(const struct measurement *m)
{
    double total = 0;
    for (int i = 0; i < m->n_passes; i++)
        total += m->pass[i].seconds;
    return total > 0 ? total : 1;
}

static void print_plain(const char *path, int atoms, double timestep_fs,
                        const struct measurement *one, const struct measurement *all)
{
    printf("%s: %d atoms, %s, %g fs steps, %d replicas per core\n", path, atoms, one->engine,
           timestep_fs, one->replicas);
    printf("  one core   %10.0f ns/day, %.3f ms per step of %d replicas\n", one->ns_per_day,
           one->step_ms, one->replicas);
    if (all->threads > 1)
        printf("  %d cores    %10.0f ns/day, %.0f per core: %.2f times one core\n", all->threads,
               all->ns_per_day, all->ns_per_day / all->threads, all->ns_per_day / one->ns_per_day);
    printf("  share of time on one core:\n");
    for (int i = 0; i < one->n_passes; i++)
        printf("    %-24s %5.1f %%\n", one->pass[i].name,
               100 * one->pass[i].seconds / passes_total(one));
}

static void print_json(const char *path, int atoms, double timestep_fs,
                       const struct measurement *one, const struct measurement *all)
{
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "system", path);
    cox_json_set_int(j, "atoms", atoms);
    cox_json_set_text(j, "engine", one->engine);
    cox_json_set_number(j, "timestep_fs", timestep_fs);
    cox_json_set_int(j, "replicas_per_core", one->replicas);
    cox_json_set_number(j, "ns_per_day_one_core", one->ns_per_day);
    cox_json_set_number(j, "ns_per_day_one_core_best", one->best);
    cox_json_set_number(j, "step_ms", one->step_ms);
    cox_json_set_int(j, "threads", all->threads);
    cox_json_set_number(j, "ns_per_day", all->ns_per_day);
    cox_json_set_number(j, "ns_per_day_per_core", all->ns_per_day / all->threads);
    cox_json_set_number(j, "scaling", all->ns_per_day / one->ns_per_day);
    struct cox_json *share = cox_json_object();
    for (int i = 0; i < one->n_passes; i++)
        cox_json_set_number(share, one->pass[i].name, one->pass[i].seconds / passes_total(one));
    cox_json_set(j, "share", share);
    cox_md_print_json(j);
}

/* Replicas per core: as many as one vector holds, unless told. */
static int bench(const struct cox_md_options *o, const char *path, double seconds,
                 struct cox_err *err)
{
    struct cox_system *system = NULL;
    struct cox_engine *probe = NULL;
    struct measurement one = {.threads = 1, .replicas = (int)o->replicas}, all = {0};
    int rc = cox_system_load(&system, path, err);
    if (!rc && !one.replicas) {
        rc = cox_md_engine(&probe, system, o, 1, 1, err);
        one.replicas = rc ? 0 : cox_engine_lane_width(probe);
        cox_engine_destroy(probe);
    }
    all.threads = o->threads ? (int)o->threads : cox_processors();
    all.replicas = one.replicas * all.threads;
    if (!rc)
        rc = measure(&one, system, o, seconds, err);
    if (!rc && all.threads > 1)
        rc = measure(&all, system, o, seconds, err);
    else
        all = one;
    if (!rc && o->json)
        print_json(path, system->n_atoms, o->timestep_fs, &one, &all);
    else if (!rc)
        print_plain(path, system->n_atoms, o->timestep_fs, &one, &all);
    cox_system_destroy(system);
    return rc;
}

int cox_cmd_md_bench(int argc, char **argv)
{
    struct cox_md_options o = COX_MD_OPTIONS_INIT;
    struct cox_err err = COX_ERR_INIT;
    double seconds = 3;
    struct cox_option options[COX_MD_SHARED + 1] = {
        {"seconds", 0, COX_OPT_NUMBER, &seconds, "S", "how long each measurement takes", 0.1, 3600},
    };
    int n = cox_md_shared_options(&o, options, 1);
    for (int i = 0; i < n; i++)
        if (options[i].value == &o.replicas) {
            options[i].help = "per core; 0: as many as one vector holds";
            options[i].minimum = 0;
        }
    o.replicas = 0;
    const struct cox_usage usage = {
        .synopsis = "cox md bench SYSTEM.h5 [options]",
        .description = "Measures the engine on a system: ns/day of one core and of all, share of "
                       "time per pass.\nFigures are medians over stretches of 0.2 s.",
        .options = options,
        .n_options = n,
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    int rc = bench(&o, argv[1], seconds, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return !rc ? COX_EXIT_OK : rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : COX_EXIT_FAILED;
}
