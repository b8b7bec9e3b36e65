/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a run as a file: round trip, unknown values, a writer that died, damaged files, runs
 * without the file, and the text within the width and height that are given. */
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "steer/run.h"
#include "steer/status/status.h"

static char folder[] = "/tmp/cox-status-XXXXXX";
static struct cox_err err;

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static const char *in_folder(const char *name)
{
    static char path[PATH_MAX];
    assert_int_equal(cox_path_join(path, sizeof path, folder, name, &err), 0);
    return path;
}

static struct cox_run_status_task tasks[40];

/* A streaming run in full swing. */
static void sample(struct cox_run_status *s, int simulations)
{
    cox_run_status_init(s);
    s->state = COX_STATUS_RUNNING;
    snprintf(s->title, sizeof s->title, "chignolin, Größe „10“ <&>");
    snprintf(s->coordination, sizeof s->coordination, "streaming");
    snprintf(s->executor, sizeof s->executor, "local");
    gethostname(s->host, sizeof s->host - 1);
    s->pid = getpid();
    s->elapsed_s = 200;
    s->eta_s = 180;
    s->done = 0.521;
    s->ns = 52.1;
    s->ns_per_day = 12300;
    s->target_ns = 100;
    s->frames = 5210;
    s->segments = 402;
    s->segments_per_hour = 7236;
    s->lanes = 32;
    s->cores = 2;
    s->generation = 11;
    s->generation_last = 13;
    s->frames_per_s = 26.1;
    s->megabytes_per_s = 0.13;
    s->stream_share = 0.0006;
    s->unacknowledged = 12;
    s->pending_starts = 30;
    s->model = 4;
    s->models = 5;
    s->train_loss = 23.1;
    s->valid_loss = 24.25;
    s->outliers = 61;
    s->best = 1.234;
    snprintf(s->best_name, sizeof s->best_name, "rmsd_A");
    s->restarts = 3;
    s->poisoned = 1;
    s->lost = 0;
    cox_run_status_trouble(s, "agg-0: no space left on the disk, waiting");
    cox_run_status_trouble(s, "sim-0 killed by signal 9 (SIGKILL), attempt %d", 3);
    s->task = tasks;
    s->n_tasks = simulations + 3;
    for (int i = 0; i < s->n_tasks; i++) {
        static const char *const names[] = {"agg-0", "train-0", "agent-0"};
        static const char *const roles[] = {"aggregate", "train", "agent"};
        struct cox_run_status_task *t = &tasks[i];
        const int other = i - simulations;
        cox_run_status_task_init(t);
        t->state = COX_STATUS_TASK_RUNNING;
        t->epoch = i + 1;
        t->cores = other < 0;
        t->restarts = i == 0 ? 2 : 0;
        t->heard_s = 0.4;
        if (other < 0) {
            snprintf(t->name, sizeof t->name, "sim-%d", i);
            snprintf(t->role, sizeof t->role, "simulate");
            snprintf(t->doing, sizeof t->doing, "simulate");
            t->ns_per_day = 6100;
            t->ns = 26.05;
            t->sent = 2605;
            t->acked = 2599;
            t->stream_share = 0.00055;
        } else {
            snprintf(t->name, sizeof t->name, "%s", names[other]);
            snprintf(t->role, sizeof t->role, "%s", roles[other]);
        }
    }
    snprintf(tasks[0].reason, sizeof tasks[0].reason, "killed by signal 9 (SIGKILL)");
    tasks[simulations].stored = 5210;
    tasks[simulations].bytes = 26123456;
    tasks[simulations].waiting = 3;
    snprintf(tasks[simulations + 1].doing, sizeof tasks[0].doing, "train");
    tasks[simulations + 1].state = COX_STATUS_TASK_PAUSED;
    tasks[simulations + 1].model = 4;
    tasks[simulations + 1].loss = 23.1;
    tasks[simulations + 1].samples = 5000;
    tasks[simulations + 1].lag = 0.12;
    tasks[simulations + 2].embedded = 5200;
    tasks[simulations + 2].window = 80000;
}

