/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/job_template.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sweep/settings_check.h"

/* Built-in placeholders come after the parameters. */
static const char *const reserved[] = {"seed", "cores", "point", "bag"};
enum { SEED, CORES, POINT, BAG, N_RESERVED };
enum { LITERAL = -1, MAX_NAMES = 64 + N_RESERVED, FORMAT_SIZE = 16 };

struct cox_template_piece {
    int what;         /* LITERAL, a parameter's number, or scope.n + SEED … */
    const char *text; /* of a literal: [length], borrowed; else as it is written */
    size_t length;
    char format[FORMAT_SIZE]; /* "" none; else for printf, with its conversion last */
    char conversion;
};

/* Parsing one text; pieces are counted in a first pass, kept in a second. */
struct parser {
    const struct cox_template_scope *scope;
    const char *name; /* of the file; NULL: an argument */
    const char *begin, *end;
    struct cox_template_piece *piece; /* NULL while counting */
    int n;
    struct cox_err *err;
};

bool cox_template_is_name(const char *text)
{
    if (!isalpha((unsigned char)text[0]) && text[0] != '_')
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    return true;
}

bool cox_template_is_reserved(const char *name)
{
    for (int i = 0; i < N_RESERVED; i++)
        if (!strcmp(name, reserved[i]))
            return true;
    return false;
}

void cox_template_number(struct cox_str *out, double value)
{
    char text[40];
    if (fabs(value) < 1e16 && value == floor(value)) {
        cox_str_addf(out, "%.0f", value); /* 1e15 as a whole number, too */
        return;
    }
    /* a decimal of 15 digits or fewer survives the way through a double, so %.15g finds it */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (back == value)
            break;
    }
    cox_str_add(out, text);
}

/* ---- names ---- */

static int all_names(const struct cox_template_scope *scope, const char **names)
{
    int n = 0;
    for (int i = 0; i < scope->n && n < MAX_NAMES - N_RESERVED; i++)
        names[n++] = scope->parameter[i].name;
    for (int i = 0; i < N_RESERVED; i++)
        names[n++] = reserved[i];
    return n;
}

static int find_name(const struct cox_template_scope *scope, const char *name)
{
    for (int i = 0; i < scope->n; i++)
        if (!strcmp(scope->parameter[i].name, name))
            return i;
    for (int i = 0; i < N_RESERVED; i++)
        if (!strcmp(reserved[i], name))
            return scope->n + i;
    return LITERAL;
}

/* In a file most braces are the file's own; a slip is what differs from a name by next to nothing.
 */
static bool nearly_a_name(const struct cox_template_scope *scope, const char *name)
{
    const char *names[MAX_NAMES];
    int n = all_names(scope, names);
    size_t length = strlen(name);
    for (int i = 0; i < n; i++) {
        int distance = cox_str_distance(name, names[i]);
        if ((length >= 2 && !strcasecmp(name, names[i])) || (length >= 3 && distance <= 1) ||
            (length >= 6 && distance <= 2))
            return true;
    }
    return false;
}

/* ---- messages ---- */

static int fail(const struct parser *p, const char *at, const char *message)
{
    if (!p->name)
        return cox_err_set(p->err, COX_EINVAL, "%s", message);
    int line = 1;
    int column = 1;
    for (const char *c = p->begin; c < at; c++) {
        column = *c == '\n' ? 1 : column + ((*c & 0xC0) != 0x80);
        line += *c == '\n';
    }
    return cox_err_set(p->err, COX_EINVAL, "%s:%d:%d: %s", p->name, line, column, message);
}

static int fail_name(const struct parser *p, const char *at, const char *name)
{
    const char *names[MAX_NAMES];
    char hint[400];
    char message[600];
    int n = all_names(p->scope, names);
    cox_sweep_name_hint(hint, sizeof hint, name, names, n);
    snprintf(message, sizeof message, "{%.60s} is no parameter%s%s", name, hint,
             p->name ? "" : "; write {{ and }} for braces");
    return fail(p, at, message);
}

/* ---- one placeholder ---- */

/* As printf's: flags, width, precision, conversion; at most two digits each. */
static bool parse_format(const char *from, size_t n, char format[FORMAT_SIZE], char *conversion)
{
    size_t i = 0;
    while (i < n && strchr("-+ 0#", from[i]))
        i++;
    if (i > 5)
        return false;
    size_t digits = i;
    while (i < n && isdigit((unsigned char)from[i]))
        i++;
    bool good = i - digits <= 2;
    if (i < n && from[i] == '.') {
        digits = ++i;
        while (i < n && isdigit((unsigned char)from[i]))
            i++;
        good &= i - digits <= 2;
    }
    if (!good || i + 1 != n || !isalpha((unsigned char)from[i]))
        return false;
    *conversion = from[i];
    /* whole numbers are printed as long long */
    snprintf(format, FORMAT_SIZE, "%%%.*s%s%c", (int)i, from, from[i] == 'd' ? "ll" : "", from[i]);
    return true;
}

