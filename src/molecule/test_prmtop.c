/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/data/alanine-dipeptide.prmtop was made by ParmEd 4.3 from GROMACS's topology, radii
 * mbondi2: its terms must be those of examples/alanine-dipeptide, which came by `gmx dump`. */
#include "molecule/prmtop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "molecule/obc.h"
#include "molecule/test_damage.h"

#define DATA COX_SOURCE_DIR "/tests/data/"
#define EXAMPLE COX_SOURCE_DIR "/examples/alanine-dipeptide/alanine-dipeptide.system.h5"

static char *prmtop, *inpcrd;
static size_t prmtop_length, inpcrd_length;

static int setup(void **state)
{
    (void)state;
    return cox_file_read(&prmtop, &prmtop_length, DATA "alanine-dipeptide.prmtop", 1 << 20, NULL) ||
           cox_file_read(&inpcrd, &inpcrd_length, DATA "alanine-dipeptide.inpcrd", 1 << 20, NULL);
}

static int teardown(void **state)
{
    (void)state;
    cox_free(prmtop);
    cox_free(inpcrd);
    return 0;
}

static void near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.9g and %.9g differ by more than %g", a, b, tolerance);
}

static int compare_torsions(const void *a, const void *b)
{
    const struct cox_torsion *s = a;
    const struct cox_torsion *t = b;
    for (int k = 0; k < 4; k++)
        if (s->atom[k] != t->atom[k])
            return s->atom[k] - t->atom[k];
    return s->periodicity - t->periodicity;
}

/* One direction for each: the first atom below the last. The energy is the same. */
static void sort_torsions(struct cox_system *s)
{
    for (int i = 0; i < s->n_torsions; i++) {
        int *a = s->torsions[i].atom;
        if (a[0] > a[3]) {
            const int turned[4] = {a[3], a[2], a[1], a[0]};
            memcpy(a, turned, sizeof turned);
        }
    }
    qsort(s->torsions, (size_t)s->n_torsions, sizeof *s->torsions, compare_torsions);
}

static int compare_pairs(const void *a, const void *b)
{
    const int *s = ((const struct cox_pair14 *)a)->atom;
    const int *t = ((const struct cox_pair14 *)b)->atom;
    return s[0] != t[0] ? s[0] - t[0] : s[1] - t[1];
}

static void compare_atoms(const struct cox_system *a, const struct cox_system *b)
{
    assert_int_equal(a->n_atoms, b->n_atoms);
    assert_int_equal(a->n_residues, b->n_residues);
    for (int i = 0; i < a->n_atoms; i++) {
        assert_string_equal(a->atom_name[i], b->atom_name[i]);
        assert_int_equal(a->residue[i], b->residue[i]);
        assert_int_equal(a->element[i], b->element[i]);
        near(a->mass_u[i], b->mass_u[i], 1e-6);
        near(a->charge_e[i], b->charge_e[i], 1e-8);
        near(a->sigma_nm[i], b->sigma_nm[i], 1e-7);
        near(a->epsilon[i], b->epsilon[i], 1e-6);
        near(a->gb_radius_nm[i], b->gb_radius_nm[i], 1e-9);
        near(a->gb_scale[i], b->gb_scale[i], 1e-9);
        for (int k = 0; k < 3; k++)
            near(a->position_nm[i][k], b->position_nm[i][k], 1e-4);
    }
    for (int i = 0; i < a->n_residues; i++)
        assert_string_equal(a->residue_name[i], b->residue_name[i]);
}

static const struct cox_bond *find_bond(const struct cox_system *s, const int *atom)
{
    for (int i = 0; i < s->n_bonds; i++) {
        const int *other = s->bonds[i].atom;
        if ((other[0] == atom[0] && other[1] == atom[1]) ||
            (other[0] == atom[1] && other[1] == atom[0]))
            return &s->bonds[i];
    }
    fail_msg("no bond %d-%d", atom[0], atom[1]);
    return NULL;
}

static const struct cox_angle *find_angle(const struct cox_system *s, const int *atom)
{
    for (int i = 0; i < s->n_angles; i++) {
        const int *o = s->angles[i].atom;
        if (o[1] == atom[1] &&
            ((o[0] == atom[0] && o[2] == atom[2]) || (o[0] == atom[2] && o[2] == atom[0])))
            return &s->angles[i];
    }
    fail_msg("no angle %d-%d-%d", atom[0], atom[1], atom[2]);
    return NULL;
}

