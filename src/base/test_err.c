/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "cox/err.h"

static void messages_gather_context(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    errno = ENOENT;
    int rc = cox_err_errno(&err, "cannot open '%s'", "model.h5");
    assert_int_equal(rc, COX_ENOTFOUND);
    assert_int_equal(cox_err_wrap(&err, rc, "loading weights"), rc);
    assert_int_equal(cox_err_wrap(&err, rc, "round %d", 3), rc);
    assert_string_equal(
        err.text, "round 3: loading weights: cannot open 'model.h5': No such file or directory");
    assert_int_equal(err.status, COX_ENOTFOUND);
    assert_int_equal(cox_err_set(&err, COX_EINVAL, "new"), COX_EINVAL);
    assert_string_equal(err.text, "new");
}

static void errno_maps_to_a_status(void **state)
{
    (void)state;
    errno = ENOMEM;
    assert_int_equal(cox_err_errno(NULL, "x"), COX_ENOMEM);
    errno = EACCES;
    assert_int_equal(cox_err_errno(NULL, "x"), COX_EIO);
}

static void no_receiver_is_fine(void **state)
{
    (void)state;
    assert_int_equal(cox_err_set(NULL, COX_EINVAL, "%d", 1), COX_EINVAL);
    assert_int_equal(cox_err_wrap(NULL, COX_EIO, "%d", 1), COX_EIO);
}

static void an_empty_message_gets_the_status(void **state)
{
    (void)state;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_err_wrap(&err, COX_ENOMEM, "planning"), COX_ENOMEM);
    assert_string_equal(err.text, "planning: out of memory");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_err_set(&err, COX_EINVAL, "%s", text), COX_EINVAL);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(cox_err_wrap(&err, COX_EINVAL, "b"), COX_EINVAL);
    assert_memory_equal(err.text, "b: aaa", 6);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_int_equal(cox_err_wrap(&err, COX_EINVAL, "%s", text), COX_EINVAL);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    errno = EIO;
    assert_int_equal(cox_err_errno(&err, "%s", text), COX_EIO);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void every_status_has_words(void **state)
{
    (void)state;
#define X(name, value, words) assert_string_equal(cox_status_text(name), words);
    COX_STATUS_TABLE(X)
#undef X
    assert_string_equal(cox_status_text(-999), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_gather_context),
        cmocka_unit_test(errno_maps_to_a_status),
        cmocka_unit_test(no_receiver_is_fine),
        cmocka_unit_test(an_empty_message_gets_the_status),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(every_status_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
