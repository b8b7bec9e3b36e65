/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor: idle time over 6,120 tasks of one second in virtual time, and how many empty
 * processes a second it runs, beside plain loops of fork+exec and posix_spawn in the same run. What
 * is measured and how: bench/runtime.md. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/supervisor.h"

enum { TASKS = 6120, ROUNDS = 5, WIDTH = 2 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
    return values[n / 2];
}

/* ---- scheduling in virtual time ---- */

struct schedule {
    double beyond_s;    /* last end - before the first add - the ideal */
    double idle_s;      /* in which at least one core stood still though tasks waited */
    double core_idle_s; /* the same, summed over the cores */
    double spent_s;     /* real time, all of it ours */
};

static int schedule_once(int cores, struct schedule *out, struct cox_err *err)
{
    static double freed[2 * TASKS], started[TASKS];
    struct cox_executor *x = NULL;
    struct cox_supervisor *s = NULL;
    struct cox_resources r = {cores, 0, 0};
    const char *argv[] = {"1", NULL};
    struct cox_task task = {.argv = argv, .cores = 1};
    int rc = cox_executor_create_simulated(&x, &r, err);
    if (!rc)
        rc = cox_supervisor_create(&s, x, 1, err);
    double real = cox_clock_seconds();
    double zero = rc ? 0 : cox_executor_now(x);
    int n_freed = 0, n_started = 0, n_ended = 0;
    while (n_freed < cores)
        freed[n_freed++] = zero;
    for (int i = 0; i < TASKS && !rc; i++) {
        int id;
        rc = cox_supervisor_add(s, &task, &id, err);
    }
    double last = zero;
    while (!rc && n_ended < TASKS) {
        struct cox_supervisor_event event;
        rc = cox_supervisor_next(s, 10, &event, err);
        if (!rc && event.kind == COX_SUPERVISOR_STARTED) {
            started[n_started++] = event.began_s;
        } else if (!rc && event.kind == COX_SUPERVISOR_ENDED) {
            freed[n_freed++] = last = event.ended_s;
            n_ended++;
        } else if (!rc) {
            rc = cox_err_set(err, COX_EEXTERNAL, "a task neither began nor ended: kind %d",
                             (int)event.kind);
        }
    }
    if (!rc) {
        out->spent_s = cox_clock_seconds() - real;
        int waves = (TASKS + cores - 1) / cores; /* of one second each */
        out->beyond_s = last - zero - waves;
        out->idle_s = cox_supervisor_idle_s(s);
        /* the n-th start takes the n-th core that became free */
        qsort(freed, (size_t)n_freed, sizeof *freed, compare);
        out->core_idle_s = 0;
        for (int i = 0; i < TASKS; i++)
            out->core_idle_s += started[i] - freed[i];
    }
    cox_supervisor_destroy(s);
    cox_executor_destroy(x);
    return rc;
}

static int schedule(struct cox_json *list, int cores, struct cox_err *err)
{
    double beyond[ROUNDS], idle[ROUNDS], core_idle[ROUNDS], spent[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        struct schedule one;
        int rc = schedule_once(cores, &one, err);
        if (rc)
            return rc;
        beyond[i] = one.beyond_s;
        idle[i] = one.idle_s;
        core_idle[i] = one.core_idle_s;
        spent[i] = one.spent_s;
    }
    struct cox_json *j = cox_json_object();
    cox_json_set_int(j, "cores", cores);
    cox_json_set_int(j, "tasks", TASKS);
    cox_json_set_number(j, "beyond_ideal_s", median(beyond, ROUNDS));
    cox_json_set_number(j, "beyond_ideal_s_worst", beyond[ROUNDS - 1]);
    cox_json_set_number(j, "idle_s", median(idle, ROUNDS));
    cox_json_set_number(j, "idle_s_worst", idle[ROUNDS - 1]);
    cox_json_set_number(j, "core_idle_s", median(core_idle, ROUNDS));
    cox_json_set_number(j, "us_per_task", median(spent, ROUNDS) / TASKS * 1e6);
    printf("%5d cores: %.4f s beyond the ideal, idle %.4f s (worst %.4f), %.2f core-s, %.1f us a "
           "task\n",
           cores, beyond[ROUNDS / 2], idle[ROUNDS / 2], idle[ROUNDS - 1], core_idle[ROUNDS / 2],
           spent[ROUNDS / 2] / TASKS * 1e6);
    cox_json_push(list, j);
    return COX_OK;
}

/* ---- empty processes ---- */

/* Tasks a second by the clock, and processor time a task takes, ours and its own: what remains true
 * on a machine that others use too. */
struct rate {
    double per_s, cpu_ms;
};

static double cpu_seconds(void)
{
    double sum = 0;
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (int i = 0; i < 2; i++) {
        struct rusage u;
        if (!getrusage(whose[i], &u))
            sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
    }
    return sum;
}

static struct rate rate_of(int n, double began, double cpu)
{
    return (struct rate){n / (cox_clock_seconds() - began), (cpu_seconds() - cpu) / n * 1e3};
}

