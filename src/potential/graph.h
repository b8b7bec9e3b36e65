/* SPDX-License-Identifier: BSD-3-Clause */
/* Models frozen by DeePMD-kit as TensorFlow graphs: .pb (wire) and .pbtxt (text). */
#ifndef COX_POTENTIAL_GRAPH_H
#define COX_POTENTIAL_GRAPH_H

#include "potential/model.h"

/* `text`: .pbtxt. Old graphs without sel, bias or type map are understood; what this program cannot
 * evaluate (another descriptor, activation or model type) is refused by name. */
int cox_dp_read_graph(struct cox_dp_model **out, const char *path, bool text,
                      struct cox_err *err) COX_MUST_CHECK;

#endif
