/* SPDX-License-Identifier: BSD-3-Clause */
/* The command: options, what they may be, and how a restart finds those of the run. */
#include "cli/potential_run.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/potential.h"

#define LARGE 9e15 /* whole numbers that a double, and so JSON, has exactly */

int potential_run_options(struct potential_settings *s, struct cox_option *table)
{
    const struct cox_option options[] = {
        {"model", 'm', COX_OPT_TEXT, &s->model, "MODEL", "potential: .dp, .pb, .pbtxt, .yaml", 0,
         0},
        {"start", 'x', COX_OPT_TEXT, &s->start, "START",
         "extended XYZ (.xyz), LAMMPS data, or a deepmd/npy folder", 0, 0},
        {"output", 'o', COX_OPT_TEXT, &s->output, "DIR", "folder to write, a new one", 0, 0},
        {"steps", 'n', COX_OPT_INT, &s->steps, "N", "steps in all", 0, LARGE},
        {"nve", 0, COX_OPT_FLAG, &s->nve, NULL, "no thermostat", 0, 0},
        {"nvt", 0, COX_OPT_NUMBER, &s->nvt_K, "K", "constant volume at this temperature", 1e-3,
         1e5},
        {"npt", 0, COX_OPT_NUMBER, &s->npt_K, "K",
         "constant pressure (--pressure-bar) at this temperature", 1e-3, 1e5},
        {"pressure-bar", 0, COX_OPT_NUMBER, &s->pressure_bar, "BAR", "for --npt", -1e8, 1e8},
        {"to-K", 0, COX_OPT_NUMBER, &s->to_K, "K", "ramp the temperature linearly to this one",
         1e-3, 1e5},
        {"ramp-steps", 0, COX_OPT_INT, &s->ramp_steps, "N", "length of the ramp; 0: all steps", 0,
         LARGE},
        {"timestep-fs", 0, COX_OPT_NUMBER, &s->timestep_fs, "FS", "step", 1e-6, 100},
        {"thermostat", 0, COX_OPT_TEXT, &s->thermostat, "NAME", "langevin or nose-hoover", 0, 0},
        {"tau-ps", 0, COX_OPT_NUMBER, &s->tau_ps, "PS",
         "thermostat's time; 0: 0.5 for langevin (1/friction), 0.1 for nose-hoover", 0, 1e6},
        {"chain", 0, COX_OPT_INT, &s->chain, "N", "links of the Nosé-Hoover chain", 1,
         COX_DYN_MAX_CHAIN},
        {"coupling", 0, COX_OPT_TEXT, &s->coupling, "HOW",
         "barostat moves: iso, tri (edges and angles), or axes each for itself (xyz, xy, z …)", 0,
         0},
        {"tau-p-ps", 0, COX_OPT_NUMBER, &s->tau_p_ps, "PS", "relaxation time of the volume", 1e-4,
         1e6},
        {"compressibility", 0, COX_OPT_NUMBER, &s->compressibility_per_bar, "PER_BAR",
         "of the system, roughly: scales the barostat's moves, not its result", 1e-12, 1},
        {"barostat-every", 0, COX_OPT_INT, &s->barostat_every, "N", "steps between its moves", 1,
         1000000},
        {"deform", 0, COX_OPT_TEXT, &s->deform, "AXIS=RATE",
         "stretch x, y or z by RATE of its first length per ps", 0, 0},
        {"initial-K", 0, COX_OPT_NUMBER, &s->initial_K, "K",
         "draw velocities; 0: the file's, else at the target", 0, 1e5},
        {"seed", 0, COX_OPT_INT, &s->seed, "N", "of all random numbers", 0, LARGE},
        {"frame", 0, COX_OPT_INT, &s->frame, "N", "of START, from 0; -1: the last", -LARGE, LARGE},
        {"replicate", 0, COX_OPT_TEXT, &s->replicate, "AxBxC", "START's box so many times", 0, 0},
        {"type-map", 0, COX_OPT_TEXT, &s->type_map, "A,B", "names of LAMMPS's atom types", 0, 0},
        {"mass", 0, COX_OPT_TEXTS, &s->mass, "NAME=U", "mass of a kind of atoms", 0, 0},
        {"fparam", 0, COX_OPT_TEXT, &s->fparam, "A,B", "frame parameters of the model", 0, 0},
        {"precision", 0, COX_OPT_TEXT, &s->precision, "NAME",
         "float64, float32 (nets), or mix16 (their products)", 0, 0},
        {"threads", 't', COX_OPT_INT, &s->threads, "N", "0: all", 0, 4096},
        {"skin", 0, COX_OPT_NUMBER, &s->skin_A, "A", "of the lists of neighbours", 0, 20},
        {"every", 0, COX_OPT_INT, &s->every, "N", "steps between frames; 0: none", 0, LARGE},
        {"format", 0, COX_OPT_TEXT, &s->format, "NAME", "of the trajectory: h5, xyz or both", 0, 0},
        {"velocities", 0, COX_OPT_FLAG, &s->velocities, NULL, "in the trajectory, too", 0, 0},
        {"forces", 0, COX_OPT_FLAG, &s->forces, NULL, "in traj.xyz, too", 0, 0},
        {"wrap", 0, COX_OPT_FLAG, &s->wrap, NULL, "write positions inside the box", 0, 0},
        {"thermo-every", 0, COX_OPT_INT, &s->thermo_every, "N", "steps between rows of thermo.csv",
         1, LARGE},
        {"checkpoint-every", 0, COX_OPT_INT, &s->checkpoint_every, "N", "steps between checkpoints",
         1, LARGE},
        {"rdf", 0, COX_OPT_NUMBER, &s->rdf_A, "A",
         "radial distribution functions up to this distance; 0: none", 0, 100},
        {"rdf-bins", 0, COX_OPT_INT, &s->rdf_bins, "N", "of them", 1, 100000},
        {"rdf-every", 0, COX_OPT_INT, &s->rdf_every, "N", "steps between looks", 1, LARGE},
        {"rdf-from", 0, COX_OPT_INT, &s->rdf_from, "STEP", "first look: after equilibration", 0,
         LARGE},
        {"most-move", 0, COX_OPT_NUMBER, &s->most_move_A, "A",
         "an atom that moves farther in a step ends the run", 1e-3, 1e3},
        {"most-K", 0, COX_OPT_NUMBER, &s->most_K, "K",
         "a temperature above ends the run; 0: ten times what is asked for, at least 3000", 0, 1e7},
        {"restart", 0, COX_OPT_TEXT, &s->restart, "DIR",
         "go on with the run in DIR, with its settings (and --steps)", 0, 0},
        {"json", 0, COX_OPT_FLAG, &s->json, NULL, "the result as JSON, no table", 0, 0},
        {"quiet", 'q', COX_OPT_FLAG, &s->quiet, NULL, "no table", 0, 0},
    };
    memcpy(table, options, sizeof options);
    return (int)(sizeof options / sizeof options[0]);
}

