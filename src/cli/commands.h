/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of commands. Each is int cox_cmd_NAME(argc, argv) in cmd_NAME.c, with argv[0] the
 * command's name; it returns the exit code: COX_EXIT_*.
 * A command without a summary is not listed. */
#ifndef COX_CLI_COMMANDS_H
#define COX_CLI_COMMANDS_H

enum { COX_EXIT_OK = 0, COX_EXIT_FAILED = 1, COX_EXIT_USAGE = 2, COX_EXIT_INTERRUPTED = 130 };

#define COX_COMMANDS(X)                                                                     \
    X(prepare, "prepare", "make a system file from a PDB, a sequence or a prmtop")          \
    X(show, "show", "what is in a system file")                                             \
    X(md, "md", "plain molecular dynamics, and how fast it is")                             \
    X(run, "run", "a steered ensemble: fold a protein, explore a landscape")                \
    X(resume, "resume", "go on with an interrupted run")                                    \
    X(status, "status", "what a run is doing, from another terminal")                       \
    X(export, "export", "frames of a run as DCD, XTC or PDB for viewers")                   \
    X(lineage, "lineage", "the pathway from a start structure to a frame")                  \
    X(report, "report", "the report of a run, as one HTML page")                            \
    X(compare, "compare", "several runs side by side: was the steering worth it")           \
    X(potential, "potential", "train, test, compress and run a neural potential")           \
    X(sweep, "sweep", "bags of jobs, a surrogate that takes over, servers that may vanish") \
    X(repair, "repair", "put in order what a killed writer left behind")                    \
    X(worker, "worker", NULL)

#define X(name, text, summary) int cox_cmd_##name(int argc, char **argv);
COX_COMMANDS(X)
#undef X

#endif
