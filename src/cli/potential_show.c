/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "potential/dp_file.h"

static const char *kind_of(const struct cox_dp_descriptor *q)
{
    return q->kind == COX_DP_SE_A ? "se_e2_a" : "se_e2_r";
}

static const char *const exclusions[] = {[COX_DP_INCLUDED] = "",
                                         [COX_DP_EXCLUDE_SECTION] = "counts nothing",
                                         [COX_DP_EXCLUDE_NEIGHBOURS] =
                                             "neighbours count nothing, empty slots do",
                                         [COX_DP_EXCLUDE_LIST] = "all slots are empty"};

static const struct cox_dp_net *some_net(const struct cox_dp_descriptor *q)
{
    const struct cox_dp_net *net = q->embed;
    while (!net->n)
        net++;
    return net;
}

static bool has_idt(const struct cox_dp_net *net)
{
    for (int k = 0; k < net->n; k++)
        if (net->layer[k].idt)
            return true;
    return false;
}

/* ---- for people ---- */

static void print_net(const struct cox_dp_net *net)
{
    printf("%d", net->layer[0].in);
    for (int k = 0; k < net->n; k++)
        printf(" → %d", net->layer[k].out);
    printf("%s\n", has_idt(net) ? ", with timesteps (resnet_dt)" : "");
}

static void print_descriptor(const struct cox_dp_model *m, int number)
{
    const struct cox_dp_descriptor *q = &m->descriptor[number];
    int nets = 0;
    for (int i = 0; i < cox_dp_n_embed(m, q); i++)
        nets += q->embed[i].n > 0;
    if (m->n_descriptors > 1)
        printf("descriptor %d of %d: %s\n", number + 1, m->n_descriptors, kind_of(q));
    else
        printf("descriptor:      %s\n", kind_of(q));
    printf("  cutoff         %g Å, smooth from %g Å\n  sel            ", q->rcut, q->rcut_smth);
    for (int t = 0; t < m->n_types; t++)
        printf("%s%d", t ? ", " : "", q->sel[t]);
    printf("\n  embedding      %d net%s of one %s, ", nets, nets == 1 ? "" : "s",
           q->one_side ? "type of neighbours" : "pair of types");
    print_net(some_net(q));
    if (q->kind == COX_DP_SE_A)
        printf("  axis           %d\n", q->axis);
    printf("  gives          %d numbers\n", cox_dp_descriptor_width(q));
    printf("  precision      %s\n", q->trained_f32 ? "float32" : "float64");
    for (int a = 0; a < m->n_types; a++)
        for (int b = a; b < m->n_types; b++)
            if (q->exclude[a][b])
                printf("  excluded       %s-%s: %s\n", m->type_name[a], m->type_name[b],
                       exclusions[q->exclude[a][b]]);
    for (int t = 0; t < m->n_types; t++) {
        printf("  %-14s s: mean %.6g, deviation %.6g", m->type_name[t], q->davg[t][0],
               q->dstd[t][0]);
        if (q->kind == COX_DP_SE_A)
            printf("; x, y, z: %.6g", q->dstd[t][1]);
        printf("\n");
    }
}

static void print_model(const char *path, const struct cox_dp_model *m)
{
    printf("%s: %s%s%s\n", path, m->file_format, m->origin ? ", by " : "",
           m->origin ? m->origin : "");
    printf("types:           ");
    for (int t = 0; t < m->n_types; t++)
        printf("%s%s", t ? ", " : "", m->type_name[t]);
    printf("\nparameters:      %lld\n", cox_dp_model_parameters(m));
    for (int d = 0; d < m->n_descriptors; d++)
        print_descriptor(m, d);
    printf("fitting:         ");
    print_net(&m->fit[0]);
    printf("  precision      %s\n", m->fit_trained_f32 ? "float32" : "float64");
    if (m->n_fparam) {
        printf("  fparam         %d", m->n_fparam);
        for (int i = 0; m->fparam_default && i < m->n_fparam; i++)
            printf("%s%g", i ? ", " : ", where there is none: ", m->fparam_default[i]);
        printf("\n");
    }
    for (int t = 0; t < m->n_types; t++)
        printf("  %-14s %.10g eV for a free atom\n", m->type_name[t], m->bias[t]);
    if (m->min_distance > 0)
        printf("nearest atoms:   %g Å in the training data\n", m->min_distance);
    else
        printf("nearest atoms:   not told\n");
    if (m->tables.stride > 0)
        printf("compressed:      tables of stride %g, down to %g Å, off by %.2g at most\n",
               m->tables.stride, m->tables.nearest_A, m->tables.error);
    else
        printf("compressed:      no%s\n", m->foreign_tables
                                              ? " (DeePMD-kit's tables are in the file; its nets "
                                                "are used)"
                                              : "");
}

/* ---- for programs ---- */

static struct cox_json *net_json(const struct cox_dp_net *net)
{
    struct cox_json *widths = cox_json_array();
    for (int k = 0; k < net->n; k++)
        cox_json_push_int(widths, net->layer[k].out);
    return widths;
}

