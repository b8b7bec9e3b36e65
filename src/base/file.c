/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

int cox_file_read(char **out, size_t *length, const char *path, size_t maximum, struct cox_err *err)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cox_err_errno(err, "cannot open '%s'", path);
    struct stat st;
    int rc = COX_OK;
    char *bytes = NULL;
    size_t used = 0;
    if (fstat(fd, &st)) {
        rc = cox_err_errno(err, "cannot read '%s'", path);
        goto done;
    }
    if (S_ISDIR(st.st_mode)) {
        rc = cox_err_set(err, COX_EINVAL, "'%s' is a directory, not a file", path);
        goto done;
    }
    if ((uint64_t)st.st_size > maximum) {
        rc = cox_err_set(err, COX_EINVAL, "'%s' has %lld bytes, more than the allowed %zu", path,
                         (long long)st.st_size, maximum);
        goto done;
    }
    size_t room = S_ISREG(st.st_mode) ? (size_t)st.st_size : maximum;
    bytes = cox_alloc(room + 1, 1);
    if (!bytes) {
        rc = cox_err_set(err, COX_ENOMEM, "out of memory reading '%s' (%zu bytes)", path, room);
        goto done;
    }
    while (used < room) {
        ssize_t n = read(fd, bytes + used, room - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rc = cox_err_errno(err, "cannot read '%s'", path);
            goto done;
        }
        if (!n)
            break;
        used += (size_t)n;
    }
done:
    close(fd);
    if (rc) {
        cox_free(bytes);
        return rc;
    }
    bytes[used] = '\0';
    *out = bytes;
    if (length)
        *length = used;
    return COX_OK;
}

static int write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

void cox_file_temporary(const char *path, char *temporary, size_t size)
{
    snprintf(temporary, size, "%s.tmp-%d", path, (int)getpid());
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int cox_file_commit(const char *temporary, const char *path, struct cox_err *err)
{
    if (sync_path(temporary, O_RDONLY)) {
        int rc = cox_err_errno(err, "cannot flush '%s'", temporary);
        unlink(temporary);
        return rc;
    }
    if (rename(temporary, path)) {
        int rc = cox_err_errno(err, "cannot rename '%s' to '%s'", temporary, path);
        unlink(temporary);
        return rc;
    }
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory ? 1 : 0] = '\0';
    else
        snprintf(directory, sizeof directory, ".");
    /* some file systems refuse to sync a directory; the rename itself has happened */
    (void)sync_path(directory, O_RDONLY | O_DIRECTORY);
    return COX_OK;
}

int cox_file_replace(const char *path, const void *bytes, size_t length, struct cox_err *err)
{
    char temporary[PATH_MAX];
    cox_file_temporary(path, temporary, sizeof temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return cox_err_errno(err, "cannot write '%s'", path);
    int failed = write_all(fd, bytes, length);
    int rc = failed ? cox_err_errno(err, "cannot write '%s'", path) : COX_OK;
    if (close(fd) && !rc)
        rc = cox_err_errno(err, "cannot write '%s'", path);
    if (rc) {
        unlink(temporary);
        return rc;
    }
    return cox_file_commit(temporary, path, err);
}

int cox_file_append(const char *path, const void *bytes, size_t length, struct cox_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return cox_err_errno(err, "cannot write '%s'", path);
    int failed = write_all(fd, bytes, length);
    int rc = failed ? cox_err_errno(err, "cannot write '%s'", path) : COX_OK;
    close(fd);
    return rc;
}

bool cox_file_exists(const char *path)
{
    return !access(path, F_OK);
}

bool cox_file_is_directory(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

int cox_directory_create(const char *path, struct cox_err *err)
{
    char partial[PATH_MAX];
    size_t n = strlen(path);
    if (!n || n >= sizeof partial)
        return cox_err_set(err, COX_EINVAL, "'%s' is not a usable path", path);
    memcpy(partial, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (partial[i] != '/' && partial[i])
            continue;
        char keep = partial[i];
        partial[i] = '\0';
        if (mkdir(partial, 0777) && errno != EEXIST)
            return cox_err_errno(err, "cannot create directory '%s'", partial);
        partial[i] = keep;
    }
    if (!cox_file_is_directory(path))
        return cox_err_set(err, COX_EEXISTS, "'%s' exists and is not a directory", path);
    return COX_OK;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int cox_directory_create_private(const char *path, struct cox_err *err)
{
    bool there = cox_file_is_directory(path);
    int rc = cox_directory_create(path, err);
    if (!rc && !there && chmod(path, 0700))
        rc = cox_err_errno(err, "cannot make '%s' private", path);
    return rc;
}

int cox_directory_remove(const char *path, struct cox_err *err)
{
    if (!cox_file_exists(path))
        return COX_OK;
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS))
        return cox_err_errno(err, "cannot remove '%s'", path);
    return COX_OK;
}

int cox_path_join(char *out, size_t size, const char *directory, const char *name,
                  struct cox_err *err)
{
    int n = snprintf(out, size, "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= size)
        return cox_err_set(err, COX_EINVAL, "path '%s/%s' is longer than %zu bytes", directory,
                           name, size - 1);
    return COX_OK;
}

int cox_path_beside(char *out, size_t size, const char *file, const char *name, struct cox_err *err)
{
    const char *slash = strrchr(file, '/');
    int folder = slash && name[0] != '/' ? (int)(slash - file) + 1 : 0;
    int n = snprintf(out, size, "%.*s%s", folder, file, name);
    if (n < 0 || (size_t)n >= size)
        return cox_err_set(err, COX_EINVAL, "path '%s' is longer than %zu bytes", name, size - 1);
    return COX_OK;
}
