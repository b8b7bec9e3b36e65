/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of `cox potential run`: what is due when, the table, the result. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/potential_run.h"

#define ROW_S 1.0      /* at least, between rows of the table */
#define HEADER_ROWS 40 /* between headings */

struct table {
    double began, last;
    long long first_step;
    int rows;
};

static double steps_per_s(const struct potential_run *r, const struct table *t)
{
    double wall = cox_clock_seconds() - t->began;
    return wall > 0 ? (double)(cox_dynamics_state(r->d)->step - t->first_step) / wall : 0;
}

static void print_row(const struct potential_run *r, struct table *t,
                      const struct cox_dyn_sample *s, bool always)
{
    double now = cox_clock_seconds();
    char left[32] = "";
    if (r->s.quiet || r->s.json || (!always && now - t->last < ROW_S))
        return;
    t->last = now;
    if (t->rows++ % HEADER_ROWS == 0)
        printf("%10s %10s %8s %15s %11s %15s %10s %11s %8s  %s\n", "step", "time/ps", "T/K",
               "E_pot/eV", "E_kin/eV", "conserved/eV", r->start.box.periodic ? "P/bar" : "",
               r->start.box.periodic ? "V/A^3" : "", "steps/s", "left");
    double rate = steps_per_s(r, t);
    if (rate > 0 && s->step < r->s.steps)
        cox_clock_human((double)(r->s.steps - s->step) / rate, left, sizeof left);
    printf("%10lld %10.4f %8.2f %15.6f %11.5f %15.6f ", (long long)s->step, s->time_ps,
           s->temperature_K, s->potential, s->kinetic, s->conserved);
    if (r->start.box.periodic)
        printf("%10.1f %11.3f ", s->pressure_bar, s->volume);
    else
        printf("%10s %11s ", "", "");
    printf("%8.4g  %s\n", rate, left);
    fflush(stdout);
}

static void add_means(struct potential_means *m, const struct cox_dyn_sample *s)
{
    if (!m->n)
        m->first_ps = s->time_ps;
    double t = s->time_ps - m->first_ps;
    m->n++;
    m->last_ps = s->time_ps;
    m->t += t;
    m->tt += t * t;
    m->e += s->conserved;
    m->te += t * s->conserved;
    m->temperature += s->temperature_K;
    m->temperature2 += s->temperature_K * s->temperature_K;
    m->pressure += s->pressure_bar;
    m->pressure2 += s->pressure_bar * s->pressure_bar;
    m->volume += s->volume;
    m->density += s->density;
}

/* meV per atom and ps, by least squares. */
static double drift(const struct potential_run *r)
{
    const struct potential_means *m = &r->means;
    double n = (double)m->n;
    double spread = m->tt - m->t * m->t / n;
    return m->n > 2 && spread > 0 ? (m->te - m->t * m->e / n) / spread * 1000 / r->start.n : 0;
}

static void warn_of_overflow(struct potential_run *r, long long step)
{
    struct cox_dyn_potential_counts c;
    cox_dyn_potential_counts(r->potential, &c);
    if (!c.overflow || r->warned_overflow)
        return;
    r->warned_overflow = true;
    fprintf(stderr,
            "cox: warning: step %lld: %lld neighbours are beyond the model's sel and left out, as "
            "in training (said once; the result has the most there were)\n",
            step, c.overflow);
}

static bool due(long long step, long long every)
{
    return every > 0 && step % every == 0;
}

static int after_step(struct potential_run *r, struct table *t, struct cox_err *err)
{
    const struct potential_settings *o = &r->s;
    const struct cox_dyn_state *s = cox_dynamics_state(r->d);
    struct cox_dyn_sample sample;
    int rc = COX_OK;
    warn_of_overflow(r, s->step);
    if (due(s->step, o->thermo_every) || due(s->step, o->every) || s->step == o->steps)
        cox_dynamics_sample(r->d, &sample);
    if (due(s->step, o->thermo_every)) {
        add_means(&r->means, &sample);
        rc = cox_dyn_output_thermo(r->output, s, &sample, err);
    }
    if (due(s->step, o->thermo_every) || s->step == o->steps)
        print_row(r, t, &sample, s->step == o->steps);
    if (!rc && due(s->step, o->every))
        rc = cox_dyn_output_frame(r->output, s, &sample, err);
    if (!rc && r->rdf && s->step >= o->rdf_from && due(s->step, o->rdf_every))
        rc = cox_rdf_add(r->rdf, s->n, (const double(*)[3])s->x, r->start.species,
                         (const char(*)[COX_DP_TYPE_NAME])r->start.name, r->start.n_names, &s->box,
                         err);
    return rc;
}

