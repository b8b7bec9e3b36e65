/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/bag.md: its examples load, and examples/, its reference is what the tables say. A fenced
 * block with a file's name after its language is that file. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/points.h"
#include "sweep/settings.h"

static const char page_path[] = COX_SOURCE_DIR "/docs/bag.md";
static const char mark[] = "<!-- made by: cox sweep run --explain --markdown -->\n";
static char *page;
static char folder[64];

static int read_page(void **state)
{
    struct cox_err err = COX_ERR_INIT;
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox-page-XXXXXX");
    if (!mkdtemp(folder) || cox_file_read(&page, NULL, page_path, 1 << 22, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int drop_page(void **state)
{
    (void)state;
    cox_free(page);
    return cox_directory_remove(folder, NULL);
}

static void the_reference_is_what_the_tables_say(void **state)
{
    struct cox_str made;
    (void)state;
    cox_str_init(&made, 1 << 20);
    cox_config_explain(&made, &cox_sweep_settings_schema, COX_CONFIG_MARKDOWN);
    assert_int_equal(cox_str_status(&made, NULL), 0);
    const char *there = strstr(page, mark);
    assert_non_null(there);
    if (strcmp(there + strlen(mark), cox_str_text(&made)) != 0)
        fail_msg("make it anew: (sed '/^<!-- made by/q' docs/bag.md; cox sweep run --explain "
                 "--markdown) > bag.md && mv bag.md docs/bag.md");
    cox_str_deinit(&made);
}

/* Writes the named blocks into the folder; the names of the YAML ones. */
static int write_blocks(char yaml[][64], int room)
{
    int n = 0;
    for (char *at = strstr(page, "\n```"); at; at = strstr(at, "\n```")) {
        char *info = at + 4;
        char *text = info + strcspn(info, "\n");
        char *end = strstr(text, "\n```");
        assert_non_null(end);
        char *name = memchr(info, ' ', (size_t)(text - info));
        if (name) {
            char path[200];
            snprintf(path, sizeof path, "%s/%.*s", folder, (int)(text - name) - 1, name + 1);
            assert_int_equal(cox_file_replace(path, text + 1, (size_t)(end - text), NULL), 0);
            if (cox_str_starts(info, "yaml") && n < room)
                snprintf(yaml[n++], 64, "%.*s", (int)(text - name) - 1, name + 1);
        }
        at = end + 4;
    }
    return n;
}

static void load(const char *path, int points)
{
    struct cox_sweep_settings settings;
    struct cox_config *config;
    struct cox_points p;
    struct cox_err err = COX_ERR_INIT;
    struct cox_arena *arena = cox_arena_create();
    if (cox_sweep_settings_load(&settings, &config, path, NULL, 0, arena, &err) ||
        cox_points_create(&p, &settings, config, &err))
        fail_msg("%s", err.text);
    assert_true(points ? p.n == points : p.n > 1);
    cox_points_deinit(&p);
    cox_arena_destroy(arena);
}

static void its_examples_load(void **state)
{
    static const int points[] = {120, 200, 2000};
    char yaml[8][64];
    (void)state;
    assert_int_equal(write_blocks(yaml, 8), 3);
    for (int i = 0; i < 3; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", folder, yaml[i]);
        load(path, points[i]);
    }
}

static void the_shipped_examples_load(void **state)
{
    (void)state;
    int n = 0;
    DIR *examples = opendir(COX_SOURCE_DIR "/examples");
    assert_non_null(examples);
    for (const struct dirent *entry; (entry = readdir(examples));) {
        char path[400];
        snprintf(path, sizeof path, COX_SOURCE_DIR "/examples/%s/bag.yaml", entry->d_name);
        if (!cox_file_exists(path))
            continue;
        load(path, 0);
        n++;
    }
    closedir(examples);
    print_message("%d bag.yaml in examples\n", n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_is_what_the_tables_say),
        cmocka_unit_test(its_examples_load),
        cmocka_unit_test(the_shipped_examples_load),
    };
    return cmocka_run_group_tests(tests, read_page, drop_page);
}