static struct cox_json *descriptor_json(const struct cox_dp_model *m,
                                        const struct cox_dp_descriptor *q)
{
    struct cox_json *j = cox_json_object();
    struct cox_json *sel = cox_json_array();
    struct cox_json *excluded = cox_json_array();
    struct cox_json *mean = cox_json_array();
    struct cox_json *deviation = cox_json_array();
    cox_json_set_text(j, "type", kind_of(q));
    cox_json_set_number(j, "rcut", q->rcut);
    cox_json_set_number(j, "rcut_smth", q->rcut_smth);
    for (int a = 0; a < m->n_types; a++) {
        cox_json_push_int(sel, q->sel[a]);
        struct cox_json *avg = cox_json_array();
        struct cox_json *std = cox_json_array();
        for (int c = 0; c < (q->kind == COX_DP_SE_A ? 4 : 1); c++) {
            cox_json_push_number(avg, q->davg[a][c]);
            cox_json_push_number(std, q->dstd[a][c]);
        }
        cox_json_push(mean, avg);
        cox_json_push(deviation, std);
        for (int b = a; b < m->n_types; b++)
            if (q->exclude[a][b]) {
                struct cox_json *pair = cox_json_object();
                cox_json_set_text(pair, "a", m->type_name[a]);
                cox_json_set_text(pair, "b", m->type_name[b]);
                cox_json_set_text(pair, "how", exclusions[q->exclude[a][b]]);
                cox_json_push(excluded, pair);
            }
    }
    cox_json_set(j, "sel", sel);
    cox_json_set_bool(j, "type_one_side", q->one_side);
    cox_json_set(j, "neuron", net_json(some_net(q)));
    if (q->kind == COX_DP_SE_A)
        cox_json_set_int(j, "axis_neuron", q->axis);
    cox_json_set_bool(j, "resnet_dt", has_idt(some_net(q)));
    cox_json_set_text(j, "precision", q->trained_f32 ? "float32" : "float64");
    cox_json_set(j, "excluded", excluded);
    cox_json_set(j, "davg", mean);
    cox_json_set(j, "dstd", deviation);
    return j;
}

static struct cox_json *fitting_json(const struct cox_dp_model *m)
{
    struct cox_json *j = cox_json_object();
    struct cox_json *bias = cox_json_array();
    cox_json_set(j, "layers", net_json(&m->fit[0]));
    cox_json_set_bool(j, "resnet_dt", has_idt(&m->fit[0]));
    cox_json_set_text(j, "precision", m->fit_trained_f32 ? "float32" : "float64");
    cox_json_set_int(j, "numb_fparam", m->n_fparam);
    if (m->fparam_default) {
        struct cox_json *list = cox_json_array();
        for (int i = 0; i < m->n_fparam; i++)
            cox_json_push_number(list, m->fparam_default[i]);
        cox_json_set(j, "default_fparam", list);
    }
    for (int t = 0; t < m->n_types; t++)
        cox_json_push_number(bias, m->bias[t]);
    cox_json_set(j, "free_atom_eV", bias);
    return j;
}

static bool print_json(const char *path, const struct cox_dp_model *m)
{
    struct cox_json *j = cox_json_object();
    struct cox_json *types = cox_json_array();
    struct cox_json *descriptors = cox_json_array();
    cox_json_set_text(j, "path", path);
    cox_json_set_text(j, "format", m->file_format);
    cox_json_set_text(j, "origin", m->origin);
    for (int t = 0; t < m->n_types; t++)
        cox_json_push_text(types, m->type_name[t]);
    cox_json_set(j, "types", types);
    cox_json_set_int(j, "parameters", cox_dp_model_parameters(m));
    for (int d = 0; d < m->n_descriptors; d++)
        cox_json_push(descriptors, descriptor_json(m, &m->descriptor[d]));
    cox_json_set(j, "descriptors", descriptors);
    cox_json_set(j, "fitting", fitting_json(m));
    cox_json_set_number(j, "min_nbor_dist", m->min_distance > 0 ? m->min_distance : (double)NAN);
    struct cox_json *tables = m->tables.stride > 0 ? cox_json_object() : NULL;
    if (tables) {
        cox_json_set_number(tables, "stride", m->tables.stride);
        cox_json_set_number(tables, "nearest_A", m->tables.nearest_A);
        cox_json_set_number(tables, "error", m->tables.error);
        cox_json_set(j, "tables", tables);
    }
    cox_json_set_bool(j, "foreign_tables", m->foreign_tables);
    char *text = cox_json_text(j, true);
    cox_json_destroy(j);
    fputs(text ? text : "", stdout);
    cox_free(text);
    return text;
}

int cox_potential_show(int argc, char **argv)
{
    bool json = false;
    const struct cox_option options[] = {
        {"json", 0, COX_OPT_FLAG, &json, NULL, "as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential show MODEL [--json]",
        .description =
            "What is in a model: types of atoms, descriptor, nets, statistics, energies of free\n"
            "atoms, whether it is compressed, and what kind of file it is.\n\n"
            "  cox potential show frozen_model.pb",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *m = NULL;
    if (cox_dp_model_read(&m, argv[1], &err)) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_FAILED;
    }
    if (!json)
        print_model(argv[1], m);
    else if (!print_json(argv[1], m))
        code = COX_EXIT_FAILED;
    cox_dp_model_destroy(m);
    return code == COX_EXIT_FAILED ? code : COX_EXIT_OK;
}
