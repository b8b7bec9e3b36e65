/* SPDX-License-Identifier: BSD-3-Clause */
/* Trajectory files for viewers and other programs, written frame by frame.
 *   dcd  CHARMM/NAMD, float32 Å, no box; time step in the header in AKMA units
 *   xtc  GROMACS compressed (xdr3dfcoord), precision 0.001 nm, zero box
 *   pdb  one MODEL per frame, standard names, Å with three decimals
 * The file appears (atomically, fsynced) when closed; until then it grows beside `path` under a
 * temporary name. Use from one thread at a time. */
#ifndef COX_MOLECULE_TRAJFILE_H
#define COX_MOLECULE_TRAJFILE_H

#include <stdint.h>

#include "cox/err.h"
#include "cox/system.h"
#include "molecule/select.h"

enum cox_trajfile_format { COX_TRAJFILE_DCD, COX_TRAJFILE_XTC, COX_TRAJFILE_PDB };

struct cox_trajfile;

struct cox_trajfile_options {
    enum cox_trajfile_format format;
    const struct cox_selection *selection; /* NULL: all atoms; copied */
    double timestep_ps;                    /* of one step, for the DCD header; 0.002 */
    int64_t steps_per_frame;               /* likewise; 1 */
};
#define COX_TRAJFILE_OPTIONS_INIT                                              \
    {                                                                          \
        .format = COX_TRAJFILE_DCD, .timestep_ps = 0.002, .steps_per_frame = 1 \
    }

/* `system` is copied as far as needed. */
int cox_trajfile_create(struct cox_trajfile **out, const char *path,
                        const struct cox_system *system, const struct cox_trajfile_options *options,
                        struct cox_err *err) COX_MUST_CHECK;
/* x: the whole frame [n_atoms][3] nm; refuses non-finite coordinates and ones the format cannot
 * hold. */
int cox_trajfile_append(struct cox_trajfile *file, int64_t step, double time_ps,
                        const float (*x)[3], struct cox_err *err) COX_MUST_CHECK;
int64_t cox_trajfile_frames(const struct cox_trajfile *file);
/* Finishes and renames; frees `file` whether it succeeds or not. */
int cox_trajfile_close(struct cox_trajfile *file, struct cox_err *err) COX_MUST_CHECK;
/* Removes the temporary file; for error paths. NULL is allowed. */
void cox_trajfile_abandon(struct cox_trajfile *file);
/* By suffix .dcd, .xtc, .pdb; COX_EINVAL naming the three otherwise. */
int cox_trajfile_format_of(const char *path, enum cox_trajfile_format *out,
                           struct cox_err *err) COX_MUST_CHECK;

#endif
