/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/pdb.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "molecule/elements.h"
#include "molecule/residues.h"

#define MAXIMUM_BYTES ((size_t)1 << 30)
#define MAXIMUM_ATOMS 1000000
#define MAXIMUM_NOTES 16384

/* One ATOM or HETATM line of the model that is read. */
struct record {
    struct cox_pdb_atom atom;
    char residue_name[COX_NAME_SIZE], chain[COX_NAME_SIZE];
    int number, segment;
    char insertion;
    bool hetero, dropped;
};

struct parser {
    const char *label;
    struct cox_pdb_options options;
    struct cox_err *err;
    struct record *records;
    int n_records, capacity;
    int line;
    int n_models,
        model;   /* numbers of MODEL records; the model that is read, 0 before it is known */
    int current; /* model of the present line */
    bool open_model, ended;
    int segment;
    struct cox_str notes;
};

static int fail(struct parser *p, int line, const char *what, const char *value)
{
    if (!value)
        return cox_err_set(p->err, COX_EFORMAT, "%s:%d: %s", p->label, line, what);
    return cox_err_set(p->err, COX_EFORMAT, "%s:%d: %s '%s'", p->label, line, what, value);
}

/* Columns first … last, counted from 1 as in the format's description, without blanks around. */
static void columns(const char *line, size_t length, int first, int last, char *out)
{
    size_t end = (size_t)last < length ? (size_t)last : length;
    size_t begin = (size_t)first - 1 < end ? (size_t)first - 1 : end;
    while (begin < end && line[begin] == ' ')
        begin++;
    while (end > begin && line[end - 1] == ' ')
        end--;
    size_t n = end > begin ? end - begin : 0;
    memcpy(out, line + begin, n);
    out[n] = '\0';
}

static int parse_coordinates(struct parser *p, const char *line, size_t length,
                             struct cox_pdb_atom *atom)
{
    static const char *const what[] = {
        "the x coordinate is no number:", "the y coordinate is no number:",
        "the z coordinate is no number:"};
    char text[16];
    for (int k = 0; k < 3; k++) {
        double value;
        columns(line, length, 31 + 8 * k, 38 + 8 * k, text);
        if (cox_parse_double(text, &value) || !isfinite(value))
            return fail(p, p->line, what[k], text);
        atom->position_nm[k] = 0.1 * value;
    }
    columns(line, length, 55, 60, text);
    atom->occupancy = 1;
    if (text[0] && (cox_parse_double(text, &atom->occupancy) || !isfinite(atom->occupancy)))
        return fail(p, p->line, "the occupancy is no number:", text);
    return COX_OK;
}

static int parse_atom(struct parser *p, const char *line, size_t length)
{
    if (length < 54) {
        char text[64];
        columns(line, length, 1, 54, text);
        return fail(p, p->line,
                    "the line ends before its coordinates (is the file truncated?):", text);
    }
    if (p->n_records == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 512;
        if (p->n_records >= MAXIMUM_ATOMS)
            return cox_err_set(p->err, COX_EFORMAT, "%s:%d: more than %d atoms", p->label, p->line,
                               MAXIMUM_ATOMS);
        struct record *grown = cox_realloc(p->records, (size_t)capacity, sizeof *grown);
        if (!grown)
            return cox_err_set(p->err, COX_ENOMEM, "no memory for %d atoms", capacity);
        p->records = grown;
        p->capacity = capacity;
    }
    struct record *r = &p->records[p->n_records];
    *r = (struct record){.segment = p->segment, .hetero = line[0] == 'H'};
    char text[16];
    long long number = 0;
    columns(line, length, 7, 11, text);
    if (!cox_parse_int(text, &number))
        r->atom.serial = (int)number;
    columns(line, length, 13, 16, r->atom.name);
    columns(line, length, 18, 21, r->residue_name);
    columns(line, length, 22, 22, r->chain);
    columns(line, length, 23, 26, text);
    if (!r->atom.name[0])
        return fail(p, p->line, "the atom has no name", NULL);
    if (cox_parse_int(text, &number))
        return fail(p, p->line, "the residue number is no whole number:", text);
    r->number = (int)number;
    r->atom.altloc = line[16];
    r->insertion = line[26];
    r->atom.line = p->line;
    columns(line, length, 77, 78, text);
    r->atom.element = cox_element_of_symbol(text);
    if (!r->atom.element)
        r->atom.element = cox_element_of_name(r->atom.name);
    int rc = parse_coordinates(p, line, length, &r->atom);
    if (!rc)
        p->n_records++;
    return rc;
}

