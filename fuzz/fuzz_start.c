/* SPDX-License-Identifier: BSD-3-Clause */
/* Start files of `cox potential run`: extended XYZ, frame by frame, and LAMMPS data; replicated,
 * turned upright, given masses. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dynamics/lines.h"
#include "dynamics/start.h"
#include "fuzz.h"

static void use(struct cox_dyn_start *s, size_t size)
{
    const int times[3] = {1 + (int)(size % 2), 1, 2};
    struct cox_err err = COX_ERR_INIT;
    if (s->n > 1000)
        return;
    if (s->box.periodic && cox_dyn_start_replicate(s, times, &err) && !err.text[0])
        abort();
    cox_dyn_start_upright(s);
    if (cox_dyn_start_masses(s, NULL, 0, &err) && !err.text[0])
        abort();
    for (int i = 0; i < s->n; i++)
        if (s->species[i] < 0 || s->species[i] >= s->n_names)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"O", "H"};
    const struct cox_dyn_start_options options = {.type_names = size % 2 ? names : NULL,
                                                  .n_type_names = 2};
    struct cox_err err = COX_ERR_INIT;
    for (int kind = 0; kind < 2; kind++) {
        struct cox_dyn_start s;
        char *text = cox_alloc(size + 1, 1);
        if (!text)
            return 0;
        memcpy(text, data, size);
        struct cox_lines lines = {.path = "f", .next = text, .end = text + size};
        cox_dyn_start_init(&s);
        int rc = kind ? cox_dyn_lammps_parse(&s, &lines, &options, &err)
                      : cox_dyn_xyz_next(&s, &lines, &err);
        if (rc && !err.text[0])
            abort();
        if (!rc)
            use(&s, size);
        for (int i = 0; !rc && !kind && i < 10; i++)
            rc = cox_dyn_xyz_next(&s, &lines, &err);
        cox_dyn_start_deinit(&s);
        cox_free(text);
    }
    return 0;
}
