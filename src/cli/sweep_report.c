/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/sweep.h"
#include "sweep/report.h"

int cox_cmd_sweep_report(int argc, char **argv)
{
    const struct cox_usage usage = {
        .synopsis = "cox sweep report SWEEP…",
        .description =
            "Writes SWEEP/report.html anew from what the sweep left in its directory: learning "
            "curve,\ncompletion, effective performance with each term, values over inputs, jobs, "
            "servers, failures.\nThe sweep may still be going on.",
        .options = NULL,
        .n_options = 0,
        .min_operands = 1,
        .max_operands = -1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    for (int i = 1; i <= operands; i++) {
        struct cox_err err = COX_ERR_INIT;
        if (cox_sweep_report_write(argv[i], &err)) {
            fprintf(stderr, "cox: %s\n", err.text);
            return COX_EXIT_FAILED;
        }
        printf("report: %s/report.html\n", argv[i]);
    }
    return COX_EXIT_OK;
}
