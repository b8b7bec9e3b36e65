/* SPDX-License-Identifier: BSD-3-Clause */
/* DCD as CHARMM and NAMD write it: Fortran records (length, bytes, length), float32 Å, one record
 * per axis and frame. The header's count of frames is filled in at the end. */
#include <string.h>

#include "base/mem.h"
#include "molecule/trajfile_internal.h"

#define AKMA_PS 0.0488882129 /* CHARMM's unit of time */
#define TITLE_SIZE 80
#define COUNT_AT 8 /* of the frame count in the file: after the record's length and "CORD" */

static int put_record(struct cox_trajfile *file, const void *bytes, size_t n, struct cox_err *err)
{
    int32_t length = (int32_t)n;
    int rc = cox_trajfile_put(file, &length, sizeof length, err);
    if (!rc)
        rc = cox_trajfile_put(file, bytes, n, err);
    return rc ? rc : cox_trajfile_put(file, &length, sizeof length, err);
}

static int begin(struct cox_trajfile *file, struct cox_err *err)
{
    int32_t header[21] = {0};
    float delta = (float)(file->options.timestep_ps / AKMA_PS);
    memcpy(&header[0], "CORD", 4);
    header[3] = (int32_t)file->options.steps_per_frame; /* NSAVC */
    memcpy(&header[10], &delta, sizeof delta);
    header[20] = 24; /* CHARMM version: the time step is a float */
    char title[4 + TITLE_SIZE];
    const int32_t lines = 1;
    memset(title, ' ', sizeof title);
    memcpy(title, &lines, sizeof lines);
    char text[TITLE_SIZE + 1];
    int n = snprintf(text, sizeof text, "coxswain: %s", file->title);
    memcpy(title + 4, text, (size_t)n < TITLE_SIZE ? (size_t)n : TITLE_SIZE);
    const int32_t atoms = file->n;
    file->state = cox_alloc((size_t)file->n, sizeof(float));
    if (!file->state)
        return cox_err_set(err, COX_ENOMEM, "out of memory writing '%s'", file->path);
    int rc = put_record(file, header, sizeof header, err);
    if (!rc)
        rc = put_record(file, title, sizeof title, err);
    return rc ? rc : put_record(file, &atoms, sizeof atoms, err);
}

static int frame(struct cox_trajfile *file, int64_t step, double time_ps, struct cox_err *err)
{
    float *row = file->state;
    int rc = COX_OK;
    (void)step;
    (void)time_ps;
    for (int k = 0; !rc && k < 3; k++) {
        for (int i = 0; i < file->n; i++)
            row[i] = 10 * file->x[i][k];
        rc = put_record(file, row, (size_t)file->n * sizeof *row, err);
    }
    return rc;
}

static int end(struct cox_trajfile *file, struct cox_err *err)
{
    /* NSET, ISTART, NSAVC, NSTEP */
    const int32_t counts[4] = {(int32_t)file->frames, (int32_t)file->first_step,
                               (int32_t)file->options.steps_per_frame,
                               (int32_t)(file->frames * file->options.steps_per_frame)};
    if (fseek(file->stream, COUNT_AT, SEEK_SET))
        return cox_err_errno(err, "cannot write '%s'", file->path);
    return cox_trajfile_put(file, counts, sizeof counts, err);
}

const struct cox_trajfile_ops cox_trajfile_dcd = {".dcd", 1e6, begin, frame, end};
