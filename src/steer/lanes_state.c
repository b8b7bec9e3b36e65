/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/lanes_state.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/digest.h"

#define MAGIC 0x3173656e616c7863ULL /* "cxlanes1" */
#define MAXIMUM ((size_t)16 << 30)
#define LANES_MAX 1000000

struct head {
    uint64_t magic;
    char digest[64]; /* SHA-256 of all that follows, hexadecimal */
    int64_t epoch;
    uint64_t system;
    char engine[64];
    int64_t lane_bytes;
    int64_t n;
};
#define DIGESTED offsetof(struct head, epoch)

int cox_lanes_state_init(struct cox_lanes_state *s, int n, size_t lane_bytes, struct cox_err *err)
{
    *s = (struct cox_lanes_state){.n = n, .lane_bytes = lane_bytes};
    s->mark = cox_alloc((size_t)n, sizeof *s->mark);
    s->bytes = cox_alloc((size_t)n, lane_bytes);
    if (s->mark && s->bytes)
        return COX_OK;
    cox_lanes_state_deinit(s);
    return cox_err_set(err, COX_ENOMEM, "out of memory for the states of %d replicas", n);
}

void cox_lanes_state_deinit(struct cox_lanes_state *s)
{
    cox_free(s->mark);
    cox_free(s->bytes);
    *s = (struct cox_lanes_state){0};
}

/* ---- files ---- */

static void file_name(char *out, size_t size, int worker, int64_t epoch)
{
    snprintf(out, size, "lanes/sim-%d.e%lld.state", worker, (long long)epoch);
}

/* The epoch in a name of this worker's files, -1: it is none of them. */
static int64_t epoch_of(const char *name, int worker)
{
    char prefix[32];
    char number[24];
    long long epoch;
    snprintf(prefix, sizeof prefix, "sim-%d.e", worker);
    size_t n = strlen(prefix);
    size_t length = strlen(name);
    if (!cox_str_starts(name, prefix) || !cox_str_ends(name, ".state") || length < n + 7 ||
        length - n - 6 >= sizeof number)
        return -1;
    snprintf(number, sizeof number, "%.*s", (int)(length - n - 6), name + n);
    return cox_parse_int(number, &epoch) || epoch < 0 ? -1 : epoch;
}

/* The newest epoch before `before` of which there is a file, -1: none. With `remove`, all of them
 * are removed instead. */
static int64_t newest(const char *directory, int worker, int64_t before, bool remove_all)
{
    char path[PATH_MAX];
    int64_t found = -1;
    DIR *folder = cox_path_join(path, sizeof path, directory, "lanes", NULL) ? NULL : opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int64_t epoch = epoch_of(entry->d_name, worker);
        if (epoch < 0 || epoch >= before)
            continue;
        if (remove_all)
            unlinkat(dirfd(folder), entry->d_name, 0);
        else if (epoch > found)
            found = epoch;
    }
    if (folder)
        closedir(folder);
    return found;
}

int cox_lanes_state_save(const struct cox_lanes_state *s, const char *directory, int worker,
                         struct cox_err *err)
{
    char path[PATH_MAX];
    char name[64];
    char hex[65];
    size_t marks = (size_t)s->n * sizeof *s->mark;
    size_t length = sizeof(struct head) + marks + (size_t)s->n * s->lane_bytes;
    file_name(name, sizeof name, worker, s->epoch);
    int rc = cox_path_join(path, sizeof path, directory, "lanes", err);
    if (!rc)
        rc = cox_directory_create(path, err);
    if (!rc)
        rc = cox_path_join(path, sizeof path, directory, name, err);
    if (rc)
        return rc;
    char *bytes = cox_alloc(length, 1);
    if (!bytes)
        return cox_err_set(err, COX_ENOMEM, "out of memory for the states of %d replicas", s->n);
    struct head head = {.magic = MAGIC,
                        .epoch = s->epoch,
                        .system = s->system,
                        .lane_bytes = (int64_t)s->lane_bytes,
                        .n = s->n};
    snprintf(head.engine, sizeof head.engine, "%s", s->engine);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, s->mark, marks);
    memcpy(bytes + sizeof head + marks, s->bytes, (size_t)s->n * s->lane_bytes);
    cox_sha256_hex(bytes + DIGESTED, length - DIGESTED, hex);
    memcpy(bytes + offsetof(struct head, digest), hex, sizeof head.digest);
    rc = cox_file_replace(path, bytes, length, err);
    cox_free(bytes);
    if (!rc)
        newest(directory, worker, s->epoch, true);
    return rc;
}

