/* SPDX-License-Identifier: BSD-3-Clause */
/* Followers in processes of their own beside a writer that writes, is killed and goes on. */
#include "store/follow.h"

#include "molecule/test_systems.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/rng.h"

#define ATOMS 63
#define BLOCK 16

static struct cox_system *sys;
static char folder[256];
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

/* `fast`: where a sync costs nothing, if there is such a place; how long a disk takes is not tested
 * here. On a disk more is under way when a writer is killed. */
static void choose_folder(bool fast)
{
    const char *root = getenv("TMPDIR");
    if (!root || fast)
        root = fast && cox_file_is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/cox-follow-%d", root, (int)getpid());
}

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    return 0;
}

static void fresh_folder(bool fast)
{
    choose_folder(fast);
    CHECK(cox_directory_remove(folder, &failure));
    CHECK(cox_directory_create(folder, &failure));
}

static const struct cox_traj_column columns[3] = {{"segment", COX_TRAJ_I32, ""},
                                                  {"index", COX_TRAJ_I32, ""},
                                                  {"rmsd_A", COX_TRAJ_F32, "Angstrom"}};

/* Every number of a frame follows from its file and row; the time says when it was written. */
struct block {
    int64_t step[BLOCK];
    double time[BLOCK];
    float x[BLOCK][ATOMS][3];
    int32_t segment[BLOCK], index[BLOCK];
    float rmsd[BLOCK];
};

static float coordinate(int file, int64_t row, int atom, int k)
{
    return (float)(row % 8191 + 1) * 0.37F + (float)atom * 0.0123F - (float)k * 1.7F + (float)file;
}

static void fill(struct block *b, int file, int64_t first, int n)
{
    for (int i = 0; i < n; i++) {
        const int64_t row = first + i;
        b->step[i] = row * 100 + file;
        b->time[i] = cox_clock_seconds();
        b->segment[i] = (int32_t)(row / 20);
        b->index[i] = (int32_t)(row % 20);
        b->rmsd[i] = (float)row * 0.01F;
        for (int a = 0; a < ATOMS; a++)
            for (int k = 0; k < 3; k++)
                b->x[i][a][k] = coordinate(file, row, a, k);
    }
}

static int create(struct cox_traj **t, int file, int files, bool compress, struct cox_err *err)
{
    char path[300];
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.n_columns = 3;
    options.columns = columns;
    options.compress = compress;
    options.files = files;
    options.file = file;
    int rc = cox_follow_path(folder, file, path, sizeof path, err);
    return rc ? rc : cox_traj_create(t, path, sys, &options, err);
}

static int append(struct cox_traj *t, int n, struct cox_err *err)
{
    static struct block b;
    int file = 0;
    cox_traj_files(t, &file);
    fill(&b, file, cox_traj_frames(t), n);
    const void *const cells[3] = {b.segment, b.index, b.rmsd};
    const struct cox_traj_block block = {
        .n = n, .step = b.step, .time_ps = b.time, .position_nm = &b.x[0][0][0], .column = cells};
    return cox_traj_append(t, &block, err);
}

