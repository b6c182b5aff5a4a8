#include "nwcodec/isa.h"

#include <hwy/targets.h>

#include <cstdlib>
#include <string>

namespace nwc {
namespace {

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512};

bool cpu_has(Isa isa) {
#if HWY_ARCH_X86_64
  const int64_t targets = static_cast<int64_t>(hwy::SupportedTargets());
  switch (isa) {
    case Isa::kScalar: return true;
    case Isa::kAvx2: return (targets & HWY_AVX2) != 0;
    case Isa::kAvx512: return (targets & HWY_AVX3) != 0;
  }
#endif
  return isa == Isa::kScalar;
}

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
  }
  return "unknown";
}

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> available = [] {
    std::vector<Isa> list;
    for (Isa isa : kAll) {
      if (cpu_has(isa)) list.push_back(isa);
    }
    return list;
  }();
  return available;
}

Result<Isa> isa_from_environment() {
  const char* text = std::getenv("NWCODEC_ISA");
  if (text == nullptr || *text == '\0') return available_isas().back();
  for (Isa isa : kAll) {
    if (name_of(isa) != text) continue;
    if (cpu_has(isa)) return isa;
    return Error(ErrorCode::kUnsupported, "NWCODEC_ISA=" + std::string(text) + ": this machine cannot run it")
        .remedy("unset it");
  }
  return Error(ErrorCode::kInvalidArgument, "NWCODEC_ISA=" + std::string(text) + " is not an instruction set")
      .remedy("use scalar, avx2 or avx512");
}

Isa current_isa() {
  static const Isa isa = [] {
    const Result<Isa> chosen = isa_from_environment();
    return chosen ? *chosen : available_isas().back();
  }();
  return isa;
}

}  // namespace nwc
