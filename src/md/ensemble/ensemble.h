/* SPDX-License-Identifier: BSD-3-Clause */
/* The `ensemble` engine: one replica per SIMD lane, float32, all pairs (docs/engine.md). */
#ifndef COX_MD_ENSEMBLE_ENSEMBLE_H
#define COX_MD_ENSEMBLE_ENSEMBLE_H

#include "md/engine_ops.h"

extern const struct cox_engine_ops cox_engine_ensemble_ops;

#endif
