// Which tensors of a checkpoint are compressed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "weights/name_patterns.h"

namespace nwc {

// Without patterns: the linear weights of numbered blocks ("...layers.7.mlp.up_proj.weight"), that is 2-D or 3-D float
// tensors with at least 16 rows and columns whose name has a number among its parts and that are no norm, embedding,
// bias, convolution or router of experts. Embeddings, heads, projections and poolers outside the blocks stay as they
// are.
// Patterns are Perl's regular expressions (PCRE2), searched in the name.
struct SelectionOptions {
  std::vector<std::string> include;  // any match compresses a tensor
  std::vector<std::string> exclude;  // any match leaves a tensor alone; wins over include
};

class Selection {
 public:
  // Errors: kInvalidArgument for a pattern that is not a regular expression.
  static Result<Selection> make(const SelectionOptions& options, const std::string& model_type);
  // Errors: kLimit for a pattern that takes too long on the tensor's name.
  Result<bool> wants(const TensorView& tensor) const;
  // Whether the tensor is stored [.., inputs, outputs], transposed against a Linear's weight.
  bool stored_transposed(const TensorView& tensor) const;

 private:
  NamePatterns include_, exclude_;
  std::string model_type_;
};

// `model_type` of a checkpoint's config.json; empty if there is no such file or key. Errors: kCorrupt for a broken
// file.
Result<std::string> read_model_type(const std::filesystem::path& directory);

}  // namespace nwc
