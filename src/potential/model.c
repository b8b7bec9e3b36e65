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
    (*out)->n_descriptors = 1;
    return COX_OK;
}

void cox_dp_model_destroy(struct cox_dp_model *model)
{
    if (model)
        cox_arena_destroy(model->arena);
}

double cox_dp_cutoff(const struct cox_dp_model *model)
{
    double cutoff = 0;
    for (int q = 0; q < model->n_descriptors; q++)
        if (model->descriptor[q].rcut > cutoff)
            cutoff = model->descriptor[q].rcut;
    return cutoff;
}

int cox_dp_descriptor_width(const struct cox_dp_descriptor *descriptor)
{
    return descriptor->kind == COX_DP_SE_A ? descriptor->m1 * descriptor->axis : descriptor->m1;
}

int cox_dp_width(const struct cox_dp_model *model)
{
    int width = 0;
    for (int q = 0; q < model->n_descriptors; q++)
        width += cox_dp_descriptor_width(&model->descriptor[q]);
    return width;
}

int cox_dp_n_embed(const struct cox_dp_model *m, const struct cox_dp_descriptor *q)
{
    return q->one_side ? m->n_types : m->n_types * m->n_types;
}

struct cox_dp_slots cox_dp_slots_of(const struct cox_dp_descriptor *q, int centre, int neighbour,
                                    int n)
{
    int sel = q->sel[neighbour];
    int used = n < sel ? n : sel;
    switch (q->exclude[centre][neighbour]) {
    case COX_DP_INCLUDED:
        return (struct cox_dp_slots){.used = used, .empty = sel - used};
    case COX_DP_EXCLUDE_NEIGHBOURS:
        return (struct cox_dp_slots){.empty = sel - used, .blank = used};
    case COX_DP_EXCLUDE_LIST:
        return (struct cox_dp_slots){.empty = sel};
    default:
        return (struct cox_dp_slots){.blank = sel};
    }
}

struct cox_dp_net *cox_dp_embed_of(const struct cox_dp_model *model, int descriptor, int centre,
                                   int neighbour)
{
    const struct cox_dp_descriptor *q = &model->descriptor[descriptor];
    return &q->embed[q->one_side ? neighbour : neighbour * model->n_types + centre];
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

static int check_descriptor(const struct cox_dp_model *m, struct cox_dp_descriptor *q,
                            struct cox_err *err)
{
    if (!(q->rcut > 0) || !(q->rcut_smth >= 0) || !(q->rcut_smth < q->rcut) || q->rcut > 100)
        return cox_err_set(err, COX_EFORMAT,
                           "cutoff %g Å, smooth from %g Å: must be 0 <= smooth < cutoff <= 100",
                           q->rcut, q->rcut_smth);
    q->n_slots = 0;
    for (int t = 0; t < m->n_types; t++) {
        if (q->sel[t] < 0 || q->sel[t] > 100000)
            return cox_err_set(err, COX_EFORMAT, "sel of type %d is %d", t, q->sel[t]);
        q->n_slots += q->sel[t];
        for (int c = 0; c < (q->kind == COX_DP_SE_A ? 4 : 1); c++)
            if (!isfinite(q->davg[t][c]) || !(q->dstd[t][c] > 0) || !isfinite(q->dstd[t][c]))
                return cox_err_set(err, COX_EFORMAT,
                                   "type %d: mean %g and deviation %g of the environment matrix "
                                   "cannot be used",
                                   t, q->davg[t][c], q->dstd[t][c]);
    }
    if (q->n_slots < 1)
        return cox_err_set(err, COX_EFORMAT, "sel leaves room for no neighbour");
    if (!q->embed || q->m1 < 1)
        return cox_err_set(err, COX_EFORMAT, "there are no embedding nets");
    if (q->kind == COX_DP_SE_A && (q->axis < 1 || q->axis > q->m1))
        return cox_err_set(err, COX_EFORMAT, "axis_neuron is %d; must be 1 to %d", q->axis, q->m1);
    return COX_OK;
}

int cox_dp_model_check(struct cox_dp_model *m, struct cox_err *err)
{
    int rc = COX_OK;
    if (m->n_types < 1 || m->n_types > COX_DP_MAX_TYPES)
        return cox_err_set(err, COX_EFORMAT, "%d types of atoms; 1 to %d are possible", m->n_types,
                           COX_DP_MAX_TYPES);
    if (!m->fit)
        return cox_err_set(err, COX_EFORMAT, "there are no fitting nets");
    if (m->n_descriptors < 1 || m->n_descriptors > COX_DP_MAX_DESCRIPTORS)
        return cox_err_set(err, COX_EFORMAT, "%d descriptors; 1 to %d are possible",
                           m->n_descriptors, COX_DP_MAX_DESCRIPTORS);
    for (int d = 0; !rc && d < m->n_descriptors; d++) {
        struct cox_dp_descriptor *q = &m->descriptor[d];
        rc = check_descriptor(m, q, err);
        for (int i = 0; !rc && i < cox_dp_n_embed(m, q); i++) {
            int centre = q->one_side ? -1 : i % m->n_types;
            if (centre >= 0 && !q->embed[i].n &&
                q->exclude[centre][i / m->n_types] == COX_DP_EXCLUDE_SECTION)
                continue; /* never used: need not be there */
            rc = check_net(&q->embed[i], 1, q->m1, "embedding", i, err);
        }
    }
    if (!rc && m->n_fparam &&
        (!m->fparam_avg || !m->fparam_inv_std || !all_finite(m->fparam_avg, (size_t)m->n_fparam) ||
         !all_finite(m->fparam_inv_std, (size_t)m->n_fparam)))
        rc = cox_err_set(err, COX_EFORMAT, "the frame parameters' mean or deviation is missing");
    for (int t = 0; !rc && t < m->n_types; t++) {
        rc = check_net(&m->fit[t], cox_dp_width(m) + m->n_fparam, 1, "fitting", t, err);
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
    for (int q = 0; q < m->n_descriptors; q++)
        for (int i = 0; i < cox_dp_n_embed(m, &m->descriptor[q]); i++)
            n += net_parameters(&m->descriptor[q].embed[i]);
    for (int t = 0; t < m->n_types; t++)
        n += net_parameters(&m->fit[t]);
    return n;
}

int cox_dp_model_take_off_vacuum(struct cox_dp_model *m, int type, struct cox_err *err)
{
    const struct cox_dp_net *net = &m->fit[type];
    int width = net->layer[0].in;
    for (int k = 0; k < net->n; k++)
        if (net->layer[k].out > width)
            width = net->layer[k].out;
    double *x = cox_alloc((size_t)width, 2 * sizeof *x);
    if (!x)
        return cox_err_set(err, COX_ENOMEM, "out of memory for a potential");
    double *y = x + width;
    for (int k = 0; k < net->n; k++) {
        const struct cox_dp_layer *l = &net->layer[k];
        for (int o = 0; o < l->out; o++) {
            double z = l->b[o];
            for (int i = 0; i < l->in; i++)
                z += x[i] * l->w[(size_t)i * (size_t)l->out + (size_t)o];
            z = (l->idt ? l->idt[o] : 1) * (l->linear ? z : tanh(z));
            y[o] = z + (l->skip == COX_DP_SKIP_NONE ? 0 : x[o % l->in]);
        }
        memcpy(x, y, (size_t)l->out * sizeof *x);
    }
    m->bias[type] -= x[0];
    cox_free(x);
    return COX_OK;
}
