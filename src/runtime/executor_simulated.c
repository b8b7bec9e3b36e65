/* SPDX-License-Identifier: BSD-3-Clause */
/* No processes: attempts are entries of a heap, ordered by when they end. The clock is the real
 * one plus all that was skipped by waiting, so that the time that a scheduler really spends
 * between two waits counts, second for second, while thousands of resources wait for it. */
#include "runtime/executor.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/executor_ops.h"

struct attempt {
    double ends; /* on our clock */
    int64_t handle;
    struct cox_held held;
    int wait_status;
};

struct simulated {
    struct cox_executor base;
    double skipped; /* now = real clock + this */
    int64_t next_handle;
    struct attempt *heap; /* the earliest end first */
    int n, capacity;
};

static double simulated_now(const struct cox_executor *executor)
{
    return cox_clock_seconds() + ((const struct simulated *)executor)->skipped;
}

static int simulated_fd(const struct cox_executor *executor)
{
    (void)executor;
    return -1;
}

static bool before(const struct attempt *a, const struct attempt *b)
{
    return a->ends < b->ends || (a->ends == b->ends && a->handle < b->handle);
}

static void sift_up(struct simulated *s, int i)
{
    struct attempt moved = s->heap[i];
    while (i > 0 && before(&moved, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = moved;
}

static void sift_down(struct simulated *s, int i)
{
    struct attempt moved = s->heap[i];
    for (;;) {
        int child = 2 * i + 1;
        if (child >= s->n)
            break;
        if (child + 1 < s->n && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &moved))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = moved;
}

static int simulated_start(struct cox_executor *executor, const struct cox_task *task,
                           int64_t epoch, int64_t *handle, struct cox_placement *placement,
                           struct cox_err *err)
{
    (void)epoch;
    (void)placement;
    struct simulated *s = (struct simulated *)executor;
    double seconds;
    long long code = 0;
    if (cox_parse_double(task->argv[0], &seconds) || !(seconds >= 0) || !isfinite(seconds))
        return cox_err_set(err, COX_EINVAL, "task '%s': '%s' is not a number of seconds",
                           task->name, task->argv[0]);
    if (task->argv[1] && (cox_parse_int(task->argv[1], &code) || code < 0 || code > 255))
        return cox_err_set(err, COX_EINVAL, "task '%s': exit code must be 0 to 255, not '%s'",
                           task->name, task->argv[1]);
    if (s->n == s->capacity) {
        int capacity = s->capacity ? 2 * s->capacity : 64;
        struct attempt *heap = cox_realloc(s->heap, (size_t)capacity, sizeof *heap);
        if (!heap)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %d attempts", capacity);
        s->heap = heap;
        s->capacity = capacity;
    }
    *handle = s->next_handle++;
    s->heap[s->n] = (struct attempt){
        .ends = simulated_now(executor) + seconds,
        .handle = *handle,
        .held = cox_held_of(task),
        .wait_status = (int)code << 8,
    };
    sift_up(s, s->n++);
    placement->n_cores = task->cores;
    return COX_OK;
}

static void simulated_stop(struct cox_executor *executor, int64_t handle, bool force)
{
    struct simulated *s = (struct simulated *)executor;
    for (int i = 0; i < s->n; i++)
        if (s->heap[i].handle == handle) {
            double now = simulated_now(executor);
            if (s->heap[i].ends > now) {
                s->heap[i].ends = now;
                s->heap[i].wait_status = force ? SIGKILL : SIGTERM;
                sift_up(s, i);
            }
            return;
        }
}

static int simulated_wait(struct cox_executor *executor, double timeout_s, int64_t *handle,
                          struct cox_task_end *end, struct cox_held *held, struct cox_err *err)
{
    (void)err;
    struct simulated *s = (struct simulated *)executor;
    double ahead = s->n ? s->heap[0].ends - simulated_now(executor) : INFINITY;
    double wait = timeout_s > 0 ? timeout_s : 0;
    if (ahead > wait) {
        if (isfinite(wait))
            s->skipped += wait;
        return COX_OK;
    }
    if (ahead > 0)
        s->skipped += ahead;
    struct attempt first = s->heap[0];
    s->heap[0] = s->heap[--s->n];
    if (s->n)
        sift_down(s, 0);
    cox_task_end_set(end, first.wait_status);
    end->ended_s = first.ends;
    *held = first.held;
    *handle = first.handle;
    return COX_OK;
}

static void simulated_destroy(struct cox_executor *executor)
{
    struct simulated *s = (struct simulated *)executor;
    cox_free(s->heap);
    cox_free(s);
}

static const struct cox_executor_ops simulated_ops = {
    .kind = "simulated",
    .destroy = simulated_destroy,
    .now = simulated_now,
    .start = simulated_start,
    .stop = simulated_stop,
    .wait = simulated_wait,
    .fd = simulated_fd,
};

int cox_executor_create_simulated(struct cox_executor **out, const struct cox_resources *resources,
                                  struct cox_err *err)
{
    *out = NULL;
    int rc = cox_resources_check(resources, err);
    if (rc)
        return rc;
    if (!resources->cores)
        return cox_err_set(err, COX_EINVAL, "simulated resources need a number of cores");
    struct simulated *s = cox_alloc(1, sizeof *s);
    if (!s)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    cox_executor_init(&s->base, &simulated_ops, resources);
    *out = &s->base;
    return COX_OK;
}
