/* SPDX-License-Identifier: BSD-3-Clause */
/* φ and ψ of alanine dipeptide and their populations: shared by the physics tests and by the
 * program that made the committed OpenMM populations. Header only, so that both count the same way.
 */
#ifndef COX_TESTS_DIHEDRAL_H
#define COX_TESTS_DIHEDRAL_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cox/system.h"

#define DIHEDRAL_PI 3.14159265358979323846
#define DIHEDRAL_BINS 12 /* of 30° per angle */

/* Basins of the Ramachandran plane, then the bins of φ, then those of ψ. */
enum { POPULATION_ALPHA, POPULATION_BETA, POPULATION_LEFT, POPULATION_PHI };
#define POPULATION_PSI (POPULATION_PHI + DIHEDRAL_BINS)
#define POPULATIONS (POPULATION_PSI + DIHEDRAL_BINS)

static inline double dihedral_rad(const double (*x)[3], const int atom[4])
{
    double b[3][3], n[2][3], m[3];
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            b[i][k] = x[atom[i + 1]][k] - x[atom[i]][k];
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++) {
            int l = (k + 1) % 3, o = (k + 2) % 3;
            n[i][k] = b[i][l] * b[i + 1][o] - b[i][o] * b[i + 1][l];
        }
    double length = sqrt(b[1][0] * b[1][0] + b[1][1] * b[1][1] + b[1][2] * b[1][2]);
    for (int k = 0; k < 3; k++)
        m[k] = b[0][k] * length;
    return atan2(m[0] * n[1][0] + m[1] * n[1][1] + m[2] * n[1][2],
                 n[0][0] * n[1][0] + n[0][1] * n[1][1] + n[0][2] * n[1][2]);
}

/* Atom of that name in that residue (0-based), -1 if there is none. */
static inline int dihedral_atom(const struct cox_system *s, int residue, const char *name)
{
    for (int i = 0; i < s->n_atoms; i++)
        if (s->residue[i] == residue && strcmp(s->atom_name[i], name) == 0)
            return i;
    return -1;
}

/* φ and ψ of residue 1 of ACE-ALA-NME; 0 when found. */
static inline int dihedral_find(const struct cox_system *s, int phi[4], int psi[4])
{
    const int c0 = dihedral_atom(s, 0, "C"), n1 = dihedral_atom(s, 1, "N"),
              ca = dihedral_atom(s, 1, "CA"), c1 = dihedral_atom(s, 1, "C"),
              n2 = dihedral_atom(s, 2, "N");
    const int f[4] = {c0, n1, ca, c1}, p[4] = {n1, ca, c1, n2};
    memcpy(phi, f, sizeof f);
    memcpy(psi, p, sizeof p);
    return c0 < 0 || n1 < 0 || ca < 0 || c1 < 0 || n2 < 0;
}

/* Adds 1 to the three counters of this frame. */
static inline void population_count(double phi, double psi, double *count)
{
    double a = phi * 180 / DIHEDRAL_PI, b = psi * 180 / DIHEDRAL_PI;
    int left = a >= 0, alpha = !left && b >= -120 && b < 60;
    count[left ? POPULATION_LEFT : alpha ? POPULATION_ALPHA : POPULATION_BETA] += 1;
    int i = (int)floor((a + 180) / 360 * DIHEDRAL_BINS);
    int j = (int)floor((b + 180) / 360 * DIHEDRAL_BINS);
    count[POPULATION_PHI + (i < 0 ? 0 : i % DIHEDRAL_BINS)] += 1;
    count[POPULATION_PSI + (j < 0 ? 0 : j % DIHEDRAL_BINS)] += 1;
}

static inline const char *population_name(int i, char name[32])
{
    static const char *const basins[3] = {"alpha", "beta", "left"};
    if (i < POPULATION_PHI)
        snprintf(name, 32, "%s", basins[i]);
    else
        snprintf(name, 32, "%s%+d", i < POPULATION_PSI ? "phi" : "psi",
                 -180 + (i - POPULATION_PHI) % DIHEDRAL_BINS * (360 / DIHEDRAL_BINS));
    return name;
}

/* Mean and standard error over independent blocks: count[b][POPULATIONS], each of `frames`. */
static inline void population_mean(int blocks, const double (*count)[POPULATIONS], double frames,
                                   double *mean, double *error)
{
    for (int i = 0; i < POPULATIONS; i++) {
        double sum = 0, square = 0;
        for (int b = 0; b < blocks; b++)
            sum += count[b][i] / frames / blocks;
        for (int b = 0; b < blocks; b++)
            square += (count[b][i] / frames - sum) * (count[b][i] / frames - sum);
        mean[i] = sum;
        error[i] = sqrt(square / (blocks - 1) / blocks);
    }
}

#endif
