/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "cli/potential_details.h"
#include "cli/potential_frames.h"
#include "cli/progress.h"
#include "potential/accuracy.h"

struct testing {
    struct cox_option_texts model, systems;
    const char *list, *details, *precision;
    long long frames, seed, threads;
    bool atomic, json;

    struct potential_models models;
    struct potential_details out;
    char **paths;
    int n_paths;
    const atomic_int *interrupted;
    struct cox_progress progress;
    struct cox_json *report; /* per system */
};

static const struct {
    enum cox_dp_quantity quantity;
    const char *name, *unit, *key;
} rows[] = {{COX_DP_ENERGY, "Energy", "eV", "energy"},
            {COX_DP_ENERGY_PER_ATOM, "Energy/Natoms", "eV", "energy_per_atom"},
            {COX_DP_FORCE, "Force", "eV/Å", "force"},
            {COX_DP_VIRIAL, "Virial", "eV", "virial"},
            {COX_DP_VIRIAL_PER_ATOM, "Virial/Natoms", "eV", "virial_per_atom"},
            {COX_DP_STRESS, "Stress", "eV/Å³", "stress"}};

#define N_ROWS ((int)(sizeof rows / sizeof rows[0]))

static void print_accuracy(const struct cox_dp_accuracy *a)
{
    for (int i = 0; i < N_ROWS; i++) {
        const char *slash = strchr(rows[i].name, '/');
        int length = slash ? (int)(slash - rows[i].name) : (int)strlen(rows[i].name);
        if (!a->of[rows[i].quantity].n)
            continue;
        for (int root = 0; root < 2; root++) {
            char label[64];
            snprintf(label, sizeof label, "%.*s %s%s", length, rows[i].name, root ? "RMSE" : "MAE",
                     slash ? slash : "");
            printf("%-19s: %e %s\n", label,
                   root ? cox_dp_accuracy_rmse(a, rows[i].quantity)
                        : cox_dp_accuracy_mae(a, rows[i].quantity),
                   rows[i].unit);
        }
    }
}

static struct cox_json *json_accuracy(const struct cox_dp_accuracy *a)
{
    struct cox_json *j = cox_json_object();
    for (int i = 0; i < N_ROWS; i++) {
        if (!a->of[rows[i].quantity].n)
            continue;
        struct cox_json *one = cox_json_object();
        cox_json_set_number(one, "mae", cox_dp_accuracy_mae(a, rows[i].quantity));
        cox_json_set_number(one, "rmse", cox_dp_accuracy_rmse(a, rows[i].quantity));
        cox_json_set_int(one, "values", a->of[rows[i].quantity].n);
        cox_json_set_text(one, "unit", rows[i].unit);
        cox_json_set(j, rows[i].key, one);
    }
    return j;
}

/* |a · (b × c)|, Å³ */
static double volume_of(const double h[3][3])
{
    return fabs(h[0][0] * (h[1][1] * h[2][2] - h[1][2] * h[2][1]) -
                h[0][1] * (h[1][0] * h[2][2] - h[1][2] * h[2][0]) +
                h[0][2] * (h[1][0] * h[2][1] - h[1][1] * h[2][0]));
}

