/* SPDX-License-Identifier: BSD-3-Clause */
/* https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html: magic, version, length of
 * the header, a Python dict literal with descr, fortran_order and shape, the numbers. */
#include "potential/npy.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#define NPY_MAXIMUM ((size_t)64 << 30)

struct dtype {
    char kind;
    size_t size;
};

static int bad(const char *path, struct cox_err *err, const char *what)
{
    return cox_err_set(err, COX_EFORMAT, "'%s': %s", path, what);
}

/* What stands behind 'key': in the header, NULL when it is not there. */
static const char *value_of(const char *header, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : NULL;
}

static int read_dtype(const char *path, const char *header, struct dtype *out, struct cox_err *err)
{
    static const char *const known[] = {"'<f8'", "'<f4'", "'<f2'", "'<i8'",
                                        "'<i4'", "'|b1'", "'|i1'"};
    const char *descr = value_of(header, "descr");
    for (size_t i = 0; descr && i < sizeof known / sizeof known[0]; i++)
        if (cox_str_starts(descr, known[i])) {
            out->kind = known[i][2];
            out->size = (size_t)(known[i][3] - '0');
            return COX_OK;
        }
    return cox_err_set(err, COX_EFORMAT,
                       "'%s' holds %.12s; little-endian floats (f8, f4) and integers can be read",
                       path, descr ? descr : "no dtype");
}

static int read_shape(const char *path, const char *header, struct cox_npy *out,
                      struct cox_err *err)
{
    const char *at = value_of(header, "shape");
    if (!at || *at != '(')
        return bad(path, err, "the header has no shape");
    at++;
    out->rank = 0;
    out->n = 1;
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')')
            return COX_OK;
        size_t digits = strspn(at, "0123456789");
        if (!digits || digits > 15 || out->rank == COX_NPY_MAX_RANK)
            return bad(path, err, "the header's shape cannot be used");
        int64_t length = 0;
        for (size_t i = 0; i < digits; i++)
            length = length * 10 + (at[i] - '0');
        if (length && out->n > INT64_MAX / 16 / length)
            return bad(path, err, "the header's shape is too large");
        out->dims[out->rank++] = length;
        out->n *= length;
        at += digits;
    }
}

static double half(const unsigned char *bytes)
{
    int bits = bytes[0] | bytes[1] << 8;
    int exponent = bits >> 10 & 31;
    double value = exponent ? 1 + (bits & 1023) / 1024.0 : (bits & 1023) / 512.0;
    for (int e = exponent - 15; e > 0; e--)
        value *= 2;
    for (int e = exponent - 15; e < 0; e++)
        value /= 2;
    return bits & 0x8000 ? -value : value;
}

static double number_at(const struct dtype *type, const unsigned char *bytes)
{
    double d;
    float f;
    int64_t l;
    int32_t i;
    if (type->kind == 'f' && type->size == 8)
        return memcpy(&d, bytes, sizeof d), d;
    if (type->kind == 'f' && type->size == 4)
        return memcpy(&f, bytes, sizeof f), (double)f;
    if (type->kind == 'f')
        return half(bytes);
    if (type->size == 8)
        return memcpy(&l, bytes, sizeof l), (double)l;
    if (type->size == 4)
        return memcpy(&i, bytes, sizeof i), i;
    return (signed char)*bytes;
}

static int parse(struct cox_npy *out, const char *path, const char *bytes, size_t length,
                 struct cox_err *err)
{
    struct dtype type = {'f', 8};
    const unsigned char *u = (const unsigned char *)bytes;
    if (length < 10 || memcmp(bytes, "\x93NUMPY", 6))
        return bad(path, err, "this is no .npy file");
    if (u[6] < 1 || u[6] > 3)
        return cox_err_set(err, COX_EFORMAT, "'%s': .npy version %d; 1 to 3 can be read", path,
                           u[6]);
    size_t lead = u[6] == 1 ? 10 : 12;
    size_t size = (size_t)u[8] | (size_t)u[9] << 8;
    if (u[6] > 1 && length >= 12)
        size |= (size_t)u[10] << 16 | (size_t)u[11] << 24;
    char header[1024];
    if (size >= sizeof header || length < lead + size)
        return bad(path, err, "the header is cut short or too long");
    memcpy(header, bytes + lead, size);
    header[size] = '\0';
    const char *order = value_of(header, "fortran_order");
    if (!order || !cox_str_starts(order, "False"))
        return bad(path, err, "the numbers stand in Fortran order; save them in C order");
    int rc = read_dtype(path, header, &type, err);
    if (!rc)
        rc = read_shape(path, header, out, err);
    if (rc)
        return rc;
    size_t found = length - lead - size;
    if (found != (size_t)out->n * type.size)
        return cox_err_set(err, COX_EFORMAT,
                           "'%s' is damaged: %zu bytes of numbers, its header says %zu", path,
                           found, (size_t)out->n * type.size);
    out->x = cox_alloc((size_t)out->n, sizeof *out->x);
    if (!out->x)
        return cox_err_set(err, COX_ENOMEM, "out of memory reading '%s'", path);
    for (int64_t i = 0; i < out->n; i++)
        out->x[i] = number_at(&type, u + lead + size + (size_t)i * type.size);
    return COX_OK;
}

int cox_npy_read(struct cox_npy *out, const char *path, struct cox_err *err)
{
    char *bytes = NULL;
    size_t length = 0;
    *out = (struct cox_npy){0};
    int rc = cox_file_read(&bytes, &length, path, NPY_MAXIMUM, err);
    if (!rc)
        rc = parse(out, path, bytes, length, err);
    cox_free(bytes);
    return rc;
}
