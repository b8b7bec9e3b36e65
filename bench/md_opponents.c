/* SPDX-License-Identifier: BSD-3-Clause */
#include "md_opponents.h"

#include <math.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double relative_rms(int n, const double (*f)[3], const double (*g)[3])
{
    double error = 0, square = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            error += (f[i][k] - g[i][k]) * (f[i][k] - g[i][k]);
            square += g[i][k] * g[i][k];
        }
    return sqrt(error / square);
}

static struct cox_openmm_options openmm_options(const struct runner *r)
{
    return (struct cox_openmm_options){.platform = r->platform,
                                       .threads = r->threads,
                                       .cutoff_nm = r->cutoff_nm,
                                       .timestep_fs = r->timestep_fs,
                                       .temperature_K = 300,
                                       .friction_per_ps = 1,
                                       .constrain_hydrogens = 1,
                                       .seed = 1};
}

static struct cox_engine_options our_options(const struct runner *r)
{
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    o.replicas = r->replicas;
    o.threads = r->threads;
    o.timestep_fs = r->timestep_fs;
    o.hydrogen_mass_u = r->hydrogen_mass_u;
    o.slow_every = r->slow_every > 0 ? r->slow_every : 1;
    return o;
}

/* OpenMM: constraints leave out bonds, so the forces are compared without them, on both sides. */
static int check_openmm(struct runner *r, const struct cox_system *s, const double (*force)[3],
                        double (*f)[3], struct cox_err *err)
{
    struct cox_openmm_options o = openmm_options(r);
    struct cox_openmm *openmm = NULL;
    o.constrain_hydrogens = 0;
    int rc = cox_openmm_create(&openmm, s, &o, err);
    if (!rc)
        rc = cox_openmm_evaluate(openmm, NULL, f, err);
    cox_openmm_destroy(openmm);
    if (!rc)
        r->force_error = relative_rms(s->n_atoms, (const double(*)[3])f, force);
    return rc;
}

static int check_ours(struct runner *r, const struct cox_system *s, const double (*force)[3],
                      double (*f)[3], struct cox_err *err)
{
    struct cox_engine_options o = our_options(r);
    struct cox_engine *engine = NULL;
    o.constrain_hydrogens = false;
    o.replicas = 1;
    int rc = cox_engine_create(&engine, "ensemble", s, &o, err);
    if (!rc)
        rc = cox_engine_evaluate(engine, 0, NULL, f, err);
    cox_engine_destroy(engine);
    if (!rc)
        r->force_error = relative_rms(s->n_atoms, (const double(*)[3])f, force);
    return rc;
}

static int start_ours(struct runner *r, const struct cox_system *s, struct cox_err *err)
{
    struct cox_engine_options o = our_options(r);
    if (!r->replicas) { /* one vector full per thread */
        o.replicas = 1;
        int rc = cox_engine_create(&r->engine, "ensemble", s, &o, err);
        if (rc)
            return rc;
        o.replicas = r->replicas = cox_engine_lane_width(r->engine) * r->threads;
        cox_engine_destroy(r->engine);
        r->engine = NULL;
    }
    int rc = cox_engine_create(&r->engine, "ensemble", s, &o, err);
    if (!rc)
        rc = cox_engine_minimize(r->engine, 200, 10, err);
    for (int l = 0; !rc && l < r->replicas; l++)
        rc = cox_engine_draw_velocities(r->engine, l, err);
    return rc;
}

static int start_openmm(struct runner *r, const struct cox_system *s, struct cox_err *err)
{
    struct cox_openmm_options o = openmm_options(r);
    int rc = cox_openmm_create(&r->openmm, s, &o, err);
    r->replicas = 1;
    if (!rc)
        rc = cox_openmm_minimize(r->openmm, err);
    if (!rc)
        rc = cox_openmm_thermalize(r->openmm, err);
    return rc;
}

int runner_run(struct runner *r, struct stretch *out, struct cox_err *err)
{
    double wall = cox_clock_seconds(), cpu = cpu_seconds();
    int rc = r->ours ? cox_engine_step(r->engine, r->steps, err)
                     : cox_openmm_step(r->openmm, r->steps, err);
    out->wall_s = cox_clock_seconds() - wall;
    out->cpu_s = cpu_seconds() - cpu;
    for (int l = 0; !rc && r->ours && l < r->replicas; l++)
        if (cox_engine_lane_state(r->engine, l) != COX_LANE_OK)
            rc = cox_err_set(err, COX_EUNSTABLE, "%s: lane %d blew up: %s", r->name, l,
                             cox_engine_lane_reason(r->engine, l));
    return rc;
}

int runner_start(struct runner *r, const struct cox_system *system, const double (*force)[3],
                 double seconds, struct cox_err *err)
{
    double(*f)[3] = cox_alloc((size_t)system->n_atoms, sizeof *f);
    struct stretch t = {0};
    int rc = f ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory");
    if (!rc)
        rc = (r->ours ? check_ours : check_openmm)(r, system, force, f, err);
    if (!rc)
        rc = r->ours ? start_ours(r, system, err) : start_openmm(r, system, err);
    for (r->steps = 4; !rc; r->steps *= 2) {
        rc = runner_run(r, &t, err);
        if (t.wall_s > seconds / 4)
            break;
    }
    r->steps = (int)(r->steps * seconds / t.wall_s) + 1;
    if (!rc)
        rc = runner_run(r, &t, err);
    cox_free(f);
    return rc;
}

void runner_stop(struct runner *r)
{
    cox_engine_destroy(r->engine);
    cox_openmm_destroy(r->openmm);
    r->engine = NULL;
    r->openmm = NULL;
}

double runner_ns_per_day(const struct runner *r, double seconds)
{
    return r->steps * r->timestep_fs * 1e-6 * r->replicas / seconds * 86400;
}

int reference_forces(const struct cox_system *system, double (*force)[3], struct cox_err *err)
{
    const struct cox_openmm_options o = {
        .platform = "Reference", .timestep_fs = 1, .temperature_K = 300};
    struct cox_openmm *openmm = NULL;
    int rc = cox_openmm_create(&openmm, system, &o, err);
    if (!rc)
        rc = cox_openmm_evaluate(openmm, NULL, force, err);
    cox_openmm_destroy(openmm);
    return rc;
}
