/* SPDX-License-Identifier: BSD-3-Clause */
/* input.json of a training: whatever is accepted is written as an input that is accepted again and
 * then is the same. */
#include <stdlib.h>
#include <string.h>

#include "dp_train/input.h"
#include "fuzz.h"

static void parse(const char *bytes, size_t size, const char *before)
{
    struct cox_arena *arena = cox_arena_create();
    struct cox_dp_input *input = cox_arena_alloc(arena, 1, sizeof *input);
    struct cox_config_text text = {"input.json", bytes, size};
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_dp_input_parse(input, &text, arena, &err);
    if (rc && (!err.text[0] || before))
        abort();
    if (!rc) {
        char *json;
        if (cox_dp_input_json(&json, input, NULL, &err))
            abort();
        if (before && strcmp(json, before))
            abort();
        if (!before)
            parse(json, strlen(json), json);
        cox_free(json);
    }
    cox_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse((const char *)data, size, NULL);
    return 0;
}
