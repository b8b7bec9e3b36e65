/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/executor.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cox_executor.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return cox_directory_remove(folder, NULL);
}

static const char *in_folder(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static char *contents(const char *path)
{
    char *text = NULL;
    assert_int_equal(cox_file_read(&text, NULL, path, 1 << 20, NULL), COX_OK);
    return text;
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static struct cox_executor *local_executor(int cores, double memory_gb, int accelerators)
{
    struct cox_executor *x = NULL;
    struct cox_resources r = {cores, memory_gb, accelerators};
    assert_int_equal(cox_executor_create_local(&x, &r, NULL), COX_OK);
    return x;
}

static int64_t begin(struct cox_executor *x, const struct cox_task *task,
                     struct cox_placement *placement)
{
    int64_t handle = -1;
    struct cox_placement unused;
    struct cox_err err = COX_ERR_INIT;
    int rc = cox_executor_start(x, task, 1, &handle, placement ? placement : &unused, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, COX_OK);
    assert_true(handle >= 0);
    return handle;
}

static struct cox_task_end wait_for(struct cox_executor *x, int64_t handle)
{
    struct cox_task_end end;
    int64_t ended;
    assert_int_equal(cox_executor_wait(x, 60, &ended, &end, NULL), COX_OK);
    assert_int_equal(ended, handle);
    return end;
}

/* /bin/sh -c SCRIPT with its output in the log of that name. */
static struct cox_task_end shell(struct cox_executor *x, const char *script, const char *log)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct cox_task task = COX_TASK_INIT;
    task.argv = argv;
    task.log = log;
    return wait_for(x, begin(x, &task, NULL));
}

static bool gone(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool ended = poll(&p, 1, 20000) == 1;
    close(fd);
    return ended;
}

static pid_t number_in(const char *path)
{
    char *text = contents(path);
    long long n = 0;
    assert_int_equal(cox_parse_int(text, &n), COX_OK);
    cox_free(text);
    return (pid_t)n;
}

static void says_how_it_ended(void **state)
{
    (void)state;
    struct cox_executor *x = local_executor(0, 0, 0);
    assert_string_equal(cox_executor_kind(x), "local");
    const char *log = in_folder("ends.log");
    struct cox_task_end end = shell(x, "echo fine", log);
    assert_true(end.ok);
    assert_int_equal(end.code, 0);
    end = shell(x, "echo first; printf 'cannot read \\001the file\\n\\n' >&2; exit 3", log);
    assert_false(end.ok);
    assert_int_equal(end.code, 3);
    assert_string_equal(end.reason, "exit code 3: cannot read  the file");
    end = shell(x, "kill -9 $$", log); /* says nothing: the earlier line is not its own */
    assert_int_equal(end.code, -1);
    assert_int_equal(end.signal, SIGKILL);
    assert_string_equal(end.reason, "killed by signal 9 (SIGKILL)");
    end = shell(x, "for i in 1 2 3 4 5 6 7 8 9; do printf 'äöüäöüäöü %s ' $i; done; exit 1", log);
    assert_true(strlen(end.reason) > 140); /* cut, but not inside a character */
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    assert_true(mbstowcs(NULL, end.reason, 0) != (size_t)-1);
    end = shell(x, "printf 'a\\303\\050b\\340\\200\\200c\\377\\303'; exit 1", log);
    assert_string_equal(end.reason, "exit code 1: a?(b???c??");
    struct stat st;
    assert_int_equal(stat(log, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char *text = contents(log);
    assert_true(cox_str_starts(text, "fine\nfirst\ncannot"));
    cox_free(text);
    end = shell(x, "echo nobody sees this", NULL);
    assert_true(end.ok);
    cox_executor_destroy(x);
}

static void refuses_what_cannot_run(void **state)
{
    (void)state;
    int before = descriptors();
    struct cox_executor *x = local_executor(1, 0, 0);
    const char *script = in_folder("no-interpreter");
    assert_int_equal(cox_file_replace(script, "\x01\x02", 2, NULL), COX_OK);
    assert_int_equal(chmod(script, 0700), 0);
    const char *plain = in_folder("plain");
    assert_int_equal(cox_file_replace(plain, "x", 1, NULL), COX_OK);
    assert_int_equal(chmod(plain, 0600), 0);
    const struct {
        const char *program, *directory, *log;
        int status;
        const char *words;
    } cases[] = {
        {"no-such-program-anywhere", NULL, NULL, COX_ENOTFOUND, "in PATH"},
        {"/no/such/program", NULL, NULL, COX_ENOTFOUND, "'/no/such/program'"},
        {"/tmp", NULL, NULL, COX_EINVAL, "'/tmp' is not a program"},
        {plain, NULL, NULL, COX_EINVAL, "not a program"},
        {script, NULL, NULL, COX_EIO, "Exec format error"},
        {"sh", "/no/such/folder", NULL, COX_ENOTFOUND, "in '/no/such/folder'"},
        {"sh", NULL, "/no/such/folder/log", COX_ENOTFOUND, "cannot open the log"},
        {"", NULL, NULL, COX_EINVAL, "names no program"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *argv[] = {cases[i].program, NULL};
        struct cox_task task = COX_TASK_INIT;
        task.argv = argv;
        task.directory = cases[i].directory;
        task.log = cases[i].log;
        int64_t handle;
        struct cox_placement placement;
        struct cox_err err = COX_ERR_INIT;
        assert_int_equal(cox_executor_start(x, &task, 1, &handle, &placement, &err),
                         cases[i].status);
        assert_int_equal(handle, -1);
        if (!strstr(err.text, cases[i].words))
            fail_msg("'%s' does not say '%s'", err.text, cases[i].words);
    }
    assert_true(shell(x, "true", NULL).ok); /* nothing was taken by the failures */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    cox_executor_destroy(x);
    assert_int_equal(descriptors(), before);
}

static void inherits_nothing(void **state)
{
    (void)state;
    struct cox_executor *x = local_executor(0, 0, 0);
    int open_one = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
    assert_true(open_one > 2);
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, &old);
    signal(SIGPIPE, SIG_IGN);
    const char *log = in_folder("inherits.log");
    assert_true(shell(x,
                      "ls /proc/self/fd; grep -E 'Sig(Blk|Ign|Cgt)' "
                      "/proc/self/status; readlink /proc/$$/fd/0; ps -o pgid= -p $$ | "
                      "tr -d ' ' | grep -qx $$ && echo leads",
                      log)
                    .ok);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(open_one);
    char *text = contents(log);
    assert_true(cox_str_starts(text, "0\n1\n2\n3\nSigBlk" /* 3 is of ls itself */));
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(text, "SigIgn:\t0000000000000000"));
    assert_non_null(strstr(text, "/dev/null\nleads\n"));
    cox_free(text);
    cox_executor_destroy(x);
}

static void environment_and_directory(void **state)
{
    (void)state;
    struct cox_executor *x = local_executor(1, 0, 2);
    setenv("COX_TEST_A", "ours", 1);
    setenv("COX_TEST_B", "ours", 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    const char *argv[] = {"./script", NULL};
    const char *env[] = {"COX_TEST_B=theirs", "COX_TEST_C=new", NULL};
    static const char script[] = "#!/bin/sh\necho $COX_TEST_A $COX_TEST_B $COX_TEST_C "
                                 "$CUDA_VISIBLE_DEVICES $(pwd)\n";
    assert_int_equal(cox_file_replace(in_folder("script"), script, strlen(script), NULL), COX_OK);
    assert_int_equal(chmod(in_folder("script"), 0700), 0);
    const char *log = in_folder("env.log");
    struct cox_task task = COX_TASK_INIT;
    task.argv = argv;
    task.env = env;
    task.directory = folder;
    task.log = log;
    task.accelerators = 2;
    assert_true(wait_for(x, begin(x, &task, NULL)).ok);
    setenv("CUDA_VISIBLE_DEVICES", "5,7", 1);
    task.accelerators = 1;
    assert_true(wait_for(x, begin(x, &task, NULL)).ok);
    char expected[256];
    snprintf(expected, sizeof expected, "ours theirs new 0,1 %s\nours theirs new 5 %s\n", folder,
             folder);
    char *text = contents(log);
    assert_string_equal(text, expected);
    cox_free(text);
    cox_executor_destroy(x);
}

static void counts_resources(void **state)
{
    (void)state;
    struct cox_executor *x = local_executor(3, 4.0, 1);
    const char *argv[] = {"sleep", "1000", NULL};
    struct cox_task big = {.argv = argv, .cores = 2, .memory_gb = 3.5};
    int64_t first = begin(x, &big, NULL);
    struct cox_resources total, left;
    cox_executor_resources(x, &total, &left);
    assert_int_equal(total.cores, 3);
    assert_int_equal(left.cores, 1);
    assert_true(left.memory_gb == 0.5);
    struct cox_task too_much[] = {{.argv = argv, .cores = 2},
                                  {.argv = argv, .cores = 1, .memory_gb = 0.6}};
    struct cox_task never[] = {{.argv = argv, .cores = 4},
                               {.argv = argv, .memory_gb = 4.1},
                               {.argv = argv, .accelerators = 2},
                               {.argv = argv, .cores = -1}};
    int64_t handle;
    struct cox_placement placement;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cox_executor_start(x, &too_much[i], 1, &handle, &placement, NULL), 0);
        assert_int_equal(handle, -1);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(cox_executor_start(x, &never[i], 1, &handle, &placement, NULL),
                         COX_EINVAL);
    struct cox_task one = {.argv = argv, .cores = 1, .memory_gb = 0.5, .accelerators = 1};
    int64_t second = begin(x, &one, NULL);
    cox_executor_stop(x, first, false);
    assert_int_equal(wait_for(x, first).signal, SIGTERM);
    cox_executor_stop(x, first, true); /* a handle of the past: nothing happens */
    assert_int_equal(begin(x, &too_much[0], NULL) & 0xffffffff, first & 0xffffffff);
    cox_executor_stop(x, second, true);
    assert_int_equal(wait_for(x, second).signal, SIGKILL);
    cox_executor_destroy(x); /* one still runs */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void pins_to_cores_of_ours(void **state)
{
    (void)state;
    cpu_set_t ours;
    assert_int_equal(sched_getaffinity(0, sizeof ours, &ours), 0);
    int n = CPU_COUNT(&ours);
    struct cox_executor *x = local_executor(0, 0, 0);
    const char *argv[] = {"sh", "-c", "exec sleep 1000", NULL};
    struct cox_task task = {.argv = argv, .cores = 1};
    struct cox_task shared = {.argv = argv, .cores = 0};
    cpu_set_t seen, all;
    CPU_ZERO(&all);
    for (int i = 0; i < n; i++) {
        struct cox_placement placement;
        begin(x, &task, &placement);
        assert_int_equal(sched_getaffinity((pid_t)placement.pid, sizeof seen, &seen), 0);
        assert_int_equal(CPU_COUNT(&seen), 1);
        assert_true(CPU_ISSET(placement.first_core, &seen));
        assert_false(CPU_ISSET(placement.first_core, &all));
        CPU_OR(&all, &all, &seen);
    }
    assert_true(CPU_EQUAL(&all, &ours));
    struct cox_placement placement;
    begin(x, &shared, &placement);
    assert_int_equal(sched_getaffinity((pid_t)placement.pid, sizeof seen, &seen), 0);
    assert_true(CPU_EQUAL(&seen, &ours));
    assert_int_equal(placement.first_core, -1);
    cox_executor_destroy(x);
}

static void the_whole_group_goes(void **state)
{
    (void)state;
    struct cox_executor *x = local_executor(0, 0, 0);
    const char *left = in_folder("left.pid"), *stopped = in_folder("stopped.pid");
    char script[512];
    /* the leader ends well and leaves a child behind */
    snprintf(script, sizeof script, "sleep 1000 & echo $! > %s; exit 0", left);
    assert_true(shell(x, script, NULL).ok);
    assert_true(gone(number_in(left)));
    /* the leader and its child both ignore SIGTERM */
    snprintf(script, sizeof script,
             "trap '' TERM; sleep 1000 & echo $! > %s.new; mv %s.new %s; wait", stopped, stopped,
             stopped);
    const char *argv[] = {"sh", "-c", script, NULL};
    struct cox_task task = {.argv = argv};
    int64_t handle = begin(x, &task, NULL);
    struct cox_task_end end;
    int64_t ended;
    while (!cox_file_exists(stopped))
        assert_int_equal(cox_executor_wait(x, 0.01, &ended, &end, NULL), COX_OK);
    cox_executor_stop(x, handle, false);
    assert_int_equal(cox_executor_wait(x, 0.2, &ended, &end, NULL), COX_OK);
    assert_int_equal(ended, -1);
    cox_executor_stop(x, handle, true);
    assert_int_equal(wait_for(x, handle).signal, SIGKILL);
    assert_true(gone(number_in(stopped)));
    cox_executor_destroy(x);
}

static void dies_with_its_parent(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t parent = fork();
    if (!parent) {
        struct cox_executor *x = NULL;
        const char *argv[] = {"sleep", "1000", NULL};
        struct cox_task task = {.argv = argv};
        struct cox_placement placement;
        int64_t handle;
        if (cox_executor_create_local(&x, &(struct cox_resources){1, 0, 0}, NULL) ||
            cox_executor_start(x, &task, 1, &handle, &placement, NULL) ||
            write(pipes[1], &placement.pid, sizeof placement.pid) < 0)
            _exit(1);
        pause();
        _exit(0);
    }
    int64_t child = 0;
    assert_int_equal(read(pipes[0], &child, sizeof child), sizeof child);
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)child, 0);
    assert_true(fd >= 0);
    kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 20000), 1);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

