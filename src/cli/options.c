/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/commands.h"

static void print_help(const struct cox_usage *usage)
{
    printf("usage: %s\n\n%s\n", usage->synopsis, usage->description);
    printf("\noptions:\n");
    for (int i = 0; i < usage->n_options; i++) {
        const struct cox_option *o = &usage->options[i];
        char left[64];
        char letter[8] = "    ";
        if (o->letter)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->metavar ? " " : "",
                 o->metavar ? o->metavar : "");
        printf("  %-30s %s", left, o->help);
        if (o->type == COX_OPT_INT && *(const long long *)o->value)
            printf(" [%lld]", *(const long long *)o->value);
        else if (o->type == COX_OPT_NUMBER && *(const double *)o->value != 0 &&
                 !isnan(*(const double *)o->value))
            printf(" [%g]", *(const double *)o->value);
        else if (o->type == COX_OPT_TEXT && *(const char *const *)o->value)
            printf(" [%s]", *(const char *const *)o->value);
        printf("\n");
    }
    printf("  %-30s %s\n", "-h, --help", "show this help");
}

static int usage_error(const struct cox_usage *usage)
{
    fprintf(stderr, "usage: %s\n", usage->synopsis);
    return COX_EXIT_USAGE;
}

static const struct cox_option *find(const struct cox_usage *usage, const char *name, size_t n)
{
    for (int i = 0; i < usage->n_options; i++)
        if (strlen(usage->options[i].name) == n && !strncmp(usage->options[i].name, name, n))
            return &usage->options[i];
    return NULL;
}

static const struct cox_option *find_letter(const struct cox_usage *usage, char letter)
{
    for (int i = 0; i < usage->n_options; i++)
        if (usage->options[i].letter == letter)
            return &usage->options[i];
    return NULL;
}

static int out_of_range(const struct cox_option *o, const char *text)
{
    fprintf(stderr, "cox: --%s must be from %g to %g, not '%s'\n", o->name, o->minimum, o->maximum,
            text);
    return COX_EXIT_USAGE;
}

static int set_value(const struct cox_option *o, const char *text)
{
    bool bounded = o->minimum < o->maximum;
    if (o->type == COX_OPT_TEXT) {
        *(const char **)o->value = text;
    } else if (o->type == COX_OPT_TEXTS) {
        struct cox_option_texts *list = o->value;
        if (list->n == COX_OPTION_TEXTS_MAX) {
            fprintf(stderr, "cox: --%s may be given at most %d times\n", o->name,
                    COX_OPTION_TEXTS_MAX);
            return COX_EXIT_USAGE;
        }
        list->items[list->n++] = text;
    } else if (o->type == COX_OPT_INT) {
        long long value;
        if (cox_parse_int(text, &value)) {
            fprintf(stderr, "cox: --%s takes a whole number, not '%s'\n", o->name, text);
            return COX_EXIT_USAGE;
        }
        if (bounded && ((double)value < o->minimum || (double)value > o->maximum))
            return out_of_range(o, text);
        *(long long *)o->value = value;
    } else {
        double value;
        if (cox_parse_double(text, &value) || value != value) {
            fprintf(stderr, "cox: --%s takes a number, not '%s'\n", o->name, text);
            return COX_EXIT_USAGE;
        }
        if (bounded && (value < o->minimum || value > o->maximum))
            return out_of_range(o, text);
        *(double *)o->value = value;
    }
    return -1;
}

static int unknown(const struct cox_usage *usage, const char *given)
{
    const char *names[64];
    int n = 0;
    for (; n < usage->n_options && n < 64; n++)
        names[n] = usage->options[n].name;
    char bare[64];
    const char *start = given + strspn(given, "-");
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(start, "="), start);
    int nearest = cox_str_nearest(bare, names, n);
    fprintf(stderr, "cox: unknown option '%s'", given);
    if (nearest >= 0)
        fprintf(stderr, "; did you mean '--%s'?", names[nearest]);
    fprintf(stderr, "\n");
    return usage_error(usage);
}

/* A negative number is an operand or a value, never an option. */
static bool is_option(const char *text)
{
    double ignored;
    return text[0] == '-' && text[1] && cox_parse_double(text, &ignored);
}

static int parse_one(const struct cox_usage *usage, int argc, char **argv, int *at)
{
    char *text = argv[*at];
    const struct cox_option *o;
    const char *value = NULL;
    if (text[1] == '-') {
        size_t n = strcspn(text + 2, "=");
        o = find(usage, text + 2, n);
        if (text[2 + n] == '=')
            value = text + 2 + n + 1;
    } else {
        o = find_letter(usage, text[1]);
        if (text[2])
            value = text + 2;
    }
    if (!o)
        return unknown(usage, text);
    if (o->type == COX_OPT_FLAG) {
        if (value) {
            fprintf(stderr, "cox: --%s takes no value\n", o->name);
            return COX_EXIT_USAGE;
        }
        *(bool *)o->value = true;
        return -1;
    }
    if (!value) {
        if (*at + 1 >= argc) {
            fprintf(stderr, "cox: --%s needs a value (%s)\n", o->name,
                    o->metavar ? o->metavar : "");
            return COX_EXIT_USAGE;
        }
        value = argv[++*at];
    }
    return set_value(o, value);
}

int cox_options_parse(const struct cox_usage *usage, int argc, char **argv, int *operands)
{
    int n = 0;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        if (!only_operands && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
            print_help(usage);
            return COX_EXIT_OK;
        }
        if (!only_operands && !strcmp(argv[i], "--")) {
            only_operands = true;
        } else if (!only_operands && is_option(argv[i])) {
            int code = parse_one(usage, argc, argv, &i);
            if (code >= 0)
                return code;
        } else {
            argv[1 + n++] = argv[i];
        }
    }
    *operands = n;
    if (n < usage->min_operands || (usage->max_operands >= 0 && n > usage->max_operands)) {
        if (n < usage->min_operands)
            fprintf(stderr, "cox: an argument is missing\n");
        else
            fprintf(stderr, "cox: unexpected argument '%s'\n", argv[1 + usage->max_operands]);
        return usage_error(usage);
    }
    return -1;
}
