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
    return cox_err_set(err, COX_EIO, "%s: cannot %s '%s'%s%s", file->path, what, name,
                       detail[0] ? ": " : "", detail);
}

/* ---- files ---- */

static int file_alloc(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    *out = NULL;
    struct cox_h5 *file = cox_alloc(1, sizeof *file);
    if (!file)
        return cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", path);
    snprintf(file->path, sizeof file->path, "%s", path);
    file->id = -1;
    *out = file;
    return COX_OK;
}

static hid_t access_list(bool latest)
{
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    if (latest)
        H5Pset_libver_bounds(fapl, H5F_LIBVER_V110, H5F_LIBVER_V110);
    return fapl;
}

static int open_or_create(struct cox_h5 **out, const char *path, bool create, bool staged,
                          unsigned flags, struct cox_err *err)
{
    int rc = file_alloc(out, path, err);
    if (rc)
        return rc;
    struct cox_h5 *file = *out;
    const char *at = file->path;
    if (!create && !cox_file_exists(path)) {
        cox_free(file);
        *out = NULL;
        return cox_err_set(err, COX_ENOTFOUND, "cannot open '%s': No such file or directory", path);
    }
    if (staged) {
        file->staged = true;
        cox_file_temporary(path, file->temporary, sizeof file->temporary);
        at = file->temporary;
    }
    cox_h5_enter();
    hid_t fapl = access_list(!staged && (create || (flags & H5F_ACC_RDWR)));
    file->id = create ? H5Fcreate(at, H5F_ACC_TRUNC, H5P_DEFAULT, fapl) : H5Fopen(at, flags, fapl);
    H5Pclose(fapl);
    if (file->id < 0)
        rc = cox_h5_fail(file, create ? "create" : "open", "the file (is it HDF5?)", err);
    cox_h5_leave();
    if (rc) {
        cox_free(file);
        *out = NULL;
    }
    return rc;
}

int cox_h5_create(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    return open_or_create(out, path, true, true, 0, err);
}

int cox_h5_create_live(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    return open_or_create(out, path, true, false, 0, err);
}

int cox_h5_open_read(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    int rc = open_or_create(out, path, false, false, H5F_ACC_RDONLY, err);
    if (rc == COX_EIO) /* perhaps still being written, or its writer was killed */
        rc = open_or_create(out, path, false, false, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, err);
    if (!rc)
        cox_err_set(err, COX_OK, "%s", "");
    return rc;
}

/* What `h5clear -s --increment=0` does: opens with the flags cleared, and sets the end of file to
 * what the file really has, so that nothing is cut off. */
static int clear_status_flags(const char *path, struct cox_err *err)
{
    struct cox_h5 scratch = {.id = -1};
    snprintf(scratch.path, sizeof scratch.path, "%s", path);
    cox_h5_enter();
    hid_t fapl = access_list(true);
    int rc = COX_OK;
    hbool_t clear = true;
    hbool_t skip = true;
    /* the two properties that the tool h5clear sets; they have no public name in HDF5 1.10 */
    if (H5Pinsert2(fapl, "clear_status_flags", sizeof clear, &clear, NULL, NULL, NULL, NULL, NULL,
                   NULL) < 0)
        H5Pset(fapl, "clear_status_flags", &clear);
    if (H5Pinsert2(fapl, "skip_eof_check", sizeof skip, &skip, NULL, NULL, NULL, NULL, NULL, NULL) <
        0)
        H5Pset(fapl, "skip_eof_check", &skip);
    hid_t id = H5Fopen(path, H5F_ACC_RDWR, fapl);
    if (id < 0)
        rc = cox_h5_fail(&scratch, "repair", "the file", err);
    else {
        if (H5Fincrement_filesize(id, 0) < 0)
            rc = cox_h5_fail(&scratch, "set the size of", "the file", err);
        H5Fclose(id);
    }
    H5Pclose(fapl);
    cox_h5_leave();
    return rc;
}

int cox_h5_open_append(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    int rc = open_or_create(out, path, false, false, H5F_ACC_RDWR, err);
    if (rc != COX_EIO)
        return rc;
    rc = clear_status_flags(path, err);
    if (!rc)
        rc = open_or_create(out, path, false, false, H5F_ACC_RDWR, err);
    if (!rc)
        cox_err_set(err, COX_OK, "%s", "");
    return rc;
}

int cox_h5_swmr_start(struct cox_h5 *file, struct cox_err *err)
{
    cox_h5_enter();
    int rc = H5Fstart_swmr_write(file->id) < 0
                 ? cox_h5_fail(file, "let readers follow", "the file", err)
                 : COX_OK;
    cox_h5_leave();
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
    if (!file)
        return COX_OK;
    cox_h5_enter();
    int rc = H5Fclose(file->id) < 0 ? cox_h5_fail(file, "close", "the file", err) : COX_OK;
    cox_h5_leave();
    if (file->staged) {
        if (!rc)
            rc = cox_file_commit(file->temporary, file->path, err);
        else
            unlink(file->temporary);
    }
    cox_free(file);
    return rc;
}

void cox_h5_abandon(struct cox_h5 *file)
{
    if (!file)
        return;
    cox_h5_enter();
    H5Fclose(file->id);
    cox_h5_leave();
    if (file->staged)
        unlink(file->temporary);
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
