/* SPDX-License-Identifier: BSD-3-Clause */
/* What a killed writer left: looks at a trajectory file, and puts it in order the way every resume
 * does. Nothing that was synced is ever taken away. */
#ifndef COX_STORE_REPAIR_H
#define COX_STORE_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"

enum cox_repair_state {
    COX_REPAIR_GOOD,    /* nothing was to do */
    COX_REPAIR_NEEDED,  /* only looked at */
    COX_REPAIR_DONE,    /* was put in order */
    COX_REPAIR_WRITTEN, /* a process is writing it: left alone */
    COX_REPAIR_DAMAGED  /* beyond repair: left untouched */
};

struct cox_repair {
    enum cox_repair_state state;
    unsigned flags;  /* of the superblock, as a killed writer left them */
    bool wrong_end;  /* the superblock does not know where the file ends */
    bool unfinished; /* its last writes are still to be made (h5/redo.h) */
    int64_t frames;  /* -1: unknown */
    int64_t voids;   /* rows of an append that was cut off; -1: unknown */
    char why[600];   /* of DAMAGED, and of NEEDED that could not be looked into */
};

/* `look`: changes nothing. Fails when the file is not there, may not be read or written, or is no
 * trajectory of Coxswain; what is wrong with one that is, is in *out. */
int cox_repair_file(struct cox_repair *out, const char *path, bool look,
                    struct cox_err *err) COX_MUST_CHECK;
/* "good", "needs repair", "repaired", "being written", "damaged" */
const char *cox_repair_word(enum cox_repair_state state);

#endif
