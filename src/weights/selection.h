// Which tensors of a checkpoint are compressed, and why the others are not.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "weights/model_kind.h"
#include "weights/name_patterns.h"
#include "weights/storage_order.h"

namespace nwc {

// Patterns are Perl's regular expressions (PCRE2), searched in the name. Without: the linear weights of numbered blocks
// ("...layers.7.mlp.up_proj.weight"), that is 2-D or 3-D float tensors with at least 16 rows and columns whose name has
// a number among its parts and that are, by the words of their name (weights/tensor_name.h), no norm, embedding, bias,
// convolution or router of experts. Embeddings, heads, projections and poolers outside the blocks stay as they are.
struct SelectionOptions {
  std::vector<std::string> include;  // any match compresses a tensor
  std::vector<std::string> exclude;  // any match leaves a tensor alone; wins over include
  std::set<std::string> also = {};   // names, not patterns, of tensors outside the blocks that are compressed, too
};

// Why a tensor is compressed or left alone; the first reason in this order.
enum class Verdict : uint8_t {
  kCompressed,
  kExcluded,    // by a pattern
  kDtype,       // weights that are not F32, F16 or BF16
  kDimensions,  // other than 2 or 3
  kEmpty,
  kNorm,
  kEmbedding,
  kBias,
  kConvolution,
  kRouter,
  kNotLinear,      // by its name no weight of a layer
  kOutsideBlocks,  // no number among the parts of its name
  kSmall,          // fewer than 16 rows or columns
  // By its weights, which a Selection does not read (compress/selection_list.h):
  kGarbage,    // a few would ruin the others
  kNonFinite,  // NaN or infinity, kept as they are
  kRefused,    // the same, which ends a compression
};

// "router", a key for programs, and "router of experts: its errors send tokens elsewhere", for people.
std::string_view name_of(Verdict verdict);
std::string explanation_of(Verdict verdict, const TensorView& tensor);

// Thread safety: const members may be called from several threads at once.
class Selection {
 public:
  // Errors: kInvalidArgument for a pattern that is not a regular expression.
  static Result<Selection> make(const SelectionOptions& options, const ModelKind& model);

  // Errors of these: kLimit for a pattern that takes too long on the tensor's name.
  Result<Verdict> judge(const TensorView& tensor) const;
  Result<bool> wants(const TensorView& tensor) const;  // whether that is kCompressed
  // Whether it would be compressed if its weights were floats of 16 or 32 bits; other methods' formats, which pack
  // several weights to a number, count by their names.
  Result<bool> wants_but_for_dtype(const TensorView& tensor) const;

  StorageOrder storage_order(const TensorView& tensor) const { return StorageOrder::of(tensor, model_); }
  // Whether the tensor is stored [.., inputs, outputs], transposed against a Linear's weight.
  bool stored_transposed(const TensorView& tensor) const { return storage_order(tensor).transposed; }

 private:
  NamePatterns include_, exclude_;
  std::set<std::string> also_;
  ModelKind model_;
};

}  // namespace nwc
