/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/show.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "molecule/summary.h"

#define MAXIMUM_SEQUENCE ((size_t)1 << 24)
#define LINE 60

static const char *solvent_text(const struct cox_system *s)
{
    return s->solvent == COX_SOLVENT_OBC2 ? "obc2" : "vacuum";
}

/* Charges add up to whole numbers but for rounding; no "-0". */
static double rounded(double value)
{
    return 1e-6 * round(1e6 * value) + 0.0;
}

/* "+4", "0", "-2". */
static const char *charge_text(double charge, char text[32])
{
    if (fabs(charge) < 5e-5)
        snprintf(text, 32, "0");
    else
        snprintf(text, 32, "%+.5g", charge);
    return text;
}

static void print_sequence(const struct cox_system *s, const char *indent)
{
    struct cox_str sequence;
    cox_str_init(&sequence, MAXIMUM_SEQUENCE);
    cox_system_sequence(s, &sequence);
    const char *text = cox_str_text(&sequence);
    for (size_t at = 0; at < sequence.length; at += LINE)
        printf("%s%.*s\n", indent, LINE, text + at);
    cox_str_deinit(&sequence);
}

void cox_show_brief(const struct cox_system *s, const char *path)
{
    struct cox_system_summary sum;
    char charge[32];
    cox_system_summarise(s, &sum);
    printf("%s: %d atoms, %d residues, charge %s e, solvent %s\n", path, s->n_atoms, s->n_residues,
           charge_text(sum.charge_e, charge), solvent_text(s));
    print_sequence(s, "  ");
    printf("  %d bonds, %d angles, %d torsions, %d 1-4 pairs; radius of gyration %.2f A\n",
           s->n_bonds, s->n_angles, s->n_torsions, s->n_pairs14, 10 * sum.radius_of_gyration_nm);
    if (sum.n_disulfides)
        printf("  %d disulfide bond%s\n", sum.n_disulfides, sum.n_disulfides == 1 ? "" : "s");
}

static void print_provenance(const char *provenance)
{
    static const struct {
        const char *key, *label;
    } texts[] = {
        {"program", "made by"},
        {"command", "command"},
        {"input", "input"},
        {"input_sha256", "sha256"},
        {"coordinates", "coordinates"},
        {"forcefield", "force field"},
        {"gromacs", "GROMACS"},
        {"radii", "radii"},
    };
    struct cox_json *json = NULL;
    if (cox_json_parse(&json, provenance, NULL)) {
        printf("provenance     %s\n", provenance);
        return;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = cox_json_get_text(json, texts[i].key);
        if (text)
            printf("%-14s %s\n", texts[i].label, text);
    }
    cox_json_destroy(json);
}

void cox_show_full(const struct cox_system *s, const char *path)
{
    struct cox_system_summary sum;
    char charge[32];
    cox_system_summarise(s, &sum);
    printf("%-14s %s\n", "file", path);
    printf("%-14s %s\n", "name", s->name);
    printf("%-14s %d (%d hydrogens)\n", "atoms", s->n_atoms, sum.n_hydrogens);
    printf("%-14s %d\n", "residues", s->n_residues);
    print_sequence(s, "               ");
    printf("%-14s %d\n", "bonds", s->n_bonds);
    printf("%-14s %d\n", "disulfides", sum.n_disulfides);
    printf("%-14s %d\n", "angles", s->n_angles);
    printf("%-14s %d (%d impropers)\n", "torsions", s->n_torsions, sum.n_impropers);
    printf("%-14s %d\n", "1-4 pairs", s->n_pairs14);
    printf("%-14s %d\n", "exclusions", s->n_exclusions);
    printf("%-14s %s e\n", "charge", charge_text(sum.charge_e, charge));
    printf("%-14s %.3f u\n", "mass", sum.mass_u);
    printf("%-14s radius of gyration %.2f A, extent %.1f x %.1f x %.1f A\n", "size",
           10 * sum.radius_of_gyration_nm, 10 * sum.extent_nm[0], 10 * sum.extent_nm[1],
           10 * sum.extent_nm[2]);
    if (s->solvent == COX_SOLVENT_OBC2)
        printf("%-14s obc2, dielectric %g (solute %g), surface tension %g kJ/mol/nm^2\n", "solvent",
               s->solvent_dielectric, s->solute_dielectric, s->surface_tension);
    else
        printf("%-14s vacuum\n", "solvent");
    print_provenance(s->provenance);
}

