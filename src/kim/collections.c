/* SPDX-License-Identifier: BSD-3-Clause */
#include "kim/collections.h"

#include <KIM_Collection.h>
#include <KIM_CollectionItemType.h>
#include <KIM_Collections.h>
#include <KIM_Log.h>
#include <KIM_LogVerbosity.h>
#include <KIM_SpeciesName.h>
#include <string.h>

/* The first folder of the user's collection for items of this kind. */
static int folder_of(char *out, size_t size, KIM_Collections *collections,
                     KIM_CollectionItemType kind)
{
    int n = 0;
    const char *name = NULL;
    if (KIM_Collections_CacheListOfDirectoryNames(collections, KIM_COLLECTION_user, kind, &n) ||
        n < 1 || KIM_Collections_GetDirectoryName(collections, 0, &name) || strlen(name) >= size)
        return 1;
    memcpy(out, name, strlen(name) + 1);
    return 0;
}

int cox_kim_user_folders(char *drivers, char *models, size_t size)
{
    KIM_Collections *collections = NULL;
    KIM_Log_PushDefaultVerbosity(KIM_LOG_VERBOSITY_silent); /* else a kim.log where one stands */
    int failed = KIM_Collections_Create(&collections);
    KIM_Log_PopDefaultVerbosity();
    if (failed)
        return 1;
    failed = folder_of(drivers, size, collections, KIM_COLLECTION_ITEM_TYPE_modelDriver) ||
             folder_of(models, size, collections, KIM_COLLECTION_ITEM_TYPE_portableModel);
    KIM_Collections_Destroy(&collections);
    return failed;
}

int cox_kim_species_known(const char *name)
{
    return KIM_SpeciesName_Known(KIM_SpeciesName_FromString(name));
}
