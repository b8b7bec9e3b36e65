/* SPDX-License-Identifier: BSD-3-Clause */
/* Attempts as steps of the allocation that this process runs in: each is an srun, which is a
 * process of this host, so a local executor starts and awaits them. We choose the nodes: a step is
 * told its node, and a node that failed is left alone until a probe step has run on it.
 *
 * What srun makes of signals (22.05): SIGINT is passed on to the task with --disable-status, a
 * second one within a second kills; SIGTERM kills the task, but for some while the step begins,
 * when srun only says that it does ("forcing job termination") or nothing: it is sent again;
 * SIGKILL leaves the step to srun's shepherd process. The task's output goes to its log; srun's own
 * words to a file in memory, for they tell how it ended. */
#include "runtime/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/executor_ops.h"
#include "runtime/executor_slurm_command.h"
#include "runtime/executor_slurm_words.h"

static const double KILL_AFTER_S = 8;    /* from the first SIGTERM to srun to its SIGKILL */
static const double TERM_AGAIN_S = 0.5;  /* one that comes while a step begins may do nothing */
static const double PROBE_LIMIT_S = 20;  /* a step that does nothing */
static const double PROBE_AGAIN_S = 5;   /* the first pause; doubled each time up to … */
static const double PROBE_SELDOM_S = 60; /* … this */
static const double INTERRUPT_GAP_S = 2; /* two SIGINT sooner than this would kill */

enum { WORDS_MAX = 4096 };

struct node {
    char name[64];
    int cores, cores_free;
    double memory_free;
    int accelerators, accelerators_free;
    enum cox_slurm_verdict verdict;
    bool probing;
    double probe_at, probe_pause;
};

struct attempt {
    int64_t handle; /* -1: a probe */
    int64_t srun;   /* handle of the local executor */
    pid_t pid;
    int node;
    struct cox_held held;
    int words_fd, log_fd; /* -1: none */
    off_t log_from;
    char *log;
    enum cox_slurm_asked asked;
    double interrupted_at; /* last SIGINT */
    double kill_at;        /* next signal, INFINITY: none */
    double give_up_at;     /* from then on SIGKILL */
};

struct slurm {
    struct cox_executor base;
    struct cox_executor *local;
    int epoll_fd, timer_fd;
    struct node *nodes;
    int n_nodes, first_node; /* where tasks of 0 cores go */
    double memory_per_core;  /* GB, 0: not counted */
    struct attempt *attempts;
    int n_attempts, capacity;
    int64_t next_handle;
};

static struct slurm *slurm_of(struct cox_executor *executor)
{
    return (struct slurm *)executor;
}

static double slurm_now(const struct cox_executor *executor)
{
    (void)executor;
    return cox_clock_seconds();
}

static int slurm_fd(const struct cox_executor *executor)
{
    return ((const struct slurm *)executor)->epoll_fd;
}

/* The timer makes our descriptor readable when a deadline of ours has come. */
static void arm(struct slurm *s)
{
    double due = INFINITY;
    for (int i = 0; i < s->n_attempts; i++)
        due = fmin(due, s->attempts[i].kill_at);
    for (int i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].verdict == COX_SLURM_NODE_SUSPECT && !s->nodes[i].probing)
            due = fmin(due, s->nodes[i].probe_at);
    struct itimerspec when = {{0, 0}, {0, 0}};
    if (isfinite(due)) {
        double left = fmax(due - cox_clock_seconds(), 1e-6);
        when.it_value.tv_sec = (time_t)left;
        when.it_value.tv_nsec = (long)((left - floor(left)) * 1e9);
    }
    timerfd_settime(s->timer_fd, 0, &when, NULL);
}

/* A node's free cores count among ours only while it is fine. */
static void count_node(struct slurm *s, const struct node *node, int sign)
{
    s->base.free_now.cores += sign * node->cores_free;
    s->base.free_now.memory_gb += sign * node->memory_free;
    s->base.free_now.accelerators += sign * node->accelerators_free;
}

