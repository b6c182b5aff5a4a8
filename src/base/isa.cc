#include "nwcodec/isa.h"

#include <hwy/targets.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string>

namespace nwc {
namespace {

constexpr Isa kAll[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512, Isa::kNeon};

#if HWY_ARCH_X86_64
constexpr Isa kCompiled[] = {Isa::kScalar, Isa::kAvx2, Isa::kAvx512};
#elif HWY_ARCH_ARM_A64
constexpr Isa kCompiled[] = {Isa::kScalar, Isa::kNeon};
#else
constexpr Isa kCompiled[] = {Isa::kScalar};
#endif

// Precondition: this build contains `isa`.
bool cpu_has([[maybe_unused]] Isa isa) {
#if HWY_ARCH_X86_64
  const int64_t targets = static_cast<int64_t>(hwy::SupportedTargets());
  if (isa == Isa::kAvx2) return (targets & HWY_AVX2) != 0;
  if (isa == Isa::kAvx512) return (targets & HWY_AVX3) != 0;
#endif
  return true;
}

}  // namespace

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
    case Isa::kNeon: return "neon";
  }
  return "unknown";
}

std::span<const Isa> compiled_isas() { return kCompiled; }

const std::vector<Isa>& available_isas() {
  static const std::vector<Isa> available = [] {
    std::vector<Isa> list;
    std::copy_if(std::begin(kCompiled), std::end(kCompiled), std::back_inserter(list), cpu_has);
    return list;
  }();
  return available;
}

Result<Isa> isa_from_environment() {
  const char* text = std::getenv("NWCODEC_ISA");
  if (text == nullptr || *text == '\0') return available_isas().back();
  const std::vector<Isa>& available = available_isas();
  std::string choices;
  for (const Isa isa : compiled_isas()) {
    choices += choices.empty() ? "" : isa == compiled_isas().back() ? " or " : ", ";
    choices += name_of(isa);
  }
  for (const Isa isa : kAll) {
    if (name_of(isa) != text) continue;
    if (std::find(available.begin(), available.end(), isa) != available.end()) return isa;
    return Error(ErrorCode::kUnsupported, "NWCODEC_ISA=" + std::string(text) + ": this machine cannot run it")
        .remedy("unset it");
  }
  return Error(ErrorCode::kInvalidArgument, "NWCODEC_ISA=" + std::string(text) + " is not an instruction set")
      .remedy("use " + choices);
}

Isa current_isa() {
  static const Isa isa = [] {
    const Result<Isa> chosen = isa_from_environment();
    return chosen ? *chosen : available_isas().back();
  }();
  return isa;
}

}  // namespace nwc
