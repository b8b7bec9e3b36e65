/* SPDX-License-Identifier: BSD-3-Clause */
#include "cox/system.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "h5/h5.h"

static char path[256];

/* A chain of five atoms in two residues, with one term of each kind. */
static struct cox_system *chain(void)
{
    struct cox_system *s;
    assert_int_equal(cox_system_create(&s, 5, 2, 4, 3, 2, 2, 9, NULL), COX_OK);
    snprintf(s->name, sizeof s->name, "chain");
    s->solvent = COX_SOLVENT_OBC2;
    for (int i = 0; i < 5; i++) {
        s->mass_u[i] = 12.01 + i;
        s->charge_e[i] = 0.1 * i - 0.2;
        s->sigma_nm[i] = 0.34;
        s->epsilon[i] = 0.4;
        s->gb_radius_nm[i] = 0.17 + 1e-3 * i;
        s->gb_scale[i] = 0.72;
        s->element[i] = 6;
        s->residue[i] = i / 3;
        snprintf(s->atom_name[i], COX_NAME_SIZE, "C%d", i);
        s->position_nm[i][0] = 0.15 * i + 1.0 / 3;
    }
    for (int i = 0; i < 2; i++) {
        snprintf(s->residue_name[i], COX_NAME_SIZE, "RE%d", i);
        snprintf(s->chain[i], COX_NAME_SIZE, "A");
        s->residue_number[i] = 10 - 20 * i;
    }
    for (int i = 0; i < 4; i++)
        s->bonds[i] = (struct cox_bond){{i, i + 1}, 0.15, 1000.0 + i};
    for (int i = 0; i < 3; i++)
        s->angles[i] = (struct cox_angle){{i, i + 1, i + 2}, 1.9, 400.0 + i};
    s->torsions[0] = (struct cox_torsion){{0, 1, 2, 3}, 3, 0, 0.0, 0.65};
    s->torsions[1] = (struct cox_torsion){{1, 2, 3, 4}, 2, 1, 3.14159, -0.65};
    s->pairs14[0] = (struct cox_pair14){{0, 3}, -0.01, 0.33, 0.2};
    s->pairs14[1] = (struct cox_pair14){{1, 4}, -0.02, 0.34, 0.3};
    int n = 0;
    for (int i = 0; i < 5; i++)
        for (int j = i + 1; j < 5 && j <= i + 3; j++) {
            s->exclusions[n][0] = i;
            s->exclusions[n++][1] = j;
        }
    assert_int_equal(n, 9);
    return s;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *a = chain();
    struct cox_system *b = NULL;
    cox_free(a->provenance);
    a->provenance = cox_strdup("{\"command\": \"cox prepare\"}");
    assert_int_equal(cox_system_save(a, path, &err), COX_OK);
    int rc = cox_system_load(&b, path, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, COX_OK);
    assert_string_equal(b->name, "chain");
    assert_string_equal(b->provenance, a->provenance);
    assert_int_equal(b->solvent, COX_SOLVENT_OBC2);
    assert_true(b->solvent_dielectric == 78.5 && b->surface_tension == 2.25936);
    assert_int_equal(b->n_atoms, 5);
    assert_memory_equal(b->mass_u, a->mass_u, 5 * sizeof(double));
    assert_memory_equal(b->gb_radius_nm, a->gb_radius_nm, 5 * sizeof(double));
    assert_memory_equal(b->position_nm, a->position_nm, 15 * sizeof(double));
    assert_memory_equal(b->atom_name, a->atom_name, 5 * COX_NAME_SIZE);
    assert_memory_equal(b->residue, a->residue, 5 * sizeof(int));
    assert_memory_equal(b->residue_number, a->residue_number, 2 * sizeof(int));
    assert_memory_equal(b->bonds, a->bonds, 4 * sizeof *a->bonds);
    assert_memory_equal(b->angles, a->angles, 3 * sizeof(int));
    assert_true(b->angles[2].k == a->angles[2].k && b->angles[2].theta0_rad == 1.9);
    assert_memory_equal(b->torsions, a->torsions, 2 * sizeof *a->torsions);
    assert_memory_equal(b->pairs14, a->pairs14, 2 * sizeof *a->pairs14);
    assert_memory_equal(b->exclusions, a->exclusions, 9 * sizeof *a->exclusions);
    cox_system_destroy(a);
    cox_system_destroy(b);
}