static void compare_terms(struct cox_system *a, struct cox_system *b)
{
    assert_int_equal(a->n_bonds, b->n_bonds);
    assert_int_equal(a->n_angles, b->n_angles);
    assert_int_equal(a->n_torsions, b->n_torsions);
    assert_int_equal(a->n_pairs14, b->n_pairs14);
    assert_int_equal(a->n_exclusions, b->n_exclusions);
    for (int i = 0; i < a->n_bonds; i++) {
        const struct cox_bond *other = find_bond(b, a->bonds[i].atom);
        near(a->bonds[i].r0_nm, other->r0_nm, 1e-7);
        near(a->bonds[i].k, other->k, 2e-6 * other->k);
    }
    for (int i = 0; i < a->n_angles; i++) {
        const struct cox_angle *other = find_angle(b, a->angles[i].atom);
        near(a->angles[i].theta0_rad, other->theta0_rad, 1e-6);
        near(a->angles[i].k, other->k, 2e-6 * other->k);
    }
    sort_torsions(a);
    sort_torsions(b);
    for (int i = 0; i < a->n_torsions; i++) {
        assert_int_equal(compare_torsions(&a->torsions[i], &b->torsions[i]), 0);
        assert_int_equal(a->torsions[i].improper, b->torsions[i].improper);
        near(a->torsions[i].k, b->torsions[i].k, 1e-5);
        near(a->torsions[i].phase_rad, b->torsions[i].phase_rad, 1e-6);
    }
    qsort(a->pairs14, (size_t)a->n_pairs14, sizeof *a->pairs14, compare_pairs);
    qsort(b->pairs14, (size_t)b->n_pairs14, sizeof *b->pairs14, compare_pairs);
    for (int i = 0; i < a->n_pairs14; i++) {
        assert_int_equal(compare_pairs(&a->pairs14[i], &b->pairs14[i]), 0);
        /* GROMACS's 0.8333 went through ParmEd: 4e-5 of the product. */
        near(a->pairs14[i].charge_product, b->pairs14[i].charge_product,
             5e-5 * fabs(b->pairs14[i].charge_product));
        near(a->pairs14[i].epsilon, b->pairs14[i].epsilon, 1e-6);
        if (b->pairs14[i].epsilon > 0)
            near(a->pairs14[i].sigma_nm, b->pairs14[i].sigma_nm, 1e-7);
    }
}

static void test_same_as_gromacs(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_str notes;
    struct cox_system *a = NULL;
    struct cox_system *b = NULL;
    cox_str_init(&notes, 4096);
    if (cox_prmtop_read(&a, DATA "alanine-dipeptide.prmtop", DATA "alanine-dipeptide.inpcrd",
                        &notes, &err))
        fail_msg("%s", err.text);
    assert_int_equal(cox_system_load(&b, EXAMPLE, NULL), COX_OK);
    assert_int_equal(cox_obc_assign(b, COX_RADII_MBONDI2, NULL), COX_OK);
    compare_atoms(a, b);
    compare_terms(a, b);
    assert_string_equal(cox_str_text(&notes), "");
    cox_str_deinit(&notes);
    cox_system_destroy(a);
    cox_system_destroy(b);
}

/* Replaces `from` by `to` (of the same length or not) and expects words. */
static void refuse(const char *from, const char *to, int status, const char *words)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_str text;
    struct cox_str notes;
    struct cox_system *s = NULL;
    cox_str_init(&text, 1 << 20);
    cox_str_init(&notes, 4096);
    const char *at = strstr(prmtop, from);
    assert_non_null(at);
    cox_str_addn(&text, prmtop, (size_t)(at - prmtop));
    cox_str_add(&text, to);
    cox_str_add(&text, at + strlen(from));
    uint64_t before = cox_mem_in_use();
    int rc = cox_prmtop_parse(&s, cox_str_text(&text), text.length, "t.prmtop", &notes, &err);
    if (rc != status || !strstr(err.text, words))
        fail_msg("status %d, '%s' lacks '%s'", rc, err.text, words);
    assert_null(s);
    assert_int_equal(cox_mem_in_use(), before + notes.capacity);
    cox_str_deinit(&text);
    cox_str_deinit(&notes);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("%FLAG CHARGE", "%FLAG CHANGE", COX_EFORMAT, "section 'CHARGE' is missing");
    refuse("%FLAG CHARGE", "%FLAG MASS", COX_EFORMAT, "a second section 'MASS'");
    refuse("%FLAG CHARGE\n%FORMAT(5E16.8)", "%FLAG CHARGE\n%FORMAT(5X16)", COX_EFORMAT,
           "t.prmtop:16: a malformed");
    refuse(" -6.67300626E+00", " -6.6730062xE+00", COX_EFORMAT,
           "t.prmtop:17: '-6.6730062xE+00' in section 'CHARGE' is no number");
    refuse(" -6.67300626E+00", "             inf", COX_EFORMAT, "is no number");
    refuse("  1.77849648E+00  1.77849648E+00\n", "\n", COX_EFORMAT,
           "t.prmtop:21: section 'CHARGE' ends too early");
    refuse("%FLAG TITLE", "%FLAG CTITLE", COX_EUNSUPPORTED, "CHAMBER");
    refuse("%FLAG IPOL", "%FLAG CMAP_COUNT", COX_EUNSUPPORTED, "CMAP");
    refuse("%FLAG IPOL", "%FLAG LENNARD_JONES_CCOEF", COX_EUNSUPPORTED, "12-6-4");
    refuse("      22       7      12", "      22   99999      12", COX_EFORMAT, "POINTERS");
    refuse("      22       7      12", "99999999       7      12", COX_EFORMAT,
           "more atoms than section CHARGE has");
    refuse("ACE ALA NME ", "ACE ALA WAT ", COX_EUNSUPPORTED, "residue 3 is solvent ('WAT')");
    refuse("%FORMAT(10I8)\n       1       7      17", "%FORMAT(10I8)\n       1      77      17",
           COX_EFORMAT, "'RESIDUE_POINTER': an atom out of range");
    refuse("       1       2       2       2       3       4",
           "       1       2       8       2       3       4", COX_EFORMAT,
           "'ATOM_TYPE_INDEX': a type out of range (entry 3)");
    refuse("       1       2       4       7      11", "       1      99       4       7      11",
           COX_EFORMAT, "'NONBONDED_PARM_INDEX': an index out of range (entry 2)");
    refuse("       8       5       4       3", "      98       5       4       3", COX_EFORMAT,
           "EXCLUDED_ATOMS_LIST");
    struct cox_system *s = NULL;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_prmtop_parse(&s, "hello\n", 6, "t", NULL, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "is it an Amber prmtop"));
}

