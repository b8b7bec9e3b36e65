/* SPDX-License-Identifier: BSD-3-Clause */
/* Systems for this module's tests: names and positions from a PDB file, or made up. */
#ifndef COX_MOLECULE_TEST_SYSTEMS_H
#define COX_MOLECULE_TEST_SYSTEMS_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "molecule/pdb.h"

/* A file of the shared data, or NULL (with a word) where it is absent. */
static inline const char *shared_file(const char *name)
{
    static char path[512];
    const char *root = getenv("COX_SHARED");
    snprintf(path, sizeof path, "%s/data/%s", root ? root : COX_SOURCE_DIR "/../shared", name);
    if (cox_file_exists(path))
        return path;
    printf("skipped: %s is absent\n", path);
    return NULL;
}

static inline struct cox_system *system_from_pdb(const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_pdb *pdb = NULL;
    struct cox_system *s = NULL;
    const struct cox_pdb_options options = {.any_residue = true};
    if (cox_pdb_read(&pdb, path, &options, &err) || cox_pdb_rename_charmm(pdb, &err) ||
        cox_system_create(&s, pdb->n_atoms, pdb->n_residues, 0, 0, 0, 0, 0, &err)) {
        fail_msg("%s", err.text);
        return s;
    }
    for (int i = 0; i < pdb->n_residues; i++) {
        memcpy(s->residue_name[i], pdb->residues[i].name, COX_NAME_SIZE);
        memcpy(s->chain[i], pdb->residues[i].chain, COX_NAME_SIZE);
        s->residue_number[i] = pdb->residues[i].number;
    }
    for (int i = 0; i < pdb->n_atoms; i++) {
        memcpy(s->atom_name[i], pdb->atoms[i].name, COX_NAME_SIZE);
        memcpy(s->position_nm[i], pdb->atoms[i].position_nm, sizeof s->position_nm[i]);
        s->residue[i] = pdb->atoms[i].residue;
        s->element[i] = pdb->atoms[i].element;
        s->mass_u[i] = 12;
    }
    snprintf(s->name, sizeof s->name, "from a PDB file");
    cox_pdb_destroy(pdb);
    return s;
}

/* A chain "A" of n glycines numbered from `first`, then one water in chain "W"; positions a random
 * walk. Atoms of glycine: N H CA C O. */
static inline struct cox_system *system_of_glycines(int n, int first)
{
    static const char *const names[8] = {"N", "H", "CA", "C", "O", "OW", "HW1", "HW2"};
    static const int elements[5] = {7, 1, 6, 6, 8};
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    struct cox_rng rng;
    if (cox_system_create(&s, 5 * n + 3, n + 1, n - 1, 0, 0, 0, 0, &err))
        fail_msg("%s", err.text);
    cox_rng_init(&rng, 7, 1);
    for (int r = 0; r <= n; r++) {
        snprintf(s->residue_name[r], COX_NAME_SIZE, "%s", r < n ? "GLY" : "HOH");
        snprintf(s->chain[r], COX_NAME_SIZE, "%s", r < n ? "A" : "W");
        s->residue_number[r] = first + r;
        if (r + 1 < n)
            s->bonds[r] = (struct cox_bond){.atom = {5 * r + 3, 5 * r + 5}};
    }
    for (int i = 0; i < s->n_atoms; i++) {
        bool water = i >= 5 * n;
        snprintf(s->atom_name[i], COX_NAME_SIZE, "%s", names[water ? 5 + i - 5 * n : i % 5]);
        s->element[i] = water ? (i == 5 * n ? 8 : 1) : elements[i % 5];
        s->residue[i] = water ? n : i / 5;
        s->mass_u[i] = 12;
        for (int k = 0; k < 3; k++)
            s->position_nm[i][k] = (i ? s->position_nm[i - 1][k] : 0) + 0.15 * cox_rng_normal(&rng);
    }
    snprintf(s->name, sizeof s->name, "glycines");
    return s;
}

/* The system's positions as a float frame; free with cox_free. */
static inline float (*frame_of(const struct cox_system *s))[3]
{
    float(*x)[3] = cox_alloc((size_t)s->n_atoms, sizeof *x);
    assert_non_null(x);
    for (int i = 0; i < s->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            x[i][k] = (float)s->position_nm[i][k];
    return x;
}

/* Rotates and shifts a frame at random. */
static inline void move_frame(float (*x)[3], int n, uint64_t seed)
{
    struct cox_rng rng;
    double q[4];
    double norm = 0;
    cox_rng_init(&rng, seed, 2);
    for (int k = 0; k < 4; k++) {
        q[k] = cox_rng_normal(&rng);
        norm += q[k] * q[k];
    }
    for (int k = 0; k < 4; k++)
        q[k] /= sqrt(norm);
    const double w = q[0], a = q[1], b = q[2], c = q[3];
    const double r[3][3] = {{1 - 2 * (b * b + c * c), 2 * (a * b - w * c), 2 * (a * c + w * b)},
                            {2 * (a * b + w * c), 1 - 2 * (a * a + c * c), 2 * (b * c - w * a)},
                            {2 * (a * c - w * b), 2 * (b * c + w * a), 1 - 2 * (a * a + b * b)}};
    const double shift[3] = {cox_rng_normal(&rng), cox_rng_normal(&rng), cox_rng_normal(&rng)};
    for (int i = 0; i < n; i++) {
        const double y[3] = {(double)x[i][0], (double)x[i][1], (double)x[i][2]};
        for (int k = 0; k < 3; k++)
            x[i][k] = (float)(r[k][0] * y[0] + r[k][1] * y[1] + r[k][2] * y[2] + shift[k]);
    }
}

#endif
