/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zmq.h>

#include "base/file.h"
#include "base/mem.h"

#define KEY_LENGTH 40 /* of 32 bytes in Z85 */

static const char *const names[4] = {"server_public", "server_secret", "client_public",
                                     "client_secret"};

static char *key_of(const struct cox_keys *keys, int i)
{
    const char *const all[4] = {keys->server_public, keys->server_secret, keys->client_public,
                                keys->client_secret};
    return (char *)(uintptr_t)all[i];
}

int cox_keys_create(struct cox_keys *keys, struct cox_err *err)
{
    if (zmq_curve_keypair(keys->server_public, keys->server_secret) ||
        zmq_curve_keypair(keys->client_public, keys->client_secret))
        return cox_err_set(err, COX_EUNSUPPORTED, "cannot make CURVE keys: %s",
                           zmq_strerror(zmq_errno()));
    return COX_OK;
}

int cox_keys_save(const struct cox_keys *keys, const char *path, struct cox_err *err)
{
    char text[512], temporary[PATH_MAX];
    int length = 0;
    for (int i = 0; i < 4; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%s %s\n", names[i],
                           key_of(keys, i));
    cox_file_temporary(path, temporary, sizeof temporary);
    (void)unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return cox_err_errno(err, "cannot write '%s'", path);
    ssize_t n = write(fd, text, (size_t)length);
    if (n != length) {
        if (n >= 0)
            errno = ENOSPC;
        int rc = cox_err_errno(err, "cannot write '%s'", path);
        close(fd);
        unlink(temporary);
        return rc;
    }
    close(fd);
    return cox_file_commit(temporary, path, err);
}

/* "name key\n" of line `i`; returns what follows it, NULL when it is something else. */
static const char *read_line(const char *at, int i, char *key)
{
    uint8_t raw[32];
    size_t n = strlen(names[i]);
    if (strncmp(at, names[i], n) || at[n] != ' ')
        return NULL;
    at += n + 1;
    if (strcspn(at, "\n") != KEY_LENGTH || at[KEY_LENGTH] != '\n')
        return NULL;
    memcpy(key, at, KEY_LENGTH);
    key[KEY_LENGTH] = '\0';
    return zmq_z85_decode(raw, key) ? at + KEY_LENGTH + 1 : NULL;
}

int cox_keys_load(struct cox_keys *keys, const char *path, struct cox_err *err)
{
    struct stat st;
    if (stat(path, &st))
        return cox_err_errno(err, "cannot open '%s'", path);
    if (st.st_mode & 077)
        return cox_err_set(err, COX_EINVAL,
                           "'%s' may be read by others (mode %04o): its keys are not safe; "
                           "chmod 600 it, or remove it to have new ones",
                           path, (unsigned)(st.st_mode & 07777));
    char *text;
    int rc = cox_file_read(&text, NULL, path, 4096, err);
    if (rc)
        return rc;
    const char *at = text;
    for (int i = 0; at && i < 4; i++)
        at = read_line(at, i, key_of(keys, i));
    if (!at || *at)
        rc = cox_err_set(err, COX_EFORMAT, "'%s': not a file of four keys", path);
    cox_free(text);
    return rc;
}
