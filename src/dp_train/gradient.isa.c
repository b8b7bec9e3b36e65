/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernels of the training step, compiled once per instruction set, for float and double from one
 * source; the neighbours' geometry in double in both. */
#include <math.h>

#include "dp_train/gradient_kernels.h"
#include "kern/isa.h"
#include "kern/unaligned.h"
#include "potential/eval_kernels.h"

/* ---- the environment matrix; docs/potential-training.md, 2 ---- */

struct switched {
    double r, inv2; /* |x|, 1/|x|² */
    double sw, dsw; /* the switching function and its slope by r */
};

COX_VINLINE struct switched switching(const struct cox_dp_surroundings *e, const double x[3])
{
    struct switched s;
    const double inv_span = 1 / (e->rcut - e->rcut_smth);
    s.inv2 = 1 / (x[0] * x[0] + x[1] * x[1] + x[2] * x[2]);
    s.r = 1 / sqrt(s.inv2);
    double u = (s.r - e->rcut_smth) * inv_span;
    u = u < 0 ? 0 : u > 1 ? 1 : u; /* the slope is 0 at both ends */
    s.sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
    s.dsw = (3 * u * u * (-6 * u * u + 15 * u - 10) + u * u * u * (15 - 12 * u)) * inv_span;
    return s;
}

static void surroundings(const struct cox_dp_surroundings *e, int n, const double (*x)[3],
                         double (*r)[4])
{
    for (int i = 0; i < n; i++) {
        const struct switched s = switching(e, x[i]);
        const double over = s.sw * s.inv2;
        r[i][0] = (over * s.r - e->avg[0]) * e->inv_std[0];
        for (int k = 0; k < 3; k++)
            r[i][k + 1] = (over * x[i][k] - e->avg[k + 1]) * e->inv_std[k + 1];
    }
}

static void surroundings_tangent(const struct cox_dp_surroundings *e, int n, const double (*x)[3],
                                 const double (*xd)[3], double (*rd)[4])
{
    for (int i = 0; i < n; i++) {
        const struct switched s = switching(e, x[i]);
        const double along =
            (x[i][0] * xd[i][0] + x[i][1] * xd[i][1] + x[i][2] * xd[i][2]) * s.inv2 * s.r;
        const double slope = (s.dsw - 2 * s.sw * s.inv2 * s.r) * s.inv2 * along;
        rd[i][0] = (s.dsw * s.r - s.sw) * s.inv2 * along * e->inv_std[0];
        for (int k = 0; k < 3; k++)
            rd[i][k + 1] = (slope * x[i][k] + s.sw * s.inv2 * xd[i][k]) * e->inv_std[k + 1];
    }
}

static void surroundings_back(const struct cox_dp_surroundings *e, int n, const double (*x)[3],
                              const double (*d)[4], double (*grad)[3])
{
    for (int i = 0; i < n; i++) {
        const struct switched s = switching(e, x[i]);
        double f[4];
        for (int c = 0; c < 4; c++)
            f[c] = d[i][c] * e->inv_std[c];
        const double along = f[1] * x[i][0] + f[2] * x[i][1] + f[3] * x[i][2];
        const double radial =
            s.inv2 * s.inv2 * s.r *
            (f[0] * (s.dsw * s.r - s.sw) + along * (s.dsw - 2 * s.sw * s.inv2 * s.r));
        for (int k = 0; k < 3; k++)
            grad[i][k] = radial * x[i][k] + f[k + 1] * s.sw * s.inv2;
    }
}

#define ORDER COX_DP_ORDER

/* name(x): the square of vectors x becomes its transpose. */
#define DEFINE_TURN(name, VEC_, IVEC_, WIDTH_)                                        \
    COX_VINLINE void name(VEC_ x[WIDTH_])                                             \
    {                                                                                 \
        _Pragma("GCC unroll 4") for (int s = 1; s < (WIDTH_); s *= 2)                 \
        {                                                                             \
            IVEC_ low, high;                                                          \
            _Pragma("GCC unroll 16") for (int l = 0; l < (WIDTH_); l++)               \
            {                                                                         \
                low[l] = l & s ? (WIDTH_) + l - s : l;                                \
                high[l] = l & s ? (WIDTH_) + l : l + s;                               \
            }                                                                         \
            _Pragma("GCC unroll 16") for (int i = 0; i < (WIDTH_); i++) if (!(i & s)) \
            {                                                                         \
                const VEC_ a = x[i], b = x[i + s];                                    \
                x[i] = __builtin_shuffle(a, b, low);                                  \
                x[i + s] = __builtin_shuffle(a, b, high);                             \
            }                                                                         \
        }                                                                             \
    }
DEFINE_TURN(turn_vf, vf, vi, COX_LANES)
DEFINE_TURN(turn_vd, vd, vl, COX_DLANES)

/* A vector of doubles as numbers of either kind. */
typedef float halves __attribute__((vector_size(4 * COX_DLANES)));

COX_VINLINE void lay_f64(double *to, vd x)
{
    vd_store_any(to, x);
}

COX_VINLINE void lay_f32(float *to, vd x)
{
    const halves h = __builtin_convertvector(x, halves);
    memcpy(to, &h, sizeof h);
}

#define REAL float
#define VEC vf
#define WIDTH COX_LANES
#define LOAD load
#define STORE store
#define SET1 vf_set1
#define TURN turn_vf
#define TANH(n, x, y) cox_dp_kernels_f32()->tanh(n, x, y)
#define OF(name) name##_f32
#include "dp_train/gradient.inc"
#include "dp_train/gradient_series.inc"
#undef REAL
#undef VEC
#undef WIDTH
#undef LOAD
#undef STORE
#undef SET1
#undef TURN
#undef TANH
#undef OF

#define REAL double
#define VEC vd
#define WIDTH COX_DLANES
#define LOAD vd_load_any
#define STORE vd_store_any
#define SET1 vd_set1
#define TURN turn_vd
#define TANH(n, x, y) cox_dp_kernels_f64()->tanh(n, x, y)
#define OF(name) name##_f64
#include "dp_train/gradient.inc"
#include "dp_train/gradient_series.inc"

#define TABLE(suffix, width)                                                                \
    {                                                                                       \
        COX_ISA_TEXT, width, forwards##suffix, tangent##suffix, back_tangent##suffix,       \
            back##suffix, turn##suffix, skip_back##suffix, descriptor##suffix,              \
            descriptor_tangent##suffix, descriptor_back##suffix, put##suffix, take##suffix, \
            surroundings, surroundings_tangent, surroundings_back, chebyshev##suffix,       \
            spread##suffix, spread_tangent##suffix, contract##suffix, expand##suffix,       \
            collect##suffix, deposit##suffix, from_double##suffix, to_double##suffix        \
    }
extern const struct cox_dp_gradient_kernels COX_ISA_SYMBOL(cox_dp_gradient_kernels_f32);
extern const struct cox_dp_gradient_kernels COX_ISA_SYMBOL(cox_dp_gradient_kernels_f64);
const struct cox_dp_gradient_kernels COX_ISA_SYMBOL(cox_dp_gradient_kernels_f32) = TABLE(_f32,
                                                                                         COX_LANES);
const struct cox_dp_gradient_kernels
    COX_ISA_SYMBOL(cox_dp_gradient_kernels_f64) = TABLE(_f64, COX_DLANES);
