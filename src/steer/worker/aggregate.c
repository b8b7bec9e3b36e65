/* SPDX-License-Identifier: BSD-3-Clause */
/* The aggregate role: stores the frames of its simulations in frames-M.h5 and acknowledges them
 * only then. A frame's identity is (segment, index), so one that comes again, after a crash on
 * either side, is told from a new one by how many of its segment there are. */
#include "steer/worker/aggregate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "steer/columns.h"
#include "store/follow.h"

#define SILENCE_S 0.2 /* after which a chunk is stored though it is not full */
#define NARROW_S 0.01
#define IDLE_S 0.2  /* of waiting for frames, between two looks at the coordinator's messages */
#define RETRY_S 1.0 /* of a disk that takes nothing */
#define BATCH_FRAMES (8 * COX_TRAJ_CHUNK)
#define BATCH_BYTES ((size_t)64 << 20)
#define SEGMENT_MAX 1000000000

/* ---- before hello ---- */

/* Beside the hub's socket, in the folder that the coordinator made and removes; of this attempt, so
 * that an orphan's end does not take ours away. */
static void choose_endpoint(const struct cox_worker *w, char *out, size_t size)
{
    const char *hub = w->options->hub;
    const char *slash = strrchr(hub, '/');
    if (strncmp(hub, "ipc://", 6) != 0)
        snprintf(out, size, "tcp");
    else
        snprintf(out, size, "%.*s/%s.%lld", (int)(slash - hub), hub, w->options->name,
                 (long long)w->options->epoch);
}

static int allocate(struct aggregator *a, struct cox_err *err)
{
    const struct cox_worker *w = a->worker;
    bool velocities = w->settings.simulation.save_velocities;
    a->n_atoms = w->system->n_atoms;
    a->n_values = cox_columns_values(&a->frames);
    size_t bytes = (size_t)a->n_atoms * 3 * sizeof(float) * (velocities ? 2 : 1);
    size_t room = BATCH_BYTES / bytes;
    a->room = room < COX_TRAJ_CHUNK ? COX_TRAJ_CHUNK
              : room > BATCH_FRAMES ? BATCH_FRAMES
                                    : (int)room;
    size_t n = (size_t)a->room;
    a->x = cox_alloc(n * (size_t)a->n_atoms, 3 * sizeof(float));
    a->v = velocities ? cox_alloc(n * (size_t)a->n_atoms, 3 * sizeof(float)) : NULL;
    a->values = cox_alloc(n * (size_t)a->n_values, sizeof(float));
    a->piece = cox_alloc(n * (size_t)a->n_values, sizeof(float));
    a->step = cox_alloc(n, sizeof *a->step);
    a->time_ps = cox_alloc(n, sizeof *a->time_ps);
    a->segment = cox_alloc(n, sizeof *a->segment);
    a->lane = cox_alloc(n, sizeof *a->lane);
    a->generation = cox_alloc(n, sizeof *a->generation);
    a->index = cox_alloc(n, sizeof *a->index);
    if (!a->x || (velocities && !a->v) || !a->values || !a->piece || !a->step || !a->time_ps ||
        !a->segment || !a->lane || !a->generation || !a->index)
        return cox_err_set(err, COX_ENOMEM, "out of memory for %d frames of %d atoms", a->room,
                           a->n_atoms);
    return COX_OK;
}

int cox_worker_aggregate_prepare(struct cox_worker *worker, struct cox_message *hello,
                                 struct cox_err *err)
{
    char endpoint[COX_ENDPOINT_SIZE];
    struct aggregator *a = cox_alloc(1, sizeof *a);
    if (!a)
        return cox_err_set(err, COX_ENOMEM, "out of memory");
    worker->role = a;
    a->worker = worker;
    a->system = cox_worker_system_digest(worker->system);
    int rc = cox_frames_init(&a->frames, worker->system, &worker->settings, worker->config, err);
    if (!rc)
        rc = allocate(a, err);
    if (!rc)
        rc = cox_follow_path(worker->options->directory, worker->number, a->path, sizeof a->path,
                             err);
    choose_endpoint(worker, endpoint, sizeof endpoint);
    if (!rc)
        rc = cox_collector_create(&a->collector, endpoint, worker->keyed ? &worker->keys : NULL,
                                  err);
    if (!rc)
        cox_message_set_text(hello, "endpoint", cox_collector_endpoint(a->collector));
    return rc;
}

