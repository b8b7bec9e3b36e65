/* SPDX-License-Identifier: BSD-3-Clause */
/* Spawning. fork() copies the page tables of the coordinator, which holds frames and models, and
 * posix_spawn() cannot set the parent-death signal, so this is clone(CLONE_VM | CLONE_VFORK): the
 * child borrows our memory, on a stack of its own, until exec, while the calling thread stands
 * still. That makes the cost independent of our size, and it lets the child tell in plain memory
 * which step failed and why: no error pipe. The price is care in what the child does:
 * - all signals are blocked around the clone, and the child sets every disposition to the default
 *   before it unblocks them, so that no handler of ours ever runs in the child;
 * - it makes system calls and nothing else: no libc state, no locks, no allocation, and nothing
 *   that a sanitizer intercepts. */
#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum step { STEP_NONE, STEP_GROUP, STEP_PARENT, STEP_CPUS, STEP_DIRECTORY, STEP_FILES, STEP_EXEC };

struct child {
    const struct cox_spawn *spawn;
    const char *program;
    pid_t parent;
    int null_fd, log_fd;
    unsigned highest_fd; /* for systems without close_range */
    /* written by the child */
    enum step failed;
    int error;
};

/* The layout of the kernel's own sigset and sigaction: all zero is empty and SIG_DFL. */
enum { KERNEL_SIGSET = 8, KERNEL_SIGACTION = 64, SIGNALS = 64 };

#define BARE __attribute__((no_sanitize("address", "thread", "undefined")))

BARE static long fail(struct child *child, enum step step)
{
    child->failed = step;
    child->error = errno;
    return syscall(SYS_exit_group, 127);
}

BARE static void close_above_two(const struct child *child)
{
    if (!syscall(SYS_close_range, 3U, ~0U, 0U))
        return;
    for (unsigned fd = 3; fd <= child->highest_fd; fd++)
        syscall(SYS_close, fd);
}

BARE static int child_main(void *user)
{
    struct child *child = user;
    const struct cox_spawn *spawn = child->spawn;
    if (syscall(SYS_setpgid, 0, 0))
        return (int)fail(child, STEP_GROUP);
    /* The signal is armed first and the parent looked at second: if it died in between, one of the
     * two notices. */
    if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
        syscall(SYS_getppid) != child->parent)
        return (int)fail(child, STEP_PARENT);
    char zero[KERNEL_SIGACTION];
    for (size_t i = 0; i < sizeof zero; i++)
        ((volatile char *)zero)[i] = 0; /* no call of memset */
    for (int s = 1; s <= SIGNALS; s++)
        if (s != SIGKILL && s != SIGSTOP)
            syscall(SYS_rt_sigaction, s, zero, NULL, KERNEL_SIGSET);
    if (spawn->cpus && syscall(SYS_sched_setaffinity, 0, sizeof *spawn->cpus, spawn->cpus))
        return (int)fail(child, STEP_CPUS);
    if (spawn->directory && syscall(SYS_chdir, spawn->directory))
        return (int)fail(child, STEP_DIRECTORY);
    if (syscall(SYS_dup3, child->null_fd, 0, 0) < 0 || syscall(SYS_dup3, child->log_fd, 1, 0) < 0 ||
        syscall(SYS_dup3, child->log_fd, 2, 0) < 0)
        return (int)fail(child, STEP_FILES);
    close_above_two(child);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, zero, NULL, KERNEL_SIGSET);
    syscall(SYS_execve, child->program, spawn->argv, spawn->env);
    return (int)fail(child, STEP_EXEC);
}

/* An executable file: exec would fail on a folder, but with words that do not help. */
static bool is_program(const char *path)
{
    struct stat st;
    return !access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode);
}

