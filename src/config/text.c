/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool cox_config_is_number(enum cox_config_type type)
{
    return type == COX_CONFIG_INT || type == COX_CONFIG_INT64 || type == COX_CONFIG_DOUBLE ||
           type == COX_CONFIG_INTS || type == COX_CONFIG_DOUBLES;
}

bool cox_config_is_list(enum cox_config_type type)
{
    return type >= COX_CONFIG_INTS;
}

const char *cox_config_type_words(const struct cox_config_row *row)
{
    static const char *const words[] = {
        [COX_CONFIG_BOOL] = "true or false",
        [COX_CONFIG_INT] = "a whole number",
        [COX_CONFIG_INT64] = "a whole number",
        [COX_CONFIG_DOUBLE] = "a number",
        [COX_CONFIG_TEXT] = "a text",
        [COX_CONFIG_PATH] = "a path",
        [COX_CONFIG_ENUM] = "one word",
        [COX_CONFIG_SECTION] = "a section",
        [COX_CONFIG_INTS] = "a list of whole numbers",
        [COX_CONFIG_DOUBLES] = "a list of numbers",
        [COX_CONFIG_TEXTS] = "a list of texts",
        [COX_CONFIG_PATHS] = "a list of paths",
        [COX_CONFIG_SECTIONS] = "a list of sections",
    };
    return words[row->type];
}

void cox_config_add_double(struct cox_str *out, double value)
{
    char text[40];
    if (fabs(value) < 1e15 && value == floor(value)) {
        cox_str_addf(out, "%.0f", value); /* 1000000, not 1e+06 */
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double back = strtod(text, NULL);
        if (back == value)
            break;
    }
    cox_str_add(out, text);
}

static void add_items(struct cox_str *out, const struct cox_config_row *row)
{
    int most = row->max_items ? row->max_items : COX_CONFIG_MAX_ITEMS;
    if (row->min_items == most)
        cox_str_addf(out, "%d items", most);
    else if (row->min_items)
        cox_str_addf(out, "%d to %d items", row->min_items, most);
    else
        cox_str_addf(out, "at most %d items", most);
}

static void add_limits(struct cox_str *out, const struct cox_config_row *row)
{
    bool above = row->flags & COX_CONFIG_ABOVE_MINIMUM;
    if (isinf(row->maximum) && isinf(row->minimum))
        return;
    if (isinf(row->minimum)) {
        cox_str_add(out, "at most ");
        cox_config_add_double(out, row->maximum);
    } else if (isinf(row->maximum)) {
        cox_str_add(out, above ? "above " : "at least ");
        cox_config_add_double(out, row->minimum);
    } else {
        cox_str_add(out, above ? "above " : "");
        cox_config_add_double(out, row->minimum);
        cox_str_add(out, " to ");
        cox_config_add_double(out, row->maximum);
    }
    if (row->unit)
        cox_str_addf(out, " %s", row->unit);
}

void cox_config_add_range(struct cox_str *out, const struct cox_config_row *row)
{
    if (cox_config_is_number(row->type) && row->minimum != row->maximum)
        add_limits(out, row);
    if (row->type == COX_CONFIG_ENUM) {
        cox_str_add(out, "one of ");
        for (int i = 0; row->choices[i]; i++)
            cox_str_addf(out, "%s%s", i ? ", " : "", row->choices[i]);
    }
    if (cox_config_is_list(row->type) && (row->min_items || row->max_items)) {
        if (cox_config_is_number(row->type) && row->minimum != row->maximum)
            cox_str_add(out, "; ");
        add_items(out, row);
    }
}
