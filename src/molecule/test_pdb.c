/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/pdb.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "molecule/residues.h"
#include "molecule/test_damage.h"

#define GLY1                                                                           \
    "ATOM      1  N   GLY A   1      10.000  11.000 -12.500  1.00  0.00           N\n" \
    "ATOM      2  CA  GLY A   1      11.458  11.000 -12.500  1.00  0.00           C\n" \
    "ATOM      3  C   GLY A   1      12.000  12.400 -12.500  1.00  0.00           C\n" \
    "ATOM      4  O   GLY A   1      11.300  13.400 -12.500  1.00  0.00           O\n"
#define SER2                                                                           \
    "ATOM      5  N   SER A   2      13.300  12.500 -12.500  1.00  0.00           N\n" \
    "ATOM      6  CA  SER A   2      14.000  13.800 -12.500  1.00  0.00           C\n" \
    "ATOM      7  C   SER A   2      15.500  13.600 -12.500  1.00  0.00           C\n" \
    "ATOM      8  O   SER A   2      16.000  12.500 -12.500  1.00  0.00           O\n" \
    "ATOM      9  CB  SER A   2      13.600  14.600 -11.300  1.00  0.00           C\n" \
    "ATOM     10  OG  SER A   2      14.000  13.900 -10.100  1.00  0.00           O\n"

static struct cox_pdb *parse(const char *text, const struct cox_pdb_options *options)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_pdb *pdb = NULL;
    if (cox_pdb_parse(&pdb, text, strlen(text), "t.pdb", options, &err))
        fail_msg("refused: %s", err.text);
    return pdb;
}

static void refuse(const char *text, const struct cox_pdb_options *options, const char *words)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_pdb *pdb = NULL;
    uint64_t before = cox_mem_in_use();
    if (cox_pdb_parse(&pdb, text, strlen(text), "t.pdb", options, &err) == COX_OK)
        fail_msg("not refused: expected '%s'", words);
    assert_null(pdb);
    if (!strstr(err.text, words))
        fail_msg("'%s' lacks '%s'", err.text, words);
    assert_int_equal(cox_mem_in_use(), before);
}

static void test_plain(void **state)
{
    (void)state;
    struct cox_pdb *pdb =
        parse("HEADER\n" GLY1 SER2 "TER\nEND\nATOM  rubbish after the end\n", NULL);
    assert_int_equal(pdb->n_atoms, 10);
    assert_int_equal(pdb->n_residues, 2);
    assert_int_equal(pdb->n_models, 1);
    assert_int_equal(pdb->model, 1);
    assert_string_equal(pdb->residues[1].name, "SER");
    assert_string_equal(pdb->residues[1].chain, "A");
    assert_int_equal(pdb->residues[1].number, 2);
    assert_int_equal(pdb->residues[1].first, 4);
    assert_int_equal(pdb->residues[1].count, 6);
    assert_int_equal(pdb->residues[1].line, 6);
    assert_string_equal(pdb->atoms[1].name, "CA");
    assert_int_equal(pdb->atoms[1].element, 6);
    assert_int_equal(pdb->atoms[9].element, 8);
    assert_int_equal(pdb->atoms[9].line, 11);
    assert_true(fabs(pdb->atoms[0].position_nm[2] + 1.25) < 1e-12);
    assert_string_equal(pdb->notes, "");
    assert_int_equal(cox_pdb_check_complete(pdb, "t.pdb", NULL), COX_OK);
    cox_pdb_destroy(pdb);
}

/* Windows line ends, no element column, lower limit of the line's length, no final newline. */
static void test_lenient(void **state)
{
    (void)state;
    struct cox_pdb *pdb = parse("ATOM      1  N   ALA     1       1.000   2.000   3.000\r\n"
                                "ATOM      2  CA  ALA     1       2.000   2.000   3.000",
                                NULL);
    assert_int_equal(pdb->n_atoms, 2);
    assert_string_equal(pdb->residues[0].chain, "");
    assert_int_equal(pdb->atoms[1].element, 6);
    assert_true(pdb->atoms[1].occupancy == 1);
    cox_pdb_destroy(pdb);
}

