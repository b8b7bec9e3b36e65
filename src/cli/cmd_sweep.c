/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/commands.h"
#include "cli/subcommands.h"
#include "cli/sweep.h"

static const struct cox_subcommand subcommands[] = {
#define X(name, text, summary) {text, cox_cmd_sweep_##name, summary},
    COX_SWEEP_COMMANDS(X)
#undef X
};

int cox_cmd_sweep(int argc, char **argv)
{
    const struct cox_family family = {
        .name = "sweep",
        .description =
            "Bags of jobs over a space of parameters, a surrogate that learns from their results\n"
            "and takes over where it is sure, and servers that may vanish.\n",
        .subcommands = subcommands,
        .n = (int)(sizeof subcommands / sizeof subcommands[0]),
    };
    return cox_family_run(&family, argc, argv);
}