static void leaves_others_children_alone(void **state)
{
    (void)state;
    struct cox_executor *x = local_executor(0, 0, 0);
    pid_t other = fork();
    if (!other)
        _exit(7);
    assert_true(shell(x, "true", NULL).ok);
    int status = 0;
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(WEXITSTATUS(status), 7);
    /* and when others take ours, that is said */
    signal(SIGCHLD, SIG_IGN);
    struct cox_task_end end = shell(x, "exit 3", NULL);
    signal(SIGCHLD, SIG_DFL);
    assert_true(end.lost);
    assert_false(end.ok);
    assert_non_null(strstr(end.reason, "unknown"));
    cox_executor_destroy(x);
}

static void no_descriptor_leaks(void **state)
{
    (void)state;
    int before = descriptors();
    struct cox_executor *x = local_executor(4, 0, 0);
    int with = descriptors();
    for (int i = 0; i < 50; i++)
        assert_true(shell(x, "exit 0", in_folder("fd.log")).ok);
    assert_int_equal(descriptors(), with);
    const char *argv[] = {"sleep", "1000", NULL};
    struct cox_task task = {.argv = argv, .cores = 1};
    for (int i = 0; i < 4; i++)
        begin(x, &task, NULL);
    cox_executor_destroy(x);
    assert_int_equal(descriptors(), before);
}

