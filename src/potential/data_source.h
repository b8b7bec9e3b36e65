/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a labelled system lies: a folder of text and .npy files, or a group of an HDF5 file that
 * has datasets of the same names ("FILE.h5#/GROUP"). For data.c, and who needs a name only. */
#ifndef COX_POTENTIAL_DATA_SOURCE_H
#define COX_POTENTIAL_DATA_SOURCE_H

#include <limits.h>
#include <stdbool.h>

#include "cox/err.h"
#include "h5/h5.h"
#include "potential/npy.h"

struct cox_dp_source {
    char path[PATH_MAX]; /* as given: for messages */
    char root[PATH_MAX]; /* the folder, or the group within the file ("" or "/a/b") */
    struct cox_h5 *file; /* NULL: a folder */
};

int cox_dp_source_open(struct cox_dp_source *source, const char *path,
                       struct cox_err *err) COX_MUST_CHECK;
void cox_dp_source_close(struct cox_dp_source *source);
/* `name` is relative: "type.raw", "set.000/coord.npy". */
bool cox_dp_source_has(const struct cox_dp_source *source, const char *name);
int cox_dp_source_array(struct cox_npy *out, const struct cox_dp_source *source, const char *name,
                        struct cox_err *err) COX_MUST_CHECK;
/* The words of a text file, or the items of a dataset; *words is one block, freed with cox_free.
 */
int cox_dp_source_words(char ***words, int *n, const struct cox_dp_source *source, const char *name,
                        struct cox_err *err) COX_MUST_CHECK;
/* What is in `folder` ("" for the system itself), sorted; likewise one block. */
int cox_dp_source_list(char ***names, int *n, const struct cox_dp_source *source,
                       const char *folder, struct cox_err *err) COX_MUST_CHECK;
/* "path/name" for messages; `size` of PATH_MAX is enough for all that is opened. */
void cox_dp_source_name(char *out, size_t size, const struct cox_dp_source *source,
                        const char *name);

#endif
