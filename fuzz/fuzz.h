/* SPDX-License-Identifier: BSD-3-Clause */
/* A harness is one function in libFuzzer's form: with clang, `clang -fsanitize=fuzzer,address`
 * links it as it is; with gcc, driver.c runs it over a corpus and random changes of it. It must
 * return 0, whatever the bytes, leak nothing, and end soon. */
#ifndef COX_FUZZ_FUZZ_H
#define COX_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