/* Whether %d says all there is to say: else two points would become one job behind one's back. */
static bool is_whole(const struct cox_template_scope *scope, int what)
{
    const struct cox_sweep_parameter *p = what < scope->n ? &scope->parameter[what] : NULL;
    if (!p || p->whole)
        return true;
    for (int i = 0; i < p->values.n; i++) {
        double x = p->values.items[i];
        if (x != floor(x) || fabs(x) > 0x1p53)
            return false;
    }
    return p->values.n > 0;
}

static bool fits(const struct cox_template_scope *scope, int what, char conversion)
{
    bool word = what < scope->n ? scope->parameter[what].choices.n > 0 : what - scope->n == BAG;
    if (word)
        return conversion == 's';
    if (conversion == 'd')
        return is_whole(scope, what);
    return what < scope->n && strchr("eEfFgG", conversion);
}

static int fail_format(const struct parser *p, const char *at, size_t n, int what, bool whole)
{
    char message[300];
    if (whole) {
        snprintf(message, sizeof message,
                 "%.*s: d is for whole numbers; give the parameter whole: true, or round it with "
                 "{%s:.0f}",
                 n < 80 ? (int)n : 80, at, p->scope->parameter[what].name);
        return fail(p, at, message);
    }
    bool number = what < p->scope->n && !p->scope->parameter[what].choices.n;
    bool word = what < p->scope->n ? !number : what - p->scope->n == BAG;
    snprintf(message, sizeof message, "%.*s: a format is like {name:%s}, as printf's",
             n < 80 ? (int)n : 80, at,
             word     ? "8s} or {name:-8s"
             : number ? ".3f}, {name:12.4e} or {name:03d"
                      : "06d");
    return fail(p, at, message);
}

static void add_piece(struct parser *p, const struct cox_template_piece *piece)
{
    if (piece->what == LITERAL && !piece->length)
        return;
    if (p->piece)
        p->piece[p->n] = *piece;
    p->n++;
    if (piece->what >= 0 && piece->what < p->scope->n && p->scope->used)
        p->scope->used[piece->what] = true;
}

/* What stands at the brace `at`: *n its bytes, 0 when it is only a brace. */
static int take_place(struct parser *p, const char *at, size_t *n, struct cox_template_piece *piece)
{
    char name[64];
    const char *from = at + 1;
    const char *to = from;
    *n = 0;
    while (to < p->end && (isalnum((unsigned char)*to) || *to == '_'))
        to++;
    size_t length = (size_t)(to - from);
    if (!length || length >= sizeof name || to == p->end || (*to != '}' && *to != ':') ||
        isdigit((unsigned char)*from))
        return COX_OK;
    memcpy(name, from, length);
    name[length] = '\0';
    const char *close = memchr(to, '}', (size_t)(p->end - to));
    if (!close || (p->name && memchr(to, '\n', (size_t)(close - to))))
        return COX_OK;
    size_t bytes = (size_t)(close - at) + 1;
    *piece =
        (struct cox_template_piece){.what = find_name(p->scope, name), .text = at, .length = bytes};
    bool formatted = *to == ':';
    bool sound = formatted &&
                 parse_format(to + 1, (size_t)(close - to) - 1, piece->format, &piece->conversion);
    if (piece->what == LITERAL) {
        bool slip = !p->name || (formatted ? sound : nearly_a_name(p->scope, name));
        return slip ? fail_name(p, at, name) : COX_OK;
    }
    if (formatted && (!sound || !fits(p->scope, piece->what, piece->conversion))) {
        /* {h:1} may be a file's own; {h:.3q} is a slip */
        bool slip = !p->name || sound;
        bool whole = sound && piece->conversion == 'd' && !is_whole(p->scope, piece->what) &&
                     !p->scope->parameter[piece->what].choices.n;
        return slip ? fail_format(p, at, bytes, piece->what, whole) : COX_OK;
    }
    *n = bytes;
    return COX_OK;
}

/* {{name}} of a known name in a file, any {{ or }} in an argument: *n bytes that stand for the text
 * in `piece`. */
