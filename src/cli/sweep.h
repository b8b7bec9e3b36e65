/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of `cox sweep`. Each is int cox_cmd_sweep_NAME(argc, argv) in sweep_NAME.c or a
 * neighbour, with argv[0] the subcommand's name; it returns the exit code. */
#ifndef COX_CLI_SWEEP_H
#define COX_CLI_SWEEP_H

#define COX_SWEEP_COMMANDS(X)                                                                 \
    X(run, "run", "run a job at every point, learn from the results, predict the rest")       \
    X(resume, "resume", "go on with a sweep that was interrupted or killed")                  \
    X(status, "status", "what a sweep is doing, from another terminal")                       \
    X(predict, "predict", "what a sweep says of any inputs, with its uncertainty")            \
    X(export, "export", "every point of a sweep as CSV, JSON or HDF5")                        \
    X(report, "report", "the report of a sweep, as one HTML page")                            \
    X(plan, "plan", "what a sweep will take: simulations, hours, cost; runs nothing")         \
    X(simulate, "simulate", "what a bag would cost on servers that may vanish; runs nothing") \
    X(fit_lifetimes, "fit-lifetimes", "models of servers' lifetimes from what was observed")

#define X(name, text, summary) int cox_cmd_sweep_##name(int argc, char **argv);
COX_SWEEP_COMMANDS(X)
#undef X

#endif
