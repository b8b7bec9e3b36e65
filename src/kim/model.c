/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared object of a KIM portable model. A model is a folder: a copy of this object, the same
 * for all models, with model.dp and settings.json beside it. KIM hands a driver nothing but the
 * parameter files that are built into the model's object, so that usually every model is compiled;
 * here the one parameter file is made when the object is loaded, and says where it lies. */
#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "kim/item.h"

static unsigned char text[2 * PATH_MAX];
static struct cox_kim_file folder = {"coxswain-folder.txt", 0, text};

COX_KIM_EXPORT int kim_shared_library_schema_version = 2;
COX_KIM_EXPORT struct cox_kim_item kim_shared_library_schema = {
    .name = "coxswain_model",
    .driver = COX_KIM_DRIVER,
    .n_parameters = 1,
    .parameters = &folder,
};

/* KIM 2.4 and later have parameter files in base64. */
static unsigned base64(unsigned char *out, const char *in, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned length = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t word = 0;
        for (size_t k = 0; k < 3; k++)
            word = word << 8 | (i + k < n ? (unsigned char)in[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            out[length++] = (unsigned char)(i + k > n ? '=' : digit[word >> (18 - 6 * k) & 63]);
    }
    return length;
}

__attribute__((constructor)) static void find_myself(void)
{
    /* KIM's constants are the library's, which is there before this object's constructors run */
    kim_shared_library_schema.type = KIM_COLLECTION_ITEM_TYPE_portableModel;
    kim_shared_library_schema.language = KIM_LANGUAGE_NAME_c;
    Dl_info info;
    if (!dladdr(&kim_shared_library_schema, &info) || !info.dli_fname)
        return;
    const char *slash = strrchr(info.dli_fname, '/');
    size_t n = slash ? (size_t)(slash - info.dli_fname) : 0;
    if (n >= PATH_MAX)
        return;
    if (COX_KIM_BASE64) {
        folder.length = base64(text, slash ? info.dli_fname : ".", slash ? n : 1);
    } else {
        memcpy(text, slash ? info.dli_fname : ".", slash ? n : 1);
        folder.length = slash ? (unsigned)n : 1;
    }
}
