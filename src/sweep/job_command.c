/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/job_command.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One word from *at into `to` (at most as long as what it is read from); false: a quote is open. */
static bool take_word(const char **at, char **to)
{
    const char *from = *at;
    char quote = '\0';
    for (; *from && (quote || !is_blank(*from)); from++) {
        if (quote ? *from == quote : *from == '\'' || *from == '"') {
            quote = quote ? '\0' : *from;
        } else if (*from == '\\' && quote != '\'' && from[1] &&
                   (!quote || from[1] == '"' || from[1] == '\\')) {
            *(*to)++ = *++from;
        } else {
            *(*to)++ = *from;
        }
    }
    *(*to)++ = '\0';
    *at = from;
    return !quote;
}

static int split(struct cox_config_texts *out, const char *text, struct cox_arena *arena,
                 struct cox_err *err)
{
    size_t length = strlen(text);
    /* a word takes at least a character and a blank */
    const char **words = cox_arena_alloc(arena, length / 2 + 2, sizeof *words);
    char *to = cox_arena_alloc(arena, length + 2, 1);
    if (!words || !to)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    int n = 0;
    for (const char *at = text;;) {
        while (is_blank(*at))
            at++;
        if (!*at)
            break;
        words[n++] = to;
        if (!take_word(&at, &to))
            return cox_err_set(err, COX_EINVAL, "a quote has no end in: %.200s", text);
    }
    *out = (struct cox_config_texts){n, words};
    return COX_OK;
}

int cox_command_words(struct cox_config_texts *out, const struct cox_config_texts *command,
                      struct cox_arena *arena, struct cox_err *err)
{
    *out = *command;
    int rc = command->n == 1 ? split(out, command->items[0], arena, err) : COX_OK;
    if (!rc && (!out->n || !out->items[0][0]))
        rc = cox_err_set(err, COX_EINVAL, "a command needs a program");
    return rc;
}

/* ---- programs ---- */

static bool is_program(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The running program where that is cox itself: built-in examples need no PATH. */
static bool is_myself(char *out, size_t size)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    const char *slash = strrchr(path, '/');
    if (!slash || strcmp(slash + 1, "cox") || (size_t)n >= size)
        return false;
    memcpy(out, path, (size_t)n + 1);
    return true;
}

int cox_command_program(char *out, size_t size, const char *program, const char *folder,
                        struct cox_err *err)
{
    if (strchr(program, '/')) {
        while (cox_str_starts(program, "./"))
            program += 2;
        int rc = program[0] == '/' ? cox_path_join(out, size, "", program + 1, err)
                                   : cox_path_join(out, size, folder, program, err);
        if (rc || is_program(out))
            return rc;
        if (!cox_file_exists(out))
            return cox_err_set(err, COX_ENOTFOUND, "there is no program '%s'", out);
        return cox_err_set(err, COX_EINVAL, "'%s' is no program that may be executed%s", out,
                           cox_file_is_directory(out) ? ": a folder" : "; chmod +x?");
    }
    if (!strcmp(program, "cox") && is_myself(out, size))
        return COX_OK;
    const char *paths = getenv("PATH");
    for (const char *at = paths; at && *at;) {
        size_t n = strcspn(at, ":");
        int length = snprintf(out, size, "%.*s/%s", (int)n, at, program);
        if (n && at[0] == '/' && length > 0 && (size_t)length < size && is_program(out))
            return COX_OK;
        at += n + (at[n] == ':');
    }
    return cox_err_set(err, COX_ENOTFOUND,
                       "there is no program '%s' in PATH (one beside the bag.yaml is written "
                       "./%s)",
                       program, program);
}
