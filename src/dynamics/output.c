/* SPDX-License-Identifier: BSD-3-Clause */
#include "dynamics/output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cox/system.h"
#include "dynamics/units.h"
#include "molecule/elements.h"
#include "store/traj.h"

#define NM_PER_A 0.1

struct cox_dyn_output {
    struct cox_dyn_output_options o;
    const struct cox_dyn_start *who;
    struct cox_traj *traj;
    char xyz_path[4096], thermo_path[4096];
    FILE *xyz, *thermo;
    double (*x)[3];             /* [n] as written, Å */
    float (*nm)[3], (*nm_v)[3]; /* [n] */
    int64_t frames;
};

static const struct cox_traj_column columns[] = {{"potential_eV", COX_TRAJ_F32, "eV"},
                                                 {"temperature_K", COX_TRAJ_F32, "K"}};

/* ---- opening ---- */

static struct cox_system *system_of(const struct cox_dyn_start *who)
{
    struct cox_system *s = NULL;
    if (cox_system_create(&s, who->n, 1, 0, 0, 0, 0, 0, NULL))
        return NULL;
    snprintf(s->name, sizeof s->name, "%d atoms", who->n);
    snprintf(s->residue_name[0], COX_NAME_SIZE, "SYS");
    snprintf(s->chain[0], COX_NAME_SIZE, "A");
    s->residue_number[0] = 1;
    for (int i = 0; i < who->n; i++) {
        const char *name = who->name[who->species[i]];
        snprintf(s->atom_name[i], COX_NAME_SIZE, "%s", name);
        s->element[i] = cox_element_of_symbol(name);
        s->mass_u[i] = who->mass_u[i];
    }
    return s;
}

static int open_traj(struct cox_dyn_output *o, const char *folder,
                     const struct cox_dyn_marks *marks, struct cox_err *err)
{
    char path[4096];
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    int rc = cox_path_join(path, sizeof path, folder, "traj.h5", err);
    if (!rc && marks) {
        rc = cox_traj_open_append(&o->traj, path, err);
        if (!rc && cox_traj_frames(o->traj) > marks->h5_frames)
            rc = cox_traj_truncate(o->traj, marks->h5_frames, err);
        if (!rc && cox_traj_frames(o->traj) < marks->h5_frames)
            rc =
                cox_err_set(err, COX_EFORMAT, "'%s' has %lld frames, the checkpoint knows of %lld",
                            path, (long long)cox_traj_frames(o->traj), (long long)marks->h5_frames);
        return rc;
    }
    struct cox_system *system = rc ? NULL : system_of(o->who);
    if (!rc && !system)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for '%s'", path);
    options.velocities = o->o.velocities;
    options.periodic = o->who->box.periodic;
    options.n_columns = 2;
    options.columns = columns;
    if (!rc)
        rc = cox_traj_create(&o->traj, path, system, &options, err);
    cox_system_destroy(system);
    return rc;
}

/* A text file to go on with after `bytes`, or a new one (−1). */
static int open_text(FILE **out, const char *path, int64_t bytes, struct cox_err *err)
{
    *out = fopen(path, bytes < 0 ? "wxe" : "r+e");
    if (!*out)
        return cox_err_errno(err, "cannot write '%s'", path);
    if (bytes < 0)
        return COX_OK;
    if (fseeko(*out, 0, SEEK_END) || ftello(*out) < bytes)
        return cox_err_set(err, COX_EFORMAT,
                           "'%s' is shorter than when the checkpoint was taken (%lld bytes)", path,
                           (long long)bytes);
    if (ftruncate(fileno(*out), bytes) || fseeko(*out, bytes, SEEK_SET))
        return cox_err_errno(err, "cannot cut '%s'", path);
    return COX_OK;
}

