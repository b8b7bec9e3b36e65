/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/columns.h"

#include <stdio.h>
#include <string.h>

static void name_column(struct cox_traj_column *column, const char *name, enum cox_traj_type type)
{
    *column = (struct cox_traj_column){.type = type};
    snprintf(column->name, sizeof column->name, "%s", name);
    const char *end = strchr(name, '(');
    int n = end ? (int)(end - name) : (int)strlen(name);
    if (n > 2 && !strncmp(name + n - 2, "_A", 2))
        snprintf(column->unit, sizeof column->unit, "Angstrom");
    else if (n > 4 && !strncmp(name + n - 4, "_deg", 4))
        snprintf(column->unit, sizeof column->unit, "degree");
    else if (!strcmp(name, "temperature_K"))
        snprintf(column->unit, sizeof column->unit, "K");
}

int cox_columns_values(const struct cox_frames *frames)
{
    return frames->n_observables + 1;
}

int cox_columns(const struct cox_frames *frames, bool streaming,
                struct cox_traj_column out[COX_COLUMNS_MAX])
{
    int n = COX_COLUMN_VALUES;
    name_column(&out[COX_COLUMN_SEGMENT], "segment", COX_TRAJ_I32);
    name_column(&out[COX_COLUMN_LANE], "lane", COX_TRAJ_I32);
    name_column(&out[COX_COLUMN_ROUND], "round", COX_TRAJ_I32);
    for (int i = 0; i < frames->n_observables; i++)
        name_column(&out[n++], cox_observable_name(frames->observable[i]), COX_TRAJ_F32);
    name_column(&out[n++], "temperature_K", COX_TRAJ_F32);
    if (streaming)
        name_column(&out[n++], "index", COX_TRAJ_I32);
    return n;
}

void cox_columns_fill(const struct cox_frames *frames, const float (*x)[3], float temperature_K,
                      float *values)
{
    for (int i = 0; i < frames->n_observables; i++)
        values[i] = (float)cox_observable_value(frames->observable[i], x);
    values[frames->n_observables] = temperature_K;
}
