/* SPDX-License-Identifier: BSD-3-Clause */
/* Producers and their collector as processes, killed with SIGKILL at random moments and started
 * again, as a run does it: the collector stores before it acknowledges and rebuilds what it has
 * from its file; a producer goes on from a checkpoint that is never ahead of what is acknowledged,
 * under a new epoch. At the end every frame is stored once, in order, with its own bytes; and at no
 * moment had a producer been told of a frame that was not stored.
 *
 *     stream_kills [--kills N] [--producers N] [--seed N] [--transport ipc|tcp] */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "stream/collector.h"
#include "stream/producer.h"

#define ATOMS 100
#define MAX_PRODUCERS 16
#define WINDOW 16

/* Memory that all processes share: what a kill cannot take away. */
struct shared {
    atomic_int checkpoint[MAX_PRODUCERS];   /* index that the next attempt begins with */
    atomic_int acknowledged[MAX_PRODUCERS]; /* frames below this were acknowledged to somebody */
    atomic_int goal;                        /* frames each; INT_MAX while the killing goes on */
    atomic_int made[MAX_PRODUCERS];         /* in the end: the goal, or what was more by then */
    atomic_ullong duplicates, resent;
};

struct plan {
    long long kills, producers, seed;
    const char *transport;
    char folder[64], store[96], endpoint[128];
    struct cox_keys keys;
    struct shared *shared;
};

/* One stored frame. */
struct record {
    int32_t segment, index;
    uint64_t sum;
};

static void give_up(const char *what, const struct cox_err *err)
{
    fprintf(stderr, "kills: %s: %s\n", what, err ? err->text : strerror(errno));
    _exit(1);
}

static uint64_t sum_of(const float *x, int n)
{
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 1099511628211u;
    }
    return h;
}

/* A pure function of (segment, index), as a simulation is. */
static void compute(float *x, int segment, int index)
{
    for (int i = 0; i < 3 * ATOMS; i++)
        x[i] = (float)(segment * 100000 + index) + 0.001f * (float)i;
}

/* ---- the collector's process ---- */

/* Reads the store, cuts a record that was half written, counts frames per segment. */
static int open_store(const char *path, int *next)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct record r;
    off_t whole = 0;
    if (fd < 0)
        give_up(path, NULL);
    while (pread(fd, &r, sizeof r, whole) == sizeof r) {
        if (r.index != next[r.segment]++)
            give_up("the store has a hole or a double", NULL);
        whole += (off_t)sizeof r;
    }
    if (ftruncate(fd, whole))
        give_up(path, NULL);
    return fd;
}

static void collect(const struct plan *plan)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_collector *c;
    int next[MAX_PRODUCERS] = {0};
    int fd = open_store(plan->store, next);
    while (cox_collector_create(&c, plan->endpoint, &plan->keys, &err))
        if (poll(NULL, 0, 5) && !strstr(err.text, "in use")) /* the port of one just killed */
            give_up("collector", &err);
    for (int waiting = 0;;) {
        struct cox_stream_frame f;
        struct record batch[16];
        char peer[COX_PEER_SIZE];
        int got, n = 0;
        do {
            if (cox_collector_receive(c, waiting ? 0 : 5, NULL, 0, &f, peer, &got, &err))
                give_up("collector", &err);
            if (!got)
                break;
            waiting++;
            if (f.index > next[f.segment])
                give_up("a frame that is ahead", NULL);
            if (f.index < next[f.segment]) {
                atomic_fetch_add(&plan->shared->duplicates, 1);
                continue;
            }
            next[f.segment]++;
            batch[n++] = (struct record){(int32_t)f.segment, f.index, sum_of(f.x, 3 * ATOMS)};
        } while (n < 16);
        if (n &&
            write(fd, batch, (size_t)n * sizeof *batch) != (ssize_t)((size_t)n * sizeof *batch))
            give_up("write", NULL);
        if (waiting && cox_collector_acknowledge(c, &err))
            give_up("acknowledge", &err);
        waiting = 0;
    }
}

