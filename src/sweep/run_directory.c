/* SPDX-License-Identifier: BSD-3-Clause */
/* The sweep's folder, its design and what the ledger has of it: the design may have changed since,
 * points are found again by their keys. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/str.h"
#include "sweep/run_internal.h"

#define CONFIG_MAXIMUM (1 << 24)

/* ---- the folder ---- */

int cox_sweep_directory_open(struct cox_sweep *s, const char *directory, struct cox_err *err)
{
    static const char *const folders[] = {"jobs", "models"};
    char path[PATH_MAX];
    int rc = cox_path_join(path, sizeof path, directory, "catalog.db", err);
    if (!rc && cox_file_exists(path))
        rc =
            cox_err_set(err, COX_EEXISTS,
                        "'%s' holds a run of 'cox run'; give another directory with -o", directory);
    /* results are their owner's until he shares them; a folder that was there keeps its mode */
    if (!rc)
        rc = cox_directory_create_private(directory, err);
    if (!rc && !realpath(directory, s->directory))
        rc = cox_err_errno(err, "cannot find '%s'", directory);
    if (!rc)
        rc = cox_path_join(path, sizeof path, s->directory, "ledger.db", err);
    if (!rc)
        rc = cox_ledger_open(&s->ledger, path, err);
    for (int i = 0; !rc && i < 2; i++) {
        rc = cox_path_join(path, sizeof path, s->directory, folders[i], err);
        if (!rc)
            rc = cox_directory_create(path, err);
    }
    return rc;
}

/* ---- words of the ledger ---- */

static int get_number(struct cox_sweep *s, const char *name, double *out, struct cox_err *err)
{
    char *text = NULL;
    int rc = cox_ledger_get_text(s->ledger, name, &text, err);
    if (!rc && text && (cox_parse_double(text, out) || !isfinite(*out)))
        rc = cox_err_set(err, COX_EFORMAT, "ledger.db: %s is '%s', no number", name, text);
    cox_free(text);
    return rc;
}

/* Whether the word differs from what the ledger has; it is written. Nothing there before: not. */
static int replace_text(struct cox_sweep *s, const char *name, const char *text, bool *changed,
                        struct cox_err *err)
{
    char *before = NULL;
    int rc = cox_ledger_get_text(s->ledger, name, &before, err);
    *changed = !rc && before && strcmp(before, text) != 0;
    if (!rc && (!before || *changed))
        rc = cox_ledger_set_text(s->ledger, name, text, err);
    cox_free(before);
    return rc;
}

static int reload_token(struct cox_sweep *s, struct cox_err *err)
{
    char *text = NULL;
    unsigned char bytes[16];
    int rc = cox_ledger_get_text(s->ledger, "token", &text, err);
    if (rc)
        return rc;
    if (text) {
        snprintf(s->token, sizeof s->token, "%s", text);
    } else {
        if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
            return cox_err_errno(err, "cannot draw a random number");
        for (size_t i = 0; i < sizeof bytes; i++)
            snprintf(s->token + 2 * i, 3, "%02x", bytes[i]);
        rc = cox_ledger_set_text(s->ledger, "token", s->token, err);
    }
    cox_free(text);
    snprintf(s->token_env, sizeof s->token_env, "COX_SWEEP_TOKEN=%s", s->token);
    return rc;
}

/* What of the settings decides which numbers a job's directory gives. */
static int digest_outputs(const struct cox_sweep *s, char out[65], struct cox_err *err)
{
    struct cox_str text;
    cox_str_init(&text, CONFIG_MAXIMUM);
    const struct cox_sweep_output *o = s->settings->outputs.items;
    for (int i = 0; i < s->settings->outputs.n; i++, o++) {
        const char *const words[] = {o->name,      o->csv,    o->json,         o->hdf5,
                                     o->text,      o->column, o->error_column, o->key,
                                     o->error_key, o->match,  o->error_match};
        for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
            cox_str_add(&text, words[w] ? words[w] : "");
            cox_str_add(&text, words[w] ? "\n" : "-\n");
        }
        cox_str_addf(&text, "%d\n", o->row);
    }
    int rc = cox_str_status(&text, err);
    cox_sha256_hex(cox_str_text(&text), text.length, out);
    cox_str_deinit(&text);
    return rc;
}