static int begin_model(struct parser *p, const char *line, size_t length)
{
    char text[16];
    long long number;
    columns(line, length, 7, length < 20 ? (int)length : 20, text);
    if (cox_parse_int(text, &number) || number < 0 || number > INT32_MAX)
        return fail(p, p->line, "the model's number is no whole number:", text);
    if (p->open_model)
        return fail(p, p->line, "a model begins before the last one ended: model", text);
    p->open_model = true;
    p->current = (int)number;
    p->n_models++;
    p->segment = 0;
    if (!p->model && (!p->options.model || p->options.model == p->current))
        p->model = p->current;
    else if (p->model == p->current)
        return fail(p, p->line, "a second model has the same number:", text);
    return COX_OK;
}

static bool is_record(const char *line, size_t length, const char *name)
{
    size_t n = strlen(name);
    return length >= n && !strncmp(line, name, n) &&
           (n == 6 || length == n || line[n] == ' ' || isdigit((unsigned char)line[n]));
}

static int parse_line(struct parser *p, const char *line, size_t length)
{
    if (is_record(line, length, "MODEL"))
        return begin_model(p, line, length);
    if (is_record(line, length, "ENDMDL"))
        p->open_model = false;
    else if (is_record(line, length, "TER"))
        p->segment++;
    else if (is_record(line, length, "END"))
        p->ended = true;
    if (!is_record(line, length, "ATOM") && !is_record(line, length, "HETATM"))
        return COX_OK;
    if (p->n_models && !p->open_model)
        return fail(p, p->line, "an atom stands between two models", NULL);
    if (!p->n_models && !p->model) {
        /* A file without MODEL records is model 1. */
        if (p->options.model > 1)
            return COX_OK;
        p->model = p->current = 1;
    }
    return p->current == p->model ? parse_atom(p, line, length) : COX_OK;
}

static int parse_lines(struct parser *p, const char *text, size_t length)
{
    const char *end = text + length;
    if (length >= 5 && !memcmp(text, "data_", 5))
        return cox_err_set(p->err, COX_EUNSUPPORTED,
                           "%s:1: this is mmCIF; give the file in PDB format", p->label);
    while (text < end && !p->ended) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        size_t n = (size_t)(stop - text);
        while (n && (text[n - 1] == '\r' || text[n - 1] == ' '))
            n--;
        p->line++;
        if (memchr(text, '\0', n))
            return cox_err_set(p->err, COX_EFORMAT, "%s:%d: this is no text file", p->label,
                               p->line);
        int rc = parse_line(p, text, n);
        if (rc)
            return rc;
        text = newline ? newline + 1 : end;
    }
    if (p->open_model)
        return cox_err_set(p->err, COX_EFORMAT,
                           "%s:%d: the file ends within model %d (is it truncated?)", p->label,
                           p->line, p->current);
    if (p->options.model && p->model != p->options.model)
        return cox_err_set(p->err, COX_ENOTFOUND, "%s: no model %d; the file has %d", p->label,
                           p->options.model, p->n_models ? p->n_models : 1);
    if (!p->n_records)
        return cox_err_set(p->err, COX_EFORMAT, "%s: no ATOM records%s", p->label,
                           p->line ? "" : " (the file is empty)");
    if (p->n_models > 1 && !p->options.model)
        cox_str_addf(&p->notes, "%d models; model %d was taken\n", p->n_models, p->model);
    return COX_OK;
}

static bool same_residue(const struct record *a, const struct record *b)
{
    if (a->segment != b->segment || a->number != b->number || a->insertion != b->insertion ||
        strcmp(a->chain, b->chain) != 0)
        return false;
    /* Two residues at one place of the chain are alternatives. */
    return !strcmp(a->residue_name, b->residue_name) ||
           (a->atom.altloc != ' ' && b->atom.altloc != ' ');
}

/* End of the residue that begins at record `first`. */
static int residue_end(const struct parser *p, int first)
{
    int end = first + 1;
    while (end < p->n_records && same_residue(&p->records[end - 1], &p->records[end]))
        end++;
    return end;
}

static void describe(const struct record *r, char *out, size_t size)
{
    cox_residue_describe(r->residue_name, r->chain, r->number, r->insertion, out, size);
}

