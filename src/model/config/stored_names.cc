#include "model/config/stored_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/config/fused_layers.h"
#include "model/config/spec_names.h"

namespace nwc {
namespace {

constexpr std::string_view kMxfp4Blocks = "_blocks";  // model/parameters/parameters.h
constexpr std::string_view kWrapperParts[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};
constexpr std::string_view kDataParallel = "module.";  // at the beginning only
// Of several prefixes that a checkpoint has, the language model's: one of these, the first in this order.
constexpr std::string_view kLanguageModels[] = {"model.",
                                                "",
                                                "model.language_model.",
                                                "language_model.model.",
                                                "language_model.",
                                                "transformer.",
                                                "base_model.model.model.",
                                                "base_model.model."};

std::string without_wrappers(std::string name) {
  for (const std::string_view part : kWrapperParts) {
    for (size_t at = 0; (at = name.find(part, at)) != std::string::npos;) {
      if (at == 0 || name[at - 1] == '.') {
        name.erase(at, part.size());
      } else {
        at += part.size();
      }
    }
  }
  if (name.starts_with(kDataParallel)) name.erase(0, kDataParallel.size());
  return name;
}

// `name` without its last `parts` parts: "model." of "model.embed_tokens.weight" without two.
std::string stem_of(std::string name, int parts) {
  for (; parts > 0 && !name.empty(); --parts) {
    const size_t dot = name.rfind('.', name.size() - 1);
    name.resize(dot == std::string::npos ? 0 : dot);
  }
  return name.empty() ? name : name + ".";
}

// "a.b.", "a.", "".
std::vector<std::string> with_parents(const std::string& prefix) {
  std::vector<std::string> all{prefix};
  while (!all.back().empty()) all.push_back(stem_of(all.back().substr(0, all.back().size() - 1), 1));
  return all;
}

// What transformers 5 calls in its own way; it writes the published names unless told otherwise.
struct Spelling {
  std::string_view published, other;
};
constexpr Spelling kSpellings[] = {{".block_sparse_moe.", ".mlp."},                        // Mixtral
                                   {".attention.attention.query.", ".attention.q_proj."},  // DINOv2
                                   {".attention.attention.key.", ".attention.k_proj."},
                                   {".attention.attention.value.", ".attention.v_proj."},
                                   {".attention.output.dense.", ".attention.o_proj."},
                                   {".mlp.weights_out.", ".mlp.down_proj."}};

// Other names of the same tensor behind the prefix.
std::vector<std::string> spellings_of(const std::string& local) {
  std::vector<std::string> all{local};
  for (const auto& [published, other] : kSpellings) {
    if (const size_t at = local.find(published); at != std::string::npos)
      all.push_back(std::string(local).replace(at, published.size(), other));
  }
  return all;
}

// Which prefix the checkpoint has in the place of `described` before names that end so, or nothing.
Result<std::optional<std::string>> choose_prefix(const StoredNames& stored, const std::string& described,
                                                 const std::string& ending) {
  std::set<std::string> found;
  for (const std::string& spelling : spellings_of(ending)) found.merge(stored.prefixes_of(spelling));
  if (found.empty()) return std::optional<std::string>();
  if (found.contains(described)) return std::optional(described);
  if (found.size() == 1) return std::optional(*found.begin());
  for (const std::string_view known : kLanguageModels) {
    if (found.contains(std::string(known))) return std::optional<std::string>(known);
  }
  return Error(ErrorCode::kMismatch,
               fmt::format("has '{}' behind several prefixes: '{}'", ending, fmt::join(found, "', '")))
      .remedy(fmt::format("rename those of the language model to '{}...', or remove the others", described));
}

class Renamer {
 public:
  // `described`: what the description's names begin with; `chosen`: what the checkpoint's begin with.
  Renamer(const StoredNames& stored, std::string described, std::string chosen)
      : stored_(stored), described_(std::move(described)), prefixes_(with_parents(chosen)) {
    for (const std::string& prefix : with_parents(described_)) prefixes_.push_back(prefix);
    prefixes_.emplace_back("model.");
  }

  Status rename(std::string& name) const {
    if (name.empty() || stored_.has(name)) return {};
    // Only a head stands outside the prefix: its last two parts are its own.
    const std::string local =
        name.starts_with(described_) ? name.substr(described_.size()) : name.substr(stem_of(name, 2).size());
    for (const std::string& spelling : spellings_of(local)) {
      for (const std::string& prefix : prefixes_) {
        NWC_ASSIGN_OR_RETURN(std::string found, stored_.find(prefix + spelling));
        if (found.empty()) continue;
        name = std::move(found);
        return {};
      }
    }
    return {};
  }