static void a_file_comes_back_whole(void **state)
{
    (void)state;
    struct cox_run_status written, read;
    sample(&written, 2);
    assert_int_equal(cox_run_status_write(&written, folder, &err), 0);
    if (cox_run_status_read(&read, folder, &err))
        fail_msg("%s", err.text);
    /* every field of both tables */
    struct cox_json *json_written = cox_run_status_json(&written);
    struct cox_json *json_read = cox_run_status_json(&read);
    char *a = cox_json_text(json_written, true), *b = cox_json_text(json_read, true);
    cox_json_destroy(json_written);
    cox_json_destroy(json_read);
    assert_string_equal(a, b);
    assert_int_equal(read.state, COX_STATUS_RUNNING);
    assert_string_equal(read.title, written.title);
    assert_true(fabs(read.updated_s - cox_clock_unix()) < 5);
    assert_int_equal(read.n_tasks, 5);
    assert_int_equal(read.task[3].state, COX_STATUS_TASK_PAUSED);
    assert_string_equal(read.task[0].reason, "killed by signal 9 (SIGKILL)");
    assert_true(isnan(read.task[3].ns));
    assert_int_equal(read.task[3].stored, -1);
    assert_true(isnan(read.first_hit_ns));
    assert_int_equal(read.blown, -1);
    assert_int_equal(read.n_troubles, 2);
    assert_false(cox_run_status_over(&read));
    cox_free(a);
    cox_free(b);
    cox_run_status_deinit(&read);
}

static void troubles_are_few_and_new(void **state)
{
    (void)state;
    struct cox_run_status s;
    cox_run_status_init(&s);
    for (int i = 0; i < 20; i++)
        for (int again = 0; again < 3; again++)
            cox_run_status_trouble(&s, "trouble %d", i);
    assert_int_equal(s.n_troubles, COX_STATUS_TROUBLES);
    assert_string_equal(s.trouble[0].text, "trouble 12");
    assert_string_equal(s.trouble[COX_STATUS_TROUBLES - 1].text, "trouble 19");
}

static enum cox_run_status_state state_now(void)
{
    struct cox_run_status s;
    if (cox_run_status_read(&s, folder, &err))
        fail_msg("%s", err.text);
    const enum cox_run_status_state state = s.state;
    cox_run_status_deinit(&s);
    return state;
}

/* The pid of a process that was and is no more. */
static int64_t former_process(void)
{
    const pid_t child = fork();
    if (!child)
        _exit(0);
    assert_true(waitpid(child, NULL, 0) == child);
    return child;
}

static void a_dead_writer_is_found_out(void **state)
{
    (void)state;
    struct cox_run_status s;
    sample(&s, 1);
    s.pid = former_process();
    assert_int_equal(cox_run_status_write(&s, folder, &err), 0);
    assert_int_equal(state_now(), COX_STATUS_DEAD);
    /* somebody holds the folder: it is at work again, its first status not written yet */
    const int fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(state_now(), COX_STATUS_RUNNING);
    close(fd);
    assert_int_equal(state_now(), COX_STATUS_DEAD);
    /* on another host only the age tells */
    snprintf(s.host, sizeof s.host, "elsewhere");
    assert_int_equal(cox_run_status_write(&s, folder, &err), 0);
    assert_int_equal(state_now(), COX_STATUS_RUNNING);
    /* what ended by itself stays so */
    s.state = COX_STATUS_INTERRUPTED;
    s.pid = former_process();
    assert_int_equal(cox_run_status_write(&s, folder, &err), 0);
    assert_int_equal(state_now(), COX_STATUS_INTERRUPTED);
}