/* Each breaks one thing; the message must hold the words. */
static void test_check_refuses(void **state)
{
    (void)state;
#define CASE(statement, words)                                   \
    do {                                                         \
        struct cox_err err = COX_ERR_INIT;                       \
        struct cox_system *s = chain();                          \
        assert_int_equal(cox_system_check(s, &err), COX_OK);     \
        statement;                                               \
        assert_int_not_equal(cox_system_check(s, &err), COX_OK); \
        if (!strstr(err.text, words))                            \
            fail_msg("'%s' lacks '%s'", err.text, words);        \
        cox_system_destroy(s);                                   \
    } while (0)
    CASE(s->mass_u[3] = 0, "mass of atom 3");
    CASE(s->mass_u[3] = NAN, "mass of atom 3");
    CASE(s->charge_e[1] = INFINITY, "charge of atom 1");
    CASE(s->gb_radius_nm[2] = 0.009, "GB radius of atom 2");
    CASE(s->position_nm[4][2] = NAN, "coordinate of atom 4");
    CASE(s->residue[0] = 2, "residue 2");
    CASE(s->residue[0] = 1, "in order");
    CASE(s->bonds[2].atom[1] = 5, "atoms go from 0 to 4");
    CASE(s->bonds[2].atom[1] = 2, "atom 2 twice");
    CASE(s->angles[0].atom[0] = -1, "angle 0");
    CASE(s->torsions[1].periodicity = 0, "periodicity 0");
    CASE(s->exclusions[3][0] = s->exclusions[2][0];
         s->exclusions[3][1] = s->exclusions[2][1], "twice");
    CASE(s->exclusions[0][0] = 1; s->exclusions[0][1] = 0, "the lower");
    CASE(s->pairs14[0].atom[1] = 4, "not among the exclusions");
    CASE(memset(s->atom_name[1], 'x', COX_NAME_SIZE), "does not end");
    CASE(s->solvent_dielectric = 0, "dielectric");
#undef CASE
    struct cox_system *none;
    assert_int_equal(cox_system_create(&none, 0, 1, 0, 0, 0, 0, 0, NULL), COX_EINVAL);
    assert_int_equal(cox_system_create(&none, 3, 1, -1, 0, 0, 0, 0, NULL), COX_EINVAL);
    assert_null(none);
}

static void expect_load(int status, const char *words)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    int rc = cox_system_load(&s, path, &err);
    if (rc != status || !strstr(err.text, words))
        fail_msg("status %d, '%s' lacks '%s'", rc, err.text, words);
    assert_null(s);
}

static void test_load_refuses(void **state)
{
    (void)state;
    struct cox_h5 *file;
    struct cox_system *s = chain();
    unlink(path);
    expect_load(COX_ENOTFOUND, "No such file");

    assert_int_equal(cox_file_replace(path, "not HDF5", 8, NULL), COX_OK);
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *none = NULL;
    assert_int_not_equal(cox_system_load(&none, path, &err), COX_OK);
    assert_non_null(strstr(err.text, path));

    assert_int_equal(cox_h5_create(&file, path, NULL), COX_OK);
    assert_int_equal(cox_h5_set_text(file, "/", "format", "something", NULL), COX_OK);
    assert_int_equal(cox_h5_close(file, NULL), COX_OK);
    expect_load(COX_EFORMAT, "not a system file");

    assert_int_equal(cox_h5_create(&file, path, NULL), COX_OK);
    assert_int_equal(cox_h5_set_text(file, "/", "format", "coxswain-system", NULL), COX_OK);
    assert_int_equal(cox_h5_set_number(file, "/", "version", 2, NULL), COX_OK);
    assert_int_equal(cox_h5_close(file, NULL), COX_OK);
    expect_load(COX_EUNSUPPORTED, "version 2");

    assert_int_equal(cox_h5_create(&file, path, NULL), COX_OK);
    assert_int_equal(cox_h5_set_text(file, "/", "format", "coxswain-system", NULL), COX_OK);
    assert_int_equal(cox_h5_set_number(file, "/", "version", 1, NULL), COX_OK);
    assert_int_equal(cox_h5_close(file, NULL), COX_OK);
    int rc = cox_system_load(&none, path, &err);
    assert_int_not_equal(rc, COX_OK);
    assert_non_null(strstr(err.text, "/atoms/mass_u"));

    /* Cut short in the middle. */
    assert_int_equal(cox_system_save(s, path, NULL), COX_OK);
    assert_int_equal(truncate(path, 3000), 0);
    assert_int_not_equal(cox_system_load(&none, path, &err), COX_OK);
    cox_system_destroy(s);
}

/* A refused or failed save leaves the old file alone. */
static void test_save_is_whole(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = chain();
    struct cox_system *old = NULL;
    assert_int_equal(cox_system_save(s, path, NULL), COX_OK);
    s->mass_u[0] = -1;
    assert_int_equal(cox_system_save(s, path, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "cannot save"));
    assert_int_equal(cox_system_load(&old, path, NULL), COX_OK);
    cox_system_destroy(old);
    assert_int_not_equal(cox_system_save(s, "/nowhere/at/all.h5", &err), COX_OK);
    cox_system_destroy(s);
}

/* Each allocation fails in turn: no leak, no crash, the status says so. */
static void test_allocations_fail(void **state)
{
    (void)state;
    struct cox_system *s = chain();
    assert_int_equal(cox_system_save(s, path, NULL), COX_OK);
    cox_system_destroy(s);
    bool done = false;
    for (uint64_t n = 1; !done && n < 1000; n++) {
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at(n);
        done = cox_system_load(&s, path, NULL) == COX_OK;
        cox_mem_fail_at(0);
        if (done)
            cox_system_destroy(s);
        assert_int_equal(cox_mem_in_use(), before);
    }
    assert_true(done);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/cox-test-system-%d.h5", (int)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_check_refuses),
        cmocka_unit_test(test_load_refuses),     cmocka_unit_test(test_save_is_whole),
        cmocka_unit_test(test_allocations_fail),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
