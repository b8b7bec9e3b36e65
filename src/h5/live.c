/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that grow while others read them.
 *
 * Locks are our own: HDF5 takes a flock that it gives up when readers may follow, so that it would
 * let a second writer in, and one that every plain reader holds, so that a report being made would
 * keep a writer out. Ours is a lock of the open file (F_OFD_SETLK): held by the writer until it
 * closes or dies, unknown to readers, also across hosts. Locks of HDF5 are off.
 *
 * Space is reserved before it is needed (fallocate): HDF5 that runs out of space half-way may have
 * told of rows whose numbers it could not write. */
#include "h5/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "h5/internal.h"
#include "h5/redo.h"

#define RESERVE_STEP (4 << 20) /* bytes; so much a killed writer leaves allocated in vain */

/* ---- one writer ---- */

/* A reader that finishes a dead writer's work holds the lock for some milliseconds, the last of
 * them when there is nothing left to see of it. Naps of 5 ms: */
#define PATIENCE 4
#define PATIENCE_IF_UNFINISHED 100

static int try_lock(int fd, int naps)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const struct timespec nap = {0, 5000000};
    int rc;
    for (int i = naps;; i--) {
        rc = fcntl(fd, F_OFD_SETLK, &whole);
        if (!rc || !i || (errno != EAGAIN && errno != EACCES))
            return rc;
        nanosleep(&nap, NULL);
    }
}

/* Then the file is as its last writer meant it to be. */
static int lock_for_writing(struct cox_h5 *file, bool patient, struct cox_err *err)
{
    if (file->fd >= 0)
        return COX_OK;
    file->fd = open(file->path, O_RDWR | O_CLOEXEC);
    if (file->fd < 0)
        return cox_err_errno(err, "cannot open '%s'", file->path);
    const int naps = cox_h5_redo_is_there(file->path) ? PATIENCE_IF_UNFINISHED : PATIENCE;
    if (!try_lock(file->fd, patient ? naps : 0) ||
        (errno != EAGAIN && errno != EACCES)) /* a file system without locks is taken as it is */
        return cox_h5_redo_replay(file->path, file->fd, err);
    close(file->fd);
    file->fd = -1;
    return cox_err_set(err, COX_EEXISTS,
                       "'%s' is being written by another process; wait until it has ended",
                       file->path);
}

void cox_h5_finish(const char *path)
{
    struct cox_h5 *file = NULL;
    if (!cox_h5_redo_is_there(path) || cox_h5_alloc(&file, path, NULL))
        return;
    (void)!lock_for_writing(file, false, NULL);
    cox_h5_unlock(file, false);
    cox_free(file);
}

int cox_h5_written_now(const char *path, bool *written, struct cox_err *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cox_err_errno(err, "cannot open '%s'", path);
    *written = !fcntl(fd, F_OFD_GETLK, &whole) && whole.l_type != F_UNLCK;
    close(fd);
    return COX_OK;
}

/* ---- the superblock ---- */

/* HDF5's superblock of version 2 and 3: signature, version, sizes of offsets and lengths, status
 * flags, then four addresses (base, extension, end of file, root) and a checksum. */
enum {
    AT_VERSION = 8,
    AT_OFFSET_SIZE = 9,
    AT_LENGTH_SIZE = 10,
    AT_FLAGS = 11,
    AT_END = 28,
    AT_CHECKSUM = 44,
    SUPERBLOCK_SIZE = COX_H5_SUPERBLOCK
};

