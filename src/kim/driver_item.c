/* SPDX-License-Identifier: BSD-3-Clause */
/* What KIM looks for in the driver's shared object. */
#include "kim/driver.h"
#include "kim/item.h"

COX_KIM_EXPORT int kim_shared_library_schema_version = 2;
COX_KIM_EXPORT struct cox_kim_item kim_shared_library_schema = {
    .name = COX_KIM_DRIVER,
    .create = (KIM_Function *)cox_kim_driver_create,
};

__attribute__((constructor)) static void fill_in(void)
{
    /* KIM's constants are the library's, which is there before this object's constructors run */
    kim_shared_library_schema.type = KIM_COLLECTION_ITEM_TYPE_modelDriver;
    kim_shared_library_schema.language = KIM_LANGUAGE_NAME_c;
}
