/* SPDX-License-Identifier: BSD-3-Clause */
#include "h5/foreign.h"

#include <string.h>

#include "base/mem.h"
#include "h5/internal.h"

struct names {
    char *bytes; /* one name after the other, each with its zero */
    size_t length, room;
    int n;
};

static int add(struct names *s, const char *name)
{
    size_t size = strlen(name) + 1;
    if (s->length + size > s->room) {
        size_t room = 2 * (s->length + size) + 256;
        char *more = cox_realloc(s->bytes, room, 1);
        if (!more)
            return -1;
        s->bytes = more;
        s->room = room;
    }
    memcpy(s->bytes + s->length, name, size);
    s->length += size;
    s->n++;
    return 0;
}

static herr_t visit(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    (void)group;
    (void)info;
    return add(user, name);
}

/* *out: one block, the texts behind their addresses. */
static int pack(char ***out, int *n, struct names *s, const char *path, struct cox_err *err)
{
    char **list = cox_alloc((size_t)s->n * sizeof *list + s->length, 1);
    if (!list) {
        cox_free(s->bytes);
        return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    }
    char *at = (char *)(list + s->n);
    if (s->length)
        memcpy(at, s->bytes, s->length);
    for (int i = 0; i < s->n; i++) {
        list[i] = at;
        at += strlen(at) + 1;
    }
    cox_free(s->bytes);
    *out = list;
    *n = s->n;
    return COX_OK;
}

int cox_h5_list(char ***out, int *n, struct cox_h5 *file, const char *group, struct cox_err *err)
{
    struct names s = {0};
    int rc = COX_OK;
    *out = NULL;
    *n = 0;
    cox_h5_enter();
    hid_t id = cox_h5_exists_locked(file, group) || !strcmp(group, "/")
                   ? H5Gopen2(file->id, group, H5P_DEFAULT)
                   : -1;
    hsize_t at = 0;
    if (id < 0)
        rc = cox_err_set(err, COX_ENOTFOUND, "%s: no group '%s'", file->path, group);
    else if (H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, &at, visit, &s) < 0)
        rc = cox_h5_fail(file, "list", group, err);
    if (id >= 0)
        H5Gclose(id);
    H5Eclear2(H5E_DEFAULT);
    cox_h5_leave();
    if (!rc)
        return pack(out, n, &s, file->path, err);
    cox_free(s.bytes);
    return rc;
}

static int read_variable(struct cox_h5 *file, hid_t set, hid_t type, hsize_t n, struct names *s,
                         const char *name, struct cox_err *err)
{
    char **texts = cox_alloc(n, sizeof *texts);
    if (!texts)
        return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", file->path);
    hid_t memory = H5Tcopy(H5T_C_S1);
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    int rc = COX_OK;
    if (H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) < 0)
        rc = cox_h5_fail(file, "read", name, err);
    for (hsize_t i = 0; !rc && i < n; i++)
        if (add(s, texts[i] ? texts[i] : ""))
            rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", file->path);
    for (hsize_t i = 0; i < n; i++)
        H5free_memory(texts[i]);
    H5Tclose(memory);
    cox_free(texts);
    return rc;
}

static int read_fixed(struct cox_h5 *file, hid_t set, hid_t type, hsize_t n, struct names *s,
                      const char *name, struct cox_err *err)
{
    size_t width = H5Tget_size(type);
    char *rows = cox_alloc(n * width, 1);
    char *one = cox_alloc(width + 1, 1);
    int rc = COX_OK;
    if (!rows || !one)
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", file->path);
    else if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0)
        rc = cox_h5_fail(file, "read", name, err);
    for (hsize_t i = 0; !rc && i < n; i++) {
        memcpy(one, rows + i * width, width);
        if (add(s, one))
            rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", file->path);
    }
    cox_free(one);
    cox_free(rows);
    return rc;
}

int cox_h5_read_words(char ***out, int *n, struct cox_h5 *file, const char *name,
                      struct cox_err *err)
{
    struct names s = {0};
    int rc = COX_OK;
    *out = NULL;
    *n = 0;
    cox_h5_enter();
    hid_t set = cox_h5_exists_locked(file, name) ? H5Dopen2(file->id, name, H5P_DEFAULT) : -1;
    if (set < 0) {
        rc = cox_err_set(err, COX_EFORMAT, "%s: no dataset '%s'", file->path, name);
    } else {
        hid_t type = H5Dget_type(set);
        hid_t space = H5Dget_space(set);
        hssize_t count = H5Sget_simple_extent_npoints(space);
        if (H5Tget_class(type) != H5T_STRING || count < 0 || count > 1 << 24)
            rc = cox_err_set(err, COX_EFORMAT, "%s: '%s' does not hold texts", file->path, name);
        else if (H5Tis_variable_str(type) > 0)
            rc = read_variable(file, set, type, (hsize_t)count, &s, name, err);
        else
            rc = read_fixed(file, set, type, (hsize_t)count, &s, name, err);
        H5Sclose(space);
        H5Tclose(type);
        H5Dclose(set);
    }
    H5Eclear2(H5E_DEFAULT);
    cox_h5_leave();
    if (!rc)
        return pack(out, n, &s, file->path, err);
    cox_free(s.bytes);
    return rc;
}
