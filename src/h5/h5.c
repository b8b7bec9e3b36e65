/* SPDX-License-Identifier: BSD-3-Clause */
/* One recursive lock guards the library (Debian's HDF5 is not built thread-safe). The library's own
 * error stack is silenced; the deepest description of it goes into our message. */
#include "h5/h5.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "h5/internal.h"

/* A reader beside a writer tries again when a checksum is wrong, after 1, 2, 4 … ns: for 0.13 s in
 * all. The library's 100 attempts would never end on a damaged file. */
#define READ_ATTEMPTS 26

static pthread_mutex_t lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_library(void)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attr);
    pthread_mutexattr_destroy(&attr);
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void cox_h5_enter(void)
{
    pthread_once(&once, start_library);
    pthread_mutex_lock(&lock);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void cox_h5_leave(void)
{
    pthread_mutex_unlock(&lock);
}

static herr_t keep_first(unsigned n, const H5E_error2_t *e, void *user)
{
    char *text = user;
    if (!n && e->desc)
        snprintf(text, 256, "%s", e->desc);
    return 0;
}

int cox_h5_fail(const struct cox_h5 *file, const char *what, const char *name, struct cox_err *err)
{
    char detail[256] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, detail);
    H5Eclear2(H5E_DEFAULT);
    if (!name)
        return cox_err_set(err, COX_EIO, "cannot %s '%s' (is it HDF5?)%s%s", what, file->path,
                           detail[0] ? ": " : "", detail);
    return cox_err_set(err, COX_EIO, "%s: cannot %s '%s'%s%s", file->path, what, name,
                       detail[0] ? ": " : "", detail);
}

/* ---- files ---- */

int cox_h5_alloc(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    *out = NULL;
    struct cox_h5 *file = cox_alloc(1, sizeof *file);
    if (!file)
        return cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    snprintf(file->path, sizeof file->path, "%s", path);
    file->id = -1;
    file->fd = -1;
    *out = file;
    return COX_OK;
}

static hid_t access_list(struct cox_h5 *file, enum cox_h5_access access)
{
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    H5Pset_file_locking(fapl, false, true); /* live.c says why */
    H5Pset_metadata_read_attempts(fapl, READ_ATTEMPTS);
    if (access != COX_H5_PLAIN) {
        H5Pset_libver_bounds(fapl, H5F_LIBVER_V110, H5F_LIBVER_V110);
        H5Pset_meta_block_size(fapl, 0); /* driver.c is asked for a place for each object */
        cox_h5_driver_use(&file->spare, fapl, access == COX_H5_STAGED);
    }
    return fapl;
}

int cox_h5_open_id(struct cox_h5 *file, enum cox_h5_access access, unsigned flags,
                   struct cox_err *err)
{
    int rc = COX_OK;
    cox_h5_enter();
    hid_t fapl = access_list(file, access);
    file->id = H5Fopen(file->path, flags, fapl);
    H5Pclose(fapl);
    if (file->id < 0)
        rc = cox_h5_fail(file, "open", NULL, err);
    else if (access != COX_H5_PLAIN)
        file->driver = cox_h5_driver_of(file->id);
    cox_h5_leave();
    return rc;
}

int cox_h5_open_with(struct cox_h5 **out, const char *path, unsigned flags, struct cox_err *err)
{
    struct cox_h5 *file = NULL;
    *out = NULL;
    if (!cox_file_exists(path))
        return cox_err_set(err, COX_ENOTFOUND, "cannot open '%s': No such file or directory", path);
    int rc = cox_h5_alloc(&file, path, err);
    if (!rc)
        rc = cox_h5_open_id(file, COX_H5_PLAIN, flags, err);
    if (rc) {
        cox_free(file);
        return rc;
    }
    *out = file;
    return COX_OK;
}

static int create(struct cox_h5 **out, const char *path, enum cox_h5_access access,
                  struct cox_err *err)
{
    int rc = cox_h5_alloc(out, path, err);
    if (rc)
        return rc;
    struct cox_h5 *file = *out;
    file->staged = true;
    cox_file_temporary(path, file->temporary, sizeof file->temporary);
    if (access != COX_H5_PLAIN)
        rc = cox_h5_reserve_driver(file, err);
    if (!rc) {
        unlink(file->temporary); /* HDF5 would open it twice, which driver.c is not made for */
        cox_h5_enter();
        hid_t fapl = access_list(file, access);
        file->id = H5Fcreate(file->temporary, H5F_ACC_TRUNC, H5P_DEFAULT, fapl);
        H5Pclose(fapl);
        if (file->id < 0)
            rc = cox_h5_fail(file, "create", "the file", err);
        else if (access != COX_H5_PLAIN)
            file->driver = cox_h5_driver_of(file->id);
        cox_h5_leave();
    }
    if (rc) {
        cox_free(file->spare);
        cox_free(file);
        *out = NULL;
    }
    return rc;
}

