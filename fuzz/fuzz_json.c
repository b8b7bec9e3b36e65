/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON: what is accepted comes back as text that is accepted. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = cox_strndup((const char *)data, size);
    struct cox_json *json = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (cox_json_parse(&json, text, &err) == COX_OK) {
        char *again = cox_json_text(json, size % 2);
        cox_json_get_number(json, "a", 0);
        cox_json_get_text(json, "title");
        struct cox_json *second = NULL;
        if (again && cox_json_parse(&second, again, &err) != COX_OK)
            abort();
        cox_json_destroy(second);
        cox_free(again);
    }
    cox_json_destroy(json);
    cox_free(text);
    return 0;
}
