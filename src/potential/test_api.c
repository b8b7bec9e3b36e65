/* SPDX-License-Identifier: BSD-3-Clause */
/* The public interface, held to the reference evaluator: with its own lists and a caller's, from
 * several threads, and with what it must refuse. */
#include "cox/potential.h"

#include "potential/test_models.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "potential/dp_file.h"
#include "potential/reference.h"

#define REACH 2 /* images to each side: 2 × 6 Å > the cutoff and an edge */
#define MOST_ALL (TEST_ATOMS * (2 * REACH + 1) * (2 * REACH + 1) * (2 * REACH + 1))
#define THREADS 4

static char path[300], path_fparam[300];
static struct test_atoms atoms;
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

struct numbers {
    struct cox_potential_result r;
    double force[TEST_ATOMS][3], atom_energy[TEST_ATOMS], atom_virial[TEST_ATOMS][9];
};

static void prepare(struct numbers *n)
{
    memset(n, 0xff, sizeof *n);
    n->r = (struct cox_potential_result)COX_POTENTIAL_RESULT_INIT;
    n->r.force_eV_A = n->force[0];
    n->r.atom_energy_eV = n->atom_energy;
    n->r.atom_virial_eV = n->atom_virial[0];
}

static struct cox_potential_atoms given(bool periodic)
{
    struct cox_potential_atoms a = COX_POTENTIAL_ATOMS_INIT;
    a.n = TEST_ATOMS;
    a.x_A = atoms.x[0];
    a.type = atoms.type;
    a.box_A = periodic ? atoms.box.h[0] : NULL;
    return a;
}

static void reference(struct numbers *out, bool periodic)
{
    struct cox_dp_model *m = test_model(false, 0);
    struct cox_neighbours list;
    const struct cox_box none = {.periodic = false};
    const struct cox_dp_atoms a = {TEST_ATOMS, TEST_ATOMS, atoms.type};
    prepare(out);
    struct cox_dp_result r = {
        .force = out->force, .atom_energy = out->atom_energy, .atom_virial = out->atom_virial};
    cox_neighbours_init(&list);
    CHECK(cox_neighbours_build(&list, TEST_ATOMS, (const double(*)[3])atoms.x, atoms.type, 2,
                               periodic ? &atoms.box : &none, cox_dp_cutoff(m), &failure));
    CHECK(cox_dp_reference(&r, m, &a, &list, NULL, &failure));
    out->r.energy_eV = r.energy;
    memcpy(out->r.virial_eV, r.virial, sizeof r.virial);
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(m);
}

static void same(const double *a, const double *b, int n, double tolerance)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= tolerance))
            fail_msg("%d: %.17g and %.17g differ by more than %g", i, a[i], b[i], tolerance);
}

/* Sums of some hundred terms of the order of 1 eV: 1e-11 in double precision. */
static void equal(const struct numbers *a, const struct numbers *b, double tolerance)
{
    same(&a->r.energy_eV, &b->r.energy_eV, 1, 100 * tolerance);
    same(a->r.virial_eV, b->r.virial_eV, 9, 10 * tolerance);
    same(a->force[0], b->force[0], 3 * TEST_ATOMS, tolerance);
    same(a->atom_energy, b->atom_energy, TEST_ATOMS, 10 * tolerance);
    same(a->atom_virial[0], b->atom_virial[0], 9 * TEST_ATOMS, tolerance);
    assert_true(a->r.left_out == b->r.left_out);
}

static struct cox_potential *opened(int precision, int threads)
{
    struct cox_potential_options options = COX_POTENTIAL_OPTIONS_INIT;
    struct cox_potential *p = NULL;
    options.precision = precision;
    options.threads = threads;
    CHECK(cox_potential_open(&p, path, &options, &failure));
    return p;
}

