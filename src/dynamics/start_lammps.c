/* SPDX-License-Identifier: BSD-3-Clause */
/* LAMMPS data files: a title, a header of counts and bounds, sections. Styles atomic, charge,
 * molecular and full; orthogonal and triclinic boxes (tilt factors). Charges, bonds and force-field
 * coefficients are passed over: the potential has its own. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "dynamics/lines.h"
#include "dynamics/start.h"
#include "molecule/elements.h"

#define MAX_TYPES COX_DYN_MAX_NAMES

enum style { UNKNOWN, ATOMIC, CHARGE, MOLECULAR, FULL };

struct data {
    struct cox_dyn_start *out;
    struct cox_lines *lines;
    const struct cox_dyn_start_options *options;
    long long atoms, types;
    double low[3], high[3], tilt[3]; /* xy xz yz */
    bool bounds[3];
    enum style style;
    char label[MAX_TYPES][COX_DP_TYPE_NAME]; /* of types, from labels or comments */
    double mass[MAX_TYPES];
    double velocity_unit; /* Å/ps */
    bool have_atoms;
};

static const char *const section_names[] = {
    "Masses", "Atoms", "Velocities", "Atom Type Labels",
    /* passed over */
    "Bonds", "Angles", "Dihedrals", "Impropers", "Pair Coeffs", "PairIJ Coeffs", "Bond Coeffs",
    "Angle Coeffs", "Dihedral Coeffs", "Improper Coeffs", "BondBond Coeffs", "BondAngle Coeffs",
    "MiddleBondTorsion Coeffs", "EndBondTorsion Coeffs", "AngleTorsion Coeffs",
    "AngleAngleTorsion Coeffs", "BondBond13 Coeffs", "AngleAngle Coeffs", "Bond Type Labels",
    "Angle Type Labels", "Dihedral Type Labels", "Improper Type Labels", "Ellipsoids", "Lines",
    "Triangles", "Bodies", "Atom Type Labels"};
enum { MASSES, ATOMS, VELOCITIES, LABELS, N_READ };
#define N_SECTIONS ((int)(sizeof section_names / sizeof section_names[0]))

/* Ends the line at its comment, which is returned ("" for none), and takes blanks at its end off.
 */
static char *cut_comment(char *line)
{
    static char none[] = "";
    char *comment = strchr(line, '#');
    if (comment)
        *comment++ = '\0';
    for (size_t n = strlen(line); n && strchr(" \t", line[n - 1]); n--)
        line[n - 1] = '\0';
    return comment ? comment + strspn(comment, " \t") : none;
}

static int section_of(const char *line)
{
    for (int i = 0; i < N_SECTIONS; i++)
        if (!strcmp(line, section_names[i]))
            return i;
    return -1;
}

/* ---- header ---- */

static int header_line(struct data *d, char *line, struct cox_err *err)
{
    static const char *const axis[3] = {"xlo", "ylo", "zlo"};
    char *w[COX_LINE_WORDS];
    int n = cox_lines_split(line, w);
    int rc = COX_OK;
    if (n == 2 && !strcmp(w[1], "atoms"))
        return cox_lines_whole(d->lines, w[0], "the number of atoms", 1, 100000000, &d->atoms, err);
    if (n == 3 && !strcmp(w[1], "atom") && !strcmp(w[2], "types"))
        return cox_lines_whole(d->lines, w[0], "the number of atom types", 1, MAX_TYPES, &d->types,
                               err);
    for (int k = 0; n == 4 && k < 3; k++)
        if (!strcmp(w[2], axis[k])) {
            rc = cox_lines_number(d->lines, w[0], w[2], &d->low[k], err);
            if (!rc)
                rc = cox_lines_number(d->lines, w[1], w[3], &d->high[k], err);
            if (!rc && !(d->high[k] > d->low[k]))
                rc = cox_lines_error(d->lines, err, "the box goes from %g to %g", d->low[k],
                                     d->high[k]);
            d->bounds[k] = true;
            return rc;
        }
    if (n == 6 && !strcmp(w[3], "xy"))
        for (int k = 0; !rc && k < 3; k++)
            rc = cox_lines_number(d->lines, w[k], w[3 + k], &d->tilt[k], err);
    return rc; /* other counts do not matter here */
}

/* ---- sections ---- */

static int style_of(const struct data *d, const char *hint, int columns, enum style *out,
                    struct cox_err *err)
{
    static const char *const names[] = {"", "atomic", "charge", "molecular", "full"};
    char first[16] = "";
    snprintf(first, sizeof first, "%.*s", (int)strcspn(hint, " \t"), hint);
    for (int i = ATOMIC; i <= FULL; i++)
        if (!strcmp(first, names[i])) {
            *out = i;
            return COX_OK;
        }
    if (first[0])
        return cox_lines_error(d->lines, err,
                               "atom style '%s'; atomic, charge, molecular and full can be read",
                               first);
    if (columns == 5 || columns == 8)
        *out = ATOMIC;
    else if (columns == 7 || columns == 10)
        *out = FULL;
    else
        return cox_lines_error(d->lines, err,
                               "%d columns: say the atom style in the section's line (Atoms # "
                               "atomic, charge, molecular or full)",
                               columns);
    return COX_OK;
}

