/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of `cox sweep`. Each is int cox_cmd_sweep_NAME(argc, argv) in sweep_NAME.c or a
 * neighbour, with argv[0] the subcommand's name; it returns the exit code. */
#ifndef COX_CLI_SWEEP_H
#define COX_CLI_SWEEP_H

#define COX_SWEEP_COMMANDS(X)                                                                \
    X(fit_lifetimes, "fit-lifetimes", "models of servers' lifetimes from what was observed") \
    X(simulate, "simulate", "what a bag would cost on servers that may vanish; runs nothing")

#define X(name, text, summary) int cox_cmd_sweep_##name(int argc, char **argv);
COX_SWEEP_COMMANDS(X)
#undef X

#endif
