/* SPDX-License-Identifier: BSD-3-Clause */
#include "kern/conv.h"

#include <stdint.h>

/* Vectors of the widest kernel tile that may be read past the last pixel's channels. */
#define TAIL_FLOATS 64

int cox_conv_coarse_side(int side, int stride)
{
    return (side + stride - 1) / stride;
}

size_t cox_conv_map_floats(int height, int width, int channels, int halo)
{
    return (size_t)(height + 2 * halo) * (size_t)(width + 2 * halo) * (size_t)channels +
           TAIL_FLOATS;
}

size_t cox_conv_map_offset(int y, int x, int width, int channels, int halo)
{
    return ((size_t)(y + halo) * (size_t)(width + 2 * halo) + (size_t)(x + halo)) *
           (size_t)channels;
}

size_t cox_conv_weight_floats(const struct cox_conv_shape *s)
{
    return (size_t)(s->kernel * s->kernel) * (size_t)s->fine * (size_t)s->coarse;
}

static float finish(const struct cox_conv_epilogue *e, double value, int channel, size_t at)
{
    if (e && e->bias)
        value += (double)e->bias[channel];
    if (e && e->relu && value < 0)
        value = 0;
    if (e && e->mask && !(e->mask[at] > 0))
        value = 0;
    return (float)value;
}

/* The fine coordinate under tap `k` of coarse coordinate `at`, or -1 outside. */
static int under(const struct cox_conv_shape *s, int at, int k, int side)
{
    const int i = at * s->stride + k - s->kernel / 2;
    return i < 0 || i >= side ? -1 : i;
}

void cox_conv_forward_ref(const struct cox_conv_shape *s, const float *weights, const float *fine,
                          float *coarse, const struct cox_conv_epilogue *epilogue)
{
    const int height = cox_conv_coarse_side(s->height, s->stride),
              width = cox_conv_coarse_side(s->width, s->stride);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int o = 0; o < s->coarse; o++) {
                double a = 0;
                for (int i = 0; i < s->kernel * s->kernel; i++) {
                    const int fy = under(s, y, i / s->kernel, s->height),
                              fx = under(s, x, i % s->kernel, s->width);
                    if (fy < 0 || fx < 0)
                        continue;
                    const float *f = fine + cox_conv_map_offset(fy, fx, s->width, s->fine, s->halo);
                    for (int c = 0; c < s->fine; c++)
                        a += (double)f[c] * (double)weights[(i * s->fine + c) * s->coarse + o];
                }
                const size_t at = cox_conv_map_offset(y, x, width, s->coarse, s->halo) + (size_t)o;
                coarse[at] = finish(epilogue, a, o, at);
            }
}

void cox_conv_backward_data_ref(const struct cox_conv_shape *s, const float *weights,
                                const float *coarse, float *fine,
                                const struct cox_conv_epilogue *epilogue)
{
    const int height = cox_conv_coarse_side(s->height, s->stride),
              width = cox_conv_coarse_side(s->width, s->stride);
    for (int fy = 0; fy < s->height; fy++)
        for (int fx = 0; fx < s->width; fx++)
            for (int c = 0; c < s->fine; c++) {
                double a = 0;
                for (int i = 0; i < s->kernel * s->kernel; i++) {
                    const int y = fy + s->kernel / 2 - i / s->kernel,
                              x = fx + s->kernel / 2 - i % s->kernel;
                    if (y < 0 || x < 0 || y % s->stride || x % s->stride ||
                        y / s->stride >= height || x / s->stride >= width)
                        continue;
                    const float *d = coarse + cox_conv_map_offset(y / s->stride, x / s->stride,
                                                                  width, s->coarse, s->halo);
                    for (int o = 0; o < s->coarse; o++)
                        a += (double)d[o] * (double)weights[(i * s->fine + c) * s->coarse + o];
                }
                const size_t at =
                    cox_conv_map_offset(fy, fx, s->width, s->fine, s->halo) + (size_t)c;
                fine[at] = finish(epilogue, a, c, at);
            }
}

void cox_conv_backward_weights_ref(const struct cox_conv_shape *s, const float *fine,
                                   const float *coarse, float *weights)
{
    const int height = cox_conv_coarse_side(s->height, s->stride),
              width = cox_conv_coarse_side(s->width, s->stride);
    for (int i = 0; i < s->kernel * s->kernel; i++)
        for (int c = 0; c < s->fine; c++)
            for (int o = 0; o < s->coarse; o++) {
                double a = 0;
                for (int y = 0; y < height; y++)
                    for (int x = 0; x < width; x++) {
                        const int fy = under(s, y, i / s->kernel, s->height),
                                  fx = under(s, x, i % s->kernel, s->width);
                        if (fy < 0 || fx < 0)
                            continue;
                        a += (double)fine[cox_conv_map_offset(fy, fx, s->width, s->fine, s->halo) +
                                          (size_t)c] *
                             (double)coarse[cox_conv_map_offset(y, x, width, s->coarse, s->halo) +
                                            (size_t)o];
                    }
                weights[(i * s->fine + c) * s->coarse + o] += (float)a;
            }
}
