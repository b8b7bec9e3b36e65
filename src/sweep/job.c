/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/job.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/str.h"
#include "sweep/job_command.h"
#include "sweep/job_internal.h"
#include "sweep/job_links.h"
#include "sweep/settings_check.h"

/* What is hashed for a key begins with this: its form, should it ever change. */
#define KEY_FORM "cox job 1\n"
enum { SEED_MAX = 900000000 }; /* of LAMMPS' Marsaglia generator; others take as much */
#define JOB_MAX_BYTES ((size_t)256 << 20)

/* ---- templates ---- */

static int nomem(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for the jobs of the sweep");
}

static int parse_command(struct cox_job_command *out, const struct cox_jobs *jobs,
                         const struct cox_config_texts *command, struct cox_err *err)
{
    struct cox_config_texts words;
    int rc = cox_command_words(&words, command, jobs->arena, err);
    if (rc)
        return rc;
    struct cox_template *word = cox_arena_alloc(jobs->arena, (size_t)words.n, sizeof *word);
    if (!word)
        return nomem(err);
    for (int i = 0; i < words.n && !rc; i++)
        rc = cox_template_argument(&word[i], words.items[i], &jobs->scope, jobs->arena, err);
    *out = (struct cox_job_command){.n = words.n, .word = word};
    if (rc || !cox_template_is_constant(&word[0]))
        return rc;
    char path[PATH_MAX];
    rc = cox_command_program(path, sizeof path, words.items[0], jobs->settings->folder, err);
    if (rc)
        return rc;
    out->program = cox_arena_strdup(jobs->arena, path);
    return out->program ? COX_OK : nomem(err);
}

static int read_file(struct cox_job_file *out, const struct cox_jobs *jobs, const char *path,
                     struct cox_err *err)
{
    char name[NAME_MAX + 1];
    struct stat st;
    char *bytes = NULL;
    size_t length = 0;
    if (stat(path, &st))
        return cox_err_errno(err, "cannot open '%s'", path);
    int rc = cox_file_read(&bytes, &length, path, COX_TEMPLATE_MAX_BYTES, err);
    if (rc)
        return rc;
    char *kept = cox_arena_alloc(jobs->arena, length + 1, 1);
    out->name = cox_arena_strdup(jobs->arena, cox_job_file_name(path, true, name, sizeof name));
    out->mode = st.st_mode & 0777;
    rc = kept && out->name ? COX_OK : nomem(err);
    if (!rc) {
        memcpy(kept, bytes, length);
        rc = cox_template_file(&out->text, path, kept, length, &jobs->scope, jobs->arena, err);
    }
    cox_free(bytes);
    return rc;
}

static int read_link(struct cox_job_link *out, const struct cox_jobs *jobs, const char *path,
                     struct cox_err *err)
{
    char name[NAME_MAX + 1];
    char whole[PATH_MAX];
    if (!realpath(path, whole))
        return cox_err_errno(err, "cannot open '%s'", path);
    out->name = cox_arena_strdup(jobs->arena, cox_job_file_name(path, false, name, sizeof name));
    out->target = cox_arena_strdup(jobs->arena, whole);
    if (!out->name || !out->target)
        return nomem(err);
    return cox_job_digest(whole, out->digest, err);
}

/* Sorted by name: the key does not depend on the order in the bag.yaml. */
static int by_file_name(const void *a, const void *b)
{
    return strcmp(((const struct cox_job_file *)a)->name, ((const struct cox_job_file *)b)->name);
}

static int by_link_name(const void *a, const void *b)
{
    return strcmp(((const struct cox_job_link *)a)->name, ((const struct cox_job_link *)b)->name);
}

