/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/plot.h"

#include <stdio.h>

const char *cox_colour_of(int i)
{
    /* Okabe & Ito 2008; grey in place of black. */
    static const char *const set[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#7f7f7f", "#8c510a"};
    const int n = (int)(sizeof set / sizeof *set);
    return set[((i % n) + n) % n];
}

void cox_colour_viridis(char *text, double t)
{
    /* Smith & van der Walt's map at nine even places, linear between. */
    static const unsigned char at[9][3] = {{68, 1, 84},    {71, 44, 122},  {59, 81, 139},
                                           {44, 113, 142}, {33, 144, 141}, {39, 173, 129},
                                           {92, 200, 99},  {170, 220, 50}, {253, 231, 37}};
    t = t >= 0 ? (t <= 1 ? t : 1) : 0;
    const int i = t < 1 ? (int)(t * 8) : 7;
    const double f = t * 8 - i;
    int rgb[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = (int)(at[i][c] + f * ((double)at[i + 1][c] - at[i][c]) + 0.5);
    snprintf(text, 8, "#%02x%02x%02x", (unsigned)rgb[0] & 255, (unsigned)rgb[1] & 255,
             (unsigned)rgb[2] & 255);
}
