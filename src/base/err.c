/* SPDX-License-Identifier: BSD-3-Clause */
#include "cox/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang_analyzer__
#undef cox_err_set
#undef cox_err_wrap
#undef cox_err_errno
#endif

int cox_err_set(struct cox_err *err, int status, const char *fmt, ...)
{
    if (err) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(err->text, sizeof err->text, fmt, args);
        va_end(args);
        err->status = status;
    }
    return status;
}

int cox_err_wrap(struct cox_err *err, int status, const char *fmt, ...)
{
    if (err) {
        char context[sizeof err->text];
        va_list args;
        va_start(args, fmt);
        vsnprintf(context, sizeof context, fmt, args);
        va_end(args);
        size_t used = strlen(context);
        if (!err->text[0])
            snprintf(err->text, sizeof err->text, "%s", cox_status_text(status));
        if (used + 2 < sizeof context)
            snprintf(context + used, sizeof context - used, ": %s", err->text);
        memcpy(err->text, context, sizeof context);
        err->status = status;
    }
    return status;
}

int cox_err_errno(struct cox_err *err, const char *fmt, ...)
{
    int saved = errno;
    int status = saved == ENOENT ? COX_ENOTFOUND : saved == ENOMEM ? COX_ENOMEM : COX_EIO;
    if (err) {
        char message[sizeof err->text];
        va_list args;
        va_start(args, fmt);
        vsnprintf(message, sizeof message, fmt, args);
        va_end(args);
        size_t used = strlen(message);
        if (used + 2 < sizeof message)
            snprintf(message + used, sizeof message - used, ": %s", strerror(saved));
        memcpy(err->text, message, sizeof message);
        err->status = status;
    }
    return status;
}

const char *cox_status_text(int status)
{
    switch (status) {
#define X(name, value, text) \
    case value:              \
        return text;
        COX_STATUS_TABLE(X)
#undef X
    default:
        return "unknown status";
    }
}