static int open_thermo(struct cox_dyn_output *o, const struct cox_dyn_marks *marks,
                       struct cox_err *err)
{
    int rc = open_text(&o->thermo, o->thermo_path, marks ? marks->thermo_bytes : -1, err);
    if (rc || marks)
        return rc;
    fprintf(o->thermo, "step,time_ps,target_K,temperature_K,potential_eV,kinetic_eV,conserved_eV%s",
            o->who->box.periodic
                ? ",pressure_bar,volume_A3,density_g_cm3,a_A,b_A,c_A,alpha_deg,beta_deg,gamma_deg,"
                  "pxx_bar,pyy_bar,pzz_bar,pxy_bar,pxz_bar,pyz_bar,barostat_accepted\n"
                : "\n");
    return COX_OK;
}

int cox_dyn_output_open(struct cox_dyn_output **out, const char *folder,
                        const struct cox_dyn_start *who,
                        const struct cox_dyn_output_options *options,
                        const struct cox_dyn_marks *marks, struct cox_err *err)
{
    const size_t n = (size_t)who->n;
    *out = NULL;
    struct cox_dyn_output *o = cox_alloc(1, sizeof *o);
    if (!o)
        return cox_err_set(err, COX_ENOMEM, "out of memory for output");
    o->o = *options;
    o->who = who;
    o->x = cox_alloc(n, sizeof *o->x);
    o->nm = cox_alloc(n, sizeof *o->nm);
    o->nm_v = cox_alloc(n, sizeof *o->nm_v);
    int rc = COX_OK;
    if (!o->x || !o->nm || !o->nm_v)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for output");
    if (!rc)
        rc = cox_path_join(o->xyz_path, sizeof o->xyz_path, folder, "traj.xyz", err);
    if (!rc)
        rc = cox_path_join(o->thermo_path, sizeof o->thermo_path, folder, "thermo.csv", err);
    if (!rc)
        rc = open_thermo(o, marks, err);
    if (!rc && o->o.h5)
        rc = open_traj(o, folder, marks, err);
    if (!rc && o->o.xyz)
        rc = open_text(&o->xyz, o->xyz_path, marks ? marks->xyz_bytes : -1, err);
    if (rc) {
        if (cox_dyn_output_close(o, NULL))
            return rc;
        return rc;
    }
    *out = o;
    return COX_OK;
}

/* ---- frames ---- */

static void wrap(struct cox_dyn_output *o, const struct cox_dyn_state *s)
{
    const double(*h)[3] = s->box.h;
    double inverse[3][3], determinant = 0;
    memcpy(o->x, s->x, (size_t)s->n * sizeof *o->x);
    if (!o->o.wrap || !s->box.periodic)
        return;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            int i1 = (i + 1) % 3, i2 = (i + 2) % 3, k1 = (k + 1) % 3, k2 = (k + 2) % 3;
            inverse[k][i] = h[i1][k1] * h[i2][k2] - h[i1][k2] * h[i2][k1];
        }
    for (int k = 0; k < 3; k++)
        determinant += h[0][k] * inverse[k][0];
    for (int i = 0; i < s->n; i++) {
        double cells[3];
        for (int k = 0; k < 3; k++)
            cells[k] = floor((s->x[i][0] * inverse[0][k] + s->x[i][1] * inverse[1][k] +
                              s->x[i][2] * inverse[2][k]) /
                             determinant);
        for (int e = 0; e < 3; e++)
            for (int k = 0; k < 3; k++)
                o->x[i][k] -= cells[e] * h[e][k];
    }
}

