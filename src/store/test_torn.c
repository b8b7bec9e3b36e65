/* SPDX-License-Identifier: BSD-3-Clause */
/* A writer that is killed at its n-th write, for n = 1, 2, 3 … until it lives to its end: every
 * state that the file is ever in is visited. A write that SIGKILL meets ends where a page of the
 * file ends, when it is killed between two pages; so each write that lies across such a place is
 * cut there. This file's pwrite stands in for the C library's, HDF5 included. */
#include "store/traj.h"

#include "molecule/test_systems.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "store/repair.h"

#define PAGE 4096
#define BLOCK 16
#define MOST_ATOMS 64

static struct cox_system *sys;
static char folder[200], path[256], base[256], redo[270];
static struct cox_err failure;
static long countdown; /* writes until the end of this process; 0: it lives */

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at);

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
    if (countdown && !--countdown) {
        const size_t some = (size_t)(PAGE - at % PAGE);
        if (some < n)
            syscall(SYS_pwrite64, fd, bytes, some, at);
        raise(SIGKILL);
    }
    return syscall(SYS_pwrite64, fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return pwrite64(fd, bytes, n, at);
}

/* ---- frames of which every number follows from the row ---- */

static const struct cox_traj_column columns[3] = {{"segment", COX_TRAJ_I32, ""},
                                                  {"index", COX_TRAJ_I32, ""},
                                                  {"rmsd_A", COX_TRAJ_F32, "Angstrom"}};

struct rows {
    int64_t step[BLOCK];
    double time[BLOCK];
    float x[BLOCK * MOST_ATOMS * 3];
    int32_t segment[BLOCK], index[BLOCK];
    float rmsd[BLOCK];
};

static void fill(struct rows *r, int64_t first, int n)
{
    const int numbers = sys->n_atoms * 3;
    for (int i = 0; i < n; i++) {
        const int64_t row = first + i;
        uint32_t draw = (uint32_t)row * 2654435761U + 1;
        r->step[i] = row * 100 + 1;
        r->time[i] = (double)row * 0.5 + 1;
        r->segment[i] = (int32_t)(row / 20 + 1);
        r->index[i] = (int32_t)(row % 20 + 1);
        r->rmsd[i] = (float)row * 0.01F + 1;
        for (int k = 0; k < numbers; k++) {
            draw = draw * 1664525U + 1013904223U;
            r->x[i * numbers + k] = (float)(draw >> 8) * 1e-6F;
        }
    }
}

static int append(struct cox_traj *t, int n, struct cox_err *err)
{
    static struct rows r;
    int rc = COX_OK;
    for (int some; !rc && n > 0; n -= some) {
        some = n < BLOCK ? n : BLOCK;
        fill(&r, cox_traj_frames(t), some);
        const void *const cells[3] = {r.segment, r.index, r.rmsd};
        const struct cox_traj_block block = {
            .n = some, .step = r.step, .time_ps = r.time, .position_nm = r.x, .column = cells};
        rc = cox_traj_append(t, &block, err);
    }
    return rc;
}

static void read_rows(struct rows *r, struct cox_traj *t, int64_t first, int n)
{
    CHECK(cox_traj_read_positions(t, first, n, r->x, &failure));
    CHECK(cox_traj_read_times(t, first, n, r->step, r->time, &failure));
    CHECK(cox_traj_read_i32(t, "segment", first, n, r->segment, &failure));
    CHECK(cox_traj_read_i32(t, "index", first, n, r->index, &failure));
    CHECK(cox_traj_read_f32(t, "rmsd_A", first, n, r->rmsd, &failure));
}

/* Opens the file anew: at least so many frames, and every number of them right. The number there
 * is. */