static struct cox_json *make_json(const struct cox_system *s, const char *path)
{
    struct cox_system_summary sum;
    struct cox_str sequence;
    cox_system_summarise(s, &sum);
    cox_str_init(&sequence, MAXIMUM_SEQUENCE);
    cox_system_sequence(s, &sequence);
    struct cox_json *json = cox_json_object();
    cox_json_set_text(json, "file", path);
    cox_json_set_text(json, "name", s->name);
    cox_json_set_int(json, "atoms", s->n_atoms);
    cox_json_set_int(json, "hydrogens", sum.n_hydrogens);
    cox_json_set_int(json, "residues", s->n_residues);
    cox_json_set_text(json, "sequence", cox_str_text(&sequence));
    cox_json_set_int(json, "bonds", s->n_bonds);
    cox_json_set_int(json, "disulfides", sum.n_disulfides);
    cox_json_set_int(json, "angles", s->n_angles);
    cox_json_set_int(json, "torsions", s->n_torsions);
    cox_json_set_int(json, "impropers", sum.n_impropers);
    cox_json_set_int(json, "pairs14", s->n_pairs14);
    cox_json_set_int(json, "exclusions", s->n_exclusions);
    cox_json_set_number(json, "charge_e", rounded(sum.charge_e));
    cox_json_set_number(json, "mass_u", sum.mass_u);
    cox_json_set_number(json, "radius_of_gyration_A", 10 * sum.radius_of_gyration_nm);
    struct cox_json *extent = cox_json_array();
    for (int k = 0; k < 3; k++)
        cox_json_push_number(extent, 10 * sum.extent_nm[k]);
    cox_json_set(json, "extent_A", extent);
    cox_json_set_text(json, "solvent", solvent_text(s));
    cox_json_set_number(json, "solvent_dielectric", s->solvent_dielectric);
    cox_json_set_number(json, "surface_tension", s->surface_tension);
    struct cox_json *provenance = NULL;
    if (!cox_json_parse(&provenance, s->provenance, NULL))
        cox_json_set(json, "provenance", provenance);
    cox_str_deinit(&sequence);
    return json;
}

int cox_show_json(const struct cox_system *system, const char *path, struct cox_err *err)
{
    struct cox_json *json = make_json(system, path);
    char *text = cox_json_text(json, true);
    cox_json_destroy(json);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "no memory to print '%s'", path);
    printf("%s", text);
    cox_free(text);
    return COX_OK;
}

int cox_cmd_show(int argc, char **argv)
{
    bool as_json = false;
    int operands = 0;
    const struct cox_option options[] = {
        {"json", 0, COX_OPT_FLAG, &as_json, NULL, "print one JSON object", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox show FILE.system.h5 [options]",
        .description = "Prints what is in a system file: atoms, sequence, terms, charge, size, "
                       "solvent,\nand how it was made.\n\n  cox show bba.system.h5",
        .options = options,
        .n_options = 1,
        .min_operands = 1,
        .max_operands = 1,
    };
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    struct cox_err err = COX_ERR_INIT;
    struct cox_system *system = NULL;
    int rc = cox_system_load(&system, argv[1], &err);
    if (!rc && as_json)
        rc = cox_show_json(system, argv[1], &err);
    else if (!rc)
        cox_show_full(system, argv[1]);
    cox_system_destroy(system);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
