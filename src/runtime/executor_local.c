/* SPDX-License-Identifier: BSD-3-Clause */
/* Attempts as processes of this host. Waiting is one epoll over their pidfds, so that the cost of
 * an end does not grow with the number of attempts and nobody else's children are touched. */
#include "runtime/executor.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/executor_ops.h"
#include "runtime/process.h"

enum { MOST_ACCELERATORS = 64, DEVICES_TEXT = 32 + 12 * MOST_ACCELERATORS };

struct attempt {
    bool used;
    uint32_t generation; /* of this slot: a handle of an earlier attempt does not fit */
    int next_free;       /* slot, -1: none */
    struct cox_process process;
    struct cox_held held;
    cpu_set_t cpus; /* those it is pinned to; all zero: none */
    uint64_t devices;
    char *log;
};

struct local {
    struct cox_executor base;
    int epoll_fd;
    char *stack;
    int *cpu; /* [n_cpus] numbers of those that we may use, ascending; n_cpus 0: no pinning */
    int n_cpus;
    cpu_set_t taken;
    uint64_t devices_taken;
    struct attempt *attempts;
    int n_attempts;
    int first_free;
};

static struct local *local_of(struct cox_executor *executor)
{
    return (struct local *)executor;
}

static int64_t handle_of(const struct local *local, int slot)
{
    return (int64_t)local->attempts[slot].generation << 32 | slot;
}

static int slot_of(const struct local *local, int64_t handle)
{
    int64_t slot = handle & 0xffffffff;
    if (handle < 0 || slot >= local->n_attempts || !local->attempts[slot].used ||
        local->attempts[slot].generation != (uint64_t)handle >> 32)
        return -1;
    return (int)slot;
}

static double local_now(const struct cox_executor *executor)
{
    (void)executor;
    return cox_clock_seconds();
}

static int local_fd(const struct cox_executor *executor)
{
    return ((const struct local *)executor)->epoll_fd;
}

/* A slot that is free, its generation already that of the attempt to come. */
static int take_slot(struct local *local, struct cox_err *err)
{
    if (local->first_free < 0) {
        int n = local->n_attempts ? 2 * local->n_attempts : 16;
        struct attempt *attempts = cox_realloc(local->attempts, (size_t)n, sizeof *attempts);
        if (!attempts)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %d attempts", n);
        local->attempts = attempts;
        for (int i = n - 1; i >= local->n_attempts; i--) {
            attempts[i].next_free = local->first_free;
            local->first_free = i;
        }
        local->n_attempts = n;
    }
    int slot = local->first_free;
    local->first_free = local->attempts[slot].next_free;
    struct attempt *a = &local->attempts[slot];
    uint32_t generation = (a->generation + 1) & INT32_MAX;
    *a = (struct attempt){.used = true, .generation = generation, .process = {.pidfd = -1}};
    return slot;
}

static void release_slot(struct local *local, int slot)
{
    struct attempt *a = &local->attempts[slot];
    CPU_XOR(&local->taken, &local->taken, &a->cpus); /* cpus is a subset of taken */
    local->devices_taken &= ~a->devices;
    cox_free(a->log);
    a->log = NULL;
    a->used = false;
    a->next_free = local->first_free;
    local->first_free = slot;
}

/* The lowest run of neighbours that are free, else the lowest free ones. */
static void take_cpus(struct local *local, struct attempt *a, struct cox_placement *placement)
{
    int cores = a->held.cores;
    if (!local->n_cpus || !cores)
        return;
    int from = 0, run = 0;
    for (int i = 0; i < local->n_cpus && run < cores; i++) {
        bool is_free = !CPU_ISSET(local->cpu[i], &local->taken);
        bool joins = run && local->cpu[i] == local->cpu[i - 1] + 1;
        if (is_free && !joins)
            from = i;
        run = !is_free ? 0 : joins ? run + 1 : 1;
    }
    bool contiguous = run >= cores;
    int left = cores;
    for (int i = contiguous ? from : 0; i < local->n_cpus && left; i++)
        if (!CPU_ISSET(local->cpu[i], &local->taken)) {
            CPU_SET(local->cpu[i], &a->cpus);
            CPU_SET(local->cpu[i], &local->taken);
            left--;
        }
    placement->first_core = contiguous ? local->cpu[from] : -1;
}

