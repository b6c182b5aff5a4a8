#include "transform/transform.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::random_transform;

// [components][padded chunks]
struct Block {
  size_t stride;
  AlignedVector<float> values;
};

Block random_input(size_t inputs, size_t chunks, std::mt19937& random) {
  Block x{Transform::padded(chunks), {}};
  x.values.assign(inputs * x.stride, 0.0f);
  std::normal_distribution<float> gaussian(0.0f, 3.0f);
  for (size_t k = 0; k < inputs; ++k) {
    for (size_t i = 0; i < chunks; ++i) x.values[k * x.stride + i] = gaussian(random);
  }
  return x;
}

Block apply(const Transform& transform, size_t level, size_t chunks, const Block& x, Isa isa) {
  Block y{x.stride, {}};
  y.values.assign(transform.output_rows() * y.stride, 12345.0f);
  AlignedVector<float> scratch;
  transform.apply(level, chunks, x.values.data(), y.values.data(), x.stride, isa, scratch);
  return y;
}

// The same network in binary64, written from the paper's formula: vectors of one chunk, sums over whole rows.
std::vector<double> naive(const TransformWeights& w, size_t level, const std::vector<double>& x) {
  const auto affine = [](const std::vector<float>& a, const std::vector<float>& b, const std::vector<double>& v) {
    std::vector<double> out;
    for (size_t row = 0; row < b.size(); ++row) {
      double sum = 0;
      for (size_t i = 0; i < v.size(); ++i) sum += a[row * v.size() + i] * v[i];
      out.push_back(sum + b[row]);
    }
    return out;
  };
  const auto embedding = [&](size_t block) {
    return &w.embedding[((w.embedding_sets == 1 ? 0 : block) * w.levels + level) * w.width];
  };
  std::vector<double> h = x;
  if (w.depth == 0) {
    for (size_t i = 0; i < h.size(); ++i) h[i] *= embedding(0)[i];
  } else {
    h = affine(w.in_weight, w.in_bias, x);
  }
  for (size_t b = 0; b < w.depth; ++b) {
    const std::vector<double> u = affine(w.blocks[b].weight, w.blocks[b].bias, h);
    double mean = 0, variance = 0;
    for (const double v : u) mean += v / static_cast<double>(u.size());
    for (const double v : u) variance += (v - mean) * (v - mean) / static_cast<double>(u.size());
    for (size_t i = 0; i < h.size(); ++i) {
      const double normed = (u[i] - mean) / std::sqrt(variance + 1e-5) * w.blocks[b].gain[i] + w.blocks[b].offset[i];
      h[i] = (h[i] + std::max(0.0, normed)) * embedding(b)[i];
    }
  }
  return affine(w.out_weight, w.out_bias, h);
}

struct Shape {
  size_t inputs, outputs, width, depth, sets;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  for (const size_t outputs : {1, 16, 17}) {
    for (const size_t inputs : {1, 7, 16, 33}) all.push_back({inputs, outputs, inputs, 0, 1});
    for (const size_t width : {1, 7, 8, 32, 65, 130}) {
      all.push_back({16, outputs, width, 1, 1});
      all.push_back({5, outputs, width, 3, width % 2 == 0 ? size_t{1} : size_t{3}});
    }
  }
  return all;
}

TEST(Transform, EveryInstructionSetGivesTheSameBits) {
  std::mt19937 random(1);
  for (const Shape& s : shapes()) {
    const TransformWeights weights = random_transform(s.inputs, s.outputs, s.width, s.depth, 3, s.sets, random);
    const Transform transform(weights);
    for (const size_t chunks : {1, 63, 64, 65, 200}) {
      const Block x = random_input(s.inputs, chunks, random);
      const size_t level = random() % 3;
      const Block reference = apply(transform, level, chunks, x, Isa::kScalar);
      for (const Isa isa : available_isas()) {
        const Block y = apply(transform, level, chunks, x, isa);
        for (size_t j = 0; j < s.outputs; ++j) {
          for (size_t i = 0; i < chunks; ++i) {
            ASSERT_EQ(std::bit_cast<uint32_t>(y.values[j * y.stride + i]),
                      std::bit_cast<uint32_t>(reference.values[j * y.stride + i]))
                << name_of(isa) << ", width " << s.width << ", depth " << s.depth << ", chunk " << i << " of " << chunks
                << ", output " << j;
          }
        }
      }
    }
  }
}

