/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/test_models.h"

#include "base/mem.h"
#include "kern/isa.h"
#include "potential/dp_file.h"
#include "potential/eval_kernels.h"
#include "potential/evaluate.h"

#define FOLDER COX_SOURCE_DIR "/tests/potential_oracles/"
#define IMAGES 27

struct answer {
    double energy, force[IMAGES * TEST_ATOMS][3], virial[3][3], atom_energy[IMAGES * TEST_ATOMS];
    double atom_virial[IMAGES * TEST_ATOMS][9];
    long long overflow;
};

static void by_reference(struct answer *out, const struct cox_dp_model *m,
                         const struct cox_dp_atoms *atoms, const struct cox_neighbours *list)
{
    static const double fparam[4] = {0.3, -0.7, 0.2, 0.1};
    struct cox_dp_result r = {
        .force = out->force, .atom_energy = out->atom_energy, .atom_virial = out->atom_virial};
    struct cox_err err = COX_ERR_INIT;
    if (cox_dp_reference(&r, m, atoms, list, fparam, &err))
        fail_msg("%s", err.text);
    out->energy = r.energy;
    out->overflow = r.overflow;
    memcpy(out->virial, r.virial, sizeof r.virial);
}

static void by_eval(struct answer *out, struct cox_dp_eval *e, const struct cox_dp_atoms *atoms,
                    const struct cox_neighbours *list)
{
    static const double fparam[4] = {0.3, -0.7, 0.2, 0.1};
    struct cox_dp_result r = {
        .force = out->force, .atom_energy = out->atom_energy, .atom_virial = out->atom_virial};
    struct cox_err err = COX_ERR_INIT;
    if (cox_dp_eval_compute(e, &r, atoms, list, fparam, &err))
        fail_msg("%s", err.text);
    out->energy = r.energy;
    out->overflow = r.overflow;
    memcpy(out->virial, r.virial, sizeof r.virial);
}

static void build_for(struct cox_neighbours *list, const struct test_atoms *t, int n_types,
                      double cutoff)
{
    cox_neighbours_init(list);
    assert_int_equal(cox_neighbours_build(list, TEST_ATOMS, (const double(*)[3])t->x, t->type,
                                          n_types, &t->box, cutoff, NULL),
                     0);
}

static void build(struct cox_neighbours *list, const struct test_atoms *t, double cutoff)
{
    build_for(list, t, 2, cutoff);
}

static void near(double a, double b, double tolerance, const char *what, const char *name)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%s, %s: %.15g instead of %.15g", name, what, a, b);
}

static void same(const struct answer *a, const struct answer *b, int n, int n_all, double tolerance,
                 const char *name)
{
    near(a->energy, b->energy, tolerance * n, "energy", name);
    assert_true(a->overflow == b->overflow);
    for (int i = 0; i < n; i++)
        near(a->atom_energy[i], b->atom_energy[i], tolerance, "atom's energy", name);
    for (int i = 0; i < n_all; i++) {
        for (int k = 0; k < 3; k++)
            near(a->force[i][k], b->force[i][k], tolerance, "force", name);
        for (int k = 0; k < 9; k++)
            near(a->atom_virial[i][k], b->atom_virial[i][k], 4 * tolerance, "atom's virial", name);
    }
    for (int k = 0; k < 9; k++)
        near(a->virial[k / 3][k % 3], b->virial[k / 3][k % 3], 4 * tolerance, "virial", name);
}

/* Rounding to bfloat16 is 2^-9 of each factor, 2e-3, of sums of some ten terms of order one. */
#define HALF_TOLERANCE 3e-2

static double largest_error(const struct answer *a, const struct answer *b, int n, int n_all)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs(a->atom_energy[i] - b->atom_energy[i]));
    for (int i = 0; i < 3 * n_all; i++)
        most = fmax(most, fabs(a->force[i / 3][i % 3] - b->force[i / 3][i % 3]));
    return most;
}

/* Precisions and numbers of threads, each twice: the second time allocates nothing and gives the
 * same bits. */
