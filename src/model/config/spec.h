// What a causal language model computes and what its tensors are called: the data that a family's file (families/*.cc)
// derives from config.json and that everything else interprets. A spec holds no weights and needs no LibTorch.
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/config/block_spec.h"

namespace nwc {

// A causal language model: embedding, blocks, final norm, head.
struct ModelSpec {
  std::string model_type;
  std::string sizes_left_out;  // by config.json, with the family's defaults that stand for them; for errors
  int64_t hidden_size = 0;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;           // context length that the model was made for
  std::vector<int32_t> eos_token_ids;  // generation stops at any of them; may be empty
  std::string embedding;               // tensor name; [vocab_size, hidden_size]
  double embedding_scale = 1;          // of the embedded tokens
  std::vector<BlockSpec> blocks;
  NormSpec final_norm;
  LinearSpec head;                           // weight == embedding when the two are tied
  std::string own_head;                      // a head's name that the checkpoint may hold although config.json ties it
  double logit_scale = 1;                    // of the head's outputs
  std::optional<double> logit_softcap = {};  // then: softcap * tanh(logit / softcap)
};

// Gives the model a head of its own, under this tensor name, or ties it to the embedding.
void set_head(ModelSpec& model, std::string own_head, bool tied);

// Every tensor that the model reads; a tied head is listed once.
std::vector<TensorSpec> tensors_of(const ModelSpec& model);

// The length of a sequence from which on all of its positions turn by other angles than in a shorter one (LongRoPE), so
// that keys that were kept from before are wrong; none for most models.
std::optional<int64_t> length_of_other_angles(const ModelSpec& model);

}  // namespace nwc
