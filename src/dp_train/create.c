/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/create.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

static int no_memory(struct cox_err *err)
{
    return cox_err_set(err, COX_ENOMEM, "out of memory for a potential");
}

/* ---- outline ---- */

static void outline_descriptor(struct cox_dp_descriptor *q, const struct cox_dp_input_descriptor *d,
                               int n_types)
{
    q->kind = d->type == COX_DP_INPUT_SE_R || d->type == COX_DP_INPUT_SE_R_OLD ? COX_DP_SE_R
                                                                               : COX_DP_SE_A;
    q->rcut = d->rcut;
    q->rcut_smth = d->rcut_smth;
    q->one_side = d->type_one_side;
    q->m1 = d->neuron.items[d->neuron.n - 1];
    q->axis = q->kind == COX_DP_SE_A ? d->axis_neuron : 0;
    for (int i = 0; i + 1 < d->exclude_types.n; i += 2) {
        int a = d->exclude_types.items[i];
        int b = d->exclude_types.items[i + 1];
        q->exclude[a][b] = q->exclude[b][a] = COX_DP_EXCLUDE_SECTION;
    }
    for (int t = 0; t < n_types; t++) {
        q->sel[t] = d->sel_of[t];
        q->n_slots += q->sel[t];
        for (int c = 0; c < 4; c++)
            q->dstd[t][c] = 1;
    }
}

int cox_dp_model_outline(struct cox_dp_model **out, const struct cox_dp_input *input,
                         struct cox_err *err)
{
    int rc = cox_dp_model_create(out, err);
    if (rc)
        return rc;
    struct cox_dp_model *m = *out;
    m->n_types = input->model.type_map.n;
    for (int t = 0; t < m->n_types; t++)
        memcpy(m->type_name[t], input->model.type_map.items[t],
               strlen(input->model.type_map.items[t]) + 1);
    m->n_descriptors = cox_dp_input_descriptors(input);
    for (int d = 0; d < m->n_descriptors; d++)
        outline_descriptor(&m->descriptor[d], cox_dp_input_descriptor(input, d), m->n_types);
    m->n_fparam = input->model.fitting.numb_fparam;
    m->fparam_avg = cox_arena_alloc(m->arena, (size_t)m->n_fparam + 1, sizeof *m->fparam_avg);
    m->fparam_inv_std =
        cox_arena_alloc(m->arena, (size_t)m->n_fparam + 1, sizeof *m->fparam_inv_std);
    return m->fparam_avg && m->fparam_inv_std ? COX_OK : no_memory(err);
}

void cox_dp_model_set_sel(struct cox_dp_model *m, const struct cox_dp_input *input, const int *most)
{
    for (int d = 0; d < m->n_descriptors; d++) {
        struct cox_dp_descriptor *q = &m->descriptor[d];
        double factor = cox_dp_input_descriptor(input, d)->sel_auto;
        if (!(factor > 0))
            continue;
        q->n_slots = 0;
        for (int t = 0; t < m->n_types; t++) {
            int want = (int)ceil(most[t] * factor);
            q->sel[t] = (want + 3) / 4 * 4;
            q->n_slots += q->sel[t];
        }
    }
}

/* ---- first weights ---- */

static int draw_layer(struct cox_dp_model *m, struct cox_dp_layer *l, struct cox_rng *rng)
{
    size_t n = (size_t)l->in * (size_t)l->out;
    l->w = cox_arena_alloc(m->arena, n, sizeof *l->w);
    l->b = cox_arena_alloc(m->arena, (size_t)l->out, sizeof *l->b);
    if (!l->w || !l->b)
        return -1;
    double width = 1 / sqrt((double)l->in + (double)l->out);
    for (size_t i = 0; i < n; i++)
        l->w[i] = width * cox_rng_normal(rng);
    for (int i = 0; i < l->out; i++)
        l->b[i] = cox_rng_normal(rng);
    return 0;
}

static int draw_idt(struct cox_dp_model *m, struct cox_dp_layer *l, struct cox_rng *rng)
{
    l->idt = cox_arena_alloc(m->arena, (size_t)l->out, sizeof *l->idt);
    for (int i = 0; l->idt && i < l->out; i++)
        l->idt[i] = 0.1 + 0.001 * cox_rng_normal(rng);
    return l->idt ? 0 : -1;
}

