/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#define PREFIX "cox-"
#define SUFFIX 6          /* that mkdtemp fills in */
#define OLD_S 60          /* a socket may be bound and not yet listened to */
#define SWEEP_MOST 100000 /* entries of a folder that are looked at */

const char *cox_folder_place(int i)
{
    const char *places[5];
    int n = 0;
    const char *const asked[2] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR")};
    for (int k = 0; k < 2; k++)
        if (asked[k] && asked[k][0] == '/')
            places[n++] = asked[k];
    places[n++] = "/tmp";
    places[n++] = "/var/tmp";
    places[n++] = "/dev/shm";
    return i >= 0 && i < n ? places[i] : NULL;
}

int cox_folder_create(char folder[COX_FOLDER_SIZE], const char *place, struct cox_err *err)
{
    struct sockaddr_un address;
    int n = snprintf(folder, COX_FOLDER_SIZE, "%s/%sXXXXXX", place, PREFIX);
    if (n >= COX_FOLDER_SIZE || (size_t)n + sizeof "/" COX_SOCKET_NAME > sizeof address.sun_path) {
        folder[0] = '\0';
        return cox_err_set(err, COX_EINVAL, "'%s': too long a path for a socket", place);
    }
    if (!mkdtemp(folder)) { /* its mode is 0700 */
        int rc = cox_err_errno(err, "'%s'", place);
        folder[0] = '\0';
        return rc;
    }
    return COX_OK;
}

void cox_folder_remove(const char *folder)
{
    DIR *directory = opendir(folder);
    struct stat st;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) /* those of killed processes, too */
        if (!fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
            S_ISSOCK(st.st_mode))
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    (void)rmdir(folder);
}

static bool is_old(const struct stat *st)
{
    return st->st_uid == geteuid() && time(NULL) - st->st_mtime >= OLD_S;
}

/* Nobody accepts connections on this socket. */
static bool is_dead(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool dead =
        connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

/* An old folder of ours with nothing in it but old sockets that nobody listens to. */
static bool is_left(const char *folder)
{
    struct stat st;
    DIR *directory =
        lstat(folder, &st) || !S_ISDIR(st.st_mode) || !is_old(&st) ? NULL : opendir(folder);
    struct dirent *entry;
    bool left = directory != NULL;
    while (left && (entry = readdir(directory))) {
        char path[COX_FOLDER_SIZE + 64];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        left = n > 0 && (size_t)n < sizeof path && !lstat(path, &st) && S_ISSOCK(st.st_mode) &&
               is_old(&st) && is_dead(path);
    }
    if (directory)
        closedir(directory);
    return left;
}

void cox_folder_sweep(const char *place)
{
    DIR *directory = opendir(place);
    if (!directory)
        return;
    struct dirent *entry;
    for (int i = 0; i < SWEEP_MOST && (entry = readdir(directory)); i++) {
        char folder[COX_FOLDER_SIZE];
        if (!cox_str_starts(entry->d_name, PREFIX) ||
            strlen(entry->d_name) != sizeof PREFIX - 1 + SUFFIX)
            continue;
        int n = snprintf(folder, sizeof folder, "%s/%s", place, entry->d_name);
        if (n > 0 && (size_t)n < sizeof folder && is_left(folder))
            cox_folder_remove(folder);
    }
    closedir(directory);
}
