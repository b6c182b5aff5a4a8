// Which instruction set the CPU kernels use. All of them give the same bits; the choice is about speed only.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

enum class Isa { kScalar, kAvx2, kAvx512, kNeon };

std::string_view name_of(Isa isa);  // "scalar", "avx2", "avx512", "neon"

// Those that this build contains, slowest first: kScalar and, on x86-64, kAvx2 and kAvx512; on AArch64, kNeon.
std::span<const Isa> compiled_isas();

// Those of compiled_isas() that this CPU can run, slowest first; kScalar is always among them.
const std::vector<Isa>& available_isas();

// The environment variable NWCODEC_ISA if set, otherwise the fastest available one.
// Errors: kInvalidArgument for an unknown name, kUnsupported for one that this CPU or build lacks.
Result<Isa> isa_from_environment();

// isa_from_environment(), read once per process; the fastest available one where that fails. Programs that want to
// report a wrong NWCODEC_ISA call isa_from_environment() first.
Isa current_isa();

}  // namespace nwc
