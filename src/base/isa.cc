#include "nwcodec/isa.h"

#include <hwy/detect_targets.h>

#if HWY_ARCH_X86_64
#include <cpuid.h>
#endif

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
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

#if HWY_ARCH_X86_64
// Asked of the processor here, and not of hwy::SupportedTargets(), so that programs need Highway's headers alone. What
// the compiler is told for the kernels' bodies (hwy/ops/set_macros-inl.h) is what must be there.
struct Cpu {
  bool avx2 = false, avx512 = false;
};

Cpu detect() {
  struct Registers {
    unsigned a = 0, b = 0, c = 0, d = 0;
  };
  const auto ask = [](unsigned leaf) {
    Registers r;
    if (__get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d) == 0) return Registers{};
    return r;
  };
  const auto all = [](unsigned value, std::initializer_list<unsigned> bits) {
    return std::all_of(bits.begin(), bits.end(), [&](unsigned bit) { return ((value >> bit) & 1U) != 0; });
  };
  Cpu cpu;
  const Registers basic = ask(1), more = ask(7), extended = ask(0x80000001U);
  constexpr unsigned kOsXsave = 27;
  if (!all(basic.c, {kOsXsave})) return cpu;
  unsigned low = 0, high = 0;  // of XCR0: which registers the system saves
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  // SSE3, PCLMUL, SSSE3, FMA, SSE4.1, SSE4.2, AES, AVX, F16C; BMI, AVX2, BMI2; LZCNT; the upper halves of registers.
  cpu.avx2 = all(basic.c, {0, 1, 9, 12, 19, 20, 25, 28, 29}) && all(more.b, {3, 5, 8}) && all(extended.c, {5}) &&
             all(low, {1, 2});
  // F, DQ, CD, BW, VL; the masks, and the registers' upper halves and upper half.
  cpu.avx512 = cpu.avx2 && all(more.b, {16, 17, 28, 30, 31}) && all(low, {5, 6, 7});
  return cpu;
}
#endif

// Precondition: this build contains `isa`.
bool cpu_has([[maybe_unused]] Isa isa) {
#if HWY_ARCH_X86_64
  static const Cpu cpu = detect();
  if (isa == Isa::kAvx2) return cpu.avx2;
  if (isa == Isa::kAvx512) return cpu.avx512;
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
