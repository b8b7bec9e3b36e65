/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/show.h"
#include "molecule/prepare.h"

struct arguments {
    struct cox_prepare_options prepare;
    const char *output;
    long long model;
    bool json;
};

static int parse(struct arguments *a, int argc, char **argv, int *operands)
{
    struct cox_prepare_options *p = &a->prepare;
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXT, &a->output, "FILE", "system file to write", 0, 0},
        {"forcefield", 'f', COX_OPT_TEXT, &p->forcefield, "NAME", "Amber force field of GROMACS", 0,
         0},
        {"solvent", 's', COX_OPT_TEXT, &p->solvent, "MODEL", "obc2 or vacuum", 0, 0},
        {"radii", 0, COX_OPT_TEXT, &p->radii, "SET",
         "amber99-obc (default) or mbondi2; a prmtop has its own", 0, 0},
        {"surface-tension", 0, COX_OPT_NUMBER, &p->surface_tension, "X",
         "of the nonpolar term, kJ/mol/nm^2; 0: off", 0, 1000},
        {"model", 0, COX_OPT_INT, &a->model, "N", "of a PDB with several (the first if not given)",
         0, 99999999},
        {"sequence", 0, COX_OPT_TEXT, &p->sequence, "LETTERS", "build this peptide", 0, 0},
        {"phi", 0, COX_OPT_NUMBER, &p->phi_deg, "DEG", "backbone of --sequence", -180, 180},
        {"psi", 0, COX_OPT_NUMBER, &p->psi_deg, "DEG", "backbone of --sequence", -180, 180},
        {"cap", 0, COX_OPT_FLAG, &p->cap, NULL, "put ACE and NME around --sequence", 0, 0},
        {"name", 0, COX_OPT_TEXT, &p->name, "NAME",
         "name of the system (from the input if not given)", 0, 0},
        {"gmx", 0, COX_OPT_TEXT, &p->gmx, "PROGRAM", "GROMACS", 0, 0},
        {"json", 0, COX_OPT_FLAG, &a->json, NULL, "print one JSON object", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox prepare (IN.pdb | TOP.prmtop COORDINATES | --sequence LETTERS) -o "
                    "OUT.system.h5 [options]",
        .description =
            "Makes a system file: atoms, force-field terms, implicit solvent, coordinates.\n\n"
            "  cox prepare unfolded.pdb -o bba.system.h5\n"
            "  cox prepare --sequence YYDPETGTWY -o chignolin.system.h5\n"
            "  cox prepare --sequence AAAAAAAAAA --phi -57 --psi -47 --cap -o helix.system.h5\n"
            "  cox prepare protein.prmtop protein.rst7 -o protein.system.h5\n\n"
            "A PDB and a sequence need GROMACS (Debian package 'gromacs'), which adds hydrogens,\n"
            "termini and disulfides; a prmtop does not. 'cox show' prints what is in the file.",
        .options = options,
        .n_options = sizeof options / sizeof options[0],
        .min_operands = 0,
        .max_operands = 2,
    };
    return cox_options_parse(&usage, argc, argv, operands);
}

static bool is_prmtop(const char *path)
{
    return cox_str_ends(path, ".prmtop") || cox_str_ends(path, ".parm7") ||
           cox_str_ends(path, ".top");
}

static int usage_error(const char *message)
{
    fprintf(stderr, "cox: %s ('cox prepare --help' tells how)\n", message);
    return COX_EXIT_USAGE;
}

static int choose_input(struct arguments *a, int operands, char **argv)
{
    if (a->prepare.sequence) {
        if (operands)
            return usage_error("give a file or --sequence, not both");
    } else if (!operands) {
        return usage_error("give a PDB, a prmtop with coordinates, or --sequence");
    } else if (is_prmtop(argv[1])) {
        a->prepare.prmtop = argv[1];
        if (operands < 2)
            return usage_error("a prmtop needs coordinates too: an inpcrd or rst7");
        a->prepare.coordinates = argv[2];
    } else {
        a->prepare.pdb = argv[1];
        if (operands > 1)
            return usage_error(
                "a PDB stands alone; coordinates go with a file that ends in .prmtop, "
                ".parm7 or .top");
    }
    if (!a->output)
        return usage_error("give the file to write: -o OUT.system.h5");
    return -1;
}

/* The command as one line, for the provenance; folders are left out, they differ by machine. */
static void join_command(int argc, char **argv, struct cox_str *out)
{
    cox_str_add(out, "cox");
    for (int i = 0; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        cox_str_addf(out, " %s", slash && slash[1] ? slash + 1 : argv[i]);
    }
}

static void print_notes(const char *notes)
{
    while (*notes) {
        size_t n = strcspn(notes, "\n");
        printf("  note: %.*s\n", (int)n, notes);
        notes += n + (notes[n] == '\n');
    }
}

static int run(struct arguments *a, struct cox_err *err)
{
    struct cox_str notes;
    struct cox_system *system = NULL;
    cox_str_init(&notes, 1 << 20);
    int rc = cox_prepare(&system, &notes, &a->prepare, err);
    if (!rc)
        rc = cox_system_save(system, a->output, err);
    if (!rc && a->json) {
        rc = cox_show_json(system, a->output, err);
    } else if (!rc) {
        cox_show_brief(system, a->output);
        print_notes(cox_str_text(&notes));
    }
    cox_system_destroy(system);
    cox_str_deinit(&notes);
    return rc;
}

int cox_cmd_prepare(int argc, char **argv)
{
    struct arguments a = {.prepare = COX_PREPARE_OPTIONS_INIT};
    struct cox_err err = COX_ERR_INIT;
    struct cox_str command;
    int operands = 0;
    cox_str_init(&command, 1 << 16);
    join_command(argc, argv, &command);
    int code = parse(&a, argc, argv, &operands);
    if (code < 0)
        code = choose_input(&a, operands, argv);
    if (code < 0) {
        a.prepare.model = (int)a.model;
        a.prepare.command = cox_str_text(&command);
        a.prepare.cancel = cox_interrupt_watch();
        int rc = run(&a, &err);
        if (rc)
            fprintf(stderr, "cox: %s\n", err.text);
        code = rc == COX_ECANCELLED ? COX_EXIT_INTERRUPTED : rc ? COX_EXIT_FAILED : COX_EXIT_OK;
    }
    cox_str_deinit(&command);
    return code;
}
