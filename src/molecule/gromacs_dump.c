/* SPDX-License-Identifier: BSD-3-Clause */
/* GROMACS has no library call for this; its tpr format changes with every release, the printed form
 * hardly. Lines are recognised by how they begin:
 *   molblock (0):            moltype = 0 "Protein"        #molecules = 1
 *   functype[144]=BONDS, b0A= 1.01e-01, cbA= 3.63e+05, …
 *   moltype (0):
 *     atom[ 0]={type= 0, …, ptype= Atom, m= …, q= …, resind= 0, atomnumber= 7}
 *     atom[0]={name="N"}     residue[0]={name="TYR", nr=1, ic=' '}
 *     excls[0][num=13]={0, 1, …}   (may go on in the next lines)
 *     0 type=144 (BONDS) 0 1
 *   x[ 0]={-7.7e-01, …} */
#include "molecule/gromacs_dump.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "molecule/elements.h"
#include "molecule/gromacs_terms.h"

struct reader {
    struct cox_gromacs_terms *t;
    struct cox_err *err;
    int line;
    struct cox_gromacs_block *block; /* of the molblock lines, NULL elsewhere */
    struct cox_gromacs_molecule *molecule;
    int named;     /* atoms of the molecule whose name was read */
    int excluding; /* atom whose exclusion list is open, -1 when none */
};

static int malformed(struct reader *r, const char *what)
{
    return cox_err_set(r->err, COX_EFORMAT, "line %d of gmx dump: %s", r->line, what);
}

/* The number after `key` in a line; false when there is none. */
static bool number_after(const char *line, const char *key, double *out)
{
    const char *at = strstr(line, key);
    if (!at)
        return false;
    at += strlen(key);
    char *end;
    *out = strtod(at, &end);
    return end != at && isfinite(*out);
}

static bool int_after(const char *line, const char *key, int *out)
{
    double value;
    if (!number_after(line, key, &value) || fabs(value) > 1e9)
        return false;
    *out = (int)value;
    return true;
}

/* The text between the quotes after `key`, cut to COX_NAME_SIZE - 1. */
static bool name_after(const char *line, const char *key, char *out)
{
    const char *at = strstr(line, key);
    if (!at)
        return false;
    at += strlen(key);
    size_t n = strcspn(at, "\"");
    if (!at[n] || n >= COX_NAME_SIZE)
        return false;
    memset(out, 0, COX_NAME_SIZE);
    memcpy(out, at, n);
    return true;
}

static int read_functype(struct reader *r, const char *line)
{
    static const struct {
        const char *name;
        enum cox_gromacs_kind kind;
        const char *keys[2];
    } kinds[] = {
        {"LJ_SR,", COX_GMX_LJ, {"c6=", "c12="}},
        {"LJ14,", COX_GMX_LJ14, {"c6A=", "c12A="}},
        {"BONDS,", COX_GMX_BOND, {"b0A=", "cbA="}},
        {"ANGLES,", COX_GMX_ANGLE, {"thA=", "ctA="}},
        {"PDIHS,", COX_GMX_PROPER, {"phiA=", "cpA="}},
        {"PIDIHS,", COX_GMX_IMPROPER, {"phiA=", "cpA="}},
    };
    const char *name = strstr(line, "]=");
    struct cox_gromacs_function f = {.kind = COX_GMX_OTHER};
    if (!name)
        return malformed(r, "a function type without a name");
    name += 2;
    strncpy(f.name, name, sizeof f.name - 1);
    f.name[strcspn(f.name, ", ")] = '\0';
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strncmp(name, kinds[i].name, strlen(kinds[i].name)) != 0)
            continue;
        f.kind = kinds[i].kind;
        if (!number_after(line, kinds[i].keys[0], &f.value[0]) ||
            !number_after(line, kinds[i].keys[1], &f.value[1]))
            return malformed(r, "a function type without its parameters");
    }
    if ((f.kind == COX_GMX_PROPER || f.kind == COX_GMX_IMPROPER) &&
        !int_after(line, "mult=", &f.multiplicity))
        return malformed(r, "a torsion without multiplicity");
    return cox_growing_add(&r->t->functions, &f, r->err);
}

