/* SPDX-License-Identifier: BSD-3-Clause */
/* Sobol's low-discrepancy sequence: points of the unit cube that fill it evenly, any prefix of a
 * power of two best. Direction numbers of Joe and Kuo (2008, new-joe-kuo-6), Gray-code order
 * (Antonov and Saleev 1979), as SciPy's. A point is a function of its arguments alone. */
#ifndef COX_LEARN_SOBOL_H
#define COX_LEARN_SOBOL_H

#include <stdint.h>

#define COX_SOBOL_MAX_D 64

/* out[d] = point i of the sequence, 1 <= d <= COX_SOBOL_MAX_D; multiples of 2^-32 in [0, 1). Point
 * 0 is the origin. */
void cox_sobol_point(uint32_t i, int d, double *out);
/* The same with Owen's nested uniform scrambling (Owen 1995), drawn from the seed: as even, but
 * unbiased, and no point on the border; in (0, 1). */
void cox_sobol_point_scrambled(uint32_t i, int d, uint64_t seed, double *out);

#endif
