/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/show_run.h"
#include "steer/run.h"

int cox_cmd_resume(int argc, char **argv)
{
    bool json = false;
    bool quiet = false;
    const struct cox_option options[] = {
        {"json", 0, COX_OPT_FLAG, &json, NULL, "print the result as JSON, no progress", 0, 0},
        {"quiet", 'q', COX_OPT_FLAG, &quiet, NULL, "no progress", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox resume RUN [--json]",
        .description =
            "Goes on with a run that was interrupted, killed or cut off by a crash, from its\n"
            "last committed round. The result is that of a run that was never interrupted.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    struct cox_show_run show;
    struct cox_steer_outcome outcome;
    struct cox_err err = COX_ERR_INIT;
    cox_show_run_init(&show, json || quiet);
    struct cox_steer_hooks hooks = {cox_show_run_progress, &show, cox_interrupt_watch()};
    int rc = cox_steer_resume(&outcome, argv[1], &hooks, &err);
    return cox_show_run_end(&show, rc, &outcome, argv[1], json, &err);
}
