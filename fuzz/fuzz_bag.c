/* SPDX-License-Identifier: BSD-3-Clause */
/* A bag.yaml: parsed and checked; if it is accepted, so is what is emitted of it, which gives the
 * same, and every point is where its parameters say. The same bytes as a template and as a line of
 * a command, too. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sweep/job_command.h"
#include "sweep/job_template.h"
#include "sweep/points.h"
#include "sweep/settings_check.h"

static void check_points(const struct cox_sweep_settings *settings, const struct cox_config *config)
{
    struct cox_points points;
    struct cox_err err = COX_ERR_INIT;
    double grid = 1;
    for (int k = 0; k < settings->parameters.n; k++) {
        const struct cox_sweep_parameter *p =
            (const struct cox_sweep_parameter *)settings->parameters.items + k;
        grid *= p->range.n ? fmax(p->steps, 1) : p->values.n + p->choices.n;
    }
    if (settings->design.kind == COX_DESIGN_FILE || settings->design.points > 2000 || grid > 20000)
        return;
    if (cox_points_create(&points, settings, config, &err)) {
        if (!err.text[0])
            abort();
        return;
    }
    for (int i = 0; i < points.n * points.n_inputs; i++) {
        const struct cox_sweep_parameter *p = &points.parameter[i % points.n_inputs];
        double x = points.x[i];
        bool good = p->choices.n ? x >= 0 && x < p->choices.n && x == floor(x) : isfinite(x);
        if (p->range.n)
            good &= x >= p->range.items[0] && x <= p->range.items[1];
        if (!good)
            abort();
    }
    for (int i = 0; i < points.n * points.n_features; i++)
        if (!isfinite(points.feature[i]))
            abort();
    cox_points_deinit(&points);
}

static void parse(const char *bytes, size_t size, const struct cox_str *before)
{
    struct cox_arena *arena = cox_arena_create();
    struct cox_sweep_settings settings;
    struct cox_config *config = NULL;
    struct cox_config_text text = {"/tmp/f.yaml", bytes, size};
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_config_parse(&config, &settings, &cox_sweep_settings_schema, &text, arena, &err);
    if (!rc)
        rc = cox_sweep_settings_finish(&settings, text.name, config, arena, &err);
    if (rc && (!err.text[0] || before))
        abort();
    if (!rc) {
        struct cox_str out;
        cox_str_init(&out, (size_t)8 << 20);
        cox_config_emit(&out, &cox_sweep_settings_schema, &settings);
        if (cox_str_status(&out, &err))
            abort();
        if (before && strcmp(out.text, before->text) != 0)
            abort();
        check_points(&settings, config);
        if (!before)
            parse(out.text, out.length, &out);
        cox_str_deinit(&out);
    }
    cox_arena_destroy(arena);
}

static void render(const char *bytes, size_t size)
{
    static const double ends[] = {0, 1};
    static const char *const words[] = {"a", "b"};
    static const struct cox_sweep_parameter two[] = {
        {.name = "h", .range = {2, ends}},
        {.name = "salt", .choices = {2, words}},
    };
    static const double x[] = {0.5, 1};
    const struct cox_template_scope scope = {2, two, NULL};
    const struct cox_template_values values = {.x = x, .seed = 5, .cores = 2, .bag = "/b"};
    struct cox_arena *arena = cox_arena_create();
    struct cox_template t;
    struct cox_err err = COX_ERR_INIT;
    struct cox_str out;
    cox_str_init(&out, (size_t)64 << 20);
    if (!cox_template_file(&t, "f", bytes, size, &scope, arena, &err))
        cox_template_render(&t, &scope, &values, &out);
    else if (!err.text[0])
        abort();
    /* without braces around names nothing changes */
    if (!err.text[0] && !memchr(bytes, '{', size) &&
        (out.length != size || (size && memcmp(out.text, bytes, size) != 0)))
        abort();
    char *line = cox_arena_alloc(arena, size + 1, 1);
    memcpy(line, bytes, size);
    struct cox_config_texts split;
    const struct cox_config_texts command = {1, (const char *const *)&line};
    if (!cox_command_words(&split, &command, arena, &err))
        for (int i = 0; i < split.n; i++) {
            out.length = 0;
            if (!cox_template_argument(&t, split.items[i], &scope, arena, &err))
                cox_template_render(&t, &scope, &values, &out);
        }
    cox_str_deinit(&out);
    cox_arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse((const char *)data, size, NULL);
    render((const char *)data, size);
    return 0;
}
