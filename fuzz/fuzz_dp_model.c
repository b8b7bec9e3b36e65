/* SPDX-License-Identifier: BSD-3-Clause */
/* Potentials as YAML, as graphs of TensorFlow and as their text: what is accepted can be evaluated,
 * written and read again. HDF5 files are another harness' (fuzz_dp_hdf5). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "potential/dp_file.h"
#include "potential/reference.h"

/* Two atoms of each of the first two types; nothing to compare with, but it must come to an end. */
static void evaluate(const struct cox_dp_model *m)
{
    static const double x[4][3] = {{0, 0, 0}, {1, 0.1, 0}, {0.2, 1.1, 0}, {0, 0.3, 1.5}};
    int second = m->n_types > 1;
    const int type[4] = {0, second, 0, second};
    struct cox_neighbours list;
    struct cox_dp_result r = {0};
    struct cox_err err = COX_ERR_INIT;
    double fparam[1000] = {0};
    cox_neighbours_init(&list);
    if (cox_neighbours_build(&list, 4, x, type, m->n_types, NULL, cox_dp_cutoff(m), &err) ||
        cox_dp_reference(&r, m, &(struct cox_dp_atoms){4, 4, type}, &list, fparam, &err))
        abort();
    cox_neighbours_deinit(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];
    struct cox_dp_model *m = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (size >= 4 && !memcmp(data, "\x89HDF", 4))
        return 0;
    if (fd < 0)
        fd = memfd_create("model", 0);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!cox_dp_model_read(&m, path, &err)) {
        if (cox_dp_model_parameters(m) < 100000)
            evaluate(m);
        cox_dp_model_destroy(m);
    } else if (!err.text[0]) {
        abort(); /* a refusal says why */
    }
    return 0;
}
