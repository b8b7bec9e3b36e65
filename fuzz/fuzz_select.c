/* SPDX-License-Identifier: BSD-3-Clause */
/* Selection expressions, on a small system. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "molecule/select.h"

static struct cox_system *sample(void)
{
    struct cox_system *s = NULL;
    if (cox_system_create(&s, 6, 2, 0, 0, 0, 0, 0, NULL))
        abort();
    static const char names[6][3] = {"N", "CA", "C", "N", "CA", "HA"};
    for (int i = 0; i < 6; i++) {
        memcpy(s->atom_name[i], names[i], 3);
        s->residue[i] = i / 3;
        s->element[i] = i % 3 ? 6 : 7;
        s->mass_u[i] = 12;
    }
    memcpy(s->residue_name[0], "ALA", 4);
    memcpy(s->residue_name[1], "TYR", 4);
    s->residue_number[0] = -1;
    s->residue_number[1] = 12;
    memcpy(s->chain[0], "A", 2);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cox_system *system = sample();
    struct cox_selection selection = {0, NULL};
    struct cox_err err = COX_ERR_INIT;
    char *text = cox_strndup((const char *)data, size);
    int rc = cox_selection_init(&selection, system, text, &err);
    if (rc && !err.text[0])
        abort();
    for (int i = 0; !rc && i < selection.n; i++)
        if (selection.atom[i] < 0 || selection.atom[i] >= 6)
            abort();
    if (!rc)
        cox_selection_deinit(&selection);
    cox_free(text);
    cox_system_destroy(system);
    return 0;
}
