/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/sequence.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "molecule/geometry.h"
#include "molecule/residues.h"

#define ALL "ACDEFGHIKLMNPQRSTVWY"
#define DEGREE (M_PI / 180)

static struct cox_pdb *build(const char *sequence, double phi, double psi, bool cap)
{
    struct cox_sequence_options options = {phi, psi, cap};
    struct cox_err err = COX_ERR_INIT;
    struct cox_pdb *pdb = NULL;
    if (cox_sequence_build(&pdb, sequence, &options, &err))
        fail_msg("%s", err.text);
    return pdb;
}

static const double *at(const struct cox_pdb *pdb, int residue, const char *name)
{
    const struct cox_pdb_residue *r = &pdb->residues[residue];
    for (int i = r->first; i < r->first + r->count; i++)
        if (!strcmp(pdb->atoms[i].name, name))
            return pdb->atoms[i].position_nm;
    fail_msg("no atom %s in residue %d", name, residue);
    return NULL;
}

static double distance(const double *a, const double *b)
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
                (a[2] - b[2]) * (a[2] - b[2]));
}

/* (a - o) × (b - o) · (c - o), nm³: its sign is the handedness. */
static double volume(const double *o, const double *a, const double *b, const double *c)
{
    double u[3];
    double v[3];
    double w[3];
    for (int k = 0; k < 3; k++) {
        u[k] = a[k] - o[k];
        v[k] = b[k] - o[k];
        w[k] = c[k] - o[k];
    }
    return (u[1] * v[2] - u[2] * v[1]) * w[0] + (u[2] * v[0] - u[0] * v[2]) * w[1] +
           (u[0] * v[1] - u[1] * v[0]) * w[2];
}

static double degrees(const double *a, const double *b, const double *c, const double *d)
{
    return cox_torsion_of(a, b, c, d) / DEGREE;
}

/* L amino acids have (N - CA) × (C - CA) · (CB - CA) > 0, about 2.6e-3 nm³: measured on 1FME and
 * CLN025. Isoleucine's and threonine's second centre likewise. */
static void test_handedness(void **state)
{
    (void)state;
    struct cox_pdb *pdb = build(ALL, -120, 140, false);
    for (int i = 0; i < pdb->n_residues; i++) {
        const char *name = pdb->residues[i].name;
        if (!strcmp(name, "GLY"))
            continue;
        double v = volume(at(pdb, i, "CA"), at(pdb, i, "N"), at(pdb, i, "C"), at(pdb, i, "CB"));
        assert_true(v > 2.2e-3 && v < 3.0e-3);
        if (!strcmp(name, "ILE"))
            assert_true(volume(at(pdb, i, "CB"), at(pdb, i, "CG1"), at(pdb, i, "CG2"),
                               at(pdb, i, "CA")) > 2e-3);
        if (!strcmp(name, "THR"))
            assert_true(volume(at(pdb, i, "CB"), at(pdb, i, "OG1"), at(pdb, i, "CG2"),
                               at(pdb, i, "CA")) > 2e-3);
    }
    cox_pdb_destroy(pdb);
}

static void test_backbone(void **state)
{
    (void)state;
    struct cox_pdb *pdb = build("AGSVA", -57, -47, false);
    for (int i = 0; i + 1 < pdb->n_residues; i++) {
        const double *n = at(pdb, i, "N");
        const double *ca = at(pdb, i, "CA");
        const double *c = at(pdb, i, "C");
        const double *next = at(pdb, i + 1, "N");
        assert_true(fabs(distance(c, next) - 0.1329) < 1e-6);
        assert_true(fabs(distance(c, at(pdb, i, "O")) - 0.1231) < 1e-6);
        assert_true(fabs(degrees(n, ca, c, next) + 47) < 1e-6);
        assert_true(fabs(fabs(degrees(ca, c, next, at(pdb, i + 1, "CA"))) - 180) < 1e-6);
        assert_true(fabs(degrees(c, next, at(pdb, i + 1, "CA"), at(pdb, i + 1, "C")) + 57) < 1e-6);
        assert_true(fabs(fabs(degrees(at(pdb, i, "O"), c, next, at(pdb, i + 1, "CA")))) < 1e-6);
    }
    /* The last one has both oxygens. */
    assert_true(distance(at(pdb, 4, "O"), at(pdb, 4, "OXT")) > 0.2);
    cox_pdb_destroy(pdb);
    /* An alpha helix rises 0.15 nm a residue. */
    pdb = build("AAAAAAAAAAAAAAAAAAA", -57, -47, true);
    double rise = distance(at(pdb, 1, "CA"), at(pdb, 19, "CA")) / 18;
    assert_true(rise > 0.14 && rise < 0.16);
    assert_string_equal(pdb->residues[0].name, "ACE");
    assert_string_equal(pdb->residues[20].name, "NME");
    assert_int_equal(pdb->n_atoms, 3 + 19 * 5 + 2);
    cox_pdb_destroy(pdb);
}

