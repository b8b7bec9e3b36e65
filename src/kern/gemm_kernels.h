/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of a matrix product that is compiled per instruction set. */
#ifndef COX_KERN_GEMM_KERNELS_H
#define COX_KERN_GEMM_KERNELS_H

#include "kern/gemm.h"

struct cox_gemm_kernels {
    const char *isa;
    int columns; /* of a register tile: cuts between blocks of columns are best at multiples */
    /* Rows row … row+rows-1, columns col … col+cols-1 of the result, on this thread. */
    void (*block)(const struct cox_gemm *g, int row, int rows, int col, int cols);
    void (*block_f64)(const struct cox_dgemm *g, int row, int rows, int col, int cols);
};

#endif
