// Which of Highway's targets our kernels are compiled for; included before <hwy/foreach_target.h>.
#pragma once

#include <hwy/detect_compiler_arch.h>

#if HWY_ARCH_X86_64
// AVX2 and AVX-512, chosen when the program runs, beside an empty baseline, whatever -march says.
#define HWY_BASELINE_TARGETS HWY_BASELINE_SCALAR
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#else
// The compiled baseline: NEON on AArch64. Kernels keep arrays of vectors, so sizes must be known.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#define HWY_COMPILE_ONLY_STATIC
#endif
