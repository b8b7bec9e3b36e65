/* SPDX-License-Identifier: BSD-3-Clause */
/* Tiny potentials and labelled frames of all kinds, for the tests of the training step. */
#ifndef COX_DP_TRAIN_TEST_GRADIENT_MODELS_H
#define COX_DP_TRAIN_TEST_GRADIENT_MODELS_H

#include "potential/test_models.h"

#include "dp_train/gradient.h"

#define FRAMES 2
#define MOST_ATOMS 9

/* What a case has beyond the plainest; the prefactors come with it. */
struct test_case {
    const char *name;
    bool two_sided, idt, fparam, overflow, open, no_skip;
    enum cox_dp_exclusion exclude;
    int radial; /* 1: se_e2_r alone; 2: behind the other, with a shorter cutoff */
    int frames;
    int unlabelled; /* of the second frame: bits 1 energy, 2 forces, 4 virial */
    struct cox_dp_prefactors prefactors;
};

static const struct test_case test_cases[] = {
    {"energy", .frames = 1, .prefactors = {0.7, 0, 0}},
    {"force", .frames = 1, .prefactors = {0, 1.3, 0}},
    {"virial", .frames = 1, .prefactors = {0, 0, 0.4}},
    {"all three", .frames = 1, .prefactors = {0.3, 1, 0.2}},
    {"two-sided", .two_sided = true, .frames = 1, .prefactors = {0.3, 1, 0.2}},
    {"idt in the embedding", .idt = true, .frames = 1, .prefactors = {0.3, 1, 0.2}},
    {"no skips", .no_skip = true, .frames = 1, .prefactors = {0.3, 1, 0.2}},
    {"frame parameters", .fparam = true, .frames = 2, .prefactors = {0.3, 1, 0.2}},
    {"too few slots", .overflow = true, .frames = 1, .prefactors = {0.3, 1, 0.2}},
    {"excluded sections", .exclude = COX_DP_EXCLUDE_SECTION, .two_sided = true, .frames = 1,
     .prefactors = {0.3, 1, 1}},
    {"excluded neighbours", .exclude = COX_DP_EXCLUDE_NEIGHBOURS, .frames = 1,
     .prefactors = {0.3, 1, 1}},
    {"excluded from the list", .exclude = COX_DP_EXCLUDE_LIST, .frames = 1,
     .prefactors = {0.3, 1, 1}},
    {"se_e2_r", .radial = 1, .frames = 1, .prefactors = {0.3, 1, 0.2}},
    {"se_e2_r, two-sided", .radial = 1, .two_sided = true, .frames = 2,
     .prefactors = {0.3, 1, 0.2}},
    {"se_e2_r, excluded", .radial = 1, .exclude = COX_DP_EXCLUDE_SECTION, .frames = 1,
     .prefactors = {0.3, 1, 0.2}},
    {"hybrid", .radial = 2, .fparam = true, .frames = 2, .prefactors = {0.3, 1, 0.2}},
    {"hybrid, excluded", .radial = 2, .exclude = COX_DP_EXCLUDE_NEIGHBOURS, .frames = 1,
     .prefactors = {0.3, 1, 0.2}},
    {"no box", .open = true, .frames = 2, .prefactors = {0.3, 1, 0.2}},
    {"labels missing", .unlabelled = 5, .frames = 2, .prefactors = {0.3, 1, 0.2}},
    {"no forces", .unlabelled = 2, .frames = 2, .prefactors = {0.3, 1, 0.2}},
};
#define TEST_CASES ((int)(sizeof test_cases / sizeof test_cases[0]))

static inline struct cox_dp_net *test_nets(struct cox_dp_model *m, int nets, const int *widths,
                                           int layers, struct cox_rng *rng)
{
    struct cox_dp_net *net = cox_arena_alloc(m->arena, (size_t)nets, sizeof *net);
    assert_non_null(net);
    for (int i = 0; i < nets; i++) {
        net[i].n = layers;
        for (int k = 0; k < layers; k++)
            test_layer(m, &net[i].layer[k], widths[k], widths[k + 1], rng);
    }
    return net;
}

static inline void test_idt(struct cox_dp_model *m, struct cox_dp_layer *l, struct cox_rng *rng)
{
    l->idt = cox_arena_alloc(m->arena, (size_t)l->out, sizeof(double));
    assert_non_null(l->idt);
    for (int o = 0; o < l->out; o++)
        l->idt[o] = 0.6 + 0.1 * cox_rng_normal(rng);
}

/* Embedding 1-3-6-6, or 1-4-4 of the second one; the means are not zero, so that empty slots
 * count. */
