/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/residues.h"

#include <stdio.h>
#include <string.h>

#include "molecule/pdb.h"

static const struct {
    const char *name;
    char letter;
    const char *heavy;
} residues[] = {
    {"ALA", 'A', "N CA C O CB"},
    {"ARG", 'R', "N CA C O CB CG CD NE CZ NH1 NH2"},
    {"ASN", 'N', "N CA C O CB CG OD1 ND2"},
    {"ASP", 'D', "N CA C O CB CG OD1 OD2"},
    {"CYS", 'C', "N CA C O CB SG"},
    {"GLN", 'Q', "N CA C O CB CG CD OE1 NE2"},
    {"GLU", 'E', "N CA C O CB CG CD OE1 OE2"},
    {"GLY", 'G', "N CA C O"},
    {"HIS", 'H', "N CA C O CB CG ND1 CD2 CE1 NE2"},
    {"ILE", 'I', "N CA C O CB CG1 CG2 CD1"},
    {"LEU", 'L', "N CA C O CB CG CD1 CD2"},
    {"LYS", 'K', "N CA C O CB CG CD CE NZ"},
    {"MET", 'M', "N CA C O CB CG SD CE"},
    {"PHE", 'F', "N CA C O CB CG CD1 CD2 CE1 CE2 CZ"},
    {"PRO", 'P', "N CA C O CB CG CD"},
    {"SER", 'S', "N CA C O CB OG"},
    {"THR", 'T', "N CA C O CB OG1 CG2"},
    {"TRP", 'W', "N CA C O CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2"},
    {"TYR", 'Y', "N CA C O CB CG CD1 CD2 CE1 CE2 CZ OH"},
    {"VAL", 'V', "N CA C O CB CG1 CG2"},
    {"ACE", 0, "CH3 C O"},
    {"NME", 0, "N CH3"},
    {"NH2", 0, "N"},
};

/* Names of protonation states and of other programs. */
static const struct {
    const char *name, *standard;
} aliases[] = {
    {"HID", "HIS"}, {"HIE", "HIS"},  {"HIP", "HIS"},  {"HSD", "HIS"},  {"HSE", "HIS"},
    {"HSP", "HIS"}, {"HISD", "HIS"}, {"HISE", "HIS"}, {"HISH", "HIS"}, {"CYX", "CYS"},
    {"CYM", "CYS"}, {"CYS2", "CYS"}, {"CYSH", "CYS"}, {"ASH", "ASP"},  {"ASPH", "ASP"},
    {"GLH", "GLU"}, {"GLUH", "GLU"}, {"LYN", "LYS"},  {"LYSH", "LYS"}, {"NHE", "NH2"},
    {"NAC", "NME"},
};

static const char *const solvents[] = {
    "HOH", "WAT", "SOL", "H2O", "DOD", "TIP", "TIP3", "TIP4", "TP3", "SPC",
    "NA",  "CL",  "K",   "NA+", "CL-", "SOD", "CLA",  "POT",  "K+",
};

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

static int find(const char *name)
{
    for (int i = 0; i < COUNT(residues); i++)
        if (!strcmp(residues[i].name, name))
            return i;
    return -1;
}

const char *cox_residue_standard(const char *name)
{
    int i = find(name);
    if (i >= 0)
        return residues[i].name;
    for (int k = 0; k < COUNT(aliases); k++)
        if (!strcmp(aliases[k].name, name))
            return aliases[k].standard;
    return NULL;
}

const char *cox_residue_of_letter(char letter)
{
    for (int i = 0; i < COUNT(residues); i++)
        if (letter && residues[i].letter == letter)
            return residues[i].name;
    return NULL;
}

const char *cox_residue_heavy_atoms(const char *standard)
{
    int i = find(standard);
    return i < 0 ? NULL : residues[i].heavy;
}

bool cox_residue_is_cap(const char *standard)
{
    int i = find(standard);
    return i >= 0 && !residues[i].letter;
}

bool cox_residue_is_solvent(const char *name)
{
    for (int i = 0; i < COUNT(solvents); i++)
        if (!strcmp(solvents[i], name))
            return true;
    return false;
}

bool cox_pdb_residue_known(const char *name)
{
    return cox_residue_standard(name) != NULL;
}

char cox_residue_letter(const char *name)
{
    const char *standard = cox_residue_standard(name);
    return standard ? residues[find(standard)].letter : 'X';
}

void cox_residue_describe(const char *name, const char *chain, int number, char insertion,
                          char *out, size_t size)
{
    const char suffix[2] = {insertion == ' ' ? '\0' : insertion, '\0'};
    snprintf(out, size, "%s %s%s%d%s", name, chain, chain[0] ? " " : "", number, suffix);
}
