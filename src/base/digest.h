/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256 (FIPS 180-4): says which input something was made from. */
#ifndef COX_BASE_DIGEST_H
#define COX_BASE_DIGEST_H

#include <stddef.h>

/* 64 hexadecimal digits and the final zero. */
void cox_sha256_hex(const void *bytes, size_t length, char out[65]);

#endif
