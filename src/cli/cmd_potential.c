/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/commands.h"
#include "cli/potential.h"

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
#define X(name, text, summary) {text, cox_potential_##name, summary},
    COX_POTENTIAL_COMMANDS(X)
#undef X
};

#define N_SUBCOMMANDS ((int)(sizeof subcommands / sizeof subcommands[0]))

static void print_usage(FILE *to)
{
    fprintf(to, "usage: cox potential SUBCOMMAND [arguments]\n\n"
                "Deep Potential: neural potentials with ab-initio accuracy at force-field cost.\n"
                "Reads DeePMD-kit's input, data and models, and writes models it opens.\n\n"
                "subcommands:\n");
    for (int i = 0; i < N_SUBCOMMANDS; i++)
        fprintf(to, "  %-14s %s\n", subcommands[i].name, subcommands[i].summary);
    fprintf(to, "\n'cox potential SUBCOMMAND --help' tells more.\n");
}

static int unknown_subcommand(const char *name)
{
    const char *names[N_SUBCOMMANDS];
    for (int i = 0; i < N_SUBCOMMANDS; i++)
        names[i] = subcommands[i].name;
    int nearest = cox_str_nearest(name, names, N_SUBCOMMANDS);
    fprintf(stderr, "cox potential: unknown subcommand '%s'", name);
    if (nearest >= 0)
        fprintf(stderr, "; did you mean '%s'?", names[nearest]);
    fprintf(stderr, " ('cox potential --help' lists them)\n");
    return COX_EXIT_USAGE;
}

int cox_cmd_potential(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return COX_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_usage(stdout);
        return COX_EXIT_OK;
    }
    for (int i = 0; i < N_SUBCOMMANDS; i++)
        if (!strcmp(argv[1], subcommands[i].name))
            return subcommands[i].run(argc - 1, argv + 1);
    return unknown_subcommand(argv[1]);
}