/* `run MODEL …` does as well as `-m MODEL`, and `--replicate 2 2 2` as 2x2x2. */
static int take_operands(struct potential_settings *s, int n, char **argv, char *times, size_t size)
{
    int at = 1;
    long long ignored;
    if (n - at + 1 > 0 && !s->model && cox_parse_int(argv[at], &ignored))
        s->model = argv[at++];
    if (n - at + 1 == 2 && s->replicate && !strpbrk(s->replicate, "x, ")) {
        snprintf(times, size, "%sx%sx%s", s->replicate, argv[at], argv[at + 1]);
        s->replicate = times;
        at += 2;
    }
    if (at <= n) {
        fprintf(stderr, "cox: unexpected argument '%s'\n", argv[at]);
        return COX_EXIT_USAGE;
    }
    return -1;
}

static int missing(const char *what, const struct cox_usage *usage)
{
    fprintf(stderr, "cox: %s is missing\nusage: %s\n", what, usage->synopsis);
    return COX_EXIT_USAGE;
}

static int check(const struct potential_settings *s, const struct cox_usage *usage)
{
    if (!s->model)
        return missing("-m MODEL", usage);
    if (!s->start)
        return missing("-x START", usage);
    if (!s->output)
        return missing("-o DIR", usage);
    if (!s->steps)
        return missing("--steps N", usage);
    if (s->nve + (s->nvt_K > 0) + (s->npt_K > 0) != 1) {
        fprintf(stderr, "cox: say one of --nve, --nvt K and --npt K\n");
        return COX_EXIT_USAGE;
    }
    if (s->nve && s->to_K > 0) {
        fprintf(stderr, "cox: --to-K needs a thermostat: --nvt or --npt\n");
        return COX_EXIT_USAGE;
    }
    return -1;
}

/* ---- restart ---- */

