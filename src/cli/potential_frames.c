/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/potential_frames.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cli/commands.h"
#include "potential/dp_file.h"

#define LIST_MAXIMUM ((size_t)64 << 20)

/* ---- the command line ---- */

int potential_spread(int *argc, char ***argv, const char *const *names)
{
    char **words = cox_alloc(2 * (size_t)*argc + 1, sizeof *words);
    char *current = NULL; /* the option whose values follow */
    int values = 0;
    int n = 0;
    if (!words) {
        fprintf(stderr, "cox: out of memory\n");
        return COX_EXIT_FAILED;
    }
    for (int i = 0; i < *argc; i++) {
        char *word = (*argv)[i];
        if (word[0] == '-' && word[1]) {
            current = NULL;
            values = 0;
            for (int k = 0; names[k]; k++)
                if (!strcmp(word, names[k]))
                    current = word;
        } else if (current && values++) {
            words[n++] = current;
        }
        words[n++] = word;
    }
    *argc = n;
    *argv = words;
    return -1;
}

/* ---- systems ---- */

static int add_found(struct cox_str *all, int *n, const char *path, struct cox_err *err)
{
    char **found = NULL;
    int count = 0;
    int rc = cox_dp_data_find(&found, &count, path, err);
    for (int i = 0; !rc && i < count; i++)
        cox_str_addn(all, found[i], strlen(found[i]) + 1);
    *n += count;
    cox_free(found);
    return rc ? rc : cox_str_status(all, err);
}

static int add_list(struct cox_str *all, int *n, const char *list, struct cox_err *err)
{
    char *text = NULL;
    size_t length = 0;
    int rc = cox_file_read(&text, &length, list, LIST_MAXIMUM, err);
    for (char *line = text; !rc && line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        size_t last = strlen(line);
        while (last && strchr(" \t\r", line[last - 1]))
            line[--last] = '\0';
        if (*line && *line != '#')
            rc = add_found(all, n, line, err);
        line = end ? end + 1 : NULL;
    }
    cox_free(text);
    return rc;
}

int potential_systems(char ***paths, int *n, const struct cox_option_texts *given, const char *list,
                      struct cox_err *err)
{
    struct cox_str all;
    int rc = COX_OK;
    *paths = NULL;
    *n = 0;
    cox_str_init(&all, LIST_MAXIMUM);
    for (int i = 0; !rc && i < given->n; i++)
        rc = add_found(&all, n, given->items[i], err);
    if (!rc && list)
        rc = add_list(&all, n, list, err);
    if (!rc && !*n)
        rc = cox_err_set(err, COX_ENOTFOUND, "there is no system to look at");
    if (!rc) {
        size_t table = (size_t)*n * sizeof **paths;
        *paths = cox_alloc(table + all.length, 1);
        if (!*paths)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory for %d systems", *n);
    }
    if (!rc) {
        char *text = (char *)(*paths + *n);
        memcpy(text, all.text, all.length);
        for (int i = 0; i < *n; i++, text += strlen(text) + 1)
            (*paths)[i] = text;
    }
    cox_str_deinit(&all);
    return rc;
}

int potential_order(int64_t **out, int64_t *n, int64_t frames, long long seed, struct cox_err *err)
{
    int64_t *order = cox_alloc((size_t)frames + 1, sizeof *order);
    if (!order)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %lld frames", (long long)frames);
    for (int64_t i = 0; i < frames; i++)
        order[i] = i;
    if (seed >= 0) {
        struct cox_rng rng;
        cox_rng_init(&rng, (uint64_t)seed, 0);
        for (int64_t i = frames - 1; i > 0; i--) {
            int64_t k = (int64_t)cox_rng_below(&rng, (uint32_t)(i + 1));
            int64_t other = order[k];
            order[k] = order[i];
            order[i] = other;
        }
    }
    if (!*n || *n > frames)
        *n = frames;
    *out = order;
    return COX_OK;
}

void potential_frame_of(struct potential_frame *out, const struct cox_dp_data *data, int64_t frame)
{
    *out = (struct potential_frame){0};
    out->type = cox_dp_data_types(data, frame, &out->n);
    out->x = (const double(*)[3])(data->x + frame * data->n_atoms * 3);
    out->box.periodic = data->periodic;
    if (data->periodic)
        memcpy(out->box.h, data->box + frame * 9, sizeof out->box.h);
    if (data->fparam)
        out->fparam = data->fparam + frame * data->n_fparam;
    out->n_fparam = data->fparam ? data->n_fparam : 0;
}

/* ---- models ---- */

