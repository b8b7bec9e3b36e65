/* SPDX-License-Identifier: BSD-3-Clause */
/* A Deep Potential with random weights in the shape of SC20's (arXiv 2005.00223): what a step costs
 * does not depend on the weights.  scaling_model water|copper FILE.dp */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "potential/dp_file.h"

struct shape {
    const char *name;
    int n_types;
    const char *types[2];
    double rcut, rcut_smth;
    int sel[2], neuron[3];
};

static const struct shape shapes[] = {
    {"water", 2, {"O", "H"}, 6.0, 0.5, {46, 92}, {25, 50, 100}},
    {"copper", 1, {"Cu"}, 8.0, 2.0, {500}, {25, 50, 100}},
};

static int fill(struct cox_dp_model *m, struct cox_dp_layer *l, int in, int out,
                struct cox_rng *rng)
{
    l->in = in;
    l->out = out;
    l->w = cox_arena_alloc(m->arena, (size_t)in * (size_t)out, sizeof *l->w);
    l->b = cox_arena_alloc(m->arena, (size_t)out, sizeof *l->b);
    if (!l->w || !l->b)
        return COX_ENOMEM;
    for (int i = 0; i < in * out; i++)
        l->w[i] = 0.5 * cox_rng_normal(rng) / sqrt(in + out);
    for (int i = 0; i < out; i++)
        l->b[i] = 0.1 * cox_rng_normal(rng);
    return COX_OK;
}

static int fitting(struct cox_dp_model *m, struct cox_dp_net *net, struct cox_rng *rng)
{
    int width = cox_dp_descriptor_width(&m->descriptor[0]), rc = COX_OK;
    const int in[4] = {width, 240, 240, 240}, out[4] = {240, 240, 240, 1};
    net->n = 4;
    for (int k = 0; !rc && k < 4; k++) {
        struct cox_dp_layer *l = &net->layer[k];
        rc = fill(m, l, in[k], out[k], rng);
        l->linear = k == 3;
        l->skip = k == 1 || k == 2 ? COX_DP_SKIP_SAME : COX_DP_SKIP_NONE;
        l->idt = l->skip ? cox_arena_alloc(m->arena, 240, sizeof(double)) : NULL;
        for (int i = 0; l->idt && i < 240; i++)
            l->idt[i] = 0.1;
    }
    return rc;
}

static int build(struct cox_dp_model *m, const struct shape *shape)
{
    struct cox_dp_descriptor *d = &m->descriptor[0];
    struct cox_rng rng;
    int rc = COX_OK;
    cox_rng_init(&rng, 1, 0);
    m->n_types = shape->n_types;
    m->n_descriptors = 1;
    d->kind = COX_DP_SE_A;
    d->rcut = shape->rcut;
    d->rcut_smth = shape->rcut_smth;
    d->one_side = true;
    d->m1 = shape->neuron[2];
    d->axis = 16;
    d->embed = cox_arena_alloc(m->arena, (size_t)m->n_types, sizeof *d->embed);
    m->fit = cox_arena_alloc(m->arena, (size_t)m->n_types, sizeof *m->fit);
    m->min_distance = 0.8;
    if (!d->embed || !m->fit)
        return COX_ENOMEM;
    for (int t = 0; !rc && t < m->n_types; t++) {
        snprintf(m->type_name[t], sizeof m->type_name[t], "%s", shape->types[t]);
        d->sel[t] = shape->sel[t];
        d->davg[t][0] = 0.05;
        for (int c = 0; c < 4; c++)
            d->dstd[t][c] = c ? 0.08 : 0.13;
        d->embed[t].n = 3;
        for (int k = 0; !rc && k < 3; k++) {
            int in = k ? shape->neuron[k - 1] : 1;
            rc = fill(m, &d->embed[t].layer[k], in, shape->neuron[k], &rng);
            d->embed[t].layer[k].skip = cox_dp_skip_of(in, shape->neuron[k]);
        }
        if (!rc)
            rc = fitting(m, &m->fit[t], &rng);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *m = NULL;
    const struct shape *shape = NULL;
    for (size_t i = 0; argc == 3 && i < sizeof shapes / sizeof shapes[0]; i++)
        if (!strcmp(argv[1], shapes[i].name))
            shape = &shapes[i];
    if (!shape) {
        fprintf(stderr, "usage: scaling_model water|copper FILE.dp\n");
        return 2;
    }
    int rc = cox_dp_model_create(&m, &err);
    if (!rc)
        rc = build(m, shape);
    if (!rc)
        rc = cox_dp_model_check(m, &err);
    if (!rc)
        rc = cox_dp_model_write(m, argv[2], &err);
    if (rc)
        fprintf(stderr, "scaling_model: %s\n", err.text);
    cox_dp_model_destroy(m);
    return rc != 0;
}
