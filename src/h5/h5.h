/* SPDX-License-Identifier: BSD-3-Clause */
/* HDF5 containers. Only this module includes hdf5.h; calls are serialised by
 * a lock, since Debian's library is not thread-safe. Objects are named by their path in the file
 * ("/atoms/mass"); groups on the way are made as needed. Errors name the file and the object. */
#ifndef COX_H5_H5_H
#define COX_H5_H5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cox/err.h"

struct cox_h5; /* an open file */

enum cox_h5_type { COX_H5_F32, COX_H5_F64, COX_H5_I32, COX_H5_I64, COX_H5_U8 };

#define COX_H5_MAX_RANK 5

/* A new file; an existing one is replaced only when closed: written to a temporary name beside
 * `path`, renamed by cox_h5_close after fsync. cox_h5_abandon removes the temporary file. */
int cox_h5_create(struct cox_h5 **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* The same in the latest format, for appending while others read (SWMR), which begins with
 * cox_h5_publish: then the file has its name, whole, and can be opened at any moment. Once all
 * datasets and attributes are made. */
int cox_h5_create_live(struct cox_h5 **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
int cox_h5_publish(struct cox_h5 *file, struct cox_err *err) COX_MUST_CHECK;
int cox_h5_open_read(struct cox_h5 **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* For reading a file that another process goes on writing, may have been killed writing, or may
 * begin to write: cox_h5_shape tells of rows flushed since. */
int cox_h5_open_follow(struct cox_h5 **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* For appending to a file made by cox_h5_create_live while others read it; nothing may be cut.
 * Clears the status flags that a killed writer left behind. Until it is closed no other process may
 * write (COX_EEXISTS). Flushed rows survive a writer that is killed. */
int cox_h5_open_append(struct cox_h5 **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* Likewise, for cutting: nothing is written until it is closed, and then all or nothing, also when
 * the writer is killed; until then readers find it as it was. */
int cox_h5_open_alone(struct cox_h5 **out, const char *path, struct cox_err *err) COX_MUST_CHECK;
int cox_h5_flush(struct cox_h5 *file, struct cox_err *err) COX_MUST_CHECK;
/* What was flushed is safe on the disk when this returns. */
int cox_h5_sync(struct cox_h5 *file, struct cox_err *err) COX_MUST_CHECK;
/* Makes sure that the file can grow by so many bytes; COX_ENOSPACE when it cannot, and nothing has
 * changed. File systems that cannot promise are taken as they are. */
int cox_h5_reserve(struct cox_h5 *file, int64_t bytes, struct cox_err *err) COX_MUST_CHECK;
/* Whether a process has the file open for appending. */
int cox_h5_written_now(const char *path, bool *written, struct cox_err *err) COX_MUST_CHECK;
/* What cox_h5_open_append would have to mend: the status flags that a killed writer left, or an end
 * of the file that is not where the superblock has it. COX_EFORMAT: this is no HDF5 file, or it is
 * damaged where all else hangs. */
struct cox_h5_state {
    unsigned flags; /* 0: closed in order (or of a format that has none) */
    bool wrong_end;
    bool unfinished; /* its last writes are still to be made */
    int64_t
        missing; /* bytes that the file should have and has not: cut off, or the disk was full */
};
int cox_h5_look(struct cox_h5_state *out, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* Mends it for a look into the file, without opening it. `before` can be given back to
 * cox_h5_unmend while nothing else has changed the file. */
#define COX_H5_SUPERBLOCK 48
int cox_h5_mend(const char *path, unsigned char before[COX_H5_SUPERBLOCK],
                struct cox_err *err) COX_MUST_CHECK;
int cox_h5_unmend(const char *path, const unsigned char before[COX_H5_SUPERBLOCK],
                  struct cox_err *err) COX_MUST_CHECK;
int cox_h5_close(struct cox_h5 *file, struct cox_err *err) COX_MUST_CHECK;
/* Closes without keeping what was written by cox_h5_create; for error paths. NULL is allowed. */
void cox_h5_abandon(struct cox_h5 *file);
const char *cox_h5_path(const struct cox_h5 *file);

bool cox_h5_exists(struct cox_h5 *file, const char *name);
/* Whole datasets of fixed shape, row-major. */
int cox_h5_write(struct cox_h5 *file, const char *name, enum cox_h5_type type, int rank,
                 const int64_t *dims, const void *data, struct cox_err *err) COX_MUST_CHECK;
/* Shape of a dataset: *rank and dims[COX_H5_MAX_RANK]. */
int cox_h5_shape(struct cox_h5 *file, const char *name, int *rank, int64_t *dims,
                 struct cox_err *err) COX_MUST_CHECK;
/* Reads a whole dataset, converting to `type`; refuses if its shape is not exactly `dims`. */
int cox_h5_read(struct cox_h5 *file, const char *name, enum cox_h5_type type, int rank,
                const int64_t *dims, void *data, struct cox_err *err) COX_MUST_CHECK;
/* Fixed-width text tables: n rows of `width` bytes, zero-padded. */
int cox_h5_write_texts(struct cox_h5 *file, const char *name, int64_t n, size_t width,
                       const char *rows, struct cox_err *err) COX_MUST_CHECK;
int cox_h5_read_texts(struct cox_h5 *file, const char *name, int64_t n, size_t width, char *rows,
                      struct cox_err *err) COX_MUST_CHECK;

/* Growing datasets: the first dimension is unlimited; dims[0] is the chunk length. `compress` uses
 * blosc-zstd where the plugin is installed, else gzip-1 with shuffle. */
int cox_h5_create_growing(struct cox_h5 *file, const char *name, enum cox_h5_type type, int rank,
                          const int64_t *dims, bool compress, struct cox_err *err) COX_MUST_CHECK;
/* Appends `n` rows (n × the product of the other dimensions). */
int cox_h5_append(struct cox_h5 *file, const char *name, enum cox_h5_type type, int64_t n,
                  const void *rows, struct cox_err *err) COX_MUST_CHECK;
/* Writes rows first … first+n-1 of a growing dataset, which may be there already; first must not
 * be beyond its end. */
int cox_h5_write_rows(struct cox_h5 *file, const char *name, enum cox_h5_type type, int64_t first,
                      int64_t n, const void *rows, struct cox_err *err) COX_MUST_CHECK;
/* Rows first … first+n-1 of a dataset of any rank. */
int cox_h5_read_rows(struct cox_h5 *file, const char *name, enum cox_h5_type type, int64_t first,
                     int64_t n, void *rows, struct cox_err *err) COX_MUST_CHECK;
/* How many of the first `rows` rows of a growing dataset are really in the file: *n less than that
 * when the file was cut off, or its writer lost power. */
int cox_h5_rows_stored(struct cox_h5 *file, const char *name, int64_t rows, int64_t *n,
                       struct cox_err *err) COX_MUST_CHECK;
/* Cuts a growing dataset to `n` rows (n <= its present length). */
int cox_h5_truncate(struct cox_h5 *file, const char *name, int64_t n,
                    struct cox_err *err) COX_MUST_CHECK;

/* Attributes of an object ("/" is the file). Text is stored as variable-length UTF-8, which is what
 * MDAnalysis can read. */
int cox_h5_set_text(struct cox_h5 *file, const char *object, const char *key, const char *text,
                    struct cox_err *err) COX_MUST_CHECK;
/* An array of texts, likewise. */
int cox_h5_set_texts(struct cox_h5 *file, const char *object, const char *key, int n,
                     const char *const *texts, struct cox_err *err) COX_MUST_CHECK;
int cox_h5_set_number(struct cox_h5 *file, const char *object, const char *key, double value,
                      struct cox_err *err) COX_MUST_CHECK;
int cox_h5_set_ints(struct cox_h5 *file, const char *object, const char *key, int n,
                    const int32_t *values, struct cox_err *err) COX_MUST_CHECK;
/* Owned by the caller, free with cox_free. */
int cox_h5_get_text(struct cox_h5 *file, const char *object, const char *key, char **out,
                    struct cox_err *err) COX_MUST_CHECK;
int cox_h5_get_number(struct cox_h5 *file, const char *object, const char *key, double *out,
                      struct cox_err *err) COX_MUST_CHECK;
int cox_h5_get_ints(struct cox_h5 *file, const char *object, const char *key, int n,
                    int32_t *values, struct cox_err *err) COX_MUST_CHECK;
/* Makes a group (and its parents); an existing one is fine. */
int cox_h5_group(struct cox_h5 *file, const char *name, struct cox_err *err) COX_MUST_CHECK;
/* A second name for an object: H5MD shares one `step` and `time` between its elements. */
int cox_h5_link(struct cox_h5 *file, const char *existing, const char *name,
                struct cox_err *err) COX_MUST_CHECK;

#endif
