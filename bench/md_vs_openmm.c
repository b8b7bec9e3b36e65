/* SPDX-License-Identifier: BSD-3-Clause */
/* Our ensemble engine against OpenMM 7.7 on one core, in one process, alternately.
 *   md_vs_openmm ROUNDS SECONDS COMMIT OUT.json SYSTEM.h5…      (bench/md.sh calls it)
 * Whole steps: Langevin-middle, 1/ps, 300 K, bonds to hydrogen constrained, 2 fs on both sides. In
 * each round every runner works for about SECONDS; ratios are taken within a round and their
 * median reported, so a busy or throttled machine disturbs both sides alike. Forces are checked
 * against OpenMM's Reference platform first; a runner that claims the same physics and misses it
 * fails the benchmark. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "md_opponents.h"

#define ROUNDS_MAX 100
#define SAME_PHYSICS 2e-4 /* relative RMS force error that still is the same physics */

/* The first is the base of all ratios. */
static const struct runner field[] = {
    {.name = "ensemble", .ours = true, .same_physics = true, .threads = 1, .timestep_fs = 2},
    {.name = "OpenMM CPU, 10 nm cutoff (all pairs)",
     .same_physics = true,
     .platform = "CPU",
     .threads = 1,
     .cutoff_nm = 10,
     .timestep_fs = 2},
    {.name = "OpenMM CPU, NoCutoff",
     .same_physics = true,
     .platform = "CPU",
     .threads = 1,
     .timestep_fs = 2},
    {.name = "OpenMM Reference, NoCutoff",
     .same_physics = true,
     .platform = "Reference",
     .threads = 1,
     .timestep_fs = 2},
    {.name = "OpenMM CPU, 1 nm cutoff",
     .platform = "CPU",
     .threads = 1,
     .cutoff_nm = 1,
     .timestep_fs = 2},
    {.name = "ensemble, 2 threads",
     .ours = true,
     .same_physics = true,
     .threads = 2,
     .timestep_fs = 2},
    {.name = "ensemble, 4 fs, heavy hydrogens",
     .ours = true,
     .same_physics = true,
     .threads = 1,
     .timestep_fs = 4,
     .hydrogen_mass_u = 3},
    {.name = "ensemble, 4 fs, GB every 2nd step",
     .ours = true,
     .same_physics = true,
     .threads = 1,
     .timestep_fs = 4,
     .hydrogen_mass_u = 3,
     .slow_every = 2},
};
enum { RUNNERS = sizeof field / sizeof field[0] };

struct result {
    struct stretch t[RUNNERS][ROUNDS_MAX];
    int rounds;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *value, int n)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, value, (size_t)n * sizeof *value);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
}

/* ns/day of runner r in a round, by the wall clock or by processor time. */
static double speed(const struct runner *r, const struct stretch *t, bool cpu)
{
    return runner_ns_per_day(r, cpu ? t->cpu_s : t->wall_s);
}

static double median_speed(const struct runner *r, const struct stretch *t, int rounds, bool cpu)
{
    double value[ROUNDS_MAX];
    for (int k = 0; k < rounds; k++)
        value[k] = speed(r, &t[k], cpu);
    return median(value, rounds);
}

/* Median over the rounds of a/b; `each` gets the ratios. */
static double ratio(const struct runner *a, const struct stretch *ta, const struct runner *b,
                    const struct stretch *tb, int rounds, bool cpu, double *each)
{
    for (int k = 0; k < rounds; k++)
        each[k] = speed(a, &ta[k], cpu) / speed(b, &tb[k], cpu);
    return median(each, rounds);
}

static struct cox_json *report_runner(const struct runner *r, const struct runner *runners,
                                      const struct result *res, int i)
{
    double each[ROUNDS_MAX];
    struct cox_json *j = cox_json_object(), *list = cox_json_array();
    const struct stretch *t = res->t[i];
    double wall = median_speed(r, t, res->rounds, false),
           cpu = median_speed(r, t, res->rounds, true);
    cox_json_set_text(j, "name", r->name);
    cox_json_set_int(j, "threads", r->threads);
    cox_json_set_int(j, "replicas", r->replicas);
    cox_json_set_number(j, "timestep_fs", r->timestep_fs);
    cox_json_set_number(j, "force_error", r->force_error);
    cox_json_set_number(j, "ns_per_day", wall);
    cox_json_set_number(j, "ns_per_day_by_cpu_time", cpu * (r->ours ? r->threads : 1));
    printf("  %-38s %9.1f ns/day  force error %.1e", r->name, wall, r->force_error);
    if (i > 0) {
        double by_cpu = r->ours ? ratio(r, t, &runners[0], res->t[0], res->rounds, true, each)
                                : ratio(&runners[0], res->t[0], r, t, res->rounds, true, each);
        double by_wall = r->ours ? ratio(r, t, &runners[0], res->t[0], res->rounds, false, each)
                                 : ratio(&runners[0], res->t[0], r, t, res->rounds, false, each);
        for (int k = 0; k < res->rounds; k++)
            cox_json_push_number(list, each[k]);
        qsort(each, (size_t)res->rounds, sizeof *each, by_value);
        printf("  %s %.2f (%.2f … %.2f; by CPU time %.2f)",
               r->ours ? "times ensemble:" : "ensemble is faster by", by_wall, each[0],
               each[res->rounds - 1], by_cpu * (r->ours ? r->threads : 1));
        cox_json_set_number(j, r->ours ? "times_ensemble" : "ensemble_is_faster_by", by_wall);
        cox_json_set_number(j, "by_cpu_time", by_cpu * (r->ours ? r->threads : 1));
        cox_json_set(j, "each_round", list);
    } else {
        cox_json_destroy(list);
    }
    printf("\n");
    return j;
}