static int write_end(struct potential_run *r, struct cox_err *err)
{
    static const char *const suffix[] = {"rdf.csv", "rdf.svg"};
    const struct cox_dyn_state *s = cox_dynamics_state(r->d);
    const struct potential_curves curves = {NULL, r->rdf};
    char path[4096];
    int rc = cox_path_join(path, sizeof path, r->s.output, "final.xyz", err);
    if (!rc)
        rc = cox_dyn_output_structure(path, &r->start, s, (double)s->step * r->s.timestep_fs * 1e-3,
                                      err);
    for (int i = 0; !rc && r->rdf && cox_rdf_frames(r->rdf) && i < 2; i++) {
        rc = cox_path_join(path, sizeof path, r->s.output, suffix[i], err);
        if (!rc)
            rc = potential_rdf_write(path, &curves, 1, err);
    }
    return rc;
}

/* What it looked like when it went wrong; the run is lost in any case. */
static int write_wreck(const struct potential_run *r, struct cox_err *err)
{
    char path[4096];
    struct cox_err ignored = COX_ERR_INIT;
    const struct cox_dyn_state *s = cox_dynamics_state(r->d);
    if (cox_path_join(path, sizeof path, r->s.output, "blown.xyz", &ignored) ||
        cox_dyn_output_structure(path, &r->start, s, 0, &ignored))
        return COX_EUNSTABLE;
    return cox_err_wrap(err, COX_EUNSTABLE, "%s written", path);
}

int potential_run_loop(struct potential_run *r, const atomic_int *interrupted, struct cox_err *err)
{
    const struct cox_dyn_state *s = cox_dynamics_state(r->d);
    struct table t = {.began = cox_clock_seconds(), .first_step = s->step};
    struct cox_dyn_sample sample;
    int rc = COX_OK;
    cox_dynamics_sample(r->d, &sample);
    if (s->step < r->s.steps)
        print_row(r, &t, &sample, true);
    warn_of_overflow(r, s->step);
    while (!rc && s->step < r->s.steps && !atomic_load(interrupted)) {
        rc = cox_dynamics_step(r->d, err);
        if (rc == COX_EUNSTABLE)
            return write_wreck(r, err);
        if (!rc)
            rc = after_step(r, &t, err);
        if (!rc && due(s->step, r->s.checkpoint_every))
            rc = potential_run_checkpoint(r, err);
    }
    r->wall_s = cox_clock_seconds() - t.began;
    if (!rc)
        rc = potential_run_checkpoint(r, err);
    if (!rc)
        rc = write_end(r, err);
    if (!rc && s->step < r->s.steps)
        rc = cox_err_set(err, COX_ECANCELLED, "interrupted");
    return rc;
}

/* ---- the result ---- */

static double spread(double sum, double squares, double n)
{
    double variance = squares / n - sum / n * (sum / n);
    return variance > 0 ? sqrt(variance) : 0;
}