static void test_models(void **state)
{
    (void)state;
    const char *text = "MODEL        3\n" GLY1 "ENDMDL\nMODEL        7\n" GLY1 SER2 "ENDMDL\nEND\n";
    struct cox_pdb_options options = COX_PDB_OPTIONS_INIT;
    struct cox_pdb *pdb = parse(text, NULL);
    assert_int_equal(pdb->n_models, 2);
    assert_int_equal(pdb->model, 3);
    assert_int_equal(pdb->n_atoms, 4);
    assert_non_null(strstr(pdb->notes, "2 models; model 3 was taken"));
    cox_pdb_destroy(pdb);
    options.model = 7;
    pdb = parse(text, &options);
    assert_int_equal(pdb->n_atoms, 10);
    assert_string_equal(pdb->notes, "");
    cox_pdb_destroy(pdb);
    options.model = 2;
    refuse(text, &options, "no model 2; the file has 2");
    refuse(GLY1, &options, "no model 2");
    refuse("MODEL        1\n" GLY1, NULL, "ends within model 1");
    refuse("MODEL        x\n" GLY1, NULL, "t.pdb:1");
    refuse("MODEL        1\nMODEL        2\n", NULL, "t.pdb:2");
    refuse("MODEL        1\nENDMDL\n" GLY1, NULL, "t.pdb:3: an atom stands between two models");
}

static void test_alternate_locations(void **state)
{
    (void)state;
    const char *head =
        "ATOM      1  N   SER A   2      13.300  12.500 -12.500  1.00  0.00           N\n"
        "ATOM      2  CA  SER A   2      14.000  13.800 -12.500  1.00  0.00           C\n";
    char text[1024];
    snprintf(text, sizeof text, "%s%s", head,
             "ATOM      3  CB ASER A   2       1.000   0.000   0.000  0.40  0.00           C\n"
             "ATOM      4  CB BSER A   2       2.000   0.000   0.000  0.60  0.00           C\n"
             "ATOM      5  OG ASER A   2       3.000   0.000   0.000  0.40  0.00           O\n"
             "ATOM      6  OG BSER A   2       4.000   0.000   0.000  0.60  0.00           O\n");
    struct cox_pdb *pdb = parse(text, NULL);
    assert_int_equal(pdb->n_residues, 1);
    assert_int_equal(pdb->n_atoms, 4);
    assert_true(fabs(pdb->atoms[2].position_nm[0] - 0.2) < 1e-12);
    assert_true(fabs(pdb->atoms[3].position_nm[0] - 0.4) < 1e-12);
    assert_non_null(strstr(pdb->notes, "t.pdb:1: residue SER A 2 has alternate locations; 'B'"));
    cox_pdb_destroy(pdb);

    /* Equal occupancies: the first. An atom with one location only is kept. */
    snprintf(text, sizeof text, "%s%s", head,
             "ATOM      3  CB ASER A   2       1.000   0.000   0.000  0.50  0.00           C\n"
             "ATOM      4  CB BSER A   2       2.000   0.000   0.000  0.50  0.00           C\n"
             "ATOM      5  OG BSER A   2       4.000   0.000   0.000  0.50  0.00           O\n");
    pdb = parse(text, NULL);
    assert_int_equal(pdb->n_atoms, 4);
    assert_true(fabs(pdb->atoms[2].position_nm[0] - 0.1) < 1e-12);
    assert_true(fabs(pdb->atoms[3].position_nm[0] - 0.4) < 1e-12);
    cox_pdb_destroy(pdb);

    /* Two kinds of residue at one place. */
    pdb = parse("ATOM      1  N  AGLY A   2      13.300  12.500 -12.500  0.30  0.00           N\n"
                "ATOM      2  CA AGLY A   2      14.000  13.800 -12.500  0.30  0.00           C\n"
                "ATOM      3  N  BALA A   2      13.300  12.500 -12.400  0.70  0.00           N\n"
                "ATOM      4  CA BALA A   2      14.000  13.800 -12.400  0.70  0.00           C\n"
                "ATOM      5  CB BALA A   2      15.000  13.800 -12.400  0.70  0.00           C\n",
                NULL);
    assert_int_equal(pdb->n_residues, 1);
    assert_string_equal(pdb->residues[0].name, "ALA");
    assert_int_equal(pdb->n_atoms, 3);
    cox_pdb_destroy(pdb);
}