static const char *path_of(const char *const *env)
{
    for (; env && *env; env++)
        if (cox_str_starts(*env, "PATH="))
            return *env + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

/* The file that argv[0] names: as given when it has a slash (seen from `directory`), else along
 * PATH. */
static int find_program(char *out, size_t size, const struct cox_spawn *spawn, struct cox_err *err)
{
    const char *name = spawn->argv[0];
    if (strchr(name, '/')) {
        char seen[PATH_MAX];
        bool relative = name[0] != '/' && spawn->directory;
        int n = snprintf(seen, sizeof seen, "%s%s%s", relative ? spawn->directory : "",
                         relative ? "/" : "", name);
        int m = snprintf(out, size, "%s", name);
        if (n >= (int)sizeof seen || m >= (int)size)
            return cox_err_set(err, COX_EINVAL, "the path of a program is too long: '%s'", name);
        if (is_program(seen))
            return COX_OK;
        if (access(seen, F_OK))
            return cox_err_set(err, COX_ENOTFOUND, "there is no program '%s'", seen);
        return cox_err_set(err, COX_EINVAL, "'%s' is not a program that we may run", seen);
    }
    for (const char *at = path_of(spawn->env); *at;) {
        size_t length = strcspn(at, ":");
        /* an empty entry means the current folder; we do not run programs from there unasked */
        int n = snprintf(out, size, "%.*s/%s", (int)length, at, name);
        if (length && n < (int)size && is_program(out))
            return COX_OK;
        at += length + (at[length] == ':');
    }
    return cox_err_set(err, COX_ENOTFOUND, "there is no program '%s' in PATH", name);
}

/* Descriptors above 2, so that none is overwritten when they become 0, 1 and 2. */
static int raise_fd(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int raised = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int saved = errno;
    close(fd);
    errno = saved;
    return raised;
}

static int open_files(struct child *child, struct cox_process *out, struct cox_err *err)
{
    const char *log = child->spawn->log;
    child->null_fd = raise_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (child->null_fd < 0)
        return cox_err_errno(err, "cannot open '/dev/null'");
    child->log_fd = child->null_fd;
    if (!log)
        return COX_OK;
    child->log_fd = raise_fd(open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
    if (child->log_fd < 0)
        return cox_err_errno(err, "cannot open the log '%s'", log);
    off_t end = lseek(child->log_fd, 0, SEEK_END);
    out->log_from = end > 0 ? end : 0; /* a pipe or a terminal has no end */
    return COX_OK;
}

static int explain(const struct child *child, struct cox_err *err)
{
    static const char *const words[] = {
        [STEP_GROUP] = "making a process group", [STEP_PARENT] = "binding it to its parent",
        [STEP_CPUS] = "pinning it to its cores", [STEP_DIRECTORY] = "going to its directory",
        [STEP_FILES] = "opening its files",
    };
    errno = child->error;
    if (child->failed == STEP_EXEC)
        return cox_err_errno(err, "cannot run '%s'", child->program);
    if (child->failed == STEP_DIRECTORY)
        return cox_err_errno(err, "cannot run '%s' in '%s'", child->program,
                             child->spawn->directory);
    return cox_err_errno(err, "cannot run '%s': %s", child->program, words[child->failed]);
}

/* The clone itself, with all signals blocked. */
static int spawn_child(struct child *child, struct cox_process *out, struct cox_err *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int pidfd = -1;
    pid_t pid = clone(child_main, child->spawn->stack + COX_SPAWN_STACK,
                      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, &pidfd);
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pid < 0) {
        errno = saved;
        return cox_err_errno(err, "cannot start a process for '%s'", child->program);
    }
    out->pid = pid;
    out->pidfd = pidfd;
    /* the child wrote these before we went on; the compiler must not know better */
    __asm__ volatile("" ::: "memory");
    if (child->failed == STEP_NONE)
        return COX_OK;
    int wait_status;
    cox_process_reap(out, &wait_status);
    return explain(child, err);
}

int cox_process_spawn(struct cox_process *out, const struct cox_spawn *spawn, struct cox_err *err)
{
    *out = (struct cox_process){.pidfd = -1};
    char program[PATH_MAX];
    int rc = find_program(program, sizeof program, spawn, err);
    if (rc)
        return rc;
    struct rlimit limit = {.rlim_cur = 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    struct child child = {
        .spawn = spawn,
        .program = program,
        .parent = getpid(),
        .null_fd = -1,
        .log_fd = -1,
        .highest_fd = limit.rlim_cur < 65536 ? (unsigned)limit.rlim_cur : 65536,
    };
    rc = open_files(&child, out, err);
    if (!rc)
        rc = spawn_child(&child, out, err);
    if (child.log_fd >= 0 && child.log_fd != child.null_fd)
        close(child.log_fd);
    if (child.null_fd >= 0)
        close(child.null_fd);
    return rc;
}

void cox_process_signal(const struct cox_process *process, int signal)
{
    /* A leader that moved to another group is reached by its pidfd; SIGKILL twice does no harm. */
    if (kill(-process->pid, signal) || signal == SIGKILL)
        syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0);
}

static int wait_pidfd(int pidfd, siginfo_t *info, int options)
{
    int rc;
    do {
        *info = (siginfo_t){.si_pid = 0};
        rc = waitid(P_PIDFD, (id_t)pidfd, info, options);
    } while (rc && errno == EINTR);
    return rc;
}

bool cox_process_reap(struct cox_process *process, int *wait_status)
{
    siginfo_t info;
    *wait_status = 0;
    /* While the leader is a zombie its number cannot be given to another group. */
    bool ours = !wait_pidfd(process->pidfd, &info, WEXITED | WNOWAIT);
    if (ours) {
        kill(-process->pid, SIGKILL);
        ours = !wait_pidfd(process->pidfd, &info, WEXITED);
    }
    if (ours)
        *wait_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
                                                  : W_EXITCODE(0, info.si_status);
    close(process->pidfd);
    process->pidfd = -1;
    return ours;
}

static bool same_key(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return !strncmp(a, b, n) && b[n] == '=';
}

static bool has_key(const char *const *list, const char *entry)
{
    for (; list && *list; list++)
        if (same_key(*list, entry))
            return true;
    return false;
}

const char **cox_environment_merge(const char *const *added, const char *extra)
{
    size_t n = 2;
    for (char **e = environ; e && *e; e++)
        n++;
    for (const char *const *e = added; e && *e; e++)
        n++;
    const char **out = cox_alloc(n, sizeof *out);
    if (!out)
        return NULL;
    size_t used = 0;
    bool extra_wanted = extra && !has_key(added, extra);
    for (char **e = environ; e && *e; e++)
        if (!has_key(added, *e) && !(extra_wanted && same_key(extra, *e)))
            out[used++] = *e;
    for (const char *const *e = added; e && *e; e++)
        out[used++] = *e;
    if (extra_wanted)
        out[used++] = extra;
    return out;
}
