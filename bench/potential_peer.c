/* SPDX-License-Identifier: BSD-3-Clause */
/* potential_peer LIBRARY MODEL FRAME: DeePMD-kit's C interface (libdeepmd_c, taken from its wheel)
 * as a worker of bench/potential.py. Threads are set by its environment variables. The prototypes
 * are those of its documented public header. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "potential_worker.h"

struct peer {
    void *potential;
    void (*compute)(void *potential, int frames, int atoms, const double *x, const int *type,
                    const double *box, const double *fparam, const double *aparam, double *energy,
                    double *force, double *virial, double *atom_energy, double *atom_virial);
    const char *(*problem)(void *potential);
};

static int compute(void *user, struct potential_frame *frame, struct cox_err *err)
{
    struct peer *p = user;
    double virial[9];
    p->compute(p->potential, 1, frame->n, &frame->x[0][0], frame->type, frame->box, NULL, NULL,
               &frame->energy, &frame->force[0][0], virial, NULL, NULL);
    const char *problem = p->problem(p->potential);
    return problem && *problem ? cox_err_set(err, COX_EEXTERNAL, "%s", problem) : 0;
}

/* A function's address, by way of memcpy: ISO C has no conversion from a data pointer. */
static int find(void *to, void *library, const char *name, struct cox_err *err)
{
    void *symbol = dlsym(library, name);
    memcpy(to, &symbol, sizeof symbol);
    return symbol ? 0 : cox_err_set(err, COX_EEXTERNAL, "no function '%s': %s", name, dlerror());
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct potential_frame frame = {0};
    struct peer peer = {0};
    void *(*create)(const char *path);
    if (argc != 4) {
        fprintf(stderr, "usage: potential_peer LIBRARY MODEL FRAME\n");
        return 2;
    }
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    int rc = library ? 0 : cox_err_set(&err, COX_EEXTERNAL, "%s", dlerror());
    if (!rc)
        rc = find(&create, library, "DP_NewDeepPot", &err);
    if (!rc)
        rc = find(&peer.compute, library, "DP_DeepPotCompute2", &err);
    if (!rc)
        rc = find(&peer.problem, library, "DP_DeepPotCheckOK", &err);
    if (!rc)
        rc = potential_frame_read(&frame, argv[3], &err);
    if (!rc) {
        peer.potential = create(argv[2]);
        const struct potential_worker worker = {
            .compute = compute, .about = "\"interface\": \"C\"", .user = &peer};
        rc = potential_serve(&worker, &frame, &err);
    }
    if (rc)
        fprintf(stderr, "potential_peer: %s\n", err.text);
    potential_frame_deinit(&frame);
    return rc ? 1 : 0;
}
