/* SPDX-License-Identifier: BSD-3-Clause */
/* A schema with one of everything, for this module's tests. */
#ifndef COX_CONFIG_TEST_SCHEMA_H
#define COX_CONFIG_TEST_SCHEMA_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "config/config.h"

enum engine { ENGINE_ENSEMBLE, ENGINE_OPENMM, ENGINE_FAKE };

struct start {
    const char *path;
    double weight;
};
struct target {
    double rmsd_A;
    int segments;
};
struct learn {
    int retrain_every;
    double dropout;
    bool warm;
    struct cox_config_ints filters;
    struct target target;
};
struct all {
    const char *title;
    const char *system;
    const char *weights;
    double timestep_fs;
    double friction_per_ps;
    double temperature_K;
    double limit_h;
    int64_t seed;
    int maybe;
    int engine;
    int novelty;
    struct learn learn;
    struct cox_config_sections starts;
    struct cox_config_doubles box;
    struct cox_config_texts names;
    struct cox_config_texts files;
};

static const char *const engines[] = {"ensemble", "openmm", "fake", NULL};
static const char *const novelties[] = {"lof", "dbscan", NULL};

static const struct cox_config_row start_rows[] = {
    {"path", COX_CONFIG_PATH, COX_CONFIG_FIELD(struct start, path), .flags = COX_CONFIG_REQUIRED,
     .help = "a start structure"},
    {"weight", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct start, weight), .initial = "1",
     .minimum = 0, .maximum = INFINITY, .flags = COX_CONFIG_ABOVE_MINIMUM, .help = "its share"},
};
static const struct cox_config_schema start_schema =
    COX_CONFIG_SCHEMA(start_rows, struct start, "where to start");

static const struct cox_config_row target_rows[] = {
    {"rmsd_A", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct target, rmsd_A), .unit = "Å",
     .initial = "2.5", .minimum = 0, .maximum = 100, .help = "reached below this"},
    {"segments", COX_CONFIG_INT, COX_CONFIG_FIELD(struct target, segments), .initial = "3",
     .minimum = 1, .maximum = INFINITY, .help = "for so many segments"},
};
static const struct cox_config_schema target_schema =
    COX_CONFIG_SCHEMA(target_rows, struct target, "when to stop");

static const struct cox_config_row learn_rows[] = {
    {"retrain_every", COX_CONFIG_INT, COX_CONFIG_FIELD(struct learn, retrain_every),
     .unit = "rounds", .initial = "1", .minimum = 1, .maximum = 1000,
     .help = "rounds per training"},
    {"dropout", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct learn, dropout), .initial = "0.4",
     .minimum = 0, .maximum = 1, .help = "share of units dropped"},
    {"warm", COX_CONFIG_BOOL, COX_CONFIG_FIELD(struct learn, warm), .initial = "true",
     .help = "goes on from the last model"},
    {"filters", COX_CONFIG_INTS, COX_CONFIG_FIELD(struct learn, filters),
     .initial = "[64, 64, 64, 64]", .minimum = 1, .maximum = 4096, .min_items = 1, .max_items = 8,
     .help = "filters per layer"},
    {"target", COX_CONFIG_SECTION, COX_CONFIG_FIELD(struct learn, target),
     .section = &target_schema, .help = "when to stop"},
};
static const struct cox_config_schema learn_schema =
    COX_CONFIG_SCHEMA(learn_rows, struct learn, "the model");