static void hold(const struct cox_dp_model *m, const struct cox_dp_atoms *atoms,
                 const struct cox_neighbours *list, double exact, double single, const char *name)
{
    static struct answer wanted, got, again;
    memset(&wanted, 0, sizeof wanted);
    by_reference(&wanted, m, atoms, list);
    for (int threads = 1; threads <= 3; threads += 2)
        for (int precision = COX_DP_F64; precision <= COX_DP_MIX16; precision++) {
            const double tolerance = precision == COX_DP_F64   ? exact
                                     : precision == COX_DP_F32 ? single
                                                               : HALF_TOLERANCE;
            struct cox_team *team = NULL;
            struct cox_dp_eval *e = NULL;
            memset(&got, 0, sizeof got);
            memset(&again, 0, sizeof again);
            assert_int_equal(cox_team_create(&team, threads, NULL), 0);
            assert_int_equal(
                cox_dp_eval_create(&e, m, (enum cox_dp_precision)precision, team, NULL), 0);
            by_eval(&got, e, atoms, list);
            same(&got, &wanted, atoms->n, atoms->n_all, tolerance, name);
            if (precision == COX_DP_MIX16) /* and it is rounded indeed */
                assert_true(largest_error(&got, &wanted, atoms->n, atoms->n_all) > 1e-5);
            uint64_t before = cox_mem_allocations();
            by_eval(&again, e, atoms, list);
            assert_true(cox_mem_allocations() == before);
            assert_memory_equal(&got, &again, sizeof got);
            cox_dp_eval_destroy(e);
            cox_team_destroy(team);
        }
}

/* Double: rounding of sums of some hundred terms of size 1, and of tanh (1e-16 each). Float: its
 * rounding is 6e-8; energies of about 10 eV and sums over 40 neighbours leave some 1e-5. */
static void it_agrees_with_the_reference(void **state)
{
    (void)state;
    static const char *const names[] = {"one-sided", "two-sided", "few slots", "excluded pair"};
    for (int kind = 0; kind < 4; kind++) {
        struct cox_dp_model *m = test_model(kind != 1, 2);
        struct cox_neighbours list;
        struct test_atoms t;
        if (kind == 2) {
            m->descriptor[0].sel[0] = 7;
            m->descriptor[0].sel[1] = 12;
            m->descriptor[0].n_slots = 19;
        }
        if (kind == 3)
            m->descriptor[0].exclude[0][0] = COX_DP_EXCLUDE_SECTION;
        test_atoms_make(&t, 3 + (uint64_t)kind);
        build(&list, &t, m->descriptor[0].rcut);
        const struct cox_dp_atoms atoms = {TEST_ATOMS, TEST_ATOMS, t.type};
        hold(m, &atoms, &list, 2e-12, 2e-5, names[kind]);
        m->tables.stride = -1; /* the nets themselves */
        hold(m, &atoms, &list, 1e-12, 2e-5, names[kind]);
        cox_neighbours_deinit(&list);
        cox_dp_model_destroy(m);
    }
}

/* Every kind of model that is read: hybrids, se_e2_r, excluded types in their three ways, frame
 * parameters. Their atoms are two types in boxes and alone; here 24 of them. */
static void models_of_every_kind(void **state)
{
    (void)state;
    static const char *const files[] = {"se_a.dp",
                                        "se_a_two_sided.dp",
                                        "se_r.dp",
                                        "hybrid.dp",
                                        "hybrid.pb",
                                        "hybrid_two_cutoffs.yaml",
                                        "se_a_exclude.pb",
                                        "se_a_exclude.yaml",
                                        "se_a_exclude_two_sided.yaml",
                                        "se_a_exclude_zero.yaml",
                                        "se_a_few_slots.pb",
                                        "se_a_pair_exclude.yaml",
                                        "se_r_exclude.pb",
                                        "se_r_exclude.yaml",
                                        "se_a_fparam.yaml"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct cox_err err = COX_ERR_INIT;
        struct cox_dp_model *m = NULL;
        struct cox_neighbours list;
        struct test_atoms t;
        char path[512];
        snprintf(path, sizeof path, "%s%s", FOLDER, files[i]);
        if (cox_dp_model_read(&m, path, &err))
            fail_msg("%s", err.text);
        test_atoms_make(&t, 40 + i);
        build_for(&list, &t, m->n_types, cox_dp_cutoff(m));
        const struct cox_dp_atoms atoms = {TEST_ATOMS, TEST_ATOMS, t.type};
        hold(m, &atoms, &list, 1e-11, 1e-4, files[i]);
        m->tables.stride = -1; /* the nets, where tables were before */
        hold(m, &atoms, &list, 1e-11, 1e-4, files[i]);
        m->tables = (struct cox_dp_tables){.stride = 0.2, .nearest_A = 1.2, .error = 1e-7};
        hold(m, &atoms, &list, 1e-6, 1e-4, files[i]);
        cox_neighbours_deinit(&list);
        cox_dp_model_destroy(m);
    }
}

