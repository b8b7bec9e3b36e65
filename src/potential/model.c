/* SPDX-License-Identifier: BSD-3-Clause */
#include "potential/model.h"

#include <math.h>
#include <string.h>

int cox_dp_model_create(struct cox_dp_model **out, struct cox_err *err)
{
    struct cox_arena *arena = cox_arena_create();
    *out = arena ? cox_arena_alloc(arena, 1, sizeof **out) : NULL;
    if (!*out) {
        cox_arena_destroy(arena);
        return cox_err_set(err, COX_ENOMEM, "out of memory for a potential");
    }
    (*out)->arena = arena;
    return COX_OK;
}

void cox_dp_model_destroy(struct cox_dp_model *model)
{
    if (model)
        cox_arena_destroy(model->arena);
}

struct cox_dp_net *cox_dp_embed_of(const struct cox_dp_model *model, int centre, int neighbour)
{
    return &model->embed[model->one_side ? neighbour : neighbour * model->n_types + centre];
}

enum cox_dp_skip cox_dp_skip_of(int in, int out)
{
    if (in == out)
        return COX_DP_SKIP_SAME;
    return out == 2 * in ? COX_DP_SKIP_DOUBLED : COX_DP_SKIP_NONE;
}

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static int check_net(const struct cox_dp_net *net, int in, int out, const char *what, int index,
                     struct cox_err *err)
{
    if (net->n < 1 || net->n > COX_DP_MAX_LAYERS)
        return cox_err_set(err, COX_EFORMAT, "%s net %d has %d layers; 1 to %d are possible", what,
                           index, net->n, COX_DP_MAX_LAYERS);
    for (int k = 0; k < net->n; k++) {
        const struct cox_dp_layer *l = &net->layer[k];
        if (!l->w || !l->b || l->in != in || l->out < 1)
            return cox_err_set(err, COX_EFORMAT,
                               "%s net %d, layer %d takes %d numbers, but is given %d", what, index,
                               k, l->in, in);
        if ((l->skip == COX_DP_SKIP_SAME && l->out != l->in) ||
            (l->skip == COX_DP_SKIP_DOUBLED && l->out != 2 * l->in))
            return cox_err_set(err, COX_EFORMAT, "%s net %d, layer %d: %d → %d cannot be skipped",
                               what, index, k, l->in, l->out);
        if (!all_finite(l->w, (size_t)l->in * (size_t)l->out) ||
            !all_finite(l->b, (size_t)l->out) || (l->idt && !all_finite(l->idt, (size_t)l->out)))
            return cox_err_set(err, COX_EFORMAT, "%s net %d, layer %d holds NaN or infinity", what,
                               index, k);
        in = l->out;
    }
    if (in != out)
        return cox_err_set(err, COX_EFORMAT, "%s net %d gives %d numbers instead of %d", what,
                           index, in, out);
    return COX_OK;
}

static int check_descriptor(struct cox_dp_model *m, struct cox_err *err)
{
    if (!(m->rcut > 0) || !(m->rcut_smth >= 0) || !(m->rcut_smth < m->rcut) || m->rcut > 100)
        return cox_err_set(err, COX_EFORMAT,
                           "cutoff %g Å, smooth from %g Å: must be 0 <= smooth < cutoff <= 100",
                           m->rcut, m->rcut_smth);
    m->n_slots = 0;
    for (int t = 0; t < m->n_types; t++) {
        if (m->sel[t] < 0 || m->sel[t] > 100000)
            return cox_err_set(err, COX_EFORMAT, "sel of type %d is %d", t, m->sel[t]);
        m->n_slots += m->sel[t];
        for (int c = 0; c < 4; c++)
            if (!isfinite(m->davg[t][c]) || !(m->dstd[t][c] > 0) || !isfinite(m->dstd[t][c]))
                return cox_err_set(err, COX_EFORMAT,
                                   "type %d: mean %g and deviation %g of the environment matrix "
                                   "cannot be used",
                                   t, m->davg[t][c], m->dstd[t][c]);
    }
    if (m->n_slots < 1)
        return cox_err_set(err, COX_EFORMAT, "sel leaves room for no neighbour");
    if (m->axis < 1 || m->axis > m->m1)
        return cox_err_set(err, COX_EFORMAT, "axis_neuron is %d; must be 1 to %d", m->axis, m->m1);
    return COX_OK;
}

int cox_dp_model_check(struct cox_dp_model *m, struct cox_err *err)
{
    if (m->n_types < 1 || m->n_types > COX_DP_MAX_TYPES)
        return cox_err_set(err, COX_EFORMAT, "%d types of atoms; 1 to %d are possible", m->n_types,
                           COX_DP_MAX_TYPES);
    int rc = check_descriptor(m, err);
    int nets = m->one_side ? m->n_types : m->n_types * m->n_types;
    for (int i = 0; !rc && i < nets; i++) {
        int centre = m->one_side ? -1 : i % m->n_types;
        if (centre >= 0 && m->exclude[centre][i / m->n_types] && !m->embed[i].n)
            continue; /* never used: need not be there */
        rc = check_net(&m->embed[i], 1, m->m1, "embedding", i, err);
    }
    for (int t = 0; !rc && t < m->n_types; t++) {
        rc = check_net(&m->fit[t], m->m1 * m->axis + m->n_fparam, 1, "fitting", t, err);
        if (!rc && !isfinite(m->bias[t]))
            rc = cox_err_set(err, COX_EFORMAT, "the energy of a free atom of type %d is %g", t,
                             m->bias[t]);
    }
    return rc;
}

static long long net_parameters(const struct cox_dp_net *net)
{
    long long n = 0;
    for (int k = 0; k < net->n; k++)
        n += (long long)net->layer[k].out * (net->layer[k].in + 1 + (net->layer[k].idt != NULL));
    return n;
}

long long cox_dp_model_parameters(const struct cox_dp_model *m)
{
    long long n = 0;
    for (int i = 0; i < (m->one_side ? m->n_types : m->n_types * m->n_types); i++)
        n += net_parameters(&m->embed[i]);
    for (int t = 0; t < m->n_types; t++)
        n += net_parameters(&m->fit[t]);
    return n;
}
