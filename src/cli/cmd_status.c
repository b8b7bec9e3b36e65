/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "steer/status/status.h"

#define TEXT_MAXIMUM ((size_t)1 << 22)
#define PERIOD_S 1
#define QUIET_PERIOD_S 60 /* where nobody watches: one line a minute */

struct screen {
    bool terminal;
    int width, height;
    struct cox_str drawn; /* the last time; empty before the first */
};

static void measure(struct screen *screen)
{
    struct winsize size;
    screen->width = 4096;
    screen->height = 0;
    if (screen->terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col > 20) {
        screen->width = size.ws_col;
        screen->height = size.ws_row > 6 ? size.ws_row - 1 : 0;
    }
}

/* Rows that the last picture takes now: a window that became narrower has wrapped its lines. */
static int rows_drawn(const struct screen *screen)
{
    const int width = screen->width > 1 ? screen->width : 1;
    int rows = 0, letters = 0;
    for (const char *t = cox_str_text(&screen->drawn); *t; t++) {
        if (*t == '\n') {
            rows += letters > width ? (letters + width - 1) / width : 1;
            letters = 0;
        } else {
            letters += ((unsigned char)*t & 0xc0) != 0x80;
        }
    }
    return rows;
}

/* Over what was drawn before, line by line, in one write: no flicker, and the scrollback keeps what
 * it has. */
static void redraw(struct screen *screen, const char *text)
{
    struct cox_str out;
    cox_str_init(&out, TEXT_MAXIMUM);
    const int rows = rows_drawn(screen);
    if (rows)
        cox_str_addf(&out, "\r\033[%dA", rows);
    for (const char *line = text; *line;) {
        const size_t n = strcspn(line, "\n");
        cox_str_addn(&out, line, n);
        cox_str_add(&out, "\033[K\n");
        line += n + (line[n] == '\n');
    }
    cox_str_add(&out, "\033[J");
    fputs(cox_str_text(&out), stdout);
    fflush(stdout);
    cox_str_deinit(&out);
    cox_str_deinit(&screen->drawn);
    cox_str_init(&screen->drawn, TEXT_MAXIMUM);
    cox_str_add(&screen->drawn, text);
}

static int print_json(const struct cox_run_status *status, bool indent)
{
    struct cox_json *json = cox_run_status_json(status);
    char *text = cox_json_text(json, indent);
    cox_json_destroy(json);
    if (!text) {
        fprintf(stderr, "cox: out of memory\n");
        return COX_EXIT_FAILED;
    }
    fputs(text, stdout);
    fflush(stdout);
    cox_free(text);
    return COX_EXIT_OK;
}

static void show(struct screen *screen, const struct cox_run_status *status, bool follow)
{
    struct cox_str text;
    cox_str_init(&text, TEXT_MAXIMUM);
    measure(screen);
    if (follow && !screen->terminal)
        cox_run_status_line(status, &text);
    else
        cox_run_status_text(status, screen->width, follow ? screen->height : 0, &text);
    if (follow && screen->terminal)
        redraw(screen, cox_str_text(&text));
    else
        fputs(cox_str_text(&text), stdout);
    fflush(stdout);
    cox_str_deinit(&text);
}

/* Shows once; *over: there is nothing more to come. */
static int look(struct screen *screen, const char *directory, bool follow, bool json, bool *over)
{
    struct cox_run_status status;
    struct cox_err err = COX_ERR_INIT;
    int code = COX_EXIT_OK;
    int rc = cox_run_status_read(&status, directory, &err);
    if (rc) {
        fprintf(stderr, "cox: %s\n", err.text);
        code = COX_EXIT_FAILED;
    } else if (json) {
        code = print_json(&status, !follow);
    } else {
        show(screen, &status, follow);
    }
    *over = code != COX_EXIT_OK || cox_run_status_over(&status);
    cox_run_status_deinit(&status);
    return code;
}

/* In a pipe a change of state is worth a line of its own before the minute is over. */
static bool ended(const char *directory)
{
    struct cox_run_status status;
    int rc = cox_run_status_read(&status, directory, NULL);
    const bool over = rc || cox_run_status_over(&status);
    cox_run_status_deinit(&status);
    return over;
}

static int follow(struct screen *screen, const char *directory, bool json)
{
    const atomic_int *interrupted = cox_interrupt_watch();
    const int period = screen->terminal || json ? PERIOD_S : QUIET_PERIOD_S;
    const struct itimerspec every = {{PERIOD_S, 0}, {PERIOD_S, 0}};
    struct pollfd timer = {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), .events = POLLIN};
    if (timer.fd < 0 || timerfd_settime(timer.fd, 0, &every, NULL)) {
        fprintf(stderr, "cox: no timer: %s\n", strerror(errno));
        return COX_EXIT_FAILED;
    }
    bool over;
    uint64_t ticks = 0;
    int code = look(screen, directory, true, json, &over);
    while (!over && !atomic_load(interrupted)) {
        uint64_t expired = 0;
        if (poll(&timer, 1, -1) < 0 || read(timer.fd, &expired, sizeof expired) < 0)
            continue; /* a signal: Ctrl-C, or the window changed its size */
        ticks += expired;
        if (ticks >= (uint64_t)period || ended(directory)) {
            ticks = 0;
            code = look(screen, directory, true, json, &over);
        }
    }
    close(timer.fd);
    return code;
}

int cox_cmd_status(int argc, char **argv)
{
    bool json = false;
    bool following = false;
    const struct cox_option options[] = {
        {"follow", 'f', COX_OPT_FLAG, &following, NULL,
         "go on showing until the run has ended, or Ctrl-C", 0, 0},
        {"json", 0, COX_OPT_FLAG, &json, NULL,
         "as JSON; with --follow one line a second (docs/reports.md)", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox status RUN [--follow] [--json]",
        .description =
            "What a run is doing, from another terminal: progress, rates, every process, models,\n"
            "the best so far, what went wrong. Reads files only and disturbs nothing; works for\n"
            "runs that have ended, and tells when one has died.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    struct screen screen = {.terminal = isatty(STDOUT_FILENO) == 1};
    bool over;
    cox_str_init(&screen.drawn, TEXT_MAXIMUM);
    code = following ? follow(&screen, argv[1], json) : look(&screen, argv[1], false, json, &over);
    cox_str_deinit(&screen.drawn);
    return code;
}