/* "CUDA_VISIBLE_DEVICES=…" of the devices given to this attempt, numbered as in ours. */
static void take_devices(struct local *local, struct attempt *a, char *text, size_t size)
{
    const char *ours = getenv("CUDA_VISIBLE_DEVICES");
    size_t used = (size_t)snprintf(text, size, "CUDA_VISIBLE_DEVICES=");
    int left = a->held.accelerators;
    for (int d = 0; d < local->base.total.accelerators && left; d++) {
        size_t length = ours ? strcspn(ours, ",") : 0;
        const char *name = ours;
        if (ours)
            ours = ours[length] ? ours + length + 1 : NULL;
        if (local->devices_taken >> d & 1)
            continue;
        a->devices |= UINT64_C(1) << d;
        left--;
        const char *comma = left == a->held.accelerators - 1 ? "" : ",";
        if (used < size && length)
            used += (size_t)snprintf(text + used, size - used, "%s%.*s", comma, (int)length, name);
        else if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%d", comma, d);
    }
    local->devices_taken |= a->devices;
}

static int launch(struct local *local, struct attempt *a, const struct cox_task *task,
                  struct cox_placement *placement, struct cox_err *err)
{
    char devices[DEVICES_TEXT] = "";
    a->held = cox_held_of(task);
    take_cpus(local, a, placement);
    if (task->accelerators)
        take_devices(local, a, devices, sizeof devices);
    a->log = task->log ? cox_strdup(task->log) : NULL;
    const char **env = cox_environment_merge(task->env, devices[0] ? devices : NULL);
    int rc = COX_OK;
    if (!env || (task->log && !a->log))
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
    struct cox_spawn spawn = {
        .argv = task->argv,
        .env = env,
        .directory = task->directory,
        .log = task->log,
        .cpus = CPU_COUNT(&a->cpus) ? &a->cpus : NULL,
        .stack = local->stack,
    };
    if (!rc)
        rc = cox_process_spawn(&a->process, &spawn, err);
    cox_free(env);
    return rc;
}

static int local_start(struct cox_executor *executor, const struct cox_task *task, int64_t epoch,
                       int64_t *handle, struct cox_placement *placement, struct cox_err *err)
{
    (void)epoch;
    struct local *local = local_of(executor);
    int slot = take_slot(local, err);
    if (slot < 0)
        return slot;
    struct attempt *a = &local->attempts[slot];
    int rc = launch(local, a, task, placement, err);
    if (!rc) {
        *handle = handle_of(local, slot);
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)*handle};
        if (epoll_ctl(local->epoll_fd, EPOLL_CTL_ADD, a->process.pidfd, &event)) {
            int wait_status;
            rc = cox_err_errno(err, "cannot watch a process");
            cox_process_signal(&a->process, SIGKILL);
            cox_process_reap(&a->process, &wait_status);
        }
    }
    if (rc) {
        release_slot(local, slot);
        return cox_err_wrap(err, rc, "starting task '%s'", task->name);
    }
    placement->pid = a->process.pid;
    placement->n_cores = task->cores;
    return COX_OK;
}

static void local_stop(struct cox_executor *executor, int64_t handle, bool force)
{
    struct local *local = local_of(executor);
    int slot = slot_of(local, handle);
    if (slot >= 0)
        cox_process_signal(&local->attempts[slot].process, force ? SIGKILL : SIGTERM);
}