static int unpack(struct cox_lanes_state *s, const char *bytes, size_t length, const char *path,
                  struct cox_err *err)
{
    struct head head;
    char hex[65];
    if (length < sizeof head)
        return cox_err_set(err, COX_EFORMAT, "'%s' is cut short", path);
    memcpy(&head, bytes, sizeof head);
    cox_sha256_hex(bytes + DIGESTED, length - DIGESTED, hex);
    if (head.magic != MAGIC || memcmp(hex, head.digest, sizeof head.digest) != 0)
        return cox_err_set(err, COX_EFORMAT, "'%s' is damaged, or of another kind of machine",
                           path);
    size_t left = length - sizeof head;
    if (head.n < 1 || head.n > LANES_MAX || head.lane_bytes < 1 || (size_t)head.lane_bytes > left ||
        left != (size_t)head.n * (sizeof *s->mark + (size_t)head.lane_bytes))
        return cox_err_set(err, COX_EFORMAT, "'%s' has sizes that do not fit", path);
    int rc = cox_lanes_state_init(s, (int)head.n, (size_t)head.lane_bytes, err);
    if (rc)
        return rc;
    size_t marks = (size_t)s->n * sizeof *s->mark;
    s->epoch = head.epoch;
    s->system = head.system;
    snprintf(s->engine, sizeof s->engine, "%.*s", (int)sizeof head.engine - 1, head.engine);
    memcpy(s->mark, bytes + sizeof head, marks);
    memcpy(s->bytes, bytes + sizeof head + marks, (size_t)s->n * s->lane_bytes);
    for (int i = 0; i < s->n; i++)
        s->mark[i].reason[sizeof s->mark[i].reason - 1] = 0;
    return COX_OK;
}

int cox_lanes_state_load(struct cox_lanes_state *s, bool *found, const char *directory, int worker,
                         int64_t before, struct cox_err *err)
{
    *found = false;
    *s = (struct cox_lanes_state){0};
    for (int64_t epoch; (epoch = newest(directory, worker, before, false)) >= 0; before = epoch) {
        char path[PATH_MAX];
        char name[64];
        char *bytes = NULL;
        size_t length = 0;
        struct cox_err problem = COX_ERR_INIT;
        file_name(name, sizeof name, worker, epoch);
        int rc = cox_path_join(path, sizeof path, directory, name, err);
        if (rc)
            return rc;
        rc = cox_file_read(&bytes, &length, path, MAXIMUM, &problem);
        if (!rc)
            rc = unpack(s, bytes, length, path, &problem);
        cox_free(bytes);
        if (rc == COX_ENOMEM)
            return cox_err_set(err, rc, "%s", problem.text);
        if (!rc) {
            *found = true;
            return COX_OK;
        }
        cox_log(COX_LOG_WARN, "a checkpoint is passed over: %s", problem.text);
    }
    return COX_OK;
}

/* ---- the writer ---- */

struct cox_lanes_writer {
    char directory[PATH_MAX];
    int worker;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool busy, stop;
    struct cox_lanes_state state; /* the thread's while busy */
    int written;
    char problem[256];
};

static void *writer_main(void *user)
{
    struct cox_lanes_writer *w = user;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->busy && !w->stop)
            pthread_cond_wait(&w->changed, &w->lock);
        if (!w->busy)
            break;
        pthread_mutex_unlock(&w->lock);
        struct cox_err err = COX_ERR_INIT;
        int rc = cox_lanes_state_save(&w->state, w->directory, w->worker, &err);
        pthread_mutex_lock(&w->lock);
        w->written += !rc;
        snprintf(w->problem, sizeof w->problem, "%s", rc ? err.text : "");
        w->busy = false;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int cox_lanes_writer_create(struct cox_lanes_writer **out, const char *directory, int worker,
                            struct cox_err *err)
{
    struct cox_lanes_writer *w = cox_alloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    w->worker = worker;
    snprintf(w->directory, sizeof w->directory, "%s", directory);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    int rc = pthread_create(&w->thread, NULL, writer_main, w);
    if (rc) {
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        cox_free(w);
        return cox_err_set(err, COX_EIO, "cannot start a thread: %s", strerror(rc));
    }
    *out = w;
    return COX_OK;
}

void cox_lanes_writer_destroy(struct cox_lanes_writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    cox_lanes_state_deinit(&w->state);
    cox_free(w);
}

bool cox_lanes_writer_idle(struct cox_lanes_writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool idle = !w->busy;
    pthread_mutex_unlock(&w->lock);
    return idle;
}

void cox_lanes_writer_post(struct cox_lanes_writer *w, struct cox_lanes_state *state)
{
    pthread_mutex_lock(&w->lock);
    struct cox_lanes_state former = w->state;
    w->state = *state;
    *state = former;
    w->busy = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void cox_lanes_writer_wait(struct cox_lanes_writer *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->busy)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

int cox_lanes_writer_written(struct cox_lanes_writer *w, char *problem, size_t size)
{
    pthread_mutex_lock(&w->lock);
    int written = w->written;
    snprintf(problem, size, "%s", w->problem);
    pthread_mutex_unlock(&w->lock);
    return written;
}