static int one_frame(struct testing *t, const struct cox_dp_data *data, int64_t frame,
                     struct cox_dp_accuracy *a, struct cox_err *err)
{
    struct potential_frame f;
    struct potential_models *m = &t->models;
    potential_frame_of(&f, data, frame);
    int rc = potential_models_evaluate(m, &f, err);
    if (rc)
        return cox_err_wrap(err, rc, "system '%s', frame %lld", data->path, (long long)frame);
    const double *force = data->force ? data->force + frame * data->n_atoms * 3 : NULL;
    const double *virial = data->virial && data->periodic ? data->virial + 9 * frame : NULL;
    if (data->energy) {
        cox_dp_accuracy_add(a, COX_DP_ENERGY, 1, m->energy, data->energy + frame, 1);
        cox_dp_accuracy_add(a, COX_DP_ENERGY_PER_ATOM, 1, m->energy, data->energy + frame,
                            1.0 / f.n);
    }
    if (force)
        cox_dp_accuracy_add(a, COX_DP_FORCE, 3 * f.n, m->force[0], force, 1);
    if (virial) {
        cox_dp_accuracy_add(a, COX_DP_VIRIAL, 9, m->virial[0], virial, 1);
        cox_dp_accuracy_add(a, COX_DP_VIRIAL_PER_ATOM, 9, m->virial[0], virial, 1.0 / f.n);
        cox_dp_accuracy_add(a, COX_DP_STRESS, 9, m->virial[0], virial, 1 / volume_of(f.box.h));
    }
    if (t->details)
        potential_details_add(&t->out, f.n, data->energy ? data->energy + frame : NULL, m->energy,
                              force, m->force[0], virial, m->virial[0],
                              t->atomic ? m->atom_energy[0] : NULL);
    return COX_OK;
}

static int one_system(struct testing *t, int index, struct cox_dp_accuracy *total,
                      struct cox_err *err)
{
    const struct cox_dp_model *model = t->models.model[0];
    struct cox_dp_accuracy a = {0};
    struct cox_dp_data *data = NULL;
    int64_t *order = NULL;
    int64_t n = t->frames;
    int rc =
        cox_dp_data_read(&data, t->paths[index], (const char(*)[COX_DP_TYPE_NAME])model->type_name,
                         model->n_types, err);
    if (!rc)
        rc = potential_order(&order, &n, data->n, t->seed, err);
    if (!rc && t->details)
        potential_details_system(&t->out, data->path);
    for (int64_t i = 0; !rc && i < n; i++) {
        rc = one_frame(t, data, order[i], &a, err);
        if (!rc && atomic_load(t->interrupted))
            rc = COX_ECANCELLED;
        if (!t->json)
            cox_progress_show(&t->progress, "system %d of %d, frame %lld of %lld", index + 1,
                              t->n_paths, (long long)i + 1, (long long)n);
    }
    cox_progress_end(&t->progress);
    if (!rc && !t->json) {
        printf("# ---------------output of cox potential test---------------\n"
               "# testing system : %s\n# number of test data : %lld\n",
               data->path, (long long)n);
        print_accuracy(&a);
    } else if (!rc) {
        struct cox_json *j = cox_json_object();
        cox_json_set_text(j, "path", data->path);
        cox_json_set_int(j, "frames", n);
        cox_json_set_int(j, "atoms", data->n_atoms);
        cox_json_set(j, "errors", json_accuracy(&a));
        cox_json_push(t->report, j);
    }
    cox_dp_accuracy_merge(total, &a);
    cox_free(order);
    cox_dp_data_destroy(data);
    return rc;
}

static int report(struct testing *t, const struct cox_dp_accuracy *total, double seconds,
                  struct cox_err *err)
{
    if (!t->json) {
        printf("# ----------weighted average of errors-----------\n# number of systems : %d\n",
               t->n_paths);
        print_accuracy(total);
        return COX_OK;
    }
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "model", t->models.path[0]);
    cox_json_set_text(j, "precision", t->precision);
    cox_json_set_int(j, "threads", cox_team_threads(t->models.team));
    cox_json_set_number(j, "seconds", seconds);
    cox_json_set_int(j, "neighbours_left_out", t->models.overflow);
    cox_json_set(j, "systems", t->report);
    cox_json_set(j, "average", json_accuracy(total));
    t->report = NULL;
    char *text = cox_json_text(j, true);
    cox_json_destroy(j);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the report");
    fputs(text, stdout);
    cox_free(text);
    return COX_OK;
}

