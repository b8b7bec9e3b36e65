/* SPDX-License-Identifier: BSD-3-Clause */
/* A growing list of equal items, for readers that learn the counts only at the end. */
#ifndef COX_MOLECULE_GROWING_H
#define COX_MOLECULE_GROWING_H

#include <stddef.h>

#include "cox/err.h"

struct cox_growing {
    void *items; /* owned */
    size_t size; /* of one item, bytes */
    int n, capacity;
};
#define COX_GROWING_INIT(type)   \
    {                            \
        NULL, sizeof(type), 0, 0 \
    }

/* Appends a copy of *item. */
int cox_growing_add(struct cox_growing *list, const void *item, struct cox_err *err) COX_MUST_CHECK;
void cox_growing_deinit(struct cox_growing *list);

#endif
