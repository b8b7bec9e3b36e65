/* SPDX-License-Identifier: BSD-3-Clause */
/* Extended XYZ: a count; a line of key=value with Lattice="ax ay az bx by bz cx cy cz" and
 * Properties=name:type:columns:…; a line per atom. Without Properties it is plain XYZ: name x y z.
 * Velocities: `vel`, `velo` or `velocities` in Å/fs; `momenta` as ASE writes them, √(u eV). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dynamics/lines.h"
#include "dynamics/start.h"
#include "dynamics/units.h"
#include "molecule/elements.h"

#define MAX_COLUMNS (COX_LINE_WORDS - 1)

struct layout {
    int columns;
    int species, number, pos, vel, momenta, mass; /* first column, -1: none */
    bool lattice, pbc_given, pbc;
};

/* Takes the next key (and value, "" when it has none) off *at; false at the end. */
static bool next_pair(char **at, char **key, char **value)
{
    static char none[] = "";
    char *p = *at + strspn(*at, " \t,");
    if (!*p)
        return false;
    *key = p;
    *value = none;
    p += strcspn(p, "= \t");
    if (*p != '=') {
        if (*p)
            *p++ = '\0';
        *at = p;
        return true;
    }
    *p++ = '\0';
    char close = *p == '"' || *p == '\'' ? *p : *p == '{' ? '}' : *p == '[' ? ']' : '\0';
    if (close) {
        *value = ++p;
        p = strchr(p, close);
        p = p ? p : *value + strlen(*value);
    } else {
        *value = p;
        p += strcspn(p, " \t");
    }
    if (*p)
        *p++ = '\0';
    *at = p;
    return true;
}

static int parse_lattice(const struct cox_lines *lines, struct cox_dyn_start *out, char *value,
                         struct cox_err *err)
{
    char *words[COX_LINE_WORDS];
    for (char *p = value; *p; p++)
        if (*p == ',' || *p == '[' || *p == ']')
            *p = ' ';
    int n = cox_lines_split(value, words);
    int rc = COX_OK;
    if (n != 9)
        return cox_lines_error(lines, err, "Lattice has %d numbers; the three edges have 9", n);
    for (int i = 0; !rc && i < 9; i++)
        rc = cox_lines_number(lines, words[i], "a number of Lattice", &out->box.h[i / 3][i % 3],
                              err);
    return rc;
}

static int parse_properties(const struct cox_lines *lines, struct layout *l, char *value,
                            struct cox_err *err)
{
    l->species = l->pos = -1;
    l->columns = 0;
    for (char *p = value; *p;) {
        char *name = p;
        char *kind = strchr(name, ':');
        char *count = kind ? strchr(kind + 1, ':') : NULL;
        long long n = 0;
        if (!count)
            return cox_lines_error(lines, err, "Properties is not name:type:columns:… at '%.40s'",
                                   name);
        *kind = *count++ = '\0';
        p = count + strcspn(count, ":");
        if (*p)
            *p++ = '\0';
        int rc = cox_lines_whole(lines, count, "a number of columns in Properties", 1, MAX_COLUMNS,
                                 &n, err);
        if (rc)
            return rc;
        int *where = !strcmp(name, "species") || !strcmp(name, "element") ? &l->species
                     : !strcmp(name, "Z") || !strcmp(name, "numbers")     ? &l->number
                     : !strcmp(name, "pos") || !strcmp(name, "positions") ? &l->pos
                     : !strcmp(name, "vel") || !strcmp(name, "velo") || !strcmp(name, "velocities")
                         ? &l->vel
                     : !strcmp(name, "momenta")                         ? &l->momenta
                     : !strcmp(name, "masses") || !strcmp(name, "mass") ? &l->mass
                                                                        : NULL;
        int wanted = where == &l->pos || where == &l->vel || where == &l->momenta ? 3 : 1;
        if (where && n != wanted)
            return cox_lines_error(lines, err, "property '%s' has %lld columns; %d are expected",
                                   name, n, wanted);
        if (where)
            *where = l->columns;
        l->columns += (int)n;
    }
    if (l->pos < 0 || (l->species < 0 && l->number < 0))
        return cox_lines_error(lines, err,
                               "Properties must name species:S:1 (or Z:I:1) and pos:R:3");
    if (l->columns > MAX_COLUMNS)
        return cox_lines_error(lines, err, "%d columns; at most %d can be read", l->columns,
                               MAX_COLUMNS);
    return COX_OK;
}

static int parse_pbc(const struct cox_lines *lines, struct layout *l, char *value,
                     struct cox_err *err)
{
    char *words[COX_LINE_WORDS];
    int n = cox_lines_split(value, words), yes = 0;
    for (int i = 0; i < n; i++)
        yes += strchr("Tt1", words[i][0]) != NULL;
    if (n != 3 || (yes && yes != 3))
        return cox_lines_error(lines, err,
                               "pbc must be \"T T T\" or \"F F F\": a box is periodic in all "
                               "directions or in none");
    l->pbc_given = true;
    l->pbc = yes == 3;
    return COX_OK;
}

