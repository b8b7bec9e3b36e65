/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/commands.h"
#include "cli/potential.h"
#include "cli/subcommands.h"

static const struct cox_subcommand subcommands[] = {
#define X(name, text, summary) {text, cox_potential_##name, summary},
    COX_POTENTIAL_COMMANDS(X)
#undef X
};

int cox_cmd_potential(int argc, char **argv)
{
    const struct cox_family family = {
        .name = "potential",
        .description =
            "Deep Potential: neural potentials with ab-initio accuracy at force-field cost.\n"
            "Reads DeePMD-kit's input, data and models, and writes models it opens.\n",
        .subcommands = subcommands,
        .n = (int)(sizeof subcommands / sizeof subcommands[0]),
    };
    return cox_family_run(&family, argc, argv);
}