static uint32_t turn(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

static uint32_t read_u32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The checksum of HDF5's metadata: lookup3 (Bob Jenkins, 2006), seed 0, of the 44 bytes before it:
 * three blocks of twelve that are mixed and a last one of eight. */
static uint32_t superblock_checksum(const unsigned char *bytes)
{
    static const int mix[6] = {4, 6, 8, 16, 19, 4};
    static const int last[7] = {14, 11, 25, 16, 4, 14, 24};
    uint32_t s[3] = {0xdeadbeefU + AT_CHECKSUM, 0xdeadbeefU + AT_CHECKSUM,
                     0xdeadbeefU + AT_CHECKSUM};
    for (int block = 0; block < 3; block++, bytes += 12) {
        for (int i = 0; i < 3; i++)
            s[i] += read_u32(bytes + 4 * i);
        for (int i = 0; i < 6; i++) {
            const int x = i % 3, y = (i + 1) % 3, z = (i + 2) % 3;
            s[x] = (s[x] - s[z]) ^ turn(s[z], mix[i]);
            s[z] += s[y];
        }
    }
    s[0] += read_u32(bytes);
    s[1] += read_u32(bytes + 4);
    for (int i = 0; i < 7; i++) { /* c ^= b, a ^= c, b ^= a, c ^= b … */
        const int x = (2 + i) % 3, y = (1 + i) % 3;
        s[x] = (s[x] ^ s[y]) - turn(s[y], last[i]);
    }
    return s[2];
}

static int read_superblock(const char *path, int fd, unsigned char *bytes, struct cox_err *err)
{
    static const char magic[AT_VERSION] = "\211HDF\r\n\032\n";
    if (pread(fd, bytes, SUPERBLOCK_SIZE, 0) == SUPERBLOCK_SIZE &&
        !memcmp(bytes, magic, sizeof magic))
        return COX_OK;
    return cox_err_set(err, COX_EFORMAT, "'%s' is not an HDF5 file, or its beginning is gone",
                       path);
}

static uint64_t read_u64(const unsigned char *at)
{
    return read_u32(at) | (uint64_t)read_u32(at + 4) << 32;
}

/* Reads and judges the superblock. Versions without flags need nothing. */
static int examine(struct cox_h5_state *out, unsigned char *b, const char *path, int fd,
                   struct cox_err *err)
{
    struct stat st;
    *out = (struct cox_h5_state){0};
    int rc = read_superblock(path, fd, b, err);
    if (rc || b[AT_VERSION] < 2 || b[AT_VERSION] > 3 || b[AT_OFFSET_SIZE] != 8 ||
        b[AT_LENGTH_SIZE] != 8)
        return rc;
    if (superblock_checksum(b) != read_u32(b + AT_CHECKSUM))
        return cox_err_set(err, COX_EFORMAT, "'%s' is damaged: its superblock's checksum is wrong",
                           path);
    if (fstat(fd, &st))
        return cox_err_errno(err, "cannot look at '%s'", path);
    out->flags = b[AT_FLAGS];
    const uint64_t end = read_u64(b + AT_END);
    if (end > (uint64_t)INT64_MAX)
        return cox_err_set(err, COX_EFORMAT, "'%s' is damaged: its end lies nowhere", path);
    out->missing = (int64_t)end > st.st_size ? (int64_t)end - st.st_size : 0;
    out->wrong_end = out->missing || (out->flags && (int64_t)end < st.st_size);
    return COX_OK;
}

int cox_h5_look(struct cox_h5_state *out, const char *path, struct cox_err *err)
{
    unsigned char b[SUPERBLOCK_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cox_err_errno(err, "cannot open '%s'", path);
    int rc = examine(out, b, path, fd, err);
    out->unfinished = cox_h5_redo_is_there(path);
    close(fd);
    return rc;
}

/* What `h5clear -s --increment=0` does, in one write, so that there is no moment at which the file
 * cannot be opened: takes the status flags away and tells the true end of the file, beyond which
 * HDF5 would put new data. The end is wrong after a kill, and when the disk was full: then there
 * may be places beyond it that the file already speaks of, and a writer has it extended (`extend`).
 */
static int mend_superblock(const struct cox_h5 *file, unsigned char *before, bool extend,
                           struct cox_err *err)
{
    unsigned char b[SUPERBLOCK_SIZE];
    struct cox_h5_state state;
    struct stat st;
    int rc = examine(&state, b, file->path, file->fd, err);
    if (!rc && before)
        memcpy(before, b, sizeof b);
    if (rc || (!state.flags && !state.wrong_end))
        return rc;
    if (fstat(file->fd, &st))
        return cox_err_errno(err, "cannot look at '%s'", file->path);
    b[AT_FLAGS] = 0;
    if (extend && state.missing) {
        st.st_size += state.missing;
        if (ftruncate(file->fd, st.st_size))
            return cox_err_errno(err, "cannot mend '%s'", file->path);
    }
    for (int i = 0; i < 8; i++)
        b[AT_END + i] = (unsigned char)((uint64_t)st.st_size >> 8 * i);
    const uint32_t sum = superblock_checksum(b);
    for (int i = 0; i < 4; i++)
        b[AT_CHECKSUM + i] = (unsigned char)(sum >> 8 * i);
    if (pwrite(file->fd, b, sizeof b, 0) != (ssize_t)sizeof b || fdatasync(file->fd))
        return cox_err_errno(err, "cannot mend '%s'", file->path);
    return COX_OK;
}

int cox_h5_mend(const char *path, unsigned char before[COX_H5_SUPERBLOCK], struct cox_err *err)
{
    struct cox_h5 *file = NULL;
    int rc = cox_h5_alloc(&file, path, err);
    if (rc)
        return rc;
    rc = lock_for_writing(file, true, err);
    if (!rc)
        rc = mend_superblock(file, before, false, err);
    cox_h5_unlock(file, false);
    cox_free(file);
    return rc;
}

int cox_h5_unmend(const char *path, const unsigned char before[COX_H5_SUPERBLOCK],
                  struct cox_err *err)
{
    struct cox_h5 *file = NULL;
    int rc = cox_h5_alloc(&file, path, err);
    if (rc)
        return rc;
    rc = lock_for_writing(file, true, err);
    if (!rc && (pwrite(file->fd, before, COX_H5_SUPERBLOCK, 0) != COX_H5_SUPERBLOCK ||
                fdatasync(file->fd)))
        rc = cox_err_errno(err, "cannot write '%s'", path);
    cox_h5_unlock(file, false);
    cox_free(file);
    return rc;
}

void cox_h5_unlock(struct cox_h5 *file, bool failed)
{
    struct stat st;
    cox_free(file->spare);
    file->spare = NULL;
    if (file->fd < 0)
        return;
    /* HDF5 that could not write all may yet have told of it */
    if (failed)
        (void)!mend_superblock(file, NULL, true, NULL);
    /* gives back what was reserved and not used */
    if (file->reserved && !fstat(file->fd, &st))
        (void)!ftruncate(file->fd, st.st_size);
    close(file->fd);
    file->fd = -1;
}

/* ---- opening ---- */

int cox_h5_reserve_driver(struct cox_h5 *file, struct cox_err *err)
{
    if (!file->spare)
        file->spare = cox_h5_driver_create();
    return file->spare ? COX_OK
                       : cox_err_set(err, COX_ENOMEM, "out of memory opening '%s'", file->path);
}

static int open_for_writing(struct cox_h5 *file, enum cox_h5_access access, struct cox_err *err)
{
    const unsigned flags = access == COX_H5_LIVE ? H5F_ACC_SWMR_WRITE : 0;
    int rc = cox_h5_reserve_driver(file, err);
    if (!rc)
        rc = lock_for_writing(file, true, err);
    if (!rc)
        rc = mend_superblock(file, NULL, true, err);
    return rc ? rc : cox_h5_open_id(file, access, H5F_ACC_RDWR | flags, err);
}

static int open_existing(struct cox_h5 **out, const char *path, enum cox_h5_access access,
                         struct cox_err *err)
{
    struct cox_h5 *file = NULL;
    *out = NULL;
    if (!cox_file_exists(path))
        return cox_err_set(err, COX_ENOTFOUND, "cannot open '%s': No such file or directory", path);
    int rc = cox_h5_alloc(&file, path, err);
    if (rc)
        return rc;
    rc = open_for_writing(file, access, err);
    if (rc) {
        cox_h5_unlock(file, false);
        cox_free(file);
        return rc;
    }
    *out = file;
    return COX_OK;
}

int cox_h5_open_append(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    return open_existing(out, path, COX_H5_LIVE, err);
}

int cox_h5_open_alone(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    return open_existing(out, path, COX_H5_STAGED, err);
}

int cox_h5_open_follow(struct cox_h5 **out, const char *path, struct cox_err *err)
{
    cox_h5_finish(path);
    int rc = cox_h5_open_with(out, path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, err);
    if (rc == COX_EIO) /* of an older format, or open for writing in this very process */
        rc = cox_h5_open_with(out, path, H5F_ACC_RDONLY, err);
    if (!rc)
        cox_err_set(err, COX_OK, "%s", "");
    return rc;
}

/* ---- writing ---- */

int cox_h5_publish(struct cox_h5 *file, struct cox_err *err)
{
    char stale[COX_H5_REDO_PATH_SIZE];
    int rc = cox_h5_reserve_driver(file, err);
    cox_h5_enter();
    if (H5Fclose(file->id) < 0 && !rc)
        rc = cox_h5_fail(file, "close", "the file", err);
    cox_h5_leave();
    file->id = -1;
    file->driver = NULL;
    cox_h5_redo_path(stale, file->path);
    unlink(stale); /* of a file that was removed */
    if (!rc)
        rc = cox_file_commit(file->temporary, file->path, err);
    else
        unlink(file->temporary);
    file->staged = false;
    return rc ? rc : open_for_writing(file, COX_H5_LIVE, err);
}

/* Blocks for bytes `from` … `from + n` of the file, beyond its end: 0, or errno. */
static int allocate(int fd, int64_t from, int64_t n)
{
    int failed;
    do
        failed = fallocate(fd, FALLOC_FL_KEEP_SIZE, from, n) ? errno : 0;
    while (failed == EINTR);
    return failed;
}

int cox_h5_reserve(struct cox_h5 *file, int64_t bytes, struct cox_err *err)
{
    struct stat st;
    if (file->fd < 0 || fstat(file->fd, &st) || st.st_size + bytes <= file->reserved)
        return COX_OK;
    int64_t n = bytes < RESERVE_STEP ? RESERVE_STEP : bytes;
    int failed = allocate(file->fd, st.st_size, n);
    if (failed && n > bytes) {
        n = bytes;
        failed = allocate(file->fd, st.st_size, n);
    }
    if (failed == ENOSPC || failed == EDQUOT || failed == EFBIG)
        return cox_err_set(err, COX_ENOSPACE, "no space left for %lld bytes of '%s'",
                           (long long)bytes, file->path);
    if (!failed) /* else: a file system that cannot reserve */
        file->reserved = st.st_size + n;
    return COX_OK;
}

int cox_h5_sync(struct cox_h5 *file, struct cox_err *err)
{
    if (file->fd < 0)
        return cox_err_set(err, COX_EINVAL, "'%s' is not open for writing", file->path);
    const bool failed = file->driver && cox_h5_driver_sync(file->driver);
    return failed || fdatasync(file->fd) ? cox_err_errno(err, "cannot flush '%s'", file->path)
                                         : COX_OK;
}