int cox_h5_create(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    return create(out, path, COX_H5_PLAIN, err);
}

int cox_h5_create_live(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    return create(out, path, COX_H5_LIVE, err);
}

int cox_h5_open_read(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    cox_h5_finish(path);
    int rc = cox_h5_open_with(out, path, H5F_ACC_RDONLY, err);
    if (rc == COX_EIO) /* perhaps still being written, or its writer was killed */
        rc = cox_h5_open_with(out, path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, err);
    if (!rc)
        cox_err_set(err, COX_OK, "%s", "");
    return rc;
}

int cox_h5_flush(struct cox_h5 *file, struct cox_err *err)
{
    cox_h5_enter();
    int rc = H5Fflush(file->id, H5F_SCOPE_GLOBAL) < 0 ? cox_h5_fail(file, "flush", "the file", err)
                                                      : COX_OK;
    cox_h5_leave();
    return rc;
}

int cox_h5_close(struct cox_h5 *file, struct cox_err *err)
{
    int rc = COX_OK;
    if (!file)
        return COX_OK;
    cox_h5_enter();
    if (file->id >= 0 && H5Fclose(file->id) < 0)
        rc = cox_h5_fail(file, "close", "the file", err);
    cox_h5_leave();
    if (file->staged) {
        if (!rc)
            rc = cox_file_commit(file->temporary, file->path, err);
        else
            unlink(file->temporary);
    }
    cox_h5_unlock(file, rc != COX_OK);
    cox_free(file);
    return rc;
}

void cox_h5_abandon(struct cox_h5 *file)
{
    if (!file)
        return;
    cox_h5_enter();
    if (file->driver)
        cox_h5_driver_drop(file->driver);
    if (file->id >= 0)
        H5Fclose(file->id);
    H5Eclear2(H5E_DEFAULT);
    cox_h5_leave();
    if (file->staged)
        unlink(file->temporary);
    cox_h5_unlock(file, true);
    cox_free(file);
}

const char *cox_h5_path(const struct cox_h5 *file)
{
    return file->path;
}

bool cox_h5_exists_locked(struct cox_h5 *file, const char *name)
{
    /* H5Lexists wants every ancestor to exist */
    char partial[512];
    size_t n = strlen(name);
    if (!strcmp(name, "/"))
        return true;
    if (n >= sizeof partial)
        return false;
    for (size_t i = 1; i <= n; i++) {
        if (name[i] != '/' && name[i])
            continue;
        memcpy(partial, name, i);
        partial[i] = '\0';
        if (H5Lexists(file->id, partial, H5P_DEFAULT) <= 0)
            return false;
    }
    return true;
}

bool cox_h5_exists(struct cox_h5 *file, const char *name)
{
    cox_h5_enter();
    bool found = cox_h5_exists_locked(file, name);
    cox_h5_leave();
    return found;
}

hid_t cox_h5_make_parents(void)
{
    hid_t lcpl = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(lcpl, 1);
    return lcpl;
}

int cox_h5_group(struct cox_h5 *file, const char *name, struct cox_err *err)
{
    cox_h5_enter();
    int rc = COX_OK;
    if (!cox_h5_exists_locked(file, name)) {
        hid_t lcpl = cox_h5_make_parents();
        hid_t group = H5Gcreate2(file->id, name, lcpl, H5P_DEFAULT, H5P_DEFAULT);
        if (group < 0)
            rc = cox_h5_fail(file, "create group", name, err);
        else
            H5Gclose(group);
        H5Pclose(lcpl);
    }
    cox_h5_leave();
    return rc;
}

int cox_h5_link(struct cox_h5 *file, const char *existing, const char *name, struct cox_err *err)
{
    cox_h5_enter();
    hid_t lcpl = cox_h5_make_parents();
    int rc = H5Lcreate_hard(file->id, existing, file->id, name, lcpl, H5P_DEFAULT) < 0
                 ? cox_h5_fail(file, "link", name, err)
                 : COX_OK;
    H5Pclose(lcpl);
    cox_h5_leave();
    return rc;
}