/* ---- a producer's process ---- */

static void note_progress(const struct plan *plan, int number, int from, struct cox_producer *p,
                          int *before)
{
    int acked = from + (int)cox_producer_acked(p);
    atomic_store(&plan->shared->acknowledged[number], acked);
    /* a checkpoint every few frames, of what is acknowledged and no more */
    if (acked >= *before + 10) {
        *before = acked;
        atomic_store(&plan->shared->checkpoint[number], acked);
    }
}

static void produce(const struct plan *plan, int number, int64_t epoch)
{
    struct cox_err err = COX_ERR_INIT;
    char name[16];
    float x[3 * ATOMS];
    snprintf(name, sizeof name, "sim-%d", number);
    struct cox_producer_options options = COX_PRODUCER_OPTIONS_INIT;
    options.endpoint = plan->endpoint;
    options.name = name;
    options.epoch = epoch;
    options.window = WINDOW;
    options.frame_bytes = sizeof x;
    options.resend_s = 0.2;
    options.keys = &plan->keys;
    struct cox_producer *p;
    if (cox_producer_create(&p, &options, &err))
        give_up(name, &err);
    int from = atomic_load(&plan->shared->checkpoint[number]), before = from;
    int i = from;
    for (; i < atomic_load(&plan->shared->goal); i++) {
        compute(x, number, i);
        struct cox_stream_frame f = {
            .system = 1, .segment = number, .index = i, .lane = number, .n_atoms = ATOMS, .x = x};
        if (cox_producer_send(p, &f, NULL, &err))
            give_up(name, &err);
        note_progress(plan, number, from, p, &before);
        if (!(i % 8))
            poll(NULL, 0, 1); /* a simulation takes time */
    }
    if (cox_producer_drain(p, 60, &err))
        give_up(name, &err);
    note_progress(plan, number, from, p, &before);
    atomic_store(&plan->shared->made[number], i);
    struct cox_producer_stats s;
    cox_producer_get_stats(p, &s);
    atomic_fetch_add(&plan->shared->resent, s.resent);
    cox_producer_destroy(p);
    _exit(0);
}

/* ---- the one that kills ---- */

static pid_t start(const struct plan *plan, int who, int64_t epoch)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        give_up("fork", NULL);
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (who)
        produce(plan, who - 1, epoch);
    else
        collect(plan);
    _exit(1);
}

/* What was acknowledged is stored: counted while the collector is dead. */
static int check_acknowledged(const struct plan *plan, const int *acknowledged)
{
    int next[MAX_PRODUCERS] = {0};
    close(open_store(plan->store, next));
    for (int i = 0; i < plan->producers; i++) {
        if (acknowledged[i] > next[i]) {
            fprintf(stderr, "kills: %d frames of sim-%d acknowledged, %d stored\n", acknowledged[i],
                    i, next[i]);
            return 1;
        }
    }
    return 0;
}

