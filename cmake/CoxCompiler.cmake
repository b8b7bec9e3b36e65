# SPDX-License-Identifier: BSD-3-Clause
# Warnings, sanitizers and the instruction sets that kernels are compiled for.

add_library(cox_flags INTERFACE)
target_include_directories(cox_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
target_compile_definitions(cox_flags INTERFACE _GNU_SOURCE COX_VERSION="${PROJECT_VERSION}")
target_compile_options(cox_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wno-format-truncation -Wvla -Wundef
  -fno-math-errno $<$<NOT:$<BOOL:$<TARGET_PROPERTY:COX_KERNELS>>>:-ffp-contract=off>>)
if(COX_WERROR)
  target_compile_options(cox_flags INTERFACE -Werror)
endif()
if(COX_SANITIZE)
  add_compile_options(-fsanitize=${COX_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${COX_SANITIZE})
endif()

# One kernel source `x.isa.c` is compiled once per name here, with COX_ISA defined to that name
# (see src/kern/isa.h). The first is the baseline of the platform.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(COX_ISAS sse2 avx2 avx512)
  set(COX_ISA_FLAGS_sse2 -msse2)
  set(COX_ISA_FLAGS_avx2 -mavx2 -mfma -mtune=skylake)
  set(COX_ISA_FLAGS_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512
      -mtune=skylake-avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(COX_ISAS neon)
  set(COX_ISA_FLAGS_neon "")
else()
  set(COX_ISAS generic)
  set(COX_ISA_FLAGS_generic "")
endif()
# Kernels may contract to FMA and ignore errno; each kernel file relaxes more only by its own pragma.
set(COX_ISA_COMMON_FLAGS -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math)
if(COX_SANITIZE)
  # unrolled vector code under UBSan takes minutes a file to compile; addresses are still checked
  list(APPEND COX_ISA_COMMON_FLAGS -O1 -fno-sanitize=undefined)
endif()
