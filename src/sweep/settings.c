/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/settings.h"

#include <math.h>
#include <stddef.h>

#include "sweep/settings_check.h"

static const char *const designs[] = {"grid", "random", "sobol", "file", NULL};
static const char *const acquisitions[] = {"random", "space", "variance", "integrated", NULL};
static const char *const objectives[] = {"none", "minimise", "maximise", "reach", NULL};
static const char *const executors[] = {"auto", "local", "slurm", NULL};

#define P(member) COX_CONFIG_FIELD(struct cox_sweep_parameter, member)
static const struct cox_config_row parameter_rows[] = {
    {"name", COX_CONFIG_TEXT, P(name), .flags = COX_CONFIG_REQUIRED,
     .help = "letters, digits and _; {name} in the job's arguments and files becomes its value"},
    {"unit", COX_CONFIG_TEXT, P(unit), .help = "for figures and messages; nothing is converted"},
    {"values", COX_CONFIG_DOUBLES, P(values), .min_items = 1, .max_items = 10000,
     .help = "a list of numbers"},
    {"choices", COX_CONFIG_TEXTS, P(choices), .min_items = 1,
     .help = "a list of words: a category without order"},
    {"range", COX_CONFIG_DOUBLES, P(range), .min_items = 2, .max_items = 2,
     .help = "[from, to], both ends included; exactly one of values, choices and range is given"},
    {"steps", COX_CONFIG_INT, P(steps), .minimum = 2, .maximum = 1e7,
     .help = "values of a range in a grid, both ends among them"},
    {"log", COX_CONFIG_BOOL, P(log), .initial = "false",
     .help = "evenly spaced, drawn and learned in the logarithm; values above 0"},
    {"whole", COX_CONFIG_BOOL, P(whole), .initial = "false", .help = "whole numbers only"},
};
static const struct cox_config_schema parameter_schema =
    COX_CONFIG_SCHEMA(parameter_rows, struct cox_sweep_parameter,
                      "One input of the job: a list of numbers, a list of words, or a range.");

#define F(type, member) COX_CONFIG_FIELD(struct cox_settings_##type, member)
static const struct cox_config_row design_rows[] = {
    {"kind", COX_CONFIG_ENUM, F(design, kind), .choices = designs,
     .help = "grid: every combination; random, sobol: points drawn from ranges and lists, sobol "
             "more evenly; file: the rows of a CSV. Left out: file where one is given, sobol where "
             "points are, else grid"},
    {"points", COX_CONFIG_INT, F(design, points), .minimum = 1, .maximum = 1e7,
     .help = "random, sobol: how many; one that is drawn twice is kept once"},
    {"file", COX_CONFIG_PATH, F(design, file),
     .help = "a CSV whose header has the parameters' names; further columns are passed over"},
};
static const struct cox_config_schema design_schema =
    COX_CONFIG_SCHEMA(design_rows, struct cox_settings_design,
                      "Which combinations of the parameters are wanted: the points of the sweep.");

