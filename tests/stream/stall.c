/* SPDX-License-Identifier: BSD-3-Clause */
/* 120 producers against one collector that stalls: everybody's memory stays below a bound that can
 * be stated beforehand, the producers wait, and nothing is dropped when it goes on.
 *
 * The bounds. A collector: producers × (window × (frame + 8 kB) + 100 kB): each frame keeps the
 * block of 8 kB that ZeroMQ received it in, each connection has its buffers. A producer: 2 × window
 * × frame (the ring, and copies in a queue) + 6 MB for ZeroMQ and the threads.
 *
 *     stream_stall [--producers N] [--window N] [--stall-ms N] */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "stream/collector.h"
#include "stream/producer.h"

#define ATOMS 504 /* BBA: 6 kB */
#define MAX_PRODUCERS 512
#define FRAME_BYTES ((size_t)ATOMS * 12)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURES 0 /* a sanitizer's memory is not ours */
#else
#define MEASURES 1
#endif

struct shared {
    atomic_int sent[MAX_PRODUCERS]; /* handed to cox_producer_send, and back */
    atomic_int goal;
    atomic_long base_kB[MAX_PRODUCERS]; /* of each process before its first frame */
};

static struct shared *shared;
static long long n_producers = 120, window = 16, stall_ms = 2500;

static long resident_kB(pid_t pid)
{
    char path[64], text[4096] = "";
    long kB = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return -1;
    close(fd);
    const char *line = strstr(text, "VmRSS:");
    if (line)
        kB = strtol(line + 6, NULL, 10);
    return kB;
}

static void produce(const char *endpoint, int number)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_producer_options options = COX_PRODUCER_OPTIONS_INIT;
    struct cox_producer *p;
    static float x[3 * ATOMS];
    char name[32];
    snprintf(name, sizeof name, "sim-%d", number);
    options.endpoint = endpoint;
    options.name = name;
    options.epoch = 1;
    options.window = (int)window;
    options.frame_bytes = FRAME_BYTES;
    options.resend_s = 0.25;
    atomic_store(&shared->base_kB[number], resident_kB(getpid()));
    int rc = cox_producer_create(&p, &options, &err);
    for (int i = 0; !rc && i < atomic_load(&shared->goal); i++) {
        for (int k = 0; k < 3 * ATOMS; k++)
            x[k] = (float)(number + i + k);
        struct cox_stream_frame f = {
            .segment = number, .index = i, .lane = number, .n_atoms = ATOMS, .x = x};
        rc = cox_producer_send(p, &f, NULL, &err);
        atomic_store(&shared->sent[number], i + 1);
    }
    if (!rc)
        rc = cox_producer_drain(p, 60, &err);
    if (rc) {
        fprintf(stderr, "stall: %s: %s\n", name, err.text);
        _exit(1);
    }
    cox_producer_destroy(p);
    _exit(0);
}

/* Waits until every producer has filled its window, then for the time of the stall. */
static int wait_for_stall(void)
{
    double end = cox_clock_seconds() + 60;
    for (int i = 0; i < n_producers; i++)
        while (atomic_load(&shared->sent[i]) < window && cox_clock_seconds() < end)
            poll(NULL, 0, 5);
    poll(NULL, 0, (int)stall_ms);
    for (int i = 0; i < n_producers; i++) {
        if (atomic_load(&shared->sent[i]) != window) {
            fprintf(stderr, "stall: sim-%d sent %d frames into a window of %lld\n", i,
                    atomic_load(&shared->sent[i]), window);
            return 1;
        }
    }
    return 0;
}

static int within(const char *whose, long kB, double bound_kB)
{
    printf("stall: %s took %.1f MB more while stalled, bound %.1f MB\n", whose, (double)kB / 1024,
           bound_kB / 1024);
    return MEASURES && (kB <= 0 || (double)kB > bound_kB);
}

static int collect_all(struct cox_collector *c)
{
    static int next[MAX_PRODUCERS];
    struct cox_err err = COX_ERR_INIT;
    long long total = n_producers * atomic_load(&shared->goal);
    for (long long n = 0, waiting = 0; n < total;) {
        struct cox_stream_frame f;
        char peer[COX_PEER_SIZE];
        int got;
        if (cox_collector_receive(c, waiting ? 0 : 30, NULL, 0, &f, peer, &got, &err) ||
            (!got && !waiting)) {
            fprintf(stderr, "stall: after %lld of %lld frames: %s\n", n, total, err.text);
            return 1;
        }
        if (got && (f.index != next[f.lane]++ || f.x[7] != (float)(f.lane + f.index + 7))) {
            fprintf(stderr, "stall: a wrong frame %d of %s\n", f.index, peer);
            return 1;
        }
        n += got;
        waiting += got;
        if (!got || waiting == 64 || n == total) {
            waiting = 0;
            if (cox_collector_acknowledge(c, &err))
                return 1;
        }
    }
    return 0;
}

static int run(void)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_collector *c;
    pid_t pids[MAX_PRODUCERS], parent = getpid();
    int toward[2], failures = 0;
    char endpoint[COX_ENDPOINT_SIZE] = "";
    if (pipe(toward))
        return 1;
    atomic_store(&shared->goal, (int)window + 20);
    for (int i = 0; i < n_producers; i++) {
        pids[i] = fork(); /* before there are threads */
        if (pids[i] < 0)
            return 1;
        if (!pids[i]) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent || read(toward[0], endpoint, sizeof endpoint) < 0)
                _exit(1);
            produce(endpoint, i);
        }
    }
    if (cox_collector_create(&c, "ipc", NULL, &err)) {
        fprintf(stderr, "stall: %s\n", err.text);
        return 1;
    }
    long before = resident_kB(getpid());
    snprintf(endpoint, sizeof endpoint, "%s", cox_collector_endpoint(c));
    for (int i = 0; i < n_producers; i++)
        if (write(toward[1], endpoint, sizeof endpoint) != sizeof endpoint)
            return 1;
    failures += wait_for_stall();
    double frame_kB = (double)FRAME_BYTES / 1024;
    failures += within("the collector", resident_kB(getpid()) - before,
                       (double)n_producers * ((double)window * (frame_kB + 8) + 100));
    long most = 0;
    for (int i = 0; i < n_producers; i++) {
        long kB = resident_kB(pids[i]) - atomic_load(&shared->base_kB[i]);
        most = kB > most ? kB : most;
    }
    failures += within("a producer", most, 2 * frame_kB * (double)window + 6144);
    failures += collect_all(c);
    for (int i = 0; i < n_producers; i++) {
        int status;
        if (waitpid(pids[i], &status, 0) != pids[i] || status)
            failures++;
    }
    struct cox_collector_stats stats;
    cox_collector_get_stats(c, &stats);
    printf("stall: %llu frames of %d producers, %llu in all came twice; %s\n",
           (unsigned long long)stats.frames, stats.producers, (unsigned long long)stats.duplicates,
           failures ? "FAILED" : "none dropped");
    cox_collector_destroy(c);
    return failures != 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        long long *number = !strcmp(argv[i], "--producers") ? &n_producers
                            : !strcmp(argv[i], "--window")  ? &window
                                                            : &stall_ms;
        if (cox_parse_int(argv[i + 1], number))
            return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || n_producers < 1 || n_producers > MAX_PRODUCERS)
        return 2;
    return run();
}