static void test_queries(void **state)
{
    (void)state;
    struct cox_potential *p = opened(COX_POTENTIAL_F64, 1);
    assert_int_equal(cox_potential_types(p), 2);
    assert_string_equal(cox_potential_type_name(p, 0), "O");
    assert_string_equal(cox_potential_type_name(p, 1), "H");
    assert_null(cox_potential_type_name(p, 2));
    assert_null(cox_potential_type_name(p, -1));
    assert_int_equal(cox_potential_type_of(p, "H"), 1);
    assert_int_equal(cox_potential_type_of(p, "He"), -1);
    assert_true(cox_potential_cutoff_A(p) == 4.0);
    assert_int_equal(cox_potential_frame_parameters(p), 0);
    cox_potential_close(p);
    cox_potential_close(NULL);
}

static void test_own_list(void **state)
{
    (void)state;
    struct numbers want, got;
    for (int periodic = 0; periodic < 2; periodic++)
        for (int threads = 0; threads < 4; threads++) {
            reference(&want, periodic);
            for (int precision = 0; precision < 2; precision++) {
                struct cox_potential *p = opened(precision, threads);
                const struct cox_potential_atoms a = given(periodic);
                prepare(&got);
                CHECK(cox_potential_compute(p, &got.r, &a, &failure));
                equal(&got, &want, precision ? 1e-4 : 1e-11);
                cox_potential_close(p);
            }
        }
}

/* ---- a caller's list ---- */

struct images {
    int n, origin[MOST_ALL], type[MOST_ALL], neighbour[TEST_ATOMS * MOST_ALL];
    double x[MOST_ALL][3], force[MOST_ALL][3], atom_virial[MOST_ALL][9];
    int64_t first[TEST_ATOMS + 1];
};

/* The atoms, then their images; neighbours up to `reach`. */
static void lay_out(struct images *m, double reach)
{
    const int side = 2 * REACH + 1;
    m->n = 0;
    for (int c = -1; c < side * side * side; c++)
        for (int i = 0; i < TEST_ATOMS; i++) {
            const int s[3] = {c / side / side - REACH, c / side % side - REACH, c % side - REACH};
            if (c >= 0 && !s[0] && !s[1] && !s[2])
                continue; /* the atoms themselves, which come first */
            for (int k = 0; k < 3; k++) {
                m->x[m->n][k] = atoms.x[i][k];
                for (int e = 0; e < 3 && c >= 0; e++)
                    m->x[m->n][k] += s[e] * atoms.box.h[e][k];
            }
            m->origin[m->n] = i;
            m->type[m->n++] = atoms.type[i];
        }
    int64_t at = 0;
    for (int i = 0; i < TEST_ATOMS; i++) {
        m->first[i] = at;
        for (int j = 0; j < m->n; j++) {
            double r2 = 0;
            for (int k = 0; k < 3; k++)
                r2 += (m->x[j][k] - m->x[i][k]) * (m->x[j][k] - m->x[i][k]);
            if (j != i && r2 <= reach * reach)
                m->neighbour[at++] = j;
        }
    }
    m->first[TEST_ATOMS] = at;
}

static void test_callers_list(void **state)
{
    (void)state;
    static struct images m;
    struct numbers want, got;
    reference(&want, true);
    for (int threads = 1; threads < 3; threads++)
        for (int skin = 0; skin < 2; skin++) {
            struct cox_potential *p = opened(COX_POTENTIAL_F64, threads);
            struct cox_potential_atoms a = COX_POTENTIAL_ATOMS_INIT;
            struct cox_potential_list list = COX_POTENTIAL_LIST_INIT;
            lay_out(&m, cox_potential_cutoff_A(p) + skin);
            a.n = m.n;
            a.x_A = m.x[0];
            a.type = m.type;
            list.n_centres = TEST_ATOMS;
            list.first = m.first;
            list.neighbour = m.neighbour;
            prepare(&got);
            got.r.force_eV_A = m.force[0];
            got.r.atom_virial_eV = m.atom_virial[0];
            CHECK(cox_potential_compute_with_list(p, &got.r, &a, &list, &failure));
            memset(got.force, 0, sizeof got.force);
            memset(got.atom_virial, 0, sizeof got.atom_virial);
            for (int j = 0; j < m.n; j++) {
                for (int k = 0; k < 3; k++)
                    got.force[m.origin[j]][k] += m.force[j][k];
                for (int k = 0; k < 9; k++)
                    got.atom_virial[m.origin[j]][k] += m.atom_virial[j][k];
            }
            equal(&got, &want, 1e-11);
            cox_potential_close(p);
        }
}

