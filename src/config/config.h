/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration: YAML text → plain C structs by tables, and the tables → `--explain`,
 * docs/config.md and the effective configuration. A table (schema) is a constant array of rows; one
 * row tells all there is to know of one key, so parser, messages and documentation cannot disagree.
 *
 *     struct md { double timestep_fs; int engine; const char *system; };
 *     static const char *const engines[] = {"ensemble", "fake", NULL};
 *     static const struct cox_config_row md_rows[] = {
 *         {"system", COX_CONFIG_PATH, COX_CONFIG_FIELD(struct md, system),
 *          .flags = COX_CONFIG_REQUIRED | COX_CONFIG_MUST_EXIST, .help = "what to simulate"},
 *         {"timestep_fs", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct md, timestep_fs), .unit =
 * "fs", .initial = "4", .minimum = 0.1, .maximum = 10, .help = "length of one step"},
 *         {"engine", COX_CONFIG_ENUM, COX_CONFIG_FIELD(struct md, engine), .initial = "ensemble",
 *          .choices = engines, .help = "who computes the forces"},
 *     };
 *     static const struct cox_config_schema md_schema = COX_CONFIG_SCHEMA(md_rows, struct md, "…");
 *
 * Errors are one line, `fold.yaml:12:7: unknown key 'retrain_evry' in 'learn'; did you mean
 * 'retrain_every'? (allowed: …)`. Anchors, aliases, tags and second documents are refused.
 * All functions are thread-safe on distinct objects. All memory comes from the caller's arena. */
#ifndef COX_CONFIG_CONFIG_H
#define COX_CONFIG_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"
#include "cox/err.h"

enum cox_config_type {
    COX_CONFIG_BOOL,     /* bool: true/false, yes/no, on/off */
    COX_CONFIG_INT,      /* int; 1e6 is fine where it is whole */
    COX_CONFIG_INT64,    /* int64_t */
    COX_CONFIG_DOUBLE,   /* double, finite */
    COX_CONFIG_TEXT,     /* const char * */
    COX_CONFIG_PATH,     /* const char *: as seen from the folder of the YAML file */
    COX_CONFIG_ENUM,     /* int: the index in `choices` (a C enum of the same width is fine) */
    COX_CONFIG_SECTION,  /* the section's struct, in place */
    COX_CONFIG_INTS,     /* struct cox_config_ints */
    COX_CONFIG_DOUBLES,  /* struct cox_config_doubles */
    COX_CONFIG_TEXTS,    /* struct cox_config_texts */
    COX_CONFIG_PATHS,    /* struct cox_config_texts */
    COX_CONFIG_SECTIONS, /* struct cox_config_sections */
};

/* Lists; items live in the arena. A list of numbers, texts or paths may also be written as one
 * scalar in the file. */
struct cox_config_ints {
    int n;
    const int *items;
};
struct cox_config_doubles {
    int n;
    const double *items;
};
struct cox_config_texts {
    int n;
    const char *const *items;
};
struct cox_config_sections {
    int n;
    const void *items; /* an array of the section's struct */
};

enum cox_config_flags {
    COX_CONFIG_REQUIRED = 1,      /* must be in the file; has no default */
    COX_CONFIG_MUST_EXIST = 2,    /* path: the file is there when the configuration is read */
    COX_CONFIG_ABOVE_MINIMUM = 4, /* number: `minimum` itself is not allowed */
    COX_CONFIG_FLATTEN = 8,       /* list of numbers: items may be lists, [[0, 1], [1, 1]] */
    COX_CONFIG_ANYTHING = 16,     /* text: a list or a section is fine, too, and gives NULL */
};

/* What a key holds that has neither a value nor a default (`initial` NULL, not required):
 * NULL, NaN, -1 (enum), these (integers), n = 0 (lists). Booleans must have a default. */
#define COX_CONFIG_UNSET INT_MIN
#define COX_CONFIG_UNSET64 INT64_MIN

struct cox_config_schema;