static const struct cox_config_row rows[] = {
    {"title", COX_CONFIG_TEXT, COX_CONFIG_FIELD(struct all, title), .initial = "a run",
     .help = "a name | for people"},
    {"system", COX_CONFIG_PATH, COX_CONFIG_FIELD(struct all, system), .flags = COX_CONFIG_REQUIRED,
     .help = "the system file"},
    {"weights", COX_CONFIG_PATH, COX_CONFIG_FIELD(struct all, weights),
     .flags = COX_CONFIG_MUST_EXIST, .help = "a model to begin with"},
    {"timestep_fs", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct all, timestep_fs), .unit = "fs",
     .initial = "4", .minimum = 0.1, .maximum = 10, .help = "one step"},
    {"friction_per_ps", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct all, friction_per_ps),
     .unit = "1/ps", .initial = "1", .help = "of the thermostat"},
    {"temperature_K", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct all, temperature_K), .unit = "K",
     .initial = "300", .minimum = 1, .maximum = 2000, .help = "of the bath"},
    {"limit_h", COX_CONFIG_DOUBLE, COX_CONFIG_FIELD(struct all, limit_h), .unit = "h", .minimum = 0,
     .maximum = INFINITY, .help = "wall time"},
    {"seed", COX_CONFIG_INT64, COX_CONFIG_FIELD(struct all, seed), .initial = "1",
     .help = "of everything"},
    {"maybe", COX_CONFIG_INT, COX_CONFIG_FIELD(struct all, maybe), .help = "a number or nothing"},
    {"engine", COX_CONFIG_ENUM, COX_CONFIG_FIELD(struct all, engine), .initial = "ensemble",
     .choices = engines, .help = "who computes"},
    {"novelty", COX_CONFIG_ENUM, COX_CONFIG_FIELD(struct all, novelty), .choices = novelties,
     .help = "how outliers are found"},
    {"learn", COX_CONFIG_SECTION, COX_CONFIG_FIELD(struct all, learn), .section = &learn_schema,
     .help = "the model"},
    {"starts", COX_CONFIG_SECTIONS, COX_CONFIG_FIELD(struct all, starts), .section = &start_schema,
     .max_items = 4, .help = "start structures"},
    {"box", COX_CONFIG_DOUBLES, COX_CONFIG_FIELD(struct all, box), .min_items = 3, .max_items = 3,
     .minimum = 0, .maximum = 50, .help = "edges"},
    {"names", COX_CONFIG_TEXTS, COX_CONFIG_FIELD(struct all, names), .initial = "[a, b c]",
     .help = "texts"},
    {"files", COX_CONFIG_PATHS, COX_CONFIG_FIELD(struct all, files), .help = "paths"},
};
static const struct cox_config_schema schema =
    COX_CONFIG_SCHEMA(rows, struct all, "everything that a test needs");

struct reading {
    struct cox_arena *arena;
    struct cox_config *config;
    struct all all;
    struct cox_err err;
    int status;
};

static inline void reading_parse(struct reading *r, const char *yaml)
{
    memset(r, 0, sizeof *r);
    r->arena = cox_arena_create();
    assert_non_null(r->arena);
    struct cox_config_text text = {"dir/f.yaml", yaml, strlen(yaml)};
    r->status = cox_config_parse(&r->config, &r->all, &schema, &text, r->arena, &r->err);
}

static inline void reading_end(struct reading *r)
{
    cox_arena_destroy(r->arena);
}

static const char ok_yaml[] = "system: s.h5\n";

static const char full_yaml[] = "\xEF\xBB\xBF# a comment\n"
                                "title: 'it''s: \"µ\"'\n"
                                "system: /abs/s.h5\n"
                                "timestep_fs: 25e-1\n"
                                "seed: 9223372036854775807\n"
                                "maybe: 1e3\n"
                                "engine: fake\n"
                                "novelty: dbscan\n"
                                "limit_h: 0.1\n"
                                "learn:\n"
                                "  warm: no\n"
                                "  filters: 7\n"
                                "  target: {rmsd_A: 1.1}\n"
                                "starts:\n"
                                "  - path: a.pdb\n"
                                "    weight: 3\n"
                                "  - {path: ../b.pdb}\n"
                                "box: [1, 2.5, 3]\n"
                                "names: []\n"
                                "files: [x, /y]\n";

#endif
