/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/lcurve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define FILE_MAXIMUM ((size_t)1 << 30)

static void name(struct cox_str *s, const struct cox_dp_lcurve *c, const char *what)
{
    char val[32];
    char trn[32];
    snprintf(val, sizeof val, "%s_val", what);
    snprintf(trn, sizeof trn, "%s_trn", what);
    if (c->validation)
        cox_str_addf(s, "   %11s %11s", val, trn);
    else
        cox_str_addf(s, "   %11s", trn);
}

static void header(struct cox_str *s, const struct cox_dp_lcurve *c)
{
    cox_str_addf(s, "# %-5s", "step");
    name(s, c, "rmse");
    if (c->energy)
        name(s, c, "rmse_e");
    if (c->force)
        name(s, c, "rmse_f");
    if (c->virial)
        name(s, c, "rmse_v");
    cox_str_addf(s, "   %-8s\n", "lr");
    cox_str_add(s, "# If there is no available reference data, rmse_*_{val,trn} will print nan\n");
}

static void value(struct cox_str *s, const struct cox_dp_lcurve *c, double validation,
                  double training)
{
    if (c->validation)
        cox_str_addf(s, "   %11.2e %11.2e", validation, training);
    else
        cox_str_addf(s, "   %11.2e", training);
}

int cox_dp_lcurve_begin(const struct cox_dp_lcurve *c, struct cox_err *err)
{
    struct cox_str s;
    cox_str_init(&s, 4096);
    header(&s, c);
    int rc = cox_str_status(&s, err);
    if (!rc)
        rc = cox_file_replace(c->path, s.text, s.length, err);
    cox_str_deinit(&s);
    return rc;
}

int cox_dp_lcurve_cut(const struct cox_dp_lcurve *c, int64_t step, struct cox_err *err)
{
    char *text;
    size_t length;
    if (!cox_file_exists(c->path))
        return cox_dp_lcurve_begin(c, err);
    int rc = cox_file_read(&text, &length, c->path, FILE_MAXIMUM, err);
    if (rc)
        return rc;
    size_t keep = 0;
    for (size_t at = 0; at < length;) {
        char *end = memchr(text + at, '\n', length - at);
        if (!end)
            break; /* a row that a killed writer did not finish */
        if (text[at] != '#' && strtoll(text + at, NULL, 10) >= step)
            break;
        at = (size_t)(end - text) + 1;
        keep = at;
    }
    rc = cox_file_replace(c->path, text, keep, err);
    cox_free(text);
    return rc;
}

int cox_dp_lcurve_add(const struct cox_dp_lcurve *c, const struct cox_dp_row *row,
                      struct cox_err *err)
{
    struct cox_str s;
    cox_str_init(&s, 4096);
    cox_str_addf(&s, "%7lld", (long long)row->step);
    value(&s, c, row->validation.total, row->training.total);
    if (c->energy)
        value(&s, c, row->validation.energy, row->training.energy);
    if (c->force)
        value(&s, c, row->validation.force, row->training.force);
    if (c->virial)
        value(&s, c, row->validation.virial, row->training.virial);
    cox_str_addf(&s, "   %8.1e\n", row->rate);
    int rc = cox_str_status(&s, err);
    if (!rc)
        rc = cox_file_append(c->path, s.text, s.length, err);
    cox_str_deinit(&s);
    return rc;
}
