/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "sweep/export.h"

static void say(const struct cox_sweep_view *view, const char *path)
{
    int count[COX_POINT_FAILED + 1] = {0};
    for (int i = 0; i < view->points.n; i++)
        count[view->row[i].state]++;
    printf("%s: %d point%s:", path, view->points.n, view->points.n == 1 ? "" : "s");
    const char *comma = "";
    for (enum cox_point_state s = COX_POINT_TODO; s <= COX_POINT_FAILED; s++)
        if (count[s]) {
            printf("%s %d %s", comma, count[s], cox_point_state_name(s));
            comma = ",";
        }
    printf("\n");
}

int cox_cmd_sweep_export(int argc, char **argv)
{
    const char *output = NULL;
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXT, &output, "FILE", "to write: .csv, .json or .h5", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox sweep export SWEEP -o FILE.(csv|json|h5)",
        .description =
            "Every point of a sweep with its inputs, its values and their uncertainty, and whether "
            "they were\nsimulated or predicted, with which seed and by which model. The sweep may "
            "still be going on.\nIn a CSV the values of a profile are columns: density[0], "
            "density[1], …",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    struct cox_sweep_view view;
    struct cox_err err = COX_ERR_INIT;
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if (!output) {
        fprintf(stderr, "cox: sweep export: say where to with -o FILE.csv, .json or .h5\n");
        return COX_EXIT_USAGE;
    }
    int rc = cox_sweep_view_open(&view, argv[1], &err);
    if (!rc) {
        rc = cox_sweep_export(&view, output, &err);
        if (!rc)
            say(&view, output);
        cox_sweep_view_close(&view);
    }
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return rc == COX_EINVAL ? COX_EXIT_USAGE : rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
