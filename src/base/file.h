/* SPDX-License-Identifier: BSD-3-Clause */
/* Files: read whole with a maximum, replace by rename after fsync, directories. */
#ifndef COX_BASE_FILE_H
#define COX_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "cox/err.h"

/* The whole file as a zero-terminated block (free with cox_free); refuses more than `maximum`
 * bytes. */
int cox_file_read(char **out, size_t *length, const char *path, size_t maximum,
                  struct cox_err *err) COX_MUST_CHECK;
/* Writes a temporary file beside `path`, fsyncs it, renames it over `path`, fsyncs the directory:
 * after a crash the file is the old one or the new one, whole. */
int cox_file_replace(const char *path, const void *bytes, size_t length,
                     struct cox_err *err) COX_MUST_CHECK;
/* The same in two steps for writers that need a path (HDF5, SQLite): write to `temporary` as named
 * by cox_file_temporary, then commit. */
void cox_file_temporary(const char *path, char *temporary, size_t size);
int cox_file_commit(const char *temporary, const char *path, struct cox_err *err) COX_MUST_CHECK;
/* Appends bytes with one write call; creates the file. */
int cox_file_append(const char *path, const void *bytes, size_t length,
                    struct cox_err *err) COX_MUST_CHECK;
bool cox_file_exists(const char *path);
bool cox_file_is_directory(const char *path);
/* Creates the directory and its parents; an existing one is fine. */
int cox_directory_create(const char *path, struct cox_err *err) COX_MUST_CHECK;
/* The same, but a last folder that had to be made is its user's alone (mode 0700). */
int cox_directory_create_private(const char *path, struct cox_err *err) COX_MUST_CHECK;
/* Removes a directory with all that is in it; a missing one is fine. */
int cox_directory_remove(const char *path, struct cox_err *err) COX_MUST_CHECK;
/* "dir/name"; status COX_EINVAL if it does not fit. */
int cox_path_join(char *out, size_t size, const char *directory, const char *name,
                  struct cox_err *err) COX_MUST_CHECK;
/* `name` as seen from the folder of `file`: unchanged when absolute. */
int cox_path_beside(char *out, size_t size, const char *file, const char *name,
                    struct cox_err *err) COX_MUST_CHECK;

#endif
