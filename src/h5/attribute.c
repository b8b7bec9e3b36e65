/* SPDX-License-Identifier: BSD-3-Clause */
#include "h5/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static int write_attribute(struct cox_h5 *file, const char *object, const char *key, hid_t type,
                           hid_t space, const void *value, struct cox_err *err)
{
    int rc = COX_OK;
    hid_t owner = H5Oopen(file->id, object, H5P_DEFAULT);
    if (owner < 0)
        return cox_h5_fail(file, "open", object, err);
    if (H5Aexists(owner, key) > 0)
        H5Adelete(owner, key);
    hid_t attribute = H5Acreate2(owner, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, type, value) < 0)
        rc = cox_h5_fail(file, "write attribute", key, err);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Oclose(owner);
    return rc;
}

static int set_texts(struct cox_h5 *file, const char *object, const char *key, hid_t space,
                     const void *texts, struct cox_err *err)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    int rc = write_attribute(file, object, key, type, space, texts, err);
    H5Sclose(space);
    H5Tclose(type);
    return rc;
}

int cox_h5_set_text(struct cox_h5 *file, const char *object, const char *key, const char *text,
                    struct cox_err *err)
{
    cox_h5_enter();
    int rc = set_texts(file, object, key, H5Screate(H5S_SCALAR), &text, err);
    cox_h5_leave();
    return rc;
}

int cox_h5_set_texts(struct cox_h5 *file, const char *object, const char *key, int n,
                     const char *const *texts, struct cox_err *err)
{
    hsize_t size[1] = {(hsize_t)n};
    cox_h5_enter();
    int rc = set_texts(file, object, key, H5Screate_simple(1, size, NULL), texts, err);
    cox_h5_leave();
    return rc;
}

int cox_h5_set_number(struct cox_h5 *file, const char *object, const char *key, double value,
                      struct cox_err *err)
{
    cox_h5_enter();
    hid_t space = H5Screate(H5S_SCALAR);
    int rc = write_attribute(file, object, key, H5T_NATIVE_DOUBLE, space, &value, err);
    H5Sclose(space);
    cox_h5_leave();
    return rc;
}

int cox_h5_set_ints(struct cox_h5 *file, const char *object, const char *key, int n,
                    const int32_t *values, struct cox_err *err)
{
    hsize_t size[1] = {(hsize_t)n};
    cox_h5_enter();
    hid_t space = H5Screate_simple(1, size, NULL);
    int rc = write_attribute(file, object, key, H5T_NATIVE_INT32, space, values, err);
    H5Sclose(space);
    cox_h5_leave();
    return rc;
}

/* Opens an attribute that must be of class `class` and have n values. */
static hid_t open_attribute(struct cox_h5 *file, const char *object, const char *key, bool text,
                            int n, int *rc, struct cox_err *err)
{
    hid_t owner = cox_h5_exists_locked(file, object) ? H5Oopen(file->id, object, H5P_DEFAULT) : -1;
    hid_t attribute =
        owner >= 0 && H5Aexists(owner, key) > 0 ? H5Aopen(owner, key, H5P_DEFAULT) : -1;
    if (owner >= 0)
        H5Oclose(owner);
    if (attribute < 0) {
        H5Eclear2(H5E_DEFAULT);
        *rc = cox_err_set(err, COX_EFORMAT, "%s: '%s' has no attribute '%s'", file->path, object,
                          key);
        return -1;
    }
    hid_t space = H5Aget_space(attribute);
    hid_t type = H5Aget_type(attribute);
    H5T_class_t class = H5Tget_class(type);
    bool good = H5Sget_simple_extent_npoints(space) == n &&
                (text ? class == H5T_STRING : class == H5T_INTEGER || class == H5T_FLOAT);
    H5Tclose(type);
    H5Sclose(space);
    if (!good) {
        H5Aclose(attribute);
        *rc = cox_err_set(err, COX_EFORMAT, "%s: attribute '%s' of '%s' must be %d %s", file->path,
                          key, object, n, text ? "text" : "number(s)");
        return -1;
    }
    return attribute;
}

static int read_text(struct cox_h5 *file, hid_t attribute, const char *key, char **out,
                     struct cox_err *err)
{
    int rc = COX_OK;
    hid_t type = H5Aget_type(attribute);
    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        hid_t space = H5Aget_space(attribute);
        if (H5Aread(attribute, type, &text) < 0 || !text)
            rc = cox_h5_fail(file, "read attribute", key, err);
        else
            *out = cox_strdup(text);
        if (text)
            H5Dvlen_reclaim(type, space, H5P_DEFAULT, &text);
        H5Sclose(space);
    } else {
        *out = cox_alloc(H5Tget_size(type) + 1, 1);
        if (*out && H5Aread(attribute, type, *out) < 0)
            rc = cox_h5_fail(file, "read attribute", key, err);
    }
    H5Tclose(type);
    if (!rc && !*out)
        rc = cox_err_set(err, COX_ENOMEM, "%s: out of memory reading '%s'", file->path, key);
    return rc;
}

int cox_h5_get_text(struct cox_h5 *file, const char *object, const char *key, char **out,
                    struct cox_err *err)
{
    int rc = COX_OK;
    *out = NULL;
    cox_h5_enter();
    hid_t attribute = open_attribute(file, object, key, true, 1, &rc, err);
    if (attribute >= 0) {
        rc = read_text(file, attribute, key, out, err);
        H5Aclose(attribute);
    }
    cox_h5_leave();
    if (rc) {
        cox_free(*out);
        *out = NULL;
    }
    return rc;
}

static int get_numbers(struct cox_h5 *file, const char *object, const char *key, int n, hid_t type,
                       void *values, struct cox_err *err)
{
    int rc = COX_OK;
    hid_t attribute = open_attribute(file, object, key, false, n, &rc, err);
    if (attribute < 0)
        return rc;
    if (H5Aread(attribute, type, values) < 0)
        rc = cox_h5_fail(file, "read attribute", key, err);
    H5Aclose(attribute);
    return rc;
}

int cox_h5_get_number(struct cox_h5 *file, const char *object, const char *key, double *out,
                      struct cox_err *err)
{
    cox_h5_enter();
    int rc = get_numbers(file, object, key, 1, H5T_NATIVE_DOUBLE, out, err);
    cox_h5_leave();
    return rc;
}

int cox_h5_get_ints(struct cox_h5 *file, const char *object, const char *key, int n,
                    int32_t *values, struct cox_err *err)
{
    cox_h5_enter();
    int rc = get_numbers(file, object, key, n, H5T_NATIVE_INT32, values, err);
    cox_h5_leave();
    return rc;
}