/* The alternate location with the highest mean occupancy; ' ' when the residue has none. */
static char best_altloc(const struct record *r, int n)
{
    char best = ' ';
    double highest = 0;
    for (int i = 0; i < n; i++) {
        char letter = r[i].atom.altloc;
        if (letter == ' ')
            continue;
        double sum = 0;
        int count = 0;
        for (int k = 0; k < n; k++)
            if (r[k].atom.altloc == letter) {
                sum += r[k].atom.occupancy;
                count++;
            }
        double mean = sum / count;
        if (best == ' ' || mean > highest + 1e-9) {
            best = letter;
            highest = mean;
        }
    }
    return best;
}

/* Keeps one of each atom: the one at the chosen location, else the one with the highest
 * occupancy. */
static void choose_altloc(struct parser *p, int first, int end)
{
    struct record *r = p->records;
    char best = best_altloc(r + first, end - first);
    if (best == ' ')
        return;
    const char *name = r[first].residue_name;
    for (int i = first; i < end; i++)
        if (r[i].atom.altloc == best)
            name = r[i].residue_name;
    for (int i = first; i < end; i++) {
        if (strcmp(r[i].residue_name, name) != 0) {
            r[i].dropped = true;
            continue;
        }
        if (r[i].atom.altloc == ' ' || r[i].atom.altloc == best)
            continue;
        for (int k = first; k < end && !r[i].dropped; k++) {
            bool preferred = r[k].atom.altloc == ' ' || r[k].atom.altloc == best ||
                             r[k].atom.occupancy > r[i].atom.occupancy ||
                             (r[k].atom.occupancy == r[i].atom.occupancy && k < i);
            if (k != i && preferred && !r[k].dropped && !strcmp(r[k].atom.name, r[i].atom.name) &&
                !strcmp(r[k].residue_name, name))
                r[i].dropped = true;
        }
    }
    char text[64];
    describe(&r[first], text, sizeof text);
    cox_str_addf(&p->notes, "%s:%d: residue %s has alternate locations; '%c' was taken\n", p->label,
                 r[first].atom.line, text, best);
}

static int check_duplicates(struct parser *p, int first, int end)
{
    const struct record *r = p->records;
    for (int i = first; i < end; i++)
        for (int k = first; k < i && !r[i].dropped; k++)
            if (!r[k].dropped && !strcmp(r[k].atom.name, r[i].atom.name)) {
                char text[64];
                describe(&r[i], text, sizeof text);
                return cox_err_set(p->err, COX_EFORMAT,
                                   "%s:%d: residue %s has atom '%s' twice (first in line %d)",
                                   p->label, r[i].atom.line, text, r[i].atom.name, r[k].atom.line);
            }
    return COX_OK;
}

static bool has_backbone(const struct record *r, int n)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        found |= !strcmp(r[i].atom.name, "N")    ? 1
                 : !strcmp(r[i].atom.name, "CA") ? 2
                 : !strcmp(r[i].atom.name, "C")  ? 4
                                                 : 0;
    return found == 7;
}

/* Chooses what of every residue is kept; lists the unknown ones in `unknown`. */
static int choose_residues(struct parser *p, struct cox_str *unknown, int *n_unknown)
{
    int dropped = 0;
    const struct record *first_dropped = NULL;
    for (int first = 0, end; first < p->n_records; first = end) {
        end = residue_end(p, first);
        if (end - first > 1000)
            return cox_err_set(p->err, COX_EFORMAT, "%s:%d: a residue of more than 1000 atoms",
                               p->label, p->records[first].atom.line);
        choose_altloc(p, first, end);
        const struct record *r = &p->records[first];
        while (r->dropped)
            r++;
        bool known = cox_pdb_residue_known(r->residue_name);
        bool protein = known || (!r->hetero && !cox_residue_is_solvent(r->residue_name)) ||
                       (!cox_residue_is_solvent(r->residue_name) && has_backbone(r, end - first));
        if (!protein || (!known && p->options.any_residue && r->hetero)) {
            for (int i = first; i < end; i++)
                p->records[i].dropped = true;
            if (!dropped++)
                first_dropped = r;
            continue;
        }
        if (!known && !p->options.any_residue) {
            char text[64];
            describe(r, text, sizeof text);
            if (*n_unknown < 12)
                cox_str_addf(unknown, "%s%s (line %d)", *n_unknown ? ", " : "", text, r->atom.line);
            ++*n_unknown;
        }
        int rc = check_duplicates(p, first, end);
        if (rc)
            return rc;
    }
    if (dropped) {
        char text[64];
        describe(first_dropped, text, sizeof text);
        cox_str_addf(&p->notes,
                     "%d residue%s of water, ions or ligands left out (the first is %s, line %d)\n",
                     dropped, dropped == 1 ? "" : "s", text, first_dropped->atom.line);
    }
    return COX_OK;
}