static inline void test_descriptor(struct cox_dp_model *m, int which, const struct test_case *c,
                                   struct cox_rng *rng)
{
    struct cox_dp_descriptor *q = &m->descriptor[which];
    q->kind = c->radial == which + 1 ? COX_DP_SE_R : COX_DP_SE_A;
    q->rcut = which ? 3.1 : 3.6;
    q->rcut_smth = 0.9;
    q->sel[0] = c->overflow ? 2 : 16;
    q->sel[1] = c->overflow ? 5 : 30;
    q->one_side = which ? c->two_sided : !c->two_sided;
    q->m1 = which ? 4 : 6;
    q->axis = 2;
    for (int t = 0; t < 2; t++)
        for (int k = 0; k < (q->kind == COX_DP_SE_R ? 1 : 4); k++) {
            q->davg[t][k] = k ? 0.004 * k - 0.01 * t : 0.07 + 0.02 * t;
            q->dstd[t][k] = k ? 0.1 - 0.01 * t : 0.15 - 0.02 * t;
        }
    q->exclude[0][1] = q->exclude[1][0] = c->exclude;
    const int nets = q->one_side ? 2 : 4;
    q->embed = which ? test_nets(m, nets, (const int[]){1, 4, 4}, 2, rng)
                     : test_nets(m, nets, (const int[]){1, 3, 6, 6}, 3, rng);
    for (int i = 0; i < nets; i++)
        for (int k = 1; k < q->embed[i].n; k++) {
            struct cox_dp_layer *l = &q->embed[i].layer[k];
            l->skip = c->no_skip ? COX_DP_SKIP_NONE : cox_dp_skip_of(l->in, l->out);
            if (c->idt)
                test_idt(m, l, rng);
        }
}

/* Two types; fitting 5-5. */
static inline struct cox_dp_model *test_potential(const struct test_case *c)
{
    struct cox_dp_model *m = NULL;
    struct cox_rng rng;
    assert_int_equal(cox_dp_model_create(&m, NULL), 0);
    cox_rng_init(&rng, 21, c->two_sided);
    m->n_types = 2;
    m->n_fparam = c->fparam ? 2 : 0;
    m->n_descriptors = c->radial == 2 ? 2 : 1;
    for (int i = 0; i < m->n_descriptors; i++)
        test_descriptor(m, i, c, &rng);
    m->fit = test_nets(m, 2, (const int[]){cox_dp_width(m) + m->n_fparam, 5, 5, 1}, 3, &rng);
    for (int t = 0; t < 2; t++) {
        m->bias[t] = -0.4 * (t + 1);
        snprintf(m->type_name[t], COX_DP_TYPE_NAME, "%s", t ? "H" : "O");
        m->fit[t].layer[1].skip = COX_DP_SKIP_SAME;
        test_idt(m, &m->fit[t].layer[1], &rng);
        m->fit[t].layer[2].linear = true;
    }
    m->fparam_avg = cox_arena_alloc(m->arena, 2, sizeof(double));
    m->fparam_inv_std = cox_arena_alloc(m->arena, 2, sizeof(double));
    for (int i = 0; i < 2; i++) {
        m->fparam_avg[i] = 0.1;
        m->fparam_inv_std[i] = 1 + 0.3 * i;
    }
    struct cox_err err = COX_ERR_INIT;
    if (cox_dp_model_check(m, &err))
        fail_msg("%s", err.text);
    return m;
}

struct test_frames {
    struct cox_dp_frame frame[FRAMES];
    int type[FRAMES][MOST_ATOMS];
    double fparam[2], energy[FRAMES], force[FRAMES][MOST_ATOMS][3], virial[FRAMES][3][3];
    struct cox_neighbours list[FRAMES];
};

/* Atoms on a jittered lattice in a skewed box whose shortest edge is below the cutoff, so that
 * atoms see images of themselves; the second frame has fewer atoms. Labels are noise. */
static inline void test_frames_make(struct test_frames *t, const struct test_case *c,
                                    const struct cox_dp_model *m)
{
    static const double h[3][3] = {{3.4, 0, 0}, {0.5, 4.9, 0}, {-0.4, 0.6, 5.8}};
    struct cox_rng rng;
    cox_rng_init(&rng, 4, 1);
    *t = (struct test_frames){.fparam = {0.4, -0.6}};
    for (int f = 0; f < c->frames; f++) {
        struct cox_box box = {.periodic = !c->open};
        double x[MOST_ATOMS][3];
        int n = f ? MOST_ATOMS - 2 : MOST_ATOMS;
        memcpy(box.h, h, sizeof h);
        for (int i = 0; i < n; i++) {
            const double s[3] = {0.5, (i % 3 + 0.5) / 3, (i / 3 + 0.5) / 3};
            t->type[f][i] = i % 3 ? 1 : 0;
            for (int k = 0; k < 3; k++) {
                x[i][k] = 0.7 * (cox_rng_uniform(&rng) - 0.5);
                for (int e = 0; e < 3; e++)
                    x[i][k] += s[e] * h[e][k];
                t->force[f][i][k] = 0.1 * cox_rng_normal(&rng);
            }
        }
        for (int k = 0; k < 9; k++)
            t->virial[f][k / 3][k % 3] = 0.3 * cox_rng_normal(&rng);
        t->energy[f] = -0.3 * n;
        cox_neighbours_init(&t->list[f]);
        assert_int_equal(cox_neighbours_build(&t->list[f], n, (const double(*)[3])x, t->type[f], 2,
                                              &box, m->descriptor[0].rcut, NULL),
                         0);
        int without = f ? c->unlabelled : 0;
        t->frame[f] = (struct cox_dp_frame){
            .atoms = {n, n, t->type[f]},
            .list = &t->list[f],
            .fparam = c->fparam ? t->fparam : NULL,
            .energy = without & 1 ? NULL : &t->energy[f],
            .force = without & 2 ? NULL : (const double(*)[3])t->force[f],
            .virial = without & 4 ? NULL : (const double(*)[3])t->virial[f],
        };
    }
}

static inline void test_frames_free(struct test_frames *t)
{
    for (int f = 0; f < FRAMES; f++)
        cox_neighbours_deinit(&t->list[f]);
}

#endif