static int check_store(const struct plan *plan, int frames, int *sum)
{
    float x[3 * ATOMS];
    int next[MAX_PRODUCERS] = {0};
    struct record r;
    int fd = open(plan->store, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 1;
    while (read(fd, &r, sizeof r) == sizeof r) {
        compute(x, r.segment, r.index);
        if (r.index != next[r.segment]++ || r.sum != sum_of(x, 3 * ATOMS)) {
            fprintf(stderr, "kills: frame %d of sim-%d is not what it should be\n", r.index,
                    r.segment);
            return 1;
        }
    }
    close(fd);
    for (int i = 0; i < plan->producers; i++) {
        int made = atomic_load(&plan->shared->made[i]);
        *sum += next[i];
        if (next[i] != made || made < frames) {
            fprintf(stderr, "kills: %d of %d frames of sim-%d stored\n", next[i], made, i);
            return 1;
        }
    }
    return 0;
}

static int kill_all_around(const struct plan *plan, pid_t *pids, int64_t *epoch, int *kills)
{
    struct cox_rng rng;
    cox_rng_init(&rng, (uint64_t)plan->seed, 0);
    for (int k = 0; k < plan->kills; k++) {
        poll(NULL, 0, 5 + (int)cox_rng_below(&rng, 120));
        /* the collector every third time; now and then two at once */
        int who =
            cox_rng_below(&rng, 3) ? 1 + (int)cox_rng_below(&rng, (uint32_t)plan->producers) : 0;
        int acknowledged[MAX_PRODUCERS];
        if (kill(pids[who], SIGKILL) || waitpid(pids[who], NULL, 0) != pids[who])
            give_up("kill", NULL);
        kills[who != 0]++;
        for (int i = 0; i < plan->producers; i++)
            acknowledged[i] = atomic_load(&plan->shared->acknowledged[i]);
        if (!who && check_acknowledged(plan, acknowledged))
            return 1;
        if (!cox_rng_below(&rng, 4))
            poll(NULL, 0, 150); /* its absence is noticed */
        pids[who] = start(plan, who, ++*epoch);
    }
    return 0;
}

static int run(struct plan *plan)
{
    pid_t pids[1 + MAX_PRODUCERS];
    int64_t epoch = 0;
    int kills[2] = {0}, failures = 0;
    atomic_store(&plan->shared->goal, INT32_MAX);
    for (int i = 0; i <= plan->producers; i++)
        pids[i] = start(plan, i, ++epoch);
    double began = cox_clock_seconds();
    failures += kill_all_around(plan, pids, &epoch, kills);
    int most = 0;
    for (int i = 0; i < plan->producers; i++) {
        int n = atomic_load(&plan->shared->acknowledged[i]);
        most = n > most ? n : most;
    }
    int goal = most + 200, stored = 0;
    atomic_store(&plan->shared->goal, goal);
    for (int i = 1; i <= plan->producers; i++) {
        int status;
        if (waitpid(pids[i], &status, 0) != pids[i] || status) {
            fprintf(stderr, "kills: sim-%d ended with status %d\n", i - 1, status);
            failures++;
        }
    }
    kill(pids[0], SIGKILL);
    waitpid(pids[0], NULL, 0);
    failures += check_store(plan, goal, &stored);
    printf("kills: %d of the collector, %d of producers in %.1f s; %d frames stored, %llu dropped "
           "as stored already, %llu sent again; %s\n",
           kills[0], kills[1], cox_clock_seconds() - began, stored,
           (unsigned long long)atomic_load(&plan->shared->duplicates),
           (unsigned long long)atomic_load(&plan->shared->resent),
           failures ? "FAILED" : "none lost, none doubled");
    return failures != 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.kills = 30, .producers = 4, .seed = 1, .transport = "ipc"};
    for (int i = 1; i + 1 < argc; i += 2) {
        long long *number = !strcmp(argv[i], "--kills")       ? &plan.kills
                            : !strcmp(argv[i], "--producers") ? &plan.producers
                                                              : &plan.seed;
        if (!strcmp(argv[i], "--transport"))
            plan.transport = argv[i + 1];
        else if (cox_parse_int(argv[i + 1], number))
            return 2;
    }
    if (plan.producers < 1 || plan.producers > MAX_PRODUCERS)
        return 2;
    plan.shared =
        mmap(NULL, sizeof *plan.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(plan.folder, sizeof plan.folder, "/tmp/cox-kills-XXXXXX");
    if (plan.shared == MAP_FAILED || !mkdtemp(plan.folder) || cox_keys_create(&plan.keys, NULL))
        return 1;
    snprintf(plan.store, sizeof plan.store, "%s/store", plan.folder);
    if (!strcmp(plan.transport, "tcp"))
        snprintf(plan.endpoint, sizeof plan.endpoint, "tcp://127.0.0.1:%d",
                 20000 + (int)getpid() % 20000);
    else
        snprintf(plan.endpoint, sizeof plan.endpoint, "ipc://%s/socket", plan.folder);
    int rc = run(&plan);
    if (cox_directory_remove(plan.folder, NULL))
        rc = 1;
    return rc;
}