/* The user's CSV may change or go: who looks at the sweep reads the points as they were run. */
static int save_design(const struct cox_sweep *s, struct cox_err *err)
{
    char path[PATH_MAX];
    if (s->settings->design.kind != COX_DESIGN_FILE)
        return COX_OK;
    int rc = cox_path_join(path, sizeof path, s->directory, "design.csv", err);
    return rc ? rc : cox_points_write(&s->points, path, err);
}

static int write_config(struct cox_sweep *s, bool *changed, struct cox_err *err)
{
    struct cox_sweep_settings inside = *s->settings;
    struct cox_str text;
    char path[PATH_MAX];
    char digest[65];
    inside.output = NULL; /* a sweep of this file goes elsewhere */
    cox_str_init(&text, CONFIG_MAXIMUM);
    cox_config_emit(&text, &cox_sweep_settings_schema, &inside);
    int rc = cox_str_status(&text, err);
    if (!rc)
        rc = save_design(s, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, s->directory, "config.yaml", err);
    if (!rc)
        rc = cox_file_replace(path, cox_str_text(&text), text.length, err);
    cox_sha256_hex(cox_str_text(&text), text.length, digest);
    cox_str_deinit(&text);
    return rc ? rc : replace_text(s, "config", digest, changed, err);
}

/* ---- points ---- */

struct known { /* a point of the ledger */
    int64_t id;
    char key[COX_JOB_KEY_SIZE];
    unsigned char state, purpose;
};
struct finding {
    struct cox_sweep *s;
    struct known *known;
    size_t n, room;
    int *table; /* hash of keys → new point + 1 */
    size_t mask;
    bool *taken; /* new points that an old one was found for */
    struct cox_err *err;
};

static int take_known(void *user, const struct cox_ledger_point *p)
{
    struct finding *f = user;
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 1024;
        struct known *more = cox_realloc(f->known, room, sizeof *more);
        if (!more)
            return cox_err_set(f->err, COX_ENOMEM, "out of memory for %zu points", room);
        f->known = more;
        f->room = room;
    }
    struct known *k = &f->known[f->n++];
    k->id = p->id;
    k->state = (unsigned char)p->state;
    k->purpose = (unsigned char)p->purpose;
    memcpy(k->key, p->key, sizeof k->key);
    return COX_OK;
}

static size_t hash_of(const char *key)
{
    size_t h = 1469598103934665603U;
    for (int i = 0; i < 16; i++)
        h = (h ^ (unsigned char)key[i]) * 1099511628211U;
    return h;
}

static int make_table(struct finding *f, struct cox_err *err)
{
    size_t n = (size_t)f->s->points.n;
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    f->mask = size - 1;
    f->table = cox_alloc(size, sizeof *f->table);
    f->taken = cox_alloc(n, sizeof *f->taken);
    if (!f->table || !f->taken)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %zu points", n);
    for (size_t i = 0; i < n; i++) {
        size_t at = hash_of(f->s->key[i]) & f->mask;
        while (f->table[at])
            at = (at + 1) & f->mask;
        f->table[at] = (int)i + 1;
    }
    return COX_OK;
}

/* The first point of the design with this key that no other was found for, -1. */
static int64_t find_key(struct finding *f, const char *key)
{
    for (size_t at = hash_of(key) & f->mask; f->table[at]; at = (at + 1) & f->mask) {
        int i = f->table[at] - 1;
        if (!f->taken[i] && !strcmp(f->s->key[i], key)) {
            f->taken[i] = true;
            return i;
        }
    }
    return -1;
}

/* Where every point of the ledger goes. A point that stays where it is comes first, so that equal
 * keys do not change places. */
