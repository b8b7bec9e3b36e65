/* SPDX-License-Identifier: BSD-3-Clause */
/* The settings of `cox run`: parsed, and if accepted, what is emitted is accepted again. */
#include <stdlib.h>

#include "config/config.h"
#include "fuzz.h"
#include "steer/settings.h"

static void parse(const char *name, const char *bytes, size_t size, int again)
{
    struct cox_arena *arena = cox_arena_create();
    struct cox_settings settings;
    struct cox_config_text text = {name, bytes, size};
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_config_parse(NULL, &settings, &cox_settings_schema, &text, arena, &err);
    if (rc && (!err.text[0] || again))
        abort();
    if (!rc && !again) {
        struct cox_str out;
        cox_str_init(&out, (size_t)8 << 20);
        cox_config_emit(&out, &cox_settings_schema, &settings);
        if (cox_str_status(&out, &err))
            abort();
        parse("/f.yaml", out.text, out.length, 1);
        cox_str_deinit(&out);
    }
    cox_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse("f.yaml", (const char *)data, size, 0);
    return 0;
}