static void replace_in_file(const char *from, const char *to)
{
    char *text = NULL;
    const char *path = in_folder("status.json");
    assert_int_equal(cox_file_read(&text, NULL, path, 1 << 20, &err), 0);
    char *at = strstr(text, from);
    assert_non_null(at);
    struct cox_str out;
    cox_str_init(&out, 1 << 20);
    cox_str_addn(&out, text, (size_t)(at - text));
    cox_str_addf(&out, "%s%s", to, at + strlen(from));
    assert_int_equal(cox_file_replace(path, cox_str_text(&out), out.length, &err), 0);
    cox_str_deinit(&out);
    cox_free(text);
}

static void damaged_files_are_refused(void **state)
{
    (void)state;
    struct cox_run_status s;
    sample(&s, 1);
    assert_int_equal(cox_run_status_write(&s, folder, &err), 0);
    /* other types, and numbers beyond all bounds, are unknown values */
    replace_in_file("\"frames\": 5210", "\"frames\": 1e300");
    replace_in_file("\"lanes\": 32", "\"lanes\": \"many\"");
    assert_int_equal(cox_run_status_read(&s, folder, &err), 0);
    assert_int_equal(s.frames, -1);
    assert_int_equal(s.lanes, -1);
    cox_run_status_deinit(&s);
    replace_in_file("\"paused\"", "\"dreaming\"");
    assert_int_equal(cox_run_status_read(&s, folder, &err), COX_EFORMAT);
    assert_non_null(strstr(err.text, "'dreaming' is no state"));
    assert_non_null(strstr(err.text, "status.json"));
    cox_run_status_deinit(&s);
    assert_int_equal(cox_file_replace(in_folder("status.json"), "{\"state", 7, &err), 0);
    assert_int_equal(cox_run_status_read(&s, folder, &err), COX_EFORMAT);
    cox_run_status_deinit(&s);
    assert_int_equal(unlink(in_folder("status.json")), 0);
    assert_int_equal(cox_run_status_read(&s, folder, &err), COX_ENOTFOUND);
    assert_non_null(strstr(err.text, "is no run"));
    cox_run_status_deinit(&s);
}

static void check_text(int simulations, int width, int height)
{
    struct cox_run_status s;
    struct cox_str out;
    cox_str_init(&out, 1 << 20);
    sample(&s, simulations);
    cox_run_status_text(&s, width, height, &out);
    int lines = 0, letters = 0;
    for (const char *t = cox_str_text(&out); *t; t++) {
        letters += ((unsigned char)*t & 0xc0) != 0x80 && *t != '\n';
        assert_true(letters <= width);
        if (*t == '\n') {
            lines++;
            letters = 0;
        }
    }
    if (height)
        assert_true(lines <= height);
    if (simulations + 18 < height || !height) {
        assert_non_null(strstr(cox_str_text(&out), "agent-0"));
        assert_null(strstr(cox_str_text(&out), "more"));
    } else if (height > 20) {
        assert_non_null(strstr(cox_str_text(&out), "more (--json"));
    }
    assert_non_null(strstr(cox_str_text(&out), "52.1 of"));
    if (getenv("COX_GALLERY"))
        fprintf(stderr, "%s----\n", cox_str_text(&out));
    cox_str_deinit(&out);
}

static void the_text_fits(void **state)
{
    (void)state;
    check_text(2, 200, 0);
    check_text(2, 80, 40);
    check_text(30, 120, 24);
    check_text(30, 40, 16);
    check_text(30, 30, 7);
    struct cox_run_status s;
    struct cox_str out;
    cox_str_init(&out, 4096);
    sample(&s, 2);
    cox_run_status_line(&s, &out);
    assert_string_equal(cox_str_text(&out),
                        "running · 3 min 20 s · 52.1 ns · 12300 ns/day · 5210 frames · 5 models · "
                        "best rmsd 1.23 Å · 2 of 2 simulations at work · 3 restarts · at most "
                        "3 min 00 s to go\n");
    cox_str_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(a_file_comes_back_whole),
        cmocka_unit_test(troubles_are_few_and_new),
        cmocka_unit_test(a_dead_writer_is_found_out),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(the_text_fits),
    };
    return cmocka_run_group_tests(all, set_up, tear_down);
}
