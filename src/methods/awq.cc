// AWQ (Lin et al. 2024): input channels that carry large activations are multiplied by a scale before weights are
// rounded, and divided by it in what comes before them; then each group's range is cut to where its output errs least.
//   s_k = a_k^alpha, a the mean size of input k, alpha the best of 20 by the output error of the layers that share the
//   input, normalised to sqrt(max s * min s) = 1.
// From the Hessian, a_k is sqrt(E[x_k^2]) in place of the authors' E|x_k|, which calibration does not keep, and output
// errors are tr(E H E^T), summed over the layers of a group in place of the attention's or MLP's output. As in the
// authors' code, scales of the attention's output projection need a value projection of the same shape to absorb them,
// and query and key projections are not clipped. The decoded weights here are round(W s) / s: scales that stand in the
// operation before change nothing in the function.
#include <cmath>

#include "base/parallel.h"
#include "methods/input_groups.h"
#include "methods/integer_grid.h"
#include "weights/tensor_name.h"

namespace nwc {
namespace {

constexpr int kAlphas = 20;     // alpha = 0, 1/20, ..., 19/20
constexpr int kClipSteps = 20;  // ranges of 1, 19/20, ...
constexpr int kClips = 10;      // ... down to 11/20
constexpr uint64_t kRowsTogether = 16;

struct AwqOptions {
  GridOptions grid;
  uint64_t group = 128;
  bool scale = true, clip = true;
};

bool is_module(const MatrixTask& task, std::initializer_list<std::string_view> names) {
  const std::string_view module = module_of(task.tensor.name).module;
  return std::find(names.begin(), names.end(), module) != names.end();
}

// Whether what comes before the group can absorb scales of its inputs. The attention's output projection takes them
// from the value projection, which has other channels where heads share values.
bool can_scale(const InputGroup& group) {
  const MatrixTask& first = group.matrices[0];
  if (!is_module(first, {"o_proj", "out_proj", "dense"})) return true;
  for (const WorkItem::Member& member : group.block->members) {
    if (module_of(member.tensor->name).module == "v_proj")
      return member.tensor->shape == std::vector<uint64_t>{first.rows, first.columns};
  }
  return false;
}

class Awq final : public InputGroupMethod {
 public:
  explicit Awq(const AwqOptions& options) : options_(options) {}
  bool needs_hessians() const override { return true; }

  Result<std::vector<QuantisedMatrix>> quantise(const InputGroup& group) const override {
    const HessianView& h = *group.hessian;
    std::vector<float> scales(h.columns, 1.0f);
    if (options_.scale && can_scale(group)) {
      double least = INFINITY;
      for (int i = 0; i < kAlphas; ++i) {
        std::vector<float> tried = scales_of(h, static_cast<double>(i) / kAlphas);
        double loss = 0;
        for (const MatrixTask& task : group.matrices) loss += loss_of(task, tried, h, group.threads);
        if (!(loss < least)) continue;
        least = loss;
        scales = std::move(tried);
      }
    }
    std::vector<QuantisedMatrix> made;
    for (const MatrixTask& task : group.matrices) {
      const bool clip = options_.clip && !is_module(task, {"q_proj", "k_proj", "query", "key", "qkv_proj"});
      made.push_back({rounded(task, scales, clip ? &h : nullptr, group.threads),
                      grid_bits(task.rows, task.columns, options_.group, options_.grid)});
    }
    return made;
  }

 protected:
  std::vector<std::string> notes() const override {
    return {"activation sizes are root mean squares, from the Hessian; scales stand in the operation before"};
  }

 private:
  static std::vector<float> scales_of(const HessianView& h, double alpha) {
    std::vector<double> s(h.columns);
    double least = INFINITY, most = 0;
    for (uint64_t k = 0; k < h.columns; ++k) {
      s[k] = std::max(1e-4, std::pow(std::sqrt(static_cast<double>(h.triangle[k * (k + 1) / 2 + k])), alpha));
      least = std::min(least, s[k]);
      most = std::max(most, s[k]);
    }
    std::vector<float> scales;
    for (const double v : s) scales.push_back(static_cast<float>(v / std::sqrt(least * most)));
    return scales;
  }

  double loss_of(const MatrixTask& task, const std::vector<float>& scales, const HessianView& h, int threads) const {
    std::vector<float> errors = rounded(task, scales, nullptr, threads);
    for (size_t i = 0; i < errors.size(); ++i) errors[i] -= task.weights[i];
    return weighted_error(errors, task.rows, h);
  }

  // With `h`, ranges are cut.
  std::vector<float> rounded(const MatrixTask& task, const std::vector<float>& scales, const HessianView* h,
                             int threads) const {
    const uint64_t n = task.columns, width = group_width(options_.group, n);
    std::vector<float> decoded(task.weights.size());
    parallel_for_or_throw((task.rows + kRowsTogether - 1) / kRowsTogether, threads, [&](size_t piece, int) {
      std::vector<float> scaled(width), tried(width), errors(width);
      for (uint64_t r = piece * kRowsTogether; r < std::min(task.rows, (piece + 1) * kRowsTogether); ++r) {
        for (uint64_t begin = 0; begin < n; begin += width) {
          const uint64_t count = std::min(width, n - begin);
          const float* const w = task.weights.data() + r * n + begin;
          float* const out = decoded.data() + r * n + begin;
          float largest = 0;
          for (uint64_t k = 0; k < count; ++k) {
            scaled[k] = w[k] * scales[begin + k];
            largest = std::max(largest, std::abs(scaled[k]));
          }
          double least = INFINITY;
          for (int clip = 0; clip < (h != nullptr ? kClips : 1); ++clip) {
            const float bound = largest * (1 - static_cast<float>(clip) / kClipSteps);
            for (uint64_t k = 0; k < count; ++k) tried[k] = std::clamp(scaled[k], -bound, bound);
            const IntegerGrid grid = grid_of(tried.data(), count, 1, options_.grid);
            for (uint64_t k = 0; k < count; ++k) tried[k] = grid.round(tried[k]) / scales[begin + k];
            if (h != nullptr) {
              for (uint64_t k = 0; k < count; ++k) errors[k] = tried[k] - w[k];
              const double loss = group_loss(*h, begin, errors, count);
              if (!(loss < least)) continue;
              least = loss;
            }
            std::copy_n(tried.begin(), count, out);
          }
        }
      }
    });
    return decoded;
  }

  // e H e^T of a group's own errors.
  static double group_loss(const HessianView& h, uint64_t begin, const std::vector<float>& errors, uint64_t count) {
    double sum = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const float* const line = h.triangle.data() + (begin + i) * (begin + i + 1) / 2 + begin;
      float inner = 0;
      for (uint64_t j = 0; j < i; ++j) inner += line[j] * errors[j];
      sum += static_cast<double>(errors[i]) * (2.0f * inner + errors[i] * line[i]);
    }
    return sum;
  }

  AwqOptions options_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_awq(MethodParameters& parameters, double bits) {
  AwqOptions options;
  NWC_ASSIGN_OR_RETURN(options.group, parameters.whole("group", 128, 0, 1u << 20));
  NWC_ASSIGN_OR_RETURN(options.grid.symmetric, parameters.flag("symmetric", false));
  NWC_ASSIGN_OR_RETURN(options.scale, parameters.flag("scale", true));
  NWC_ASSIGN_OR_RETURN(options.clip, parameters.flag("clip", true));
  NWC_ASSIGN_OR_RETURN(options.grid.bits, whole_bits(bits, 1, 8));
  return std::unique_ptr<const Method>(std::make_unique<Awq>(options));
}

}  // namespace nwc