static int64_t verify(int64_t at_least, int64_t from)
{
    static struct rows want, got;
    struct cox_traj *t = NULL;
    CHECK(cox_traj_open_read(&t, path, &failure));
    const int64_t frames = cox_traj_frames(t);
    assert_true(frames >= at_least);
    for (int64_t at = from; at < frames; at += BLOCK) {
        const int n = frames - at < BLOCK ? (int)(frames - at) : BLOCK;
        memset(&want, 0, sizeof want);
        memset(&got, 0, sizeof got);
        fill(&want, at, n);
        read_rows(&got, t, at, n);
        assert_memory_equal(&got, &want, sizeof want);
    }
    CHECK(cox_traj_close(t, &failure));
    return frames;
}

/* ---- lives ---- */

static volatile int64_t *acknowledged; /* shared with the writer */

static int sync_and_tell(struct cox_traj *t, struct cox_err *err)
{
    int rc = cox_traj_sync(t, err);
    if (!rc)
        *acknowledged = cox_traj_frames(t);
    return rc;
}

static int create(struct cox_traj **t, const char *name, bool compress, struct cox_err *err)
{
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    options.n_columns = 3;
    options.columns = columns;
    options.compress = compress;
    return cox_traj_create(t, name, sys, &options, err);
}

static int append_and_tell(struct cox_traj *t, int n, struct cox_err *err)
{
    int rc = append(t, n, err);
    return rc ? rc : sync_and_tell(t, err);
}

/* Blocks that end within a chunk, with one, and beyond. */
static int go_on(struct cox_traj *t, struct cox_err *err)
{
    static const int blocks[] = {3, 13, 17, 1};
    int rc = COX_OK;
    for (size_t i = 0; !rc && i < sizeof blocks / sizeof *blocks; i++)
        rc = append_and_tell(t, blocks[i], err);
    return rc;
}

typedef int life(bool compress, struct cox_err *err);

static int made(bool compress, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    int rc = create(&t, path, compress, err);
    if (!rc)
        rc = go_on(t, err);
    return rc ? rc : cox_traj_close(t, err);
}

static int appended(bool compress, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    (void)compress;
    int rc = cox_traj_open_append(&t, path, err);
    if (!rc)
        rc = go_on(t, err);
    return rc ? rc : cox_traj_close(t, err);
}

/* As a run does that is resumed: the file has more than the catalog knows of. */
static int cut(bool compress, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    (void)compress;
    int rc = cox_traj_open_append(&t, path, err);
    const int64_t n = rc ? 0 : cox_traj_frames(t) - 21;
    if (!rc)
        *acknowledged = n;
    if (!rc)
        rc = cox_traj_truncate(t, n, err);
    if (!rc)
        rc = append_and_tell(t, 5, err);
    return rc ? rc : cox_traj_close(t, err);
}

/* Closes a file that has void rows: they are cut off. */
static int closed(bool compress, struct cox_err *err)
{
    struct cox_traj *t = NULL;
    (void)compress;
    int rc = cox_traj_open_append(&t, path, err);
    return rc ? rc : cox_traj_close(t, err);
}

/* The file that each life begins with: so many frames, and void ones. */
static void lay_out(bool compress, int frames, int voids)
{
    struct cox_traj *t = NULL;
    CHECK(create(&t, base, compress, &failure));
    CHECK(append(t, frames, &failure));
    CHECK(cox_traj_close(t, &failure));
    pid_t child = voids ? fork() : -1;
    if (!child) {
        if (!cox_traj_open_append(&t, base, NULL) && !append(t, voids, NULL))
            raise(SIGKILL);
        _exit(1);
    }
    if (child > 0)
        waitpid(child, NULL, 0);
}

static void copy(const char *from, const char *to)
{
    static char bytes[1 << 16];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_true(in && out);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* Whether it was killed. */
static bool live_until(life *story, bool compress, long n)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct cox_err err = COX_ERR_INIT;
        countdown = n;
        int rc = story(compress, &err);
        if (rc)
            fprintf(stderr, "writer: %s\n", err.text);
        _exit(rc != COX_OK);
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        return true;
    assert_int_equal(WEXITSTATUS(status), 0);
    return false;
}