static void simulated_time(void **state)
{
    (void)state;
    struct cox_executor *x = NULL;
    struct cox_resources r = {2, 0, 0};
    assert_int_equal(cox_executor_create_simulated(&x, &(struct cox_resources){0, 0, 0}, NULL),
                     COX_EINVAL);
    assert_int_equal(cox_executor_create_simulated(&x, &r, NULL), COX_OK);
    const char *slow[] = {"3600", NULL}, *quick[] = {"60", "4", NULL}, *odd[] = {"soon", NULL};
    struct cox_task a = {.argv = slow, .cores = 1}, b = {.argv = quick, .cores = 1};
    struct cox_task c = {.argv = odd};
    int64_t handle;
    struct cox_placement placement;
    assert_int_equal(cox_executor_start(x, &c, 1, &handle, &placement, NULL), COX_EINVAL);
    double zero = cox_executor_now(x);
    int64_t first = begin(x, &a, NULL), second = begin(x, &b, NULL);
    struct cox_task_end end;
    assert_int_equal(cox_executor_wait(x, 30, &handle, &end, NULL), COX_OK);
    assert_int_equal(handle, -1);
    assert_in_range((int)(cox_executor_now(x) - zero), 30, 45); /* real time counts as well */
    end = wait_for(x, second);
    assert_int_equal(end.code, 4);
    assert_in_range((int)(end.ended_s - zero), 60, 75);
    cox_executor_stop(x, first, false);
    assert_int_equal(wait_for(x, first).signal, SIGTERM);
    assert_in_range((int)(cox_executor_now(x) - zero), 60, 75);
    assert_int_equal(cox_executor_fd(x), -1);
    cox_executor_destroy(x);
    cox_executor_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_how_it_ended),
        cmocka_unit_test(refuses_what_cannot_run),
        cmocka_unit_test(inherits_nothing),
        cmocka_unit_test(environment_and_directory),
        cmocka_unit_test(counts_resources),
        cmocka_unit_test(pins_to_cores_of_ours),
        cmocka_unit_test(the_whole_group_goes),
        cmocka_unit_test(dies_with_its_parent),
        cmocka_unit_test(leaves_others_children_alone),
        cmocka_unit_test(no_descriptor_leaks),
        cmocka_unit_test(simulated_time),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
