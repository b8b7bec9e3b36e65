/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/data/alanine-dipeptide.dump is a part of what `gmx dump` 2022.5 prints of the example's
 * tpr. */
#include "molecule/gromacs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "molecule/gromacs_dump.h"
#include "molecule/process.h"
#include "molecule/test_damage.h"

#define DATA COX_SOURCE_DIR "/tests/data/"

static char *dump;
static size_t dump_length;

static int setup(void **state)
{
    (void)state;
    return cox_file_read(&dump, &dump_length, DATA "alanine-dipeptide.dump", 1 << 20, NULL);
}

static int teardown(void **state)
{
    (void)state;
    cox_free(dump);
    return 0;
}

static void near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.9g and %.9g differ by more than %g", a, b, tolerance);
}

/* Numbers of ff99SB's files: CH3 of ACE is type CT (sigma 0.339967 nm, epsilon 0.457730 kJ/mol,
 * charge -0.3662), C-O 570 kcal/mol/Å² at 1.229 Å. */
static void test_whole(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    if (cox_gromacs_dump_parse(&s, dump, dump_length, &err))
        fail_msg("%s", err.text);
    assert_int_equal(s->n_atoms, 22);
    assert_int_equal(s->n_residues, 3);
    assert_int_equal(s->n_bonds, 21);
    assert_int_equal(s->n_angles, 36);
    assert_int_equal(s->n_torsions, 42);
    assert_int_equal(s->n_pairs14, 41);
    assert_int_equal(s->n_exclusions, 98);
    assert_string_equal(s->residue_name[2], "NME");
    int ch3 = 0;
    while (strcmp(s->atom_name[ch3], "CH3") != 0)
        ch3++;
    assert_int_equal(s->element[ch3], 6);
    near(s->sigma_nm[ch3], 0.339967, 1e-6);
    near(s->epsilon[ch3], 0.457730, 1e-6);
    near(s->charge_e[ch3], -0.3662, 1e-9);
    near(s->mass_u[ch3], 12.01, 1e-6);
    bool carbonyl = false;
    for (int i = 0; i < s->n_bonds; i++) {
        const int *a = s->bonds[i].atom;
        if (s->element[a[0]] + s->element[a[1]] != 14 || s->element[a[0]] == 7)
            continue;
        near(s->bonds[i].r0_nm, 0.1229, 1e-9);
        near(s->bonds[i].k, 2 * 570 * 418.4, 1);
        carbonyl = true;
    }
    assert_true(carbonyl);
    /* 1-4 pairs: charges over 1.2, epsilon over 2. */
    for (int i = 0; i < s->n_pairs14; i++) {
        const struct cox_pair14 *p = &s->pairs14[i];
        double q = s->charge_e[p->atom[0]] * s->charge_e[p->atom[1]];
        double e = sqrt(s->epsilon[p->atom[0]] * s->epsilon[p->atom[1]]);
        near(p->charge_product, q / 1.2, 1e-12);
        near(p->epsilon, e / 2, 1e-6);
    }
    cox_system_destroy(s);
}

static void refuse(const char *from, const char *to, int status, const char *words)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_str text;
    struct cox_system *s = NULL;
    const char *at = strstr(dump, from);
    assert_non_null(at);
    cox_str_init(&text, 1 << 20);
    cox_str_addn(&text, dump, (size_t)(at - dump));
    cox_str_add(&text, to);
    cox_str_add(&text, at + strlen(from));
    int rc = cox_gromacs_dump_parse(&s, cox_str_text(&text), text.length, &err);
    if (rc != status || !strstr(err.text, words))
        fail_msg("status %d, '%s' lacks '%s'", rc, err.text, words);
    assert_null(s);
    cox_str_deinit(&text);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cox_system *s = NULL;
    assert_int_equal(cox_gromacs_dump_parse(&s, "", 0, NULL), COX_EFORMAT);
    refuse("]=BONDS,", "]=G96BONDS,", COX_EUNSUPPORTED, "terms of the kind 'G96BONDS'");
    refuse("]=PDIHS,", "]=RBDIHS,", COX_EUNSUPPORTED, "terms of the kind 'RBDIHS'");
    refuse("]=LJ_SR,", "]=BHAM,", COX_EUNSUPPORTED, "not Lennard-Jones");
    refuse("c6= ", "c6= 9", COX_EUNSUPPORTED, "Lorentz-Berthelot");
    refuse("ptype=    Atom", "ptype=   VSite", COX_EUNSUPPORTED, "virtual site");
    refuse(", m= ", ", mm= ", COX_EFORMAT, "an atom lacks");
    refuse("mult=3", "multi=3", COX_EFORMAT, "a torsion without multiplicity");
    refuse("#molecules                     = 1", "#molecules                     = 2", COX_EFORMAT,
           "44 atoms and 22 positions");
    refuse("(BONDS)   0   1", "(BONDS)   0  22", COX_EFORMAT, "names no valid atom");
    refuse(" x[    0]={", " y[    0]={", COX_EFORMAT, "22 atoms and 21 positions");
    refuse("fudgeQQ ", "fudgeQQ =x ", COX_EFORMAT, "no fudgeQQ");
}