static int atom_index(const struct data *d, const char *word, int *i, struct cox_err *err)
{
    long long id = 0;
    int rc = cox_lines_whole(d->lines, word, "an atom's id", 1, d->atoms, &id, err);
    *i = (int)id - 1;
    return rc;
}

static int one_atom(struct data *d, char *w[], int n, const char *hint, struct cox_err *err)
{
    int i = 0;
    long long type = 0;
    int rc = d->style ? COX_OK : style_of(d, hint, n, &d->style, err);
    const int at = d->style == FULL ? 4 : d->style == ATOMIC ? 2 : 3; /* of x */
    const int type_at = d->style == FULL || d->style == MOLECULAR ? 2 : 1;
    if (rc)
        return rc;
    if (n < at + 3)
        return cox_lines_error(d->lines, err, "%d columns; this atom style has %d or %d", n, at + 3,
                               at + 6);
    rc = atom_index(d, w[0], &i, err);
    if (!rc && d->out->species[i] >= 0)
        rc = cox_lines_error(d->lines, err, "atom %d is there twice", i + 1);
    if (!rc)
        rc = cox_lines_whole(d->lines, w[type_at], "an atom's type", 1, d->types, &type, err);
    for (int k = 0; !rc && k < 3; k++)
        rc = cox_lines_number(d->lines, w[at + k], "a coordinate", &d->out->x[i][k], err);
    if (!rc)
        d->out->species[i] = (int)type - 1; /* names follow when the whole file is read */
    return rc;
}

static int one_line(struct data *d, int section, char *line, const char *hint, struct cox_err *err)
{
    const char *comment = cut_comment(line);
    char *w[COX_LINE_WORDS];
    int n = cox_lines_split(line, w);
    long long type = 0;
    int i = 0;
    if (section == ATOMS)
        return one_atom(d, w, n, hint, err);
    if (section == VELOCITIES) {
        if (n < 4)
            return cox_lines_error(d->lines, err, "%d columns; a velocity has 4: id vx vy vz", n);
        int rc = atom_index(d, w[0], &i, err);
        for (int k = 0; !rc && k < 3; k++) {
            rc = cox_lines_number(d->lines, w[1 + k], "a velocity", &d->out->v[i][k], err);
            d->out->v[i][k] *= d->velocity_unit;
        }
        return rc;
    }
    if (n < 2)
        return cox_lines_error(d->lines, err, "%d columns; 2 are expected", n);
    int rc = cox_lines_whole(d->lines, w[0], "an atom type", 1, d->types, &type, err);
    if (rc)
        return rc;
    const char *label = section == LABELS ? w[1] : comment;
    size_t length = strcspn(label, " \t");
    if (length && length < COX_DP_TYPE_NAME && !d->label[type - 1][0])
        memcpy(d->label[type - 1], label, length);
    if (section == LABELS)
        return COX_OK;
    rc = cox_lines_number(d->lines, w[1], "a mass", &d->mass[type - 1], err);
    if (!rc && !(d->mass[type - 1] > 0))
        rc = cox_lines_error(d->lines, err, "a mass of %g", d->mass[type - 1]);
    return rc;
}

static int begin_atoms(struct data *d, struct cox_err *err)
{
    if (!d->atoms || !d->types || !d->bounds[0] || !d->bounds[1] || !d->bounds[2])
        return cox_lines_error(d->lines, err,
                               "the header lacks one of: atoms, atom types, xlo xhi, ylo yhi, zlo "
                               "zhi (is this a LAMMPS data file?)");
    int rc = cox_lines_expect(d->lines, d->atoms, 10, err); /* "1 1 0 0 0" */
    if (!rc)
        rc = cox_dyn_start_reserve(d->out, (int)d->atoms, err);
    if (rc)
        return rc;
    d->out->n = (int)d->atoms;
    memset(d->out->species, 0xff, (size_t)d->atoms * sizeof *d->out->species);
    memset(d->out->v, 0, (size_t)d->atoms * sizeof *d->out->v);
    return COX_OK;
}

