/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference evaluator and the readers against DeePMD-kit 3.2.0: models of every kind, in a
 * skewed box smaller than twice the cutoff and without periodicity. tests/potential_oracles has the
 * models, the numbers and the script that made both. */
#include "potential/test_models.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "potential/dp_file.h"
#include "potential/reference.h"

#define FOLDER COX_SOURCE_DIR "/tests/potential_oracles/"
#define MAX_ATOMS 16

struct oracle {
    char model[64];
    int n, n_fparam;
    bool atom_virials; /* known */
    int type[MAX_ATOMS];
    struct cox_box box;
    double x[MAX_ATOMS][3], fparam[4];
    double energy, force[MAX_ATOMS][3], virial[9], atom_energy[MAX_ATOMS];
    double atom_virial[MAX_ATOMS][9];
};

/* The numbers of a line behind its name; how many. */
static int numbers(const char *line, double *out, int most)
{
    int n = 0;
    for (;;) {
        char *end;
        double value = strtod(line, &end);
        if (end == line)
            return n;
        assert_true(n < most);
        out[n++] = value;
        line = end;
    }
}

static bool begins(const char *line, const char *name, const char **rest)
{
    size_t n = strlen(name);
    *rest = line + n;
    return !strncmp(line, name, n) && (line[n] == ' ' || line[n] == '\n');
}

/* The next oracle; false at the end. Ends with its last line, atom_virial. */
static bool next(FILE *f, struct oracle *o)
{
    static char line[8192];
    const char *rest;
    double v[MAX_ATOMS * 9];
    while (fgets(line, sizeof line, f)) {
        if (begins(line, "model", &rest))
            snprintf(o->model, sizeof o->model, "%.*s", (int)strcspn(rest + 1, "\n"), rest + 1);
        else if (begins(line, "periodic", &rest))
            o->box.periodic = numbers(rest, v, 1) && v[0] > 0;
        else if (begins(line, "atoms", &rest))
            o->n = numbers(rest, v, 1) ? (int)v[0] : 0;
        else if (begins(line, "n_fparam", &rest))
            o->n_fparam = numbers(rest, v, 1) ? (int)v[0] : 0;
        else if (begins(line, "type", &rest))
            for (int n = numbers(rest, v, MAX_ATOMS), i = 0; i < n; i++)
                o->type[i] = (int)v[i];
        else if (begins(line, "x", &rest))
            assert_int_equal(numbers(rest, &o->x[0][0], 3 * o->n), 3 * o->n);
        else if (begins(line, "box", &rest))
            assert_int_equal(numbers(rest, &o->box.h[0][0], 9), 9);
        else if (begins(line, "fparam", &rest))
            assert_int_equal(numbers(rest, o->fparam, 4), o->n_fparam);
        else if (begins(line, "energy", &rest))
            assert_int_equal(numbers(rest, &o->energy, 1), 1);
        else if (begins(line, "force", &rest))
            assert_int_equal(numbers(rest, &o->force[0][0], 3 * o->n), 3 * o->n);
        else if (begins(line, "virial", &rest))
            assert_int_equal(numbers(rest, o->virial, 9), 9);
        else if (begins(line, "atom_energy", &rest))
            o->atom_virials = numbers(rest, o->atom_energy, o->n) == o->n;
        else if (begins(line, "atom_virial", &rest)) {
            assert_int_equal(numbers(rest, &o->atom_virial[0][0], 9 * o->n),
                             o->atom_virials ? 9 * o->n : 0);
            return true;
        }
    }
    return false;
}

static void near(const struct oracle *o, double got, double wanted, double tolerance,
                 const char *what)
{
    if (!(fabs(got - wanted) <= tolerance))
        fail_msg("%s, %s, %s: %.15g instead of %.15g (tolerance %g)", o->model,
                 o->box.periodic ? "in a box" : "alone", what, got, wanted, tolerance);
}