static void test_damage(void **state)
{
    (void)state;
    struct cox_rng rng;
    cox_rng_init(&rng, 22, 1);
    for (int round = 0; round < 1000; round++) {
        struct damaged d = damage(&rng, dump, dump_length);
        struct cox_system *s = NULL;
        uint64_t before = cox_mem_in_use();
        if (!cox_gromacs_dump_parse(&s, d.text, d.length, NULL))
            cox_system_destroy(s);
        assert_int_equal(cox_mem_in_use(), before);
        cox_free(d.block);
    }
}

static void test_allocations_fail(void **state)
{
    (void)state;
    bool done = false;
    int n = 0;
    while (!done && ++n < 1000) {
        struct cox_system *s = NULL;
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at((uint64_t)n);
        int rc = cox_gromacs_dump_parse(&s, dump, dump_length, NULL);
        cox_mem_fail_at(0);
        done = rc == COX_OK;
        assert_true(done || rc == COX_ENOMEM);
        cox_system_destroy(s);
        assert_int_equal(cox_mem_in_use(), before);
    }
    assert_true(done && n > 20);
}

static void test_reason(void **state)
{
    (void)state;
    struct cox_str out;
    cox_str_init(&out, 4096);
    cox_gromacs_reason("Opening library file\n\n-------\nProgram:     gmx pdb2gmx\n"
                       "Source file: x.cpp (line 1)\n\nFatal error:\n"
                       "Atom XX in residue ALA 3 was not found in rtp entry ALA\n"
                       "while sorting atoms.\n\nFor more information and tips\n",
                       &out);
    assert_string_equal(cox_str_text(&out),
                        "Atom XX in residue ALA 3 was not found in rtp entry ALA while sorting "
                        "atoms.");
    cox_str_deinit(&out);
    cox_str_init(&out, 4096);
    cox_gromacs_reason("Segmentation fault\n", &out);
    assert_string_equal(cox_str_text(&out), "");
    cox_str_deinit(&out);
}

/* Programs are started by argv; a shell's characters mean nothing. */
static void test_process(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    char path[64];
    snprintf(path, sizeof path, "/tmp/cox-test-process-%d", (int)getpid());
    const char *const echo[] = {"echo", "$HOME; false", NULL};
    struct cox_process p = {.argv = echo, .directory = "/tmp", .output = path};
    int code = -1;
    char *text = NULL;
    assert_int_equal(cox_process_run(&p, &code, &err), COX_OK);
    assert_int_equal(code, 0);
    assert_int_equal(cox_file_read(&text, NULL, path, 100, NULL), COX_OK);
    assert_string_equal(text, "$HOME; false\n");
    cox_free(text);

    const char *const fails[] = {"false", NULL};
    p.argv = fails;
    assert_int_equal(cox_process_run(&p, &code, NULL), COX_OK);
    assert_int_equal(code, 1);

    const char *const nothing[] = {"no-such-program-here", NULL};
    p.argv = nothing;
    assert_int_equal(cox_process_run(&p, &code, &err), COX_ENOTFOUND);
    assert_non_null(strstr(err.text, "no-such-program-here"));

    const char *const sleeps[] = {"sleep", "60", NULL};
    atomic_int cancel = 1;
    p.argv = sleeps;
    p.cancel = &cancel;
    time_t begin = time(NULL);
    assert_int_equal(cox_process_run(&p, &code, &err), COX_ECANCELLED);
    assert_true(time(NULL) - begin < 10);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_allocations_fail),
        cmocka_unit_test(test_reason), cmocka_unit_test(test_process),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
