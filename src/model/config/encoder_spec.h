// What an encoder (of images, of texts, or of both into one space) computes and what its tensors are called. Its blocks
// are those of block_spec.h; what stands before and after them differs from a language model's.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/config/block_spec.h"

namespace nwc {

// Texts: token and position embeddings, summed.
struct TokenInputSpec {
  TensorSpec tokens;     // [vocab, hidden]
  TensorSpec positions;  // [longest text, hidden]
};

// Images: square patches, each through one linear map; a class token before them; position embeddings, summed.
struct PatchInputSpec {
  TensorSpec projection;          // [hidden, channels, patch size, patch size]
  TensorSpec projection_bias;     // [hidden]; no name: none
  TensorSpec class_token;         // of `hidden` elements in any shape; no name: none
  TensorSpec positions;           // of (class token, if any, and patches) * hidden elements in any shape
  int64_t image_size = 0;         // height and width that the positions were made for
  bool resize_positions = false;  // images of other sizes are allowed: positions are interpolated (bicubic)
  std::optional<NormSpec> norm;   // of the sum
};

// A learned query attends to all positions; an MLP with a residual follows.
struct AttentionPoolSpec {
  TensorSpec probe;               // [1, 1, hidden]
  TensorSpec in_weight, in_bias;  // [3 hidden, hidden], [3 hidden]: query, key and value
  LinearSpec out;
  int64_t heads = 0;
  NormSpec norm;
  PlainMlpSpec mlp;
};

// Which position's vector stands for the whole input.
struct PositionPoolSpec {
  enum class Position {
    kFirst,  // the class token
    kLast,
    kLargestToken,  // where the token id is largest, the first of them
    kEndToken,      // the first `end_token`; the first position if there is none
  };
  Position position = Position::kFirst;
  int64_t end_token = 0;  // kEndToken
};

// No pooling: [batch, positions, hidden] is the output.
using PoolSpec = std::variant<std::monostate, PositionPoolSpec, AttentionPoolSpec>;

struct EncoderOutputSpec {
  NormSpec norm;  // of all positions
  PoolSpec pool;
  std::optional<LinearSpec> projection;  // of the pooled vector
  bool unit_length = false;              // divide the result by its L2 norm
};

// One tower: input, blocks, output.
struct EncoderSpec {
  std::string name;  // "vision" or "text"
  int64_t hidden_size = 0;
  std::variant<TokenInputSpec, PatchInputSpec> input;
  std::vector<BlockSpec> blocks;
  EncoderOutputSpec output;
};

// How two towers' unit vectors are compared: exp(scale) * image . text + bias.
struct SimilaritySpec {
  TensorSpec scale;  // one element
  TensorSpec bias;   // one element; no name: none
};

struct EncoderModelSpec {
  std::string model_type;
  std::vector<EncoderSpec> towers;  // each name once
  std::optional<SimilaritySpec> similarity;
};

// Every tensor that a tower's ends, or the whole model, read.
std::vector<TensorSpec> tensors_of(const std::variant<TokenInputSpec, PatchInputSpec>& input);
std::vector<TensorSpec> tensors_of(const EncoderOutputSpec& output);
std::vector<TensorSpec> tensors_of(const EncoderModelSpec& model);

}  // namespace nwc