static void compare(const struct oracle *o, const struct cox_dp_model *m)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_neighbours list;
    double force[MAX_ATOMS][3], atom_energy[MAX_ATOMS], atom_virial[MAX_ATOMS][9];
    struct cox_dp_result r = {
        .force = force, .atom_energy = atom_energy, .atom_virial = atom_virial};
    /* both sum the same few thousand products in double, in another order: 1e-13 of the energy of
     * 1e2; their derivatives alike. The float32 model's nets are float in DeePMD-kit: 6e-8 of
     * activations of order one. Differences of energies are good to 1e-8 */
    double tolerance = strstr(o->model, "float32")     ? 3e-6
                       : strstr(o->model, "atom_ener") ? 1e-7
                                                       : 1e-11;
    cox_neighbours_init(&list);
    if (cox_neighbours_build(&list, o->n, o->x, o->type, m->n_types,
                             o->box.periodic ? &o->box : NULL, cox_dp_cutoff(m), &err) ||
        cox_dp_reference(&r, m, &(struct cox_dp_atoms){o->n, o->n, o->type}, &list, o->fparam,
                         &err))
        fail_msg("%s: %s", o->model, err.text);
    near(o, r.energy, o->energy, strstr(o->model, "float32") ? 1e-5 : 1e-10, "energy");
    for (int k = 0; k < 9; k++)
        near(o, r.virial[k / 3][k % 3], o->virial[k], 10 * tolerance, "virial");
    for (int i = 0; i < o->n; i++) {
        for (int k = 0; k < 3; k++)
            near(o, force[i][k], o->force[i][k], tolerance, "force");
        if (o->atom_virials)
            near(o, atom_energy[i], o->atom_energy[i], tolerance, "energy of an atom");
        for (int k = 0; o->atom_virials && k < 9; k++)
            near(o, atom_virial[i][k], o->atom_virial[i][k], 10 * tolerance, "virial of an atom");
    }
    cox_neighbours_deinit(&list);
}

/* All oracles of a file; how many. */
static int check_all(const char *list)
{
    FILE *f = fopen(list, "r");
    struct oracle *o = cox_alloc(1, sizeof *o);
    int n = 0;
    assert_non_null(f);
    assert_non_null(o);
    for (; next(f, o); n++) {
        char path[256];
        char copy[] = "/tmp/cox-test-XXXXXX";
        struct cox_err err = COX_ERR_INIT;
        struct cox_dp_model *m = NULL;
        struct cox_dp_model *again = NULL;
        int fd = mkstemp(copy);
        assert_true(fd >= 0);
        close(fd);
        snprintf(path, sizeof path, FOLDER "%s", o->model);
        if (cox_dp_model_read(&m, path, &err))
            fail_msg("%s", err.text);
        compare(o, m);
        /* what is written is the same potential, whatever the file is called */
        if (cox_dp_model_write(m, copy, &err) || cox_dp_model_read(&again, copy, &err))
            fail_msg("%s", err.text);
        compare(o, again);
        unlink(copy);
        cox_dp_model_destroy(again);
        cox_dp_model_destroy(m);
    }
    fclose(f);
    cox_free(o);
    return n;
}

static void what_deepmd_kit_says(void **state)
{
    (void)state;
    assert_int_equal(check_all(FOLDER "oracles.txt"), 26);
}

/* TensorFlow's backend: other answers where types are excluded, its own way to fill too few slots.
 */
static void what_its_graphs_say(void **state)
{
    (void)state;
    assert_int_equal(check_all(FOLDER "graphs.txt"), 18);
}

/* Whichever allocation fails, the reader and the writer say so and leave nothing behind. */
static void memory_that_runs_out(void **state)
{
    (void)state;
    static const char *const names[] = {"hybrid.dp", "se_a_pair_exclude.yaml", "se_a_exclude.pb"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, FOLDER "%s", names[i]);
        uint64_t before = cox_mem_in_use();
        int failures = 0;
        for (uint64_t n = 1;; n++, failures++) {
            struct cox_err err = COX_ERR_INIT;
            struct cox_dp_model *m = NULL;
            cox_mem_fail_at(n);
            int rc = cox_dp_model_read(&m, path, &err);
            cox_mem_fail_at(0);
            cox_dp_model_destroy(m);
            assert_int_equal(cox_mem_in_use(), before);
            if (!rc)
                break;
            assert_null(m);
            if (rc != COX_ENOMEM)
                fail_msg("%s, allocation %d: %s", names[i], failures, err.text);
        }
        assert_true(failures > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_deepmd_kit_says),
        cmocka_unit_test(what_its_graphs_say),
        cmocka_unit_test(memory_that_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
