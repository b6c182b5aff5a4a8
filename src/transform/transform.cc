#include "transform/transform.h"

#include <algorithm>
#include <cmath>

#include "nwcodec/limits.h"

namespace nwc {

uint64_t TransformWeights::flops_per_chunk() const {
  const uint64_t linears =
      depth == 0 ? uint64_t{inputs} * outputs : uint64_t{width} * (inputs + depth * width + outputs);
  return 2 * linears;
}

LinearView Transform::pack(const std::vector<float>& weight, const std::vector<float>& bias, size_t inputs,
                           size_t outputs) {
  const size_t padded = (outputs + kMlpPanel - 1) / kMlpPanel * kMlpPanel;
  AlignedVector<float>& packed = storage_.emplace_back(padded * inputs, 0.0f);
  for (size_t j = 0; j < outputs; ++j) {
    for (size_t k = 0; k < inputs; ++k)
      packed[(j / kMlpPanel * inputs + k) * kMlpPanel + j % kMlpPanel] = weight[j * inputs + k];
  }
  const float* const data = packed.data();
  return {inputs, outputs, data, keep(bias, padded)};
}

const float* Transform::keep(const std::vector<float>& values, size_t padded_size) {
  AlignedVector<float>& copy = storage_.emplace_back(padded_size, 0.0f);
  std::copy(values.begin(), values.end(), copy.begin());
  return copy.data();
}

Transform::Transform(const TransformWeights& w) {
  view_.inputs = w.inputs;
  view_.outputs = w.outputs;
  view_.width = w.width;
  view_.depth = w.depth;
  view_.levels = w.levels;
  view_.embedding_sets = w.embedding_sets;
  if (w.depth > 0) view_.in = pack(w.in_weight, w.in_bias, w.inputs, w.width);
  for (const TransformWeights::Block& block : w.blocks) {
    blocks_.push_back(
        {pack(block.weight, block.bias, w.width, w.width), keep(block.gain, w.width), keep(block.offset, w.width)});
  }
  view_.blocks = blocks_.data();
  view_.embeddings = keep(w.embedding, w.embedding.size());
  view_.out = pack(w.out_weight, w.out_bias, w.width, w.outputs);
}

void Transform::apply(size_t level, size_t chunks, const float* x, float* y, size_t stride, Isa isa,
                      AlignedVector<float>& scratch) const {
  if (scratch.size() < mlp_scratch_floats(view_)) scratch.resize(mlp_scratch_floats(view_));
  MlpKernel* const kernel = residual_mlp_kernel(isa);
  for (size_t i = 0; i < chunks; i += kMlpBlock) kernel(view_, level, x + i, y + i, stride, scratch.data());
}

TransformWeights identity_transform(size_t levels, size_t components) {
  TransformWeights weights{
      .inputs = components, .outputs = components, .width = components, .depth = 0, .levels = levels};
  weights.embedding.assign(levels * components, 1.0f);
  weights.out_weight.assign(components * components, 0.0f);
  for (size_t i = 0; i < components; ++i) weights.out_weight[i * components + i] = 1.0f;
  weights.out_bias.assign(components, 0.0f);
  return weights;
}

bool is_identity(const TransformWeights& weights) {
  if (weights.depth != 0 || weights.outputs != weights.inputs) return false;
  const TransformWeights identity = identity_transform(weights.levels, weights.inputs);
  return weights.embedding == identity.embedding && weights.out_weight == identity.out_weight &&
         weights.out_bias == identity.out_bias;
}

Result<TransformWeights> load_transform(const std::string& prefix, const TensorLoader& loader) {
  TransformWeights w;
  const auto misshapen = [](const std::string& name, const std::string& why) {
    return Error(ErrorCode::kCorrupt, why).in_tensor(name);
  };
  const auto finite = [&](const std::string& name, const std::vector<float>& values) -> Status {
    if (std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) return {};
    return misshapen(name, "holds a number that is not finite");
  };
  // Loads `name`, which must have exactly this shape.
  const auto load = [&](const std::string& name, const std::vector<uint64_t>& wanted) -> Result<std::vector<float>> {
    std::vector<uint64_t> shape;
    NWC_ASSIGN_OR_RETURN(std::vector<float> values, loader.load(name, shape));
    if (shape != wanted) return misshapen(name, "has a shape that does not fit the rest of the network");
    NWC_RETURN_IF_ERROR(finite(name, values));
    return values;
  };

  const std::string out = prefix + ".out.weight", embedding = prefix + ".embedding";
  std::vector<uint64_t> shape;
  NWC_ASSIGN_OR_RETURN(w.out_weight, loader.load(out, shape));
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0) return misshapen(out, "is not a matrix");
  if (shape[0] > limits::kMaxLatents || shape[1] > limits::kMaxWidth)
    return misshapen(out, "is larger than any codec may be");
  NWC_RETURN_IF_ERROR(finite(out, w.out_weight));
  w.outputs = shape[0];
  w.width = shape[1];
  NWC_ASSIGN_OR_RETURN(w.out_bias, load(prefix + ".out.bias", {w.outputs}));