void cox_worker_aggregate_release(struct cox_worker *worker)
{
    struct aggregator *a = worker->role;
    if (!a)
        return;
    cox_traj_destroy(a->traj);
    if (a->locked)
        close(a->lock_fd);
    cox_collector_destroy(a->collector);
    cox_frames_deinit(&a->frames);
    cox_free(a->count);
    void *blocks[] = {a->x,       a->v,       a->values, a->piece,      a->step,
                      a->time_ps, a->segment, a->lane,   a->generation, a->index};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(a);
    worker->role = NULL;
}

/* ---- what came ---- */

/* *next is the index that the segment's next frame must have. */
static int next_of(struct aggregator *a, int64_t segment, int32_t **next, struct cox_err *err)
{
    if (segment < 0 || segment >= SEGMENT_MAX)
        return cox_err_set(err, COX_EFORMAT, "a frame of segment %lld", (long long)segment);
    if (segment >= a->segments) {
        int64_t room = a->segments ? a->segments : 1024;
        while (room <= segment)
            room *= 2;
        int32_t *more = cox_realloc(a->count, (size_t)room, sizeof *more);
        if (!more)
            return cox_err_set(err, COX_ENOMEM, "out of memory for %lld segments", (long long)room);
        a->count = more;
        a->segments = room;
    }
    *next = &a->count[segment];
    return COX_OK;
}

static int check_frame(const struct aggregator *a, const struct cox_stream_frame *f,
                       const char *peer, struct cox_err *err)
{
    if (f->system != a->system || f->n_atoms != a->n_atoms)
        return cox_err_set(
            err, COX_EFORMAT,
            "%s sends frames of another system: %d atoms with digest %016llx, not %d "
            "with %016llx",
            peer, f->n_atoms, (unsigned long long)f->system, a->n_atoms,
            (unsigned long long)a->system);
    if (f->n_values != a->n_values || !f->x || (a->v != NULL) != (f->v != NULL))
        return cox_err_set(err, COX_EFORMAT,
                           "%s sends frames with %d values %s velocities; this run has %d %s", peer,
                           f->n_values, f->v ? "and" : "without", a->n_values,
                           a->v ? "and velocities" : "without");
    return COX_OK;
}

static int add_frame(struct aggregator *a, const struct cox_stream_frame *f, const char *peer,
                     struct cox_err *err)
{
    int32_t *next = NULL;
    int rc = check_frame(a, f, peer, err);
    if (!rc)
        rc = next_of(a, f->segment, &next, err);
    if (rc)
        return rc;
    a->owed = true;
    if (f->index < *next) {
        a->duplicates++;
        return COX_OK;
    }
    if (f->index > *next)
        return cox_err_set(err, COX_EFORMAT,
                           "%s sends frame %d of segment %lld; %d of it are stored, so frames "
                           "between are missing",
                           peer, f->index, (long long)f->segment, *next);
    size_t i = (size_t)a->n++;
    size_t floats = (size_t)a->n_atoms * 3;
    memcpy(a->x + i * floats, f->x, floats * sizeof(float));
    if (a->v)
        memcpy(a->v + i * floats, f->v, floats * sizeof(float));
    memcpy(a->values + i * (size_t)a->n_values, f->values, (size_t)a->n_values * sizeof(float));
    a->step[i] = f->step;
    a->time_ps[i] = f->time_ps;
    a->segment[i] = (int32_t)f->segment;
    a->lane[i] = f->lane;
    a->generation[i] = f->generation;
    a->index[i] = f->index;
    a->newest = cox_clock_seconds();
    ++*next;
    return COX_OK;
}

/* ---- storing ---- */

/* Rows appended … appended+n-1 of the batch go into the file, not yet synced. */
static int append(struct aggregator *a, int n, struct cox_err *err)
{
    const void *columns[COX_COLUMNS_MAX] = {0};
    size_t first = (size_t)a->appended;
    size_t floats = (size_t)a->n_atoms * 3;
    int k = COX_COLUMN_VALUES;
    columns[COX_COLUMN_SEGMENT] = a->segment + first;
    columns[COX_COLUMN_LANE] = a->lane + first;
    columns[COX_COLUMN_ROUND] = a->generation + first;
    for (int c = 0; c < a->n_values; c++, k++) {
        float *column = a->piece + (size_t)c * (size_t)n;
        for (int i = 0; i < n; i++)
            column[i] = a->values[(first + (size_t)i) * (size_t)a->n_values + (size_t)c];
        columns[k] = column;
    }
    columns[k] = a->index + first;
    struct cox_traj_block block = {.n = n,
                                   .step = a->step + first,
                                   .time_ps = a->time_ps + first,
                                   .position_nm = a->x + first * floats,
                                   .velocity_nm_ps = a->v ? a->v + first * floats : NULL,
                                   .column = columns};
    int rc = cox_traj_append(a->traj, &block, err);
    if (!rc)
        a->appended += n;
    return rc;
}