static int append_traj(struct cox_dyn_output *o, const struct cox_dyn_state *s,
                       const struct cox_dyn_sample *sample, struct cox_err *err)
{
    double box[9];
    for (int k = 0; k < 9; k++)
        box[k] = NM_PER_A * s->box.h[k / 3][k % 3];
    for (int i = 0; i < s->n; i++)
        for (int k = 0; k < 3; k++) {
            o->nm[i][k] = (float)(NM_PER_A * o->x[i][k]);
            o->nm_v[i][k] = (float)(NM_PER_A * s->v[i][k]);
        }
    const float potential = (float)sample->potential;
    const float temperature = (float)sample->temperature_K;
    const void *const cells[2] = {&potential, &temperature};
    const struct cox_traj_block block = {.n = 1,
                                         .step = &sample->step,
                                         .time_ps = &sample->time_ps,
                                         .position_nm = o->nm[0],
                                         .velocity_nm_ps = o->o.velocities ? o->nm_v[0] : NULL,
                                         .box_nm = box,
                                         .column = cells};
    return cox_traj_append(o->traj, &block, err);
}

static void write_header(FILE *f, int n, const struct cox_box *box, const char *properties)
{
    const double(*h)[3] = box->h;
    fprintf(f, "%d\n", n);
    if (box->periodic)
        fprintf(f, "Lattice=\"%.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g\" ", h[0][0],
                h[0][1], h[0][2], h[1][0], h[1][1], h[1][2], h[2][0], h[2][1], h[2][2]);
    fprintf(f, "Properties=species:S:1:pos:R:3%s pbc=\"%s\"", properties,
            box->periodic ? "T T T" : "F F F");
}

static void append_xyz(struct cox_dyn_output *o, const struct cox_dyn_state *s,
                       const struct cox_dyn_sample *sample)
{
    char properties[64];
    snprintf(properties, sizeof properties, "%s%s", o->o.velocities ? ":vel:R:3" : "",
             o->o.forces ? ":forces:R:3" : "");
    write_header(o->xyz, s->n, &s->box, properties);
    fprintf(o->xyz, " step=%lld time_ps=%.10g energy=%.10f", (long long)sample->step,
            sample->time_ps, s->energy);
    if (s->box.periodic) {
        fprintf(o->xyz, " virial=\"");
        for (int k = 0; k < 9; k++)
            fprintf(o->xyz, "%s%.8f", k ? " " : "", s->virial[k / 3][k % 3]);
        fprintf(o->xyz, "\"");
    }
    fprintf(o->xyz, "\n");
    for (int i = 0; i < s->n; i++) {
        fprintf(o->xyz, "%-2s %.8f %.8f %.8f", o->who->name[o->who->species[i]], o->x[i][0],
                o->x[i][1], o->x[i][2]);
        if (o->o.velocities) /* Å/fs */
            fprintf(o->xyz, " %.8e %.8e %.8e", 1e-3 * s->v[i][0], 1e-3 * s->v[i][1],
                    1e-3 * s->v[i][2]);
        if (o->o.forces)
            fprintf(o->xyz, " %.8f %.8f %.8f", s->force[i][0], s->force[i][1], s->force[i][2]);
        fprintf(o->xyz, "\n");
    }
}

static int check_text(FILE *f, const char *path, struct cox_err *err)
{
    return ferror(f) ? cox_err_errno(err, "cannot write '%s'", path) : COX_OK;
}

int cox_dyn_output_frame(struct cox_dyn_output *o, const struct cox_dyn_state *s,
                         const struct cox_dyn_sample *sample, struct cox_err *err)
{
    int rc = COX_OK;
    wrap(o, s);
    if (o->traj)
        rc = append_traj(o, s, sample, err);
    if (!rc && o->xyz) {
        append_xyz(o, s, sample);
        rc = check_text(o->xyz, o->xyz_path, err);
    }
    o->frames += !rc;
    return rc;
}

/* ---- thermo.csv ---- */

static double length(const double a[3])
{
    return sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
}

static double degrees(const double a[3], const double b[3])
{
    double cosine = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (length(a) * length(b));
    return acos(fmax(-1, fmin(1, cosine))) * 180 / 3.14159265358979323846;
}

