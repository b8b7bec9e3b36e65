/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "potential/dp_file.h"
#include "potential/table.h"

static const char description[] =
    "Has a model's embedding nets evaluated from tables (splines in the distance), which\n"
    "takes less than half of the time. OUT.dp keeps the nets and says how the tables are made; "
    "that\n"
    "takes milliseconds when it is opened, so the file is no larger, and other programs open it "
    "as\n"
    "before. MODEL is any that `cox potential convert` reads; nothing else is needed. Neighbours\n"
    "nearer than the tables reach are evaluated with the nets themselves.\n\n"
    "  cox potential compress -i model.dp -o compressed.dp\n"
    "  cox potential compress -i model.dp -o compressed.dp --tolerance 1e-12";

static int compress(struct cox_dp_model *model, double stride, double tolerance, double nearest_A,
                    struct cox_err *err)
{
    struct cox_dp_tables *t = &model->tables;
    struct cox_dp_table_error error;
    t->nearest_A = nearest_A > 0             ? nearest_A
                   : model->min_distance > 0 ? model->min_distance
                                             : COX_DP_TABLE_NEAREST_A;
    int rc = COX_OK;
    if (!(stride > 0)) /* in the middles of cells errors are largest, or nearly so */
        rc = cox_dp_table_choose(model, 0.9 * tolerance, t->nearest_A, &stride, err);
    if (!rc)
        rc = cox_dp_table_errors(model, stride, t->nearest_A, &error, err);
    if (!rc) {
        t->stride = stride;
        t->error = error.g;
        t->d_error = error.slope;
    }
    return rc;
}

static void report(const struct cox_dp_model *model)
{
    const struct cox_dp_tables *t = &model->tables;
    size_t numbers = 0;
    int cells = 0;
    for (int d = 0; d < model->n_descriptors; d++) {
        double low;
        if (cox_dp_table_range(model, d, t->stride, t->nearest_A, &low, &cells, NULL))
            continue; /* went well before */
        numbers += (size_t)(cells + 9) * (size_t)model->descriptor[d].m1 *
                   (size_t)cox_dp_n_embed(model, &model->descriptor[d]);
        printf("tables from s = %.4g to %.4g (neighbours as near as %.3g A), %d cells of %.4g\n",
               low, low + cells * t->stride, t->nearest_A, cells, t->stride);
    }
    printf("largest error of G %.2g, of dG/ds %.2g; %.1f MB in memory\n", t->error, t->d_error,
           (double)numbers * 8e-6);
}

int cox_potential_compress(int argc, char **argv)
{
    const char *input = NULL, *output = NULL;
    double stride = 0, tolerance = 1e-9, nearest_A = 0;
    const struct cox_option options[] = {
        {"input", 'i', COX_OPT_TEXT, &input, "MODEL", "the model; or give it without -i", 0, 0},
        {"output", 'o', COX_OPT_TEXT, &output, "OUT.dp", "where to write it", 0, 0},
        {"tolerance", 't', COX_OPT_NUMBER, &tolerance, "T",
         "largest error of the nets' outputs, which are of order 1 (1e-9)", 1e-14, 1},
        {"stride", 's', COX_OPT_NUMBER, &stride, "S",
         "distance of the tables' nodes, instead of a tolerance", 1e-4, 10},
        {"nearest-A", 0, COX_OPT_NUMBER, &nearest_A, "R",
         "nearest neighbours that the tables are for, if not those of the training data", 0.05,
         100},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential compress -i MODEL -o OUT.dp [--tolerance T | --stride S]",
        .description = description,
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 0,
        .max_operands = 1,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if ((input != NULL) == (operands == 1) || !output) {
        fprintf(stderr,
                "cox: say which model, once, and where to write: -i MODEL -o OUT.dp\n"
                "usage: %s\n",
                usage.synopsis);
        return COX_EXIT_USAGE;
    }
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *model = NULL;
    int rc = cox_dp_model_read(&model, input ? input : argv[1], &err);
    if (!rc)
        rc = compress(model, stride, tolerance, nearest_A, &err);
    if (!rc)
        rc = cox_dp_model_write(model, output, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    else
        report(model);
    cox_dp_model_destroy(model);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