TEST(Transform, AgreesWithAnIndependentBinary64Implementation) {
  std::mt19937 random(2);
  for (const Shape& s : shapes()) {
    const TransformWeights weights = random_transform(s.inputs, s.outputs, s.width, s.depth, 3, s.sets, random);
    const Transform transform(weights);
    for (size_t level = 0; level < 3; ++level) {
      const size_t chunks = 40;
      const Block x = random_input(s.inputs, chunks, random);
      const Block y = apply(transform, level, chunks, x, Isa::kScalar);
      double error = 0, size = 0;
      for (size_t i = 0; i < chunks; ++i) {
        std::vector<double> chunk(s.inputs);
        for (size_t k = 0; k < s.inputs; ++k) chunk[k] = x.values[k * x.stride + i];
        const std::vector<double> wanted = naive(weights, level, chunk);
        for (size_t j = 0; j < s.outputs; ++j) {
          error += std::pow(wanted[j] - y.values[j * y.stride + i], 2);
          size += std::pow(wanted[j], 2);
        }
      }
      EXPECT_LT(std::sqrt(error / size), 2e-6)
          << "width " << s.width << ", depth " << s.depth << ", outputs " << s.outputs;
    }
  }
}

// depth 0: y = A (x * e) + b. Two inputs, two outputs, two levels.
TEST(Transform, LiteralLinearMap) {
  const TransformWeights w{.inputs = 2,
                           .outputs = 2,
                           .width = 2,
                           .depth = 0,
                           .levels = 2,
                           .embedding = {1, 1, 2, -1},
                           .out_weight = {1, 2, 3, 4},
                           .out_bias = {0.5f, 0}};
  const Transform transform(w);
  Block x{64, {}};
  x.values.assign(128, 0.0f);
  x.values[0] = 10;
  x.values[64] = 100;
  for (const Isa isa : available_isas()) {
    const Block low = apply(transform, 0, 1, x, isa), high = apply(transform, 1, 1, x, isa);
    EXPECT_EQ(low.values[0], 210.5f);     // 1 * 10 + 2 * 100 + 0.5
    EXPECT_EQ(low.values[64], 430.0f);    // 3 * 10 + 4 * 100
    EXPECT_EQ(high.values[0], -179.5f);   // 1 * 20 - 2 * 100 + 0.5
    EXPECT_EQ(high.values[64], -340.0f);  // 3 * 20 - 4 * 100
  }
  EXPECT_EQ(w.flops_per_chunk(), 8u);
}

// depth 1, width 2: h = (x, -x); u = (h0, h1 + 2) = (x, 2 - x). For x = 3: u = (3, -1), mean 1, variance 4: normed (1,
// -1) up to the 1e-5; times gain 2 plus offset 1: (3, -1); h + ReLU = (6, -3); times the embedding (1, 10): (6, -30);
// out = 6 - 30 = -24.
TEST(Transform, LiteralResidualBlock) {
  const TransformWeights w{.inputs = 1,
                           .outputs = 1,
                           .width = 2,
                           .depth = 1,
                           .levels = 1,
                           .in_weight = {1, -1},
                           .in_bias = {0, 0},
                           .blocks = {{{1, 0, 0, 1}, {0, 2}, {2, 2}, {1, 1}}},
                           .embedding = {1, 10},
                           .out_weight = {1, 1},
                           .out_bias = {0}};
  const Transform transform(w);
  Block x{64, {}};
  x.values.assign(64, 0.0f);
  x.values[0] = 3;
  for (const Isa isa : available_isas())
    EXPECT_NEAR(apply(transform, 0, 1, x, isa).values[0], -24.0f, 2e-5f) << name_of(isa);
  EXPECT_EQ(w.flops_per_chunk(), 16u);
}

TEST(Transform, ChunksDoNotInfluenceEachOther) {
  std::mt19937 random(3);
  const Transform transform(random_transform(16, 16, 33, 2, 1, 2, random));
  const size_t chunks = 130;
  const Block x = random_input(16, chunks, random);
  const Block together = apply(transform, 0, chunks, x, available_isas().back());
  for (const size_t i : {size_t{0}, size_t{63}, size_t{64}, size_t{129}}) {
    Block one{64, {}};
    one.values.assign(16 * 64, 0.0f);
    for (size_t k = 0; k < 16; ++k) one.values[k * 64] = x.values[k * x.stride + i];
    const Block alone = apply(transform, 0, 1, one, available_isas().back());
    for (size_t j = 0; j < 16; ++j) EXPECT_EQ(alone.values[j * 64], together.values[j * together.stride + i]) << i;
  }
}

// --- tensors of a codec file

