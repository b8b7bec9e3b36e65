/* SPDX-License-Identifier: BSD-3-Clause */
/* A simulator that is not LAMMPS: particles in any order, ghosts among them, units of its own,
 * lists that hold far particles too, every result or only some. Held to cox_dp_reference.
 *     kim_simulator NAME MODEL      (NAME: what KIM calls it, MODEL: its file; two types, O and H)
 */
#include <KIM_SimulatorHeaders.h>
#include <stdlib.h>

#include "potential/dp_file.h"
#include "potential/reference.h"
#include "potential/test_models.h"

/* 27 images of 24 atoms; lists reach a third farther than the cutoff. */
#define ALL (27 * TEST_ATOMS)
#define FARTHER 1.33

struct simulator {
    int n, species[ALL], contributing[ALL], owner[ALL];
    double x[ALL][3], reach;
    int *neighbours;
};

static int failed;

static void check(const char *what, double off, double allowed)
{
    printf("simulator: %s off by %.1e\n", what, off);
    if (!(off <= allowed)) {
        fprintf(stderr, "kim_simulator: %s is off by %g, allowed %g\n", what, off, allowed);
        failed = 1;
    }
}

/* Atoms and their images, shuffled. */
static void make(struct simulator *s, const struct test_atoms *a, double unit)
{
    int order[ALL];
    struct cox_rng rng;
    cox_rng_init(&rng, 3, 1);
    for (int i = 0; i < ALL; i++)
        order[i] = i;
    for (int i = ALL - 1; i > 0; i--) {
        int j = (int)(cox_rng_uniform(&rng) * (i + 1)), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    s->n = ALL;
    for (int k = 0; k < ALL; k++) {
        int at = order[k], image = k / TEST_ATOMS, i = k % TEST_ATOMS;
        const int shift[3] = {image % 3 - 1, image / 3 % 3 - 1, image / 9 - 1};
        s->owner[at] = i;
        s->species[at] = a->type[i];
        s->contributing[at] = image == 13;
        for (int p = 0; p < 3; p++) {
            s->x[at][p] = a->x[i][p];
            for (int c = 0; c < 3; c++)
                s->x[at][p] += shift[c] * a->box.h[c][p];
            s->x[at][p] *= unit;
        }
    }
}

static int list_of(void *user, int lists, const double *cutoffs, int list, int particle, int *n,
                   const int **neighbours)
{
    struct simulator *s = user;
    *n = 0;
    if (lists != 1 || list != 0 || cutoffs[0] * FARTHER > s->reach * 1.0001)
        return 1;
    for (int j = 0; j < s->n; j++) {
        double r2 = 0;
        for (int p = 0; p < 3; p++)
            r2 += (s->x[j][p] - s->x[particle][p]) * (s->x[j][p] - s->x[particle][p]);
        if (j != particle && r2 <= s->reach * s->reach)
            s->neighbours[(*n)++] = j;
    }
    *neighbours = s->neighbours;
    return 0;
}

static double off(double a, double b)
{
    return fabs(a - b);
}

static void compare(const struct simulator *s, const struct cox_dp_result *want, double energy,
                    double (*force)[3], const double virial[6], double (*particle_virial)[6],
                    const double *particle_energy, double length, double unit)
{
    /* KIM's electron volt is 1.60217646e-19 J in 2.3: seven digits */
    double slack = unit == 1 ? 0 : 2e-7;
    static const int row[6] = {0, 1, 2, 1, 0, 0}, column[6] = {0, 1, 2, 2, 2, 1};
    double folded[TEST_ATOMS][3] = {{0}}, sum[6] = {0}, worst = 0, worst_e = 0, worst_w = 0;
    for (int k = 0; k < s->n; k++) {
        for (int p = 0; p < 3; p++)
            folded[s->owner[k]][p] += force[k][p];
        for (int v = 0; v < 6; v++)
            sum[v] += particle_virial[k][v];
        double e = s->contributing[k] ? want->atom_energy[s->owner[k]] : 0;
        worst_e = fmax(worst_e, off(particle_energy[k] / unit, e));
    }
    for (int i = 0; i < TEST_ATOMS; i++)
        for (int p = 0; p < 3; p++)
            worst = fmax(worst, off(folded[i][p] * length / unit, want->force[i][p]));
    for (int v = 0; v < 6; v++) {
        worst_w = fmax(worst_w, off(-virial[v] / unit, want->virial[row[v]][column[v]]));
        worst_w = fmax(worst_w, off(sum[v], virial[v]) / unit);
    }
    check("energy, eV", off(energy / unit, want->energy), 1e-11 + slack * fabs(want->energy));
    check("forces on owners, eV/A", worst, 1e-12 + slack);
    check("energies of particles, eV", worst_e, 1e-12 + slack * fabs(want->energy));
    check("virial and the sum of the particles', eV", worst_w, 1e-12 + 10 * slack);
}

/* `length` and `unit`: the simulator's units in one Å and one eV. */
static int simulate(const char *name, KIM_LengthUnit length_unit, double length,
                    KIM_EnergyUnit energy_unit, double unit, const struct test_atoms *atoms,
                    const struct cox_dp_result *want)
{
    static struct simulator s;
    static double force[ALL][3], particle_energy[ALL], particle_virial[ALL][6];
    static int neighbours[ALL];
    double energy = 0, again = 0, virial[6] = {0}, influence = 0;
    int accepted = 0;
    KIM_Model *model = NULL;
    KIM_ComputeArguments *arguments = NULL;
    if (KIM_Model_Create(KIM_NUMBERING_zeroBased, length_unit, energy_unit, KIM_CHARGE_UNIT_e,
                         KIM_TEMPERATURE_UNIT_K, KIM_TIME_UNIT_ps, name, &accepted, &model))
        return 1;
    KIM_Model_GetInfluenceDistance(model, &influence);
    make(&s, atoms, length);
    s.reach = influence * FARTHER;
    s.neighbours = neighbours;
    if (!accepted || KIM_Model_ComputeArgumentsCreate(model, &arguments))
        return 1;
    const struct {
        KIM_ComputeArgumentName argument;
        double *to;
    } doubles[] = {
        {KIM_COMPUTE_ARGUMENT_NAME_coordinates, &s.x[0][0]},
        {KIM_COMPUTE_ARGUMENT_NAME_partialEnergy, &energy},
        {KIM_COMPUTE_ARGUMENT_NAME_partialForces, &force[0][0]},
        {KIM_COMPUTE_ARGUMENT_NAME_partialParticleEnergy, particle_energy},
        {KIM_COMPUTE_ARGUMENT_NAME_partialVirial, virial},
        {KIM_COMPUTE_ARGUMENT_NAME_partialParticleVirial, &particle_virial[0][0]},
    };
    int bad = KIM_ComputeArguments_SetArgumentPointerInteger(
                  arguments, KIM_COMPUTE_ARGUMENT_NAME_numberOfParticles, &s.n) ||
              KIM_ComputeArguments_SetArgumentPointerInteger(
                  arguments, KIM_COMPUTE_ARGUMENT_NAME_particleSpeciesCodes, s.species) ||
              KIM_ComputeArguments_SetArgumentPointerInteger(
                  arguments, KIM_COMPUTE_ARGUMENT_NAME_particleContributing, s.contributing) ||
              KIM_ComputeArguments_SetCallbackPointer(
                  arguments, KIM_COMPUTE_CALLBACK_NAME_GetNeighborList, KIM_LANGUAGE_NAME_c,
                  (KIM_Function *)list_of, &s);
    for (int i = 0; !bad && i < 6; i++)
        bad = KIM_ComputeArguments_SetArgumentPointerDouble(arguments, doubles[i].argument,
                                                            doubles[i].to);
    if (bad || KIM_Model_Compute(model, arguments))
        return 1;
    compare(&s, want, energy, force, virial, particle_virial, particle_energy, length, unit);
    /* the energy alone */
    for (int i = 2; !bad && i < 6; i++)
        bad = KIM_ComputeArguments_SetArgumentPointerDouble(arguments, doubles[i].argument, NULL);
    bad = bad || KIM_ComputeArguments_SetArgumentPointerDouble(
                     arguments, KIM_COMPUTE_ARGUMENT_NAME_partialEnergy, &again);
    if (bad || KIM_Model_Compute(model, arguments))
        return 1;
    check("the energy alone", off(again, energy), 0);
    /* a species that is none is refused */
    s.species[5] = 2;
    if (!KIM_Model_Compute(model, arguments))
        check("a species that is none", 1, 0);
    bad = KIM_Model_ComputeArgumentsDestroy(model, &arguments);
    KIM_Model_Destroy(&model);
    return bad;
}

int main(int argc, char **argv)
{
    static double force[TEST_ATOMS][3], atom_energy[TEST_ATOMS];
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *model = NULL;
    struct test_atoms atoms;
    struct cox_neighbours list;
    struct cox_dp_result want = {.force = force, .atom_energy = atom_energy};
    if (argc != 3)
        return 2;
    test_atoms_make(&atoms, 1);
    cox_neighbours_init(&list);
    const struct cox_dp_atoms given = {TEST_ATOMS, TEST_ATOMS, atoms.type};
    if (cox_dp_model_read(&model, argv[2], &err) ||
        cox_neighbours_build(&list, TEST_ATOMS, (const double(*)[3])atoms.x, atoms.type, 2,
                             &atoms.box, cox_dp_cutoff(model), &err) ||
        cox_dp_reference(&want, model, &given, &list, NULL, &err)) {
        fprintf(stderr, "kim_simulator: %s\n", err.text);
        return 1;
    }
    int bad = simulate(argv[1], KIM_LENGTH_UNIT_A, 1, KIM_ENERGY_UNIT_eV, 1, &atoms, &want) ||
              simulate(argv[1], KIM_LENGTH_UNIT_nm, 0.1, KIM_ENERGY_UNIT_J, 1.6021766208e-19,
                       &atoms, &want);
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(model);
    if (bad)
        fprintf(stderr, "kim_simulator: KIM says no\n");
    return bad || failed;
}