static void judge(struct slurm *s, struct node *node, enum cox_slurm_verdict verdict)
{
    if (node->verdict == COX_SLURM_NODE_GONE || verdict == node->verdict)
        return;
    if (node->verdict == COX_SLURM_NODE_FINE)
        count_node(s, node, -1);
    if (verdict == COX_SLURM_NODE_FINE) {
        count_node(s, node, 1);
        node->probe_pause = PROBE_AGAIN_S;
    }
    if (verdict == COX_SLURM_NODE_SUSPECT)
        node->probe_at = cox_clock_seconds();
    if (verdict == COX_SLURM_NODE_GONE) {
        s->base.total.cores -= node->cores;
        s->base.total.memory_gb -= node->cores * s->memory_per_core;
        s->base.total.accelerators -= node->accelerators;
    }
    node->verdict = verdict;
}

/* The tightest place, so that large tasks find one later. -1: none now. */
static int find_node(const struct slurm *s, const struct cox_task *task)
{
    int best = -1;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct node *n = &s->nodes[i];
        if (n->verdict != COX_SLURM_NODE_FINE || task->cores > n->cores_free ||
            task->accelerators > n->accelerators_free ||
            (s->memory_per_core > 0 && task->memory_gb > n->memory_free + 1e-6))
            continue;
        if (task->cores == 0 && task->accelerators == 0) {
            if (i == s->first_node)
                return i;
            if (best < 0)
                best = i;
        } else if (best < 0 || n->cores_free < s->nodes[best].cores_free) {
            best = i;
        }
    }
    return best;
}

/* No amount of waiting makes room for it on one node. */
static int check_size(const struct slurm *s, const struct cox_task *task, struct cox_err *err)
{
    int most = 0;
    for (int i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].verdict != COX_SLURM_NODE_GONE && s->nodes[i].cores > most)
            most = s->nodes[i].cores;
    if (task->cores > most)
        return cox_err_set(err, COX_EINVAL,
                           "task '%s' wants %d cores of one node, the largest has %d", task->name,
                           task->cores, most);
    if (strchr(task->argv[0], '/') && access(task->argv[0], X_OK))
        return cox_err_set(err, COX_ENOTFOUND, "no such program: '%s'", task->argv[0]);
    return COX_OK;
}

