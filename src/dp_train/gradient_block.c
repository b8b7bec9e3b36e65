/* SPDX-License-Identifier: BSD-3-Clause */
/* The work on one block of atoms in both precisions. */
#include <string.h>

#include "dp_train/gradient_plan.h"
#include "kern/gemm.h"

#define ORDER COX_DP_ORDER

#define REAL float
#define GEMM cox_gemm
#define PRODUCT cox_gemm
#define OF(name) name##_f32
#include "dp_train/gradient_block.inc"
#undef REAL
#undef GEMM
#undef PRODUCT
#undef OF
#define REAL double
#define GEMM cox_dgemm
#define PRODUCT cox_dgemm
#define OF(name) name##_f64
#include "dp_train/gradient_block.inc"
