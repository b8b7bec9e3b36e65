/* SPDX-License-Identifier: BSD-3-Clause */
/* How attempts end, in words that help: the cause and the last thing the task said. */
#include "runtime/executor_ops.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void cox_task_end_set(struct cox_task_end *end, int wait_status)
{
    if (WIFEXITED(wait_status)) {
        end->signal = 0;
        end->code = WEXITSTATUS(wait_status);
        end->ok = end->code == 0;
        snprintf(end->reason, sizeof end->reason, "exit code %d", end->code);
        return;
    }
    end->ok = false;
    end->code = -1;
    end->signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
    const char *name = sigabbrev_np(end->signal);
    snprintf(end->reason, sizeof end->reason, "killed by signal %d%s%s%s", end->signal,
             name ? " (SIG" : "", name ? name : "", name ? ")" : "");
}

/* Bytes of the well-formed UTF-8 character at `at`, 0: there is none. */
static size_t character(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80)
        return 1;
    size_t n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool surrogate = at[0] == 0xed && at[1] > 0x9f;
    bool beyond = at[0] == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : n;
}

/* As much as fits of text that may hold anything: what is no character becomes '?', what moves a
 * cursor a blank. */
static void copy_clean(char *out, size_t size, const char *text, size_t n)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + n;
    size_t used = 0;
    while (at < end) {
        size_t length = character(at, (size_t)(end - at));
        size_t room = length ? length : 1;
        if (used + room >= size)
            break;
        if (length)
            memcpy(out + used, at, length);
        else
            out[used] = '?';
        if (length == 1 && (*at < ' ' || *at == 0x7f))
            out[used] = ' ';
        used += room;
        at += room;
    }
    out[used] = '\0';
}

/* The last line that is not blank, or its end, among the last bytes of a file after `since`. */
static void last_line(const char *path, int64_t since, char *line, size_t size)
{
    line[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    char tail[512];
    off_t length = lseek(fd, 0, SEEK_END);
    off_t from = length > (off_t)sizeof tail ? length - (off_t)sizeof tail : 0;
    if (from < since)
        from = since;
    ssize_t n = length > from ? pread(fd, tail, (size_t)(length - from), from) : 0;
    close(fd);
    while (n > 0 && (unsigned char)tail[n - 1] <= ' ')
        n--;
    ssize_t begin = n > 0 ? n : 0;
    while (begin > 0 && tail[begin - 1] != '\n' && tail[begin - 1] != '\r')
        begin--;
    while (begin < n && ((unsigned char)tail[begin] & 0xc0) == 0x80)
        begin++; /* the rest of a character that the cut went through */
    if (n > begin)
        copy_clean(line, size, tail + begin, (size_t)(n - begin));
}

void cox_task_end_add_log(struct cox_task_end *end, const char *log, int64_t from)
{
    size_t used = strlen(end->reason);
    if (!log || used + 8 > sizeof end->reason)
        return;
    char line[sizeof end->reason];
    last_line(log, from, line, sizeof end->reason - used - 2);
    if (line[0])
        snprintf(end->reason + used, sizeof end->reason - used, ": %s", line);
}
