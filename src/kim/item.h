/* SPDX-License-Identifier: BSD-3-Clause */
/* What the KIM API looks for in the shared object of a driver or a model: two symbols, the number 2
 * and this structure. KIM itself describes it in C++ (KIM_SharedLibrarySchema.hpp), whose layout
 * this is. */
#ifndef COX_KIM_ITEM_H
#define COX_KIM_ITEM_H

#include <KIM_CollectionItemType.h>
#include <KIM_FunctionTypes.h>
#include <KIM_LanguageName.h>

#include "kim/collections.h"

#define COX_KIM_EXPORT __attribute__((visibility("default")))

struct cox_kim_file {
    const char *name;
    unsigned int length;
    const unsigned char *bytes;
};

struct cox_kim_item {
    KIM_CollectionItemType type;
    const char *name;
    KIM_LanguageName language; /* of create */
    KIM_Function *create;
    const char *driver;
    const struct cox_kim_file *simulator;
    int n_parameters;
    const struct cox_kim_file *parameters;
    int n_metadata;
    const struct cox_kim_file *metadata;
};

extern int kim_shared_library_schema_version;
extern struct cox_kim_item kim_shared_library_schema;

#endif