static const struct cox_config_row job_rows[] = {
    {"command", COX_CONFIG_TEXTS, F(job, command), .flags = COX_CONFIG_REQUIRED,
     .help = "the program and its arguments, as a list, or as one line split at blanks outside "
             "quotes; no shell is asked: for one write [sh, -c, \"…\"]. {name}, {name:.3f}, "
             "{seed}, {cores}, {point} and {bag} (the folder of this file) are replaced; {{ and }} "
             "are braces, ${…} stays"},
    {"resume", COX_CONFIG_TEXTS, F(job, resume), .initial = "[]",
     .help = "likewise, after a preemption, in the directory as it was left; left out: command"},
    {"files", COX_CONFIG_PATHS, F(job, files), .initial = "[]",
     .help = "text files copied into the job's directory with placeholders replaced; a last suffix "
             ".in or .template is dropped. Braces around anything but a known name stay"},
    {"links", COX_CONFIG_PATHS, F(job, links), .initial = "[]",
     .help = "files and folders linked into the job's directory as they are; a change of their "
             "contents makes new jobs"},
    {"keep", COX_CONFIG_TEXTS, F(job, keep), .initial = "[]",
     .help = "patterns (*, ?, […]) of the files to keep of a finished job; left out: all"},
    {"cores", COX_CONFIG_INT, F(job, cores), .initial = "1", .minimum = 1, .maximum = 65536,
     .help = "that one job takes"},
    {"memory_gb", COX_CONFIG_DOUBLE, F(job, memory_gb), .unit = "GB", .initial = "0", .minimum = 0,
     .maximum = 1e6, .help = "that one job takes; 0: not asked for"},
    {"limit_minutes", COX_CONFIG_DOUBLE, F(job, limit_minutes), .unit = "min", .minimum = 0,
     .maximum = 1e7, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "a job that runs longer is ended and has failed; left out: none"},
    {"expected_minutes", COX_CONFIG_DOUBLE, F(job, expected_minutes), .unit = "min", .minimum = 0,
     .maximum = 1e7, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "how long a job may take, for 'plan' and 'simulate' before any has run"},
    {"spread", COX_CONFIG_DOUBLE, F(job, spread), .initial = "0.1", .minimum = 0, .maximum = 10,
     .help = "of that: relative standard deviation between jobs"},
    {"checkpoint_minutes", COX_CONFIG_DOUBLE, F(job, checkpoint_minutes), .unit = "min",
     .minimum = 0, .maximum = 1e5,
     .help = "what writing one checkpoint costs; left out: the job writes none and begins anew "
             "after a preemption"},
    {"retries", COX_CONFIG_INT, F(job, retries), .initial = "2", .minimum = 0, .maximum = 1000,
     .help = "of a job that failed; preemptions do not count"},
    {"grace_s", COX_CONFIG_DOUBLE, F(job, grace_s), .unit = "s", .initial = "10", .minimum = 0,
     .maximum = 86400, .help = "between SIGTERM and SIGKILL"},
};
static const struct cox_config_schema job_schema = COX_CONFIG_SCHEMA(
    job_rows, struct cox_settings_job,
    "What is run at every point, in a directory of its own. Exit code 0 and readable outputs make "
    "a result; it is known by the contents of its inputs and never computed twice.");

#define O(member) COX_CONFIG_FIELD(struct cox_sweep_output, member)
static const struct cox_config_row output_rows[] = {
    {"name", COX_CONFIG_TEXT, O(name), .flags = COX_CONFIG_REQUIRED,
     .help = "letters, digits and _; of the column in exports"},
    {"unit", COX_CONFIG_TEXT, O(unit), .help = "for figures and messages; nothing is converted"},
    {"csv", COX_CONFIG_TEXT, O(csv),
     .help = "a table in the job's directory: commas, or blanks as LAMMPS writes; # begins a "
             "comment, the last one before the numbers may hold the names of the columns"},
    {"json", COX_CONFIG_TEXT, O(json), .help = "a JSON file in the job's directory"},
    {"hdf5", COX_CONFIG_TEXT, O(hdf5), .help = "an HDF5 file in the job's directory"},
    {"text", COX_CONFIG_TEXT, O(text),
     .help = "a log or the like in the job's directory; exactly one of csv, json, hdf5 and text is "
             "given"},
    {"column", COX_CONFIG_TEXT, O(column), .help = "csv: name of the column, or its number from 1"},
    {"error_column", COX_CONFIG_TEXT, O(error_column),
     .help = "csv: the column of the standard errors"},
    {"row", COX_CONFIG_INT, O(row), .minimum = -1e9, .maximum = 1e9,
     .help = "csv: 1 the first row of numbers, -1 the last; left out: all of them, a profile"},
    {"key", COX_CONFIG_TEXT, O(key),
     .help = "json: where, e.g. results.density[2]; hdf5: the dataset; a list is a profile"},
    {"error_key", COX_CONFIG_TEXT, O(error_key), .help = "json, hdf5: where the standard error is"},
    {"match", COX_CONFIG_TEXT, O(match),
     .help = "text: a POSIX extended regular expression; the number is its first group where it "
             "matches last, e.g. 'Total energy = *([^ ]+)'"},
    {"error_match", COX_CONFIG_TEXT, O(error_match), .help = "text: likewise, the standard error"},
    {"accuracy", COX_CONFIG_DOUBLE, O(accuracy), .minimum = 0, .maximum = INFINITY,
     .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "largest error wanted of a prediction, in the output's unit; left out: see "
             "relative_accuracy"},
    {"relative_accuracy", COX_CONFIG_DOUBLE, O(relative_accuracy), .initial = "0.05", .minimum = 0,
     .maximum = 1, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "… as a share of the range of values seen so far"},
    {"within_error", COX_CONFIG_BOOL, O(within_error), .initial = "false",
     .help = "the job's own standard error is accurate enough, where that is larger"},
    {"bins", COX_CONFIG_DOUBLE, O(bins), .initial = "0.95", .minimum = 0, .maximum = 1,
     .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "share of a profile's values that must be so accurate"},
    {"ignore", COX_CONFIG_BOOL, O(ignore), .initial = "false",
     .help = "recorded, but nothing is learned or predicted of it"},
};
static const struct cox_config_schema output_schema = COX_CONFIG_SCHEMA(
    output_rows, struct cox_sweep_output, "One result of the job: a number or a profile of them.");

