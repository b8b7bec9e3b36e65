/* SPDX-License-Identifier: BSD-3-Clause */
/* Command-line options from one table per command, which also makes its --help. */
#ifndef COX_CLI_OPTIONS_H
#define COX_CLI_OPTIONS_H

#include <stdbool.h>

enum cox_option_type {
    COX_OPT_FLAG,   /* bool *      */
    COX_OPT_INT,    /* long long * */
    COX_OPT_NUMBER, /* double *    */
    COX_OPT_TEXT,   /* const char ** (borrowed from argv) */
    COX_OPT_TEXTS   /* struct cox_option_texts *: may be given several times */
};

#define COX_OPTION_TEXTS_MAX 64
struct cox_option_texts {
    int n;
    const char *items[COX_OPTION_TEXTS_MAX]; /* borrowed from argv */
};

struct cox_option {
    const char *name; /* "length-ns": given as --length-ns 1 or --length-ns=1 */
    char letter;      /* 'o' for -o, 0 for none */
    enum cox_option_type type;
    void *value;         /* holds the default before parsing */
    const char *metavar; /* "NS", NULL for flags */
    const char *help;
    double minimum, maximum; /* of INT and NUMBER, where minimum < maximum */
};

struct cox_usage {
    const char *synopsis;    /* "cox md SYSTEM.h5 [options]" */
    const char *description; /* what it does, with an example; may have many lines */
    const struct cox_option *options;
    int n_options;
    int min_operands, max_operands; /* max_operands -1: any number */
};

/* Parses argv[1…]; operands are moved to argv[1 … *operands] in their order. Returns -1 to go on,
 * else the exit code to return (0 after --help, 2 after an error, which was printed to stderr). */
int cox_options_parse(const struct cox_usage *usage, int argc, char **argv, int *operands);

#endif
