/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"

static char folder[64];

static const char *at(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static void holds(const char *path, const char *wanted)
{
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(cox_file_read(&text, &n, path, 1000, NULL), COX_OK);
    assert_int_equal(n, strlen(wanted));
    assert_string_equal(text, wanted);
    cox_free(text);
}

static void files_are_read_whole_or_refused(void **state)
{
    (void)state;
    char *text = NULL;
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_file_read(&text, NULL, at("none"), 10, &err), COX_ENOTFOUND);
    assert_int_equal(cox_file_read(&text, NULL, folder, 10, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "is a directory"));
    assert_int_equal(cox_file_replace(at("f"), "0123456789", 10, NULL), COX_OK);
    holds(at("f"), "0123456789");
    assert_int_equal(cox_file_read(&text, NULL, at("f"), 10, &err), COX_OK);
    cox_free(text);
    assert_int_equal(cox_file_read(&text, NULL, at("f"), 9, &err), COX_EINVAL);
    assert_non_null(strstr(err.text, "has 10 bytes, more than the allowed 9"));
    assert_null(text);
    cox_mem_fail_at(1);
    assert_int_equal(cox_file_read(&text, NULL, at("f"), 100, &err), COX_ENOMEM);
    cox_mem_fail_at(0);
    assert_int_equal(cox_file_replace(at("empty"), "", 0, NULL), COX_OK);
    holds(at("empty"), "");
}

static void replacing_is_all_or_nothing(void **state)
{
    (void)state;
    assert_int_equal(cox_file_replace(at("a"), "old", 3, NULL), COX_OK);
    assert_int_equal(cox_file_replace(at("a"), "newer", 5, NULL), COX_OK);
    holds(at("a"), "newer");
    struct cox_err err = COX_ERR_INIT;
    assert_int_not_equal(cox_file_replace(at("none/a"), "x", 1, &err), COX_OK);
    assert_non_null(strstr(err.text, "cannot write '"));
    /* a directory stands in the way: the rename fails, no temporary file stays */
    assert_int_equal(cox_directory_create(at("d/inside"), NULL), COX_OK);
    assert_int_not_equal(cox_file_replace(at("d"), "x", 1, &err), COX_OK);
    char temporary[PATH_MAX];
    cox_file_temporary(at("d"), temporary, sizeof temporary);
    assert_false(cox_file_exists(temporary));
    cox_file_temporary(at("a"), temporary, sizeof temporary);
    assert_false(cox_file_exists(temporary));
    assert_true(strcmp(temporary, at("a")) != 0);
}

static void committing_renames(void **state)
{
    (void)state;
    char temporary[PATH_MAX];
    cox_file_temporary(at("c"), temporary, sizeof temporary);
    assert_int_equal(cox_file_append(temporary, "one ", 4, NULL), COX_OK);
    assert_int_equal(cox_file_append(temporary, "two", 3, NULL), COX_OK);
    assert_false(cox_file_exists(at("c")));
    assert_int_equal(cox_file_commit(temporary, at("c"), NULL), COX_OK);
    holds(at("c"), "one two");
    assert_false(cox_file_exists(temporary));
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_file_commit(temporary, at("c"), &err), COX_ENOTFOUND);
}

static void no_descriptor_leaks(void **state)
{
    (void)state;
    int first = open("/dev/null", O_RDONLY);
    close(first);
    for (int i = 0; i < 20; i++) {
        char *text = NULL;
        assert_int_not_equal(cox_file_read(&text, NULL, folder, 10, NULL), COX_OK);
        assert_int_equal(cox_file_replace(at("l"), "x", 1, NULL), COX_OK);
        assert_int_not_equal(cox_file_replace("/dev/full/x", "x", 1, NULL), COX_OK);
        assert_int_not_equal(cox_file_append("/dev/full", "x", 1, NULL), COX_OK);
    }
    int last = open("/dev/null", O_RDONLY);
    close(last);
    assert_int_equal(first, last);
}

static void directories_come_and_go(void **state)
{
    (void)state;
    assert_int_equal(cox_directory_create(at("x/y//z/"), NULL), COX_OK);
    assert_true(cox_file_is_directory(at("x/y/z")));
    assert_int_equal(cox_directory_create(at("x/y/z"), NULL), COX_OK);
    struct stat st;
    assert_int_equal(cox_directory_create_private(at("x/own"), NULL), COX_OK);
    assert_int_equal(stat(at("x/own"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(chmod(at("x/own"), 0750), 0); /* one that is there keeps its mode */
    assert_int_equal(cox_directory_create_private(at("x/own"), NULL), COX_OK);
    assert_int_equal(stat(at("x/own"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    assert_int_equal(cox_file_replace(at("x/y/f"), "1", 1, NULL), COX_OK);
    assert_false(cox_file_is_directory(at("x/y/f")));
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_directory_create(at("x/y/f"), &err), COX_EEXISTS);
    assert_int_not_equal(cox_directory_create(at("x/y/f/g"), &err), COX_OK);
    assert_int_equal(cox_directory_create("", &err), COX_EINVAL);
    /* a link is removed, what it points at stays */
    assert_int_equal(cox_file_replace(at("kept"), "1", 1, NULL), COX_OK);
    assert_int_equal(symlink(at("kept"), at("x/link")), 0);
    assert_int_equal(cox_directory_remove(at("x"), NULL), COX_OK);
    assert_false(cox_file_exists(at("x")));
    assert_true(cox_file_exists(at("kept")));
    assert_int_equal(cox_directory_remove(at("x"), NULL), COX_OK);
}

static void paths_join(void **state)
{
    (void)state;
    char out[20];
    assert_int_equal(cox_path_join(out, sizeof out, "run", "a.h5", NULL), COX_OK);
    assert_string_equal(out, "run/a.h5");
    struct cox_err err = COX_ERR_INIT;
    assert_int_equal(cox_path_join(out, sizeof out, "a-long-folder", "longer.h5", &err),
                     COX_EINVAL);
    assert_int_equal(cox_path_beside(out, sizeof out, "dir/f.yaml", "s.h5", NULL), COX_OK);
    assert_string_equal(out, "dir/s.h5");
    assert_int_equal(cox_path_beside(out, sizeof out, "f.yaml", "s.h5", NULL), COX_OK);
    assert_string_equal(out, "s.h5");
    assert_int_equal(cox_path_beside(out, sizeof out, "dir/f.yaml", "/s.h5", NULL), COX_OK);
    assert_string_equal(out, "/s.h5");
    assert_int_equal(cox_path_beside(out, sizeof out, "dir/f.yaml", "a-very-long-name.h5", &err),
                     COX_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_whole_or_refused),
        cmocka_unit_test(replacing_is_all_or_nothing),
        cmocka_unit_test(committing_renames),
        cmocka_unit_test(no_descriptor_leaks),
        cmocka_unit_test(directories_come_and_go),
        cmocka_unit_test(paths_join),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