static int check_known(struct parser *p)
{
    struct cox_str unknown;
    int n_unknown = 0;
    cox_str_init(&unknown, 1024);
    int rc = choose_residues(p, &unknown, &n_unknown);
    if (!rc && n_unknown)
        rc = cox_err_set(p->err, COX_EUNSUPPORTED,
                         "%s: %d unknown residue%s: %s%s; known are the twenty amino acids, their "
                         "protonation states and the caps ACE, NME, NH2",
                         p->label, n_unknown, n_unknown == 1 ? "" : "s", cox_str_text(&unknown),
                         n_unknown > 12 ? ", …" : "");
    cox_str_deinit(&unknown);
    return rc;
}

static int fill(struct parser *p, struct cox_pdb *pdb)
{
    const struct record *last = NULL;
    for (int i = 0; i < p->n_records; i++) {
        const struct record *r = &p->records[i];
        if (r->dropped)
            continue;
        if (!last || !same_residue(last, r)) {
            struct cox_pdb_residue *residue = &pdb->residues[pdb->n_residues++];
            *residue = (struct cox_pdb_residue){.number = r->number,
                                                .insertion = r->insertion,
                                                .first = pdb->n_atoms,
                                                .segment = r->segment,
                                                .line = r->atom.line};
            memcpy(residue->name, r->residue_name, COX_NAME_SIZE);
            memcpy(residue->chain, r->chain, COX_NAME_SIZE);
            if (last) {
                bool new_chain = last->segment != r->segment || strcmp(last->chain, r->chain) != 0;
                residue->segment = residue[-1].segment + (new_chain ? 1 : 0);
            } else {
                residue->segment = 0;
            }
        }
        struct cox_pdb_atom *atom = &pdb->atoms[pdb->n_atoms++];
        *atom = r->atom;
        atom->residue = pdb->n_residues - 1;
        pdb->residues[pdb->n_residues - 1].count++;
        last = r;
    }
    pdb->n_models = p->n_models ? p->n_models : 1;
    pdb->model = p->model;
    if (!pdb->n_atoms)
        return cox_err_set(p->err, COX_EFORMAT, "%s: no protein among the %d atoms", p->label,
                           p->n_records);
    int rc = cox_str_status(&p->notes, p->err);
    if (rc)
        return cox_err_wrap(p->err, rc, "%s: too many notes", p->label);
    pdb->notes = cox_strdup(cox_str_text(&p->notes));
    return pdb->notes ? COX_OK : cox_err_set(p->err, COX_ENOMEM, "no memory for notes");
}

int cox_pdb_parse(struct cox_pdb **out, const char *text, size_t length, const char *label,
                  const struct cox_pdb_options *options, struct cox_err *err)
{
    struct parser p = {.label = label, .err = err};
    *out = NULL;
    if (options)
        p.options = *options;
    cox_str_init(&p.notes, MAXIMUM_NOTES);
    int rc = parse_lines(&p, text, length);
    if (!rc)
        rc = check_known(&p);
    struct cox_pdb *pdb = NULL;
    if (!rc) {
        pdb = cox_alloc(1, sizeof *pdb);
        if (pdb) {
            pdb->atoms = cox_alloc((size_t)p.n_records, sizeof *pdb->atoms);
            pdb->residues = cox_alloc((size_t)p.n_records, sizeof *pdb->residues);
        }
        if (!pdb || !pdb->atoms || !pdb->residues)
            rc = cox_err_set(err, COX_ENOMEM, "no memory for %d atoms", p.n_records);
    }
    if (!rc)
        rc = fill(&p, pdb);
    cox_free(p.records);
    cox_str_deinit(&p.notes);
    if (rc) {
        cox_pdb_destroy(pdb);
        return rc;
    }
    *out = pdb;
    return COX_OK;
}

int cox_pdb_read(struct cox_pdb **out, const char *path, const struct cox_pdb_options *options,
                 struct cox_err *err)
{
    char *text = NULL;
    size_t length = 0;
    *out = NULL;
    int rc = cox_file_read(&text, &length, path, MAXIMUM_BYTES, err);
    if (rc)
        return rc;
    rc = cox_pdb_parse(out, text, length, path, options, err);
    cox_free(text);
    return rc;
}

void cox_pdb_destroy(struct cox_pdb *pdb)
{
    if (!pdb)
        return;
    cox_free(pdb->atoms);
    cox_free(pdb->residues);
    cox_free(pdb->notes);
    cox_free(pdb);
}