/* Chunk by chunk; with `all`, a part of one at the end as well. */
static int append_chunks(struct aggregator *a, bool all, struct cox_err *err)
{
    int rc = COX_OK;
    while (!rc && a->appended < a->n) {
        int left = a->n - a->appended;
        int room = cox_traj_room(a->traj);
        if (left < room && !all)
            break;
        rc = append(a, left < room ? left : room, err);
    }
    return rc;
}

static int store(struct aggregator *a, struct cox_err *err)
{
    double began = cox_clock_seconds();
    int rc = COX_OK;
    if (a->n) {
        rc = append_chunks(a, true, err);
        if (!rc)
            rc = cox_traj_sync(a->traj, err);
    }
    a->busy_s += cox_clock_seconds() - began;
    if (rc)
        return rc;
    a->stored += (uint64_t)a->n;
    a->n = a->appended = 0;
    a->owed = false;
    return cox_collector_acknowledge(a->collector, err);
}

/* ---- the file ---- */

static int check_columns(const struct aggregator *a, const struct cox_traj_column *wanted, int n,
                         struct cox_err *err)
{
    const struct cox_traj_column *there = NULL;
    int have = cox_traj_columns(a->traj, &there);
    int file = 0;
    int files = cox_traj_files(a->traj, &file);
    bool same = have == n && cox_traj_atoms(a->traj) == a->n_atoms &&
                cox_traj_has_velocities(a->traj) == (a->v != NULL);
    for (int i = 0; same && i < n; i++)
        same = !strcmp(there[i].name, wanted[i].name) && there[i].type == wanted[i].type;
    if (same && file == a->worker->number && files == a->worker->settings.streaming.aggregators)
        return COX_OK;
    return cox_err_set(err, COX_EINVAL,
                       "%s is of another run: it has %d columns (not %d), %d atoms (not %d), and "
                       "is file %d of %d (not %d of %d)",
                       a->path, have, n, cox_traj_atoms(a->traj), a->n_atoms, file, files,
                       a->worker->number, a->worker->settings.streaming.aggregators);
}

#define READ_ROWS 65536

/* How many frames of every segment the file holds. */
static int recount(struct aggregator *a, struct cox_err *err)
{
    int64_t total = cox_traj_frames(a->traj);
    int32_t *rows = cox_alloc(2 * READ_ROWS, sizeof *rows);
    int rc = rows ? COX_OK : cox_err_set(err, COX_ENOMEM, "out of memory reading %s", a->path);
    if (a->count)
        memset(a->count, 0, (size_t)a->segments * sizeof *a->count);
    for (int64_t first = 0; !rc && first < total; first += READ_ROWS) {
        int64_t n = total - first < READ_ROWS ? total - first : READ_ROWS;
        rc = cox_traj_read_i32(a->traj, "segment", first, n, rows, err);
        if (!rc)
            rc = cox_traj_read_i32(a->traj, "index", first, n, rows + READ_ROWS, err);
        for (int64_t i = 0; !rc && i < n; i++) {
            int32_t *next = NULL;
            rc = next_of(a, rows[i], &next, err);
            if (!rc && rows[READ_ROWS + i] != *next)
                rc = cox_err_set(
                    err, COX_EFORMAT, "%s, row %lld: frame %d of segment %d comes where %d is due",
                    a->path, (long long)(first + i), rows[READ_ROWS + i], rows[i], *next);
            if (!rc)
                ++*next;
        }
    }
    cox_free(rows);
    return rc;
}

/* HDF5 gives its own lock up when readers may follow. An aggregator that outlived its coordinator
 * on a node that nobody reaches writes until it notices the silence: so long its successor waits.
 */
