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

/* The last line that is not blank among the last bytes of a file. Logs hold anything: what is not
 * printable ASCII or UTF-8 becomes a blank. */
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
    if (n <= 0)
        return;
    ssize_t begin = n;
    while (begin > 0 && tail[begin - 1] != '\n' && tail[begin - 1] != '\r')
        begin--;
    size_t keep = (size_t)(n - begin);
    if (keep > size - 1)
        keep = size - 1;
    for (size_t i = 0; i < keep; i++) {
        unsigned char c = (unsigned char)tail[begin + (ssize_t)i];
        line[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
    }
    /* do not end inside a character of several bytes */
    size_t cut = keep;
    while (cut && ((unsigned char)line[cut - 1] & 0xc0) == 0x80)
        cut--;
    if (cut && ((unsigned char)line[cut - 1] & 0x80)) {
        unsigned char lead = (unsigned char)line[cut - 1];
        size_t needs = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (keep - (cut - 1) < needs)
            keep = cut - 1;
    }
    line[keep] = '\0';
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
