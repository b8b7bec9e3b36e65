/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's directory: made with its files, tidied when the job is done. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "sweep/job_internal.h"

enum { MAX_DEPTH = 64 };
#define FILE_MAX_BYTES ((size_t)256 << 20)

static int write_bytes(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Under its name only when it is whole; not synced: what a crash of the machine loses is made anew,
 * and ten thousand small jobs should not wait for a disk. */
static int write_file(const char *path, const struct cox_str *text, mode_t mode,
                      struct cox_err *err)
{
    char temporary[PATH_MAX];
    cox_file_temporary(path, temporary, sizeof temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return cox_err_errno(err, "cannot write '%s'", path);
    int rc = write_bytes(fd, cox_str_text(text), text->length)
                 ? cox_err_errno(err, "cannot write '%s'", path)
                 : COX_OK;
    if (close(fd) && !rc)
        rc = cox_err_errno(err, "cannot write '%s'", path);
    if (!rc && rename(temporary, path))
        rc = cox_err_errno(err, "cannot write '%s'", path);
    if (rc)
        unlink(temporary);
    return rc;
}

static int make_files(const struct cox_jobs *jobs, int point, const char *directory,
                      struct cox_err *err)
{
    const struct cox_template_values values = cox_job_values(jobs, point, false);
    struct cox_str text;
    char path[PATH_MAX];
    int rc = COX_OK;
    cox_str_init(&text, FILE_MAX_BYTES);
    for (int i = 0; i < jobs->n_files && !rc; i++) {
        text.length = 0;
        if ((rc = cox_path_join(path, sizeof path, directory, jobs->file[i].name, err)) ||
            cox_file_exists(path)) /* kept */
            continue;
        cox_template_render(&jobs->file[i].text, &jobs->scope, &values, &text);
        rc = cox_str_status(&text, err);
        if (!rc)
            rc = write_file(path, &text, jobs->file[i].mode | 0600, err);
    }
    cox_str_deinit(&text);
    return rc;
}

int cox_job_prepare(const struct cox_jobs *jobs, int point, const char *directory, bool keep,
                    struct cox_err *err)
{
    char path[PATH_MAX];
    int rc = keep ? COX_OK : cox_directory_remove(directory, err);
    if (!rc)
        rc = cox_directory_create(directory, err);
    if (!rc)
        rc = make_files(jobs, point, directory, err);
    for (int i = 0; i < jobs->n_links && !rc; i++) {
        rc = cox_path_join(path, sizeof path, directory, jobs->link[i].name, err);
        if (!rc && symlink(jobs->link[i].target, path) && errno != EEXIST)
            rc = cox_err_errno(err, "cannot link '%s'", path);
    }
    return rc;
}

/* ---- tidying ---- */

struct tidying {
    const struct cox_config_texts *keep;
    size_t root; /* length of the job's directory and a slash */
    struct cox_err *err;
};

/* A pattern with a slash is for the path below the job's directory, one without for any name. */
static bool is_kept(const struct tidying *t, const char *path)
{
    const char *below = path + t->root;
    const char *name = strrchr(path, '/') + 1;
    for (int i = 0; i < t->keep->n; i++) {
        const char *pattern = t->keep->items[i];
        bool whole = strchr(pattern, '/') != NULL;
        if (!fnmatch(pattern, whole ? below : name, FNM_PATHNAME))
            return true;
    }
    return false;
}

/* Empties a folder of what is not kept; *left: something stays. */
static int tidy_folder(const struct tidying *t, const char *folder, int depth, bool *left)
{
    DIR *entries = opendir(folder);
    int rc = entries ? COX_OK : cox_err_errno(t->err, "cannot open '%s'", folder);
    *left = false;
    for (const struct dirent *entry; !rc && (entry = readdir(entries));) {
        char path[PATH_MAX];
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        rc = cox_path_join(path, sizeof path, folder, entry->d_name, t->err);
        if (rc)
            break;
        if (is_kept(t, path)) {
            *left = true;
            continue;
        }
        if (lstat(path, &st)) {
            rc = cox_err_errno(t->err, "cannot look at '%s'", path);
            break;
        }
        bool inner = false;
        if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
            rc = tidy_folder(t, path, depth + 1, &inner);
        if (!rc && !inner && remove(path))
            rc = cox_err_errno(t->err, "cannot remove '%s'", path);
        *left |= inner;
    }
    if (entries)
        closedir(entries);
    return rc;
}

int cox_job_tidy(const struct cox_jobs *jobs, const char *directory, struct cox_err *err)
{
    const struct tidying t = {&jobs->settings->job.keep, strlen(directory) + 1, err};
    bool left;
    return t.keep->n ? tidy_folder(&t, directory, 0, &left) : COX_OK;
}