static void test_insertion_codes(void **state)
{
    (void)state;
    struct cox_pdb *pdb =
        parse("ATOM      1  CA  GLY A  52      10.000  11.000 -12.500  1.00  0.00           C\n"
              "ATOM      2  CA  GLY A  52A     13.800  11.000 -12.500  1.00  0.00           C\n"
              "ATOM      3  CA  GLY A  53      17.600  11.000 -12.500  1.00  0.00           C\n",
              NULL);
    assert_int_equal(pdb->n_residues, 3);
    assert_int_equal(pdb->residues[1].insertion, 'A');
    assert_int_equal(pdb->residues[1].number, 52);
    cox_pdb_destroy(pdb);
}

static void test_chains_and_ter(void **state)
{
    (void)state;
    struct cox_pdb *pdb = parse(
        GLY1 "TER\n" SER2
             "ATOM     11  CA  ALA B   2      20.000  13.800 -12.500  1.00  0.00           C\n",
        NULL);
    assert_int_equal(pdb->n_residues, 3);
    assert_int_equal(pdb->residues[0].segment, 0);
    assert_int_equal(pdb->residues[1].segment, 1);
    assert_int_equal(pdb->residues[2].segment, 2);
    cox_pdb_destroy(pdb);
}

#define WATER "HETATM   90  O   HOH A 101       0.000   0.000   0.000  1.00  0.00           O\n"
#define LIGAND "HETATM   91  C1  LIG A 102       0.000   0.000   0.000  1.00  0.00           C\n"
#define XYZ "ATOM     92  C1  XYZ B 103B      0.000   0.000   0.000  1.00  0.00           C\n"
#define MSE                                                                            \
    "HETATM   93  N   MSE A   3       0.000   0.000   0.000  1.00  0.00           N\n" \
    "HETATM   94  CA  MSE A   3       1.000   0.000   0.000  1.00  0.00           C\n" \
    "HETATM   95  C   MSE A   3       2.000   0.000   0.000  1.00  0.00           C\n"