static bool may_change(const char *name)
{
    static const char *const names[] = {"steps", "restart", "json", "quiet"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static bool same(const struct cox_option *a, const struct cox_option *b)
{
    switch (a->type) {
    case COX_OPT_FLAG:
        return *(bool *)a->value == *(bool *)b->value;
    case COX_OPT_INT:
        return *(long long *)a->value == *(long long *)b->value;
    case COX_OPT_NUMBER:
        return *(double *)a->value == *(double *)b->value;
    case COX_OPT_TEXT: {
        const char *left = *(const char **)a->value, *right = *(const char **)b->value;
        return left && right ? !strcmp(left, right) : left == right;
    }
    default:
        return ((struct cox_option_texts *)a->value)->n == ((struct cox_option_texts *)b->value)->n;
    }
}

static void read_one(const struct cox_json *json, const struct cox_option *o)
{
    const char *text = cox_json_get_text(json, o->name);
    if (o->type == COX_OPT_FLAG)
        *(bool *)o->value = cox_json_get_number(json, o->name, 0) != 0;
    else if (o->type == COX_OPT_INT)
        *(long long *)o->value =
            (long long)cox_json_get_number(json, o->name, (double)*(long long *)o->value);
    else if (o->type == COX_OPT_NUMBER)
        *(double *)o->value = cox_json_get_number(json, o->name, *(double *)o->value);
    else if (o->type == COX_OPT_TEXT)
        *(const char **)o->value = text;
    else if (text)
        *(struct cox_option_texts *)o->value = (struct cox_option_texts){1, {text}};
}

/* The saved settings, and of the given ones those that may change. */
static int take_over(struct potential_settings *s, struct cox_json **saved)
{
    struct potential_settings given = *s, defaults = POTENTIAL_SETTINGS_INIT;
    struct cox_option own[POTENTIAL_RUN_OPTIONS], none[POTENTIAL_RUN_OPTIONS];
    struct cox_err err = COX_ERR_INIT;
    char path[4096];
    int n = potential_run_options(&given, own);
    potential_run_options(&defaults, none);
    for (int i = 0; i < n; i++)
        if (!may_change(own[i].name) && !same(&own[i], &none[i])) {
            fprintf(stderr,
                    "cox: --%s cannot be given with --restart: a run goes on with its settings\n",
                    own[i].name);
            return COX_EXIT_USAGE;
        }
    int rc = cox_path_join(path, sizeof path, given.restart, "run.json", &err);
    if (!rc)
        rc = cox_json_read(saved, path, &err);
    const char *program = rc ? NULL : cox_json_get_text(*saved, "program");
    if (!rc && (!program || strcmp(program, "cox potential run") != 0))
        rc = cox_err_set(&err, COX_EFORMAT, "'%s' was not written by cox potential run", path);
    if (rc) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_FAILED;
    }
    *s = defaults;
    n = potential_run_options(s, own);
    for (int i = 0; i < n; i++)
        if (strcmp(own[i].name, "steps") == 0 || !may_change(own[i].name))
            read_one(*saved, &own[i]);
    if (given.steps)
        s->steps = given.steps;
    s->restart = s->output = given.restart;
    s->json = given.json;
    s->quiet = given.quiet;
    return -1;
}

static int run(struct potential_run *r)
{
    struct cox_err err = COX_ERR_INIT, ignored = COX_ERR_INIT;
    const atomic_int *interrupted = cox_interrupt_watch();
    int rc = potential_run_begin(r, &err);
    bool begun = !rc;
    if (!rc)
        rc = potential_run_loop(r, interrupted, &err);
    bool good = !rc || rc == COX_ECANCELLED;
    if (begun && good) {
        int recorded =
            potential_run_record(r, rc ? "interrupted" : "done", potential_run_result(r), &err);
        if (recorded) {
            rc = recorded;
            good = false;
        }
    } else if (begun && potential_run_record(r, "failed", NULL, &ignored)) {
        cox_err_wrap(&err, rc, "run.json could not be written either"); /* the disk is full, say */
    }
    if (begun && good)
        potential_run_summary(r, rc == COX_ECANCELLED);
    else
        fprintf(stderr, "cox: %s\n", err.text);
    potential_run_end(r);
    return !rc ? COX_EXIT_OK : rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : COX_EXIT_FAILED;
}

int cox_potential_run(int argc, char **argv)
{
    struct potential_run r = {.s = POTENTIAL_SETTINGS_INIT};
    struct cox_option options[POTENTIAL_RUN_OPTIONS];
    struct cox_json *saved = NULL;
    char times[128];
    int operands = 0;
    const struct cox_usage usage = {
        .synopsis = "cox potential run -m MODEL -x START -o DIR --steps N --nvt K [options]\n"
                    "       cox potential run --restart DIR [--steps N]",
        .description =
            "Molecular dynamics with a Deep Potential, in a periodic box or without.\n"
            "DIR gets traj.h5 (H5MD) or traj.xyz, thermo.csv, a checkpoint, final.xyz and the\n"
            "settings (run.json). Ctrl-C stops; --restart goes on to the same bits, also after\n"
            "kill -9 (from the last checkpoint).\n\n"
            "  cox potential run -m water.dp -x water.xyz --nvt 330 --steps 20000 -o w330 --rdf 6\n"
            "  cox potential run -m cu.dp -x cu.data --npt 300 --coupling xyz --steps 50000 -o cu",
        .options = options,
        .n_options = potential_run_options(&r.s, options),
        .min_operands = 0,
        .max_operands = 3,
    };
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code < 0)
        code = take_operands(&r.s, operands, argv, times, sizeof times);
    if (code < 0 && r.s.restart)
        code = take_over(&r.s, &saved);
    if (code < 0)
        code = check(&r.s, &usage);
    if (code < 0)
        code = run(&r);
    cox_json_destroy(saved);
    return code;
}