static int read_files(struct cox_jobs *jobs, struct cox_err *err)
{
    const struct cox_config_texts *files = &jobs->settings->job.files;
    const struct cox_config_texts *links = &jobs->settings->job.links;
    jobs->file = cox_arena_alloc(jobs->arena, (size_t)files->n + 1, sizeof *jobs->file);
    jobs->link = cox_arena_alloc(jobs->arena, (size_t)links->n + 1, sizeof *jobs->link);
    int rc = jobs->file && jobs->link ? COX_OK : nomem(err);
    for (int i = 0; i < files->n && !rc; i++)
        rc = read_file(&jobs->file[jobs->n_files++], jobs, files->items[i], err);
    for (int i = 0; i < links->n && !rc; i++)
        rc = read_link(&jobs->link[jobs->n_links++], jobs, links->items[i], err);
    if (rc)
        return rc;
    qsort(jobs->file, (size_t)jobs->n_files, sizeof *jobs->file, by_file_name);
    qsort(jobs->link, (size_t)jobs->n_links, sizeof *jobs->link, by_link_name);
    return COX_OK;
}

static int parse_all(struct cox_jobs *jobs, const struct cox_config *config, struct cox_err *err)
{
    const struct cox_settings_job *job = &jobs->settings->job;
    struct cox_err why = COX_ERR_INIT;
    const char *key = "job.command";
    int rc = parse_command(&jobs->command, jobs, &job->command, &why);
    jobs->resume = jobs->command;
    if (!rc && job->resume.n) {
        key = "job.resume";
        rc = parse_command(&jobs->resume, jobs, &job->resume, &why);
    }
    if (!rc)
        return read_files(jobs, err);
    return config ? cox_config_error(config, key, err, rc, "%s", why.text)
                  : cox_err_set(err, rc, "%s: %s", key, why.text);
}

/* ---- seeds ---- */

static uint64_t mix_text(uint64_t seed, const char *text)
{
    for (; *text; text++)
        seed = cox_seed_mix(seed, (unsigned char)*text);
    return cox_seed_mix(seed, 256);
}

/* Sorted by name: the seeds do not depend on the order of the parameters. */
static int order_names(struct cox_jobs *jobs, struct cox_err *err)
{
    int n = jobs->scope.n;
    jobs->order = cox_arena_alloc(jobs->arena, (size_t)n + 1, sizeof *jobs->order);
    jobs->name_hash = cox_arena_alloc(jobs->arena, (size_t)n + 1, sizeof *jobs->name_hash);
    if (!jobs->order || !jobs->name_hash)
        return nomem(err);
    for (int i = 0; i < n; i++) {
        const char *name = jobs->scope.parameter[i].name;
        int at = i;
        for (; at > 0 && strcmp(jobs->scope.parameter[jobs->order[at - 1]].name, name) > 0; at--)
            jobs->order[at] = jobs->order[at - 1];
        jobs->order[at] = i;
        jobs->name_hash[i] = mix_text(0, name);
    }
    return COX_OK;
}

uint64_t cox_job_seed(const struct cox_jobs *jobs, int point)
{
    const double *x = jobs->points->x + (size_t)point * (size_t)jobs->points->n_inputs;
    uint64_t seed = (uint64_t)jobs->settings->seed;
    for (int i = 0; i < jobs->scope.n; i++) {
        int k = jobs->order[i];
        const struct cox_sweep_parameter *p = &jobs->scope.parameter[k];
        uint64_t bits;
        memcpy(&bits, &x[k], sizeof bits);
        seed = cox_seed_mix(seed, jobs->name_hash[k]);
        seed =
            p->choices.n ? mix_text(seed, p->choices.items[(int)x[k]]) : cox_seed_mix(seed, bits);
    }
    return 1 + seed % SEED_MAX;
}

/* ---- ---- */

int cox_jobs_create(struct cox_jobs **out, const struct cox_sweep_settings *settings,
                    const struct cox_config *config, const struct cox_points *points,
                    struct cox_err *err)
{
    *out = NULL;
    struct cox_jobs *jobs = cox_alloc(1, sizeof *jobs);
    if (!jobs)
        return nomem(err);
    *jobs = (struct cox_jobs){.settings = settings, .points = points, .arena = cox_arena_create()};
    jobs->scope =
        (struct cox_template_scope){settings->parameters.n, settings->parameters.items, NULL};
    int rc = jobs->arena ? order_names(jobs, err) : nomem(err);
    if (!rc)
        rc = parse_all(jobs, config, err);
    if (rc) {
        cox_jobs_destroy(jobs);
        return rc;
    }
    *out = jobs;
    return COX_OK;
}

