/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "steer/worker/worker.h"

int cox_cmd_worker(int argc, char **argv)
{
    const char *name = NULL;
    const char *hub = NULL;
    long long epoch = -1;
    const struct cox_option options[] = {
        {"name", 0, COX_OPT_TEXT, &name, "NAME", "sim-N, agg-N, train-N or agent-N", 0, 0},
        {"epoch", 0, COX_OPT_INT, &epoch, "E", "number of this attempt", 0, 1e15},
        {"hub", 0, COX_OPT_TEXT, &hub, "ENDPOINT", "where the coordinator listens", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox worker ROLE RUN --name NAME --epoch E --hub ENDPOINT",
        .description =
            "One process of a streaming run, started by 'cox run' and 'cox resume', not by hand.\n"
            "ROLE is simulate, aggregate, train or agent; RUN the run's directory.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 2,
        .max_operands = 2,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if (!name || !hub || epoch < 0) {
        fprintf(stderr,
                "cox: worker: --name, --epoch and --hub are all needed ('cox worker --help' "
                "tells more)\n");
        return COX_EXIT_USAGE;
    }
    struct cox_worker_options worker = {.role = argv[1],
                                        .directory = argv[2],
                                        .name = name,
                                        .epoch = epoch,
                                        .hub = hub,
                                        .cancel = cox_interrupt_watch()};
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_worker_run(&worker, &err);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return !rc ? COX_EXIT_OK : rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : COX_EXIT_FAILED;
}
