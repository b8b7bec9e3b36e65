/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the committed reference of tests/physics: φ/ψ populations of alanine dipeptide by OpenMM.
 *   populations SYSTEM.h5 BLOCKS BLOCK_PS SEED > tests/physics/alanine-dipeptide.openmm.txt
 * Each block starts from the prepared structure with new velocities and drops its first 100 ps, so
 * blocks are independent and their spread gives the standard error. Reference platform (double, and
 * the faster one for 22 atoms), Langevin-middle 2 fs, 1/ps, 300 K, bonds to hydrogen constrained.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cox/system.h"
#include "openmm_shim.h"
#include "../physics/dihedral.h"

#define EQUILIBRATE_PS 100
#define STEPS_PER_PS 500

static int one_block(const struct cox_system *s, int seed, int ps, double *count,
                     struct cox_err *err)
{
    const struct cox_openmm_options options = {.platform = "Reference",
                                               .timestep_fs = 2,
                                               .temperature_K = 300,
                                               .friction_per_ps = 1,
                                               .constrain_hydrogens = 1,
                                               .seed = seed};
    struct cox_openmm *o = NULL;
    int phi[4], psi[4];
    double(*x)[3] = cox_alloc((size_t)s->n_atoms, sizeof *x);
    int rc = cox_openmm_create(&o, s, &options, err);
    if (!rc)
        rc = cox_openmm_minimize(o, err);
    if (!rc)
        rc = cox_openmm_thermalize(o, err);
    if (!rc)
        rc = cox_openmm_step(o, EQUILIBRATE_PS * STEPS_PER_PS, err);
    if (dihedral_find(s, phi, psi))
        rc = cox_err_set(err, COX_EINVAL, "not alanine dipeptide");
    for (int t = 0; !rc && t < ps; t++) {
        rc = cox_openmm_step(o, STEPS_PER_PS, err);
        if (!rc)
            rc = cox_openmm_positions(o, x, err);
        population_count(dihedral_rad((const double(*)[3])x, phi),
                         dihedral_rad((const double(*)[3])x, psi), count);
    }
    cox_openmm_destroy(o);
    cox_free(x);
    return rc;
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    long long blocks = 0, ps = 0, seed = 0;
    if (argc != 5 || cox_parse_int(argv[2], &blocks) || cox_parse_int(argv[3], &ps) ||
        cox_parse_int(argv[4], &seed) || blocks < 2 || ps < 1) {
        fprintf(stderr, "usage: populations SYSTEM.h5 BLOCKS BLOCK_PS SEED\n");
        return 2;
    }
    int rc = cox_system_load(&s, argv[1], &err);
    double(*count)[POPULATIONS] = cox_alloc((size_t)blocks, sizeof *count);
    for (int b = 0; !rc && b < blocks; b++) {
        rc = one_block(s, (int)(seed + 2 * b), (int)ps, count[b], &err);
        fprintf(stderr, "block %d: alpha %.3f beta %.3f left %.3f\n", b, count[b][0] / (double)ps,
                count[b][1] / (double)ps, count[b][2] / (double)ps);
    }
    if (rc) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    double mean[POPULATIONS], error[POPULATIONS];
    char when[40], name[32];
    cox_clock_utc(when, sizeof when);
    population_mean((int)blocks, (const double(*)[POPULATIONS])count, (double)ps, mean, error);
    printf(
        "# phi/psi populations of alanine dipeptide by OpenMM %s, Reference platform, %s\n"
        "# populations %s %lld %lld %lld: %lld independent blocks of %lld ps (after %d ps each),\n"
        "# LangevinMiddle 2 fs, 1/ps, 300 K, bonds to hydrogen constrained; a frame per ps\n"
        "# name population standard-error (from the spread of the blocks)\n",
        cox_openmm_version(), when, argv[1], blocks, ps, seed, blocks, ps, EQUILIBRATE_PS);
    for (int i = 0; i < POPULATIONS; i++)
        printf("%s %.5f %.5f\n", population_name(i, name), mean[i], error[i]);
    cox_free(count);
    cox_system_destroy(s);
    return 0;
}
