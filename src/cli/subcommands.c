/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/subcommands.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/commands.h"

#define MOST 32

static void print_usage(const struct cox_family *f, FILE *to)
{
    fprintf(to, "usage: cox %s SUBCOMMAND [arguments]\n\n%s\nsubcommands:\n", f->name,
            f->description);
    for (int i = 0; i < f->n; i++)
        fprintf(to, "  %-14s %s\n", f->subcommands[i].name, f->subcommands[i].summary);
    fprintf(to, "\n'cox %s SUBCOMMAND --help' tells more.\n", f->name);
}

static int unknown_subcommand(const struct cox_family *f, const char *name)
{
    const char *names[MOST];
    int n = f->n < MOST ? f->n : MOST;
    for (int i = 0; i < n; i++)
        names[i] = f->subcommands[i].name;
    int nearest = cox_str_nearest(name, names, n);
    fprintf(stderr, "cox %s: unknown subcommand '%s'", f->name, name);
    if (nearest >= 0)
        fprintf(stderr, "; did you mean '%s'?", names[nearest]);
    fprintf(stderr, " ('cox %s --help' lists them)\n", f->name);
    return COX_EXIT_USAGE;
}

int cox_family_run(const struct cox_family *family, int argc, char **argv)
{
    if (argc < 2) {
        print_usage(family, stderr);
        return COX_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_usage(family, stdout);
        return COX_EXIT_OK;
    }
    for (int i = 0; i < family->n; i++)
        if (!strcmp(argv[1], family->subcommands[i].name))
            return family->subcommands[i].run(argc - 1, argv + 1);
    return unknown_subcommand(family, argv[1]);
}
