/* SPDX-License-Identifier: BSD-3-Clause */
/* Recursive descent; each rule fills a byte per atom. Grammar:
 *   or    = and { "or" and }
 *   and   = not { "and" not }
 *   not   = "not" not | "(" or ")" | term
 *   term  = word | field value { value } */
#include "molecule/select.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "molecule/elements.h"
#include "molecule/residues.h"

#define MAX_DEPTH 64
#define TOKEN_SIZE 64

enum word { W_ALL, W_PROTEIN, W_BACKBONE, W_SIDECHAIN, W_HEAVY, W_HYDROGEN };
static const char *const words[] = {"all", "protein", "backbone", "sidechain", "heavy", "hydrogen"};
enum field { F_NAME, F_RESNAME, F_ELEMENT, F_CHAIN, F_RESID, F_INDEX };
static const char *const fields[] = {"name", "resname", "element", "chain", "resid", "index"};
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

struct parser {
    const struct cox_system *system;
    const char *text;
    size_t at;              /* start of the present token */
    size_t next;            /* just after it */
    char token[TOKEN_SIZE]; /* "" at the end */
    int depth;
    struct cox_err *err;
};

static int fail(const struct parser *p, const char *allowed)
{
    if (!p->token[0])
        return cox_err_set(p->err, COX_EINVAL,
                           "selection '%s', column %zu: ends where %s is needed", p->text,
                           p->at + 1, allowed);
    return cox_err_set(p->err, COX_EINVAL, "selection '%s', column %zu: '%s' where %s is needed",
                       p->text, p->at + 1, p->token, allowed);
}

static void advance(struct parser *p)
{
    const char *t = p->text;
    p->at = p->next;
    while (isspace((unsigned char)t[p->at]))
        p->at++;
    size_t end = p->at;
    if (t[end] == '(' || t[end] == ')')
        end++;
    else
        while (t[end] && !isspace((unsigned char)t[end]) && t[end] != '(' && t[end] != ')')
            end++;
    size_t n = end - p->at;
    if (n >= TOKEN_SIZE)
        n = TOKEN_SIZE - 1;
    memcpy(p->token, t + p->at, n);
    p->token[n] = '\0';
    p->next = end;
}

static bool is(const struct parser *p, const char *word)
{
    return !strcasecmp(p->token, word);
}

static int find(const struct parser *p, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (is(p, names[i]))
            return i;
    return -1;
}

static bool is_amino_acid(const char *name)
{
    /* Amber's termini: NALA, CALA */
    bool terminal = strlen(name) == 4 && (name[0] == 'N' || name[0] == 'C');
    return cox_residue_standard(name) || (terminal && cox_residue_standard(name + 1));
}

static bool is_hydrogen(const struct cox_system *s, int atom)
{
    return s->element[atom] == 1;
}

static bool is_backbone_name(const char *name)
{
    return !strcmp(name, "N") || !strcmp(name, "CA") || !strcmp(name, "C") || !strcmp(name, "O");
}

static bool has_word(const struct cox_system *s, int atom, enum word word)
{
    const char *name = s->atom_name[atom];
    bool protein = is_amino_acid(s->residue_name[s->residue[atom]]);
    switch (word) {
    case W_ALL:
        return true;
    case W_PROTEIN:
        return protein;
    case W_BACKBONE:
        return protein && is_backbone_name(name);
    case W_SIDECHAIN:
        return protein && !is_hydrogen(s, atom) && !is_backbone_name(name) && strcmp(name, "OXT");
    case W_HEAVY:
        return !is_hydrogen(s, atom);
    case W_HYDROGEN:
        return is_hydrogen(s, atom);
    }
    return false;
}

/* * any run, ? any one character. Iterative, so that a hostile pattern costs at most n·m. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

/* "3", "3-8", "-2", "-5--2", "-2-4" */
static bool parse_range(const char *token, long long *low, long long *high)
{
    const char *dash = strchr(token + (token[0] == '-'), '-');
    char first[TOKEN_SIZE];
    size_t n = dash ? (size_t)(dash - token) : strlen(token);
    memcpy(first, token, n);
    first[n] = '\0';
    if (cox_parse_int(first, low))
        return false;
    *high = *low;
    return !dash || (!cox_parse_int(dash + 1, high) && *low <= *high);
}

static bool has_text(const struct cox_system *s, int atom, enum field field, const char *value)
{
    int residue = s->residue[atom];
    switch (field) {
    case F_NAME:
        return matches(value, s->atom_name[atom]);
    case F_RESNAME:
        return matches(value, s->residue_name[residue]);
    case F_CHAIN:
        return matches(value, s->chain[residue]);
    case F_ELEMENT:
        return s->element[atom] && cox_element_of_symbol(value) == s->element[atom];
    default:
        return false;
    }
}

static bool ends_values(const struct parser *p)
{
    return !p->token[0] || is(p, "and") || is(p, "or") || p->token[0] == '(' || p->token[0] == ')';
}

