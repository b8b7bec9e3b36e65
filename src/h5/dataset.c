/* SPDX-License-Identifier: BSD-3-Clause */
#include "h5/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILTER_BLOSC 32001

static hid_t type_id(enum cox_h5_type type)
{
    switch (type) {
    case COX_H5_F32:
        return H5T_NATIVE_FLOAT;
    case COX_H5_F64:
        return H5T_NATIVE_DOUBLE;
    case COX_H5_I32:
        return H5T_NATIVE_INT32;
    case COX_H5_I64:
        return H5T_NATIVE_INT64;
    case COX_H5_U8:
        return H5T_NATIVE_UINT8;
    }
    return -1;
}

static void to_hsize(int rank, const int64_t *dims, hsize_t *out)
{
    for (int i = 0; i < rank; i++)
        out[i] = (hsize_t)dims[i];
}

/* Objects would carry the time of their making: the same data shall make the same file. */
static hid_t without_times(void)
{
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(list, false);
    return list;
}

int cox_h5_write(struct cox_h5 *file, const char *name, enum cox_h5_type type, int rank,
                 const int64_t *dims, const void *data, struct cox_err *err)
{
    hsize_t size[COX_H5_MAX_RANK] = {0};
    to_hsize(rank, dims, size);
    cox_h5_enter();
    int rc = COX_OK;
    hid_t lcpl = cox_h5_make_parents();
    hid_t space = rank ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
    hid_t untimed = without_times();
    hid_t set = H5Dcreate2(file->id, name, type_id(type), space, lcpl, untimed, H5P_DEFAULT);
    H5Pclose(untimed);
    if (set < 0 || (H5Sget_simple_extent_npoints(space) > 0 &&
                    H5Dwrite(set, type_id(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0))
        rc = cox_h5_fail(file, "write", name, err);
    if (set >= 0)
        H5Dclose(set);
    H5Sclose(space);
    H5Pclose(lcpl);
    cox_h5_leave();
    return rc;
}

static int shape_of(struct cox_h5 *file, hid_t set, const char *name, int *rank, int64_t *dims,
                    struct cox_err *err)
{
    hsize_t size[H5S_MAX_RANK];
    hid_t space = H5Dget_space(set);
    int n = H5Sget_simple_extent_ndims(space);
    if (n < 0 || n > COX_H5_MAX_RANK) {
        H5Sclose(space);
        return cox_err_set(err, COX_EFORMAT, "%s: '%s' has %d dimensions, more than the allowed %d",
                           file->path, name, n, COX_H5_MAX_RANK);
    }
    H5Sget_simple_extent_dims(space, size, NULL);
    H5Sclose(space);
    *rank = n;
    for (int i = 0; i < n; i++)
        dims[i] = (int64_t)size[i];
    return COX_OK;
}

static hid_t open_set(struct cox_h5 *file, const char *name, int *rc, struct cox_err *err)
{
    hid_t set = cox_h5_exists_locked(file, name) ? H5Dopen2(file->id, name, H5P_DEFAULT) : -1;
    if (set < 0) {
        H5Eclear2(H5E_DEFAULT);
        *rc = cox_err_set(err, COX_EFORMAT, "%s: no dataset '%s'", file->path, name);
    }
    return set;
}

int cox_h5_shape(struct cox_h5 *file, const char *name, int *rank, int64_t *dims,
                 struct cox_err *err)
{
    int rc = COX_OK;
    cox_h5_enter();
    hid_t set = open_set(file, name, &rc, err);
    if (set >= 0) {
        H5Drefresh(set);
        rc = shape_of(file, set, name, rank, dims, err);
        H5Dclose(set);
    }
    H5Eclear2(H5E_DEFAULT);
    cox_h5_leave();
    return rc;
}

static int check_shape(struct cox_h5 *file, const char *name, int rank, const int64_t *dims,
                       int found_rank, const int64_t *found, struct cox_err *err)
{
    bool same = rank == found_rank;
    for (int i = 0; same && i < rank; i++)
        same = dims[i] == found[i];
    if (same)
        return COX_OK;
    char want[128] = "";
    char have[128] = "";
    for (int i = 0; i < rank; i++)
        snprintf(want + strlen(want), sizeof want - strlen(want), "%s%lld", i ? "×" : "",
                 (long long)dims[i]);
    for (int i = 0; i < found_rank; i++)
        snprintf(have + strlen(have), sizeof have - strlen(have), "%s%lld", i ? "×" : "",
                 (long long)found[i]);
    return cox_err_set(err, COX_EFORMAT, "%s: '%s' has shape %s where %s is needed", file->path,
                       name, have, want);
}

static bool is_numeric(hid_t set)
{
    hid_t type = H5Dget_type(set);
    H5T_class_t class = H5Tget_class(type);
    H5Tclose(type);
    return class == H5T_INTEGER || class == H5T_FLOAT;
}

int cox_h5_read(struct cox_h5 *file, const char *name, enum cox_h5_type type, int rank,
                const int64_t *dims, void *data, struct cox_err *err)
{
    int rc = COX_OK;
    int found_rank = 0;
    int64_t found[COX_H5_MAX_RANK];
    cox_h5_enter();
    hid_t set = open_set(file, name, &rc, err);
    if (set >= 0) {
        rc = shape_of(file, set, name, &found_rank, found, err);
        if (!rc)
            rc = check_shape(file, name, rank, dims, found_rank, found, err);
        if (!rc && !is_numeric(set))
            rc = cox_err_set(err, COX_EFORMAT, "%s: '%s' does not hold numbers", file->path, name);
        if (!rc && H5Dread(set, type_id(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
            rc = cox_h5_fail(file, "read", name, err);
        H5Dclose(set);
    }
    cox_h5_leave();
    return rc;
}

int cox_h5_write_texts(struct cox_h5 *file, const char *name, int64_t n, size_t width,
                       const char *rows, struct cox_err *err)
{
    hsize_t size[1] = {(hsize_t)n};
    cox_h5_enter();
    int rc = COX_OK;
    hid_t lcpl = cox_h5_make_parents();
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, width);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    hid_t space = H5Screate_simple(1, size, NULL);
    hid_t untimed = without_times();
    hid_t set = H5Dcreate2(file->id, name, type, space, lcpl, untimed, H5P_DEFAULT);
    H5Pclose(untimed);
    if (set < 0 || (n && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0))
        rc = cox_h5_fail(file, "write", name, err);
    if (set >= 0)
        H5Dclose(set);
    H5Sclose(space);
    H5Tclose(type);
    H5Pclose(lcpl);
    cox_h5_leave();
    return rc;
}

int cox_h5_read_texts(struct cox_h5 *file, const char *name, int64_t n, size_t width, char *rows,
                      struct cox_err *err)
{
    int rc = COX_OK;
    int rank = 0;
    int64_t found[COX_H5_MAX_RANK];
    cox_h5_enter();
    hid_t set = open_set(file, name, &rc, err);
    if (set >= 0) {
        hid_t stored = H5Dget_type(set);
        bool text = H5Tget_class(stored) == H5T_STRING && !H5Tis_variable_str(stored);
        H5Tclose(stored);
        rc = shape_of(file, set, name, &rank, found, err);
        if (!rc)
            rc = check_shape(file, name, 1, &n, rank, found, err);
        if (!rc && !text)
            rc = cox_err_set(err, COX_EFORMAT, "%s: '%s' does not hold text", file->path, name);
        hid_t type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, width);
        H5Tset_strpad(type, H5T_STR_NULLPAD);
        if (!rc && n && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0)
            rc = cox_h5_fail(file, "read", name, err);
        H5Tclose(type);
        H5Dclose(set);
        for (int64_t i = 0; !rc && i < n; i++)
            rows[(size_t)i * width + width - 1] = '\0';
    }
    cox_h5_leave();
    return rc;
}

/* ---- growing datasets ---- */

int cox_h5_create_growing(struct cox_h5 *file, const char *name, enum cox_h5_type type, int rank,
                          const int64_t *dims, bool compress, struct cox_err *err)
{
    hsize_t size[COX_H5_MAX_RANK];
    hsize_t limit[COX_H5_MAX_RANK];
    hsize_t chunk[COX_H5_MAX_RANK];
    to_hsize(rank, dims, size);
    to_hsize(rank, dims, chunk);
    to_hsize(rank, dims, limit);
    size[0] = 0;
    limit[0] = H5S_UNLIMITED;
    cox_h5_enter();
    int rc = COX_OK;
    hid_t lcpl = cox_h5_make_parents();
    hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(dcpl, rank, chunk);
    if (compress && H5Zfilter_avail(FILTER_BLOSC) > 0) {
        /* level 1, bit shuffle, compressor 5 = zstd (bench/store.md); the filter fills in the first
         * four */
        const unsigned options[7] = {0, 0, 0, 0, 1, 2, 5};
        H5Pset_filter(dcpl, FILTER_BLOSC, H5Z_FLAG_OPTIONAL, 7, options);
    } else if (compress) {
        H5Pset_shuffle(dcpl);
        H5Pset_deflate(dcpl, 1);
    }
    hid_t space = H5Screate_simple(rank, size, limit);
    hid_t set = H5Dcreate2(file->id, name, type_id(type), space, lcpl, dcpl, H5P_DEFAULT);
    if (set < 0)
        rc = cox_h5_fail(file, "create", name, err);
    else
        H5Dclose(set);
    H5Sclose(space);
    H5Pclose(dcpl);
    H5Pclose(lcpl);
    cox_h5_leave();
    return rc;
}

/* Selects rows first … first+n-1 of an open dataset; returns the file space, sets the memory space.
 */
static hid_t select_rows(hid_t set, int rank, const int64_t *dims, int64_t first, int64_t n,
                         hid_t *memory)
{
    hsize_t start[COX_H5_MAX_RANK] = {(hsize_t)first};
    hsize_t count[COX_H5_MAX_RANK];
    to_hsize(rank, dims, count);
    count[0] = (hsize_t)n;
    hid_t space = H5Dget_space(set);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    *memory = H5Screate_simple(rank, count, NULL);
    return space;
}

static void tell_of_compression(struct cox_h5 *file, hid_t set)
{
    hid_t dcpl = H5Dget_create_plist(set);
    if (H5Pget_nfilters(dcpl) > 0)
        cox_h5_driver_compressed(file->driver);
    H5Pclose(dcpl);
}

/* `first` -1: after the last row. */
static int write_rows(struct cox_h5 *file, const char *name, enum cox_h5_type type, int64_t first,
                      int64_t n, const void *rows, struct cox_err *err)
{
    int rc = COX_OK;
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK];
    hid_t set = open_set(file, name, &rc, err);
    if (set < 0)
        return rc;
    rc = shape_of(file, set, name, &rank, dims, err);
    if (!rc && (rank < 1 || first > dims[0]))
        rc = cox_err_set(err, COX_EINVAL, "%s: '%s' has no rows to append to", file->path, name);
    if (!rc) {
        hsize_t size[COX_H5_MAX_RANK];
        hid_t memory;
        first = first < 0 ? dims[0] : first;
        to_hsize(rank, dims, size);
        size[0] = (hsize_t)first + (hsize_t)n;
        if (rank > 1 && file->driver)
            tell_of_compression(file, set);
        if (first + n > dims[0] && H5Dset_extent(set, size) < 0) {
            rc = cox_h5_fail(file, "extend", name, err);
        } else {
            hid_t space = select_rows(set, rank, dims, first, n, &memory);
            if (H5Dwrite(set, type_id(type), memory, space, H5P_DEFAULT, rows) < 0)
                rc = cox_h5_fail(file, "append to", name, err);
            H5Sclose(memory);
            H5Sclose(space);
        }
    }
    if (H5Dclose(set) < 0 && !rc) /* writes the chunks that are still in memory */
        rc = cox_h5_fail(file, "append to", name, err);
    return rc;
}

int cox_h5_write_rows(struct cox_h5 *file, const char *name, enum cox_h5_type type, int64_t first,
                      int64_t n, const void *rows, struct cox_err *err)
{
    if (!n)
        return COX_OK;
    cox_h5_enter();
    int rc = write_rows(file, name, type, first < 0 ? INT64_MAX : first, n, rows, err);
    cox_h5_leave();
    return rc;
}

int cox_h5_append(struct cox_h5 *file, const char *name, enum cox_h5_type type, int64_t n,
                  const void *rows, struct cox_err *err)
{
    if (!n)
        return COX_OK;
    cox_h5_enter();
    int rc = write_rows(file, name, type, -1, n, rows, err);
    cox_h5_leave();
    return rc;
}

int cox_h5_read_rows(struct cox_h5 *file, const char *name, enum cox_h5_type type, int64_t first,
                     int64_t n, void *rows, struct cox_err *err)
{
    int rc = COX_OK;
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK];
    cox_h5_enter();
    hid_t set = open_set(file, name, &rc, err);
    if (set < 0)
        goto out;
    rc = shape_of(file, set, name, &rank, dims, err);
    if (!rc && (rank < 1 || first < 0 || n < 0 || first > dims[0] - n))
        rc = cox_err_set(err, COX_EINVAL, "%s: rows %lld to %lld of '%s' asked for, which has %lld",
                         file->path, (long long)first, (long long)(first + n - 1), name,
                         rank < 1 ? 0LL : (long long)dims[0]);
    if (!rc && n) {
        hid_t memory;
        hid_t space = select_rows(set, rank, dims, first, n, &memory);
        if (H5Dread(set, type_id(type), memory, space, H5P_DEFAULT, rows) < 0)
            rc = cox_h5_fail(file, "read", name, err);
        H5Sclose(memory);
        H5Sclose(space);
    }
    H5Dclose(set);
out:
    cox_h5_leave();
    return rc;
}

/* Whether the chunk that holds a row lies within the file. */
static bool chunk_is_there(hid_t set, int64_t row, const hsize_t *chunk, int64_t bytes_of_file)
{
    const hsize_t place[COX_H5_MAX_RANK] = {(hsize_t)row - (hsize_t)row % chunk[0]};
    unsigned mask = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t bytes = 0;
    return H5Dget_chunk_info_by_coord(set, place, &mask, &address, &bytes) >= 0 &&
           address != HADDR_UNDEF && bytes && address + bytes <= (haddr_t)bytes_of_file;
}

/* Chunks are put at the end of the file one after the other, so that those which are missing are
 * the last ones: bisection, for HDF5 1.10 walks through all chunks to find one. */
int cox_h5_rows_stored(struct cox_h5 *file, const char *name, int64_t rows, int64_t *n,
                       struct cox_err *err)
{
    int rc = COX_OK;
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK];
    hsize_t chunk[COX_H5_MAX_RANK] = {0};
    struct stat st;
    *n = 0;
    if (stat(file->path, &st))
        return cox_err_errno(err, "cannot look at '%s'", file->path);
    cox_h5_enter();
    hid_t set = open_set(file, name, &rc, err);
    if (set < 0)
        goto out;
    rc = shape_of(file, set, name, &rank, dims, err);
    hid_t dcpl = H5Dget_create_plist(set);
    if (!rc && (rank < 1 || rows > dims[0] || H5Pget_layout(dcpl) != H5D_CHUNKED ||
                H5Pget_chunk(dcpl, rank, chunk) != rank || !chunk[0]))
        rc = cox_err_set(err, COX_EFORMAT, "%s: '%s' does not hold %lld rows in chunks", file->path,
                         name, (long long)rows);
    H5Pclose(dcpl);
    int64_t high = rows; /* the first row that is missing is at or before it */
    if (!rc && rows && chunk_is_there(set, rows - 1, chunk, st.st_size))
        *n = rows;
    while (!rc && *n < high) {
        const int64_t middle = *n + (high - *n) / 2;
        const int64_t first = middle - middle % (int64_t)chunk[0];
        if (!chunk_is_there(set, middle, chunk, st.st_size))
            high = first > *n ? first : *n;
        else
            *n = first + (int64_t)chunk[0] < high ? first + (int64_t)chunk[0] : high;
    }
    H5Eclear2(H5E_DEFAULT);
    H5Dclose(set);
out:
    cox_h5_leave();
    return rc;
}

int cox_h5_truncate(struct cox_h5 *file, const char *name, int64_t n, struct cox_err *err)
{
    int rc = COX_OK;
    int rank = 0;
    int64_t dims[COX_H5_MAX_RANK];
    cox_h5_enter();
    hid_t set = open_set(file, name, &rc, err);
    if (set < 0)
        goto out;
    rc = shape_of(file, set, name, &rank, dims, err);
    if (!rc && (rank < 1 || n < 0 || n > dims[0]))
        rc = cox_err_set(err, COX_EINVAL, "%s: cannot cut '%s' to %lld rows, it has %lld",
                         file->path, name, (long long)n, rank < 1 ? 0LL : (long long)dims[0]);
    if (!rc) {
        hsize_t size[COX_H5_MAX_RANK];
        to_hsize(rank, dims, size);
        size[0] = (hsize_t)n;
        if (H5Dset_extent(set, size) < 0)
            rc = cox_h5_fail(file, "cut", name, err);
    }
    H5Dclose(set);
out:
    cox_h5_leave();
    return rc;
}