/* A 12-6 coefficient changed by 1 % is no Lorentz-Berthelot pair any more (NBFIX). */
static void test_lorentz_berthelot(void **state)
{
    (void)state;
    const char *section = strstr(prmtop, "%FLAG LENNARD_JONES_BCOEF");
    assert_non_null(section);
    const char *values = strchr(strchr(section, '\n') + 1, '\n') + 1;
    char from[33] = "";
    char to[33] = "";
    memcpy(from, values, 32);
    memcpy(to, values, 32);
    double second = strtod(from + 16, NULL);
    snprintf(to + 16, 17, "%16.8E", 1.01 * second);
    refuse(from, to, COX_EUNSUPPORTED, "Lorentz-Berthelot");
}

static void refuse_coordinates(const char *text, const char *words)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_str notes;
    struct cox_system *s = NULL;
    cox_str_init(&notes, 4096);
    assert_int_equal(cox_prmtop_parse(&s, prmtop, prmtop_length, "t", &notes, NULL), COX_OK);
    assert_int_not_equal(cox_inpcrd_parse(s, text, strlen(text), "t.rst7", &notes, &err), COX_OK);
    if (!strstr(err.text, words))
        fail_msg("'%s' lacks '%s'", err.text, words);
    cox_system_destroy(s);
    cox_str_deinit(&notes);
}

static void test_coordinates(void **state)
{
    (void)state;
    refuse_coordinates("", "ends before its number of atoms");
    refuse_coordinates("title\nmany\n", "t.rst7:2: no number of atoms");
    refuse_coordinates("title\n  21\n", "t.rst7:2: coordinates of 21 atoms; the prmtop has 22");
    refuse_coordinates("title\n  22\n", "t.rst7:2: the file ends after 0 of 66 coordinates");
    refuse_coordinates("title\n  22\n   1.0000000   2.0000000   x.0000000\n",
                       "t.rst7:3: coordinate 3 is no number");
    refuse_coordinates("title\n  22\n   1.0000000   2.0000000\n", "coordinate 3 is no number: ''");
    refuse_coordinates("CDF\001 binary", "NetCDF");
}

static void test_damage(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 21, 1);
    struct cox_str notes;
    cox_str_init(&notes, 1 << 20);
    int read = 0;
    for (int round = 0; round < 1500; round++) {
        struct damaged d = damage(&rng, prmtop, prmtop_length);
        struct damaged c = damage(&rng, inpcrd, inpcrd_length);
        struct cox_system *s = NULL;
        if (!cox_prmtop_parse(&s, d.text, d.length, "t", &notes, NULL)) {
            read++;
            int rc = cox_inpcrd_parse(s, c.text, c.length, "t", &notes, NULL);
            (void)rc;
        }
        cox_system_destroy(s);
        cox_free(d.block);
        cox_free(c.block);
    }
    assert_true(read > 100);
    cox_str_deinit(&notes);
}

static void test_allocations_fail(void **state)
{
    (void)state;
    bool done = false;
    int n = 0;
    while (!done && ++n < 1000) {
        struct cox_system *s = NULL;
        struct cox_str notes;
        cox_str_init(&notes, 4096);
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at((uint64_t)n);
        int rc = cox_prmtop_parse(&s, prmtop, prmtop_length, "t", &notes, NULL);
        cox_mem_fail_at(0);
        done = rc == COX_OK;
        assert_true(done || rc == COX_ENOMEM);
        cox_system_destroy(s);
        cox_str_deinit(&notes);
        assert_int_equal(cox_mem_in_use(), before);
    }
    assert_true(done && n > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_gromacs),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_lorentz_berthelot),
        cmocka_unit_test(test_coordinates),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