static int local_wait(struct cox_executor *executor, double timeout_s, int64_t *handle,
                      struct cox_task_end *end, struct cox_held *held, struct cox_err *err)
{
    struct local *local = local_of(executor);
    struct epoll_event event;
    double ms = timeout_s > 0 ? ceil(timeout_s * 1e3) : 0;
    int n = epoll_wait(local->epoll_fd, &event, 1, ms < INT_MAX ? (int)ms : INT_MAX);
    if (n < 0 && errno != EINTR)
        return cox_err_errno(err, "waiting for tasks");
    if (n <= 0)
        return COX_OK; /* time is up, or a signal: the caller may want to look at its flag */
    int64_t ended = (int64_t)event.data.u64;
    int slot = slot_of(local, ended);
    if (slot < 0)
        return COX_OK;
    struct attempt *a = &local->attempts[slot];
    /* Closing it would not be enough where a fork of ours still holds the descriptor. */
    epoll_ctl(local->epoll_fd, EPOLL_CTL_DEL, a->process.pidfd, NULL);
    int wait_status;
    end->ended_s = cox_clock_seconds();
    if (cox_process_reap(&a->process, &wait_status)) {
        cox_task_end_set(end, wait_status);
    } else {
        end->lost = true;
        end->code = -1;
        snprintf(end->reason, sizeof end->reason,
                 "its exit status is unknown: taken by another part of this program");
    }
    if (!end->ok)
        cox_task_end_add_log(end, a->log, a->process.log_from);
    *held = a->held;
    *handle = ended;
    release_slot(local, slot);
    return COX_OK;
}

static void local_destroy(struct cox_executor *executor)
{
    struct local *local = local_of(executor);
    for (int i = 0; i < local->n_attempts; i++)
        if (local->attempts[i].used)
            cox_process_signal(&local->attempts[i].process, SIGKILL);
    for (int i = 0; i < local->n_attempts; i++)
        if (local->attempts[i].used) {
            int wait_status;
            cox_process_reap(&local->attempts[i].process, &wait_status);
            release_slot(local, i);
        }
    if (local->epoll_fd >= 0)
        close(local->epoll_fd);
    cox_free(local->attempts);
    cox_free(local->stack);
    cox_free(local->cpu);
    cox_free(local);
}

static const struct cox_executor_ops local_ops = {
    .kind = "local",
    .destroy = local_destroy,
    .now = local_now,
    .start = local_start,
    .stop = local_stop,
    .wait = local_wait,
    .fd = local_fd,
};

/* With more cores than there are, pinning would only pile attempts up: the kernel shares better. */
static int list_cpus(struct local *local, struct cox_resources *total, struct cox_err *err)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set)) {
        if (!total->cores)
            total->cores = 1;
        return COX_OK; /* more processors than a cpu_set_t holds: not pinned */
    }
    int n = CPU_COUNT(&set);
    if (!total->cores)
        total->cores = n;
    if (total->cores > n)
        return COX_OK;
    local->cpu = cox_alloc((size_t)n, sizeof *local->cpu);
    if (!local->cpu)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    for (int c = 0; c < CPU_SETSIZE && local->n_cpus < n; c++)
        if (CPU_ISSET(c, &set))
            local->cpu[local->n_cpus++] = c;
    return COX_OK;
}

int cox_executor_create_local(struct cox_executor **out, const struct cox_resources *resources,
                              struct cox_err *err)
{
    *out = NULL;
    struct cox_resources total = resources ? *resources : (struct cox_resources){.cores = 0};
    int rc = cox_resources_check(&total, err);
    if (rc)
        return rc;
    if (total.accelerators > MOST_ACCELERATORS)
        return cox_err_set(err, COX_EINVAL, "accelerators must be <= %d, not %d", MOST_ACCELERATORS,
                           total.accelerators);
    struct local *local = cox_alloc(1, sizeof *local);
    if (!local)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    local->epoll_fd = -1;
    local->first_free = -1;
    cox_executor_init(&local->base, &local_ops, &total);
    local->stack = cox_alloc(COX_SPAWN_STACK, 1);
    if (!local->stack) {
        rc = cox_err_set(err, COX_ENOMEM, "out of memory");
        goto failed;
    }
    rc = list_cpus(local, &total, err);
    if (rc)
        goto failed;
    local->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (local->epoll_fd < 0) {
        rc = cox_err_errno(err, "cannot wait for processes");
        goto failed;
    }
    cox_executor_init(&local->base, &local_ops, &total);
    *out = &local->base;
    return COX_OK;
failed:
    local_destroy(&local->base);
    return rc;
}