static int place(struct finding *f, int64_t *from, int64_t *to, int64_t *n_moved)
{
    struct cox_sweep *s = f->s;
    int64_t aside = COX_LEDGER_ASIDE;
    *n_moved = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct known *k = &f->known[i];
        if (k->id >= aside)
            aside = k->id + 1;
        bool stays = k->id < s->points.n && !strcmp(k->key, s->key[k->id]);
        if (stays)
            f->taken[k->id] = true;
        to[i] = stays ? k->id : -1;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (to[i] < 0)
            to[i] = find_key(f, f->known[i].key);
        if (to[i] < 0)
            to[i] = f->known[i].id >= COX_LEDGER_ASIDE ? f->known[i].id : aside++;
        if (to[i] < s->points.n) {
            s->point[to[i]].state = f->known[i].state;
            s->point[to[i]].purpose = f->known[i].purpose;
        }
    }
    for (size_t i = 0; i < f->n; i++)
        if (to[i] != f->known[i].id) {
            from[*n_moved] = f->known[i].id;
            to[(*n_moved)++] = to[i];
        }
    return COX_OK;
}

static int add_points(struct cox_sweep *s, const struct finding *f, struct cox_err *err)
{
    int rc = COX_OK;
    for (int i = 0; !rc && i < s->points.n; i++) {
        if (f->taken[i])
            continue;
        struct cox_ledger_point p = {.id = i,
                                     .state = COX_POINT_TODO,
                                     .n_x = s->points.n_inputs,
                                     .x = s->points.x + (size_t)i * (size_t)s->points.n_inputs};
        memcpy(p.key, s->key[i], sizeof p.key);
        rc = cox_ledger_put_point(s->ledger, &p, err);
    }
    return rc;
}

/* Of points that an earlier bag.yaml had here: nothing of them is lost, nothing of them is shown.
 */
static void tell_of_others(struct cox_sweep *s, const struct finding *f)
{
    size_t others = 0;
    for (size_t i = 0; i < f->n; i++)
        others += f->known[i].id < COX_LEDGER_ASIDE;
    for (int i = 0; i < s->points.n && others; i++)
        others -= f->taken[i];
    if (others && others <= f->n)
        cox_sweep_say(s,
                      "%zu points of the bag that was here before are not in this one; they are "
                      "kept aside",
                      others);
}

static int reload_points(struct cox_sweep *s, struct cox_err *err)
{
    struct finding f = {.s = s, .err = err};
    int64_t n_moved = 0;
    double design = 0;
    int rc = cox_ledger_all_points(s->ledger, take_known, &f, err);
    if (!rc)
        rc = make_table(&f, err);
    int64_t *from = cox_alloc(f.n, sizeof *from);
    int64_t *to = cox_alloc(f.n, sizeof *to);
    if (!rc && (!from || !to))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory for %zu points", f.n);
    if (!rc)
        rc = place(&f, from, to, &n_moved);
    if (!rc)
        rc = get_number(s, "design", &design, err);
    s->design = (int)design;
    if (!rc && n_moved) {
        char text[24];
        snprintf(text, sizeof text, "%d", ++s->design);
        rc = cox_ledger_renumber(s->ledger, from, to, n_moved, err);
        if (!rc)
            rc = cox_ledger_set_text(s->ledger, "design", text, err);
    }
    if (!rc)
        rc = add_points(s, &f, err);
    if (!rc && n_moved)
        tell_of_others(s, &f);
    cox_free(f.known);
    cox_free(f.table);
    cox_free(f.taken);
    cox_free(from);
    cox_free(to);
    return rc;
}

/* ---- all of that ---- */

int cox_sweep_open_design(struct cox_sweep *s, struct sweep_before *before, struct cox_err *err)
{
    char outputs[65];
    int rc = get_number(s, "elapsed_s", &before->elapsed_s, err);
    s->zero_s = s->session_s - before->elapsed_s;
    if (!rc)
        rc = reload_token(s, err);
    if (!rc)
        rc = reload_points(s, err);
    if (!rc)
        rc = digest_outputs(s, outputs, err);
    if (!rc)
        rc = replace_text(s, "outputs", outputs, &before->reread, err);
    return rc ? rc : write_config(s, &before->changed, err);
}