struct Tensor {
  std::vector<uint64_t> shape;
  std::vector<float> values;
};
using Tensors = std::map<std::string, Tensor>;

Tensors stored(const TransformWeights& w) {
  Tensors tensors;
  store_transform("net", w, [&](const std::string& name, std::vector<uint64_t> shape, std::span<const float> values) {
    uint64_t size = 1;
    for (const uint64_t d : shape) size *= d;
    EXPECT_EQ(size, values.size()) << name;
    EXPECT_TRUE(tensors.emplace(name, Tensor{std::move(shape), {values.begin(), values.end()}}).second) << name;
  });
  return tensors;
}

Result<TransformWeights> loaded(const Tensors& tensors) {
  const TensorLoader loader{
      .has = [&](const std::string& name) { return tensors.contains(name); },
      .load = [&](const std::string& name, std::vector<uint64_t>& shape) -> Result<std::vector<float>> {
        const auto found = tensors.find(name);
        if (found == tensors.end()) return Error(ErrorCode::kNotFound, "is missing").in_tensor(name);
        shape = found->second.shape;
        return found->second.values;
      }};
  return load_transform("net", loader);
}

void expect_equal(const TransformWeights& a, const TransformWeights& b) {
  EXPECT_EQ(a.inputs, b.inputs);
  EXPECT_EQ(a.outputs, b.outputs);
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.depth, b.depth);
  EXPECT_EQ(a.levels, b.levels);
  EXPECT_EQ(a.embedding_sets, b.embedding_sets);
  EXPECT_EQ(a.in_weight, b.in_weight);
  EXPECT_EQ(a.in_bias, b.in_bias);
  ASSERT_EQ(a.blocks.size(), b.blocks.size());
  for (size_t i = 0; i < a.blocks.size(); ++i) {
    EXPECT_EQ(a.blocks[i].weight, b.blocks[i].weight);
    EXPECT_EQ(a.blocks[i].bias, b.blocks[i].bias);
    EXPECT_EQ(a.blocks[i].gain, b.blocks[i].gain);
    EXPECT_EQ(a.blocks[i].offset, b.blocks[i].offset);
  }
  EXPECT_EQ(a.embedding, b.embedding);
  EXPECT_EQ(a.out_weight, b.out_weight);
  EXPECT_EQ(a.out_bias, b.out_bias);
}

TEST(TransformFile, RoundTrip) {
  std::mt19937 random(4);
  for (const auto& [depth, sets] : {std::pair{0u, 1u}, {1u, 1u}, {3u, 1u}, {3u, 3u}}) {
    const TransformWeights w = random_transform(5, 16, 7, depth, 2, sets, random);
    const Result<TransformWeights> back = loaded(stored(w));
    ASSERT_TRUE(back.ok()) << back.error().to_string();
    expect_equal(*back, w);
  }
}

TEST(TransformFile, LiteralNamesAndShapes) {
  std::mt19937 random(5);
  const Tensors tensors = stored(random_transform(5, 16, 7, 2, 3, 2, random));
  const std::map<std::string, std::vector<uint64_t>> expected{
      {"net.in.weight", {7, 5}},
      {"net.in.bias", {7}},
      {"net.blocks.0.linear.weight", {7, 7}},
      {"net.blocks.0.linear.bias", {7}},
      {"net.blocks.0.norm.weight", {7}},
      {"net.blocks.0.norm.bias", {7}},
      {"net.blocks.1.linear.weight", {7, 7}},
      {"net.blocks.1.linear.bias", {7}},
      {"net.blocks.1.norm.weight", {7}},
      {"net.blocks.1.norm.bias", {7}},
      {"net.embedding", {2, 3, 7}},
      {"net.out.weight", {16, 7}},
      {"net.out.bias", {16}},
  };
  std::map<std::string, std::vector<uint64_t>> shapes;
  for (const auto& [name, tensor] : tensors) shapes[name] = tensor.shape;
  EXPECT_EQ(shapes, expected);
  const Tensors linear = stored(random_transform(5, 16, 5, 0, 3, 1, random));
  EXPECT_EQ(linear.size(), 3u);
  EXPECT_EQ(linear.at("net.embedding").shape, (std::vector<uint64_t>{1, 3, 5}));
  EXPECT_EQ(linear.at("net.out.weight").shape, (std::vector<uint64_t>{16, 5}));
}

void expect_refused(const Tensors& tensors, const std::string& tensor, ErrorCode code) {
  const Result<TransformWeights> result = loaded(tensors);
  ASSERT_FALSE(result.ok()) << tensor;
  EXPECT_EQ(result.error().tensor(), tensor);
  EXPECT_EQ(result.error().code(), code) << tensor;
}

