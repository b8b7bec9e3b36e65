/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/growing.h"

#include <string.h>

#include "base/mem.h"

#define MAXIMUM_ITEMS 100000000

int cox_growing_add(struct cox_growing *list, const void *item, struct cox_err *err)
{
    if (list->n == list->capacity) {
        int capacity = list->capacity ? 2 * list->capacity : 64;
        void *items =
            list->n < MAXIMUM_ITEMS ? cox_realloc(list->items, (size_t)capacity, list->size) : NULL;
        if (!items)
            return cox_err_set(err, COX_ENOMEM, "no memory for %d items", capacity);
        list->items = items;
        list->capacity = capacity;
    }
    memcpy((char *)list->items + (size_t)list->n * list->size, item, list->size);
    list->n++;
    return COX_OK;
}

void cox_growing_deinit(struct cox_growing *list)
{
    cox_free(list->items);
    list->items = NULL;
    list->n = list->capacity = 0;
}
