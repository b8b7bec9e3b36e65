/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/gradient.h"

#include <string.h>

/* Copies n numbers between a model's array and the vector; the next place in the vector. */
static double *copy(double *vector, double *own, size_t n, bool get)
{
    if (get)
        memcpy(vector, own, n * sizeof *own);
    else
        memcpy(own, vector, n * sizeof *own);
    return vector + n;
}

static double *net(double *vector, const struct cox_dp_net *n, bool get)
{
    for (int k = 0; k < n->n; k++) {
        const struct cox_dp_layer *l = &n->layer[k];
        vector = copy(vector, l->w, (size_t)l->in * (size_t)l->out, get);
        vector = copy(vector, l->b, (size_t)l->out, get);
        if (l->idt)
            vector = copy(vector, l->idt, (size_t)l->out, get);
    }
    return vector;
}

static void all(double *vector, const struct cox_dp_model *m, bool get)
{
    for (int q = 0; q < m->n_descriptors; q++) {
        int nets = m->descriptor[q].one_side ? m->n_types : m->n_types * m->n_types;
        for (int i = 0; i < nets; i++)
            vector = net(vector, &m->descriptor[q].embed[i], get);
    }
    for (int t = 0; t < m->n_types; t++)
        vector = net(vector, &m->fit[t], get);
}

void cox_dp_parameters_get(double *to, const struct cox_dp_model *model)
{
    all(to, model, true);
}

void cox_dp_parameters_set(struct cox_dp_model *model, const double *from)
{
    all((double *)(uintptr_t)from, model, false);
}
