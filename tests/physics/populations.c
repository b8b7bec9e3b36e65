/* SPDX-License-Identifier: BSD-3-Clause */
/* φ/ψ populations of alanine dipeptide: 2 fs against OpenMM (alanine-dipeptide.openmm.txt, made by
 * tests/openmm/populations.c) and 4 fs with heavy hydrogens against 2 fs.
 *
 * Each lane is one block with the protocol of that program: minimised start, 100 ps dropped, 1200
 * ps counted, a frame per ps. So a slow basin (φ > 0) that is not in equilibrium after 1.3 ns is
 * out of it by the same amount on both sides. Two means of blocks are compared by Student's t with
 * the pooled variance; |t| <= 4 is demanded of the basins and of every 30° bin (p = 3e-4 each at 38
 * degrees of freedom). The pooled standard error is printed: what could have been seen. */
#include "dihedral.h"
#include "example.h"

#define LANES 16
#define BLOCK_PS 1200
#define DROP_PS 100

struct populations {
    int blocks;
    double mean[POPULATIONS], error[POPULATIONS];
};

static struct populations sample(double timestep_fs, double hydrogen_mass_u, uint64_t seed)
{
    struct cox_system *s = example_load(ALANINE);
    struct cox_engine_options o = COX_ENGINE_OPTIONS_INIT;
    struct cox_err err = COX_ERR_INIT;
    struct populations p = {.blocks = LANES * example_long()};
    o.replicas = p.blocks;
    o.timestep_fs = timestep_fs;
    o.hydrogen_mass_u = hydrogen_mass_u;
    o.seed = seed;
    struct cox_engine *e = example_engine(s, &o);
    int phi[4], psi[4], per_ps = (int)lround(1000 / timestep_fs);
    assert_int_equal(dihedral_find(s, phi, psi), 0);
    double(*count)[POPULATIONS] = cox_alloc((size_t)p.blocks, sizeof *count);
    double(*x)[3] = cox_alloc((size_t)s->n_atoms, sizeof *x);
    example_step(e, DROP_PS * per_ps);
    for (int t = 0; t < BLOCK_PS; t++) {
        example_step(e, per_ps);
        for (int l = 0; l < p.blocks; l++) {
            must(cox_engine_get_state(e, l, x, NULL, &err), &err);
            population_count(dihedral_rad((const double(*)[3])x, phi),
                             dihedral_rad((const double(*)[3])x, psi), count[l]);
        }
    }
    population_mean(p.blocks, (const double(*)[POPULATIONS])count, BLOCK_PS, p.mean, p.error);
    cox_free(count);
    cox_free(x);
    cox_engine_destroy(e);
    cox_system_destroy(s);
    return p;
}

static struct populations read_openmm(void)
{
    struct populations p = {0};
    char line[256], name[32];
    int n = 0;
    FILE *f = fopen(COX_SOURCE_DIR "/tests/physics/alanine-dipeptide.openmm.txt", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char *rest = NULL;
        if (strstr(line, "independent blocks of "))
            p.blocks = (int)strtol(strrchr(line, ':') + 1, NULL, 10);
        if (line[0] == '#')
            continue;
        assert_true(n < POPULATIONS);
        population_name(n, name);
        assert_int_equal(strncmp(line, name, strlen(name)), 0);
        p.mean[n] = strtod(line + strlen(name), &rest);
        p.error[n] = strtod(rest, NULL);
        n++;
    }
    fclose(f);
    assert_int_equal(n, POPULATIONS);
    assert_true(p.blocks > 1);
    return p;
}

static void compare(const char *a_name, const struct populations *a, const char *b_name,
                    const struct populations *b)
{
    double worst = 0;
    printf("%-10s %10s %10s %10s %6s\n", "", a_name, b_name, "std.error", "t");
    for (int i = 0; i < POPULATIONS; i++) {
        char name[32];
        double va = a->error[i] * a->error[i] * a->blocks,
               vb = b->error[i] * b->error[i] * b->blocks;
        double pooled = (va * (a->blocks - 1) + vb * (b->blocks - 1)) / (a->blocks + b->blocks - 2);
        double error = sqrt(pooled * (1.0 / a->blocks + 1.0 / b->blocks));
        double t = error > 0 ? (a->mean[i] - b->mean[i]) / error : 0;
        worst = fmax(worst, fabs(t));
        printf("%-10s %10.4f %10.4f %10.4f %+6.1f\n", population_name(i, name), a->mean[i],
               b->mean[i], error, t);
    }
    printf("largest |t| %.1f (allowed 4)\n", worst);
    assert_true(worst <= 4);
}

static void populations(void **state)
{
    (void)state;
    struct populations openmm = read_openmm();
    struct populations two = sample(2, 0, 3);
    compare("2 fs", &two, "OpenMM", &openmm);
    struct populations four = sample(4, 3, 5);
    compare("4 fs HMR", &four, "2 fs", &two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(populations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
