/* SPDX-License-Identifier: BSD-3-Clause */
/* Small potentials with random weights, and small boxes of atoms, for tests. */
#ifndef COX_POTENTIAL_TEST_MODELS_H
#define COX_POTENTIAL_TEST_MODELS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "potential/model.h"
#include "potential/neighbours.h"

#define TEST_ATOMS 24

struct test_atoms {
    double x[TEST_ATOMS][3];
    int type[TEST_ATOMS];
    struct cox_box box;
};

static inline void test_layer(struct cox_dp_model *m, struct cox_dp_layer *l, int in, int out,
                              struct cox_rng *rng)
{
    l->in = in;
    l->out = out;
    l->w = cox_arena_alloc(m->arena, (size_t)in * (size_t)out, sizeof *l->w);
    l->b = cox_arena_alloc(m->arena, (size_t)out, sizeof *l->b);
    assert_non_null(l->w);
    assert_non_null(l->b);
    for (int i = 0; i < in * out; i++)
        l->w[i] = cox_rng_normal(rng) / sqrt(in + out);
    for (int i = 0; i < out; i++)
        l->b[i] = 0.5 * cox_rng_normal(rng);
}

/* Two types; [4, 8, 8] with skips, axis 3, fitting 10-10 with idt. */
static inline struct cox_dp_model *test_model(bool one_side, int n_fparam)
{
    struct cox_dp_model *m = NULL;
    struct cox_rng rng;
    static const int widths[] = {4, 8, 8};
    assert_int_equal(cox_dp_model_create(&m, NULL), 0);
    cox_rng_init(&rng, 11, one_side);
    m->n_types = 2;
    m->descriptor[0].rcut = 4.0;
    m->descriptor[0].rcut_smth = 1.0;
    m->descriptor[0].sel[0] = 30;
    m->descriptor[0].sel[1] = 60;
    m->descriptor[0].one_side = one_side;
    m->descriptor[0].m1 = 8;
    m->descriptor[0].axis = 3;
    m->n_fparam = n_fparam;
    for (int t = 0; t < 2; t++) {
        m->descriptor[0].davg[t][0] = 0.05 + 0.01 * t;
        m->descriptor[0].dstd[t][0] = 0.14 - 0.02 * t;
        for (int c = 1; c < 4; c++)
            m->descriptor[0].dstd[t][c] = 0.09 - 0.01 * t;
        m->bias[t] = -9 * (t + 1);
        snprintf(m->type_name[t], COX_DP_TYPE_NAME, "%s", t ? "H" : "O");
    }
    int nets = one_side ? 2 : 4;
    m->descriptor[0].embed =
        cox_arena_alloc(m->arena, (size_t)nets, sizeof *m->descriptor[0].embed);
    m->fit = cox_arena_alloc(m->arena, 2, sizeof *m->fit);
    for (int i = 0; i < nets; i++) {
        m->descriptor[0].embed[i].n = 3;
        for (int k = 0; k < 3; k++) {
            int in = k ? widths[k - 1] : 1;
            test_layer(m, &m->descriptor[0].embed[i].layer[k], in, widths[k], &rng);
            m->descriptor[0].embed[i].layer[k].skip = cox_dp_skip_of(in, widths[k]);
        }
    }
    for (int t = 0; t < 2; t++) {
        m->fit[t].n = 3;
        test_layer(m, &m->fit[t].layer[0], 24 + n_fparam, 10, &rng);
        test_layer(m, &m->fit[t].layer[1], 10, 10, &rng);
        test_layer(m, &m->fit[t].layer[2], 10, 1, &rng);
        m->fit[t].layer[1].skip = COX_DP_SKIP_SAME;
        m->fit[t].layer[1].idt = cox_arena_alloc(m->arena, 10, sizeof(double));
        for (int o = 0; o < 10; o++)
            m->fit[t].layer[1].idt[o] = 0.1 + 0.01 * cox_rng_normal(&rng);
        m->fit[t].layer[2].linear = true;
    }
    m->fparam_avg = cox_arena_alloc(m->arena, 4, sizeof(double));
    m->fparam_inv_std = cox_arena_alloc(m->arena, 4, sizeof(double));
    for (int i = 0; i < 4; i++)
        m->fparam_inv_std[i] = 1 + 0.1 * i;
    struct cox_err err = COX_ERR_INIT;
    if (cox_dp_model_check(m, &err))
        fail_msg("%s", err.text);
    return m;
}

/* A jittered lattice in a skewed box, edges 6 to 7.5 Å: smaller than twice the cutoff. */
static inline void test_atoms_make(struct test_atoms *a, uint64_t seed)
{
    static const double h[3][3] = {{6.2, 0, 0}, {1.1, 6.6, 0}, {-0.7, 0.9, 7.3}};
    struct cox_rng rng;
    cox_rng_init(&rng, seed, 5);
    a->box.periodic = true;
    memcpy(a->box.h, h, sizeof h);
    for (int i = 0; i < TEST_ATOMS; i++) {
        const double s[3] = {(i % 2 + 0.5) / 2, (i / 2 % 3 + 0.5) / 3, (i / 6 + 0.5) / 4};
        for (int k = 0; k < 3; k++) {
            a->x[i][k] = 0.6 * (cox_rng_uniform(&rng) - 0.5);
            for (int c = 0; c < 3; c++)
                a->x[i][k] += s[c] * h[c][k];
        }
        a->type[i] = i % 3 ? 1 : 0;
    }
}

#endif
