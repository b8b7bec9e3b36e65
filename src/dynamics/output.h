/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run writes into its folder: traj.h5 (H5MD) and/or traj.xyz (extended XYZ), thermo.csv.
 * A run that goes on cuts them to where its checkpoint was taken. */
#ifndef COX_DYNAMICS_OUTPUT_H
#define COX_DYNAMICS_OUTPUT_H

#include "dynamics/dynamics.h"
#include "dynamics/start.h"

struct cox_dyn_output;

struct cox_dyn_output_options {
    bool h5, xyz;
    bool velocities, forces; /* forces in the XYZ only */
    bool wrap;               /* positions into the box, else as atoms travelled */
};

/* Where the files end. */
struct cox_dyn_marks {
    int64_t h5_frames, xyz_bytes, thermo_bytes;
};

/* `who` is borrowed for names and masses. `marks` NULL: new files; else they are cut to it. */
int cox_dyn_output_open(struct cox_dyn_output **out, const char *folder,
                        const struct cox_dyn_start *who,
                        const struct cox_dyn_output_options *options,
                        const struct cox_dyn_marks *marks, struct cox_err *err) COX_MUST_CHECK;
int cox_dyn_output_frame(struct cox_dyn_output *o, const struct cox_dyn_state *state,
                         const struct cox_dyn_sample *sample, struct cox_err *err) COX_MUST_CHECK;
int cox_dyn_output_thermo(struct cox_dyn_output *o, const struct cox_dyn_state *state,
                          const struct cox_dyn_sample *sample, struct cox_err *err) COX_MUST_CHECK;
/* Safe on the disk; `marks` may be NULL. */
int cox_dyn_output_sync(struct cox_dyn_output *o, struct cox_dyn_marks *marks,
                        struct cox_err *err) COX_MUST_CHECK;
int64_t cox_dyn_output_frames(const struct cox_dyn_output *o);
/* Syncs and closes, frees in any case; NULL is allowed. */
int cox_dyn_output_close(struct cox_dyn_output *o, struct cox_err *err) COX_MUST_CHECK;

/* One frame as a file of its own, in full precision, with velocities and masses. */
int cox_dyn_output_structure(const char *path, const struct cox_dyn_start *who,
                             const struct cox_dyn_state *state, double time_ps,
                             struct cox_err *err) COX_MUST_CHECK;

/* The exact state of a run, replaced as a whole; any change of its bytes is noticed. */
struct cox_dyn_checkpoint {
    struct cox_dyn_marks marks;
    size_t state_size, rdf_size;
    void *state, *rdf; /* of cox_dyn_checkpoint_load: one block, at `state`: cox_free */
};
int cox_dyn_checkpoint_save(const char *path, const struct cox_dyn_checkpoint *checkpoint,
                            struct cox_err *err) COX_MUST_CHECK;
int cox_dyn_checkpoint_load(struct cox_dyn_checkpoint *out, const char *path,
                            struct cox_err *err) COX_MUST_CHECK;

#endif
