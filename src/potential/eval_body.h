/* SPDX-License-Identifier: BSD-3-Clause */
/* The evaluator's kernels for one precision: included twice by eval.isa.c with REAL, VEC (WIDTH of
 * them), LOAD, STORE, SET1, the constants of tanh, and OF(name). */

/* e^(2a) − 1 = 2^n (e^r − 1) + (2^n − 1) with 2a = n ln 2 + r, |r| <= ln 2 / 2; then tanh a =
 * (e^(2a) − 1) / (e^(2a) + 1). e^r − 1 by its series: what is left out is below half a unit in the
 * last place. Beyond TANH_ONE the answer is 1. */
COX_VINLINE VEC OF(tanh_vec)(VEC x)
{
    const IVEC sign = (IVEC)x & (IVEC)SET1(-(REAL)0);
    const VEC limit = SET1(TANH_ONE);
    VEC a = (VEC)((IVEC)x ^ sign);
    const IVEC large = a > limit;
    a = (VEC)(((IVEC)limit & large) | ((IVEC)a & ~large));
    a += a;
    const VEC shifted = a * (REAL)1.44269504088896340736 + MAGIC;
    const VEC n = shifted - MAGIC;
    const VEC r = (a - n * LN2_HIGH) - n * LN2_LOW;
    VEC p = SET1(SERIES[TERMS - 1]);
    _Pragma("GCC unroll 16") for (int i = TERMS - 2; i >= 0; i--) p = p * r + SERIES[i];
    p *= r;
    const VEC power = (VEC)(((IVEC)shifted << MANTISSA) + (IVEC)SET1((REAL)1));
    const VEC e = power * p + (power - (REAL)1);
    const VEC t = e / (e + (REAL)2);
    /* a NaN stays one: the comparison above was false for it */
    return (VEC)((IVEC)t | sign);
}

static void OF(tanh_all)(size_t n, const void *from, void *to)
{
    const REAL *x = from;
    REAL *y = to;
    for (size_t i = 0; i < n; i += WIDTH)
        STORE(y + i, OF(tanh_vec)(LOAD(x + i)));
}

static void OF(environment)(const struct cox_dp_environment *env, int n, const double (*dr)[3],
                            void *out, ptrdiff_t step)
{
    REAL *r0 = out, *r1 = r0 + step, *r2 = r1 + step, *r3 = r2 + step;
    const double inv_span = 1 / (env->rcut - env->rcut_smth);
    for (int i = 0; i < n; i++) {
        const double x = dr[i][0], y = dr[i][1], z = dr[i][2];
        const double inv2 = 1 / (x * x + y * y + z * z);
        const double r = 1 / sqrt(inv2);
        double u = (r - env->rcut_smth) * inv_span;
        u = u < 0 ? 0 : u > 1 ? 1 : u;
        const double sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
        const double s = sw * inv2;
        r0[i] = (REAL)((s * r - env->avg[0]) * env->inv_std[0]);
        r1[i] = (REAL)((s * x - env->avg[1]) * env->inv_std[1]);
        r2[i] = (REAL)((s * y - env->avg[2]) * env->inv_std[2]);
        r3[i] = (REAL)((s * z - env->avg[3]) * env->inv_std[3]);
    }
}

static void OF(environment_back)(const struct cox_dp_environment *env, int n, const double (*dr)[3],
                                 const void *in, ptrdiff_t step, double (*grad)[3])
{
    const REAL *d0 = in, *d1 = d0 + step, *d2 = d1 + step, *d3 = d2 + step;
    const double inv_span = 1 / (env->rcut - env->rcut_smth);
    for (int i = 0; i < n; i++) {
        const double x = dr[i][0], y = dr[i][1], z = dr[i][2];
        const double inv2 = 1 / (x * x + y * y + z * z);
        const double r = 1 / sqrt(inv2);
        double u = (r - env->rcut_smth) * inv_span;
        u = u < 0 ? 0 : u > 1 ? 1 : u; /* the slope is 0 at both ends */
        const double sw = u * u * u * (-6 * u * u + 15 * u - 10) + 1;
        const double dsw =
            (3 * u * u * (-6 * u * u + 15 * u - 10) + u * u * u * (15 - 12 * u)) * inv_span;
        const double e0 = (double)d0[i] * env->inv_std[0], e1 = (double)d1[i] * env->inv_std[1],
                     e2 = (double)d2[i] * env->inv_std[2], e3 = (double)d3[i] * env->inv_std[3];
        const double along = e1 * x + e2 * y + e3 * z;
        const double radial =
            inv2 * (e0 * (dsw - sw * r * inv2) + along * (dsw - 2 * sw * r * inv2) * r * inv2);
        grad[i][0] = radial * x + e1 * sw * inv2;
        grad[i][1] = radial * y + e2 * sw * inv2;
        grad[i][2] = radial * z + e3 * sw * inv2;
    }
}

