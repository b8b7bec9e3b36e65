/* SPDX-License-Identifier: BSD-3-Clause */
/* Amber coordinates as text: a title, "natom [time [temperature]]", then six numbers of twelve
 * columns a line: coordinates, perhaps velocities, perhaps a box. */
#include "molecule/prmtop.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ANGSTROM 0.1 /* nm */
#define WIDTH 12
#define PER_LINE 6

struct lines {
    const char *text;
    size_t length, at;
    int line; /* number of the present line */
};

/* The next line, cut to the buffer; false at the end. */
static bool next_line(struct lines *l, char *out, size_t size)
{
    if (l->at >= l->length)
        return false;
    const char *begin = l->text + l->at;
    const char *newline = memchr(begin, '\n', l->length - l->at);
    size_t n = newline ? (size_t)(newline - begin) : l->length - l->at;
    l->at += n + (newline ? 1 : 0);
    l->line++;
    if (n >= size)
        n = size - 1;
    memcpy(out, begin, n);
    while (n && (out[n - 1] == '\r' || out[n - 1] == ' '))
        n--;
    out[n] = '\0';
    return true;
}

static int read_header(struct lines *l, const char *label, int n_atoms, struct cox_err *err)
{
    char line[256];
    if (l->length >= 4 && (!memcmp(l->text, "CDF", 3) || !memcmp(l->text, "\211HDF", 4)))
        return cox_err_set(
            err, COX_EUNSUPPORTED,
            "%s: a NetCDF restart; write it as text (cpptraj: trajout x.rst7 restart)", label);
    bool title = next_line(l, line, sizeof line);
    if (!title || !next_line(l, line, sizeof line))
        return cox_err_set(err, COX_EFORMAT, "%s:%d: the file ends before its number of atoms",
                           label, l->line);
    char *end;
    long n = strtol(line, &end, 10);
    if (end == line || (*end && *end != ' '))
        return cox_err_set(err, COX_EFORMAT, "%s:%d: no number of atoms: '%.40s'", label, l->line,
                           line);
    if (n != n_atoms)
        return cox_err_set(err, COX_EINVAL, "%s:%d: coordinates of %ld atoms; the prmtop has %d",
                           label, l->line, n, n_atoms);
    return COX_OK;
}

int cox_inpcrd_parse(struct cox_system *system, const char *text, size_t length, const char *label,
                     struct cox_str *notes, struct cox_err *err)
{
    struct lines l = {.text = text, .length = length};
    char line[256];
    int rc = read_header(&l, label, system->n_atoms, err);
    if (rc)
        return rc;
    int total = 3 * system->n_atoms;
    for (int i = 0; i < total; i++) {
        char field[WIDTH + 1] = "";
        char *end;
        int column = i % PER_LINE;
        if (!column && !next_line(&l, line, sizeof line))
            return cox_err_set(err, COX_EFORMAT, "%s:%d: the file ends after %d of %d coordinates",
                               label, l.line, i, total);
        size_t at = (size_t)column * WIDTH;
        if (strlen(line) > at)
            strncpy(field, line + at, WIDTH);
        double value = strtod(field, &end);
        if (end == field || *end || !isfinite(value))
            return cox_err_set(err, COX_EFORMAT, "%s:%d: coordinate %d is no number: '%s'", label,
                               l.line, i + 1, field);
        system->position_nm[i / 3][i % 3] = ANGSTROM * value;
    }
    bool more = false;
    while (next_line(&l, line, sizeof line))
        more |= line[0] != '\0';
    if (more)
        cox_str_add(notes, "velocities or box of the coordinates were not used\n");
    return COX_OK;
}