/* All bonds of the side chains, also those that close rings and that no table entry fixes. */
static void test_rings(void **state)
{
    (void)state;
    static const struct {
        const char *residue, *a, *b;
        double length;
    } bonds[] = {
        {"PRO", "CG", "CD", 0.1503},  {"PHE", "CE2", "CZ", 0.138},  {"TYR", "CE2", "CZ", 0.138},
        {"HIS", "CE1", "NE2", 0.132}, {"TRP", "NE1", "CE2", 0.137}, {"TRP", "CZ3", "CH2", 0.140},
        {"LEU", "CG", "CD2", 0.1521}, {"ARG", "CZ", "NH2", 0.1326},
    };
    struct cox_pdb *pdb = build(ALL, -120, 140, false);
    for (size_t k = 0; k < sizeof bonds / sizeof bonds[0]; k++)
        for (int i = 0; i < pdb->n_residues; i++)
            if (!strcmp(pdb->residues[i].name, bonds[k].residue)) {
                double d = distance(at(pdb, i, bonds[k].a), at(pdb, i, bonds[k].b));
                if (fabs(d - bonds[k].length) > 0.004)
                    fail_msg("%s %s-%s is %.4f nm", bonds[k].residue, bonds[k].a, bonds[k].b, d);
            }
    cox_pdb_destroy(pdb);
}

/* Complete residues; heavy atoms of different residues, but for neighbours, keep apart. */
static void test_room(void **state)
{
    (void)state;
    static const struct {
        const char *sequence;
        double phi, psi;
    } cases[] = {
        {ALL, -120, 140},           {"YYDPETGTWY", -120, 140},   {"WWWWWWWWWWWW", -120, 140},
        {"WWWWWWWWWWWW", -57, -47}, {"KRKEFILVTSYHM", -57, -47}, {"PPPPPP", -75, 145},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct cox_pdb *pdb = build(cases[k].sequence, cases[k].phi, cases[k].psi, false);
        assert_int_equal(cox_pdb_check_complete(pdb, "built", NULL), COX_OK);
        double least = 1;
        for (int i = 0; i < pdb->n_atoms; i++)
            for (int j = 0; j < i; j++)
                if (pdb->atoms[i].residue > pdb->atoms[j].residue + 1)
                    least =
                        fmin(least, distance(pdb->atoms[i].position_nm, pdb->atoms[j].position_nm));
        if (least < 0.26)
            fail_msg("%s: two heavy atoms at %.3f nm", cases[k].sequence, least);
        cox_pdb_destroy(pdb);
    }
}

static void test_proline(void **state)
{
    (void)state;
    struct cox_pdb *pdb = build("APA", -120, 140, false);
    double phi = degrees(at(pdb, 0, "C"), at(pdb, 1, "N"), at(pdb, 1, "CA"), at(pdb, 1, "C"));
    assert_true(fabs(phi + 65) < 1e-6);
    assert_non_null(strstr(pdb->notes, "proline"));
    cox_pdb_destroy(pdb);
    pdb = build("apa", -57, 140, false);
    assert_string_equal(pdb->notes, "");
    assert_string_equal(pdb->residues[1].name, "PRO");
    cox_pdb_destroy(pdb);
}

static void refuse(const char *sequence, double phi, double psi, const char *words)
{
    struct cox_sequence_options options = {phi, psi, false};
    struct cox_err err = COX_ERR_INIT;
    struct cox_pdb *pdb = NULL;
    uint64_t before = cox_mem_in_use();
    assert_int_equal(cox_sequence_build(&pdb, sequence, &options, &err), COX_EINVAL);
    assert_null(pdb);
    if (!strstr(err.text, words))
        fail_msg("'%s' lacks '%s'", err.text, words);
    assert_int_equal(cox_mem_in_use(), before);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("", -120, 140, "allowed are 1 to 500");
    refuse("AAXA", -120, 140, "letter 3 of the sequence, 'X'");
    refuse("AA A", -120, 140, "letter 3");
    refuse("AAAAAAAAAA", 0, 0, "runs into itself");
    char longer[502];
    memset(longer, 'A', 501);
    longer[501] = '\0';
    refuse(longer, -120, 140, "501 residues");
}

static void test_allocations_fail(void **state)
{
    (void)state;
    struct cox_sequence_options options = COX_SEQUENCE_OPTIONS_INIT;
    struct cox_pdb *pdb = NULL;
    bool done = false;
    for (uint64_t n = 1; !done && n < 20; n++) {
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at(n);
        done = cox_sequence_build(&pdb, "GPW", &options, NULL) == COX_OK;
        cox_mem_fail_at(0);
        if (done)
            cox_pdb_destroy(pdb);
        assert_int_equal(cox_mem_in_use(), before);
        assert_false(done && n == 1);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handedness),
        cmocka_unit_test(test_backbone),
        cmocka_unit_test(test_rings),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_proline),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
