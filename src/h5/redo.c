/* SPDX-License-Identifier: BSD-3-Clause */
#include "h5/redo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define LARGEST ((size_t)1 << 40)

struct head {
    char magic[8];
    uint64_t sum; /* of all that follows */
    uint64_t length, end;
};

struct entry {
    uint64_t at, length;
};

static const char magic[8] = "CoxRedo1";

void cox_h5_redo_deinit(struct cox_h5_redo *redo)
{
    cox_free(redo->bytes);
    *redo = (struct cox_h5_redo){0};
}

void cox_h5_redo_clear(struct cox_h5_redo *redo)
{
    redo->used = 0;
}

bool cox_h5_redo_is_empty(const struct cox_h5_redo *redo)
{
    return redo->used <= sizeof(struct head);
}

bool cox_h5_redo_add(struct cox_h5_redo *redo, uint64_t at, const void *bytes, size_t n)
{
    const struct entry entry = {at, n};
    if (!redo->used)
        redo->used = sizeof(struct head);
    const size_t need = redo->used + sizeof entry + n;
    if (need > redo->room) {
        unsigned char *more = cox_realloc(redo->bytes, 2 * need, 1);
        if (!more)
            return false;
        redo->bytes = more;
        redo->room = 2 * need;
    }
    memcpy(redo->bytes + redo->used, &entry, sizeof entry);
    memcpy(redo->bytes + redo->used + sizeof entry, bytes, n);
    redo->used = need;
    return true;
}

/* The entry at *place, which is moved on to the next; false at the end. */
static bool next(const struct cox_h5_redo *redo, size_t *place, struct entry *entry,
                 const unsigned char **bytes)
{
    if (redo->used < sizeof *entry || *place > redo->used - sizeof *entry)
        return false;
    memcpy(entry, redo->bytes + *place, sizeof *entry);
    *bytes = redo->bytes + *place + sizeof *entry;
    if (entry->length > redo->used - *place - sizeof *entry)
        return false;
    *place += sizeof *entry + entry->length;
    return true;
}

void cox_h5_redo_overlay(const struct cox_h5_redo *redo, uint64_t at, void *bytes, size_t n)
{
    struct entry entry;
    const unsigned char *from;
    for (size_t place = sizeof(struct head); next(redo, &place, &entry, &from);) {
        const uint64_t first = entry.at > at ? entry.at : at;
        const uint64_t last = entry.at + entry.length < at + n ? entry.at + entry.length : at + n;
        if (first < last)
            memcpy((unsigned char *)bytes + (first - at), from + (first - entry.at), last - first);
    }
}

/* FNV-1a over words of eight bytes (the last is filled up with zeros), mixed after each: every
 * single bit counts. */
static uint64_t checksum(const unsigned char *bytes, size_t n)
{
    uint64_t sum = 14695981039346656037U;
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + i, n - i < 8 ? n - i : 8);
        sum = (sum ^ word) * 1099511628211U;
        sum ^= sum >> 29;
    }
    return sum;
}

static uint64_t sum_of(const struct cox_h5_redo *redo)
{
    const size_t from = offsetof(struct head, length);
    return checksum(redo->bytes + from, redo->used - from);
}

void cox_h5_redo_seal(struct cox_h5_redo *redo, uint64_t end)
{
    struct head head = {.length = redo->used - sizeof head, .end = end};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(redo->bytes, &head, sizeof head);
    head.sum = sum_of(redo);
    memcpy(redo->bytes, &head, sizeof head);
}

static int write_all(int fd, const unsigned char *bytes, size_t n, uint64_t at)
{
    while (n) {
        const ssize_t some = pwrite(fd, bytes, n, (off_t)at);
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return -1;
        bytes += some;
        n -= (size_t)some;
        at += (uint64_t)some;
    }
    return 0;
}

int cox_h5_redo_apply(const struct cox_h5_redo *redo, int fd)
{
    struct head head;
    struct entry entry;
    const unsigned char *bytes;
    memcpy(&head, redo->bytes, sizeof head);
    for (size_t place = sizeof head; next(redo, &place, &entry, &bytes);)
        if (write_all(fd, bytes, entry.length, entry.at))
            return -1;
    if (head.end && ftruncate(fd, (off_t)head.end))
        return -1;
    return fdatasync(fd);
}

void cox_h5_redo_path(char out[COX_H5_REDO_PATH_SIZE], const char *path)
{
    snprintf(out, COX_H5_REDO_PATH_SIZE, "%s.redo", path);
}

bool cox_h5_redo_is_there(const char *path)
{
    char name[COX_H5_REDO_PATH_SIZE];
    cox_h5_redo_path(name, path);
    return cox_file_exists(name);
}

int cox_h5_redo_remove(const char *name, struct cox_err *err)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    int failed = fd < 0 || ftruncate(fd, 0) || fsync(fd) || unlink(name);
    int rc = failed ? cox_err_errno(err, "cannot remove '%s'", name) : COX_OK;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* A file of which less is there than its head tells, or of another kind, is none. It may be longer:
 * a shorter one was written over it. */
static bool is_whole(struct cox_h5_redo *redo)
{
    struct head head;
    if (redo->used < sizeof head)
        return false;
    memcpy(&head, redo->bytes, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) || head.length > redo->used - sizeof head)
        return false;
    redo->used = sizeof head + head.length;
    return head.sum == sum_of(redo);
}

int cox_h5_redo_replay(const char *path, int fd, struct cox_err *err)
{
    char name[COX_H5_REDO_PATH_SIZE];
    struct cox_h5_redo redo = {0};
    char *bytes = NULL;
    cox_h5_redo_path(name, path);
    if (!cox_h5_redo_is_there(path))
        return COX_OK;
    int rc = cox_file_read(&bytes, &redo.used, name, LARGEST, err);
    redo.bytes = (unsigned char *)bytes;
    if (!rc && is_whole(&redo) && cox_h5_redo_apply(&redo, fd))
        rc = cox_err_errno(err, "cannot finish what '%s' was to have written to it", path);
    cox_free(bytes);
    return rc ? rc : cox_h5_redo_remove(name, err);
}