  const auto block_name = [&](size_t b) { return prefix + ".blocks." + std::to_string(b); };
  while (loader.has(block_name(w.depth) + ".linear.weight")) {
    if (w.depth == limits::kMaxDepth) return misshapen(block_name(w.depth), "is one block more than a codec may have");
    TransformWeights::Block& block = w.blocks.emplace_back();
    const std::string name = block_name(w.depth++);
    NWC_ASSIGN_OR_RETURN(block.weight, load(name + ".linear.weight", {w.width, w.width}));
    NWC_ASSIGN_OR_RETURN(block.bias, load(name + ".linear.bias", {w.width}));
    NWC_ASSIGN_OR_RETURN(block.gain, load(name + ".norm.weight", {w.width}));
    NWC_ASSIGN_OR_RETURN(block.offset, load(name + ".norm.bias", {w.width}));
  }
  w.inputs = w.width;
  if (w.depth > 0) {
    const std::string in = prefix + ".in.weight";
    NWC_ASSIGN_OR_RETURN(w.in_weight, loader.load(in, shape));
    if (shape.size() != 2 || shape[0] != w.width || shape[1] == 0 || shape[1] > limits::kMaxLatents) {
      return misshapen(in, "has a shape that does not fit the rest of the network");
    }
    NWC_RETURN_IF_ERROR(finite(in, w.in_weight));
    w.inputs = shape[1];
    NWC_ASSIGN_OR_RETURN(w.in_bias, load(prefix + ".in.bias", {w.width}));
  }

  NWC_ASSIGN_OR_RETURN(w.embedding, loader.load(embedding, shape));
  const bool sets_fit = shape.size() == 3 && (shape[0] == 1 || shape[0] == w.depth);
  if (!sets_fit || shape[1] == 0 || shape[1] > limits::kMaxLevels || shape[2] != w.width) {
    return misshapen(embedding, "has a shape that does not fit the rest of the network");
  }
  NWC_RETURN_IF_ERROR(finite(embedding, w.embedding));
  if (w.depth == 0 && loader.has(prefix + ".in.weight"))
    return misshapen(prefix + ".in.weight", "belongs to a network with blocks, and there are none");
  w.embedding_sets = shape[0];
  w.levels = shape[1];
  return w;
}

void store_transform(const std::string& prefix, const TransformWeights& w,
                     const std::function<void(const std::string& name, std::vector<uint64_t> shape,
                                              std::span<const float> values)>& store) {
  if (w.depth > 0) {
    store(prefix + ".in.weight", {w.width, w.inputs}, w.in_weight);
    store(prefix + ".in.bias", {w.width}, w.in_bias);
  }
  for (size_t b = 0; b < w.depth; ++b) {
    const std::string name = prefix + ".blocks." + std::to_string(b);
    store(name + ".linear.weight", {w.width, w.width}, w.blocks[b].weight);
    store(name + ".linear.bias", {w.width}, w.blocks[b].bias);
    store(name + ".norm.weight", {w.width}, w.blocks[b].gain);
    store(name + ".norm.bias", {w.width}, w.blocks[b].offset);
  }
  store(prefix + ".embedding", {w.embedding_sets, w.levels, w.width}, w.embedding);
  store(prefix + ".out.weight", {w.outputs, w.width}, w.out_weight);
  store(prefix + ".out.bias", {w.outputs}, w.out_bias);
}

}  // namespace nwc