void cox_jobs_destroy(struct cox_jobs *jobs)
{
    if (!jobs)
        return;
    cox_arena_destroy(jobs->arena);
    cox_free(jobs);
}

struct cox_template_values cox_job_values(const struct cox_jobs *jobs, int point, bool for_key)
{
    return (struct cox_template_values){
        .x = jobs->points->x + (size_t)point * (size_t)jobs->points->n_inputs,
        .seed = cox_job_seed(jobs, point),
        .cores = jobs->settings->job.cores,
        .point = point,
        .bag = jobs->settings->folder,
        .for_key = for_key,
    };
}

/* Each part with its length, so that no two lists of parts give the same text. */
static void add_part(struct cox_str *out, struct cox_str *part, const char *kind, const char *name)
{
    cox_str_addf(out, "%s %zu%s%s\n", kind, part->length, name[0] ? " " : "", name);
    cox_str_addn(out, cox_str_text(part), part->length);
    cox_str_add(out, "\n");
    part->length = 0;
}

int cox_job_key(const struct cox_jobs *jobs, int point, char key[COX_JOB_KEY_SIZE],
                struct cox_err *err)
{
    const struct cox_template_values values = cox_job_values(jobs, point, true);
    struct cox_str text;
    struct cox_str part;
    cox_str_init(&text, JOB_MAX_BYTES);
    cox_str_init(&part, JOB_MAX_BYTES);
    cox_str_add(&text, KEY_FORM);
    for (int i = 0; i < jobs->command.n; i++) {
        cox_template_render(&jobs->command.word[i], &jobs->scope, &values, &part);
        add_part(&text, &part, "argument", "");
    }
    for (int i = 0; i < jobs->n_files; i++) {
        cox_template_render(&jobs->file[i].text, &jobs->scope, &values, &part);
        add_part(&text, &part, "file", jobs->file[i].name);
    }
    for (int i = 0; i < jobs->n_links; i++) {
        cox_str_add(&part, jobs->link[i].digest);
        add_part(&text, &part, "link", jobs->link[i].name);
    }
    int rc = cox_str_status(&part, err);
    if (!rc)
        rc = cox_str_status(&text, err);
    if (!rc)
        cox_sha256_hex(cox_str_text(&text), text.length, key);
    cox_str_deinit(&text);
    cox_str_deinit(&part);
    return rc;
}

int cox_job_arguments(const struct cox_jobs *jobs, int point, bool resume, const char *const **argv,
                      struct cox_arena *arena, struct cox_err *err)
{
    const struct cox_job_command *command = resume ? &jobs->resume : &jobs->command;
    const struct cox_template_values values = cox_job_values(jobs, point, false);
    const char **words = cox_arena_alloc(arena, (size_t)command->n + 1, sizeof *words);
    int rc = words ? COX_OK : nomem(err);
    struct cox_str text;
    cox_str_init(&text, JOB_MAX_BYTES);
    for (int i = 0; i < command->n && !rc; i++) {
        text.length = 0;
        cox_template_render(&command->word[i], &jobs->scope, &values, &text);
        if (!(rc = cox_str_status(&text, err)) &&
            !(words[i] = cox_arena_strdup(arena, text.length ? text.text : "")))
            rc = nomem(err);
    }
    cox_str_deinit(&text);
    if (!rc && command->program) {
        words[0] = cox_arena_strdup(arena, command->program);
        rc = words[0] ? COX_OK : nomem(err);
    } else if (!rc) {
        char path[PATH_MAX];
        rc = cox_command_program(path, sizeof path, words[0], jobs->settings->folder, err);
        if (!rc && !(words[0] = cox_arena_strdup(arena, path)))
            rc = nomem(err);
    }
    *argv = words;
    return rc;
}