static const struct cox_config_row targets_rows[] = {
    {"coverage", COX_CONFIG_DOUBLE, F(targets, coverage), .initial = "0.95", .minimum = 0.5,
     .maximum = 0.9999, .help = "probability with which every statement about predictions holds"},
    {"failing", COX_CONFIG_DOUBLE, F(targets, failing), .initial = "0.05", .minimum = 0,
     .maximum = 1, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "complete when at most this share of the predictions may miss its accuracy"},
    {"jobs", COX_CONFIG_INT, F(targets, jobs), .initial = "0", .minimum = 0, .maximum = 1e7,
     .help = "ends when so many points are known, simulated or predicted; 0: all"},
    {"budget", COX_CONFIG_DOUBLE, F(targets, budget), .minimum = 0, .maximum = INFINITY,
     .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "ends when so much is spent: USD, or core hours where no server has a price"},
    {"deadline_hours", COX_CONFIG_DOUBLE, F(targets, deadline_hours), .unit = "h", .minimum = 0,
     .maximum = 1e6, .flags = COX_CONFIG_ABOVE_MINIMUM, .help = "ends after so much time"},
};
static const struct cox_config_schema targets_schema =
    COX_CONFIG_SCHEMA(targets_rows, struct cox_settings_targets,
                      "When the sweep ends; the first that holds. Without any: when every point is "
                      "simulated, or predicted with the accuracy that its outputs ask for.");

