/* SPDX-License-Identifier: BSD-3-Clause */
/* References and the published figures of BBA and CLN025. */
#include "molecule/reference.h"

#include <unistd.h>

#include "molecule/features.h"
#include "molecule/rmsd.h"
#include "molecule/test_systems.h"

static struct cox_reference *load(const struct cox_system *s, const char *path, int model)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_reference *r = NULL;
    if (cox_reference_load(&r, s, path, model, &err))
        fail_msg("%s", err.text);
    return r;
}

/* RMSD in ångström of the system's positions to the reference over a selection. */
static double rmsd_A(const struct cox_system *s, const struct cox_reference *r,
                     const char *expression)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_selection chosen;
    if (cox_selection_init(&chosen, s, expression, &err) ||
        cox_reference_require(r, s, &chosen, &err))
        fail_msg("%s", err.text);
    double value = 10 * cox_rmsd_f64(chosen.n, chosen.atom, (const double(*)[3])s->position_nm,
                                     (const double(*)[3])r->position_nm);
    cox_selection_deinit(&chosen);
    return value;
}

static void test_bba(void **state)
{
    (void)state;
    char folded[512];
    const char *path = shared_file("bba/folded.pdb");
    if (!path)
        skip();
    snprintf(folded, sizeof folded, "%s", path);
    struct cox_system *s = system_from_pdb(shared_file("bba/unfolded.pdb"));
    assert_int_equal(s->n_atoms, 504);
    double least = 1e9;
    double most = 0;
    for (int model = 1; model <= 34; model++) {
        struct cox_reference *r = load(s, folded, model);
        double value = rmsd_A(s, r, "name CA");
        if (model == 1)
            assert_float_equal(value, 8.2224, 1e-4);
        least = value < least ? value : least;
        most = value > most ? value : most;
        assert_true(r->by_number);
        cox_reference_destroy(r);
    }
    assert_float_equal(least, 7.9284, 1e-4);
    assert_float_equal(most, 8.6066, 1e-4);
    struct cox_reference *r = load(s, folded, 0);
    assert_float_equal(rmsd_A(s, r, "name CA"), 8.2224, 1e-4);
    print_message("%s\n", r->title);
    cox_reference_destroy(r);
    cox_system_destroy(s);
}

static void test_bba_models(void **state)
{
    (void)state;
    const char *path = shared_file("bba/folded.pdb");
    if (!path)
        skip();
    struct cox_system *s = system_from_pdb(path);
    double sum = 0;
    double most = 0;
    for (int model = 2; model <= 34; model++) {
        struct cox_reference *r = load(s, path, model);
        assert_int_equal(r->matched, s->n_atoms);
        double value = rmsd_A(s, r, "name CA");
        sum += value;
        most = value > most ? value : most;
        cox_reference_destroy(r);
    }
    assert_float_equal(sum / 33, 1.3044, 1e-4);
    assert_float_equal(most, 2.0135, 1e-4);
    cox_system_destroy(s);
}

static void check_shape(const char *file, int contacts, double rg_A)
{
    const char *path = shared_file(file);
    if (!path)
        skip();
    struct cox_system *s = system_from_pdb(path);
    struct cox_selection ca;
    struct cox_err err = COX_ERR_INIT;
    if (cox_selection_init(&ca, s, "name CA", &err))
        fail_msg("%s", err.text);
    float(*x)[3] = frame_of(s);
    assert_int_equal(ca.n, 28);
    assert_int_equal(
        cox_contact_map(28, ca.atom, (const float(*)[3])x, COX_CONTACT_CUTOFF_NM, NULL), contacts);
    assert_float_equal(10 * cox_radius_of_gyration(28, ca.atom, (const float(*)[3])x), rg_A, 1e-4);
    cox_free(x);
    cox_selection_deinit(&ca);
    cox_system_destroy(s);
}

static void test_bba_contacts(void **state)
{
    (void)state;
    check_shape("bba/unfolded.pdb", 184, 10.2654);
    check_shape("bba/folded.pdb", 218, 9.0673);
}

static void test_cln025(void **state)
{
    (void)state;
    char folded[512];
    const char *path = shared_file("cln025/folded.pdb");
    if (!path)
        skip();
    snprintf(folded, sizeof folded, "%s", path);
    struct cox_system *s = system_from_pdb(shared_file("cln025/unfolded.pdb"));
    assert_int_equal(s->n_atoms, 166);
    struct cox_reference *r = load(s, folded, 0);
    assert_float_equal(rmsd_A(s, r, "name CA"), 8.7983, 1e-4);
    assert_float_equal(rmsd_A(s, r, "heavy"), 9.3032, 1e-4);
    cox_reference_destroy(r);
    cox_system_destroy(s);
}

/* ---- made-up systems ---- */

/* Writes the glycines as PDB, atoms of each residue backwards, residues numbered from `first`. */
static void write_pdb(const struct cox_system *s, const char *path, int first, int skip_atom)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    int serial = 1;
    for (int r = 0; r + 1 < s->n_residues; r++)
        for (int k = 4; k >= 0; k--) {
            int i = 5 * r + k;
            const double *x = s->position_nm[i];
            if (i == skip_atom)
                continue;
            fprintf(f, "ATOM  %5d  %-3s %3s A%4d    %8.3f%8.3f%8.3f  1.00  0.00\n", serial++,
                    s->atom_name[i], s->residue_name[r], first + r, 10 * x[0], 10 * x[1],
                    10 * x[2]);
        }
    fprintf(f, "END\n");
    fclose(f);
}