/* All hidden layers. */
static int draw_net(struct cox_dp_model *m, struct cox_dp_net *net, int in,
                    const struct cox_config_ints *widths, struct cox_rng *rng)
{
    net->n = widths->n;
    for (int k = 0; k < widths->n; k++) {
        struct cox_dp_layer *l = &net->layer[k];
        l->in = in;
        l->out = in = widths->items[k];
        if (draw_layer(m, l, rng))
            return -1;
    }
    return 0;
}

static int draw_embedding(struct cox_dp_model *m, struct cox_dp_net *net,
                          const struct cox_dp_input_descriptor *d, struct cox_rng *rng)
{
    if (draw_net(m, net, 1, &d->neuron, rng))
        return -1;
    for (int k = 0; k < net->n; k++) {
        struct cox_dp_layer *l = &net->layer[k];
        l->skip = cox_dp_skip_of(l->in, l->out);
        if (d->resnet_dt && l->skip && draw_idt(m, l, rng))
            return -1;
    }
    return 0;
}

static int draw_fitting(struct cox_dp_model *m, struct cox_dp_net *net,
                        const struct cox_dp_input_fitting *f, struct cox_rng *rng)
{
    if (draw_net(m, net, cox_dp_width(m) + m->n_fparam, &f->neuron, rng))
        return -1;
    for (int k = 1; k < net->n; k++) {
        struct cox_dp_layer *l = &net->layer[k];
        if (l->in != l->out)
            continue;
        l->skip = COX_DP_SKIP_SAME;
        if (f->resnet_dt && draw_idt(m, l, rng))
            return -1;
    }
    struct cox_dp_layer *last = &net->layer[net->n];
    last->in = net->layer[net->n - 1].out;
    last->out = 1;
    last->linear = true;
    net->n++;
    return draw_layer(m, last, rng);
}

/* The seed of its own if there is one, else made from the training's. */
static uint64_t seed_of(const struct cox_dp_input *input, int64_t own, uint64_t salt)
{
    if (own != COX_CONFIG_UNSET64)
        return cox_seed_mix((uint64_t)own, salt);
    return cox_seed_mix(cox_seed_mix((uint64_t)input->training.seed, 77), salt);
}

int cox_dp_model_draw(struct cox_dp_model *m, const struct cox_dp_input *input, struct cox_err *err)
{
    struct cox_rng rng;
    for (int d = 0; d < m->n_descriptors; d++) {
        struct cox_dp_descriptor *q = &m->descriptor[d];
        const struct cox_dp_input_descriptor *of = cox_dp_input_descriptor(input, d);
        int n = cox_dp_n_embed(m, q);
        q->embed = cox_arena_alloc(m->arena, (size_t)n, sizeof *q->embed);
        for (int i = 0; q->embed && i < n; i++) {
            cox_rng_init(&rng, seed_of(input, of->seed, (uint64_t)d), (uint64_t)i);
            if (draw_embedding(m, &q->embed[i], of, &rng))
                return no_memory(err);
        }
        if (!q->embed)
            return no_memory(err);
    }
    m->fit = cox_arena_alloc(m->arena, (size_t)m->n_types, sizeof *m->fit);
    if (!m->fit)
        return no_memory(err);
    for (int t = 0; t < m->n_types; t++) {
        cox_rng_init(&rng, seed_of(input, input->model.fitting.seed, 1000), (uint64_t)t);
        if (draw_fitting(m, &m->fit[t], &input->model.fitting, &rng))
            return no_memory(err);
    }
    return COX_OK;
}

/* ---- from a trained model ---- */

static int differs(struct cox_err *err, const char *what, double theirs, double ours)
{
    return cox_err_set(err, COX_EINVAL, "%s is %g in the model, but %g in the input", what, theirs,
                       ours);
}

static int copy_array(double *to, const double *from, size_t n, struct cox_err *err)
{
    if ((to == NULL) != (from == NULL))
        return cox_err_set(err, COX_EINVAL, "'resnet_dt' is %s in the model, but %s in the input",
                           from ? "true" : "false", to ? "true" : "false");
    if (to)
        memcpy(to, from, n * sizeof *to);
    return COX_OK;
}

