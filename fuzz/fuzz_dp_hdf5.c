/* SPDX-License-Identifier: BSD-3-Clause */
/* Potentials as HDF5 files, with bytes changed anywhere: in the tree, in the numbers, in the
 * library's own structures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "potential/dp_file.h"

#ifdef __SANITIZE_ADDRESS__ /* HDF5 1.10 leaks when it refuses a damaged file */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];
    struct cox_dp_model *m = NULL;
    struct cox_err err = COX_ERR_INIT;
    if (size < 8 || memcmp(data, "\x89HDF\r\n\x1a\n", 8))
        return 0;
    if (fd < 0)
        fd = memfd_create("model", 0);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!cox_dp_model_read(&m, path, &err))
        cox_dp_model_destroy(m);
    else if (!err.text[0])
        abort();
    return 0;
}