static int parse_field(struct parser *p, enum field field, uint8_t *out)
{
    const struct cox_system *s = p->system;
    bool numeric = field == F_RESID || field == F_INDEX;
    const char *allowed = field == F_RESID     ? "a residue number or a range such as 3-8"
                          : field == F_INDEX   ? "an atom index from 0 or a range such as 0-10"
                          : field == F_ELEMENT ? "an element symbol such as C"
                                               : "a name (* and ? are wild cards)";
    advance(p);
    if (ends_values(p))
        return fail(p, allowed);
    memset(out, 0, (size_t)s->n_atoms);
    for (; !ends_values(p); advance(p)) {
        long long low = 0;
        long long high = 0;
        if (is(p, "not") || find(p, fields, COUNT(fields)) >= 0)
            return fail(p, "'and' or 'or'");
        if (numeric && !parse_range(p->token, &low, &high))
            return fail(p, allowed);
        if (field == F_ELEMENT && !cox_element_of_symbol(p->token))
            return fail(p, allowed);
        for (int i = 0; i < s->n_atoms; i++) {
            long long number = field == F_INDEX ? i : s->residue_number[s->residue[i]];
            if (numeric ? number >= low && number <= high : has_text(s, i, field, p->token))
                out[i] = 1;
        }
    }
    return COX_OK;
}

static int parse_or(struct parser *p, uint8_t *out);

static int parse_term(struct parser *p, uint8_t *out)
{
    static const char allowed[] =
        "'all', 'protein', 'backbone', 'sidechain', 'heavy', 'hydrogen', 'name', 'resname', "
        "'element', 'chain', 'resid', 'index', 'not' or '('";
    int word = find(p, words, COUNT(words));
    if (word >= 0) {
        for (int i = 0; i < p->system->n_atoms; i++)
            out[i] = has_word(p->system, i, (enum word)word);
        advance(p);
        return COX_OK;
    }
    int field = find(p, fields, COUNT(fields));
    if (field >= 0)
        return parse_field(p, (enum field)field, out);
    return fail(p, allowed);
}

static int parse_not(struct parser *p, uint8_t *out)
{
    int rc;
    if (p->depth >= MAX_DEPTH)
        return cox_err_set(p->err, COX_EINVAL,
                           "selection, column %zu: more than %d nested parentheses and 'not'",
                           p->at + 1, MAX_DEPTH);
    p->depth++;
    if (is(p, "not")) {
        advance(p);
        rc = parse_not(p, out);
        for (int i = 0; !rc && i < p->system->n_atoms; i++)
            out[i] = !out[i];
    } else if (p->token[0] == '(') {
        advance(p);
        rc = parse_or(p, out);
        if (!rc && p->token[0] != ')')
            rc = fail(p, "'and', 'or' or ')'");
        if (!rc)
            advance(p);
    } else {
        rc = parse_term(p, out);
    }
    p->depth--;
    return rc;
}

/* part { link part } */
static int parse_chain(struct parser *p, uint8_t *out, const char *link,
                       int (*part)(struct parser *, uint8_t *))
{
    size_t n = (size_t)p->system->n_atoms;
    bool conjunction = link[0] == 'a';
    int rc = part(p, out);
    if (rc || !is(p, link))
        return rc;
    uint8_t *other = cox_alloc(n, 1);
    if (!other)
        return cox_err_set(p->err, COX_ENOMEM, "out of memory in a selection");
    while (!rc && is(p, link)) {
        advance(p);
        rc = part(p, other);
        for (size_t i = 0; !rc && i < n; i++)
            out[i] = conjunction ? out[i] & other[i] : out[i] | other[i];
    }
    cox_free(other);
    return rc;
}

static int parse_and(struct parser *p, uint8_t *out)
{
    return parse_chain(p, out, "and", parse_not);
}

static int parse_or(struct parser *p, uint8_t *out)
{
    return parse_chain(p, out, "or", parse_and);
}

static int collect(struct cox_selection *out, const struct parser *p, const uint8_t *chosen)
{
    int n = 0;
    for (int i = 0; i < p->system->n_atoms; i++)
        n += chosen[i];
    if (!n)
        return cox_err_set(p->err, COX_EINVAL, "selection '%s' selects none of the %d atoms",
                           p->text, p->system->n_atoms);
    out->atom = cox_alloc((size_t)n, sizeof *out->atom);
    if (!out->atom)
        return cox_err_set(p->err, COX_ENOMEM, "out of memory in a selection");
    for (int i = 0; i < p->system->n_atoms; i++)
        if (chosen[i])
            out->atom[out->n++] = i;
    return COX_OK;
}

int cox_selection_init(struct cox_selection *out, const struct cox_system *system,
                       const char *expression, struct cox_err *err)
{
    struct parser p = {.system = system, .text = expression, .err = err};
    *out = (struct cox_selection){0};
    uint8_t *chosen = cox_alloc((size_t)system->n_atoms, 1);
    if (!chosen)
        return cox_err_set(err, COX_ENOMEM, "out of memory in a selection");
    advance(&p);
    int rc = parse_or(&p, chosen);
    if (!rc && p.token[0])
        rc = fail(&p, "'and', 'or' or the end");
    if (!rc)
        rc = collect(out, &p, chosen);
    cox_free(chosen);
    return rc;
}

void cox_selection_deinit(struct cox_selection *selection)
{
    cox_free(selection->atom);
    *selection = (struct cox_selection){0};
}
