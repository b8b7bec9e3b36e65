/* SPDX-License-Identifier: BSD-3-Clause */
/* One tree of segments, stored as a sequential run stores it and as a streaming one does: frames of
 * all lanes mixed, in one file and in three. The pathways must be the same. */
#include "store/lineage.h"

#include "molecule/test_systems.h"

#include <math.h>
#include <unistd.h>

#include "base/file.h"

#define ATOMS 63
#define MOST 400

static struct cox_system *sys;
static char folder[200];
static struct cox_err failure;

#define CHECK(call)                       \
    do {                                  \
        if (call)                         \
            fail_msg("%s", failure.text); \
    } while (0)

static int setup(void **state)
{
    (void)state;
    sys = system_of_glycines(12, 1);
    snprintf(folder, sizeof folder, "%s/cox-lineage-%d",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cox_system_destroy(sys);
    return cox_directory_remove(folder, &failure);
}

/* A segment: how many frames, from which (segment, index) it comes; index -1: goes on; -2: from
 * before its parent's first frame; segment -1: from the start. */
struct node {
    int n, parent, index;
};

/* start → 0 → 2 from its frame 4 → 3 goes on → 4 from frame 3 of that → 5 left before 4 had one */
static const struct node tree[] = {{10, -1, 0}, {10, -1, 0}, {7, 0, 4},
                                   {9, 2, -1},  {10, 3, 3},  {3, 4, -2}};
#define NODES ((int)(sizeof tree / sizeof tree[0]))

struct cell {
    int segment, index;
};

/* The order in which frames are stored. */
static int order(struct cell *cells, const struct node *nodes, int n_nodes, bool mixed)
{
    int n = 0;
    for (int k = 0, left = 1; mixed && left; k++) {
        left = 0;
        for (int s = n_nodes - 1; s >= 0; s--)
            if (k < nodes[s].n) {
                cells[n++] = (struct cell){s, k};
                left = 1;
            }
    }
    for (int s = 0; !mixed && s < n_nodes; s++)
        for (int k = 0; k < nodes[s].n; k++)
            cells[n++] = (struct cell){s, k};
    return n;
}

static void append(struct cox_traj *t, struct cell cell)
{
    float x[ATOMS][3] = {{(float)cell.segment, (float)cell.index, 0}};
    const int32_t cells[2] = {cell.segment, cell.index};
    const void *const columns[2] = {&cells[0], &cells[1]};
    const int64_t step = 250 * (cell.index + 1);
    const double time_ps = 0.5 * (cell.index + 1);
    const struct cox_traj_block block = {1, &step, &time_ps, &x[0][0], NULL, NULL, columns};
    CHECK(cox_traj_append(t, &block, &failure));
}

/* ids[segment][index] of every frame. */
static int64_t ids[64][MOST];

/* files 0: a sequential run. */
static void make_frames(const struct node *nodes, int n_nodes, int files)
{
    static const struct cox_traj_column columns[2] = {{"segment", COX_TRAJ_I32, ""},
                                                      {"index", COX_TRAJ_I32, ""}};
    static struct cell cells[64 * MOST];
    struct cox_traj *t[3] = {NULL};
    char path[300];
    const int m = files ? files : 1;
    for (int i = 0; i < m; i++) {
        struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
        options.columns = columns;
        options.n_columns = files ? 2 : 1;
        options.files = m;
        options.file = i;
        CHECK(cox_follow_path(folder, i, path, sizeof path, &failure));
        CHECK(cox_traj_create(&t[i], path, sys, &options, &failure));
    }
    const int n = order(cells, nodes, n_nodes, files > 0);
    for (int i = 0; i < n; i++) {
        const int file = cells[i].segment % m;
        ids[cells[i].segment][cells[i].index] = cox_traj_frames(t[file]) * m + file;
        append(t[file], cells[i]);
    }
    for (int i = 0; i < m; i++)
        CHECK(cox_traj_close(t[i], &failure));
}

static void make_run(const struct node *nodes, int n_nodes, int files)
{
    static const struct cox_catalog_start start = {.id = 0, .path = "u.pdb", .title = "unfolded"};
    char path[300];
    struct cox_catalog *c = NULL;
    CHECK(cox_directory_remove(folder, &failure));
    CHECK(cox_directory_create(folder, &failure));
    make_frames(nodes, n_nodes, files);
    snprintf(path, sizeof path, "%s/catalog.db", folder);
    CHECK(cox_catalog_open(&c, path, &failure));
    CHECK(cox_catalog_begin(c, &failure));
    CHECK(cox_catalog_add_start(c, &start, &failure));
    for (int s = 0, first = 0; s < n_nodes; first += nodes[s++].n) {
        const struct node *node = &nodes[s];
        struct cox_catalog_segment row = {
            .id = s,
            .parent_segment = node->parent,
            .parent_frame =
                node->parent >= 0 && node->index >= 0 ? ids[node->parent][node->index] : -1,
            .start = node->parent < 0 ? 0 : -1,
            .continued = node->parent >= 0 && node->index == -1,
            .steps = files ? 0 : 250 * node->n,
            .timestep_fs = 2,
            .first_frame = files ? -1 : first,
            .n_frames = files ? 0 : node->n, /* it runs: how many is not known yet */
            .running = files > 0,
            .best_objective = NAN,
            .ancestor = -1};
        CHECK(cox_catalog_add_segment(c, &row, &failure));
    }
    CHECK(cox_catalog_commit(c, &failure));
    cox_catalog_close(c);
}

static void open_run(struct cox_catalog **c, struct cox_follow **f)
{
    char path[300];
    snprintf(path, sizeof path, "%s/catalog.db", folder);
    CHECK(cox_catalog_open_read(c, path, &failure));
    CHECK(cox_follow_open(f, folder, &failure));
    CHECK(cox_follow_check(*f, &failure));
}

/* want[leg] = {segment, frames} */
static void expect(int segment, int index, const int (*want)[2], int n)
{
    struct cox_catalog *c = NULL;
    struct cox_follow *f = NULL;
    struct cox_lineage l;
    static float x[ATOMS][3];
    open_run(&c, &f);
    CHECK(cox_lineage_find(&l, c, f, ids[segment][index], &failure));
    assert_int_equal(l.n, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(l.legs[i].segment.id, want[i][0]);
        assert_int_equal(l.legs[i].n, want[i][1]);
        assert_true(l.legs[i].frame_ps == 0.5 && l.legs[i].steps_per_frame == 250);
        for (int k = 0; k < want[i][1]; k++) {
            assert_int_equal(l.legs[i].ids[k], ids[want[i][0]][k]);
            CHECK(cox_follow_positions(f, &l.legs[i].ids[k], 1, &x[0][0], &failure));
            assert_true(x[0][0] == (float)want[i][0] && x[0][1] == (float)k);
        }
    }
    cox_lineage_deinit(&l);
    cox_follow_close(f);
    cox_catalog_close(c);
}

static void test_pathways(void **state)
{
    (void)state;
    static const int kinds[] = {0, 1, 3};
    for (int i = 0; i < 3; i++) {
        make_run(tree, NODES, kinds[i]);
        expect(4, 7, (const int[][2]){{0, 5}, {2, 7}, {3, 4}, {4, 8}}, 4);
        expect(1, 2, (const int[][2]){{1, 3}}, 1);
        expect(5, 2, (const int[][2]){{0, 5}, {2, 7}, {3, 4}, {4, 0}, {5, 3}}, 5);
        expect(3, 8, (const int[][2]){{0, 5}, {2, 7}, {3, 9}}, 3);
    }
}

static void test_long_chain(void **state)
{
    (void)state;
    static struct node chain[60];
    static int want[60][2];
    for (int i = 0; i < 60; i++) {
        chain[i] = (struct node){40, i - 1, i % 3 ? 39 - i % 7 : -1};
        want[i][0] = i;
        want[i][1] = i == 59 ? 40 : (i + 1) % 3 ? 40 - (i + 1) % 7 : 40;
    }
    for (int files = 0; files < 4; files += 3) {
        make_run(chain, 60, files);
        expect(59, 39, (const int(*)[2])want, 60);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    struct cox_catalog *c = NULL;
    struct cox_follow *f = NULL;
    struct cox_lineage l;
    make_run(tree, NODES, 0);
    open_run(&c, &f);
    assert_int_equal(cox_lineage_find(&l, c, f, 49, &failure), COX_ENOTFOUND);
    assert_int_equal(cox_lineage_find(&l, c, f, -1, &failure), COX_ENOTFOUND);
    cox_follow_close(f);
    cox_catalog_close(c);
    make_run(tree, NODES, 3);
    open_run(&c, &f);
    assert_int_equal(cox_lineage_find(&l, c, f, 1000, &failure), COX_EINVAL);
    assert_int_equal(cox_lineage_find(&l, c, f, -1, &failure), COX_EINVAL);
    assert_non_null(strstr(failure.text, "no frame -1"));
    cox_follow_close(f);
    cox_catalog_close(c);
}

/* The parent's frame is of another segment; a frame of the way is missing. */
static void test_inconsistent(void **state)
{
    (void)state;
    static const struct node two[] = {{4, -1, 0}, {4, -1, 0}, {4, 1, 2}};
    struct cox_catalog *c = NULL;
    struct cox_follow *f = NULL;
    struct cox_lineage l;
    char path[300];
    make_run(two, 3, 1);
    snprintf(path, sizeof path, "%s/catalog.db", folder);
    unlink(path);
    CHECK(cox_catalog_open(&c, path, &failure));
    const struct cox_catalog_start start = {.id = 0};
    CHECK(cox_catalog_add_start(c, &start, &failure));
    struct cox_catalog_segment row = {
        .id = 1, .parent_segment = -1, .parent_frame = -1, .first_frame = -1, .ancestor = -1};
    CHECK(cox_catalog_add_segment(c, &row, &failure));
    row = (struct cox_catalog_segment){.id = 2,
                                       .parent_segment = 1,
                                       .parent_frame = ids[0][1],
                                       .start = -1,
                                       .first_frame = -1,
                                       .ancestor = -1};
    CHECK(cox_catalog_add_segment(c, &row, &failure));
    CHECK(cox_follow_open(&f, folder, &failure));
    assert_int_equal(cox_lineage_find(&l, c, f, ids[2][3], &failure), COX_EFORMAT);
    assert_non_null(strstr(failure.text, "of segment 0"));
    assert_int_equal(cox_lineage_find(&l, c, f, ids[0][3], &failure), COX_ENOTFOUND);
    cox_follow_close(f);
    cox_catalog_close(c);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    struct cox_catalog *c = NULL;
    struct cox_follow *f = NULL;
    make_run(tree, NODES, 3);
    open_run(&c, &f);
    const uint64_t before = cox_mem_in_use();
    for (uint64_t n = 1;; n++) {
        struct cox_lineage l;
        cox_mem_fail_at(n);
        int rc = cox_lineage_find(&l, c, f, ids[4][7], NULL);
        cox_mem_fail_at(0);
        cox_lineage_deinit(&l);
        assert_int_equal(cox_mem_in_use(), before);
        if (!rc) {
            assert_true(n > 3);
            break;
        }
        assert_int_equal(rc, COX_ENOMEM);
    }
    cox_follow_close(f);
    cox_catalog_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pathways),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_inconsistent),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