/* `line` is the section's; *next becomes the line of the following one, or NULL. */
static int read_section(struct data *d, int section, const char *hint, char **next,
                        struct cox_err *err)
{
    long long wanted = section == ATOMS || section == VELOCITIES ? d->atoms : d->types;
    long long got = 0;
    int rc = COX_OK;
    char *line;
    if (section == VELOCITIES && !d->have_atoms)
        return cox_lines_error(d->lines, err, "Velocities before Atoms");
    d->have_atoms |= section == ATOMS;
    d->out->has_velocities |= section == VELOCITIES;
    while (!rc && (line = cox_lines_next(d->lines))) {
        line += strspn(line, " \t");
        if (!*line || *line == '#')
            continue;
        if (*line >= 'A' && *line <= 'Z')
            break;
        got++;
        if (section < N_READ)
            rc = one_line(d, section, line, hint, err);
    }
    *next = rc ? NULL : line;
    if (!rc && section < N_READ && got != wanted)
        rc = cox_lines_error(d->lines, err, "section %s has %lld lines; %lld are expected",
                             section_names[section], got, wanted);
    return rc;
}

/* ---- after reading ---- */

static int name_types(struct data *d, struct cox_err *err)
{
    int index[MAX_TYPES];
    const struct cox_dyn_start_options *o = d->options;
    if (o->type_names && o->n_type_names != d->types)
        return cox_err_set(err, COX_EINVAL, "%s has %lld atom types, --type-map names %d",
                           d->lines->path, d->types, o->n_type_names);
    for (int t = 0; t < d->types; t++) {
        const char *name = o->type_names ? o->type_names[t] : d->label[t];
        if (!name[0] && d->mass[t] > 0 && cox_element_of_mass(d->mass[t]))
            name = cox_element_symbol(cox_element_of_mass(d->mass[t]));
        if (!name[0])
            return cox_err_set(err, COX_EINVAL,
                               "%s does not say what atom type %d is: name the types in order with "
                               "--type-map, say --type-map O,H",
                               d->lines->path, t + 1);
        index[t] = cox_dyn_start_name(d->out, name);
        if (index[t] < 0)
            return cox_err_set(err, COX_EINVAL, "'%s' is too long for a name (below %d letters)",
                               name, COX_DP_TYPE_NAME);
    }
    for (int i = 0; i < d->out->n; i++) {
        d->out->mass_u[i] = d->mass[d->out->species[i]];
        d->out->species[i] = index[d->out->species[i]];
    }
    return COX_OK;
}

static void finish_box(struct data *d)
{
    struct cox_box *box = &d->out->box;
    box->periodic = true;
    for (int k = 0; k < 3; k++)
        box->h[k][k] = d->high[k] - d->low[k];
    box->h[1][0] = d->tilt[0];
    box->h[2][0] = d->tilt[1];
    box->h[2][1] = d->tilt[2];
    for (int i = 0; i < d->out->n; i++)
        for (int k = 0; k < 3; k++)
            d->out->x[i][k] -= d->low[k]; /* the origin is a corner */
}

/* "units = real" in the title, as write_data puts it there, says what velocities are in. */
static int units_of(struct data *d, const char *title, struct cox_err *err)
{
    const char *units = strstr(title, "units = ");
    d->velocity_unit = 1;
    if (!units || !strncmp(units + 8, "metal", 5))
        return COX_OK;
    if (strncmp(units + 8, "real", 4) != 0)
        return cox_lines_error(d->lines, err, "units '%.12s'; metal and real can be read",
                               units + 8);
    d->velocity_unit = 1000;
    return COX_OK;
}

int cox_dyn_lammps_parse(struct cox_dyn_start *out, struct cox_lines *lines,
                         const struct cox_dyn_start_options *options, struct cox_err *err)
{
    struct data d = {.out = out, .lines = lines, .options = options};
    char *line = cox_lines_next(lines);
    if (!line)
        return cox_err_set(err, COX_EFORMAT, "%s is empty", lines->path);
    out->step = 0;
    out->time_ps = NAN;
    out->has_velocities = false;
    memset(&out->box, 0, sizeof out->box);
    int rc = units_of(&d, line, err);
    bool begun = false;
    line = cox_lines_next(lines);
    while (!rc && line) {
        char *hint = cut_comment(line);
        line += strspn(line, " \t");
        if (!*line || !(*line >= 'A' && *line <= 'Z')) {
            rc = begun || !*line ? COX_OK : header_line(&d, line, err);
            line = cox_lines_next(lines);
            continue;
        }
        int section = section_of(line);
        if (section < 0)
            return cox_lines_error(lines, err, "'%.40s' is no section of a LAMMPS data file", line);
        if (!begun)
            rc = begin_atoms(&d, err);
        begun = true;
        if (!rc)
            rc = read_section(&d, section, hint, &line, err);
    }
    if (!rc && !d.have_atoms)
        rc = cox_err_set(err, COX_EFORMAT, "%s: no section Atoms (is this a LAMMPS data file?)",
                         lines->path);
    if (!rc)
        rc = name_types(&d, err);
    if (!rc)
        finish_box(&d);
    return rc;
}
