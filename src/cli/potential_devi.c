/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "cli/potential_frames.h"
#include "cli/progress.h"
#include "potential/deviation.h"

#define OUT_MAXIMUM ((size_t)4 << 30)

struct deviating {
    struct cox_option_texts model, systems;
    const char *list, *output, *precision;
    long long frequency, threads;
    double relative_f, relative_v;
    bool atomic, real_error, json;

    struct potential_models models;
    char **paths;
    int n_paths;
    struct cox_str out;
    double *atom_f;
    int atom_capacity;
    const atomic_int *interrupted;
    struct cox_progress progress;
    double largest_f, mean_f; /* over all frames */
    long long frames;
};

static void header(struct deviating *d, const char *system)
{
    cox_str_addf(&d->out, "# %s\n# %-10s", system, "step");
    static const char *const names[] = {"max_devi_v", "min_devi_v", "avg_devi_v", "max_devi_f",
                                        "min_devi_f", "avg_devi_f", "devi_e"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cox_str_addf(&d->out, "%-19s", names[i]);
    cox_str_add(&d->out, d->atomic ? "atm_devi_f(N)      \n" : "\n");
}

static int one_frame(struct deviating *d, const struct cox_dp_data *data, int64_t frame,
                     struct cox_err *err)
{
    struct potential_frame f;
    struct potential_models *m = &d->models;
    struct cox_dp_deviation_options o = {.relative_f = d->relative_f, .relative_v = d->relative_v};
    struct cox_dp_deviation v;
    const double *virial[POTENTIAL_MAX_MODELS];
    potential_frame_of(&f, data, frame);
    int rc = potential_models_evaluate(m, &f, err);
    if (rc)
        return cox_err_wrap(err, rc, "system '%s', frame %lld", data->path, (long long)frame);
    if (f.n > d->atom_capacity) {
        cox_free(d->atom_f);
        d->atom_f = cox_alloc((size_t)f.n, sizeof *d->atom_f);
        d->atom_capacity = d->atom_f ? f.n : 0;
        if (!d->atom_f)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", f.n);
    }
    for (int k = 0; k < m->n; k++)
        virial[k] = m->virial[k];
    if (d->real_error) {
        o.energy = data->energy + frame;
        o.force = data->force + frame * data->n_atoms * 3;
        o.virial = data->virial ? data->virial + 9 * frame : NULL;
    }
    cox_dp_deviation_of(&v, d->atom_f, m->n, f.n, m->energy, (const double *const *)m->force,
                        virial, &o);
    if (d->real_error && !o.virial) /* there is nothing that the virial could be compared with */
        v.max_v = v.min_v = v.avg_v = (double)NAN;
    cox_str_addf(&d->out, "%12lld%19.6e%19.6e%19.6e%19.6e%19.6e%19.6e%19.6e",
                 (long long)frame * d->frequency, v.max_v, v.min_v, v.avg_v, v.max_f, v.min_f,
                 v.avg_f, v.e);
    for (int i = 0; d->atomic && i < f.n; i++)
        cox_str_addf(&d->out, "%19.6e", d->atom_f[i]);
    cox_str_add(&d->out, "\n");
    d->largest_f = v.max_f > d->largest_f ? v.max_f : d->largest_f;
    d->mean_f += v.max_f;
    d->frames++;
    return cox_str_status(&d->out, err);
}

static int one_system(struct deviating *d, int index, struct cox_err *err)
{
    const struct cox_dp_model *model = d->models.model[0];
    struct cox_dp_data *data = NULL;
    int rc =
        cox_dp_data_read(&data, d->paths[index], (const char(*)[COX_DP_TYPE_NAME])model->type_name,
                         model->n_types, err);
    if (!rc && d->real_error && (!data->energy || !data->force))
        rc = cox_err_set(err, COX_EINVAL, "'%s' has no energies or no forces for --real-error",
                         d->paths[index]);
    if (!rc)
        header(d, d->paths[index]);
    for (int64_t i = 0; !rc && i < data->n; i++) {
        rc = one_frame(d, data, i, err);
        if (!rc && atomic_load(d->interrupted))
            rc = COX_ECANCELLED;
        if (!d->json)
            cox_progress_show(&d->progress, "system %d of %d, frame %lld of %lld", index + 1,
                              d->n_paths, (long long)i + 1, (long long)data->n);
    }
    cox_progress_end(&d->progress);
    cox_dp_data_destroy(data);
    return rc;
}

static void report(const struct deviating *d)
{
    double mean = d->frames ? d->mean_f / (double)d->frames : 0;
    if (!d->json) {
        printf("%s: %lld frames of %d systems, %d models; largest deviation of a force: %g eV/Å, "
               "on average over the frames %g\n",
               d->output, d->frames, d->n_paths, d->models.n, d->largest_f, mean);
        return;
    }
    struct cox_json *j = cox_json_object();
    cox_json_set_text(j, "output", d->output);
    cox_json_set_int(j, "models", d->models.n);
    cox_json_set_int(j, "systems", d->n_paths);
    cox_json_set_int(j, "frames", d->frames);
    cox_json_set_number(j, "max_devi_f", d->largest_f);
    cox_json_set_number(j, "mean_max_devi_f", mean);
    cox_json_set_int(j, "neighbours_left_out", d->models.overflow);
    char *text = cox_json_text(j, true);
    cox_json_destroy(j);
    fputs(text ? text : "", stdout);
    cox_free(text);
}

static int run(struct deviating *d)
{
    struct cox_err err = COX_ERR_INIT;
    cox_progress_init(&d->progress);
    cox_str_init(&d->out, OUT_MAXIMUM);
    d->interrupted = cox_interrupt_watch();
    int rc = potential_models_open(&d->models, &d->model, d->precision, (int)d->threads, &err);
    if (!rc)
        rc = potential_systems(&d->paths, &d->n_paths, &d->systems, d->list, &err);
    for (int i = 0; !rc && i < d->n_paths; i++)
        rc = one_system(d, i, &err);
    if (!rc)
        rc = cox_file_replace(d->output, cox_str_text(&d->out), d->out.length, &err);
    if (!rc)
        report(d);
    else if (rc != COX_ECANCELLED)
        fprintf(stderr, "cox: %s\n", err.text);
    potential_models_tell_overflow(&d->models);
    potential_models_close(&d->models);
    cox_str_deinit(&d->out);
    cox_free(d->atom_f);
    cox_free(d->paths);
    return rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}

int cox_potential_model_devi(int argc, char **argv)
{
    struct deviating d = {.precision = "float64", .output = "model_devi.out", .frequency = 1};
    static const char *const several[] = {"-m", "--models", "-s", "--system", NULL};
    const struct cox_option options[] = {
        {"models", 'm', COX_OPT_TEXTS, &d.model, "MODEL", "two or more potentials; several follow",
         0, 0},
        {"system", 's', COX_OPT_TEXTS, &d.systems, "SYSTEM",
         "folder with systems in deepmd/npy, or FILE.h5#/GROUP; several may follow", 0, 0},
        {"datafile", 0, COX_OPT_TEXT, &d.list, "FILE", "a list of systems, one a line", 0, 0},
        {"output", 'o', COX_OPT_TEXT, &d.output, "FILE", "the table to write", 0, 0},
        {"frequency", 'f', COX_OPT_INT, &d.frequency, "N", "steps between frames, for the column",
         1, 1e12},
        {"relative", 0, COX_OPT_NUMBER, &d.relative_f, "L",
         "deviation of a force over (its length + L eV/Å)", 1e-12, 1e12},
        {"relative_v", 0, COX_OPT_NUMBER, &d.relative_v, "L",
         "deviation of the virial over (its length + L eV)", 1e-12, 1e12},
        {"atomic", 0, COX_OPT_FLAG, &d.atomic, NULL, "each atom's deviation in further columns", 0,
         0},
        {"real_error", 0, COX_OPT_FLAG, &d.real_error, NULL,
         "from the data's labels instead of the models' mean; nan where there is none", 0, 0},
        {"precision", 0, COX_OPT_TEXT, &d.precision, "NAME", "float64, float32 or mix16 nets", 0,
         0},
        {"threads", 't', COX_OPT_INT, &d.threads, "N", "0: all processors", 0, 1024},
        {"json", 0, COX_OPT_FLAG, &d.json, NULL, "a summary as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential model-devi -m MODEL MODEL… -s SYSTEM… [options]",
        .description =
            "How far several potentials of the same data are apart on each frame: what tells new\n"
            "configurations from known ones. One pass, one list of neighbours for all models.\n"
            "Columns as 'dp model-devi': the largest, smallest and average deviation of the\n"
            "virial (eV per atom) and of the forces (eV/Å), then of the energy (eV per atom).\n\n"
            "  cox potential model-devi -m m1.dp m2.dp m3.dp m4.dp -s data/data_3",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
    };
    int operands = 0;
    int code = potential_spread(&argc, &argv, several);
    if (code < 0)
        code = cox_options_parse(&usage, argc, argv, &operands);
    if (code < 0 && (d.model.n < 2 || (!d.systems.n && !d.list))) {
        fprintf(stderr, "cox: %s\nusage: %s\n",
                d.model.n < 2 ? "give two models or more: -m MODEL MODEL"
                              : "say what to look at: -s SYSTEM",
                usage.synopsis);
        code = COX_EXIT_USAGE;
    }
    if (code < 0)
        code = run(&d);
    cox_free(argv);
    return code;
}