static int by_supervisor(int n, struct rate *rate, struct cox_err *err)
{
    struct cox_executor *x = NULL;
    struct cox_supervisor *s = NULL;
    struct cox_resources r = {WIDTH, 0, 0};
    const char *argv[] = {"/bin/true", NULL};
    struct cox_task task = {.argv = argv, .cores = 1};
    int rc = cox_executor_create_local(&x, &r, err);
    if (!rc)
        rc = cox_supervisor_create(&s, x, 1, err);
    double began = cox_clock_seconds(), cpu = cpu_seconds();
    for (int i = 0; i < n && !rc; i++) {
        int id;
        rc = cox_supervisor_add(s, &task, &id, err);
    }
    for (int ended = 0; ended < n && !rc;) {
        struct cox_supervisor_event event;
        rc = cox_supervisor_next(s, 60, &event, err);
        if (!rc && event.kind == COX_SUPERVISOR_ENDED && event.end.ok)
            ended++;
        else if (!rc && event.kind != COX_SUPERVISOR_STARTED)
            rc = cox_err_set(err, COX_EEXTERNAL, "a task did not end well: %s", event.end.reason);
    }
    *rate = rate_of(n, began, cpu);
    cox_supervisor_destroy(s);
    cox_executor_destroy(x);
    return rc;
}

/* The least that anyone would do: as many children at once, nothing set, nothing watched. */
static int by_loop(int n, bool spawn, struct rate *rate, struct cox_err *err)
{
    char program[] = "/bin/true", *argv[] = {program, NULL};
    int running = 0;
    double began = cox_clock_seconds(), cpu = cpu_seconds();
    for (int i = 0; i < n || running;) {
        if (i < n && running < WIDTH) {
            pid_t pid = -1;
            int failed = spawn ? posix_spawn(&pid, program, NULL, NULL, argv, environ) : 0;
            if (!spawn && !(pid = fork())) {
                execv(program, argv);
                _exit(127);
            }
            if (failed || pid < 0)
                return cox_err_errno(err, "cannot start '%s'", program);
            i++;
            running++;
        } else {
            int status;
            if (wait(&status) < 0 || status)
                return cox_err_set(err, COX_EEXTERNAL, "'%s' did not end well", program);
            running--;
        }
    }
    *rate = rate_of(n, began, cpu);
    return COX_OK;
}

static int compare_rates(const void *a, const void *b)
{
    return compare(&((const struct rate *)a)->per_s, &((const struct rate *)b)->per_s);
}

static void add_rates(struct cox_json *j, const char *name, struct rate *rates, int n, int tasks)
{
    qsort(rates, (size_t)n, sizeof *rates, compare_rates);
    struct cox_json *one = cox_json_object();
    cox_json_set_int(one, "tasks", tasks);
    cox_json_set_number(one, "per_s", rates[n / 2].per_s);
    cox_json_set_number(one, "per_s_worst", rates[0].per_s);
    cox_json_set_number(one, "cpu_ms_per_task", rates[n / 2].cpu_ms);
    cox_json_set(j, name, one);
    printf("    %-12s %6.0f tasks/s (worst %.0f), %.3f ms of processor time a task\n", name,
           rates[n / 2].per_s, rates[0].per_s, rates[n / 2].cpu_ms);
}

/* With `ballast` in use, as a coordinator has. Alternating, medians of at most three rounds. */
static int processes(struct cox_json *list, double ballast_gb, int rounds, int n_fork,
                     struct cox_err *err)
{
    enum { N = 10000, N_SPAWN = 2000 };
    size_t bytes = (size_t)(ballast_gb * (1 << 30));
    char *ballast = cox_alloc(bytes, 1);
    if (!ballast)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    for (size_t i = 0; i < bytes; i += 4096)
        ballast[i] = (char)i;
    struct rate ours[3], spawned[3], forked[3];
    int rc = COX_OK;
    for (int i = 0; i < rounds && !rc; i++) {
        rc = by_supervisor(N, &ours[i], err);
        if (!rc)
            rc = by_loop(N_SPAWN, true, &spawned[i], err);
        if (!rc)
            rc = by_loop(n_fork, false, &forked[i], err);
    }
    cox_free(ballast);
    if (rc)
        return rc;
    struct cox_json *j = cox_json_object();
    cox_json_set_number(j, "ballast_gb", ballast_gb);
    printf("%.1f GiB in use:\n", ballast_gb);
    add_rates(j, "supervisor", ours, rounds, N);
    add_rates(j, "posix_spawn", spawned, rounds, N_SPAWN);
    add_rates(j, "fork", forked, rounds, n_fork);
    cox_json_push(list, j);
    return COX_OK;
}

static void processor(char *out, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof line, f))
        if (cox_str_starts(line, "model name") && strchr(line, ':')) {
            line[strcspn(line, "\n")] = 0;
            snprintf(out, size, "%s", strchr(line, ':') + 2);
            break;
        }
    if (f)
        fclose(f);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: runtime COMMIT OUT.json\n");
        return 2;
    }
    char text[256];
    double load[1];
    struct cox_err err = COX_ERR_INIT;
    struct cox_json *json = cox_json_object(), *virtual_time = cox_json_array(),
                    *local = cox_json_array();
    processor(text, sizeof text);
    cox_json_set_text(json, "cpu", text);
    cox_json_set_int(json, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    cox_json_set_text(json, "commit", argv[1]);
    cox_clock_utc(text, sizeof text);
    cox_json_set_text(json, "when", text);
    if (getloadavg(load, 1) == 1)
        cox_json_set_number(json, "load_before", load[0]);
    static const int cores[] = {1, 6, 120, 1020, TASKS};
    int rc = COX_OK;
    for (size_t i = 0; i < sizeof cores / sizeof *cores && !rc; i++)
        rc = schedule(virtual_time, cores[i], &err);
    if (!rc)
        rc = processes(local, 0, 3, 1000, &err);
    if (!rc)
        rc = processes(local, 1, 1, 60, &err);
    cox_json_set(json, "virtual_time", virtual_time);
    cox_json_set(json, "local", local);
    if (!rc)
        rc = cox_json_write(json, argv[2], &err);
    cox_json_destroy(json);
    if (rc)
        fprintf(stderr, "runtime: %s\n", err.text);
    return rc ? 1 : 0;
}