TEST(TransformFile, EveryMissingTensorIsNamed) {
  std::mt19937 random(6);
  const Tensors whole = stored(random_transform(5, 16, 7, 2, 3, 2, random));
  for (const auto& [name, tensor] : whole) {
    Tensors tensors = whole;
    tensors.erase(name);
    // Without a block's matrix the network ends before it; its embedding is then one too many.
    const bool shorter = name.ends_with(".linear.weight");
    if (name == "net.blocks.0.linear.weight") {
      expect_refused(tensors, "net.embedding", ErrorCode::kCorrupt);
    } else {
      expect_refused(tensors, shorter ? "net.embedding" : name, shorter ? ErrorCode::kCorrupt : ErrorCode::kNotFound);
    }
  }
}

TEST(TransformFile, EveryWrongShapeIsNamed) {
  std::mt19937 random(7);
  const Tensors whole = stored(random_transform(5, 16, 7, 2, 3, 2, random));
  for (const auto& [name, tensor] : whole) {
    // One more in any dimension, and one dimension more.
    for (size_t d = 0; d <= tensor.shape.size(); ++d) {
      Tensors tensors = whole;
      Tensor& bad = tensors.at(name);
      if (d < tensor.shape.size()) {
        ++bad.shape[d];
      } else {
        bad.shape.push_back(1);
      }
      size_t size = 1;
      for (const uint64_t n : bad.shape) size *= n;
      bad.values.resize(size, 0.5f);
      // These decide about the network's own sizes, so others disagree with them.
      if (name == "net.in.weight" && d == 1) continue;  // 6 latents: fine
      if (name == "net.embedding" && d == 1) continue;  // 4 levels: fine
      std::string blamed = name;
      if (name == "net.out.weight" && d == 0) blamed = "net.out.bias";
      if (name == "net.out.weight" && d == 1) blamed = "net.blocks.0.linear.weight";
      expect_refused(tensors, blamed, ErrorCode::kCorrupt);
    }
  }
}

TEST(TransformFile, BoundsOfTheFormat) {
  std::mt19937 random(8);
  const auto sized = [](std::vector<uint64_t> shape) {
    size_t size = 1;
    for (const uint64_t n : shape) size *= n;
    return Tensor{std::move(shape), std::vector<float>(size, 0.0f)};
  };
  Tensors linear = stored(random_transform(5, 16, 5, 0, 3, 1, random));
  Tensors wide = linear;
  wide["net.out.weight"] = sized({16, 4097});
  expect_refused(wide, "net.out.weight", ErrorCode::kCorrupt);
  Tensors tall = linear;
  tall["net.out.weight"] = sized({257, 5});
  expect_refused(tall, "net.out.weight", ErrorCode::kCorrupt);
  Tensors none = linear;
  none["net.out.weight"] = sized({0, 5});
  expect_refused(none, "net.out.weight", ErrorCode::kCorrupt);
  Tensors levels = linear;
  levels["net.embedding"] = sized({1, 9, 5});
  expect_refused(levels, "net.embedding", ErrorCode::kCorrupt);
  levels["net.embedding"] = sized({1, 0, 5});
  expect_refused(levels, "net.embedding", ErrorCode::kCorrupt);

  Tensors latents = stored(random_transform(256, 16, 2, 1, 1, 1, random));
  EXPECT_TRUE(loaded(latents).ok());
  latents["net.in.weight"] = sized({2, 257});
  expect_refused(latents, "net.in.weight", ErrorCode::kCorrupt);

  const Tensors deep = stored(random_transform(1, 1, 1, 64, 1, 1, random));
  EXPECT_TRUE(loaded(deep).ok());
  expect_refused(stored(random_transform(1, 1, 1, 65, 1, 1, random)), "net.blocks.64", ErrorCode::kCorrupt);
}

TEST(TransformFile, NumbersThatAreNotFiniteAreRefusedByName) {
  std::mt19937 random(9);
  for (const size_t depth : {0, 2}) {
    const Tensors whole = stored(random_transform(5, 16, 7, depth, 3, 1, random));
    for (const auto& [name, tensor] : whole) {
      for (const float bad :
           {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::nanf("")}) {
        Tensors tensors = whole;
        tensors.at(name).values.back() = bad;
        expect_refused(tensors, name, ErrorCode::kCorrupt);
      }
    }
  }
}

}  // namespace
}  // namespace nwc
