// The names that a checkpoint has for the tensors of a description. A family describes those under which its models are
// published; trainers, other classes of transformers and wrappers save the same tensors under others:
//   - another prefix: none (saved from the base model), "model.language_model." (a multi-modal model's raw state),
//     "transformer.", "base_model.model.model." (PEFT), whatever stands before the first block's tensors;
//   - parts that wrappers insert: "module.", "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.";
//   - what transformers 5 calls otherwise (Mixtral's mixture, DINOv2's attention), and gates, or experts, that share a
//     tensor or do not (fused_layers.h).
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/config/encoder_spec.h"
#include "model/config/spec.h"
#include "nwcodec/result.h"
#include "nwcodec/weights.h"

namespace nwc {

// Thread safety: const members may be called from several threads at once.
class StoredNames {
 public:
  // The list must outlive this.
  explicit StoredNames(std::span<const WeightInfo> tensors);

  // Whether a tensor, or its blocks in MXFP4, has just this name.
  bool has(const std::string& name) const;
  // `name` if it is stored, else the stored name that differs from it in parts that wrappers insert; empty if there is
  // none. Errors: kMismatch if two tensors are called so.
  Result<std::string> find(const std::string& name) const;
  // What stands before `ending` in the names that end with it, wrappers' parts left out.
  std::set<std::string> prefixes_of(std::string_view ending) const;
  // The first tensor, by name, of a LoRA adapter that is not merged into the weights; empty if there is none.
  std::string adapter() const;

 private:
  std::unordered_map<std::string, std::vector<std::string>> stored_;  // by name without wrappers' parts
};

// The description with the checkpoint's names, its experts fused where the checkpoint has them so. A tensor that is
// there under the description's name keeps it, and so does one that is found nowhere: whoever loads it says so. Errors:
// kMismatch where several prefixes could be meant; kUnsupported for an adapter that is not merged; they name no file.
Result<ModelSpec> with_stored_names(ModelSpec model, const StoredNames& stored);
Result<EncoderModelSpec> with_stored_names(EncoderModelSpec model, const StoredNames& stored);

// The same for an opened checkpoint, whose list of names is not looked through if all tensors have the description's.
// Errors name the directory, too.
Result<ModelSpec> with_stored_names(ModelSpec model, const Weights& weights);
Result<EncoderModelSpec> with_stored_names(EncoderModelSpec model, const Weights& weights);

}  // namespace nwc