static void OF(first)(int n, const void *inputs, int width, const void *weights, const void *bias,
                      const void *scale, int skip, void *out, void *dout)
{
    const REAL *s = inputs, *w = weights, *b = bias, *idt = scale;
    const ptrdiff_t stride = (width + WIDTH - 1) / WIDTH * WIDTH;
    for (ptrdiff_t i = 0; i < n; i++) {
        REAL *y = (REAL *)out + i * stride, *dy = (REAL *)dout + i * stride;
        const VEC x = SET1(s[i]);
        for (ptrdiff_t a = 0; a < stride; a += WIDTH) {
            const VEC wa = LOAD(w + a), h = OF(tanh_vec)(x * wa + LOAD(b + a));
            const VEC one = idt ? LOAD(idt + a) : SET1((REAL)1);
            const VEC dh = ((REAL)1 - h * h) * wa;
            STORE(y + a, h * one);
            STORE(dy + a, dh * one);
        }
        for (int a = 0; skip && a < width; a++) {
            y[a] += s[i];
            dy[a] += 1;
        }
    }
}

static void OF(layer)(int n, int width, const void *bias, const void *scale, const void *add,
                      const void *dadd, void *values, void *slopes, void *keep)
{
    const REAL *b = bias, *idt = scale, *skip = add, *dskip = dadd;
    REAL *z = values, *dz = slopes, *t = keep;
    const ptrdiff_t stride = (width + WIDTH - 1) / WIDTH * WIDTH;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t a = 0; a < stride; a += WIDTH) {
            const ptrdiff_t at = i * stride + a;
            const VEC h = OF(tanh_vec)(LOAD(z + at) + LOAD(b + a));
            const VEC one = idt ? LOAD(idt + a) : SET1((REAL)1);
            if (t)
                STORE(t + at, h);
            STORE(z + at, h * one + (skip ? LOAD(skip + at) : SET1((REAL)0)));
            if (!dz)
                continue;
            const VEC d = ((REAL)1 - h * h) * one * LOAD(dz + at);
            STORE(dz + at, d + (dskip ? LOAD(dskip + at) : SET1((REAL)0)));
        }
}

static void OF(layer_back)(int n, int width, const void *scale, const void *kept, const void *dout,
                           void *out)
{
    const REAL *idt = scale, *t = kept, *dy = dout;
    REAL *z = out;
    const ptrdiff_t stride = (width + WIDTH - 1) / WIDTH * WIDTH;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t a = 0; a < stride; a += WIDTH) {
            const ptrdiff_t at = i * stride + a;
            const VEC h = LOAD(t + at), d = ((REAL)1 - h * h) * LOAD(dy + at);
            STORE(z + at, d * (idt ? LOAD(idt + a) : SET1((REAL)1)));
        }
}

COX_VINLINE REAL OF(sum)(VEC a)
{
    REAL s[WIDTH], total = 0;
    STORE(s, a);
    _Pragma("GCC unroll 16") for (int i = 0; i < WIDTH; i++) total += s[i];
    return total;
}

static void OF(rows_back)(int n, int width, const void *slopes, const void *values,
                          const void *tangents, const void *rows, void *out, ptrdiff_t step)
{
    const REAL *da = slopes, *r = rows;
    REAL *dr = out;
    const ptrdiff_t stride = (width + WIDTH - 1) / WIDTH * WIDTH;
    for (ptrdiff_t i = 0; i < n; i++) {
        const REAL *g = (const REAL *)values + i * stride;
        const REAL *dg = (const REAL *)tangents + i * stride;
        VEC sums[4] = {{0}}, along = {0};
        VEC weight[4];
        _Pragma("GCC unroll 4") for (int c = 0; c < 4; c++) weight[c] = SET1(r[c * step + i]);
        for (ptrdiff_t a = 0; a < stride; a += WIDTH) {
            const VEC ga = LOAD(g + a);
            VEC mixed = {0};
            _Pragma("GCC unroll 4") for (int c = 0; c < 4; c++)
            {
                const VEC d = LOAD(da + c * stride + a);
                sums[c] += d * ga;
                mixed += d * weight[c];
            }
            along += mixed * LOAD(dg + a);
        }
        sums[0] += along;
        _Pragma("GCC unroll 4") for (int c = 0; c < 4; c++) dr[c * step + i] += OF(sum)(sums[c]);
    }
}