struct cox_json *potential_run_result(const struct potential_run *r)
{
    const struct potential_means *m = &r->means;
    const struct cox_dyn_state *s = cox_dynamics_state(r->d);
    const double n = (double)m->n, done = (double)(s->step - r->first_step);
    struct cox_dyn_potential_counts c;
    struct cox_dyn_sample last;
    struct cox_json *j = cox_json_object();
    cox_dynamics_sample(r->d, &last);
    cox_dyn_potential_counts(r->potential, &c);
    cox_json_set_int(j, "step", s->step);
    cox_json_set_int(j, "from_step", r->first_step);
    cox_json_set_number(j, "time_ps", last.time_ps);
    cox_json_set_number(j, "wall_s", r->wall_s);
    if (r->wall_s > 0) {
        cox_json_set_number(j, "steps_per_s", done / r->wall_s);
        cox_json_set_number(j, "ns_per_day", done * r->s.timestep_fs * 1e-6 / r->wall_s * 86400);
        cox_json_set_number(j, "us_per_atom_step", r->wall_s * 1e6 / (done * s->n));
    }
    if (m->n) {
        cox_json_set_int(j, "rows", m->n);
        cox_json_set_number(j, "temperature_K", m->temperature / n);
        cox_json_set_number(j, "temperature_spread_K", spread(m->temperature, m->temperature2, n));
        cox_json_set_number(j, "drift_meV_per_atom_ps", drift(r));
    }
    if (m->n && s->box.periodic) {
        cox_json_set_number(j, "pressure_bar", m->pressure / n);
        cox_json_set_number(j, "pressure_spread_bar", spread(m->pressure, m->pressure2, n));
        cox_json_set_number(j, "volume_A3", m->volume / n);
        cox_json_set_number(j, "density_g_cm3", m->density / n);
    }
    if (r->s.npt_K > 0)
        cox_json_set_number(j, "barostat_accepted", last.accepted);
    cox_json_set_int(j, "evaluations", c.evaluations);
    cox_json_set_int(j, "neighbour_lists", c.builds);
    cox_json_set_number(j, "neighbours", c.neighbours);
    cox_json_set_number(j, "list_s", c.list_s);
    cox_json_set_number(j, "evaluate_s", c.evaluate_s);
    cox_json_set_int(j, "most_overflow", c.most_overflow);
    return j;
}

static void print_words(const struct potential_run *r, bool interrupted)
{
    const struct potential_means *m = &r->means;
    const struct cox_dyn_state *s = cox_dynamics_state(r->d);
    const double n = (double)m->n, done = (double)(s->step - r->first_step);
    struct cox_dyn_sample last;
    char wall[32];
    cox_dynamics_sample(r->d, &last);
    cox_clock_human(r->wall_s, wall, sizeof wall);
    if (!interrupted && done == 0)
        printf("nothing left to do: the run has its %lld steps (--steps N for more)\n",
               (long long)s->step);
    else
        printf("%s%lld steps of %g fs, %d atoms, in %s: %.4g steps/s, %.4g ns/day, %.4g us per "
               "atom and step\n",
               interrupted ? "interrupted: " : "", (long long)done, r->s.timestep_fs, s->n, wall,
               done / r->wall_s, done * r->s.timestep_fs * 1e-6 / r->wall_s * 86400,
               r->wall_s * 1e6 / (done * s->n));
    if (m->n)
        printf("mean temperature %.2f K, drift of the conserved energy %.3g meV per atom and ps\n",
               m->temperature / n, drift(r));
    if (m->n && s->box.periodic)
        printf("mean pressure %.1f bar (spread %.1f), density %.5f g/cm3\n", m->pressure / n,
               spread(m->pressure, m->pressure2, n), m->density / n);
    if (r->s.npt_K > 0)
        printf("%.1f %% of the barostat's moves were accepted%s\n", 100 * last.accepted,
               last.accepted < 0.5 && last.step > 0
                   ? ": lower --compressibility or --barostat-every, or raise --tau-p-ps"
                   : "");
    printf("%s: checkpoint, final.xyz, thermo.csv%s%s\n", r->s.output,
           r->s.every ? ", trajectory" : "", r->rdf ? ", rdf.csv, rdf.svg" : "");
    if (interrupted)
        printf("go on with: cox potential run --restart %s\n", r->s.output);
}

void potential_run_summary(const struct potential_run *r, bool interrupted)
{
    if (!r->s.json) {
        print_words(r, interrupted);
        return;
    }
    struct cox_json *j = potential_run_result(r);
    cox_json_set_text(j, "output", r->s.output);
    cox_json_set_bool(j, "interrupted", interrupted);
    cox_json_set_int(j, "atoms", r->start.n);
    char *text = cox_json_text(j, true);
    if (text)
        printf("%s", text);
    cox_free(text);
    cox_json_destroy(j);
}
