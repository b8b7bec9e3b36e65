/* SPDX-License-Identifier: BSD-3-Clause */
/* A command that is a family of others: `cox potential train`, `cox sweep run`. */
#ifndef COX_CLI_SUBCOMMANDS_H
#define COX_CLI_SUBCOMMANDS_H

struct cox_subcommand {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0]: the subcommand's name; returns COX_EXIT_* */
    const char *summary;
};

struct cox_family {
    const char *name;        /* "potential" */
    const char *description; /* one or more lines of --help, each ended */
    const struct cox_subcommand *subcommands;
    int n;
};

/* Runs argv[1], or prints help, or says what was meant. Returns the exit code. */
int cox_family_run(const struct cox_family *family, int argc, char **argv);

#endif