static void test_nobody(void **state)
{
    (void)state;
    struct cox_potential *p = opened(COX_POTENTIAL_F64, 1);
    struct cox_potential_atoms a = COX_POTENTIAL_ATOMS_INIT;
    struct cox_potential_list list = COX_POTENTIAL_LIST_INIT;
    struct cox_potential_result r = COX_POTENTIAL_RESULT_INIT;
    r.energy_eV = 1;
    CHECK(cox_potential_compute_with_list(p, &r, &a, &list, &failure));
    assert_true(r.energy_eV == 0);
    r.energy_eV = 1;
    CHECK(cox_potential_compute(p, &r, &a, &failure));
    assert_true(r.energy_eV == 0);
    /* ghosts alone, as on a process that has no atoms of its own for the moment */
    struct numbers got;
    a = given(false);
    prepare(&got);
    CHECK(cox_potential_compute_with_list(p, &got.r, &a, &list, &failure));
    for (int i = 0; i < TEST_ATOMS; i++)
        for (int k = 0; k < 9; k++)
            assert_true(got.force[i][k % 3] == 0 && got.atom_virial[i][k] == 0);
    cox_potential_close(p);
}

/* ---- threads ---- */

struct job {
    struct cox_potential *potential; /* NULL: one of its own */
    const struct numbers *want;
    int failed;
};

static void *calculate(void *user)
{
    struct job *job = user;
    struct cox_potential *p = job->potential;
    struct numbers got;
    const struct cox_potential_atoms a = given(true);
    int rc = p ? 0 : cox_potential_open(&p, path, NULL, NULL);
    for (int i = 0; !rc && i < 50; i++) {
        prepare(&got);
        rc = cox_potential_compute(p, &got.r, &a, NULL);
        if (!rc && (got.r.energy_eV != job->want->r.energy_eV ||
                    memcmp(got.force, job->want->force, sizeof got.force) ||
                    memcmp(got.atom_virial, job->want->atom_virial, sizeof got.atom_virial)))
            rc = 1;
    }
    if (!job->potential)
        cox_potential_close(p);
    job->failed = rc;
    return NULL;
}

