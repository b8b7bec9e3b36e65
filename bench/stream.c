/* SPDX-License-Identifier: BSD-3-Clause */
/* How fast frames pass from simulations to an aggregator, and what that costs a simulation.
 *
 *     stream [--producers N] [--frames N] [--atoms N] [--transport ipc|tcp] [--window N]
 *            [--batch N] [--pause-us N] [--most-us N]
 *
 * One collector in this process, N producer processes. Verifies that every frame comes once and in
 * order with its own bytes, then prints one line of JSON: frames/s, MB/s, latency, what a send
 * takes of the simulation's thread, and processor time per frame of whole processes. --pause-us:
 * a frame only every so often, as from a simulation. --most-us: fails when a producer's process
 * spends more processor time on a frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "stream/collector.h"
#include "stream/producer.h"

struct plan {
    long long producers, frames, atoms, window, batch, pause_us, most_us;
    const char *transport;
};

/* What a producer process tells when it is done, through a pipe. */
struct told {
    double send_us, latency_s, cpu_s; /* cpu_s: of the process, less that of making frames */
    uint64_t resent;
};

static void die(const char *what, const struct cox_err *err)
{
    fprintf(stderr, "stream: %s: %s\n", what, err->text);
    exit(1);
}

/* Bytes that tell where they come from. */
static void fill(float *x, const struct plan *plan, int producer, long long frame)
{
    for (long long i = 0; i < 3 * plan->atoms; i++)
        x[i] = (float)(producer + 1) * 1000.0f + (float)((frame + i) % 997);
}

static int checked(const struct cox_stream_frame *f, const struct plan *plan)
{
    float want = (float)(f->lane + 1) * 1000.0f;
    return f->n_atoms == plan->atoms && f->x[0] == want + (float)(f->index % 997) &&
           f->x[3 * plan->atoms - 1] == want + (float)((f->index + 3 * plan->atoms - 1) % 997);
}

static void produce(const struct plan *plan, const char *endpoint, const struct cox_keys *keys,
                    int number, int out)
{
    struct cox_err err = COX_ERR_INIT;
    char name[32];
    snprintf(name, sizeof name, "sim-%d", number);
    float *x = cox_alloc((size_t)plan->atoms * 3, sizeof *x), values[4] = {0};
    struct cox_producer_options options = COX_PRODUCER_OPTIONS_INIT;
    options.endpoint = endpoint;
    options.name = name;
    options.epoch = 1;
    options.window = (int)plan->window;
    options.frame_bytes = (size_t)plan->atoms * 12 + sizeof values;
    options.keys = keys;
    struct cox_producer *p;
    if (!x || cox_producer_create(&p, &options, &err))
        die(name, &err);
    double own = cox_clock_process_seconds(), making = 0;
    for (long long i = 0; i < plan->frames; i++) {
        if (i == 1 && plan->pause_us) { /* the connection is there: from now on it counts */
            if (cox_producer_drain(p, 60, &err))
                die(name, &err);
            own = cox_clock_process_seconds();
            making = 0;
        }
        double began = cox_clock_thread_seconds();
        fill(x, plan, number, i);
        making += cox_clock_thread_seconds() - began;
        if (plan->pause_us)
            usleep((unsigned)plan->pause_us);
        struct cox_stream_frame frame = {.system = 1,
                                         .segment = number,
                                         .index = (int)i,
                                         .lane = number,
                                         .n_atoms = (int)plan->atoms,
                                         .n_values = 4,
                                         .x = x,
                                         .values = values};
        if (cox_producer_send(p, &frame, NULL, &err))
            die(name, &err);
    }
    if (cox_producer_drain(p, 600, &err))
        die(name, &err);
    struct cox_producer_stats s;
    cox_producer_get_stats(p, &s);
    struct told told = {1e6 * s.copying_s / (double)plan->frames, s.latency_s,
                        cox_clock_process_seconds() - own - making, s.resent};
    cox_producer_destroy(p);
    cox_free(x);
    _exit(write(out, &told, sizeof told) == sizeof told ? 0 : 1);
}

/* Receives everything; acknowledges every `batch` frames and whenever nothing more is there. */
static double collect(struct cox_collector *c, const struct plan *plan, int *next)
{
    struct cox_err err = COX_ERR_INIT;
    long long total = plan->producers * plan->frames, unacknowledged = 0;
    double began = 0;
    for (long long n = 0; n < total;) {
        struct cox_stream_frame frame;
        char peer[COX_PEER_SIZE];
        int got;
        if (cox_collector_receive(c, unacknowledged ? 0 : 60, NULL, 0, &frame, peer, &got, &err))
            die("collector", &err);
        if (got && (frame.index != next[frame.lane]++ || !checked(&frame, plan))) {
            fprintf(stderr, "stream: a wrong frame from %s: %d\n", peer, frame.index);
            exit(1);
        }
        if (got && !began)
            began = cox_clock_seconds();
        n += got;
        unacknowledged += got;
        if ((!got || unacknowledged >= plan->batch || n == total) && unacknowledged) {
            if (cox_collector_acknowledge(c, &err))
                die("collector", &err);
            unacknowledged = 0;
        } else if (!got) {
            fprintf(stderr, "stream: nothing came for a minute\n");
            exit(1);
        }
    }
    return cox_clock_seconds() - began;
}

