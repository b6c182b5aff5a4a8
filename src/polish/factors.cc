#include "polish/factors.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "base/bytes.h"
#include "base/half.h"
#include "format/line_scales.h"
#include "recover/groups.h"

namespace nwc {
namespace {

constexpr double kOctave = std::numbers::ln2;
constexpr float kLargest = 1;  // octaves that a number may move

void add_norm(const NormSpec& norm, std::set<std::string>& names) {
  for (const std::string& name : {norm.weight, norm.bias}) {
    if (!name.empty()) names.insert(name);
  }
}

// Norms and biases, which are stored as they are.
std::set<std::string> small_tensors_of(const ModelSpec& model) {
  std::set<std::string> names;
  for (const BlockSpec& block : model.blocks) {
    for (const NormSpec& norm : norms_of(block)) add_norm(norm, names);
    for (const BlockLinear& l : linears_of(block)) {
      if (!l.linear.bias.empty()) names.insert(l.linear.bias);
    }
  }
  add_norm(model.final_norm, names);
  return names;
}

// Layers whose rows a later layer's columns scale as well: values of attention, and of a gate without limits. Factors
// of both would be the same thing stored twice.
std::set<std::string> scaled_later(const ModelSpec& model) {
  std::set<std::string> names;
  const auto add_values = [&](const DenseMlpSpec& mlp) {
    const auto* const gated = std::get_if<GatedMlpSpec>(&mlp);
    if (gated != nullptr && !gated->rule.limit && gated->rule.value_offset == 0) names.insert(gated->up.weight);
  };
  for (const BlockSpec& block : model.blocks) {
    const AttentionSpec& attention = block.attention;
    if (!attention.qkv && !attention.latent) names.insert(attention.v.weight);
    if (const auto* const mixture = std::get_if<MixtureSpec>(&block.mlp)) {
      for (const DenseMlpSpec& expert : mixture->experts) add_values(expert);
      if (mixture->shared) add_values(*mixture->shared);
    } else if (const auto* const gated = std::get_if<GatedMlpSpec>(&block.mlp)) {
      add_values(*gated);
    }
  }
  return names;
}

std::vector<float> floats_of(DType dtype, std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / (dtype == DType::kF32 ? 4 : 2));
  convert_floats(dtype, bytes, DType::kF32, std::as_writable_bytes(std::span(values)));
  return values;
}

std::vector<std::byte> stored_as(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * (dtype == DType::kF32 ? 4 : 2));
  convert_floats(DType::kF32, std::as_bytes(std::span(values)), dtype, bytes);
  return bytes;
}

std::vector<float> numbers_of(const at::Tensor& theta) {
  const at::Tensor here = theta.detach().cpu().contiguous();
  return {here.data_ptr<float>(), here.data_ptr<float>() + here.numel()};
}

}  // namespace

Result<Factors> Factors::of(const WeightStore& compressed, const ModelSpec& model) {
  Factors factors;
  const std::set<std::string> small = small_tensors_of(model), without_rows = scaled_later(model);
  for (const TensorSpec& tensor : tensors_of(model)) {
    const auto found = compressed.weights().find(tensor.name);
    if (found == compressed.weights().end() || factors.has(tensor.name)) continue;
    if (found->second.stream != nullptr) {
      NWC_RETURN_IF_ERROR(factors.add_compressed(compressed, found->second, !without_rows.contains(tensor.name)));
    } else if (small.contains(tensor.name) && is_weight_dtype(found->second.info.dtype)) {
      NWC_RETURN_IF_ERROR(factors.add_plain(compressed, found->second));
    }
  }
  return factors;
}

Status Factors::add_compressed(const WeightStore& compressed, const StoredWeight& weight, bool with_rows) {
  NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder, compressed.open_stream(weight));
  const StreamHeader& header = decoder.header();
  if (header.elements() == 0) return {};
  Tensor tensor{.lines = traits_of(header.context_rule).line_scales, .transposed = header.transposed};
  tensor.matrices = static_cast<int64_t>(header.matrices);
  tensor.rows = static_cast<int64_t>(header.rows);
  tensor.columns = static_cast<int64_t>(header.columns);
  tensor.least_bits = header.correction_bits;
  if (tensor.lines || !header.one_scale) tensor.column_factors = tensor.matrices * tensor.columns;
  if (with_rows && (tensor.lines || header.has_row_factors)) tensor.row_factors = tensor.matrices * tensor.rows;
  if (tensor.column_factors + tensor.row_factors == 0) return {};
  if (!tensor.lines) tensor.stored = floats_of(DType::kF16, weight.scales->bytes);
  tensor.first_column = count_;
  tensor.first_row = tensor.first_column + tensor.column_factors;
  count_ = tensor.first_row + tensor.row_factors;
  tensors_.emplace(weight.info.name, std::move(tensor));
  return {};
}

Status Factors::add_plain(const WeightStore& compressed, const StoredWeight& weight) {
  NWC_RETURN_IF_ERROR(compressed.verify_plain(weight));
  Tensor tensor{.plain = true, .dtype = weight.info.dtype};
  tensor.stored = floats_of(tensor.dtype, weight.plain->bytes);
  double squares = 0;
  for (const float v : tensor.stored) squares += static_cast<double>(v) * v;
  if (tensor.stored.empty() || !(squares > 0) || !std::isfinite(squares)) return {};
  tensor.unit = kOctave * std::sqrt(squares / static_cast<double>(tensor.stored.size()));
  tensor.first_column = tensor.first_row = count_;
  tensor.column_factors = static_cast<int64_t>(tensor.stored.size());
  count_ += tensor.column_factors;
  tensors_.emplace(weight.info.name, std::move(tensor));
  return {};
}

