/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "cli/commands.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
#define X(name, text, summary) {text, cox_cmd_##name, summary},
    COX_COMMANDS(X)
#undef X
};

#define N_COMMANDS ((int)(sizeof commands / sizeof commands[0]))

static void print_usage(FILE *to)
{
    fprintf(to,
            "usage: cox COMMAND [arguments]\n\n"
            "Coxswain steers ensembles of molecular-dynamics simulations with machine learning.\n\n"
            "commands:\n");
    for (int i = 0; i < N_COMMANDS; i++)
        if (commands[i].summary)
            fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(to, "\n'cox COMMAND --help' tells more; 'cox --version' the version.\n");
}

static void print_log(void *user, enum cox_log_level level, const char *line)
{
    (void)user;
    if (level >= COX_LOG_WARN)
        fprintf(stderr, "cox: warning: %s\n", line);
    else if (level >= COX_LOG_INFO)
        fprintf(stderr, "cox: %s\n", line);
}

static int unknown_command(const char *name)
{
    const char *names[N_COMMANDS + 1];
    int n = 0;
    for (int i = 0; i < N_COMMANDS; i++)
        if (commands[i].summary)
            names[n++] = commands[i].name;
    int nearest = cox_str_nearest(name, names, n);
    fprintf(stderr, "cox: unknown command '%s'", name);
    if (nearest >= 0)
        fprintf(stderr, "; did you mean '%s'?", names[nearest]);
    fprintf(stderr, " ('cox --help' lists them)\n");
    return COX_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    cox_log_set_sink(print_log, NULL);
    if (argc < 2) {
        print_usage(stderr);
        return COX_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_usage(stdout);
        return COX_EXIT_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("cox %s\n", COX_VERSION);
        return COX_EXIT_OK;
    }
    for (int i = 0; i < N_COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    return unknown_command(argv[1]);
}
