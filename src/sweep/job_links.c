/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/job_links.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { MAX_DEPTH = 32 };

/* The folders on the way down: one that is its own ancestor has no end. */
struct way {
    int depth;
    dev_t device[MAX_DEPTH];
    ino_t inode[MAX_DEPTH];
};

static int digest_file(const char *path, size_t length, char digest[65], struct cox_err *err)
{
    if (!length) {
        cox_sha256_hex("", 0, digest);
        return COX_OK;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cox_err_errno(err, "cannot open '%s'", path);
    void *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    int rc = bytes == MAP_FAILED ? cox_err_errno(err, "cannot read '%s'", path) : COX_OK;
    close(fd);
    if (rc)
        return rc;
    cox_sha256_hex(bytes, length, digest);
    munmap(bytes, length);
    return COX_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder, sorted by their bytes whatever the locale; owned. */
static int list_folder(const char *path, char ***names, int *n, struct cox_err *err)
{
    DIR *folder = opendir(path);
    *names = NULL;
    *n = 0;
    if (!folder)
        return cox_err_errno(err, "cannot open '%s'", path);
    int rc = COX_OK;
    for (const struct dirent *entry; !rc && (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char **more = cox_realloc(*names, (size_t)*n + 1, sizeof **names);
        char *name = more ? cox_strdup(entry->d_name) : NULL;
        *names = more ? more : *names;
        if (name)
            (*names)[(*n)++] = name;
        else
            rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    }
    closedir(folder);
    if (*n)
        qsort(*names, (size_t)*n, sizeof **names, by_name);
    return rc;
}

static int digest_any(const char *path, struct way *way, char digest[65], struct cox_err *err);

static int digest_folder(const char *path, struct way *way, char digest[65], struct cox_err *err)
{
    struct cox_str list;
    char **names;
    int n;
    cox_str_init(&list, (size_t)256 << 20);
    int rc = list_folder(path, &names, &n, err);
    for (int i = 0; i < n && !rc; i++) {
        char inner[PATH_MAX];
        char one[65];
        rc = cox_path_join(inner, sizeof inner, path, names[i], err);
        if (!rc)
            rc = digest_any(inner, way, one, err);
        if (!rc)
            cox_str_addf(&list, "%s %s\n", one, names[i]);
    }
    if (!rc)
        rc = cox_str_status(&list, err);
    if (!rc)
        cox_sha256_hex(cox_str_text(&list), list.length, digest);
    for (int i = 0; i < n; i++)
        cox_free(names[i]);
    cox_free(names);
    cox_str_deinit(&list);
    return rc;
}

static int enter_folder(const char *path, const struct stat *st, struct way *way,
                        struct cox_err *err)
{
    for (int i = 0; i < way->depth; i++)
        if (way->device[i] == st->st_dev && way->inode[i] == st->st_ino)
            return cox_err_set(err, COX_EINVAL, "'%s' leads back to a folder that it is in", path);
    if (way->depth == MAX_DEPTH)
        return cox_err_set(err, COX_EINVAL, "'%s' is nested too deeply to be linked", path);
    way->device[way->depth] = st->st_dev;
    way->inode[way->depth++] = st->st_ino;
    return COX_OK;
}

static int digest_any(const char *path, struct way *way, char digest[65], struct cox_err *err)
{
    struct stat st;
    if (stat(path, &st))
        return cox_err_errno(err, "cannot open '%s'", path);
    if (S_ISREG(st.st_mode))
        return digest_file(path, (size_t)st.st_size, digest, err);
    if (!S_ISDIR(st.st_mode))
        return cox_err_set(err, COX_EINVAL, "'%s' is neither a file nor a folder", path);
    int rc = enter_folder(path, &st, way, err);
    if (!rc) {
        rc = digest_folder(path, way, digest, err);
        way->depth--;
    }
    return rc;
}

int cox_job_digest(const char *path, char digest[65], struct cox_err *err)
{
    struct way way = {0};
    return digest_any(path, &way, digest, err);
}
