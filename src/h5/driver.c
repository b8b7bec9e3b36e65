/* SPDX-License-Identifier: BSD-3-Clause */
/* How HDF5 reads and writes the files of live.c: a driver of its virtual file layer.
 *
 * A write that SIGKILL meets may end where a page of the file ends. What is written over something
 * and lies across such a place would be left half new, half old, with a checksum that fits neither.
 * So what is shorter than a page is put where it lies within one; of the others (parts of the index
 * of a long file, and all in files that older versions of Coxswain made) the new bytes are stored
 * in PATH.redo first. The rows of uncompressed chunks are written over by what they were, with
 * others behind them: they need it not.
 *
 * Staged, for cutting: nothing is written until the file is closed, and then all or nothing. HDF5
 * has no order there that a killed writer could stop in. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "h5/internal.h"
#include "h5/redo.h"

#define PAGE 4096
#define FRESH 16               /* places for frames that were given out and not written to yet */
#define REDO_SPACE (256 << 10) /* reserved: there may be none when it is needed */

struct cox_h5_driver {
    H5FD_t pub; /* HDF5's; first */
    int fd, redo_fd;
    bool staged, dropped; /* staged, and not to be written: also after a failure */
    bool made;            /* new, of no name yet: it may be spoilt */
    bool compressed;      /* raw data that is written over may be of another kind than it was */
    bool unsynced;        /* the redo file */
    haddr_t end_allocated, end;
    haddr_t fresh[FRESH]; /* in a ring; 0: none */
    int n_fresh;
    dev_t device;
    ino_t inode;
    struct cox_h5_redo redo;
    char redo_path[COX_H5_REDO_PATH_SIZE];
};

/* Tells HDF5, whose deepest message ours is. */
static herr_t fail(const char *what)
{
    H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_VFL, H5E_WRITEERROR,
             "cannot %s: %s", what, strerror(errno));
    return -1;
}

/* HDF5 is told where there is a driver to take, made before: with no memory for one nothing has
 * happened yet. */
static H5FD_t *open_file(const char *name, unsigned flags, hid_t access, haddr_t most)
{
    struct cox_h5_driver **const *const slot = H5Pget_driver_info(access);
    struct cox_h5_driver *d = slot && *slot ? **slot : NULL;
    struct stat st;
    (void)most;
    if (!d || !(flags & H5F_ACC_RDWR) || strlen(name) >= PATH_MAX)
        return NULL;
    d->made = flags & (H5F_ACC_CREAT | H5F_ACC_TRUNC);
    d->fd = open(name, O_RDWR | O_CLOEXEC | (d->made ? O_CREAT | O_TRUNC : 0), 0666);
    if (d->fd < 0 || fstat(d->fd, &st)) {
        fail("open the file");
        if (d->fd >= 0)
            close(d->fd);
        return NULL;
    }
    **slot = NULL;
    cox_h5_redo_path(d->redo_path, name);
    d->redo_fd = -1;
    d->end = (haddr_t)st.st_size;
    d->device = st.st_dev;
    d->inode = st.st_ino;
    return &d->pub;
}

/* All that was staged, as one. */
static herr_t commit(struct cox_h5_driver *d)
{
    cox_h5_redo_seal(&d->redo, d->end);
    if (cox_file_replace(d->redo_path, d->redo.bytes, d->redo.used, NULL))
        return fail("store what is to be written");
    if (cox_h5_redo_apply(&d->redo, d->fd))
        return fail("write");
    return cox_h5_redo_remove(d->redo_path, NULL) ? -1 : 0;
}

static herr_t close_file(H5FD_t *file)
{
    struct cox_h5_driver *d = (struct cox_h5_driver *)file;
    herr_t rc = d->staged && !d->dropped && !cox_h5_redo_is_empty(&d->redo) ? commit(d) : 0;
    if (d->redo_fd >= 0) {
        close(d->redo_fd);
        if (cox_h5_redo_remove(d->redo_path, NULL))
            rc = -1;
    }
    if (close(d->fd) && !rc)
        rc = fail("close");
    cox_h5_redo_deinit(&d->redo);
    cox_free(d);
    return rc;
}

static int compare(const H5FD_t *a, const H5FD_t *b)
{
    const struct cox_h5_driver *x = (const struct cox_h5_driver *)a;
    const struct cox_h5_driver *y = (const struct cox_h5_driver *)b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static herr_t query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_SUPPORTS_SWMR_IO |
             H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static bool lies_across(haddr_t at, hsize_t n)
{
    return n && at / PAGE != (at + n - 1) / PAGE;
}

/* What fits into a page lies within one. */
static haddr_t allocate(H5FD_t *file, H5FD_mem_t type, hid_t transfer, hsize_t n)
{
    struct cox_h5_driver *d = (struct cox_h5_driver *)file;
    haddr_t at = d->end_allocated;
    (void)transfer;
    if (n <= PAGE && lies_across(at, n))
        at = (at + PAGE - 1) / PAGE * PAGE;
    d->end_allocated = at + n;
    if (type == H5FD_MEM_DRAW)
        d->fresh[d->n_fresh++ % FRESH] = at;
    return at;
}

static haddr_t get_end_allocated(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct cox_h5_driver *)file)->end_allocated;
}

static herr_t set_end_allocated(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((struct cox_h5_driver *)file)->end_allocated = end;
    return 0;
}

static haddr_t get_end(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct cox_h5_driver *)file)->end;
}

static herr_t get_handle(H5FD_t *file, hid_t access, void **handle)
{
    (void)access;
    *handle = file;
    return 0;
}