static int read_atom(struct reader *r, const char *line)
{
    if (!r->molecule)
        return malformed(r, "an atom outside of a molecule");
    struct cox_growing *atoms = &r->molecule->atoms;
    if (strstr(line, "={name=")) {
        if (r->named >= atoms->n)
            return malformed(r, "more names than atoms");
        struct cox_gromacs_atom *atom = (struct cox_gromacs_atom *)atoms->items + r->named++;
        return name_after(line, "name=\"", atom->name) ? COX_OK
                                                       : malformed(r, "an atom's name is too long");
    }
    struct cox_gromacs_atom atom = {.type = 0};
    if (!int_after(line, "={type=", &atom.type) || !number_after(line, " m=", &atom.mass_u) ||
        !number_after(line, " q=", &atom.charge_e) || !int_after(line, "resind=", &atom.residue) ||
        !int_after(line, "atomnumber=", &atom.element))
        return malformed(r, "an atom lacks type, mass, charge, residue or number");
    const char *particle = strstr(line, "ptype=");
    if (!particle || strncmp(particle + 6 + strspn(particle + 6, " "), "Atom,", 5) != 0)
        return cox_err_set(r->err, COX_EUNSUPPORTED,
                           "atom %d is a virtual site or shell, not an atom", atoms->n);
    if (atom.element < 1 || atom.element > 118)
        atom.element = cox_element_of_mass(atom.mass_u);
    return cox_growing_add(atoms, &atom, r->err);
}

static int read_residue(struct reader *r, const char *line)
{
    struct cox_gromacs_residue residue = {.number = 0};
    if (!r->molecule || !name_after(line, "name=\"", residue.name) ||
        !int_after(line, "nr=", &residue.number))
        return malformed(r, "a residue lacks name or number");
    return cox_growing_add(&r->molecule->residues, &residue, r->err);
}

/* The numbers of an exclusion list, as far as this line has them. */
static int read_exclusions(struct reader *r, const char *at)
{
    while (*at && *at != '}') {
        if (!isdigit((unsigned char)*at)) {
            at++;
            continue;
        }
        char *end;
        long other = strtol(at, &end, 10);
        if (other > INT32_MAX)
            return malformed(r, "an exclusion is out of range");
        at = end;
        int pair[2] = {r->excluding, (int)other};
        /* Both directions and the atom itself are listed. */
        if (pair[0] >= pair[1])
            continue;
        int rc = cox_growing_add(&r->molecule->exclusions, pair, r->err);
        if (rc)
            return rc;
    }
    if (*at == '}')
        r->excluding = -1;
    return COX_OK;
}

static int begin_exclusions(struct reader *r, const char *line)
{
    const char *open = strchr(line, '{');
    /* "excls[5][num=0]={}" has no list. */
    if (!r->molecule || !open || !int_after(line, "excls[", &r->excluding) || r->excluding < 0) {
        r->excluding = -1;
        return malformed(r, "a malformed list of exclusions");
    }
    return read_exclusions(r, open + 1);
}

static int read_interaction(struct reader *r, const char *line)
{
    static const int n_atoms[] = {
        [COX_GMX_LJ] = 2,    [COX_GMX_LJ14] = 2,   [COX_GMX_BOND] = 2,
        [COX_GMX_ANGLE] = 3, [COX_GMX_PROPER] = 4, [COX_GMX_IMPROPER] = 4,
    };
    struct cox_gromacs_interaction term = {.type = 0};
    if (!r->molecule || !int_after(line, "type=", &term.type) || term.type < 0 ||
        term.type >= r->t->functions.n)
        return malformed(r, "an interaction of unknown type");
    const struct cox_gromacs_function *f =
        (const struct cox_gromacs_function *)r->t->functions.items + term.type;
    if (f->kind == COX_GMX_OTHER || f->kind == COX_GMX_LJ)
        return cox_err_set(r->err, COX_EUNSUPPORTED,
                           "the force field has terms of the kind '%s'; supported are Amber's: "
                           "bonds, angles, proper and improper torsions, 1-4 pairs",
                           f->name);
    const char *at = strchr(line, ')');
    for (int i = 0; at && i < n_atoms[f->kind]; i++) {
        char *end;
        at += at[0] == ')' ? 1 : 0;
        long atom = strtol(at, &end, 10);
        if (end == at || atom < 0 || atom >= r->molecule->atoms.n)
            return malformed(r, "an interaction names no valid atom");
        term.atom[i] = (int)atom;
        at = end;
    }
    if (!at)
        return malformed(r, "an interaction without atoms");
    return cox_growing_add(&r->molecule->interactions, &term, r->err);
}