/* A list that was built with a skin gives what one without does. */
static void far_neighbours_count_for_nothing(void **state)
{
    (void)state;
    static struct answer wanted, got;
    struct cox_dp_model *m = test_model(true, 0);
    struct cox_dp_eval *e = NULL;
    struct cox_neighbours list, wide;
    struct test_atoms t;
    test_atoms_make(&t, 8);
    build(&list, &t, m->descriptor[0].rcut);
    build(&wide, &t, m->descriptor[0].rcut + 1.5);
    assert_true(wide.total > list.total + 100);
    const struct cox_dp_atoms atoms = {TEST_ATOMS, TEST_ATOMS, t.type};
    assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, NULL, NULL), 0);
    by_eval(&wanted, e, &atoms, &list);
    by_eval(&got, e, &atoms, &wide);
    same(&got, &wanted, TEST_ATOMS, TEST_ATOMS, 1e-12, "with a skin");
    cox_dp_eval_destroy(e);
    cox_neighbours_deinit(&list);
    cox_neighbours_deinit(&wide);
    cox_dp_model_destroy(m);
}

/* A periodic cell as its atoms and their images as atoms of their own: a caller's ghosts. Folded
 * back, the forces are those of the cell. The box is smaller than the cutoff is wide, so that 27
 * images hold all neighbours only with this shorter cutoff. */
static void ghosts(void **state)
{
    (void)state;
    static struct answer wanted, got, folded;
    static double x[IMAGES * TEST_ATOMS][3];
    static int type[IMAGES * TEST_ATOMS];
    struct cox_dp_model *m = test_model(false, 0);
    struct cox_dp_eval *e = NULL;
    struct cox_neighbours list, all;
    struct test_atoms t;
    const double cutoff = m->descriptor[0].rcut;
    test_atoms_make(&t, 9);
    build(&list, &t, cutoff);
    for (int s = 0; s < IMAGES; s++)
        for (int i = 0; i < TEST_ATOMS; i++) {
            const int by[3] = {(s + 1) % 3 - 1, (s / 3 + 1) % 3 - 1, (s / 9 + 1) % 3 - 1};
            type[s * TEST_ATOMS + i] = t.type[i];
            for (int k = 0; k < 3; k++)
                x[s * TEST_ATOMS + i][k] = t.x[i][k] + by[0] * t.box.h[0][k] +
                                           by[1] * t.box.h[1][k] + by[2] * t.box.h[2][k];
        }
    cox_neighbours_init(&all);
    assert_int_equal(cox_neighbours_build(&all, IMAGES * TEST_ATOMS, (const double(*)[3])x, type, 2,
                                          NULL, cutoff, NULL),
                     0);
    int64_t seen = all.start[(int64_t)TEST_ATOMS * 3]; /* the first atoms come first */
    assert_true(seen == list.total);
    all.n = TEST_ATOMS;
    const struct cox_dp_atoms cell = {TEST_ATOMS, TEST_ATOMS, t.type};
    const struct cox_dp_atoms cut = {TEST_ATOMS, IMAGES * TEST_ATOMS, type};
    assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, NULL, NULL), 0);
    by_eval(&wanted, e, &cell, &list);
    by_eval(&got, e, &cut, &all);
    memcpy(&folded, &got, sizeof folded);
    for (int i = TEST_ATOMS; i < IMAGES * TEST_ATOMS; i++) {
        for (int k = 0; k < 3; k++)
            folded.force[i % TEST_ATOMS][k] += got.force[i][k];
        for (int k = 0; k < 9; k++)
            folded.atom_virial[i % TEST_ATOMS][k] += got.atom_virial[i][k];
    }
    same(&folded, &wanted, TEST_ATOMS, TEST_ATOMS, 1e-12, "folded");
    cox_dp_eval_destroy(e);
    cox_neighbours_deinit(&list);
    cox_neighbours_deinit(&all);
    cox_dp_model_destroy(m);
}

/* More atoms than a block or a share takes: 4³ cells give 64 times the energy, and to each image
 * the forces of its atom, however many threads look for neighbours and evaluate. */