static void nap(long us)
{
    const struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

/* ---- a follower ---- */

struct seen {
    int64_t frames, bad, looks, failures;
    double lag_sum, lag_max;
};

static bool is_frame(const float (*x)[3], int file, int64_t row)
{
    for (int a = 0; a < ATOMS; a++)
        for (int k = 0; k < 3; k++)
            if (x[a][k] != coordinate(file, row, a, k))
                return false;
    return true;
}

/* Counts those frames of which a number is not what it must be. n <= BLOCK. */
static int verify(struct cox_follow *f, const int64_t *ids, int64_t n, struct seen *seen,
                  bool new_ones, struct cox_err *err)
{
    static struct block want, got;
    const int files = cox_follow_files(f);
    int rc = cox_follow_positions(f, ids, n, &got.x[0][0][0], err);
    if (!rc)
        rc = cox_follow_times(f, ids, n, got.step, got.time, err);
    if (!rc)
        rc = cox_follow_i32(f, "segment", ids, n, got.segment, err);
    if (!rc)
        rc = cox_follow_i32(f, "index", ids, n, got.index, err);
    if (!rc)
        rc = cox_follow_f32(f, "rmsd_A", ids, n, got.rmsd, err);
    const double now = cox_clock_seconds();
    for (int64_t i = 0; !rc && i < n; i++) {
        fill(&want, (int)(ids[i] % files), ids[i] / files, 1);
        if (!is_frame((const float(*)[3])got.x[i], (int)(ids[i] % files), ids[i] / files) ||
            want.step[0] != got.step[i] || want.segment[0] != got.segment[i] ||
            want.index[0] != got.index[i] || want.rmsd[0] != got.rmsd[i] || !(got.time[i] > 0))
            seen->bad++;
        const double lag = now - got.time[i];
        if (new_ones) {
            seen->lag_sum += lag;
            seen->lag_max = lag > seen->lag_max ? lag : seen->lag_max;
        }
    }
    return rc;
}

static volatile sig_atomic_t told_to_end;

static void tell_to_end(int number)
{
    (void)number;
    told_to_end = 1;
}

/* Nothing new came for long: whose fault is it? */
static void complain(const struct cox_follow *f, int64_t frames)
{
    struct cox_follow *fresh = NULL;
    struct cox_err err = COX_ERR_INIT;
    int64_t n = 0;
    if (cox_follow_check(f, &err))
        fprintf(stderr, "follower: nothing new for long: %s\n", err.text);
    if (!cox_follow_open(&fresh, folder, &err) && !cox_follow_refresh(fresh, &n, &err))
        fprintf(stderr, "follower: %lld frames; one that opens the files anew sees %lld\n",
                (long long)frames, (long long)n);
    else
        fprintf(stderr, "follower: %s\n", err.text);
    cox_follow_close(fresh);
}

/* Follows until `frames` were seen, or it is told to end and has seen all; looking at old ones now
 * and then; 0 when all was well. */
static int follower(int64_t frames, int out)
{
    static int64_t ids[BLOCK];
    struct cox_follow *f = NULL;
    struct cox_err err = COX_ERR_INIT;
    struct seen seen = {0};
    int64_t n = 0;
    uint64_t draw = (uint64_t)getpid();
    int rc = cox_follow_open(&f, folder, &err);
    double changed = cox_clock_seconds();
    while (!rc && seen.frames < frames) {
        int64_t known = 0;
        rc = cox_follow_refresh(f, &known, &err);
        seen.looks++;
        if (!rc)
            rc = cox_follow_take(f, BLOCK, ids, &n, &err);
        if (!rc)
            rc = verify(f, ids, n, &seen, true, &err);
        seen.frames += n;
        draw = draw * 6364136223846793005U + 1442695040888963407U;
        const int64_t old = seen.frames ? ids[0] - (int64_t)(draw >> 40) : -1;
        if (!rc && n && old >= 0)
            rc = verify(f, &old, 1, &seen, false, &err);
        if (n)
            changed = cox_clock_seconds();
        if (!n && (told_to_end || cox_clock_seconds() - changed > 200)) /* disks may be very busy */
            break;
        if (!n)
            nap(500);
    }
    if (!rc && !told_to_end && seen.frames != frames)
        complain(f, seen.frames);
    if (rc)
        fprintf(stderr, "follower: %s\n", err.text);
    if (write(out, &seen, sizeof seen) != sizeof seen)
        rc = 1;
    cox_follow_close(f);
    return rc || seen.bad || (!told_to_end && seen.frames != frames);
}

#define FOLLOWERS 2
static pid_t followers[FOLLOWERS]; /* those that live */

/* A test that failed does not wait for those who wait for it. */
static int end_followers(void **state)
{
    (void)state;
    for (int i = 0; i < FOLLOWERS; i++) {
        if (followers[i] > 0 && !kill(followers[i], SIGKILL))
            waitpid(followers[i], NULL, 0);
        followers[i] = 0;
    }
    return 0;
}

static pid_t start_follower(int64_t frames, int *from)
{
    int pipes[2];
    int at = 0;
    while (at < FOLLOWERS && followers[at])
        at++;
    assert_true(at < FOLLOWERS);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    followers[at] = child;
    if (!child) {
        close(pipes[0]);
        signal(SIGTERM, tell_to_end);
        _exit(follower(frames, pipes[1]));
    }
    close(pipes[1]);
    *from = pipes[0];
    return child;
}

static int64_t end_follower(pid_t child, int from)
{
    struct seen seen = {0};
    int status = 0;
    assert_int_equal(read(from, &seen, sizeof seen), sizeof seen);
    close(from);
    waitpid(child, &status, 0);
    for (int i = 0; i < FOLLOWERS; i++)
        followers[i] = followers[i] == child ? 0 : followers[i];
    print_message("follower: %lld frames, %lld bad, %lld looks, lag %.1f ms on average, %.1f ms "
                  "at most\n",
                  (long long)seen.frames, (long long)seen.bad, (long long)seen.looks,
                  1e3 * seen.lag_sum / (double)seen.frames, 1e3 * seen.lag_max);
    assert_int_equal(seen.bad, 0);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    return seen.frames;
}

/* ---- tests ---- */

static void follow_a_writer(bool compress, int64_t frames)
{
    int from[2];
    pid_t child[FOLLOWERS];
    struct cox_traj *t = NULL;
    fresh_folder(true);
    for (int i = 0; i < FOLLOWERS; i++) /* before there is a file */
        child[i] = start_follower(frames, &from[i]);
    CHECK(create(&t, 0, 1, compress, &failure));
    double began = cox_clock_seconds();
    while (cox_traj_frames(t) < frames) {
        CHECK(append(t, BLOCK, &failure));
        CHECK(cox_traj_sync(t, &failure));
    }
    double took = cox_clock_seconds() - began;
    print_message("writer: %.0f frames/s, synced every %d\n", (double)frames / took, BLOCK);
    for (int i = 0; i < FOLLOWERS; i++)
        end_follower(child[i], from[i]);
    CHECK(cox_traj_close(t, &failure));
    CHECK(cox_directory_remove(folder, &failure));
}

static void test_two_followers(void **state)
{
    (void)state;
    follow_a_writer(false, 20000);
}

static void test_compressed(void **state)
{
    (void)state;
#ifndef __SANITIZE_ADDRESS__ /* the blosc plugin leaks, and is unloaded before it can be named */
    follow_a_writer(true, 3200);
#endif
}

/* Writes both files in blocks of random size until killed, telling what is safe. */
static void writer(bool compress, uint64_t seed, int out)
{
    struct cox_traj *t[2] = {NULL, NULL};
    struct cox_err err = COX_ERR_INIT;
    int rc = COX_OK;
    for (int m = 0; !rc && m < 2; m++) {
        char path[300];
        rc = cox_follow_path(folder, m, path, sizeof path, &err);
        if (!rc)
            rc = cox_file_exists(path) ? cox_traj_open_append(&t[m], path, &err)
                                       : create(&t[m], m, 2, compress, &err);
    }
    for (uint64_t i = 0; !rc; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const int m = (int)(seed >> 33 & 1);
        for (uint64_t k = seed >> 34 & 3; !rc && k; k--)
            rc = append(t[m], 1 + (int)((seed >> (36 + k)) & 15), &err);
        if (!rc)
            rc = cox_traj_sync(t[m], &err);
        const int64_t safe[2] = {cox_traj_frames(t[0]), cox_traj_frames(t[1])};
        /* of the other file too: it was synced before */
        if (!rc && write(out, safe, sizeof safe) != sizeof safe)
            rc = COX_EIO;
    }
    fprintf(stderr, "writer: %s\n", err.text);
    _exit(1);
}

/* Starts a writer, kills it `us` microseconds later, or so long after it first acknowledged
 * something (`begun`); *safe: what it had acknowledged. */
static void write_and_kill(bool compress, uint64_t seed, long us, bool begun, int64_t safe[2])
{
    int pipes[2];
    int64_t more[2];
    int status = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        close(pipes[0]);
        writer(compress, seed, pipes[1]);
    }
    close(pipes[1]);
    if (begun && read(pipes[0], more, sizeof more) == sizeof more)
        memcpy(safe, more, sizeof more);
    nap(us);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    while (read(pipes[0], more, sizeof more) == sizeof more)
        memcpy(safe, more, sizeof more);
    close(pipes[0]);
}

