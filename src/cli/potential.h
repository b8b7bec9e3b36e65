/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands of `cox potential`. Each is int cox_potential_NAME(argc, argv) in
 * potential_NAME.c, with argv[0] the subcommand's name; it returns the exit code. */
#ifndef COX_CLI_POTENTIAL_H
#define COX_CLI_POTENTIAL_H

#define COX_POTENTIAL_COMMANDS(X)                                                           \
    X(train, "train", "a potential from labelled data: DeePMD-kit's input.json")            \
    X(convert, "convert", "a model file of another format (.pb, .pbtxt, .yaml) as .dp")     \
    X(compress, "compress", "embedding nets from tables: the same forces in half the time") \
    X(kim_install, "kim-install", "a model for LAMMPS: pair_style kim")                     \
    X(run, "run", "molecular dynamics with a potential, in a box or without")               \
    X(rdf, "rdf", "radial distribution functions of trajectories")                          \
    X(test, "test", "errors of a potential on labelled data")                               \
    X(model_devi, "model-devi", "how far several potentials are apart")                     \
    X(neighbor_stat, "neighbor-stat", "numbers of neighbours and distances in data")        \
    X(show, "show", "what is in a model")

#define X(name, text, summary) int cox_potential_##name(int argc, char **argv);
COX_POTENTIAL_COMMANDS(X)
#undef X

#endif
