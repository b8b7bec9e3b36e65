/* SPDX-License-Identifier: BSD-3-Clause */
/* kill_tasks SECONDS SEED: for that long, tasks of a supervisor are killed (SIGKILL), stopped
 * (SIGSTOP: they hang) and told to go (SIGTERM, which half of them ignore) at random. New ones are
 * added as old ones end. Then all must complete, and:
 * - every step of every task was done once, in order, by attempts of rising epochs: no two attempts
 *   of a task were ever alive together, none lost what an earlier one had done;
 * - no process of any attempt's group is left, no descriptor leaked;
 * - each fault failed one attempt and nothing else did.
 * A task (this program again, --work) appends a record per step to its file and goes on from what
 * it finds there; it has a child of its own, and tells its supervisor by datagrams that it lives.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "runtime/supervisor.h"

enum { ALIVE = 12, CORES = 8, STEPS = 150, STEP_MS = 10, BEAT_EVERY = 5, MOST = 100000 };

struct record {
    int64_t step, epoch;
};

struct beat {
    int64_t task, epoch;
};

/* ---- the task ---- */

static int number(const char *text)
{
    long long n = -1;
    return cox_parse_int(text, &n) ? -1 : (int)n;
}

static int work(char **argv)
{
    const char *file = argv[2], *socket_path = argv[3];
    struct beat beat = {number(argv[4]), number(argv[5])};
    if (beat.task % 2)
        signal(SIGTERM, SIG_IGN);
    pid_t parent = getpid();
    if (!fork())
        for (;;)
            pause(); /* whoever forgets the group forgets this one */
    int fd = open(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    struct stat st;
    if (fd < 0 || s < 0 || fstat(fd, &st) ||
        connect(s, (struct sockaddr *)&address, sizeof address) || getpid() != parent)
        return 3;
    for (int64_t step = st.st_size / (off_t)sizeof(struct record); step < STEPS; step++) {
        struct record record = {step, beat.epoch};
        if (step % BEAT_EVERY == 0 && send(s, &beat, sizeof beat, 0) < 0)
            return 4;
        if (write(fd, &record, sizeof record) != sizeof record)
            return 5;
        poll(NULL, 0, STEP_MS); /* the work */
    }
    return 0;
}

/* ---- its supervisor ---- */

struct test {
    struct cox_executor *executor;
    struct cox_supervisor *supervisor;
    struct cox_rng rng;
    char folder[64], program[256], socket_path[96];
    int socket;
    int tasks, complete, alive;
    int faults, killed, hung, told, slow;
    int failures, starts, beats, fenced;
    int64_t epoch;
    struct {
        pid_t pid;      /* of the present attempt, 0: none */
        bool hit, told; /* will fail of it; may have been too young to ignore SIGTERM */
    } now[MOST];
    pid_t groups[MOST]; /* of all attempts */
    int n_groups;
};

static int add_task(struct test *t, struct cox_err *err)
{
    char file[96], id_text[16];
    snprintf(file, sizeof file, "%s/%d", t->folder, t->tasks);
    snprintf(id_text, sizeof id_text, "%d", t->tasks);
    const char *argv[] = {t->program, "--work", file, t->socket_path, id_text, "{epoch}", NULL};
    struct cox_task task = {
        .argv = argv, .cores = 1, .max_restarts = 10000, .heartbeat_s = 2, .grace_s = 0.2};
    snprintf(task.name, sizeof task.name, "task-%d", t->tasks);
    int id;
    int rc = cox_supervisor_add(t->supervisor, &task, &id, err);
    if (!rc && id != t->tasks)
        rc = cox_err_set(err, COX_EEXTERNAL, "task %d was added as %d", t->tasks, id);
    t->tasks += !rc;
    t->alive += !rc;
    return rc;
}

/* Hits one of the tasks that run, chosen at random. */
static void strike(struct test *t)
{
    int candidates[4 * CORES], n = 0;
    for (int i = 0; i < t->tasks && n < 4 * CORES; i++)
        if (t->now[i].pid && !t->now[i].hit)
            candidates[n++] = i;
    if (!n)
        return;
    int id = candidates[cox_rng_below(&t->rng, (uint32_t)n)];
    uint32_t dice = cox_rng_below(&t->rng, 10);
    int which = dice < 7 ? SIGKILL : dice < 8 ? SIGSTOP : SIGTERM;
    if (kill(t->now[id].pid, which))
        return;
    t->killed += which == SIGKILL;
    t->hung += which == SIGSTOP;
    t->told += which == SIGTERM;
    if (which == SIGTERM && id % 2) {
        t->now[id].told = true;
        return;
    }
    t->now[id].hit = true;
    t->faults++;
}

/* On a machine that does a dozen other things two seconds of silence can happen. */
static int unprovoked(struct test *t, const struct cox_supervisor_event *event, struct cox_err *err)
{
    t->slow++;
    if (cox_str_starts(event->end.reason, "hung"))
        return COX_OK;
    return cox_err_set(err, COX_EEXTERNAL, "task %d, epoch %lld, failed without being hit: %s",
                       event->task, (long long)event->epoch, event->end.reason);
}

static int on_event(struct test *t, const struct cox_supervisor_event *event, struct cox_err *err)
{
    int id = event->task, rc = COX_OK;
    switch (event->kind) {
    case COX_SUPERVISOR_NOTHING:
        return COX_OK;
    case COX_SUPERVISOR_STARTED:
        if (event->epoch <= t->epoch)
            return cox_err_set(err, COX_EEXTERNAL, "epoch %lld after %lld", (long long)event->epoch,
                               (long long)t->epoch);
        t->epoch = event->epoch;
        t->starts++;
        t->now[id].pid = (pid_t)event->placement.pid;
        t->now[id].hit = t->now[id].told = false;
        if (t->n_groups < MOST)
            t->groups[t->n_groups++] = t->now[id].pid;
        return COX_OK;
    case COX_SUPERVISOR_FAILED:
        t->failures++;
        if (!t->now[id].hit && !(t->now[id].told && event->end.signal == SIGTERM))
            rc = unprovoked(t, event, err);
        t->now[id].pid = 0;
        return rc;
    case COX_SUPERVISOR_ENDED:
        t->faults -= t->now[id].hit; /* it was through before it was hit */
        t->now[id].pid = 0;
        t->complete++;
        t->alive--;
        return event->end.ok
                   ? COX_OK
                   : cox_err_set(err, COX_EEXTERNAL, "task %d ended: %s", id, event->end.reason);
    case COX_SUPERVISOR_GAVE_UP:
        break;
    }
    return cox_err_set(err, COX_EEXTERNAL, "gave up on task %d: %s", id, event->end.reason);
}

static void hear(struct test *t)
{
    struct beat beat;
    while (recv(t->socket, &beat, sizeof beat, MSG_DONTWAIT) == sizeof beat) {
        t->beats++;
        t->fenced += !cox_supervisor_heartbeat(t->supervisor, (int)beat.task, beat.epoch);
    }
}

/* As a coordinator does it: waits for its socket, its tasks and the clock at once. */
static int turn(struct test *t, double most_s, struct cox_err *err)
{
    double due = cox_supervisor_due_s(t->supervisor);
    double wait = due >= 0 && due < most_s ? due : most_s;
    struct pollfd fds[] = {{.fd = t->socket, .events = POLLIN},
                           {.fd = cox_supervisor_fd(t->supervisor), .events = POLLIN}};
    if (poll(fds, 2, (int)(wait * 1e3 + 0.999)) < 0 && errno != EINTR)
        return cox_err_errno(err, "poll");
    hear(t);
    struct cox_supervisor_event event;
    do {
        int rc = cox_supervisor_next(t->supervisor, 0, &event, err);
        if (!rc)
            rc = on_event(t, &event, err);
        if (rc)
            return rc;
    } while (event.kind != COX_SUPERVISOR_NOTHING);
    return COX_OK;
}

static int run(struct test *t, double seconds, struct cox_err *err)
{
    double until = cox_clock_seconds() + seconds, next_strike = 0;
    double at_most = until + 60 + seconds;
    int rc = COX_OK;
    while (!rc) {
        double now = cox_clock_seconds();
        if (now > at_most)
            return cox_err_set(err, COX_EEXTERNAL, "%d tasks do not complete", t->alive);
        if (now < until && now >= next_strike) {
            strike(t);
            next_strike = now + 0.1 * cox_rng_uniform(&t->rng);
        }
        while (!rc && now < until && t->alive < ALIVE && t->tasks < MOST)
            rc = add_task(t, err);
        if (!rc && now >= until && !t->alive)
            return COX_OK;
        if (!rc)
            rc = turn(t, now < until ? next_strike - now : 1, err);
    }
    return rc;
}

/* ---- what must hold ---- */

static int check_file(const struct test *t, int id, struct cox_err *err)
{
    char path[96], *bytes = NULL;
    size_t length = 0;
    snprintf(path, sizeof path, "%s/%d", t->folder, id);
    int rc = cox_file_read(&bytes, &length, path, 1 << 20, err);
    if (rc)
        return rc;
    const struct record *records = (const struct record *)bytes;
    if (length != STEPS * sizeof *records)
        rc = cox_err_set(err, COX_EEXTERNAL, "task %d did %.1f steps of %d", id,
                         (double)length / sizeof *records, STEPS);
    for (int64_t i = 0; i < STEPS && !rc; i++)
        if (records[i].step != i || (i && records[i].epoch < records[i - 1].epoch))
            rc = cox_err_set(err, COX_EEXTERNAL, "task %d: record %lld is of step %lld, epoch %lld",
                             id, (long long)i, (long long)records[i].step,
                             (long long)records[i].epoch);
    cox_free(bytes);
    return rc;
}

static int check(const struct test *t, struct cox_err *err)
{
    for (int id = 0; id < t->tasks; id++) {
        int rc = check_file(t, id, err);
        if (rc)
            return rc;
    }
    if (t->complete != t->tasks)
        return cox_err_set(err, COX_EEXTERNAL, "%d of %d tasks ended", t->complete, t->tasks);
    if (t->starts != t->tasks + t->failures)
        return cox_err_set(err, COX_EEXTERNAL, "%d starts, but %d tasks and %d failures", t->starts,
                           t->tasks, t->failures);
    if (t->failures < t->faults)
        return cox_err_set(err, COX_EEXTERNAL, "%d faults, only %d failures", t->faults,
                           t->failures);
    /* init takes its time to bury the children of dead attempts */
    int left = 1;
    for (double until = cox_clock_seconds() + 20; left && cox_clock_seconds() < until;) {
        left = 0;
        for (int i = 0; i < t->n_groups; i++)
            left += !kill(-t->groups[i], 0);
        if (left)
            poll(NULL, 0, 50);
    }
    if (left)
        return cox_err_set(err, COX_EEXTERNAL, "processes of %d attempts are left", left);
    return COX_OK;
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static int prepare(struct test *t, long long seed, struct cox_err *err)
{
    cox_rng_init(&t->rng, (uint64_t)seed, 0);
    snprintf(t->folder, sizeof t->folder, "/tmp/cox_kill_tasks.XXXXXX");
    ssize_t n = readlink("/proc/self/exe", t->program, sizeof t->program - 1);
    if (!mkdtemp(t->folder) || n <= 0)
        return cox_err_errno(err, "preparing");
    snprintf(t->socket_path, sizeof t->socket_path, "%s/socket", t->folder);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", t->socket_path);
    t->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (t->socket < 0 || bind(t->socket, (struct sockaddr *)&address, sizeof address))
        return cox_err_errno(err, "the socket");
    struct cox_resources r = {CORES, 0, 0};
    int rc = cox_executor_create_local(&t->executor, &r, err);
    return rc ? rc : cox_supervisor_create(&t->supervisor, t->executor, 1, err);
}

int main(int argc, char **argv)
{
    if (argc == 6 && !strcmp(argv[1], "--work"))
        return work(argv);
    static struct test t = {.socket = -1};
    struct cox_err err = COX_ERR_INIT;
    double seconds;
    long long seed;
    if (argc != 3 || cox_parse_double(argv[1], &seconds) || cox_parse_int(argv[2], &seed)) {
        fprintf(stderr, "usage: kill_tasks SECONDS SEED\n");
        return 2;
    }
    int before = descriptors();
    int rc = prepare(&t, seed, &err);
    if (!rc)
        rc = run(&t, seconds, &err);
    cox_supervisor_destroy(t.supervisor);
    cox_executor_destroy(t.executor);
    if (!rc)
        rc = check(&t, &err);
    if (t.socket >= 0)
        close(t.socket);
    int removed = cox_directory_remove(t.folder, rc ? NULL : &err);
    rc = rc ? rc : removed;
    if (!rc && descriptors() != before)
        rc = cox_err_set(&err, COX_EEXTERNAL, "%d descriptors leaked", descriptors() - before);
    if (!rc && cox_mem_in_use())
        rc = cox_err_set(&err, COX_EEXTERNAL, "memory leaked");
    printf("kill_tasks: %d tasks complete of %d; %d killed, %d made to hang, %d told to go; %d "
           "attempts, %d failed (%d of slowness); %d heartbeats, %d of orphans\n",
           t.complete, t.tasks, t.killed, t.hung, t.told, t.starts, t.failures, t.slow, t.beats,
           t.fenced);
    if (rc)
        fprintf(stderr, "kill_tasks: %s\n", err.text);
    return rc ? 1 : 0;
}