static const struct cox_config_row surrogate_rows[] = {
    {"enabled", COX_CONFIG_BOOL, F(surrogate, enabled), .initial = "true",
     .help = "learn from the results and predict where that is good enough; false: simulate all"},
    {"members", COX_CONFIG_INT, F(surrogate, members), .initial = "5", .minimum = 2, .maximum = 100,
     .help = "networks of the ensemble"},
    {"hidden", COX_CONFIG_INTS, F(surrogate, hidden), .initial = "[512, 256]", .minimum = 1,
     .maximum = 65536, .min_items = 1, .max_items = 8, .help = "units of each hidden layer"},
    {"activations", COX_CONFIG_TEXTS, F(surrogate, activations), .initial = "[relu, sigmoid]",
     .min_items = 1, .max_items = 8, .help = "of each hidden layer: relu, sigmoid or tanh"},
    {"dropout", COX_CONFIG_DOUBLE, F(surrogate, dropout), .initial = "0.15", .minimum = 0,
     .maximum = 0.95, .help = "share of the hidden units dropped while training"},
    {"learning_rate", COX_CONFIG_DOUBLE, F(surrogate, learning_rate), .initial = "1e-4",
     .minimum = 1e-8, .maximum = 1, .help = "of Adam"},
    {"batch", COX_CONFIG_INT, F(surrogate, batch), .initial = "32", .minimum = 1, .maximum = 65536,
     .help = "results per training step"},
    {"epochs_first", COX_CONFIG_INT, F(surrogate, epochs_first), .initial = "500", .minimum = 1,
     .maximum = 1000000, .help = "passes over the results when it is first trained"},
    {"epochs", COX_CONFIG_INT, F(surrogate, epochs), .initial = "100", .minimum = 1,
     .maximum = 1000000, .help = "passes when it is trained on, warm"},
    {"first", COX_CONFIG_INT, F(surrogate, first), .initial = "0", .minimum = 0, .maximum = 1e7,
     .help = "results before the first training; 0: chosen from the number of inputs"},
    {"retrain_every", COX_CONFIG_INT, F(surrogate, retrain_every), .initial = "0", .minimum = 0,
     .maximum = 1e7, .help = "new results between trainings; 0: a tenth of what is there"},
    {"audit", COX_CONFIG_DOUBLE, F(surrogate, audit), .initial = "0.1", .minimum = 0, .maximum = 1,
     .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "share of the simulations that are drawn at random to audit the predictions"},
    {"audits_min", COX_CONFIG_INT, F(surrogate, audits_min), .initial = "20", .minimum = 1,
     .maximum = 1e7, .help = "audits before any prediction is served"},
    {"spread", COX_CONFIG_DOUBLE, F(surrogate, spread), .initial = "1", .minimum = 0,
     .maximum = INFINITY, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "standard deviation within the ensemble up to which a prediction is served, as a "
             "multiple of the accuracy wanted"},
    {"hull", COX_CONFIG_BOOL, F(surrogate, hull), .initial = "true",
     .help = "predict only inside the hull of the points simulated"},
};
static const struct cox_config_schema surrogate_schema = COX_CONFIG_SCHEMA(
    surrogate_rows, struct cox_settings_surrogate,
    "The ensemble of neural networks that learns from the results while jobs run and takes over "
    "where it is sure. The defaults are the network of Kadupitiya et al. (2020).");

static const struct cox_config_row acquisition_rows[] = {
    {"kind", COX_CONFIG_ENUM, F(acquisition, kind), .initial = "variance", .choices = acquisitions,
     .help = "random; space: farthest from what is known; variance: where the ensemble disagrees "
             "most; integrated: where a simulation lowers the variance over all points most"},
    {"batch", COX_CONFIG_INT, F(acquisition, batch), .initial = "0", .minimum = 0, .maximum = 1e6,
     .help = "points picked at a time; 0: as many as run side by side"},
};
static const struct cox_config_schema acquisition_schema = COX_CONFIG_SCHEMA(
    acquisition_rows, struct cox_settings_acquisition, "Which point is simulated next.");

static const struct cox_config_row objective_rows[] = {
    {"kind", COX_CONFIG_ENUM, F(objective, kind), .initial = "none", .choices = objectives,
     .help = "none: know the output everywhere; else look for the point that is best"},
    {"output", COX_CONFIG_TEXT, F(objective, output),
     .help = "name of the output, a single number"},
    {"value", COX_CONFIG_DOUBLE, F(objective, value), .help = "reach: the value wanted"},
    {"tolerance", COX_CONFIG_DOUBLE, F(objective, tolerance), .minimum = 0, .maximum = INFINITY,
     .help = "reach: ends when so near; minimise, maximise: ends when no better improvement is "
             "expected; left out: the output's accuracy, if that is given"},
};
static const struct cox_config_schema objective_schema =
    COX_CONFIG_SCHEMA(objective_rows, struct cox_settings_objective,
                      "Turns the sweep into a search: the next points are those from which the "
                      "largest improvement is expected.");