/* OpenMM's best at the same physics, by median speed. */
static int best_opponent(const struct runner *runners, const struct result *res)
{
    int best = -1;
    double fastest = 0;
    for (int i = 0; i < RUNNERS; i++) {
        double s = median_speed(&runners[i], res->t[i], res->rounds, false);
        if (!runners[i].ours && runners[i].same_physics && s > fastest) {
            fastest = s;
            best = i;
        }
    }
    return best;
}

static struct cox_json *report(const char *path, const struct cox_system *s,
                               const struct runner *runners, const struct result *res)
{
    double each[ROUNDS_MAX];
    struct cox_json *j = cox_json_object(), *list = cox_json_array();
    printf("%s: %d atoms, %d rounds\n", path, s->n_atoms, res->rounds);
    cox_json_set_text(j, "system", path);
    cox_json_set_int(j, "atoms", s->n_atoms);
    for (int i = 0; i < RUNNERS; i++)
        cox_json_push(list, report_runner(&runners[i], runners, res, i));
    cox_json_set(j, "runners", list);
    int best = best_opponent(runners, res);
    double same =
        ratio(&runners[0], res->t[0], &runners[best], res->t[best], res->rounds, false, each);
    double by_cpu =
        ratio(&runners[0], res->t[0], &runners[best], res->t[best], res->rounds, true, each);
    printf("  same physics: %.1f times OpenMM's best (%s); by CPU time %.1f\n", same,
           runners[best].name, by_cpu);
    cox_json_set_number(j, "same_physics_ratio_by_cpu_time", by_cpu);
    cox_json_set_text(j, "best_of_openmm_same_physics", runners[best].name);
    cox_json_set_number(j, "same_physics_ratio", same);
    return j;
}

static int one_system(struct cox_json *out, const char *path, int rounds, double seconds,
                      struct cox_err *err)
{
    struct cox_system *s = NULL;
    struct runner runners[RUNNERS];
    struct result *res = cox_alloc(1, sizeof *res);
    double(*force)[3] = NULL;
    memcpy(runners, field, sizeof runners);
    int rc = res ? cox_system_load(&s, path, err) : cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc) {
        force = cox_alloc((size_t)s->n_atoms, sizeof *force);
        rc =
            force ? reference_forces(s, force, err) : cox_err_set(err, COX_ENOMEM, "out of memory");
    }
    for (int i = 0; !rc && i < RUNNERS; i++) {
        rc = runner_start(&runners[i], s, (const double(*)[3])force, seconds, err);
        if (!rc && runners[i].same_physics && !(runners[i].force_error <= SAME_PHYSICS))
            rc = cox_err_set(err, COX_EINVAL,
                             "%s: forces are off by %.1e (relative RMS; %.0e allowed)",
                             runners[i].name, runners[i].force_error, SAME_PHYSICS);
    }
    for (int k = 0; !rc && k < rounds; k++)
        for (int i = 0; !rc && i < RUNNERS; i++)
            rc = runner_run(&runners[i], &res->t[i][k], err);
    if (!rc) {
        res->rounds = rounds;
        cox_json_push(out, report(path, s, runners, res));
    }
    for (int i = 0; i < RUNNERS; i++)
        runner_stop(&runners[i]);
    cox_free(force);
    cox_free(res);
    cox_system_destroy(s);
    return rc ? cox_err_wrap(err, rc, "%s", path) : COX_OK;
}

/* "model name : …" of /proc/cpuinfo. */
static void processor(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
            line[strcspn(line, "\n")] = 0;
            snprintf(out, size, "%s", strchr(line, ':') + 2);
            break;
        }
    if (f)
        fclose(f);
}

static int head(struct cox_json *j, const char *commit, const char *system, struct cox_err *err)
{
    char text[256];
    struct cox_system *s = NULL;
    struct cox_engine *e = NULL;
    int rc = cox_system_load(&s, system, err);
    if (!rc)
        rc = cox_engine_create(&e, "ensemble", s, NULL, err);
    if (!rc)
        cox_json_set_text(j, "engine", cox_engine_version(e));
    cox_engine_destroy(e);
    cox_system_destroy(s);
    processor(text, sizeof text);
    cox_json_set_text(j, "cpu", text);
    cox_json_set_text(j, "commit", commit);
    cox_json_set_text(j, "openmm", cox_openmm_version());
    cox_clock_utc(text, sizeof text);
    cox_json_set_text(j, "when", text);
    double load[1];
    if (getloadavg(load, 1) == 1)
        cox_json_set_number(j, "load_before", load[0]);
    return rc;
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    long long rounds = 0;
    double seconds = 0;
    if (argc < 6 || cox_parse_int(argv[1], &rounds) || cox_parse_double(argv[2], &seconds) ||
        rounds < 1 || rounds > ROUNDS_MAX || !(seconds > 0)) {
        fprintf(stderr, "usage: md_vs_openmm ROUNDS SECONDS COMMIT OUT.json SYSTEM.h5...\n");
        return 2;
    }
    struct cox_json *json = cox_json_object(), *systems = cox_json_array();
    int rc = head(json, argv[3], argv[5], &err);
    for (int i = 5; !rc && i < argc; i++)
        rc = one_system(systems, argv[i], (int)rounds, seconds, &err);
    cox_json_set(json, "systems", systems);
    if (!rc)
        rc = cox_json_write(json, argv[4], &err);
    cox_json_destroy(json);
    if (rc)
        fprintf(stderr, "md_vs_openmm: %s\n", err.text);
    return rc ? 1 : 0;
}