static int read_position(struct reader *r, const char *line)
{
    double x[3];
    const char *at = strchr(line, '{');
    for (int k = 0; at && k < 3; k++) {
        char *end;
        x[k] = strtod(at + 1, &end);
        if (end == at + 1 || !isfinite(x[k]))
            return malformed(r, "a coordinate is no number");
        at = end;
    }
    if (!at)
        return malformed(r, "a position without coordinates");
    return cox_growing_add(&r->t->positions, x, r->err);
}

static int begin_molecule(struct reader *r)
{
    struct cox_gromacs_molecule molecule = COX_GROMACS_MOLECULE_INIT;
    int rc = cox_growing_add(&r->t->molecules, &molecule, r->err);
    if (!rc) {
        r->molecule = (struct cox_gromacs_molecule *)r->t->molecules.items + r->t->molecules.n - 1;
        r->named = 0;
        r->block = NULL;
    }
    return rc;
}

static int begin_block(struct reader *r)
{
    struct cox_gromacs_block block = {-1, 0};
    int rc = cox_growing_add(&r->t->blocks, &block, r->err);
    if (!rc)
        r->block = (struct cox_gromacs_block *)r->t->blocks.items + r->t->blocks.n - 1;
    return rc;
}

static bool begins(const char *line, const char *with)
{
    return !strncmp(line, with, strlen(with));
}

static int read_line(struct reader *r, const char *line)
{
    if (r->excluding >= 0)
        return read_exclusions(r, line);
    if (begins(line, "functype["))
        return read_functype(r, line);
    if (begins(line, "atom["))
        return read_atom(r, line);
    if (begins(line, "residue["))
        return read_residue(r, line);
    if (begins(line, "excls["))
        return begin_exclusions(r, line);
    if (isdigit((unsigned char)line[0]) && strstr(line, " type="))
        return read_interaction(r, line);
    if (begins(line, "x["))
        return read_position(r, line);
    if (begins(line, "molblock ("))
        return begin_block(r);
    if (begins(line, "moltype ("))
        return begin_molecule(r);
    if (r->block && begins(line, "moltype ") && !int_after(line, "=", &r->block->molecule))
        return malformed(r, "a block of molecules without its type");
    if (r->block && begins(line, "#molecules ") && !int_after(line, "=", &r->block->count))
        return malformed(r, "a block of molecules without its number");
    if (begins(line, "atnr=") && !int_after(line, "=", &r->t->n_types))
        return malformed(r, "no number of atom types");
    if (begins(line, "fudgeQQ ") && !number_after(line, "=", &r->t->fudge_charge))
        return malformed(r, "no fudgeQQ");
    return COX_OK;
}

int cox_gromacs_dump_parse(struct cox_system **out, const char *text, size_t length,
                           struct cox_err *err)
{
    struct cox_gromacs_terms terms = COX_GROMACS_TERMS_INIT;
    struct reader r = {.t = &terms, .err = err, .excluding = -1};
    char line[512];
    int rc = COX_OK;
    *out = NULL;
    for (size_t at = 0; !rc && at < length; r.line++) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t end = newline ? (size_t)(newline - text) : length;
        size_t begin = at;
        while (begin < end && text[begin] == ' ')
            begin++;
        /* Longer lines are of options that do not matter here. */
        size_t n = end - begin < sizeof line - 1 ? end - begin : sizeof line - 1;
        memcpy(line, text + begin, n);
        line[n] = '\0';
        rc = read_line(&r, line);
        at = end + 1;
    }
    if (!rc && r.excluding >= 0)
        rc = malformed(&r, "the text ends within a list of exclusions");
    if (!rc)
        rc = cox_gromacs_terms_build(out, &terms, err);
    cox_gromacs_terms_deinit(&terms);
    return rc;
}