static int lock_file(struct aggregator *a, struct cox_err *err)
{
    char name[64];
    char path[PATH_MAX];
    if (a->locked)
        return COX_OK;
    int rc = cox_path_join(path, sizeof path, a->worker->options->directory, "control", err);
    if (!rc)
        rc = cox_directory_create(path, err);
    snprintf(name, sizeof name, "control/frames-%d.lock", a->worker->number);
    if (!rc)
        rc = cox_path_join(path, sizeof path, a->worker->options->directory, name, err);
    if (rc)
        return rc;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return cox_err_errno(err, "cannot open '%s'", path);
    if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(fd);
        return cox_err_set(err, COX_EEXISTS, "an earlier process still writes '%s'", a->path);
    } /* a file system without such locks is taken as it is */
    a->lock_fd = fd;
    a->locked = true;
    return COX_OK;
}

static int open_file(struct aggregator *a, struct cox_err *err)
{
    const struct cox_worker *w = a->worker;
    struct cox_traj_column columns[COX_COLUMNS_MAX];
    int n = cox_columns(&a->frames, true, columns);
    int rc = lock_file(a, err);
    if (rc)
        return rc;
    if (cox_file_exists(a->path)) {
        rc = cox_traj_open_append(&a->traj, a->path, err);
    } else {
        struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
        options.velocities = w->settings.simulation.save_velocities;
        options.compress = w->settings.streaming.compress;
        options.columns = columns;
        options.n_columns = n;
        options.author = "cox run";
        options.files = w->settings.streaming.aggregators;
        options.file = w->number;
        rc = cox_traj_create(&a->traj, a->path, w->system, &options, err);
    }
    if (!rc)
        rc = check_columns(a, columns, n, err);
    return rc ? rc : recount(a, err);
}

/* After a failure that leaves the file's state unknown: opened anew, it has what was acknowledged
 * and perhaps more of what waits here. */
static int reopen(struct aggregator *a, struct cox_err *err)
{
    size_t floats = (size_t)a->n_atoms * 3;
    size_t values = (size_t)a->n_values;
    cox_traj_destroy(a->traj);
    a->traj = NULL;
    int rc = open_file(a, err);
    if (rc)
        return rc;
    int kept = 0;
    for (int i = 0; i < a->n; i++) {
        int32_t *next = NULL;
        rc = next_of(a, a->segment[i], &next, err);
        if (rc)
            return rc;
        if (a->index[i] < *next)
            continue;
        ++*next;
        size_t from = (size_t)i;
        size_t to = (size_t)kept++;
        if (from == to)
            continue;
        memmove(a->x + to * floats, a->x + from * floats, floats * sizeof(float));
        if (a->v)
            memmove(a->v + to * floats, a->v + from * floats, floats * sizeof(float));
        memmove(a->values + to * values, a->values + from * values, values * sizeof(float));
        a->step[to] = a->step[from];
        a->time_ps[to] = a->time_ps[from];
        a->segment[to] = a->segment[from];
        a->lane[to] = a->lane[from];
        a->generation[to] = a->generation[from];
        a->index[to] = a->index[from];
    }
    a->stored += (uint64_t)(a->n - kept);
    a->n = kept;
    a->appended = 0;
    return COX_OK;
}

/* ---- trouble ---- */

static void begin_trouble(struct aggregator *a, int rc, const struct cox_err *problem)
{
    a->retry_at = cox_clock_seconds() + RETRY_S;
    a->reopen = a->reopen || rc != COX_ENOSPACE;
    if (!a->trouble)
        cox_worker_tell(a->worker, "trouble", "frames wait, nothing is lost: %s", problem->text);
    a->trouble = true;
}

/* Stores what there is; a disk that refuses is no end: the frames stay here and with their
 * producers, whose windows fill. */
static int try_store(struct aggregator *a, struct cox_err *err)
{
    struct cox_err problem = COX_ERR_INIT;
    int rc = COX_OK;
    if (a->reopen || !a->traj)
        rc = reopen(a, &problem);
    a->reopen = a->reopen && rc;
    if (!rc)
        rc = store(a, &problem);
    if (rc == COX_EFORMAT || rc == COX_EINVAL || rc == COX_ENOMEM)
        return cox_err_set(err, rc, "%s", problem.text);
    if (rc)
        begin_trouble(a, rc, &problem);
    else if (a->trouble)
        cox_worker_tell(a->worker, "recovered", "frames are stored again");
    a->trouble = a->trouble && rc;
    return COX_OK;
}

