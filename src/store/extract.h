/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of a stored trajectory into files for viewers: which rows, which atoms, superposed or not.
 * Behind `cox export` and `cox lineage`. Use from one thread at a time. */
#ifndef COX_STORE_EXTRACT_H
#define COX_STORE_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"
#include "store/catalog.h"
#include "store/follow.h"

#define COX_EXTRACT_MAX_FILES 4

/* Opens a trajectory file, or the frames files and catalog.db of a run directory. *catalog is NULL
 * for a file; *frames: ids below it may be used (in a sequential run, those that the catalog
 * knows). The caller closes both. */
int cox_extract_open(struct cox_follow **follow, struct cox_catalog **catalog, int64_t *frames,
                     const char *run_or_file, struct cox_err *err) COX_MUST_CHECK;

/* A slice as Python's: "first:end:step", each may be missing, negative ones count from the end; a
 * single number is one frame. `text` NULL: all. Rows are first, first + step, … (count of them).
 * Refuses a step of 0, a single number outside the file, and a slice without any frame. */
struct cox_slice {
    int64_t first, step, count;
};
int cox_slice_parse(struct cox_slice *out, const char *text, int64_t frames,
                    struct cox_err *err) COX_MUST_CHECK;
/* The ids of a slice's frames, of one lane if lane >= 0 (the slice then counts the frames of that
 * lane). Where ids have holes, those of a slice are passed over. *ids freed with cox_free. */
int cox_extract_ids(int64_t **ids, int64_t *n, struct cox_follow *follow, int64_t frames,
                    const char *slice, int lane, struct cox_err *err) COX_MUST_CHECK;

struct cox_extract;

struct cox_extract_options {
    const char *paths[COX_EXTRACT_MAX_FILES]; /* by suffix: .dcd .xtc .pdb .h5 */
    int n_paths;
    const char *select; /* NULL: all atoms; not for .h5 */
    bool superpose;  /* on the first frame written, by the Cα atoms, or by all if there are none */
    double frame_ps; /* between frames, for DCD's header */
    int64_t steps_per_frame;
};

/* `follow` is borrowed until the extract is closed. */
int cox_extract_create(struct cox_extract **out, struct cox_follow *follow,
                       const struct cox_extract_options *options,
                       struct cox_err *err) COX_MUST_CHECK;
/* Writes a frame with the given step and time; `segment` goes into a column of .h5 files. */
int cox_extract_frame(struct cox_extract *extract, int64_t id, int64_t step, double time_ps,
                      int64_t segment, struct cox_err *err) COX_MUST_CHECK;
int cox_extract_atoms(const struct cox_extract *extract);
/* Finishes all files; frees in any case. */
int cox_extract_close(struct cox_extract *extract, struct cox_err *err) COX_MUST_CHECK;
/* Leaves no file behind. NULL is allowed. */
void cox_extract_abandon(struct cox_extract *extract);

#endif