static void many_atoms(void **state)
{
    (void)state;
    enum { COPIES = 4, N = COPIES * COPIES * COPIES * TEST_ATOMS };
    static struct answer small;
    static double x[N][3], force[N][3];
    static int type[N];
    struct cox_dp_model *m = test_model(true, 0);
    struct cox_neighbours list, large;
    struct test_atoms t;
    struct cox_box box = {.periodic = true};
    struct cox_dp_eval *e = NULL;
    test_atoms_make(&t, 10);
    build(&list, &t, m->descriptor[0].rcut);
    assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, NULL, NULL), 0);
    const struct cox_dp_atoms cell = {TEST_ATOMS, TEST_ATOMS, t.type};
    by_eval(&small, e, &cell, &list);
    cox_dp_eval_destroy(e);
    for (int k = 0; k < 9; k++)
        box.h[k / 3][k % 3] = COPIES * t.box.h[k / 3][k % 3];
    for (int i = 0; i < N; i++) {
        const int s = i / TEST_ATOMS,
                  by[3] = {s % COPIES, s / COPIES % COPIES, s / COPIES / COPIES};
        type[i] = t.type[i % TEST_ATOMS];
        for (int k = 0; k < 3; k++)
            x[i][k] = t.x[i % TEST_ATOMS][k] + by[0] * t.box.h[0][k] + by[1] * t.box.h[1][k] +
                      by[2] * t.box.h[2][k];
    }
    for (int threads = 1; threads <= 3; threads++) {
        struct cox_team *team = NULL;
        assert_int_equal(cox_team_create(&team, threads, NULL), 0);
        cox_neighbours_init(&large);
        large.team = team;
        assert_int_equal(cox_neighbours_build(&large, N, (const double(*)[3])x, type, 2, &box,
                                              m->descriptor[0].rcut, NULL),
                         0);
        assert_true(large.total == N / TEST_ATOMS * list.total);
        assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, team, NULL), 0);
        struct cox_dp_result r = {.force = force}; /* atoms' energies are not asked for */
        const struct cox_dp_atoms atoms = {N, N, type};
        assert_int_equal(cox_dp_eval_compute(e, &r, &atoms, &large, NULL, NULL), 0);
        near(r.energy, N / TEST_ATOMS * small.energy, 1e-9, "energy", "64 cells");
        for (int i = 0; i < N; i++)
            for (int k = 0; k < 3; k++)
                near(force[i][k], small.force[i % TEST_ATOMS][k], 1e-11, "force", "64 cells");
        cox_dp_eval_destroy(e);
        cox_neighbours_deinit(&large);
        cox_team_destroy(team);
    }
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(m);
}

/* Atoms may come and go: memory grows once. */
static void memory_stays_flat(void **state)
{
    (void)state;
    static struct answer got;
    struct cox_dp_model *m = test_model(true, 0);
    struct cox_dp_eval *e = NULL;
    struct cox_neighbours list;
    struct test_atoms t;
    uint64_t allocations = 0, bytes = 0;
    test_atoms_make(&t, 12);
    cox_neighbours_init(&list);
    assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, NULL, NULL), 0);
    for (int step = 0; step < 300; step++) {
        const int n = step % 3 ? TEST_ATOMS - step % 5 : TEST_ATOMS;
        const struct cox_dp_atoms atoms = {n, n, t.type};
        t.x[step % TEST_ATOMS][step % 3] += step % 2 ? 0.01 : -0.01;
        assert_int_equal(cox_neighbours_build(&list, n, (const double(*)[3])t.x, t.type, 2, &t.box,
                                              m->descriptor[0].rcut, NULL),
                         0);
        by_eval(&got, e, &atoms, &list);
        if (step == 20) {
            allocations = cox_mem_allocations();
            bytes = cox_mem_in_use();
        }
    }
    assert_true(cox_mem_allocations() == allocations);
    assert_true(cox_mem_in_use() == bytes);
    cox_dp_eval_destroy(e);
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(m);
}

/* Whichever allocation fails, it is said and nothing is lost. */
static void out_of_memory(void **state)
{
    (void)state;
    static struct answer got;
    struct cox_dp_model *m = test_model(false, 0);
    struct cox_neighbours list;
    struct test_atoms t;
    bool done = false;
    test_atoms_make(&t, 13);
    build(&list, &t, m->descriptor[0].rcut);
    m->tables = (struct cox_dp_tables){.stride = 0.1, .nearest_A = 1};
    const struct cox_dp_atoms atoms = {TEST_ATOMS, TEST_ATOMS, t.type};
    for (uint64_t at = 1; !done; at++) {
        struct cox_err err = COX_ERR_INIT;
        struct cox_dp_eval *e = NULL;
        struct cox_dp_result r = {.force = got.force, .atom_virial = got.atom_virial};
        const uint64_t before = cox_mem_in_use();
        cox_mem_fail_at(at);
        int rc = cox_dp_eval_create(&e, m, COX_DP_F64, NULL, &err);
        if (!rc)
            rc = cox_dp_eval_compute(e, &r, &atoms, &list, NULL, &err);
        cox_mem_fail_at(0);
        done = rc == COX_OK;
        assert_true(done || (rc == COX_ENOMEM && err.text[0]));
        cox_dp_eval_destroy(e);
        assert_true(cox_mem_in_use() == before);
        assert_true(at < 5000);
    }
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(m);
}

