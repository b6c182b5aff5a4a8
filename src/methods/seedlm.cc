// SeedLM (Shafipour et al. 2025): blocks of C neighbouring weights of a row are U t, with U [C][P] read off the states
// of a 16-bit linear feedback shift register that begins at a stored seed, and t of P 4-bit numbers with a common 4-bit
// exponent. Every seed is tried. C = 8, P = 3 are 4 bits a weight, C = 12, P = 4 are 3: (16 + 4 + 4 P) / C. Without
// data.
#include "base/parallel.h"
#include "baselines/lfsr_code.h"
#include "methods/input_groups.h"

namespace nwc {
namespace {

constexpr uint64_t kBlocksTogether = 64;

class SeedLm final : public MatrixMethod {
 public:
  explicit SeedLm(unsigned bits) : bits_(bits) {}

  Result<QuantisedMatrix> quantise_matrix(const MatrixTask& task, const HessianView*, int threads) const override {
    const LfsrCode& code = bits_ == 4 ? code_of<8, 3>() : code_of<12, 4>();
    const uint64_t length = code.length(), blocks = (task.weights.size() + length - 1) / length;
    // Blocks run on from row to row; the last is filled up with zeros.
    std::vector<float> weights = task.weights;
    weights.resize(blocks * length, 0.0f);
    std::vector<float> decoded(weights.size());
    parallel_for_or_throw((blocks + kBlocksTogether - 1) / kBlocksTogether, threads, [&](size_t item, int) {
      const uint64_t first = item * kBlocksTogether, count = std::min(kBlocksTogether, blocks - first);
      code.quantise(weights.data() + first * length, count, decoded.data() + first * length);
    });
    decoded.resize(task.weights.size());
    return QuantisedMatrix{std::move(decoded), static_cast<double>(blocks * code.bits())};
  }

 private:
  // Made once a process: 65,535 bases.
  template <unsigned kLength, unsigned kNumbers>
  static const LfsrCode& code_of() {
    static const LfsrCode code(kLength, kNumbers);
    return code;
  }
  unsigned bits_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_seedlm(MethodParameters&, double bits) {
  if (bits == 3 || bits == 4)
    return std::unique_ptr<const Method>(std::make_unique<SeedLm>(static_cast<unsigned>(bits)));
  return Error(ErrorCode::kUnsupported, "is published for 3 and 4 bits");
}

}  // namespace nwc
