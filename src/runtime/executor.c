/* SPDX-License-Identifier: BSD-3-Clause */
#include "runtime/executor.h"

#include <math.h>
#include <string.h>

#include "runtime/executor_ops.h"

/* Sums and differences of sizes in GB leave rounding behind. */
static const double MEMORY_SLACK_GB = 1e-6;

void cox_executor_init(struct cox_executor *executor, const struct cox_executor_ops *ops,
                       const struct cox_resources *total)
{
    executor->ops = ops;
    executor->total = *total;
    executor->free_now = *total;
}

struct cox_held cox_held_of(const struct cox_task *task)
{
    return (struct cox_held){task->cores, task->memory_gb, task->accelerators};
}

void cox_executor_destroy(struct cox_executor *executor)
{
    if (executor)
        executor->ops->destroy(executor);
}

const char *cox_executor_kind(const struct cox_executor *executor)
{
    return executor->ops->kind;
}

void cox_executor_resources(const struct cox_executor *executor, struct cox_resources *total,
                            struct cox_resources *free_now)
{
    if (total)
        *total = executor->total;
    if (free_now)
        *free_now = executor->free_now;
}

double cox_executor_now(const struct cox_executor *executor)
{
    return executor->ops->now(executor);
}

int cox_resources_check(const struct cox_resources *resources, struct cox_err *err)
{
    if (resources->cores < 0 || resources->accelerators < 0 || !(resources->memory_gb >= 0) ||
        !isfinite(resources->memory_gb))
        return cox_err_set(err, COX_EINVAL,
                           "cores (%d), memory_gb (%g) and accelerators (%d) must be >= 0",
                           resources->cores, resources->memory_gb, resources->accelerators);
    return COX_OK;
}

int cox_executor_check(const struct cox_executor *executor, const struct cox_task *task,
                       struct cox_err *err)
{
    const struct cox_resources *total = &executor->total;
    if (!task->argv || !task->argv[0] || !task->argv[0][0])
        return cox_err_set(err, COX_EINVAL, "task '%s' names no program", task->name);
    for (const char *const *e = task->env; e && *e; e++)
        if (!strchr(*e, '=') || **e == '=')
            return cox_err_set(err, COX_EINVAL, "task '%s': environment '%s' is not KEY=value",
                               task->name, *e);
    int rc = cox_resources_check(
        &(struct cox_resources){task->cores, task->memory_gb, task->accelerators}, err);
    if (rc)
        return cox_err_wrap(err, rc, "task '%s'", task->name);
    if (task->cores > total->cores)
        return cox_err_set(err, COX_EINVAL, "task '%s' wants %d cores, there are %d", task->name,
                           task->cores, total->cores);
    if (total->memory_gb > 0 && task->memory_gb > total->memory_gb + MEMORY_SLACK_GB)
        return cox_err_set(err, COX_EINVAL, "task '%s' wants %g GB of memory, there are %g",
                           task->name, task->memory_gb, total->memory_gb);
    if (task->accelerators > total->accelerators)
        return cox_err_set(err, COX_EINVAL, "task '%s' wants %d accelerators, there are %d",
                           task->name, task->accelerators, total->accelerators);
    return COX_OK;
}

bool cox_executor_fits(const struct cox_executor *executor, const struct cox_held *needs)
{
    const struct cox_resources *have = &executor->free_now;
    return needs->cores <= have->cores && needs->accelerators <= have->accelerators &&
           (!(executor->total.memory_gb > 0) ||
            needs->memory_gb <= have->memory_gb + MEMORY_SLACK_GB);
}

int cox_executor_start(struct cox_executor *executor, const struct cox_task *task, int64_t epoch,
                       int64_t *handle, struct cox_placement *placement, struct cox_err *err)
{
    *handle = -1;
    *placement = (struct cox_placement){.host = "localhost", .first_core = -1};
    struct cox_held needs = cox_held_of(task);
    int rc = cox_executor_check(executor, task, err);
    if (rc || !cox_executor_fits(executor, &needs))
        return rc;
    rc = executor->ops->start(executor, task, epoch, handle, placement, err);
    if (rc) {
        *handle = -1;
        return rc;
    }
    if (*handle >= 0) {
        executor->free_now.cores -= task->cores;
        executor->free_now.memory_gb -= task->memory_gb;
        executor->free_now.accelerators -= task->accelerators;
    }
    return COX_OK;
}

void cox_executor_stop(struct cox_executor *executor, int64_t handle, bool force)
{
    executor->ops->stop(executor, handle, force);
}

int cox_executor_wait(struct cox_executor *executor, double timeout_s, int64_t *handle,
                      struct cox_task_end *end, struct cox_err *err)
{
    struct cox_held held = {0, 0.0, 0};
    *handle = -1;
    *end = (struct cox_task_end){.code = 0};
    int rc = executor->ops->wait(executor, timeout_s, handle, end, &held, err);
    if (rc || *handle < 0)
        return rc;
    if (end->ended_s == 0)
        end->ended_s = cox_executor_now(executor);
    executor->free_now.cores += held.cores;
    executor->free_now.memory_gb += held.memory_gb;
    executor->free_now.accelerators += held.accelerators;
    return COX_OK;
}

int cox_executor_fd(const struct cox_executor *executor)
{
    return executor->ops->fd(executor);
}
