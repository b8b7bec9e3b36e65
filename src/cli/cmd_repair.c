/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <stdio.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "store/catalog.h"
#include "store/follow.h"
#include "store/repair.h"

#define MAX_FILES 256

struct found {
    char path[PATH_MAX];
    struct cox_repair repair;
};

/* One line: "run/frames-0.h5: repaired: 48 frames; …". */
static void print_file(const struct found *f)
{
    const struct cox_repair *r = &f->repair;
    printf("%s: %s", f->path, cox_repair_word(r->state));
    if (r->state == COX_REPAIR_DAMAGED) {
        printf(" beyond repair, left as it is: %s\n", r->why);
        return;
    }
    if (r->frames >= 0)
        printf(": %lld frame%s", (long long)r->frames, r->frames == 1 ? "" : "s");
    if (r->flags)
        printf("; its writer was killed");
    if (r->wrong_end)
        printf("; its end was not known");
    if (r->voids > 0)
        printf("; %lld half-written row%s %s", (long long)r->voids, r->voids == 1 ? "" : "s",
               r->state == COX_REPAIR_DONE ? "cut off" : "to cut off");
    if (r->why[0])
        printf("; more can be said once it is repaired (%s)", r->why);
    printf("\n");
}

static int print_json(const struct found *files, int n, struct cox_err *err)
{
    struct cox_json *list = cox_json_array();
    for (int i = 0; i < n; i++) {
        const struct cox_repair *r = &files[i].repair;
        struct cox_json *file = cox_json_object();
        cox_json_set_text(file, "path", files[i].path);
        cox_json_set_text(file, "state", cox_repair_word(r->state));
        if (r->frames >= 0)
            cox_json_set_int(file, "frames", r->frames);
        if (r->voids >= 0)
            cox_json_set_int(file, "half_written_rows", r->voids);
        cox_json_set_int(file, "status_flags", r->flags);
        cox_json_set_bool(file, "wrong_end", r->wrong_end);
        if (r->why[0])
            cox_json_set_text(file, "why", r->why);
        cox_json_push(list, file);
    }
    struct cox_json *json = cox_json_object();
    cox_json_set(json, "files", list);
    char *text = cox_json_text(json, true);
    cox_json_destroy(json);
    if (!text)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    printf("%s", text);
    cox_free(text);
    return COX_OK;
}

/* The frames files of a run; refuses one that a process is at work on. */
static int list_run(const char *run, bool look, struct found *files, int *n, struct cox_err *err)
{
    char path[PATH_MAX];
    struct cox_catalog *catalog = NULL;
    bool written = false;
    int rc = cox_path_join(path, sizeof path, run, "catalog.db", err);
    if (!rc && !cox_file_exists(path))
        return cox_err_set(err, COX_ENOTFOUND, "'%s' is no run: it has no catalog.db", run);
    if (!rc)
        rc = cox_catalog_written_now(path, &written, err);
    if (!rc && written && !look)
        rc = cox_err_set(err, COX_EEXISTS, "'%s' is at work: nothing is repaired under its hands",
                         run);
    if (!rc)
        rc = cox_catalog_open_read(&catalog, path, err);
    if (!rc)
        rc = cox_catalog_check(catalog, err);
    cox_catalog_close(catalog);
    for (int m = 0; !rc && m < MAX_FILES; m++) {
        struct found *f = &files[*n];
        rc = cox_follow_path(run, m, f->path, sizeof f->path, err);
        *n += !rc && cox_file_exists(f->path);
    }
    if (!rc && !*n)
        rc = cox_err_set(err, COX_ENOTFOUND, "'%s' has no frames-0.h5", run);
    return rc;
}

/* `seen`[state]: such a file was found. */
static int repair(const char *target, bool look, bool as_json, bool seen[COX_REPAIR_DAMAGED + 1],
                  struct cox_err *err)
{
    int n = 0;
    int rc = COX_OK;
    struct found *files = cox_alloc(MAX_FILES, sizeof *files);
    if (!files)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    if (cox_file_is_directory(target))
        rc = list_run(target, look, files, &n, err);
    else
        snprintf(files[n++].path, sizeof files->path, "%s", target);
    for (int i = 0; !rc && i < n; i++) {
        rc = cox_repair_file(&files[i].repair, files[i].path, look, err);
        if (!rc)
            seen[files[i].repair.state] = true;
        if (!rc && !as_json)
            print_file(&files[i]);
    }
    if (!rc && as_json)
        rc = print_json(files, n, err);
    cox_free(files);
    return rc;
}

int cox_cmd_repair(int argc, char **argv)
{
    bool look = false;
    bool json = false;
    const struct cox_option options[] = {
        {"check", 0, COX_OPT_FLAG, &look, NULL, "only look; exit code 1 when there is work", 0, 0},
        {"json", 0, COX_OPT_FLAG, &json, NULL, "print what was found as JSON", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox repair RUN|TRAJECTORY.h5 [--check]",
        .description =
            "Puts trajectory files in order that a killed writer left: clears HDF5's status "
            "flags,\n"
            "cuts off the rows of which only a part was written, and reads all others once. "
            "Frames\n"
            "that were stored are never touched. `cox resume` does the same by itself. A file "
            "that\n"
            "is being written is left alone, and so is one that is damaged beyond repair.\n\n"
            "  cox repair my.run --check",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    struct cox_err err = COX_ERR_INIT;
    bool seen[COX_REPAIR_DAMAGED + 1] = {false};
    if (repair(argv[1], look, json, seen, &err)) {
        fprintf(stderr, "cox: %s\n", err.text);
        return COX_EXIT_FAILED;
    }
    if (seen[COX_REPAIR_WRITTEN] && !look) {
        fprintf(stderr,
                "cox: '%s' is being written by another process; nothing was done to that "
                "file\n",
                argv[1]);
        return COX_EXIT_FAILED;
    }
    return seen[COX_REPAIR_NEEDED] || seen[COX_REPAIR_DAMAGED] ? COX_EXIT_FAILED : COX_EXIT_OK;
}