static void report(const struct plan *plan, const struct told *sum, double seconds, double own_s)
{
    double total = (double)(plan->producers * plan->frames);
    double bytes = (double)plan->atoms * 12 + 16;
    struct cox_json *json = cox_json_object();
    cox_json_set_text(json, "transport", strcmp(plan->transport, "tcp") ? "ipc" : "tcp+CURVE");
    cox_json_set_int(json, "producers", plan->producers);
    cox_json_set_int(json, "window", plan->window);
    cox_json_set_number(json, "frame_bytes", bytes);
    cox_json_set_number(json, "frames", total);
    cox_json_set_number(json, "frames_per_s", total / seconds);
    cox_json_set_number(json, "MB_per_s", 1e-6 * total * bytes / seconds);
    cox_json_set_number(json, "latency_ms", 1e3 * sum->latency_s);
    cox_json_set_number(json, "send_us", sum->send_us);
    cox_json_set_number(json, "producer_cpu_us", 1e6 * sum->cpu_s / total);
    cox_json_set_number(json, "collector_cpu_us", 1e6 * own_s / total);
    cox_json_set_int(json, "resent", (long long)sum->resent);
    char *text = cox_json_text(json, false);
    fputs(text ? text : "", stdout);
    cox_free(text);
    cox_json_destroy(json);
}

static int run(const struct plan *plan)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_keys keys;
    struct cox_collector *c;
    if (cox_keys_create(&keys, &err))
        die("keys", &err);
    int tcp = !strcmp(plan->transport, "tcp");
    int toward[2], pipes[2];
    if (pipe(toward) || pipe(pipes))
        return 1;
    /* the producers are forked before this process has any threads */
    for (int i = 0; i < plan->producers; i++) {
        if (fork())
            continue;
        char endpoint[COX_ENDPOINT_SIZE];
        close(toward[1]);
        if (read(toward[0], endpoint, sizeof endpoint) != sizeof endpoint)
            _exit(1);
        produce(plan, endpoint, &keys, i, pipes[1]);
    }
    if (cox_collector_create(&c, tcp ? "tcp://127.0.0.1:*" : "ipc", &keys, &err))
        die("collector", &err);
    char endpoint[COX_ENDPOINT_SIZE] = "";
    snprintf(endpoint, sizeof endpoint, "%s", cox_collector_endpoint(c));
    for (int i = 0; i < plan->producers; i++)
        if (write(toward[1], endpoint, sizeof endpoint) != sizeof endpoint)
            return 1;
    int *next = cox_alloc((size_t)plan->producers, sizeof *next);
    double own = cox_clock_process_seconds();
    double seconds = collect(c, plan, next);
    struct told sum = {0};
    for (int i = 0; i < plan->producers; i++) {
        struct told told;
        int status;
        if (read(pipes[0], &told, sizeof told) != sizeof told || wait(&status) < 0 || status)
            return 1;
        sum.send_us += told.send_us / (double)plan->producers;
        sum.latency_s += told.latency_s / (double)plan->producers;
        sum.cpu_s += told.cpu_s;
        sum.resent += told.resent;
    }
    report(plan, &sum, seconds, cox_clock_process_seconds() - own);
    cox_free(next);
    cox_collector_destroy(c);
    double us = 1e6 * sum.cpu_s / (double)(plan->producers * plan->frames);
    if (plan->most_us && us > (double)plan->most_us) {
        fprintf(stderr, "stream: %.0f us of processor time per frame (at most %lld)\n", us,
                plan->most_us);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct plan plan = {.producers = 4,
                        .frames = 20000,
                        .atoms = 504,
                        .window = 64,
                        .batch = 16,
                        .transport = "ipc"};
    const struct {
        const char *name;
        long long *number;
        const char **text;
    } options[] = {{"--producers", &plan.producers, NULL}, {"--frames", &plan.frames, NULL},
                   {"--atoms", &plan.atoms, NULL},         {"--window", &plan.window, NULL},
                   {"--batch", &plan.batch, NULL},         {"--pause-us", &plan.pause_us, NULL},
                   {"--most-us", &plan.most_us, NULL},     {"--transport", NULL, &plan.transport}};
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < sizeof options / sizeof options[0] && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k == sizeof options / sizeof options[0] || i + 1 == argc ||
            (options[k].number && cox_parse_int(argv[i + 1], options[k].number))) {
            fprintf(stderr, "stream: what is '%s'?\n", argv[i]);
            return 2;
        }
        if (options[k].text)
            *options[k].text = argv[i + 1];
    }
    return run(&plan);
}