/* After each death the file opens as it is, and has all that was acknowledged and more. */
static int64_t check_dead(const int64_t safe[2])
{
    int64_t sum = 0;
    for (int m = 0; m < 2; m++) {
        char path[300];
        struct cox_traj *t = NULL;
        CHECK(cox_follow_path(folder, m, path, sizeof path, &failure));
        if (!cox_file_exists(path)) {
            assert_int_equal(safe[m], 0);
            continue;
        }
        CHECK(cox_traj_open_read(&t, path, &failure));
        assert_true(cox_traj_frames(t) >= safe[m]);
        sum += cox_traj_frames(t);
        CHECK(cox_traj_close(t, &failure));
    }
    return sum;
}

static void killed_writers(bool compress, int kills)
{
    int from[2];
    pid_t child[FOLLOWERS];
    int64_t safe[2] = {0, 0};
    int64_t frames = 0;
    uint64_t draw = compress ? 99 : 12;
    int voids = 0;
    fresh_folder(false);
    for (int i = 0; i < FOLLOWERS; i++)
        child[i] = start_follower(INT64_MAX, &from[i]);
    for (int i = 0; i < kills; i++) {
        draw = draw * 6364136223846793005U + 1442695040888963407U;
        write_and_kill(compress, draw, 500 + (long)(draw >> 33) % 60000, i % 3 > 0, safe);
        frames = check_dead(safe);
        voids += frames > safe[0] + safe[1];
    }
    print_message("%d kills, %lld frames, %d times more than was acknowledged\n", kills,
                  (long long)frames, voids);
    assert_true(frames > kills);
    /* a last writer that closes in order: what was half-written is gone */
    for (int m = 0; m < 2; m++) {
        char path[300];
        struct cox_traj *t = NULL;
        CHECK(cox_follow_path(folder, m, path, sizeof path, &failure));
        CHECK(cox_traj_open_append(&t, path, &failure));
        CHECK(append(t, 1, &failure));
        CHECK(cox_traj_close(t, &failure));
    }
    for (int i = 0; i < FOLLOWERS; i++) {
        kill(child[i], SIGTERM);
        assert_int_equal(end_follower(child[i], from[i]), frames + 2);
    }
    CHECK(cox_directory_remove(folder, &failure));
}

static void test_killed_writers(void **state)
{
    (void)state;
    killed_writers(false, 20);
#ifndef __SANITIZE_ADDRESS__
    killed_writers(true, 20);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_two_followers, end_followers),
        cmocka_unit_test_teardown(test_compressed, end_followers),
        cmocka_unit_test_teardown(test_killed_writers, end_followers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