int cox_dyn_output_thermo(struct cox_dyn_output *o, const struct cox_dyn_state *s,
                          const struct cox_dyn_sample *t, struct cox_err *err)
{
    const double(*h)[3] = s->box.h;
    fprintf(o->thermo, "%lld,%.10g,%.8g,%.8g,%.12g,%.10g,%.12g", (long long)t->step, t->time_ps,
            t->target_K, t->temperature_K, t->potential, t->kinetic, t->conserved);
    if (s->box.periodic)
        fprintf(o->thermo,
                ",%.8g,%.10g,%.8g,%.10g,%.10g,%.10g,%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,%.8g,"
                "%.4g",
                t->pressure_bar, t->volume, t->density, length(h[0]), length(h[1]), length(h[2]),
                degrees(h[1], h[2]), degrees(h[0], h[2]), degrees(h[0], h[1]), t->stress_bar[0][0],
                t->stress_bar[1][1], t->stress_bar[2][2], t->stress_bar[0][1], t->stress_bar[0][2],
                t->stress_bar[1][2], t->accepted);
    fprintf(o->thermo, "\n");
    return check_text(o->thermo, o->thermo_path, err);
}

/* ---- closing ---- */

static int sync_text(FILE *f, const char *path, int64_t *bytes, struct cox_err *err)
{
    if (fflush(f) || fdatasync(fileno(f)))
        return cox_err_errno(err, "cannot write '%s'", path);
    *bytes = ftello(f);
    return COX_OK;
}

int cox_dyn_output_sync(struct cox_dyn_output *o, struct cox_dyn_marks *marks, struct cox_err *err)
{
    struct cox_dyn_marks m = {0};
    int rc = sync_text(o->thermo, o->thermo_path, &m.thermo_bytes, err);
    if (!rc && o->xyz)
        rc = sync_text(o->xyz, o->xyz_path, &m.xyz_bytes, err);
    if (!rc && o->traj)
        rc = cox_traj_sync(o->traj, err);
    if (o->traj)
        m.h5_frames = cox_traj_frames(o->traj);
    if (marks)
        *marks = m;
    return rc;
}

int64_t cox_dyn_output_frames(const struct cox_dyn_output *o)
{
    return o->frames;
}

int cox_dyn_output_close(struct cox_dyn_output *o, struct cox_err *err)
{
    int rc = COX_OK;
    if (!o)
        return rc;
    if (o->thermo && fclose(o->thermo))
        rc = cox_err_errno(err, "cannot write '%s'", o->thermo_path);
    if (o->xyz && fclose(o->xyz))
        rc = cox_err_errno(err, "cannot write '%s'", o->xyz_path);
    if (o->traj && rc)
        cox_traj_destroy(o->traj);
    else if (o->traj)
        rc = cox_traj_close(o->traj, err);
    cox_free(o->x);
    cox_free(o->nm);
    cox_free(o->nm_v);
    cox_free(o);
    return rc;
}

int cox_dyn_output_structure(const char *path, const struct cox_dyn_start *who,
                             const struct cox_dyn_state *s, double time_ps, struct cox_err *err)
{
    char temporary[4096];
    cox_file_temporary(path, temporary, sizeof temporary);
    FILE *f = fopen(temporary, "we");
    if (!f)
        return cox_err_errno(err, "cannot write '%s'", temporary);
    write_header(f, s->n, &s->box, ":vel:R:3:masses:R:1");
    fprintf(f, " step=%lld time_ps=%.17g\n", (long long)s->step, time_ps);
    for (int i = 0; i < s->n; i++)
        fprintf(f, "%-2s %.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", who->name[who->species[i]],
                s->x[i][0], s->x[i][1], s->x[i][2], 1e-3 * s->v[i][0], 1e-3 * s->v[i][1],
                1e-3 * s->v[i][2], who->mass_u[i]);
    bool failed = ferror(f);
    if (fclose(f) || failed) {
        int rc = cox_err_errno(err, "cannot write '%s'", temporary);
        unlink(temporary);
        return rc;
    }
    return cox_file_commit(temporary, path, err);
}