/* ---- the loop ---- */

static void figures(void *user, struct cox_message *heartbeat)
{
    const struct aggregator *a = user;
    struct cox_collector_stats stats;
    cox_collector_get_stats(a->collector, &stats);
    cox_message_set_int(heartbeat, "stored", (int64_t)a->stored);
    cox_message_set_int(heartbeat, "total", a->traj ? cox_traj_frames(a->traj) : 0);
    cox_message_set_number(heartbeat, "bytes", (double)stats.bytes);
    cox_message_set_int(heartbeat, "waiting", (int64_t)stats.waiting);
    cox_message_set_int(heartbeat, "duplicates", (int64_t)(a->duplicates + stats.duplicates));
    cox_message_set_int(heartbeat, "fenced", (int64_t)stats.fenced);
    cox_message_set_int(heartbeat, "strangers", (int64_t)stats.strangers);
    cox_message_set_int(heartbeat, "producers", stats.producers);
    cox_message_set_number(heartbeat, "busy_s", a->busy_s);
    cox_message_set_text(heartbeat, "doing", a->trouble ? "waiting" : "store");
}

static int expect(struct aggregator *a, const struct cox_message *m, struct cox_err *err)
{
    return cox_collector_expect(a->collector, cox_message_text(m, "name", ""),
                                cox_message_int(m, "epoch", -1), err);
}

static int listen(struct aggregator *a, double timeout_s, struct cox_err *err)
{
    int rc = COX_OK;
    for (bool more = true; !rc && more; timeout_s = 0) {
        struct cox_message *m = NULL;
        rc = cox_worker_receive(a->worker, timeout_s, NULL, 0, &m, err);
        more = m != NULL;
        if (!rc && m && cox_message_is(m, "expect"))
            rc = expect(a, m, err);
        cox_message_destroy(m);
    }
    return rc;
}

/* Frames that are there, or come in time. */
static int gather(struct aggregator *a, struct cox_err *err)
{
    struct cox_stream_frame frame;
    char peer[COX_PEER_SIZE];
    int got = 0;
    double now = cox_clock_seconds();
    /* With a chunk filled, whoever sent it may be waiting for its acknowledgement; so may one whose
     * window is less than a chunk. */
    bool full = a->owed && (a->appended || !a->n);
    bool narrow = a->worker->settings.streaming.window_frames < 2 * COX_TRAJ_CHUNK;
    double patience = narrow ? NARROW_S : SILENCE_S;
    double timeout = full ? 0 : a->n ? a->newest + patience - now : IDLE_S;
    if (a->worker->stopping)
        timeout = 0;
    int rc = cox_collector_receive(a->collector, timeout > 0 ? timeout : 0, NULL, 0, &frame, peer,
                                   &got, err);
    if (!rc && got)
        rc = add_frame(a, &frame, peer, err);
    if (rc)
        return rc;
    struct cox_err problem = COX_ERR_INIT;
    if (got) {
        rc = append_chunks(a, false, &problem);
        if (rc)
            begin_trouble(a, rc, &problem);
    }
    bool silent = !got && (timeout <= 0 || cox_clock_seconds() >= now + timeout);
    a->quiet = !got && !a->n && !a->owed;
    if (!a->trouble && (a->n == a->room || (silent && a->owed)))
        return try_store(a, err);
    return COX_OK;
}

int cox_worker_aggregate(struct cox_worker *worker, const struct cox_message *welcome,
                         struct cox_err *err)
{
    struct aggregator *a = worker->role;
    int rc;
    worker->figures = figures;
    worker->figures_user = a;
    double began = cox_clock_unix();
    (void)welcome;
    rc = try_store(a, err); /* opens the file */
    if (!rc)
        rc = cox_worker_task(worker, "store", began, 0, err);
    while (!rc) {
        double now = cox_clock_seconds();
        bool retry = a->trouble && now >= a->retry_at;
        rc = listen(a, a->trouble && !retry ? a->retry_at - now : 0, err);
        if (rc || (worker->stopping && (a->quiet || a->trouble)))
            break;
        if (retry)
            rc = try_store(a, err);
        else if (!a->trouble)
            rc = gather(a, err);
    }
    worker->figures = NULL;
    if (!rc && a->traj) {
        rc = cox_traj_close(a->traj, err);
        a->traj = NULL;
    }
    return rc;
}