static int check_same(const struct potential_models *m, int k, struct cox_err *err)
{
    const struct cox_dp_model *a = m->model[0];
    const struct cox_dp_model *b = m->model[k];
    bool same = a->n_types == b->n_types && a->n_fparam == b->n_fparam;
    for (int t = 0; same && t < a->n_types; t++)
        same = !strcmp(a->type_name[t], b->type_name[t]);
    return same ? COX_OK
                : cox_err_set(err, COX_EINVAL,
                              "'%s' and '%s' have not the same types of atoms, or not the same "
                              "number of frame parameters",
                              m->path[0], m->path[k]);
}

int potential_models_open(struct potential_models *m, const struct cox_option_texts *paths,
                          const char *precision, int threads, struct cox_err *err)
{
    *m = (struct potential_models){.n = paths->n};
    cox_neighbours_init(&m->list);
    enum cox_dp_precision p;
    int rc = cox_dp_precision_parse(&p, precision, err);
    if (rc)
        return cox_err_wrap(err, rc, "--precision");
    if (paths->n > POTENTIAL_MAX_MODELS)
        return cox_err_set(err, COX_EINVAL, "%d models; %d are possible", paths->n,
                           POTENTIAL_MAX_MODELS);
    rc = cox_team_create(&m->team, threads, err);
    for (int k = 0; !rc && k < m->n; k++) {
        m->path[k] = paths->items[k];
        rc = cox_dp_model_read(&m->model[k], m->path[k], err);
        if (!rc)
            rc = check_same(m, k, err);
        if (!rc && (rc = cox_dp_eval_create(&m->eval[k], m->model[k], p, m->team, err)))
            rc = cox_err_wrap(err, rc, "'%s'", m->path[k]);
        if (!rc && cox_dp_cutoff(m->model[k]) > m->cutoff)
            m->cutoff = cox_dp_cutoff(m->model[k]);
    }
    m->list.team = m->team;
    return rc;
}

void potential_models_close(struct potential_models *m)
{
    for (int k = 0; k < m->n && k < POTENTIAL_MAX_MODELS; k++) {
        cox_dp_eval_destroy(m->eval[k]);
        cox_dp_model_destroy(m->model[k]);
        cox_free(m->force[k]);
        cox_free(m->atom_energy[k]);
    }
    cox_neighbours_deinit(&m->list);
    cox_team_destroy(m->team);
}

static int reserve(struct potential_models *m, int n, struct cox_err *err)
{
    if (n <= m->capacity)
        return COX_OK;
    m->capacity = 0;
    for (int k = 0; k < m->n; k++) {
        cox_free(m->force[k]);
        cox_free(m->atom_energy[k]);
        m->force[k] = cox_alloc((size_t)n, 3 * sizeof(double));
        m->atom_energy[k] = cox_alloc((size_t)n, sizeof(double));
        if (!m->force[k] || !m->atom_energy[k])
            return cox_err_set(err, COX_ENOMEM, "out of memory for %d atoms", n);
    }
    m->capacity = n;
    return COX_OK;
}

int potential_models_evaluate(struct potential_models *m, const struct potential_frame *f,
                              struct cox_err *err)
{
    const struct cox_dp_model *first = m->model[0];
    const struct cox_dp_atoms atoms = {f->n, f->n, f->type};
    int rc = reserve(m, f->n, err);
    if (!rc)
        rc = cox_neighbours_build(&m->list, f->n, f->x, f->type, first->n_types,
                                  f->box.periodic ? &f->box : NULL, m->cutoff, err);
    for (int k = 0; !rc && k < m->n; k++) {
        struct cox_dp_result r = {.force = (double(*)[3])m->force[k],
                                  .atom_energy = m->atom_energy[k]};
        const double *fparam = f->fparam ? f->fparam : m->model[k]->fparam_default;
        int wanted = m->model[k]->n_fparam;
        if (wanted && (!fparam || (f->fparam && f->n_fparam != wanted)))
            return cox_err_set(err, COX_EINVAL,
                               "'%s' needs %d frame parameters (fparam.npy); the data has %d",
                               m->path[k], wanted, f->n_fparam);
        rc = cox_dp_eval_compute(m->eval[k], &r, &atoms, &m->list, fparam, err);
        m->energy[k] = r.energy;
        memcpy(m->virial[k], r.virial, sizeof m->virial[k]);
        m->overflow += r.overflow;
    }
    return rc;
}

void potential_models_tell_overflow(const struct potential_models *m)
{
    if (m->overflow)
        fprintf(stderr,
                "cox: %lld neighbours found no slot (the models' sel) and were left out, the "
                "farthest first\n",
                m->overflow);
}
