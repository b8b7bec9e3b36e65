/* SPDX-License-Identifier: BSD-3-Clause */
/* A Deep Potential in a program of one's own: reads a molecule, prints its energy, and lets it
 * vibrate for some steps (velocity Verlet, from rest), in which the total energy stays what it is.
 *
 *     make && ./vibrate model.dp molecule.xyz [STEPS]
 *
 * The .xyz file: the number of atoms, a line that is not read, then "ELEMENT x y z" in Å. Only
 * <cox/potential.h> is used, and the installed libcox.a (pkg-config coxswain). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cox/potential.h>

#define MOST 1000
#define STEP_FS 0.25
/* eV/Å per u into Å/fs² */
#define ACCELERATION 9.648533212e-3
#define MASS_U 12.0 /* of every atom, to keep this short */

static double x[MOST][3], v[MOST][3], force[MOST][3];
static int type[MOST], n;

/* "ELEMENT x y z" */
static int read_atom(char *line, int i, const struct cox_potential *potential)
{
    char *at = line + strcspn(line, " \t");
    char *end = at;
    for (int k = 0; k < 3; k++, at = end) {
        x[i][k] = strtod(at, &end);
        if (end == at)
            return 1;
    }
    line[strcspn(line, " \t")] = '\0';
    type[i] = cox_potential_type_of(potential, line);
    if (type[i] < 0)
        fprintf(stderr, "vibrate: the model knows no '%s'\n", line);
    return type[i] < 0;
}

static int read_molecule(const char *path, const struct cox_potential *potential)
{
    char line[256];
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "vibrate: cannot open '%s'\n", path);
        return 1;
    }
    int bad = !fgets(line, sizeof line, file) || (n = (int)strtol(line, NULL, 10)) < 1 ||
              n > MOST || !fgets(line, sizeof line, file);
    for (int i = 0; i < n && !bad; i++)
        bad = !fgets(line, sizeof line, file) || read_atom(line, i, potential);
    fclose(file);
    if (bad)
        fprintf(stderr, "vibrate: '%s' cannot be used\n", path);
    return bad;
}

static void kick(double fs)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            v[i][k] += fs * force[i][k] * ACCELERATION / MASS_U;
}

static double kinetic_eV(void)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            sum += v[i][k] * v[i][k];
    return 0.5 * sum * MASS_U / ACCELERATION;
}

static int vibrate(struct cox_potential *potential, int steps, struct cox_err *err)
{
    struct cox_potential_atoms atoms = COX_POTENTIAL_ATOMS_INIT;
    struct cox_potential_result result = COX_POTENTIAL_RESULT_INIT;
    atoms.n = n;
    atoms.x_A = x[0];
    atoms.type = type;
    result.force_eV_A = force[0];
    int rc = cox_potential_compute(potential, &result, &atoms, err);
    if (!rc)
        printf("%d atoms, energy %.9f eV\n", n, result.energy_eV);
    for (int step = 0; step < steps && !rc; step++) {
        kick(STEP_FS / 2);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 3; k++)
                x[i][k] += STEP_FS * v[i][k];
        rc = cox_potential_compute(potential, &result, &atoms, err);
        kick(STEP_FS / 2);
    }
    if (!rc && steps)
        printf("after %g fs: potential %.6f, kinetic %.6f, total %.6f eV\n", steps * STEP_FS,
               result.energy_eV, kinetic_eV(), result.energy_eV + kinetic_eV());
    if (!rc && result.left_out)
        printf("%lld neighbours were left out: denser than what the model was trained with\n",
               result.left_out);
    return rc;
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_potential *potential = NULL;
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: vibrate MODEL MOLECULE.xyz [STEPS]\n");
        return 2;
    }
    int rc = cox_potential_open(&potential, argv[1], NULL, &err);
    if (!rc && read_molecule(argv[2], potential)) {
        cox_potential_close(potential);
        return EXIT_FAILURE;
    }
    if (!rc)
        rc = vibrate(potential, argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0, &err);
    if (rc)
        fprintf(stderr, "vibrate: %s\n", err.text);
    cox_potential_close(potential);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