static void test_other_residues(void **state)
{
    (void)state;
    struct cox_pdb_options options = COX_PDB_OPTIONS_INIT;
    struct cox_pdb *pdb = parse(GLY1 WATER LIGAND, NULL);
    assert_int_equal(pdb->n_atoms, 4);
    assert_non_null(strstr(pdb->notes,
                           "2 residues of water, ions or ligands left out (the first is "
                           "HOH A 101, line 5)"));
    cox_pdb_destroy(pdb);
    refuse(WATER, NULL, "no protein among the 1 atoms");
    refuse(GLY1 XYZ, NULL, "1 unknown residue: XYZ B 103B (line 5)");
    /* A modified residue is part of the chain: dropping it would cut the chain. */
    refuse(GLY1 MSE XYZ, NULL, "2 unknown residues: MSE A 3 (line 5), XYZ B 103B (line 8)");
    options.any_residue = true;
    pdb = parse(GLY1 XYZ WATER, &options);
    assert_int_equal(pdb->n_residues, 2);
    cox_pdb_destroy(pdb);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("", NULL, "no ATOM records (the file is empty)");
    refuse("HEADER\nREMARK nothing\n", NULL, "no ATOM records");
    refuse(GLY1 "ATOM      5  N   SER A   2      13.300  12.5", NULL,
           "t.pdb:5: the line ends before its coordinates (is the file truncated?)");
    refuse("ATOM\n", NULL, "t.pdb:1");
    refuse("ATOM      1  N   GLY A   1      10.000  1x.000 -12.500  1.00  0.00\n", NULL,
           "t.pdb:1: the y coordinate is no number: '1x.000'");
    refuse("ATOM      1  N   GLY A   1         nan  11.000 -12.500  1.00  0.00\n", NULL,
           "the x coordinate is no number");
    refuse("ATOM      1  N   GLY A   1      10.000  11.000 -12.500  a.00  0.00\n", NULL,
           "the occupancy is no number");
    refuse("ATOM      1  N   GLY A   x      10.000  11.000 -12.500  1.00  0.00\n", NULL,
           "residue number is no whole number: 'x'");
    refuse("ATOM      1      GLY A   1      10.000  11.000 -12.500  1.00  0.00\n", NULL, "no name");
    refuse(GLY1 "ATOM      5  CA  GLY A   1      10.000  11.000 -12.500  1.00  0.00\n", NULL,
           "t.pdb:5: residue GLY A 1 has atom 'CA' twice (first in line 2)");
    refuse("data_1FME\n#\nloop_\n", NULL, "t.pdb:1: this is mmCIF");
    const char binary[] = "ATOM\0\1\2";
    struct cox_pdb *pdb = NULL;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_pdb_parse(&pdb, binary, sizeof binary, "b.pdb", NULL, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "no text file"));
    assert_int_equal(cox_pdb_read(&pdb, "/nowhere.pdb", NULL, &err), COX_ENOTFOUND);
}

static void test_missing_atoms(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    struct cox_pdb *pdb = parse(
        GLY1 "ATOM      5  N   SER A   2      13.300  12.500 -12.500  1.00  0.00           N\n"
             "ATOM      6  CA  SER A   2      14.000  13.800 -12.500  1.00  0.00           C\n"
             "ATOM      7  C   SER A   2      15.500  13.600 -12.500  1.00  0.00           C\n"
             "ATOM      8  CB  SER A   2      13.600  14.600 -11.300  1.00  0.00           C\n",
        NULL);
    assert_int_equal(cox_pdb_check_complete(pdb, "t.pdb", &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "1 residue with missing heavy atoms: SER A 2 (line 5) lacks "
                                     "O OG;"));
    cox_pdb_destroy(pdb);
}

static void test_charmm_names(void **state)
{
    (void)state;
    struct cox_pdb *pdb =
        parse("ATOM      1  HN  HSD P   1      10.000  11.000 -12.500  1.00  0.00      P    H\n"
              "ATOM      2  CD  ILE P   2      10.000  11.000 -12.500  1.00  0.00      P    C\n"
              "ATOM      3  CD  LYS P   3      10.000  11.000 -12.500  1.00  0.00      P    C\n"
              "ATOM      4  OT1 LYS P   3      10.000  11.000 -12.500  1.00  0.00      P    O\n"
              "ATOM      5  OT2 LYS P   3      10.000  11.000 -12.500  1.00  0.00      P    O\n",
              NULL);
    assert_int_equal(cox_pdb_rename_charmm(pdb, NULL), COX_OK);
    assert_string_equal(pdb->residues[0].name, "HID");
    assert_string_equal(pdb->atoms[0].name, "H");
    assert_string_equal(pdb->atoms[1].name, "CD1");
    assert_string_equal(pdb->atoms[2].name, "CD");
    assert_string_equal(pdb->atoms[3].name, "O");
    assert_string_equal(pdb->atoms[4].name, "OXT");
    assert_non_null(strstr(pdb->notes, "1 residues, 4 atoms"));
    cox_pdb_destroy(pdb);
}