static int adopt_net(struct cox_dp_net *to, const struct cox_dp_net *from, const char *what,
                     struct cox_err *err)
{
    if (!from->n)
        return COX_OK; /* of an excluded pair: never used */
    if (from->n != to->n)
        return differs(err, what, from->n, to->n);
    for (int k = 0; k < to->n; k++) {
        struct cox_dp_layer *a = &to->layer[k];
        const struct cox_dp_layer *b = &from->layer[k];
        if (a->in != b->in || a->out != b->out)
            return cox_err_set(err, COX_EINVAL,
                               "%s, layer %d has %d × %d weights in the model, but %d × %d in the "
                               "input",
                               what, k, b->in, b->out, a->in, a->out);
        a->skip = b->skip;
        int rc = copy_array(a->w, b->w, (size_t)a->in * (size_t)a->out, err);
        if (!rc)
            rc = copy_array(a->b, b->b, (size_t)a->out, err);
        if (!rc)
            rc = copy_array(a->idt, b->idt, (size_t)a->out, err);
        if (rc)
            return rc;
    }
    return COX_OK;
}

static int adopt_descriptor(struct cox_dp_model *m, const struct cox_dp_model *from, int d,
                            const int *map, struct cox_err *err)
{
    struct cox_dp_descriptor *q = &m->descriptor[d];
    const struct cox_dp_descriptor *p = &from->descriptor[d];
    if (q->kind != p->kind)
        return cox_err_set(err, COX_EINVAL, "descriptor %d is of another type in the model", d);
    if (q->rcut != p->rcut)
        return differs(err, "'rcut'", p->rcut, q->rcut);
    if (q->rcut_smth != p->rcut_smth)
        return differs(err, "'rcut_smth'", p->rcut_smth, q->rcut_smth);
    if (q->one_side != p->one_side)
        return differs(err, "'type_one_side'", p->one_side, q->one_side);
    if (q->axis != p->axis)
        return differs(err, "'axis_neuron'", p->axis, q->axis);
    q->n_slots = 0;
    for (int t = 0; t < from->n_types; t++)
        q->n_slots += p->sel[t];
    int slots = 0;
    for (int t = 0; t < m->n_types; t++) {
        q->sel[t] = p->sel[map[t]];
        slots += q->sel[t];
        memcpy(q->davg[t], p->davg[map[t]], sizeof q->davg[t]);
        memcpy(q->dstd[t], p->dstd[map[t]], sizeof q->dstd[t]);
    }
    /* D is a mean over all slots: those of types that are left out are no longer there */
    if (slots != q->n_slots)
        return cox_err_set(err, COX_EUNSUPPORTED,
                           "the model has %d types, the input %d: its descriptor also counts the "
                           "empty slots of the types that the input leaves out; list them in "
                           "'type_map', too",
                           from->n_types, m->n_types);
    for (int a = 0; a < m->n_types; a++)
        for (int b = 0; b < (q->one_side ? 1 : m->n_types); b++) {
            int rc = adopt_net(cox_dp_embed_of(m, d, b, a),
                               cox_dp_embed_of(from, d, map[b], map[a]), "an embedding net", err);
            if (rc)
                return rc;
        }
    return COX_OK;
}

int cox_dp_model_adopt(struct cox_dp_model *m, const struct cox_dp_model *from, struct cox_err *err)
{
    int map[COX_DP_MAX_TYPES] = {0};
    for (int t = 0; t < m->n_types; t++) {
        map[t] = -1;
        for (int f = 0; f < from->n_types; f++)
            if (!strcmp(m->type_name[t], from->type_name[f]))
                map[t] = f;
        if (map[t] < 0)
            return cox_err_set(err, COX_EINVAL, "the model does not know the type '%s'",
                               m->type_name[t]);
    }
    if (m->n_descriptors != from->n_descriptors)
        return differs(err, "the number of descriptors", from->n_descriptors, m->n_descriptors);
    if (m->n_fparam != from->n_fparam)
        return differs(err, "'numb_fparam'", from->n_fparam, m->n_fparam);
    int rc = COX_OK;
    for (int d = 0; !rc && d < m->n_descriptors; d++)
        rc = adopt_descriptor(m, from, d, map, err);
    for (int t = 0; !rc && t < m->n_types; t++) {
        rc = adopt_net(&m->fit[t], &from->fit[map[t]], "a fitting net", err);
        m->bias[t] = from->bias[map[t]];
    }
    for (int k = 0; k < m->n_fparam; k++) {
        m->fparam_avg[k] = from->fparam_avg[k];
        m->fparam_inv_std[k] = from->fparam_inv_std[k];
    }
    m->min_distance = from->min_distance;
    return rc;
}
