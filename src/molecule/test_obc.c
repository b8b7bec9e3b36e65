/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/obc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/digest.h"
#include "molecule/elements.h"

#define EXAMPLES COX_SOURCE_DIR "/examples/"

static struct cox_system *load(const char *path)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *s = NULL;
    if (cox_system_load(&s, path, &err))
        fail_msg("%s", err.text);
    return s;
}

struct expected {
    const char *residue, *atom;
    double openmm, mbondi2, scale;
};

/* The first column is what OpenMM 7.7's amber99_obc.xml gives these atoms' types; the second
 * follows Amber's rule: hydrogen on nitrogen 1.3 A, else 1.2, Bondi's radii for the rest. */
static const struct expected table[] = {
    {"TYR", "HH", 0.105, 0.12, 0.85},    {"TYR", "OH", 0.1535, 0.15, 0.85},
    {"TYR", "CZ", 0.1875, 0.17, 0.72},   {"TYR", "CB", 0.19, 0.17, 0.72},
    {"TYR", "O", 0.148, 0.15, 0.85},     {"ASP", "N", 0.1706, 0.155, 0.79},
    {"ASP", "H", 0.115, 0.13, 0.85},     {"ASP", "OD2", 0.148, 0.15, 0.85},
    {"ASP", "HA", 0.125, 0.12, 0.85},    {"LYS", "NZ", 0.1625, 0.155, 0.79},
    {"LYS", "HZ1", 0.115, 0.13, 0.85},   {"ARG", "NH1", 0.1706, 0.155, 0.79},
    {"THR", "OG1", 0.1535, 0.15, 0.85},  {"THR", "HG1", 0.105, 0.12, 0.85},
    {"TRP", "NE1", 0.1706, 0.155, 0.79}, {"TRP", "HE1", 0.115, 0.13, 0.85},
};

static int check_radii(const char *path)
{
    struct cox_system *s = load(path);
    int seen = 0;
    for (int scheme = 0; scheme < 2; scheme++) {
        assert_int_equal(cox_obc_assign(s, (enum cox_radii)scheme, NULL), COX_OK);
        for (int i = 0; i < s->n_atoms; i++)
            for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
                const struct expected *e = &table[k];
                /* The first residue's nitrogen is an ammonium. */
                if (strcmp(s->atom_name[i], e->atom) != 0 || s->residue[i] == 0 ||
                    strcmp(s->residue_name[s->residue[i]], e->residue) != 0)
                    continue;
                assert_true(s->gb_radius_nm[i] == (scheme ? e->mbondi2 : e->openmm));
                assert_true(s->gb_scale[i] == e->scale);
                seen |= 1 << k;
            }
    }
    /* N of the first residue: four neighbours. */
    assert_int_equal(cox_obc_assign(s, COX_RADII_AMBER99_OBC, NULL), COX_OK);
    assert_string_equal(s->atom_name[0], "N");
    assert_true(s->gb_radius_nm[0] == 0.1625);
    cox_system_destroy(s);
    return seen;
}

static void test_radii(void **state)
{
    (void)state;
    int seen = check_radii(EXAMPLES "chignolin/extended.system.h5");
    seen |= check_radii(EXAMPLES "bba/bba.system.h5");
    assert_int_equal(seen, (1 << (sizeof table / sizeof table[0])) - 1);
}

static void test_refusals(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    enum cox_radii radii;
    struct cox_system *s = load(EXAMPLES "alanine-dipeptide/alanine-dipeptide.system.h5");
    s->element[4] = 0;
    assert_int_equal(cox_obc_assign(s, COX_RADII_MBONDI2, &err), COX_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "atom 4 'C' is of an unknown element"));
    s->element[4] = 6;
    s->n_bonds = 0;
    assert_int_equal(cox_obc_assign(s, COX_RADII_MBONDI2, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "bonded to nothing"));
    cox_system_destroy(s);
    assert_int_equal(cox_radii_of_name("mbondi2", &radii, NULL), COX_OK);
    assert_int_equal(radii, COX_RADII_MBONDI2);
    assert_int_equal(cox_radii_of_name("bondi", &radii, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "'amber99-obc', 'mbondi2'"));
}

static void test_elements(void **state)
{
    (void)state;
    assert_int_equal(cox_element_of_name("CA"), 6);
    assert_int_equal(cox_element_of_name("1HB2"), 1);
    assert_int_equal(cox_element_of_name("OXT"), 8);
    assert_int_equal(cox_element_of_name("?"), 0);
    assert_int_equal(cox_element_of_symbol("ZN"), 30);
    assert_int_equal(cox_element_of_symbol(" C"), 6);
    assert_int_equal(cox_element_of_symbol(""), 0);
    assert_int_equal(cox_element_of_symbol("CAX"), 0);
    assert_int_equal(cox_element_of_mass(1.008), 1);
    assert_int_equal(cox_element_of_mass(12.01), 6);
    assert_int_equal(cox_element_of_mass(3.024), 0);
    assert_string_equal(cox_element_symbol(16), "S");
    assert_string_equal(cox_element_symbol(0), "?");
    assert_string_equal(cox_element_symbol(-1), "?");
    /* Every symbol and mass finds its own number; cobalt and nickel are 0.24 u apart. */
    for (int i = 1; i <= 54; i++) {
        assert_int_equal(cox_element_of_symbol(cox_element_symbol(i)), i);
        assert_int_equal(cox_element_of_mass(cox_element_mass(i)), i);
    }
}

/* FIPS 180-4's examples, and lengths around the block's. */
static void test_sha256(void **state)
{
    (void)state;
    char hex[65];
    cox_sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    cox_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cox_sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    char many[1000];
    memset(many, 'a', sizeof many);
    cox_sha256_hex(many, sizeof many, hex);
    assert_string_equal(hex, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_radii),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