/* Looking only changes nothing, and tells whether there is something to do. */
static void repair(void)
{
    struct cox_repair r;
    CHECK(cox_repair_file(&r, path, true, &failure));
    const bool unfinished = cox_file_exists(redo);
    assert_true(r.unfinished == unfinished);
    assert_true(r.state == COX_REPAIR_NEEDED || (r.state == COX_REPAIR_GOOD && !unfinished));
    CHECK(cox_repair_file(&r, path, false, &failure));
    assert_true(r.state == COX_REPAIR_DONE || (r.state == COX_REPAIR_GOOD && !unfinished));
    CHECK(cox_repair_file(&r, path, true, &failure));
    assert_int_equal(r.state, COX_REPAIR_GOOD);
}

/* `from`: the rows before it, which are many, are read only at the end. */
static void visit_all(life *story, bool compress, int64_t frames, int64_t from)
{
    const bool alone = !compress && (story == made || story == appended);
    bool killed = true;
    long n = 0;
    while (killed) {
        struct cox_traj *t = NULL;
        CHECK(cox_directory_remove(folder, &failure));
        CHECK(cox_directory_create(folder, &failure));
        if (frames)
            copy(base, path);
        *acknowledged = frames;
        killed = live_until(story, compress, ++n);
        if (!cox_file_exists(path)) {
            assert_true(killed && !frames && !*acknowledged);
            continue;
        }
        /* programs that know nothing of it can read on */
        assert_true(!alone || !cox_file_exists(redo));
        if (n % 3 == 0 && !from)
            repair();
        const int64_t seen = verify(*acknowledged, from);
        CHECK(cox_traj_open_append(&t, path, &failure));
        assert_int_equal(cox_traj_frames(t), seen);
        CHECK(append(t, 3, &failure));
        CHECK(cox_traj_close(t, &failure));
        assert_int_equal(verify(seen + 3, killed ? from : 0), seen + 3);
    }
    assert_true(n > 3);
    print_message("%ld writes\n", n - 1);
}

/* Its writer was killed, but not within a write. */
static void remove_base(void)
{
    char name[300];
    snprintf(name, sizeof name, "%s.redo", base);
    unlink(name);
    unlink(base);
}

static void live(life *story, int residues, bool plain, int frames, int voids, int64_t from)
{
    cox_system_destroy(sys);
    sys = system_of_glycines(residues, 1);
    for (int compress = !plain; compress < 2; compress++) {
#ifdef __SANITIZE_ADDRESS__ /* the blosc plugin leaks, and is unloaded before it can be named */
        if (compress)
            break;
#endif
        if (frames)
            lay_out(compress, frames, voids);
        visit_all(story, compress, frames, from);
        remove_base();
    }
}

static void test_made(void **state)
{
    (void)state;
    live(made, 12, true, 0, 0, 0);
}

static void test_appended(void **state)
{
    (void)state;
    live(appended, 12, true, 40, 0, 0);
}

static void test_appended_after_a_death(void **state)
{
    (void)state;
    live(appended, 12, true, 40, 19, 0);
}

/* The index of its chunks has parts that are larger than a page. */
static void test_appended_to_a_long_file(void **state)
{
    (void)state;
    live(appended, 1, false, 34000, 0, 33900);
}

static void test_cut(void **state)
{
    (void)state;
    live(cut, 12, true, 70, 0, 0);
}

static void test_closed(void **state)
{
    (void)state;
    live(closed, 12, true, 40, 19, 0);
}

static int setup(void **state)
{
    (void)state;
    const char *root = cox_file_is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/cox-torn-%d", root, (int)getpid());
    snprintf(path, sizeof path, "%s/frames-0.h5", folder);
    snprintf(redo, sizeof redo, "%s.redo", path);
    snprintf(base, sizeof base, "%s.h5", folder);
    acknowledged = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return acknowledged == MAP_FAILED;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    remove_base();
    return cox_directory_remove(folder, &failure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_appended),
        cmocka_unit_test(test_appended_after_a_death),
        cmocka_unit_test(test_appended_to_a_long_file),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_closed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