static int open_files(struct attempt *a, const struct cox_task *task, struct cox_err *err)
{
    a->words_fd = memfd_create("srun", MFD_CLOEXEC);
    if (a->words_fd < 0)
        return cox_err_errno(err, "cannot make room for the words of srun");
    if (!task->log)
        return COX_OK;
    a->log = cox_strdup(task->log);
    if (!a->log)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    a->log_fd = open(task->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (a->log_fd < 0)
        return cox_err_errno(err, "cannot open log '%s'", task->log);
    a->log_from = lseek(a->log_fd, 0, SEEK_END);
    return COX_OK;
}

static void close_files(struct attempt *a)
{
    if (a->words_fd >= 0)
        close(a->words_fd);
    if (a->log_fd >= 0)
        close(a->log_fd);
    cox_free(a->log);
}

static int reserve(struct slurm *s, struct cox_err *err)
{
    if (s->n_attempts < s->capacity)
        return COX_OK;
    int more = s->capacity ? 2 * s->capacity : 16;
    struct attempt *grown = cox_realloc(s->attempts, (size_t)more, sizeof *grown);
    if (!grown)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d steps", more);
    s->attempts = grown;
    s->capacity = more;
    return COX_OK;
}

/* Starts the srun of a task on a node; the attempt is the last of the list then. */
static int launch(struct slurm *s, int node, const struct cox_task *task, int64_t handle,
                  struct cox_err *err)
{
    int rc = reserve(s, err);
    if (rc)
        return rc;
    struct attempt a = {.handle = handle,
                        .node = node,
                        .words_fd = -1,
                        .log_fd = -1,
                        .kill_at = INFINITY,
                        .give_up_at = INFINITY,
                        .interrupted_at = -INFINITY};
    struct cox_slurm_command command;
    const char **argv = NULL;
    int n = 0;
    char words[64];
    struct cox_placement placement;
    rc = open_files(&a, task, err);
    if (!rc) {
        cox_slurm_command_make(&command, task, s->nodes[node].name, a.log_fd,
                               s->base.total.accelerators > 0);
        while (task->argv[n])
            n++;
        argv = cox_alloc((size_t)command.n + (size_t)n + 1, sizeof *argv);
        if (!argv)
            rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    }
    if (!rc) {
        memcpy(argv, command.argv, (size_t)command.n * sizeof *argv);
        memcpy(argv + command.n, task->argv, (size_t)n * sizeof *argv);
        snprintf(words, sizeof words, "/proc/%d/fd/%d", (int)getpid(), a.words_fd);
        struct cox_task srun = {.argv = argv, .env = task->env, .log = words};
        snprintf(srun.name, sizeof srun.name, "%s", task->name);
        rc = cox_executor_start(s->local, &srun, 0, &a.srun, &placement, err);
    }
    cox_free(argv);
    if (rc) {
        close_files(&a);
        return rc;
    }
    a.pid = (pid_t)placement.pid;
    s->attempts[s->n_attempts++] = a;
    return COX_OK;
}

static int slurm_start(struct cox_executor *executor, const struct cox_task *task, int64_t epoch,
                       int64_t *handle, struct cox_placement *placement, struct cox_err *err)
{
    (void)epoch;
    struct slurm *s = slurm_of(executor);
    int rc = check_size(s, task, err);
    if (rc)
        return rc;
    int at = find_node(s, task);
    if (at < 0)
        return COX_OK;
    rc = launch(s, at, task, s->next_handle, err);
    if (rc)
        return cox_err_wrap(err, rc, "starting task '%s'", task->name);
    struct node *node = &s->nodes[at];
    struct attempt *a = &s->attempts[s->n_attempts - 1];
    a->held = cox_held_of(task);
    node->cores_free -= a->held.cores;
    node->memory_free -= a->held.memory_gb;
    node->accelerators_free -= a->held.accelerators;
    *handle = s->next_handle++;
    snprintf(placement->host, sizeof placement->host, "%s", node->name);
    placement->pid = a->pid;
    placement->n_cores = task->cores;
    return COX_OK;
}

static void force(struct attempt *a)
{
    const double now = cox_clock_seconds();
    if (a->asked != COX_SLURM_FORCED)
        a->give_up_at = now + KILL_AFTER_S;
    a->asked = COX_SLURM_FORCED;
    kill(a->pid, SIGTERM);
    a->kill_at = fmin(now + TERM_AGAIN_S, a->give_up_at);
}

/* srun is our child and not reaped before its attempt has ended, so its number is still its own. */
static void slurm_stop(struct cox_executor *executor, int64_t handle, bool harsh)
{
    struct slurm *s = slurm_of(executor);
    for (int i = 0; i < s->n_attempts; i++) {
        struct attempt *a = &s->attempts[i];
        if (a->handle != handle || handle < 0)
            continue;
        double now = cox_clock_seconds();
        if (harsh && a->asked != COX_SLURM_FORCED) {
            force(a);
        } else if (!harsh && now - a->interrupted_at >= INTERRUPT_GAP_S) {
            if (a->asked == COX_SLURM_NOTHING)
                a->asked = COX_SLURM_ASKED_TO_STOP;
            a->interrupted_at = now;
            kill(a->pid, SIGINT);
        }
    }
    arm(s);
}

static void start_probe(struct slurm *s, int node)
{
    static const char *const argv[] = {"true", NULL};
    struct cox_task task = {.name = "probe", .argv = argv};
    struct node *n = &s->nodes[node];
    if (launch(s, node, &task, -1, NULL)) { /* no memory or no process: later */
        n->probe_at = cox_clock_seconds() + n->probe_pause;
        return;
    }
    n->probing = true;
    s->attempts[s->n_attempts - 1].kill_at = cox_clock_seconds() + PROBE_LIMIT_S;
}

/* What the clock demands. */
static void act(struct slurm *s)
{
    double now = cox_clock_seconds();
    for (int i = 0; i < s->n_attempts; i++) {
        struct attempt *a = &s->attempts[i];
        if (a->kill_at > now)
            continue;
        if (a->asked != COX_SLURM_FORCED || a->give_up_at > now) {
            force(a);
        } else {
            kill(a->pid, SIGKILL);
            a->kill_at = INFINITY;
        }
    }
    for (int i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        if (n->verdict == COX_SLURM_NODE_SUSPECT && !n->probing && n->probe_at <= now)
            start_probe(s, i);
    }
}

static void read_words(const struct attempt *a, char *words, size_t size)
{
    ssize_t n = pread(a->words_fd, words, size - 1, 0);
    words[n > 0 ? n : 0] = '\0';
}

static void end_probe(struct slurm *s, const struct attempt *a, enum cox_slurm_verdict verdict,
                      bool ok)
{
    struct node *n = &s->nodes[a->node];
    n->probing = false;
    if (ok || verdict == COX_SLURM_NODE_GONE) {
        judge(s, n, ok ? COX_SLURM_NODE_FINE : COX_SLURM_NODE_GONE);
        return;
    }
    n->probe_at = cox_clock_seconds() + n->probe_pause;
    n->probe_pause = fmin(2 * n->probe_pause, PROBE_SELDOM_S);
}

/* Gives the node back what the attempt held; what our caller is to count as free again is only
 * what a fine node has. */
static struct cox_held give_back(struct slurm *s, const struct attempt *a)
{
    struct node *n = &s->nodes[a->node];
    n->cores_free += a->held.cores;
    n->memory_free += a->held.memory_gb;
    n->accelerators_free += a->held.accelerators;
    return n->verdict == COX_SLURM_NODE_FINE ? a->held : (struct cox_held){0, 0.0, 0};
}

static void finish(struct slurm *s, int i, const struct cox_task_end *srun, int64_t *handle,
                   struct cox_task_end *end, struct cox_held *held)
{
    struct attempt a = s->attempts[i];
    char words[WORDS_MAX];
    s->attempts[i] = s->attempts[--s->n_attempts];
    read_words(&a, words, sizeof words);
    enum cox_slurm_verdict verdict = cox_slurm_end(end, srun, words, a.asked);
    if (a.handle < 0) {
        end_probe(s, &a, verdict, end->ok);
        close_files(&a);
        return;
    }
    judge(s, &s->nodes[a.node],
          verdict == COX_SLURM_NODE_FINE ? s->nodes[a.node].verdict : verdict);
    *held = give_back(s, &a);
    if (!end->ok && !end->lost)
        cox_task_end_add_log(end, a.log, a.log_from);
    if (!end->ok && a.log_fd >= 0 && words[0]) {
        ssize_t written = write(a.log_fd, words, strlen(words));
        (void)written; /* a log that cannot be written is no failure of the task */
    }
    close_files(&a);
    *handle = a.handle;
}

static int slurm_wait(struct cox_executor *executor, double timeout_s, int64_t *handle,
                      struct cox_task_end *end, struct cox_held *held, struct cox_err *err)
{
    struct slurm *s = slurm_of(executor);
    struct epoll_event event;
    uint64_t expired;
    act(s);
    arm(s);
    double ms = timeout_s > 0 ? ceil(timeout_s * 1e3) : 0;
    int n = epoll_wait(s->epoll_fd, &event, 1, ms < INT_MAX ? (int)ms : INT_MAX);
    if (n < 0 && errno != EINTR)
        return cox_err_errno(err, "waiting for steps");
    if (n <= 0)
        return COX_OK;
    ssize_t ticks = read(s->timer_fd, &expired, sizeof expired);
    (void)ticks; /* nothing to read: it was not the timer */
    act(s);
    int64_t srun = -1;
    struct cox_task_end srun_end;
    int rc = cox_executor_wait(s->local, 0, &srun, &srun_end, err);
    for (int i = 0; !rc && srun >= 0 && i < s->n_attempts; i++)
        if (s->attempts[i].srun == srun) {
            finish(s, i, &srun_end, handle, end, held);
            break;
        }
    arm(s);
    return rc;
}

/* Asks every srun to kill its task, waits as long as that may take, then leaves the rest to the
 * end of the allocation. */
static void slurm_destroy(struct cox_executor *executor)
{
    struct slurm *s = slurm_of(executor);
    for (int i = 0; i < s->n_attempts; i++)
        if (s->attempts[i].asked != COX_SLURM_FORCED)
            force(&s->attempts[i]);
    double until = cox_clock_seconds() + KILL_AFTER_S;
    for (int i = 0; i < s->n_nodes; i++)
        s->nodes[i].probe_at = INFINITY;
    while (s->n_attempts && cox_clock_seconds() < until) {
        int64_t handle = -1;
        struct cox_task_end end;
        struct cox_held held;
        if (slurm_wait(executor, until - cox_clock_seconds(), &handle, &end, &held, NULL))
            break;
    }
    cox_executor_destroy(s->local);
    for (int i = 0; i < s->n_attempts; i++)
        close_files(&s->attempts[i]);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    if (s->timer_fd >= 0)
        close(s->timer_fd);
    cox_free(s->attempts);
    cox_free(s->nodes);
    cox_free(s);
}

static const struct cox_executor_ops slurm_ops = {
    .kind = "slurm",
    .destroy = slurm_destroy,
    .now = slurm_now,
    .start = slurm_start,
    .stop = slurm_stop,
    .wait = slurm_wait,
    .fd = slurm_fd,
};

static long long environment_number(const char *name)
{
    const char *text = getenv(name);
    long long value = 0;
    return text && !cox_parse_int(text, &value) && value > 0 ? value : 0;
}

static int read_allocation(struct slurm *s, struct cox_err *err)
{
    struct cox_slurm_node *list = NULL;
    const char *names = getenv("SLURM_JOB_NODELIST");
    const char *cores = getenv("SLURM_JOB_CPUS_PER_NODE");
    const char *here = getenv("SLURMD_NODENAME");
    if (!names || !cores)
        return cox_err_set(err, COX_EUNSUPPORTED, "%s is not set: not within an allocation",
                           names ? "SLURM_JOB_CPUS_PER_NODE" : "SLURM_JOB_NODELIST");
    int n_nodes = 0;
    int rc = cox_slurm_nodes(&list, &n_nodes, names, cores, err);
    if (rc)
        return rc;
    s->nodes = cox_alloc((size_t)n_nodes, sizeof *s->nodes);
    if (!s->nodes) {
        cox_free(list);
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d nodes", n_nodes);
    }
    s->n_nodes = n_nodes;
    long long per_node = environment_number("SLURM_MEM_PER_NODE");
    s->memory_per_core = (double)environment_number("SLURM_MEM_PER_CPU") / 1024;
    if (per_node)
        s->memory_per_core = (double)per_node / 1024 / list[0].cores;
    struct cox_resources total = {0, 0.0, 0};
    for (int i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        memcpy(n->name, list[i].name, sizeof n->name);
        n->cores = n->cores_free = list[i].cores;
        n->memory_free = n->cores * s->memory_per_core;
        n->accelerators = n->accelerators_free = (int)environment_number("SLURM_GPUS_ON_NODE");
        n->probe_pause = PROBE_AGAIN_S;
        total.cores += n->cores;
        total.memory_gb += n->memory_free;
        total.accelerators += n->accelerators;
        if (here && !strcmp(here, n->name))
            s->first_node = i;
    }
    cox_free(list);
    cox_executor_init(&s->base, &slurm_ops, &total);
    return COX_OK;
}

static int open_descriptors(struct slurm *s, struct cox_err *err)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (s->epoll_fd < 0 || s->timer_fd < 0)
        return cox_err_errno(err, "cannot wait for steps");
    const int watched[] = {s->timer_fd, cox_executor_fd(s->local)};
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, watched[i], &event))
            return cox_err_errno(err, "cannot wait for steps");
    }
    return COX_OK;
}

/* A step has all that srun asked for, which leaves nothing for steps of its own. */
static bool inside_step(void)
{
    long long step = environment_number("SLURM_STEP_ID");
    const char *text = getenv("SLURM_STEP_ID");
    return text && (step > 0 || !strcmp(text, "0")) && step < 0xfffffff0LL;
}

int cox_executor_create_slurm(struct cox_executor **out, struct cox_err *err)
{
    *out = NULL;
    if (!getenv("SLURM_JOB_ID"))
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "not within a Slurm allocation: SLURM_JOB_ID is not set");
    if (inside_step())
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "within a step of srun: start it from the batch script or from salloc");
    struct slurm *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    s->base.ops = &slurm_ops;
    s->epoll_fd = s->timer_fd = -1;
    struct cox_resources none = {.cores = 1};
    int rc = read_allocation(s, err);
    if (!rc)
        rc = cox_executor_create_local(&s->local, &none, err);
    if (!rc)
        rc = open_descriptors(s, err);
    if (rc) {
        slurm_destroy(&s->base);
        return cox_err_wrap(err, rc, "Slurm");
    }
    *out = &s->base;
    return COX_OK;
}
