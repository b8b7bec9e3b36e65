/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "steer/report/run.h"

int cox_cmd_report(int argc, char **argv)
{
    const struct cox_usage usage = {
        .synopsis = "cox report RUN…",
        .description = "Writes RUN/report.html anew from what the run left in its directory: RMSD "
                       "by round, states\n"
                       "visited, latent map, losses, task timeline, lineage. The run may still be "
                       "going on.",
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
        if (cox_steer_report(argv[i], &err)) {
            fprintf(stderr, "cox: %s\n", err.text);
            return COX_EXIT_FAILED;
        }
        printf("report: %s/report.html\n", argv[i]);
    }
    return COX_EXIT_OK;
}
