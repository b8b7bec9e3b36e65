/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors: every fallible function returns an int status, 0 or one of the negatives below, and takes
 * a caller-owned, nullable `struct cox_err *` last. The message gathers context on the way up:
 *   round 3: loading weights: cannot open 'model.h5': No such file or directory
 * Messages start lower-case, quote names, and give the actual and the allowed values. */
#ifndef COX_ERR_H
#define COX_ERR_H

#include <stdarg.h>

#define COX_STATUS_TABLE(X)                            \
    X(COX_OK, 0, "success")                            \
    X(COX_ENOMEM, -1, "out of memory")                 \
    X(COX_EINVAL, -2, "invalid argument or input")     \
    X(COX_EIO, -3, "input/output error")               \
    X(COX_ENOTFOUND, -4, "not found")                  \
    X(COX_EFORMAT, -5, "malformed file")               \
    X(COX_EUNSUPPORTED, -6, "not supported")           \
    X(COX_EUNSTABLE, -7, "simulation became unstable") \
    X(COX_EEXTERNAL, -8, "an external program failed") \
    X(COX_ECANCELLED, -9, "interrupted")               \
    X(COX_EEXISTS, -10, "already exists")              \
    X(COX_ENOSPACE, -11, "no space left")

enum cox_status {
#define X(name, value, text) name = value,
    COX_STATUS_TABLE(X)
#undef X
};

#define COX_MUST_CHECK __attribute__((warn_unused_result))

/* Owned by the caller, usually on the stack; zero-initialise with COX_ERR_INIT. */
struct cox_err {
    int status;
    char text[1024];
};
#define COX_ERR_INIT \
    {                \
        0, ""        \
    }

/* Sets the message, returns `status`. A NULL `err` is allowed everywhere. */
int cox_err_set(struct cox_err *err, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "<context>: " before the message, returns `status` unchanged. */
int cox_err_wrap(struct cox_err *err, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets "<message>: <strerror(errno)>" with COX_EIO (COX_ENOTFOUND for ENOENT, COX_ENOMEM for
 * ENOMEM). */
int cox_err_errno(struct cox_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#ifdef __clang_analyzer__
/* The analyzer must see that these return the status they are given, which is never 0. */
#define cox_err_set(err, status, ...) ((void)(cox_err_set)(err, status, __VA_ARGS__), (status))
#define cox_err_wrap(err, status, ...) ((void)(cox_err_wrap)(err, status, __VA_ARGS__), (status))
#define cox_err_errno(...) ((void)(cox_err_errno)(__VA_ARGS__), COX_EIO)
#endif
/* Static text of a status. */
const char *cox_status_text(int status);

#endif
