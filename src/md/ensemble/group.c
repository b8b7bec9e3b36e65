/* SPDX-License-Identifier: BSD-3-Clause */
#include "md/ensemble/group.h"

#include "base/mem.h"

void ens_group_destroy(struct ens_group *g)
{
    if (!g)
        return;
    void *const blocks[] = {g->x,    g->x_low,    g->v,     g->f,        g->d,     g->born_sum,
                            g->born, g->born_inv, g->slope, g->de_dborn, g->close, g->close_factor};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        cox_free(blocks[i]);
    cox_free(g);
}

int ens_group_create(struct ens_group **out, const struct ens_plan *p, int lanes,
                     struct cox_err *err)
{
    const size_t n = (size_t)p->n, w = (size_t)lanes;
    struct ens_group *g = cox_alloc(1, sizeof *g);
    if (!g)
        return cox_err_set(err, COX_ENOMEM, "no memory for a group of %d lanes", lanes);
    g->lanes = lanes;
    bool all = true;
    float **const vectors[] = {&g->x, &g->x_low, &g->v, &g->f, &g->d};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        all &= (*vectors[i] = cox_alloc(3 * n * w, sizeof(float))) != NULL;
    float **const scalars[] = {&g->born_sum, &g->born, &g->born_inv, &g->slope, &g->de_dborn};
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0] && p->solvent; i++)
        all &= (*scalars[i] = cox_alloc(n * w, sizeof(float))) != NULL;
    if (p->solvent) {
        g->close = cox_alloc(n * (n - 1) / 2 + 1, sizeof *g->close);
        g->close_factor = cox_alloc((size_t)p->close_capacity * 2 * w, sizeof(float));
        all &= g->close && g->close_factor;
    }
    if (!all) {
        ens_group_destroy(g);
        return cox_err_set(err, COX_ENOMEM, "no memory for a group of %d lanes of %d atoms", lanes,
                           p->n);
    }
    *out = g;
    return COX_OK;
}
