/* SPDX-License-Identifier: BSD-3-Clause */
/* Trajectory files. The first byte chooses what is spoilt in a sound file:
 *   even: its superblock (48 bytes from byte 3 on, laid over it) and where it ends (bytes 1, 2):
 *         what cox repair and the recovery of a writer look at;
 *   odd:  what /parameters says of it: the list of columns (text) and which of how many files it is
 *         (bytes 1, 2), as the readers and cox_follow take it.
 * A file that is refused is left as it was; one that is accepted can be read and continued. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "fuzz.h"
#include "h5/h5.h"
#include "store/follow.h"
#include "store/repair.h"

enum { ATOMS = 2, FRAMES = 20 };

static char *image;
static size_t length;
static char folder[64];
static char path[128];

#ifdef __SANITIZE_ADDRESS__ /* HDF5 1.10 leaks when it refuses a damaged file */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}
#endif

static int append(struct cox_traj *t, int n)
{
    static float x[FRAMES][ATOMS][3];
    int32_t segment[FRAMES] = {0};
    float value[FRAMES] = {0};
    int64_t step[FRAMES] = {0};
    double time_ps[FRAMES] = {0};
    const void *const cells[2] = {segment, value};
    const struct cox_traj_block block = {
        .n = n, .step = step, .time_ps = time_ps, .position_nm = &x[0][0][0], .column = cells};
    return cox_traj_append(t, &block, NULL);
}

static void make_image(void)
{
    static const struct cox_traj_column columns[2] = {{"segment", COX_TRAJ_I32, ""},
                                                      {"rmsd_A", COX_TRAJ_F32, "Angstrom"}};
    struct cox_traj_options options = COX_TRAJ_OPTIONS_INIT;
    struct cox_system *system = NULL;
    struct cox_traj *t = NULL;
    struct cox_err err = COX_ERR_INIT;
    char *bytes = NULL;
    snprintf(folder, sizeof folder, "fuzz-traj-%d", (int)getpid());
    snprintf(path, sizeof path, "%s/frames-0.h5", folder);
    options.n_columns = 2;
    options.columns = columns;
    if (cox_directory_create(folder, &err) ||
        cox_system_create(&system, ATOMS, 1, 0, 0, 0, 0, 0, &err) ||
        cox_traj_create(&t, path, system, &options, &err)) {
        fprintf(stderr, "fuzz: %s\n", err.text);
        abort();
    }
    if (append(t, FRAMES) || cox_traj_close(t, &err) ||
        cox_file_read(&bytes, &length, path, (size_t)1 << 20, &err))
        abort();
    cox_system_destroy(system);
    image = malloc(length);
    memcpy(image, bytes, length);
    cox_free(bytes);
}

static void put(const char *bytes, size_t n)
{
    unlink(path);
    if (cox_file_append(path, bytes, n, NULL))
        abort();
}

/* Neither a look nor a refusal changes a file; a repaired one is good. */
static void check_repair(const char *bytes, size_t n)
{
    struct cox_repair r;
    struct cox_err err = COX_ERR_INIT;
    for (int look = 1; look >= 0; look--) {
        const int rc = cox_repair_file(&r, path, look, &err);
        if (rc && !err.text[0])
            abort();
        char *now = NULL;
        size_t m = 0;
        const bool untouched = rc || look || r.state != COX_REPAIR_DONE;
        if (cox_file_read(&now, &m, path, (size_t)1 << 20, &err))
            abort();
        if (untouched && (m != n || memcmp(now, bytes, n) != 0))
            abort();
        cox_free(now);
        if (!untouched && (cox_repair_file(&r, path, true, &err) || r.state != COX_REPAIR_GOOD))
            abort();
    }
}

static void check_append(void)
{
    struct cox_traj *t = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (cox_traj_open_append(&t, path, &err))
        return;
    if (cox_traj_columns(t, &(const struct cox_traj_column *){NULL}) == 2)
        (void)!append(t, 1);
    cox_traj_destroy(t);
}

static void spoil_superblock(const uint8_t *data, size_t size)
{
    const size_t end = size > 2 ? (data[1] | (size_t)data[2] << 8) % (length + 1) : length;
    const size_t n = end ? end : length;
    char *bytes = malloc(length);
    memcpy(bytes, image, length);
    for (size_t i = 3; i < size && i < 3 + COX_H5_SUPERBLOCK; i++)
        bytes[i - 3] = (char)(bytes[i - 3] ^ data[i]);
    put(bytes, n);
    check_repair(bytes, n);
    check_append();
    free(bytes);
}

static void spoil_parameters(const uint8_t *data, size_t size)
{
    struct cox_h5 *file = NULL;
    struct cox_err err = COX_ERR_INIT;
    const int32_t part[2] = {size > 1 ? (int8_t)data[1] : 1, size > 2 ? (int8_t)data[2] : 0};
    char text[4000] = "";
    for (size_t i = 3; i < size && i < sizeof text; i++)
        text[i - 3] = (char)data[i];
    put(image, length);
    if (cox_h5_open_alone(&file, path, &err) ||
        cox_h5_set_text(file, "/parameters", "columns", text, &err) ||
        cox_h5_set_ints(file, "/parameters", "files", 1, &part[0], &err) ||
        cox_h5_set_ints(file, "/parameters", "file", 1, &part[1], &err) || cox_h5_close(file, &err))
        abort();
    struct cox_follow *f = NULL;
    int64_t ids[FRAMES], n = 0;
    float x[FRAMES][ATOMS][3], value[FRAMES];
    if (!cox_follow_open(&f, folder, &err)) {
        if (cox_follow_take(f, FRAMES, ids, &n, &err))
            abort();
        const struct cox_traj_column *columns = NULL;
        struct cox_traj *t = cox_follow_file(f, 0);
        const int many = t ? cox_traj_columns(t, &columns) : 0;
        if (n && cox_follow_positions(f, ids, n, &x[0][0][0], &err))
            abort();
        for (int i = 0; i < many; i++)
            if (cox_follow_f32(f, columns[i].name, ids, n, value, &err))
                abort();
    }
    cox_follow_close(f);
    struct cox_repair r;
    (void)!cox_repair_file(&r, path, true, &err);
    check_append();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!image)
        make_image();
    if (size && data[0] & 1)
        spoil_parameters(data, size);
    else if (size)
        spoil_superblock(data, size);
    unlink(path);
    return 0;
}