static void temporary(char *path, size_t size, const char *suffix)
{
    snprintf(path, size, "%s/cox-reference-%d%s", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
             (int)getpid(), suffix);
}

static void test_order_and_offset(void **state)
{
    (void)state;
    char path[256];
    temporary(path, sizeof path, ".pdb");
    struct cox_system *s = system_of_glycines(6, 1);
    snprintf(s->residue_name[1], COX_NAME_SIZE, "ALA");
    snprintf(s->residue_name[3], COX_NAME_SIZE, "SER");
    for (int first = -3; first < 40; first += 14) {
        write_pdb(s, path, first, -1);
        struct cox_reference *r = load(s, path, 0);
        assert_false(r->by_number);
        assert_int_equal(r->offset, 0);
        assert_int_equal(r->matched, 30);
        assert_true(r->has[0] && r->has[29] && !r->has[30]);
        assert_true(rmsd_A(s, r, "protein") < 2e-3);
        cox_reference_destroy(r);
    }
    write_pdb(s, path, 1, -1);
    struct cox_reference *r = load(s, path, 0);
    assert_true(r->by_number);
    cox_reference_destroy(r);
    /* the system has HIE where the file has HIS: the same residue */
    struct cox_system *variant = system_of_glycines(6, 1);
    for (int k = 0; k < 6; k++)
        snprintf(variant->residue_name[k], COX_NAME_SIZE, "HIE");
    for (int k = 0; k < 6; k++)
        snprintf(s->residue_name[k], COX_NAME_SIZE, "HIS");
    write_pdb(s, path, 1, -1);
    r = load(variant, path, 0);
    assert_int_equal(r->matched, 30);
    cox_reference_destroy(r);
    cox_system_destroy(variant);
    cox_system_destroy(s);
    unlink(path);
}

static void test_missing_and_misfit(void **state)
{
    (void)state;
    char path[256];
    struct cox_err err = COX_ERR_INIT;
    struct cox_selection ca;
    temporary(path, sizeof path, ".pdb");
    struct cox_system *s = system_of_glycines(6, 1);
    write_pdb(s, path, 1, 12);
    struct cox_reference *r = load(s, path, 0);
    assert_int_equal(r->matched, 29);
    assert_int_equal(cox_selection_init(&ca, s, "name CA", &err), COX_OK);
    assert_int_equal(cox_reference_require(r, s, &ca, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "'CA' of GLY 3"));
    cox_reference_destroy(r);
    cox_selection_deinit(&ca);
    for (int k = 0; k < 6; k++)
        snprintf(s->residue_name[k], COX_NAME_SIZE, "TRP");
    assert_int_equal(cox_reference_load(&r, s, path, 0, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "does not fit the system"));
    assert_int_equal(cox_reference_load(&r, s, path, 3, &err), COX_ENOTFOUND);
    assert_int_equal(cox_reference_load(&r, s, "/nowhere/x.pdb", 0, &err), COX_ENOTFOUND);
    unlink(path);
    cox_system_destroy(s);
}

/* Two chains with the same numbers: the chain decides. Each allocation fails in turn. */
static void test_chains_and_allocation(void **state)
{
    (void)state;
    char path[256];
    temporary(path, sizeof path, ".system.h5");
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = system_of_glycines(6, 1);
    for (int r = 3; r < 6; r++) {
        s->residue_number[r] = r - 2;
        snprintf(s->chain[r], COX_NAME_SIZE, "B");
    }
    s->n_bonds = 0;
    for (int i = 0; i < s->n_atoms; i++)
        s->gb_radius_nm[i] = 0.15;
    s->solute_dielectric = 1;
    s->solvent_dielectric = 78.5;
    if (cox_system_save(s, path, &err))
        fail_msg("%s", err.text);
    struct cox_reference *r = load(s, path, 0);
    assert_int_equal(r->matched, s->n_atoms);
    assert_true(rmsd_A(s, r, "all") < 1e-6);
    cox_reference_destroy(r);
    uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1;; n++) {
        cox_mem_fail_at(n);
        int rc = cox_reference_load(&r, s, path, 0, NULL);
        cox_mem_fail_at(0);
        if (!rc)
            cox_reference_destroy(r);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc)
            break;
        assert_int_equal(rc, COX_ENOMEM);
    }
    cox_system_destroy(s);
    unlink(path);
}

static void test_from_system_file(void **state)
{
    (void)state;
    char path[256];
    struct cox_err err = COX_ERR_INIT;
    temporary(path, sizeof path, ".system.h5");
    struct cox_system *s = system_of_glycines(6, 1);
    for (int i = 0; i < s->n_atoms; i++)
        s->gb_radius_nm[i] = 0.15;
    for (int i = 0; i < s->n_bonds; i++)
        s->bonds[i].r0_nm = 0.13;
    s->solute_dielectric = 1;
    s->solvent_dielectric = 78.5;
    if (cox_system_save(s, path, &err))
        fail_msg("%s", err.text);
    struct cox_reference *r = load(s, path, 0);
    assert_int_equal(r->matched, s->n_atoms);
    assert_true(rmsd_A(s, r, "all") < 1e-6);
    cox_reference_destroy(r);
    cox_system_destroy(s);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bba),
        cmocka_unit_test(test_bba_models),
        cmocka_unit_test(test_bba_contacts),
        cmocka_unit_test(test_cln025),
        cmocka_unit_test(test_order_and_offset),
        cmocka_unit_test(test_missing_and_misfit),
        cmocka_unit_test(test_from_system_file),
        cmocka_unit_test(test_chains_and_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