/* To the same bits, whether they share a handle or not. */
static void test_threads(void **state)
{
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        struct cox_potential *p = opened(COX_POTENTIAL_F64, 1);
        struct numbers want;
        struct job job[THREADS];
        pthread_t thread[THREADS];
        const struct cox_potential_atoms a = given(true);
        prepare(&want);
        CHECK(cox_potential_compute(p, &want.r, &a, &failure));
        for (int i = 0; i < THREADS; i++) {
            job[i] = (struct job){shared ? p : NULL, &want, 0};
            assert_int_equal(pthread_create(&thread[i], NULL, calculate, &job[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(thread[i], NULL);
            assert_int_equal(job[i].failed, 0);
        }
        cox_potential_close(p);
    }
}

static void test_allocates_no_more(void **state)
{
    (void)state;
    struct cox_potential *p = opened(COX_POTENTIAL_F64, 1);
    struct numbers got;
    const struct cox_potential_atoms a = given(true);
    prepare(&got);
    CHECK(cox_potential_compute(p, &got.r, &a, &failure));
    const uint64_t before = cox_mem_allocations();
    for (int i = 0; i < 3; i++)
        CHECK(cox_potential_compute(p, &got.r, &a, &failure));
    assert_true(cox_mem_allocations() == before);
    cox_potential_close(p);
}

/* ---- what is refused ---- */

static void refused(struct cox_potential *p, const struct cox_potential_atoms *a,
                    const struct cox_potential_list *list, const char *why)
{
    struct cox_potential_result r = COX_POTENTIAL_RESULT_INIT;
    struct cox_err err = COX_ERR_INIT;
    int rc = list ? cox_potential_compute_with_list(p, &r, a, list, &err)
                  : cox_potential_compute(p, &r, a, &err);
    assert_int_equal(rc, COX_EINVAL);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static void test_refuses_atoms(void **state)
{
    (void)state;
    struct cox_potential *p = opened(COX_POTENTIAL_F64, 1);
    int type[TEST_ATOMS];
    double x[TEST_ATOMS][3];
    const double flat[9] = {5, 0, 0, 0, 5, 0, 5, 5, 0};
    struct cox_potential_atoms a = given(true);
    struct cox_potential_result r = COX_POTENTIAL_RESULT_INIT;
    a.size = 0;
    refused(p, &a, NULL, "struct cox_potential_atoms was not set up");
    a = given(true);
    r.size = 8;
    assert_int_equal(cox_potential_compute(p, &r, &a, &failure), COX_EINVAL);
    assert_non_null(strstr(failure.text, "struct cox_potential_result was not set up"));
    a.n = -1;
    refused(p, &a, NULL, "-1 atoms");
    a = given(true);
    a.type = NULL;
    refused(p, &a, NULL, "need x_A and type");
    memcpy(type, atoms.type, sizeof type);
    memcpy(x, atoms.x, sizeof x);
    a.type = type;
    a.x_A = x[0];
    type[5] = 2;
    refused(p, &a, NULL, "atom 5 is of type 2; the model has 0 … 1");
    type[5] = -1;
    refused(p, &a, NULL, "atom 5 is of type -1");
    type[5] = 0;
    x[7][1] = NAN;
    refused(p, &a, NULL, "atom 7: its y is not a number");
    memcpy(x[7], x[8], sizeof x[7]);
    refused(p, &a, NULL, "7");
    a = given(true);
    a.box_A = flat;
    refused(p, &a, NULL, "volume");
    cox_potential_close(p);
}

static void test_refuses_lists(void **state)
{
    (void)state;
    struct cox_potential *p = opened(COX_POTENTIAL_F64, 2);
    struct cox_potential_atoms a = given(false);
    struct cox_potential_list list = COX_POTENTIAL_LIST_INIT;
    int64_t first[3] = {0, 2, 3};
    int neighbour[3] = {1, 2, 0};
    double x[TEST_ATOMS][3];
    list.n_centres = 2;
    list.first = first;
    list.neighbour = neighbour;
    a = given(true);
    refused(p, &a, &list, "a box and a list");
    a = given(false);
    neighbour[1] = 0;
    refused(p, &a, &list, "atom 0 is among its own neighbours");
    neighbour[1] = TEST_ATOMS;
    refused(p, &a, &list, "a neighbour of atom 0 is atom 24, of 0 … 23");
    neighbour[1] = -1;
    refused(p, &a, &list, "is atom -1");
    neighbour[1] = 2;
    first[1] = 4;
    refused(p, &a, &list, "begin at 4 and end at 3");
    first[1] = 2;
    list.n_centres = TEST_ATOMS + 1;
    refused(p, &a, &list, "25 centres among 24 atoms");
    list.n_centres = 2;
    list.first = NULL;
    refused(p, &a, &list, "needs `first`");
    list.first = first;
    list.neighbour = NULL;
    refused(p, &a, &list, "needs `neighbour`");
    list.neighbour = neighbour;
    list.size = 1;
    refused(p, &a, &list, "struct cox_potential_list was not set up");
    list.size = sizeof list;
    memcpy(x, atoms.x, sizeof x);
    memcpy(x[2], x[0], sizeof x[2]);
    a.x_A = x[0];
    refused(p, &a, &list, "atoms 0 and 2 are closer than");
    cox_potential_close(p);
}

static void test_refuses_to_open(void **state)
{
    (void)state;
    struct cox_potential *p = NULL;
    struct cox_potential_options options = COX_POTENTIAL_OPTIONS_INIT;
    assert_int_equal(cox_potential_open(&p, "/nowhere/model.dp", NULL, &failure), COX_ENOTFOUND);
    assert_null(p);
    assert_non_null(strstr(failure.text, "/nowhere/model.dp"));
    options.precision = 7;
    assert_int_equal(cox_potential_open(&p, path, &options, &failure), COX_EINVAL);
    options = (struct cox_potential_options)COX_POTENTIAL_OPTIONS_INIT;
    options.threads = -1;
    assert_int_equal(cox_potential_open(&p, path, &options, &failure), COX_EINVAL);
    options = (struct cox_potential_options)COX_POTENTIAL_OPTIONS_INIT;
    options.size = 4;
    assert_int_equal(cox_potential_open(&p, path, &options, &failure), COX_EINVAL);
    const uint64_t before = cox_mem_in_use();
    int rc = COX_ENOMEM;
    for (uint64_t n = 1; rc; n++) {
        cox_mem_fail_at(n);
        rc = cox_potential_open(&p, path, NULL, &failure);
        cox_mem_fail_at(0);
        if (rc && rc != COX_ENOMEM)
            fail_msg("%llu: %d %s", (unsigned long long)n, rc, failure.text);
        if (rc)
            assert_int_equal(cox_mem_in_use(), before);
    }
    cox_potential_close(p);
    assert_int_equal(cox_mem_in_use(), before);
}

static void test_frame_parameters(void **state)
{
    (void)state;
    struct cox_potential *p = NULL;
    struct cox_potential_atoms a = given(true);
    struct numbers one, other;
    double parameters[2] = {0.1, -0.2};
    CHECK(cox_potential_open(&p, path_fparam, NULL, &failure));
    assert_int_equal(cox_potential_frame_parameters(p), 2);
    refused(p, &a, NULL, "needs 2 frame parameters");
    a.frame_parameters = parameters;
    prepare(&one);
    CHECK(cox_potential_compute(p, &one.r, &a, &failure));
    parameters[1] = 0.5;
    prepare(&other);
    CHECK(cox_potential_compute(p, &other.r, &a, &failure));
    assert_true(fabs(one.r.energy_eV - other.r.energy_eV) > 1e-6);
    parameters[1] = INFINITY;
    refused(p, &a, NULL, "frame parameter 1 is not a number");
    cox_potential_close(p);
}

static void write_model(int n_fparam, const char *to)
{
    struct cox_dp_model *m = test_model(false, n_fparam);
    CHECK(cox_dp_model_write(m, to, &failure));
    cox_dp_model_destroy(m);
}

static int setup(void **state)
{
    (void)state;
    const char *root = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(path, sizeof path, "%s/cox-api-%d.dp", root, (int)getpid());
    snprintf(path_fparam, sizeof path_fparam, "%s/cox-api-%d-f.dp", root, (int)getpid());
    test_atoms_make(&atoms, 3);
    write_model(0, path);
    write_model(2, path_fparam);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(path_fparam);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),         cmocka_unit_test(test_own_list),
        cmocka_unit_test(test_callers_list),    cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_threads),         cmocka_unit_test(test_allocates_no_more),
        cmocka_unit_test(test_refuses_atoms),   cmocka_unit_test(test_refuses_lists),
        cmocka_unit_test(test_refuses_to_open), cmocka_unit_test(test_frame_parameters),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