/* What is written reads back the same, without hydrogens when asked so. */
static void test_format(void **state)
{
    (void)state;
    struct cox_str out;
    struct cox_pdb *pdb = parse(
        GLY1 "TER\n" SER2
             "ATOM     11  H   SER A   2      13.700  11.600 -12.500  1.00  0.00           H\n",
        NULL);
    cox_str_init(&out, 1 << 16);
    assert_int_equal(cox_pdb_format(pdb, true, &out, NULL), COX_OK);
    struct cox_pdb *again = parse(cox_str_text(&out), NULL);
    assert_int_equal(again->n_atoms, 10);
    assert_int_equal(again->residues[1].segment, 1);
    for (int i = 0; i < 10; i++) {
        assert_string_equal(again->atoms[i].name, pdb->atoms[i].name);
        for (int k = 0; k < 3; k++)
            assert_true(fabs(again->atoms[i].position_nm[k] - pdb->atoms[i].position_nm[k]) < 1e-9);
    }
    cox_pdb_destroy(again);
    pdb->atoms[3].position_nm[0] = 1e6;
    cox_str_deinit(&out);
    cox_str_init(&out, 1 << 16);
    assert_int_equal(cox_pdb_format(pdb, true, &out, NULL), COX_EUNSUPPORTED);
    cox_str_deinit(&out);
    cox_pdb_destroy(pdb);
}

static void test_residue_names(void **state)
{
    (void)state;
    assert_int_equal(cox_residue_letter("TRP"), 'W');
    assert_int_equal(cox_residue_letter("HSE"), 'H');
    assert_int_equal(cox_residue_letter("ACE"), 0);
    assert_int_equal(cox_residue_letter("LIG"), 'X');
    for (const char *c = "ACDEFGHIKLMNPQRSTVWY"; *c; c++)
        assert_int_equal(cox_residue_letter(cox_residue_of_letter(*c)), *c);
    assert_null(cox_residue_of_letter('B'));
}

/* Damaged files are read or refused, never more; sanitizers watch. */
static void test_damage(void **state)
{
    (void)state;
    static const char whole[] = "MODEL        1\n" GLY1 "TER\n" SER2 WATER MSE "ENDMDL\nEND\n";
    struct cox_rng rng;
    cox_rng_init(&rng, 20, 1);
    for (int round = 0; round < 3000; round++) {
        struct damaged d = damage(&rng, whole, sizeof whole - 1);
        struct cox_pdb_options options = {0, round % 3 == 0};
        struct cox_pdb *pdb = NULL;
        uint64_t before = cox_mem_in_use();
        if (!cox_pdb_parse(&pdb, d.text, d.length, "t", &options, NULL)) {
            int rc = cox_pdb_rename_charmm(pdb, NULL);
            rc |= cox_pdb_check_complete(pdb, "t", NULL);
            (void)rc;
        }
        cox_pdb_destroy(pdb);
        assert_int_equal(cox_mem_in_use(), before);
        cox_free(d.block);
    }
}

static void test_allocations_fail(void **state)
{
    (void)state;
    static const char text[] = "MODEL        3\n" GLY1 WATER "ENDMDL\nMODEL        4\nENDMDL\n";
    bool done = false;
    for (uint64_t n = 1; !done && n < 100; n++) {
        struct cox_pdb *pdb = NULL;
        uint64_t before = cox_mem_in_use();
        cox_mem_fail_at(n);
        done = cox_pdb_parse(&pdb, text, sizeof text - 1, "t", NULL, NULL) == COX_OK;
        cox_mem_fail_at(0);
        cox_pdb_destroy(pdb);
        assert_int_equal(cox_mem_in_use(), before);
        assert_false(done && n < 4);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),           cmocka_unit_test(test_lenient),
        cmocka_unit_test(test_models),          cmocka_unit_test(test_alternate_locations),
        cmocka_unit_test(test_insertion_codes), cmocka_unit_test(test_chains_and_ter),
        cmocka_unit_test(test_other_residues),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_missing_atoms),   cmocka_unit_test(test_charmm_names),
        cmocka_unit_test(test_format),          cmocka_unit_test(test_residue_names),
        cmocka_unit_test(test_damage),          cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