/* Against libm: double within 4 units in the last place, float within 4. */
static void tanh_is_exact_enough(void **state)
{
    (void)state;
    const struct cox_dp_kernels *d = cox_dp_kernels_f64(), *f = cox_dp_kernels_f32();
    double x[64], y[64];
    float xf[64], yf[64];
    double worst = 0, worst_f = 0;
    for (int block = -400; block < 400; block++) {
        for (int i = 0; i < 64; i++) {
            x[i] = (block + i / 64.0) / 16.0 * (block % 7 ? 1 : 1e-3);
            xf[i] = (float)x[i];
        }
        d->tanh(64, x, y);
        f->tanh(64, xf, yf);
        for (int i = 0; i < 64; i++) {
            double want = tanh(x[i]), want_f = tanh((double)xf[i]);
            if (want != 0)
                worst = fmax(worst, fabs(y[i] / want - 1) / 2.2e-16);
            if (want_f != 0)
                worst_f = fmax(worst_f, fabs((double)yf[i] / want_f - 1) / 1.2e-7);
        }
    }
    print_message("tanh: %.2f units in the last place in double, %.2f in float\n", worst, worst_f);
    assert_true(worst < 4 && worst_f < 4);
    x[0] = (double)NAN;
    x[1] = (double)INFINITY;
    x[2] = -(double)INFINITY;
    x[3] = -0.0;
    d->tanh(8, x, y);
    assert_true(isnan(y[0]) && y[1] == 1 && y[2] == -1 && y[3] == 0 && signbit(y[3]));
}

static void precisions_have_names(void **state)
{
    (void)state;
    enum cox_dp_precision p = COX_DP_F64;
    struct cox_err err = COX_ERR_INIT;
    assert_true(!cox_dp_precision_parse(&p, "mix16", NULL) && p == COX_DP_MIX16);
    assert_true(!cox_dp_precision_parse(&p, "float32", NULL) && p == COX_DP_F32);
    assert_true(!cox_dp_precision_parse(&p, "float64", NULL) && p == COX_DP_F64);
    assert_true(cox_dp_precision_parse(&p, "float16", &err) == COX_EINVAL);
    assert_non_null(strstr(err.text, "'float16'"));
}

/* A list made for other atoms, or another number of types, is refused before anything is read. */
static void foreign_lists(void **state)
{
    (void)state;
    static struct answer got;
    struct cox_dp_model *m = test_model(true, 0);
    struct cox_dp_eval *e = NULL;
    struct cox_neighbours list;
    struct test_atoms t;
    test_atoms_make(&t, 14);
    build_for(&list, &t, 3, m->descriptor[0].rcut);
    struct cox_dp_result r = {.force = got.force};
    const struct cox_dp_atoms atoms = {TEST_ATOMS, TEST_ATOMS, t.type};
    const struct cox_dp_atoms more = {TEST_ATOMS + 1, TEST_ATOMS + 1, t.type};
    assert_int_equal(cox_dp_eval_create(&e, m, COX_DP_F64, NULL, NULL), 0);
    assert_true(cox_dp_eval_compute(e, &r, &atoms, &list, NULL, NULL) == COX_EINVAL);
    cox_neighbours_deinit(&list);
    build(&list, &t, m->descriptor[0].rcut);
    assert_true(cox_dp_eval_compute(e, &r, &more, &list, NULL, NULL) == COX_EINVAL);
    assert_int_equal(cox_dp_eval_compute(e, &r, &atoms, &list, NULL, NULL), 0);
    cox_dp_eval_destroy(e);
    cox_neighbours_deinit(&list);
    cox_dp_model_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tanh_is_exact_enough),
        cmocka_unit_test(it_agrees_with_the_reference),
        cmocka_unit_test(models_of_every_kind),
        cmocka_unit_test(far_neighbours_count_for_nothing),
        cmocka_unit_test(ghosts),
        cmocka_unit_test(many_atoms),
        cmocka_unit_test(memory_stays_flat),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(precisions_have_names),
        cmocka_unit_test(foreign_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