at::Tensor Factors::applied(const std::string& name, const at::Tensor& stored, const at::Tensor& theta) const {
  const torch::NoGradGuard no_gradients;
  const Tensor& t = tensors_.at(name);
  const at::Tensor columns = theta.narrow(0, t.first_column, t.column_factors);
  if (t.plain) return stored + (columns * t.unit).view(stored.sizes());
  // [matrices, rows, columns], or the last two the other way round.
  const int64_t second = t.transposed ? t.columns : t.rows, third = t.transposed ? t.rows : t.columns;
  at::Tensor weight = stored.view({t.matrices, second, third});
  if (t.column_factors > 0) {
    const at::Tensor factors = torch::exp2(columns);
    weight =
        weight * (t.transposed ? factors.view({t.matrices, t.columns, 1}) : factors.view({t.matrices, 1, t.columns}));
  }
  if (t.row_factors > 0) {
    const at::Tensor factors = torch::exp2(theta.narrow(0, t.first_row, t.row_factors));
    weight = weight * (t.transposed ? factors.view({t.matrices, 1, t.rows}) : factors.view({t.matrices, t.rows, 1}));
  }
  return weight.view(stored.sizes());
}

void Factors::add_gradient(const std::string& name, const at::Tensor& weight, const at::Tensor& gradient,
                           at::Tensor& sum) const {
  const torch::NoGradGuard no_gradients;
  const Tensor& t = tensors_.at(name);
  at::Tensor of_columns = sum.narrow(0, t.first_column, t.column_factors);
  if (t.plain) {
    of_columns.add_(gradient.reshape({-1}), t.unit);
    return;
  }
  const int64_t second = t.transposed ? t.columns : t.rows, third = t.transposed ? t.rows : t.columns;
  // d weight / d theta = weight ln 2.
  const at::Tensor product = (weight * gradient).view({t.matrices, second, third});
  if (t.column_factors > 0) of_columns.add_(product.sum(t.transposed ? 2 : 1).reshape({-1}), kOctave);
  if (t.row_factors > 0) {
    at::Tensor of_rows = sum.narrow(0, t.first_row, t.row_factors);
    of_rows.add_(product.sum(t.transposed ? 1 : 2).reshape({-1}), kOctave);
  }
}

// Where in `stored` the first of a tensor's numbers stands: behind the one scale that all columns may have.
size_t Factors::first_stored(const Tensor& tensor) { return !tensor.plain && tensor.column_factors == 0 ? 1 : 0; }

size_t Factors::count_of(const Tensor& tensor) {
  return static_cast<size_t>(tensor.column_factors + tensor.row_factors);
}

unsigned Factors::bits_of_lines(const Tensor& tensor, unsigned bits) {
  return bits == 0 ? 0 : std::max(bits, tensor.least_bits);
}

std::vector<float> Factors::moved(const Tensor& t, const float* numbers) {
  std::vector<float> values = t.stored;
  for (size_t i = first_stored(t); i < first_stored(t) + count_of(t); ++i) {
    const double number = *numbers++;
    values[i] = static_cast<float>(t.plain ? values[i] + t.unit * number : values[i] * std::exp2(number));
  }
  return values;
}

at::Tensor Factors::rounded(const at::Tensor& theta, unsigned bits) const {
  const torch::NoGradGuard no_gradients;
  std::vector<float> numbers = numbers_of(theta);
  for (float& number : numbers) number = std::clamp(number, -kLargest, kLargest);
  for (const auto& [name, t] : tensors_) {
    float* const of_tensor = numbers.data() + t.first_column;
    if (t.lines) {
      const unsigned of_lines = bits_of_lines(t, bits);
      const float parts = static_cast<float>(kStepsPerOctave << of_lines);
      for (size_t i = 0; i < count_of(t); ++i)
        of_tensor[i] = of_lines == 0 ? 0.0f : std::nearbyint(of_tensor[i] * parts) / parts;
      continue;
    }
    const std::vector<float> after = floats_of(t.dtype, stored_as(t.dtype, moved(t, of_tensor)));
    for (size_t i = 0; i < count_of(t); ++i) {
      const double from = t.stored[first_stored(t) + i], to = after[first_stored(t) + i];
      const double number = t.plain ? (to - from) / t.unit : from > 0 && to > 0 ? std::log2(to / from) : 0;
      of_tensor[i] = static_cast<float>(number);
    }
  }
  return torch::tensor(at::ArrayRef<float>(numbers), torch::kFloat32).to(theta.device());
}

StoredChanges Factors::changes(const at::Tensor& theta, unsigned bits) const {
  StoredChanges changes;
  const std::vector<float> numbers = numbers_of(rounded(theta, bits));
  for (const auto& [name, t] : tensors_) {
    const float* const of_tensor = numbers.data() + t.first_column;
    if (std::all_of(of_tensor, of_tensor + count_of(t), [](float number) { return number == 0; })) continue;
    if (!t.lines) {
      (t.plain ? changes.plain : changes.scales)[name] = stored_as(t.dtype, moved(t, of_tensor));
      continue;
    }
    LineCorrections& lines = changes.corrections[name];
    lines.bits = static_cast<uint8_t>(bits_of_lines(t, bits));
    const float parts = static_cast<float>(kStepsPerOctave << lines.bits);
    for (int64_t i = 0; i < t.column_factors + t.row_factors; ++i) {
      const auto part = static_cast<int16_t>(std::lround(of_tensor[i] * parts));
      (i < t.column_factors ? lines.columns : lines.rows).push_back(part);
    }
  }
  return changes;
}

}  // namespace nwc