struct cox_config_row {
    const char *name;
    enum cox_config_type type;
    size_t offset; /* both by COX_CONFIG_FIELD */
    size_t width;
    const char *unit; /* "fs", "K", "Å": the unit of the number; NULL = none */
    const char
        *initial;   /* the default as one would write it in YAML, e.g. "4", "[1, 2]"; NULL = none */
    double minimum; /* numbers, or each number of a list: allowed range, both ends allowed; */
    double maximum; /* minimum == maximum (as when left out) = any; INFINITY for one-sided */
    const char *const *choices; /* enum: NULL-terminated */
    const struct cox_config_schema *section;
    int min_items; /* lists */
    int max_items; /* lists; 0 = 1000 */
    unsigned flags;
    const char *help;           /* one line */
    const char *const *aliases; /* NULL-terminated: other names that files may use; NULL = none */
};

struct cox_config_schema {
    const struct cox_config_row *rows;
    int n;
    size_t size;      /* of the struct that it fills */
    const char *help; /* one or two sentences: what the section is for */
    bool comments;    /* keys that begin with '_' are remarks, passed over */
};

#define COX_CONFIG_FIELD(type, member) \
    .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define COX_CONFIG_SCHEMA(row_array, type, text)                                   \
    {                                                                              \
        .rows = (row_array), .n = (int)(sizeof(row_array) / sizeof(row_array)[0]), \
        .size = sizeof(type), .help = (text)                                       \
    }

/* A file that was read: remembers where each key stood. Lives in the arena. */
struct cox_config;

/* Reads `path` and fills `values` (schema->size bytes), defaults included. COX_ENOTFOUND when there
 * is no such file, else COX_EINVAL with file:line:column. `out` (may be NULL) is for the functions
 * below. On failure `values` is undefined. */
int cox_config_load(struct cox_config **out, void *values, const struct cox_config_schema *schema,
                    const char *path, struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* The same from memory; `name` stands for the file in messages and its folder for relative paths.
 */
struct cox_config_text {
    const char *name;
    const char *bytes;
    size_t length;
};
int cox_config_parse(struct cox_config **out, void *values, const struct cox_config_schema *schema,
                     const struct cox_config_text *text, struct cox_arena *arena,
                     struct cox_err *err) COX_MUST_CHECK;
/* The same with `assignments` ("learn.epochs=20", checked as by cox_config_assign) in place of what
 * the file says: the file's own values of those keys are not even looked at. */
int cox_config_load_with(struct cox_config **out, void *values,
                         const struct cox_config_schema *schema, const char *path,
                         const struct cox_config_texts *assignments, struct cox_arena *arena,
                         struct cox_err *err) COX_MUST_CHECK;
/* Only the defaults; required keys are left unset. For tests and for structs built by hand. */
int cox_config_defaults(void *values, const struct cox_config_schema *schema,
                        struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;
/* One more value from the command line, `learn.epochs=20` (`--set`): same checks, messages start
 * with the assignment. Paths are as seen from the working directory. Lists of sections cannot be
 * set. */
int cox_config_assign(void *values, const struct cox_config_schema *schema, const char *assignment,
                      struct cox_arena *arena, struct cox_err *err) COX_MUST_CHECK;

/* Fails with `status` and "<file>:<line>:<column>: <message>" at the place of a dotted key, for
 * checks that need more than one key: "agent.objective", "starts[1].path". A key that the file
 * leaves out is reported at its section. */
int cox_config_error(const struct cox_config *config, const char *key, struct cox_err *err,
                     int status, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Whether the file itself gives the key (a default does not count). */
bool cox_config_given(const struct cox_config *config, const char *key);
/* Line and column (from 1) of the key, or of the nearest section above it. */
void cox_config_position(const struct cox_config *config, const char *key, int *line, int *column);

/* The effective configuration as YAML: every key, its help as a comment; unset keys as comments.
 * Paths become absolute, doubles take the fewest digits that give them back: reading the text gives
 * the same values, emitting those the same text. Failures stick in `out` (cox_str_status). */
void cox_config_emit(struct cox_str *out, const struct cox_config_schema *schema,
                     const void *values);

enum cox_config_format { COX_CONFIG_PLAIN, COX_CONFIG_MARKDOWN };
/* Every key with type, unit, default, allowed values and help, by section: `--explain` (plain) and
 * docs/config.md. */
void cox_config_explain(struct cox_str *out, const struct cox_config_schema *schema,
                        enum cox_config_format format);

/* Whether the tables make sense: widths fit types, defaults parse and lie in range, help is there,
 * names are unique. Every schema's test calls it. */
int cox_config_check_schema(const struct cox_config_schema *schema,
                            struct cox_err *err) COX_MUST_CHECK;

#endif