 private:
  const StoredNames& stored_;
  std::string described_;
  std::vector<std::string> prefixes_;
};

bool all_there(const std::vector<TensorSpec>& tensors, const StoredNames& stored) {
  return std::all_of(tensors.begin(), tensors.end(), [&](const TensorSpec& t) { return stored.has(t.name); });
}

template <class Spec>
Status rename_all(Spec& spec, const Renamer& renamer) {
  for (std::string* name : names_in(spec)) NWC_RETURN_IF_ERROR(renamer.rename(*name));
  return {};
}

template <class Spec>
Result<Spec> named_as_in(const Weights& weights, Spec spec) {
  const std::vector<TensorSpec> tensors = tensors_of(spec);
  const auto is_there = [&](const TensorSpec& t) { return weights.find(t.name) != nullptr; };
  if (std::all_of(tensors.begin(), tensors.end(), is_there)) return spec;
  Result<Spec> named = with_stored_names(std::move(spec), StoredNames(weights.list()));
  if (!named) return std::move(named).error().in_file(weights.directory().string());
  return named;
}

Status refuse_adapter(const std::string& tensor) {
  return Error(ErrorCode::kUnsupported, "belongs to a LoRA adapter that is not merged into the weights")
      .in_tensor(tensor)
      .remedy("merge the adapter (merge_and_unload() in PEFT), save the model, and use that");
}

}  // namespace

StoredNames::StoredNames(std::span<const WeightInfo> tensors) {
  for (const WeightInfo& tensor : tensors) stored_[without_wrappers(tensor.name)].push_back(tensor.name);
}

bool StoredNames::has(const std::string& name) const {
  const auto is_there = [&](const std::string& wanted) {
    const auto found = stored_.find(wanted);
    return found != stored_.end() &&
           std::find(found->second.begin(), found->second.end(), wanted) != found->second.end();
  };
  return is_there(name) || is_there(name + std::string(kMxfp4Blocks));
}

Result<std::string> StoredNames::find(const std::string& name) const {
  if (has(name)) return name;
  const std::string bare = without_wrappers(name);
  std::string suffix;
  auto found = stored_.find(bare);
  if (found == stored_.end()) {
    suffix = kMxfp4Blocks;
    found = stored_.find(bare + suffix);
  }
  if (found == stored_.end()) return std::string();
  if (found->second.size() > 1) {
    return Error(ErrorCode::kMismatch, fmt::format("is there as '{}'", fmt::join(found->second, "' and as '")))
        .in_tensor(name)
        .remedy("remove all but one");
  }
  const std::string& stored = found->second.front();
  return stored.substr(0, stored.size() - suffix.size());
}

std::set<std::string> StoredNames::prefixes_of(std::string_view ending) const {
  std::set<std::string> prefixes;
  for (const auto& [name, stored] : stored_) {
    if (!name.ends_with(ending)) continue;
    std::string prefix = name.substr(0, name.size() - ending.size());
    if (prefix.empty() || prefix.ends_with('.')) prefixes.insert(std::move(prefix));
  }
  return prefixes;
}

std::string StoredNames::adapter() const {
  std::string first;
  for (const auto& [name, stored] : stored_) {
    if (name.find(".lora_A.") == std::string::npos) continue;
    if (first.empty() || stored.front() < first) first = stored.front();
  }
  return first;
}

Result<ModelSpec> with_stored_names(ModelSpec model, const StoredNames& stored) {
  if (all_there(tensors_of(model), stored)) return model;
  const std::string described = stem_of(model.embedding, 2);
  // Every family has this layer, and vision towers in the same checkpoint call it otherwise.
  const std::string ending = model.blocks.front().attention.o.weight.substr(described.size());
  NWC_ASSIGN_OR_RETURN(const std::optional<std::string> prefix, choose_prefix(stored, described, ending));
  NWC_RETURN_IF_ERROR(rename_all(model, Renamer(stored, described, prefix.value_or(described))));
  for (BlockSpec& block : model.blocks) NWC_RETURN_IF_ERROR(fuse_as_stored(block, stored));
  if (const std::string adapter = stored.adapter(); !adapter.empty() && !all_there(tensors_of(model), stored))
    return refuse_adapter(adapter).error();
  return model;
}

Result<EncoderModelSpec> with_stored_names(EncoderModelSpec model, const StoredNames& stored) {
  if (model.towers.empty() || all_there(tensors_of(model), stored)) return model;
  const std::string& ending = model.towers.front().blocks.front().attention.o.weight;
  NWC_ASSIGN_OR_RETURN(const std::optional<std::string> prefix, choose_prefix(stored, "", ending));
  NWC_RETURN_IF_ERROR(rename_all(model, Renamer(stored, "", prefix.value_or(""))));
  for (EncoderSpec& tower : model.towers) {
    for (BlockSpec& block : tower.blocks) NWC_RETURN_IF_ERROR(fuse_as_stored(block, stored));
  }
  return model;
}

Result<ModelSpec> with_stored_names(ModelSpec model, const Weights& weights) {
  return named_as_in(weights, std::move(model));
}

Result<EncoderModelSpec> with_stored_names(EncoderModelSpec model, const Weights& weights) {
  return named_as_in(weights, std::move(model));
}

}  // namespace nwc