static int run(struct testing *t)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_accuracy total = {0};
    double began = cox_clock_seconds();
    cox_progress_init(&t->progress);
    t->interrupted = cox_interrupt_watch();
    t->report = cox_json_array();
    int rc = potential_models_open(&t->models, &t->model, t->precision, (int)t->threads, &err);
    if (!rc)
        rc = potential_systems(&t->paths, &t->n_paths, &t->systems, t->list, &err);
    if (!rc && t->details)
        rc = potential_details_open(&t->out, t->details, t->atomic, &err);
    for (int i = 0; !rc && i < t->n_paths; i++)
        rc = one_system(t, i, &total, &err);
    if (!rc && t->details)
        rc = potential_details_commit(&t->out, &err);
    if (!rc)
        rc = report(t, &total, cox_clock_seconds() - began, &err);
    if (rc && rc != COX_ECANCELLED)
        fprintf(stderr, "cox: %s\n", err.text);
    potential_models_tell_overflow(&t->models);
    potential_details_close(&t->out);
    potential_models_close(&t->models);
    cox_json_destroy(t->report);
    cox_free(t->paths);
    return rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

int cox_potential_test(int argc, char **argv)
{
    struct testing t = {.precision = "float64", .seed = -1};
    static const char *const several[] = {"-s", "--system", NULL};
    const struct cox_option options[] = {
        {"model", 'm', COX_OPT_TEXTS, &t.model, "MODEL", "potential: .dp, .pb, .pbtxt or .yaml", 0,
         0},
        {"system", 's', COX_OPT_TEXTS, &t.systems, "SYSTEM",
         "folder with systems in deepmd/npy, or FILE.h5#/GROUP; several may follow", 0, 0},
        {"datafile", 'f', COX_OPT_TEXT, &t.list, "FILE", "a list of systems, one a line", 0, 0},
        {"numb-test", 'n', COX_OPT_INT, &t.frames, "N", "frames of each system; 0: all", 0, 1e15},
        {"shuffle", 0, COX_OPT_INT, &t.seed, "SEED", "draw the N frames instead of the first", 0,
         1e15},
        {"detail-file", 'd', COX_OPT_TEXT, &t.details, "PREFIX",
         "write PREFIX.e.out, .e_peratom.out, .f.out, .v.out and .v_peratom.out", 0, 0},
        {"atomic", 'a', COX_OPT_FLAG, &t.atomic, NULL, "with -d: atoms' energies in PREFIX.ae.out",
         0, 0},
        {"precision", 0, COX_OPT_TEXT, &t.precision, "NAME",
         "float64, float32 (nets), or mix16 (their products)", 0, 0},
        {"threads", 't', COX_OPT_INT, &t.threads, "N", "0: all processors", 0, 1024},
        {"json", 0, COX_OPT_FLAG, &t.json, NULL, "the report as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential test -m MODEL -s SYSTEM… [options]",
        .description =
            "How far a potential is from labelled frames: mean absolute and root mean square\n"
            "errors of energies, forces and virials, for each system and over all of them,\n"
            "weighted by the number of values, as 'dp test' has them.\n\n"
            "  cox potential test -m water.dp -s data/data_3 -n 30 -d detail\n\n"
            "Files of -d hold labels in the first columns, predictions in the others. They are\n"
            "written when all went well, or not at all.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
    };
    int operands = 0;
    int code = potential_spread(&argc, &argv, several);
    if (code < 0)
        code = cox_options_parse(&usage, argc, argv, &operands);
    if (code < 0 && (t.model.n != 1 || (!t.systems.n && !t.list))) {
        fprintf(stderr, "cox: %s\nusage: %s\n",
                t.model.n != 1 ? "say which model: -m MODEL" : "say what to test on: -s SYSTEM",
                usage.synopsis);
        code = COX_EXIT_USAGE;
    }
    if (code < 0 && t.atomic && !t.details) {
        fprintf(stderr, "cox: --atomic writes a file: it needs -d PREFIX\n");
        code = COX_EXIT_USAGE;
    }
    if (code < 0)
        code = run(&t);
    cox_free(argv);
    return code;
}
