#include "calibrate/finite_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "checkpoint/quantised/stored_format.h"
#include "weights/weight_matrix.h"

namespace nwc {
namespace {

// What of a tensor stands out.
struct Suspect {
  std::string tensor;
  double largest = 0;                  // magnitude; of the finite ones
  std::optional<uint64_t> not_finite;  // the first, by its number in the tensor
};

std::optional<Suspect> look_at(const std::string& name, const Checkpoint& checkpoint) {
  const auto [tensor, shard] = checkpoint.find(name);
  if (tensor == nullptr || !is_weight_dtype(tensor->dtype)) return std::nullopt;
  const Result<TensorValues> values = values_of(*tensor, 0);
  if (!values) return std::nullopt;
  Suspect suspect{name, 0, std::nullopt};
  const WeightMatrix weights{
      name, tensor->dtype, 2, false, 1, 1, values->bytes.size() * 8 / bits_of(tensor->dtype), values->bytes};
  for (uint64_t i = 0; i < weights.columns; ++i) {
    const float v = weights.at(i);
    if (std::isfinite(v)) {
      suspect.largest = std::max(suspect.largest, static_cast<double>(std::abs(v)));
    } else if (!suspect.not_finite) {
      suspect.not_finite = i;
    }
  }
  shard->release(*tensor);
  return suspect;
}

// The likely cause among the tensors of a block, as advice.
std::string advice(const std::vector<TensorSpec>& tensors, const Checkpoint& checkpoint) {
  std::optional<Suspect> worst;
  for (const TensorSpec& tensor : tensors) {
    const std::optional<Suspect> suspect = look_at(tensor.name, checkpoint);
    if (!suspect) continue;
    if (suspect->not_finite) {
      return fmt::format("repair '{}', of which weight {} is NaN or infinite", suspect->tensor, *suspect->not_finite);
    }
    if (!worst || suspect->largest > worst->largest) worst = suspect;
  }
  if (!worst) return "evaluate the model elsewhere: its activations overflow float32";
  return fmt::format("look at '{}', whose largest weight, {:.3g}, is the block's largest", worst->tensor,
                     worst->largest);
}

// "token 17" of the only sequence, or nothing.
std::string place_of(const at::Tensor& values) {
  if (values.dim() != 3 || values.size(0) != 1) return {};
  const at::Tensor bad = torch::nonzero(values.isfinite().logical_not().any(-1).squeeze(0));
  return bad.size(0) == 0 ? std::string() : fmt::format(", token {}", bad[0][0].item<int64_t>());
}

Error not_finite(const std::string& what, const std::string& tensor, const Checkpoint& checkpoint) {
  return Error(ErrorCode::kNonFinite, what).in_file(checkpoint.directory().string()).in_tensor(tensor);
}

}  // namespace

bool is_finite(const at::Tensor& values) { return values.isfinite().all().item<bool>(); }

std::vector<bool> have_finite_squares(const std::vector<at::Tensor>& values) {
  if (values.empty()) return {};
  std::vector<at::Tensor> sums;
  for (const at::Tensor& v : values) sums.push_back(v.square().sum());
  const at::Tensor finite = torch::stack(sums).isfinite().cpu();
  const bool* flags = finite.data_ptr<bool>();
  return std::vector<bool>(flags, flags + finite.numel());
}

bool all_true(const std::vector<at::Tensor>& flags) { return flags.empty() || torch::stack(flags).all().item<bool>(); }

Error input_not_finite(const std::string& batch, const std::string& tensor, const Checkpoint& checkpoint) {
  return not_finite("what it gives to the first block is not finite in " + batch, tensor, checkpoint)
      .remedy(advice({{tensor, {}}}, checkpoint));
}

Error block_not_finite(const Block& block, const BlockSpec& spec, const at::Tensor& input, size_t number,
                       const std::string& batch, const Checkpoint& checkpoint) {
  std::string layer, what;
  Block::Options watch;
  watch.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) {
    if (!what.empty()) return;
    layer = linear.weight;  // in the end the last one's, if all inputs are finite
    if (!is_finite(x)) {
      what = fmt::format("the input of this layer is not finite in block {}, {}{}", number, batch, place_of(x));
    } else if (!is_finite(x.square().sum())) {
      what = fmt::format("the input of this layer reaches {:.3g}, too much for a Hessian, in block {}, {}",
                         x.abs().max().item<double>(), number, batch);
    }
  };
  const at::Tensor output = block.forward(input, watch);
  if (what.empty()) {
    what = fmt::format("what block {} makes with it, its last layer, is not finite in {}{}", number, batch,
                       place_of(output));
  }
  return not_finite(what, layer, checkpoint).remedy(advice(tensors_of(spec), checkpoint));
}

}  // namespace nwc