/* Beyond its end a file is zeros. */
static herr_t read_bytes(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                         void *bytes)
{
    const struct cox_h5_driver *d = (const struct cox_h5_driver *)file;
    (void)type;
    (void)transfer;
    for (size_t done = 0; done < n;) {
        ssize_t some = pread(d->fd, (char *)bytes + done, n - done, (off_t)(at + done));
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return fail("read");
        if (!some) {
            memset((char *)bytes + done, 0, n - done);
            break;
        }
        done += (size_t)some;
    }
    if (d->staged)
        cox_h5_redo_overlay(&d->redo, at, bytes, n);
    return 0;
}

static int write_all(int fd, const void *bytes, size_t n, haddr_t at)
{
    for (size_t done = 0; done < n;) {
        const ssize_t some = pwrite(fd, (const char *)bytes + done, n - done, (off_t)(at + done));
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return -1;
        done += (size_t)some;
    }
    return 0;
}

/* Stores a write before it is made. Where that cannot be done, for want of space, say, the write is
 * made without: it is only needed should this process be killed right then. */
static bool store(struct cox_h5_driver *d, haddr_t at, size_t n, const void *bytes)
{
    if (d->redo_fd < 0) {
        d->redo_fd = open(d->redo_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (d->redo_fd >= 0)
            (void)!fallocate(d->redo_fd, FALLOC_FL_KEEP_SIZE, 0, REDO_SPACE);
    }
    cox_h5_redo_clear(&d->redo);
    if (d->redo_fd < 0 || !cox_h5_redo_add(&d->redo, at, bytes, n))
        return false;
    cox_h5_redo_seal(&d->redo, 0);
    d->unsynced = true;
    return !write_all(d->redo_fd, d->redo.bytes, d->redo.used, 0);
}

static bool is_fresh(struct cox_h5_driver *d, haddr_t at)
{
    for (int i = 0; i < FRESH; i++)
        if (d->fresh[i] == at) {
            d->fresh[i] = 0;
            return true;
        }
    return false;
}

/* Whether a write would spoil what is there if it were cut short. */
static bool is_delicate(struct cox_h5_driver *d, H5FD_mem_t type, haddr_t at, size_t n)
{
    if (type == H5FD_MEM_DRAW && (is_fresh(d, at) || !d->compressed))
        return false;
    return !d->made && at < d->end && lies_across(at, n);
}

static herr_t write_bytes(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                          const void *bytes)
{
    static const char nothing[8];
    struct cox_h5_driver *d = (struct cox_h5_driver *)file;
    (void)transfer;
    if (d->staged && !cox_h5_redo_add(&d->redo, at, bytes, n)) {
        d->dropped = true;
        errno = ENOMEM;
        return fail("write");
    }
    if (!d->staged) {
        const bool stored = is_delicate(d, type, at, n) && store(d, at, n, bytes);
        if (write_all(d->fd, bytes, n, at))
            return fail("write");
        if (stored && write_all(d->redo_fd, nothing, sizeof nothing, 0))
            return fail("write");
    }
    if (at + n > d->end)
        d->end = at + n;
    return 0;
}

static herr_t cut(H5FD_t *file, hid_t transfer, hbool_t closing)
{
    struct cox_h5_driver *d = (struct cox_h5_driver *)file;
    (void)transfer;
    (void)closing;
    if (d->end == d->end_allocated)
        return 0;
    if (!d->staged && ftruncate(d->fd, (off_t)d->end_allocated))
        return fail("set the length of the file");
    d->end = d->end_allocated;
    return 0;
}

/* Locks are ours (live.c); but HDF5 marks a file as being written only where there are some. */
static herr_t lock(H5FD_t *file, hbool_t to_write)
{
    (void)file;
    (void)to_write;
    return 0;
}

static herr_t unlock(H5FD_t *file)
{
    (void)file;
    return 0;
}

static const H5FD_class_t methods = {.name = "coxswain",
                                     .maxaddr = INT64_MAX,
                                     .fc_degree = H5F_CLOSE_WEAK,
                                     .fapl_size = sizeof(struct cox_h5_driver **),
                                     .open = open_file,
                                     .close = close_file,
                                     .cmp = compare,
                                     .query = query,
                                     .alloc = allocate,
                                     .get_eoa = get_end_allocated,
                                     .set_eoa = set_end_allocated,
                                     .get_eof = get_end,
                                     .get_handle = get_handle,
                                     .read = read_bytes,
                                     .write = write_bytes,
                                     .truncate = cut,
                                     .lock = lock,
                                     .unlock = unlock,
                                     .fl_map = H5FD_FLMAP_DICHOTOMY};

struct cox_h5_driver *cox_h5_driver_create(void)
{
    return cox_alloc(1, sizeof(struct cox_h5_driver));
}

void cox_h5_driver_use(struct cox_h5_driver **driver, hid_t access, bool staged)
{
    static hid_t id = -1;
    if (id < 0)
        id = H5FDregister(&methods);
    (*driver)->staged = staged;
    H5Pset_driver(access, id, &driver);
}

struct cox_h5_driver *cox_h5_driver_of(hid_t file)
{
    void *handle = NULL;
    return H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) < 0 ? NULL : handle;
}

void cox_h5_driver_compressed(struct cox_h5_driver *driver)
{
    driver->compressed = true;
}

/* What the redo file tells must not come back, after a power cut, when the file is further on. */
int cox_h5_driver_sync(struct cox_h5_driver *driver)
{
    if (driver->unsynced && fdatasync(driver->redo_fd))
        return -1;
    driver->unsynced = false;
    return 0;
}

void cox_h5_driver_drop(struct cox_h5_driver *driver)
{
    driver->dropped = true;
}