static bool take_braces(const struct parser *p, const char *at, size_t *n,
                        struct cox_template_piece *piece)
{
    if (p->end - at < 2 || at[0] != at[1])
        return false;
    *piece = (struct cox_template_piece){.what = LITERAL, .text = at, .length = 1};
    *n = p->name ? 0 : 2;
    if (!p->name)
        return true;
    char name[64];
    const char *close = *at == '{' ? memchr(at, '}', (size_t)(p->end - at)) : NULL;
    size_t length = close ? (size_t)(close - at) - 2 : 0;
    if (!length || length >= sizeof name || close + 1 == p->end || close[1] != '}')
        return false;
    memcpy(name, at + 2, length);
    name[length] = '\0';
    name[strcspn(name, ":")] = '\0';
    if (find_name(p->scope, name) == LITERAL)
        return false;
    piece->text = at + 1;
    piece->length = length + 2;
    *n = length + 4;
    return true;
}

static int parse(struct parser *p)
{
    const char *literal = p->begin;
    p->n = 0;
    for (const char *at = p->begin; at < p->end;) {
        struct cox_template_piece piece;
        size_t n = 0;
        int rc = COX_OK;
        if (*at != '{' && *at != '}') {
            at++;
            continue;
        }
        bool shell = at > p->begin && at[-1] == '$'; /* a variable of the shell or of LAMMPS */
        bool braces = !shell && take_braces(p, at, &n, &piece);
        if (!shell && !braces && *at == '{')
            rc = take_place(p, at, &n, &piece);
        if (rc)
            return rc;
        if (n) {
            add_piece(p, &(struct cox_template_piece){
                             .what = LITERAL, .text = literal, .length = (size_t)(at - literal)});
            add_piece(p, &piece);
            literal = at + n;
        }
        at += n ? n : 1;
    }
    add_piece(p, &(struct cox_template_piece){
                     .what = LITERAL, .text = literal, .length = (size_t)(p->end - literal)});
    return COX_OK;
}

static int parse_twice(struct cox_template *out, struct parser *p, struct cox_arena *arena)
{
    *out = (struct cox_template){0};
    int rc = parse(p);
    if (rc)
        return rc;
    p->piece = cox_arena_alloc(arena, (size_t)p->n + 1, sizeof *p->piece);
    if (!p->piece)
        return cox_err_set(p->err, COX_ENOMEM, "out of memory");
    rc = parse(p);
    out->n = p->n;
    out->piece = p->piece;
    return rc;
}

int cox_template_argument(struct cox_template *out, const char *text,
                          const struct cox_template_scope *scope, struct cox_arena *arena,
                          struct cox_err *err)
{
    struct parser p = {.scope = scope, .begin = text, .end = text + strlen(text), .err = err};
    return parse_twice(out, &p, arena);
}

int cox_template_file(struct cox_template *out, const char *name, const char *bytes, size_t length,
                      const struct cox_template_scope *scope, struct cox_arena *arena,
                      struct cox_err *err)
{
    struct parser p = {
        .scope = scope, .name = name, .begin = bytes, .end = bytes + length, .err = err};
    return parse_twice(out, &p, arena);
}

bool cox_template_is_constant(const struct cox_template *t)
{
    for (int i = 0; i < t->n; i++)
        if (t->piece[i].what != LITERAL)
            return false;
    return true;
}

/* ---- rendering ---- */

/* The formats were checked by parse_format: one conversion, of the kind that `fits` allows. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void add_whole(struct cox_str *out, const struct cox_template_piece *piece, long long value)
{
    cox_str_addf(out, piece->format[0] ? piece->format : "%lld", value);
}

static void add_word(struct cox_str *out, const struct cox_template_piece *piece, const char *word)
{
    cox_str_addf(out, piece->format[0] ? piece->format : "%s", word);
}

static void add_value(struct cox_str *out, const struct cox_template_piece *piece,
                      const struct cox_sweep_parameter *parameter, double x)
{
    if (parameter->choices.n)
        add_word(out, piece, parameter->choices.items[(int)x]);
    else if (!piece->format[0])
        cox_template_number(out, x);
    else if (piece->conversion == 'd')
        add_whole(out, piece, llround(x)); /* of at most 2^53, or of a list of whole numbers */
    else
        cox_str_addf(out, piece->format, x);
}
#pragma GCC diagnostic pop

void cox_template_render(const struct cox_template *t, const struct cox_template_scope *scope,
                         const struct cox_template_values *values, struct cox_str *out)
{
    for (int i = 0; i < t->n; i++) {
        const struct cox_template_piece *piece = &t->piece[i];
        int built_in = piece->what - scope->n;
        if (piece->what == LITERAL || (values->for_key && built_in >= CORES))
            cox_str_addn(out, piece->text, piece->length);
        else if (piece->what < scope->n)
            add_value(out, piece, &scope->parameter[piece->what], values->x[piece->what]);
        else if (built_in == BAG)
            add_word(out, piece, values->bag);
        else
            add_whole(out, piece,
                      built_in == SEED    ? (long long)values->seed
                      : built_in == CORES ? values->cores
                                          : values->point);
    }
}