static int parse_comment(const struct cox_lines *lines, struct layout *l, struct cox_dyn_start *out,
                         char *line, struct cox_err *err)
{
    char *key;
    char *value;
    int rc = COX_OK;
    while (!rc && next_pair(&line, &key, &value)) {
        long long step = 0;
        if (!strcmp(key, "Lattice")) {
            rc = parse_lattice(lines, out, value, err);
            l->lattice = true;
        } else if (!strcmp(key, "Properties")) {
            rc = parse_properties(lines, l, value, err);
        } else if (!strcmp(key, "pbc")) {
            rc = parse_pbc(lines, l, value, err);
        } else if (!strcmp(key, "step") &&
                   !cox_lines_whole(lines, value, "step", INT64_MIN, INT64_MAX, &step, NULL)) {
            out->step = step;
        } else if (!strcmp(key, "time_ps") &&
                   cox_lines_number(lines, value, "time", &out->time_ps, NULL)) {
            out->time_ps = NAN;
        }
    }
    if (!rc && l->pbc && !l->lattice)
        rc = cox_lines_error(lines, err, "pbc=\"T T T\" without a Lattice");
    out->box.periodic = l->lattice && (!l->pbc_given || l->pbc);
    return rc;
}

static int parse_vector(const struct cox_lines *lines, char *words[], int first, const char *what,
                        double out[3], struct cox_err *err)
{
    int rc = COX_OK;
    for (int k = 0; !rc && k < 3; k++)
        rc = cox_lines_number(lines, words[first + k], what, &out[k], err);
    return rc;
}

static int parse_atom(const struct cox_lines *lines, const struct layout *l,
                      struct cox_dyn_start *out, int i, char *line, struct cox_err *err)
{
    char *words[COX_LINE_WORDS];
    int n = cox_lines_split(line, words);
    if (n < l->columns)
        return cox_lines_error(lines, err, "atom %d of %d has %d columns; %d are expected", i,
                               out->n, n, l->columns);
    const char *name = l->species >= 0 ? words[l->species] : NULL;
    int rc = COX_OK;
    long long number = 0;
    if (!name) {
        rc = cox_lines_whole(lines, words[l->number], "an atomic number", 1, 118, &number, err);
        name = cox_element_symbol((int)number);
    }
    out->species[i] = rc ? -1 : cox_dyn_start_name(out, name);
    if (!rc && out->species[i] < 0)
        rc = cox_lines_error(lines, err,
                             "name '%.40s' of atom %d: names have below %d letters, "
                             "and there are at most %d of them",
                             name, i, COX_DP_TYPE_NAME, COX_DYN_MAX_NAMES);
    if (!rc)
        rc = parse_vector(lines, words, l->pos, "a coordinate", out->x[i], err);
    out->mass_u[i] = 0;
    if (!rc && l->mass >= 0)
        rc = cox_lines_number(lines, words[l->mass], "a mass", &out->mass_u[i], err);
    if (!rc && (l->vel >= 0 || l->momenta >= 0))
        rc = parse_vector(lines, words, l->vel >= 0 ? l->vel : l->momenta, "a velocity", out->v[i],
                          err);
    for (int k = 0; !rc && l->vel >= 0 && k < 3; k++)
        out->v[i][k] *= 1000; /* Å/fs */
    return rc;
}

/* ASE's momenta need masses; what the file does not say is the element's. */
static int from_momenta(const struct cox_lines *lines, struct cox_dyn_start *out,
                        struct cox_err *err)
{
    for (int i = 0; i < out->n; i++) {
        double mass = out->mass_u[i];
        if (mass <= 0)
            mass = cox_element_mass(cox_element_of_symbol(out->name[out->species[i]]));
        if (mass <= 0)
            return cox_lines_error(lines, err,
                                   "momenta, but no mass of '%s': give velocities (vel) instead",
                                   out->name[out->species[i]]);
        for (int k = 0; k < 3; k++)
            out->v[i][k] /= mass * sqrt(COX_DYN_MASS);
    }
    return COX_OK;
}

int cox_dyn_xyz_next(struct cox_dyn_start *out, struct cox_lines *lines, struct cox_err *err)
{
    struct layout l = {
        .columns = 4, .species = 0, .number = -1, .pos = 1, .vel = -1, .momenta = -1, .mass = -1};
    char *words[COX_LINE_WORDS];
    long long n = 0;
    char *line = NULL;
    do
        line = cox_lines_next(lines);
    while (line && line[strspn(line, " \t")] == '\0');
    if (!line)
        return cox_err_set(err, COX_ENOTFOUND, "'%s' has no further frame", lines->path);
    if (cox_lines_split(line, words) != 1)
        return cox_lines_error(lines, err, "an XYZ frame begins with its number of atoms alone");
    int rc = cox_lines_whole(lines, words[0], "the number of atoms", 1, 100000000, &n, err);
    if (!rc)
        rc = cox_lines_expect(lines, n, 8, err); /* "H 0 0 0" */
    if (!rc)
        rc = cox_dyn_start_reserve(out, (int)n, err);
    if (rc)
        return rc;
    out->n = (int)n;
    out->step = 0;
    out->time_ps = NAN;
    memset(&out->box, 0, sizeof out->box);
    line = cox_lines_next(lines);
    if (!line)
        return cox_lines_error(lines, err, "the file ends after the number of atoms");
    rc = parse_comment(lines, &l, out, line, err);
    for (int i = 0; !rc && i < out->n; i++) {
        line = cox_lines_next(lines);
        rc = line ? parse_atom(lines, &l, out, i, line, err)
                  : cox_lines_error(lines, err, "the file ends after %d of %d atoms", i, out->n);
    }
    out->has_velocities = l.vel >= 0 || l.momenta >= 0;
    if (!rc && l.vel < 0 && l.momenta >= 0)
        rc = from_momenta(lines, out, err);
    return rc;
}
