/* SPDX-License-Identifier: BSD-3-Clause */
/* write_samples DIRECTORY: trajectories of several kinds and their exact coordinates as raw floats.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "molecule/trajfile.h"
#include "store/traj.h"

enum kind { CHAIN, WATER, GAS, POINT };

#define FRAMES 37

static struct cox_system *make_system(int n)
{
    struct cox_system *s = NULL;
    if (cox_system_create(&s, n, (n + 4) / 5, n - 1, 0, 0, 0, 0, NULL))
        return NULL;
    for (int r = 0; r < s->n_residues; r++) {
        snprintf(s->residue_name[r], COX_NAME_SIZE, "%s", r % 2 ? "HIE" : "GLY");
        snprintf(s->chain[r], COX_NAME_SIZE, "A");
        s->residue_number[r] = r + 1;
    }
    static const char *const names[5] = {"N", "CA", "C", "O", "HA"};
    static const int elements[5] = {7, 6, 6, 8, 1};
    for (int i = 0; i < n; i++) {
        snprintf(s->atom_name[i], COX_NAME_SIZE, "%s", names[i % 5]);
        s->element[i] = elements[i % 5];
        s->residue[i] = i / 5;
        s->mass_u[i] = 12;
        if (i + 1 < n)
            s->bonds[i] = (struct cox_bond){.atom = {i, i + 1}};
    }
    snprintf(s->name, sizeof s->name, "sample of %d atoms", n);
    return s;
}

static void make_frame(enum kind kind, int n, int frame, float (*x)[3])
{
    struct cox_rng rng;
    cox_rng_init(&rng, 1234, (uint64_t)frame);
    /* steps of many sizes, so that the packing's small cube goes up and down */
    double step = kind == WATER ? 0.08 : 0.15;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            double to = cox_rng_normal(&rng);
            double from = i ? (double)x[i - 1][k] : 0;
            if (kind == GAS)
                x[i][k] = (float)(to * (frame % 3 ? 2000 : 3));
            else if (kind == POINT)
                x[i][k] = 1.25F;
            else if (kind == WATER && i % 3 == 0)
                x[i][k] = (float)(to * 4);
            else
                x[i][k] = (float)(from + to * step * (i % 50 > 40 ? 6 : 1));
        }
}

static int write_one(const char *directory, const char *name, enum kind kind, int n)
{
    static const char *const suffixes[4] = {"dcd", "xtc", "pdb", "f32"};
    char path[4][600];
    struct cox_err err = COX_ERR_INIT;
    struct cox_trajfile *files[3] = {NULL, NULL, NULL};
    struct cox_system *s = make_system(n);
    float(*x)[3] = cox_alloc((size_t)n, sizeof *x);
    int formats = kind == GAS ? 2 : 3; /* a gas does not fit the PDB's columns */
    if (!s || !x)
        return 1;
    for (int k = 0; k < 4; k++)
        snprintf(path[k], sizeof path[k], "%s/%s-%d.%s", directory, name, n, suffixes[k]);
    FILE *raw = fopen(path[3], "wb");
    int rc = raw ? 0 : 1;
    for (int k = 0; !rc && k < formats; k++) {
        struct cox_trajfile_options options = COX_TRAJFILE_OPTIONS_INIT;
        rc = cox_trajfile_format_of(path[k], &options.format, &err);
        options.timestep_ps = 0.004;
        options.steps_per_frame = 250;
        if (!rc)
            rc = cox_trajfile_create(&files[k], path[k], s, &options, &err);
    }
    for (int f = 0; !rc && f < FRAMES; f++) {
        make_frame(kind, n, f, x);
        fwrite(x, sizeof *x, (size_t)n, raw);
        for (int k = 0; !rc && k < formats; k++)
            rc = cox_trajfile_append(files[k], 250 * (int64_t)f, f, (const float(*)[3])x, &err);
    }
    for (int k = 0; k < formats; k++)
        if (files[k] && cox_trajfile_close(files[k], rc ? NULL : &err))
            rc = 1;
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    if (raw)
        fclose(raw);
    cox_free(x);
    cox_system_destroy(s);
    return rc;
}

static int write_h5md(const char *directory)
{
    enum { N = 52 };
    static const struct cox_traj_column columns[2] = {{"lane", COX_TRAJ_I32, ""},
                                                      {"rmsd_A", COX_TRAJ_F32, "Angstrom"}};
    char path[600];
    struct cox_err err = COX_ERR_INIT;
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    struct cox_traj *t = NULL;
    struct cox_system *s = make_system(N);
    float x[N][3];
    float v[N][3];
    options.velocities = true;
    options.n_columns = 2;
    options.columns = columns;
    snprintf(path, sizeof path, "%s/chain-52.h5", directory);
    int rc = s ? cox_traj_create(&t, path, s, &options, &err) : 1;
    for (int f = 0; !rc && f < FRAMES; f++) {
        make_frame(CHAIN, N, f, x);
        make_frame(WATER, N, f, v);
        const int64_t step = 250 * (int64_t)f;
        const double time = f;
        const int32_t lane = f % 4;
        const float rmsd = 0.5F * (float)f;
        const void *const cells[2] = {&lane, &rmsd};
        const struct cox_traj_block block = {1, &step, &time, &x[0][0], &v[0][0], NULL, cells};
        rc = cox_traj_append(t, &block, &err);
    }
    if (!rc)
        rc = cox_traj_close(t, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    cox_system_destroy(s);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    const char *d = argv[1];
    int rc = write_h5md(d);
    static const int sizes[] = {1, 2, 9, 10, 11, 52, 504};
    for (int i = 0; !rc && i < 7; i++) {
        rc = write_one(d, "chain", CHAIN, sizes[i]);
        rc = rc ? rc : write_one(d, "water", WATER, sizes[i]);
        rc = rc ? rc : write_one(d, "gas", GAS, sizes[i]);
        rc = rc ? rc : write_one(d, "point", POINT, sizes[i]);
    }
    return rc ? 1 : 0;
}
