/* SPDX-License-Identifier: BSD-3-Clause */
/* Instruction sets: which are compiled in, which runs here, and a thin vector of float32.
 *
 * A kernel source `x.isa.c` is compiled once per name of COX_ISA_LIST with COX_ISA defined to that
 * name. It exports one table of functions, `const struct K COX_ISA_SYMBOL(cox_k)`; a plain .c file
 * picks one:
 *     #define DECLARE(isa) extern const struct K cox_k_##isa;
 *     COX_ISA_LIST(DECLARE)
 *     #define ENTRY(isa) &cox_k_##isa,
 *     static const struct K *const tables[] = {COX_ISA_LIST(ENTRY)};
 *     int index; int rc = cox_isa_select(&index, wanted, err);  → tables[index]
 *
 * The second half of this header exists only inside kernels (COX_ISA defined): vectors vf (float),
 * vi (int32), vu (uint32) of COX_LANES lanes with the operators of C, masks vm, and the functions
 * below that C has no operator for. Results of vf_rsqrt_estimate and vf_rcp_estimate differ between
 * instruction sets; all else is IEEE but for contraction to FMA. */
#ifndef COX_KERN_ISA_H
#define COX_KERN_ISA_H

#include <stdbool.h>
#include <stdint.h>

#include "cox/err.h"

/* From the baseline to the best. The same list as COX_ISAS in cmake/CoxCompiler.cmake. */
#if defined(__x86_64__)
#define COX_ISA_LIST(X) X(sse2) X(avx2) X(avx512)
#elif defined(__aarch64__)
#define COX_ISA_LIST(X) X(neon)
#else
#define COX_ISA_LIST(X) X(generic)
#endif

/* Index into COX_ISA_LIST of the instruction set to use: `wanted`, else $COX_ISA, else the best
 * that runs here. COX_EINVAL for an unknown name, COX_EUNSUPPORTED for one that this machine lacks;
 * the message lists what is available. Thread-safe. */
int cox_isa_select(int *index, const char *wanted, struct cox_err *err) COX_MUST_CHECK;
int cox_isa_count(void);
/* Static; NULL out of range. */
const char *cox_isa_name(int index);
bool cox_isa_supported(int index);

#ifdef COX_ISA
#define COX_ISA_JOIN_(a, b) a##_##b
#define COX_ISA_JOIN(a, b) COX_ISA_JOIN_(a, b)
#define COX_ISA_SYMBOL(base) COX_ISA_JOIN(base, COX_ISA)
#define COX_ISA_STRING_(a) #a
#define COX_ISA_STRING(a) COX_ISA_STRING_(a)
#define COX_ISA_TEXT COX_ISA_STRING(COX_ISA)
#include "kern/vector.h"
#endif

#endif