static const struct cox_config_row runtime_rows[] = {
    {"executor", COX_CONFIG_ENUM, F(sweep_runtime, executor), .initial = "auto",
     .choices = executors,
     .help = "who starts the jobs: local: this machine; slurm: steps of the allocation that cox "
             "runs in; auto: slurm inside an allocation, else local"},
    {"cores", COX_CONFIG_INT, F(sweep_runtime, cores), .initial = "0", .minimum = 0,
     .maximum = 65536, .help = "for all jobs together; 0: all there are"},
};
static const struct cox_config_schema runtime_schema =
    COX_CONFIG_SCHEMA(runtime_rows, struct cox_settings_sweep_runtime, "Where the jobs run.");

#define S(member) COX_CONFIG_FIELD(struct cox_sweep_settings, member)
static const struct cox_config_row sweep_rows[] = {
    {"title", COX_CONFIG_TEXT, S(title), .initial = "a sweep", .help = "for the report"},
    {"output", COX_CONFIG_PATH, S(output),
     .help = "directory of the results; left out: the file's name with .sweep"},
    {"folder", COX_CONFIG_PATH, S(folder),
     .help = "what {bag} stands for, and where programs with a / in their name are looked for; "
             "left out: the folder of this file"},
    {"seed", COX_CONFIG_INT64, S(seed), .initial = "1",
     .help = "of everything random, also of each point's {seed}"},
    {"parameters", COX_CONFIG_SECTIONS, S(parameters), .section = &parameter_schema,
     .flags = COX_CONFIG_REQUIRED, .min_items = 1, .max_items = 64,
     .help = "the inputs of the job that are varied"},
    {"design", COX_CONFIG_SECTION, S(design), .section = &design_schema,
     .help = "which combinations"},
    {"job", COX_CONFIG_SECTION, S(job), .section = &job_schema, .help = "what is run"},
    {"outputs", COX_CONFIG_SECTIONS, S(outputs), .section = &output_schema,
     .flags = COX_CONFIG_REQUIRED, .min_items = 1, .max_items = 1000,
     .help = "what is read from a finished job's directory"},
    {"targets", COX_CONFIG_SECTION, S(targets), .section = &targets_schema, .help = "when to end"},
    {"surrogate", COX_CONFIG_SECTION, S(surrogate), .section = &surrogate_schema,
     .help = "what learns from the results"},
    {"acquisition", COX_CONFIG_SECTION, S(acquisition), .section = &acquisition_schema,
     .help = "what to simulate next"},
    {"objective", COX_CONFIG_SECTION, S(objective), .section = &objective_schema,
     .help = "what to look for"},
    {"servers", COX_CONFIG_SECTION, S(servers), .section = &cox_sweep_servers_schema,
     .help = "what to run on"},
    {"runtime", COX_CONFIG_SECTION, S(runtime), .section = &runtime_schema,
     .help = "where the jobs run"},
};
const struct cox_config_schema cox_sweep_settings_schema = COX_CONFIG_SCHEMA(
    sweep_rows, struct cox_sweep_settings,
    "A sweep: one job at many points of a space of parameters, a surrogate that learns from the "
    "results and takes over where it is sure.");

int cox_sweep_settings_load(struct cox_sweep_settings *settings, struct cox_config **config,
                            const char *path, const char *const *set, int n_set,
                            struct cox_arena *arena, struct cox_err *err)
{
    const struct cox_config_texts given = {n_set, set};
    int rc = cox_config_load_with(config, settings, &cox_sweep_settings_schema, path, &given, arena,
                                  err);
    if (!rc)
        rc = cox_sweep_settings_finish(settings, path, *config, arena, err);
    return rc ? rc : cox_sweep_settings_check_files(settings, *config, arena, err);
}

int cox_sweep_settings_view(struct cox_sweep_settings *settings, struct cox_config **config,
                            const char *path, struct cox_arena *arena, struct cox_err *err)
{
    int rc = cox_config_load(config, settings, &cox_sweep_settings_schema, path, arena, err);
    return rc ? rc : cox_sweep_settings_finish(settings, path, *config, arena, err);
}
