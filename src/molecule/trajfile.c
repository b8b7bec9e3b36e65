/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/trajfile.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "molecule/trajfile_internal.h"

static const struct cox_trajfile_ops *const formats[] = {
    [COX_TRAJFILE_DCD] = &cox_trajfile_dcd,
    [COX_TRAJFILE_XTC] = &cox_trajfile_xtc,
    [COX_TRAJFILE_PDB] = &cox_trajfile_pdb,
};
#define FORMATS ((int)(sizeof formats / sizeof formats[0]))

int cox_trajfile_format_of(const char *path, enum cox_trajfile_format *out, struct cox_err *err)
{
    for (int i = 0; i < FORMATS; i++)
        if (cox_str_ends(path, formats[i]->suffix)) {
            *out = (enum cox_trajfile_format)i;
            return COX_OK;
        }
    return cox_err_set(err, COX_EINVAL, "'%s' must end in .dcd, .xtc or .pdb", path);
}

int cox_trajfile_put(struct cox_trajfile *file, const void *bytes, size_t n, struct cox_err *err)
{
    if (fwrite(bytes, 1, n, file->stream) != n)
        return cox_err_errno(err, "cannot write '%s'", file->path);
    return COX_OK;
}

static void release(struct cox_trajfile *file)
{
    if (file->stream)
        fclose(file->stream);
    cox_free(file->path);
    cox_free(file->temporary);
    cox_free(file->atom);
    cox_free(file->x);
    cox_free(file->names);
    cox_free(file->state);
    cox_free(file);
}

static void copy_names(struct cox_trajfile *file, const struct cox_system *s)
{
    for (int i = 0; i < file->n; i++) {
        struct cox_trajfile_atom *a = &file->names[i];
        int atom = file->atom[i];
        a->residue = s->residue[atom];
        a->residue_number = s->residue_number[a->residue];
        a->element = s->element[atom];
        memcpy(a->name, s->atom_name[atom], COX_NAME_SIZE);
        memcpy(a->residue_name, s->residue_name[a->residue], COX_NAME_SIZE);
        memcpy(a->chain, s->chain[a->residue], COX_NAME_SIZE);
    }
    snprintf(file->title, sizeof file->title, "%s", s->name);
}

static int allocate(struct cox_trajfile *file, const char *path, const struct cox_system *s,
                    struct cox_err *err)
{
    char temporary[PATH_MAX];
    const struct cox_selection *chosen = file->options.selection;
    file->n = chosen ? chosen->n : s->n_atoms;
    cox_file_temporary(path, temporary, sizeof temporary);
    file->path = cox_strdup(path);
    file->temporary = cox_strdup(temporary);
    file->atom = cox_alloc((size_t)file->n, sizeof *file->atom);
    file->x = cox_alloc((size_t)file->n, sizeof *file->x);
    file->names = cox_alloc((size_t)file->n, sizeof *file->names);
    if (!file->path || !file->temporary || !file->atom || !file->x || !file->names)
        return cox_err_set(err, COX_ENOMEM, "out of memory writing '%s'", path);
    for (int i = 0; i < file->n; i++)
        file->atom[i] = chosen ? chosen->atom[i] : i;
    file->options.selection = NULL;
    copy_names(file, s);
    return COX_OK;
}

int cox_trajfile_create(struct cox_trajfile **out, const char *path,
                        const struct cox_system *system, const struct cox_trajfile_options *options,
                        struct cox_err *err)
{
    *out = NULL;
    struct cox_trajfile *file = cox_alloc(1, sizeof *file);
    if (!file)
        return cox_err_set(err, COX_ENOMEM, "out of memory writing '%s'", path);
    file->options = *options;
    file->ops = formats[options->format];
    int rc = allocate(file, path, system, err);
    if (!rc) {
        file->stream = fopen(file->temporary, "wb");
        if (!file->stream)
            rc = cox_err_errno(err, "cannot write '%s'", path);
    }
    if (!rc)
        rc = file->ops->begin(file, err);
    if (rc) {
        cox_trajfile_abandon(file);
        return rc;
    }
    *out = file;
    return COX_OK;
}

int cox_trajfile_append(struct cox_trajfile *file, int64_t step, double time_ps,
                        const float (*x)[3], struct cox_err *err)
{
    for (int i = 0; i < file->n; i++) {
        for (int k = 0; k < 3; k++) {
            float c = x[file->atom[i]][k];
            if (!(fabs((double)c) <= file->ops->limit_nm))
                return cox_err_set(err, COX_EINVAL,
                                   "%s: atom %d of frame %lld lies at %g nm, the format holds "
                                   "finite coordinates up to %g nm",
                                   file->path, file->atom[i], (long long)file->frames, (double)c,
                                   file->ops->limit_nm);
            file->x[i][k] = c;
        }
    }
    if (!file->frames)
        file->first_step = step;
    int rc = file->ops->frame(file, step, time_ps, err);
    file->frames += !rc;
    return rc;
}

int64_t cox_trajfile_frames(const struct cox_trajfile *file)
{
    return file->frames;
}

int cox_trajfile_close(struct cox_trajfile *file, struct cox_err *err)
{
    int rc = file->ops->end(file, err);
    FILE *stream = file->stream;
    file->stream = NULL;
    if (fclose(stream) && !rc)
        rc = cox_err_errno(err, "cannot write '%s'", file->path);
    if (!rc)
        rc = cox_file_commit(file->temporary, file->path, err);
    else
        unlink(file->temporary);
    release(file);
    return rc;
}

void cox_trajfile_abandon(struct cox_trajfile *file)
{
    if (!file)
        return;
    if (file->stream)
        unlink(file->temporary);
    release(file);
}
