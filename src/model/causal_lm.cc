#include "model/causal_lm.h"

#include <fmt/format.h>

#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/config/stored_names.h"
#include "model/families/family.h"
#include "model/parameters/stored_head.h"

namespace nwc {
namespace {

// What `slot` holds, or what `load` returns; kept in the slot if the part is to stay.
template <class Part, class Load>
Result<std::shared_ptr<const Part>> kept_or_loaded(std::shared_ptr<const Part>* slot, bool keep, Load&& load) {
  if (*slot) return *slot;
  Result<Part> loaded = load();
  if (!loaded) return std::move(loaded).error();
  auto part = std::make_shared<const Part>(*std::move(loaded));
  if (keep) *slot = part;
  return part;
}

Status check_tensors(const ModelSpec& spec, const ParameterSource& source, bool with_head) {
  for (const TensorSpec& tensor : tensors_of(spec)) {
    const bool only_of_head =
        tensor.name == spec.final_norm.weight || tensor.name == spec.final_norm.bias || tensor.name == spec.head.weight;
    if (!with_head && only_of_head && tensor.name != spec.embedding) continue;
    Status found = source.check(tensor);
    if (found) continue;
    if (found.error().code() == ErrorCode::kMismatch && !spec.sizes_left_out.empty()) {
      return Error(found.error())
          .remedy(fmt::format("config.json leaves out {}, the family's default", spec.sizes_left_out));
    }
    const bool is_head = tensor.name == spec.head.weight && tensor.name != spec.embedding;
    if (!is_head || found.error().code() != ErrorCode::kNotFound) return found;
    return Error(ErrorCode::kNotFound, "is missing: without a head no tokens are predicted")
        .in_file(found.error().file())
        .in_tensor(tensor.name)
        .remedy("if the embedding is the head, set tie_word_embeddings to true; compress and calibrate need no head");
  }
  return {};
}

}  // namespace

struct CausalLm::State {
  ModelSpec spec;
  std::shared_ptr<const ParameterSource> source;
  Residency residency = Residency::kNone;
  std::vector<std::string> warnings;
  std::shared_ptr<RopeTables> rope = std::make_shared<RopeTables>();

  std::mutex mutex;  // guards what follows
  std::shared_ptr<const Embedding> embedding;
  std::vector<std::shared_ptr<const Block>> blocks;
  std::shared_ptr<const Head> head;
};

CausalLm::CausalLm(std::unique_ptr<State> state) : state_(std::move(state)) {}
CausalLm::CausalLm(CausalLm&&) noexcept = default;
CausalLm& CausalLm::operator=(CausalLm&&) noexcept = default;
CausalLm::~CausalLm() = default;

Result<CausalLm> CausalLm::open(const std::filesystem::path& directory, const Options& options) {
  NWC_ASSIGN_OR_RETURN(ModelSpec described, describe_model(directory));
  NWC_ASSIGN_OR_RETURN(Weights weights, Weights::open(directory, WeightsOptions{.layers = options.layers,
                                                                                .base = options.base,
                                                                                .backend = options.decode_backend}));
  NWC_ASSIGN_OR_RETURN(ModelSpec spec, with_stored_names(std::move(described), weights));
  const std::vector<std::string> of_files = weights.warnings();
  NWC_ASSIGN_OR_RETURN(
      CausalLm model,
      create(std::move(spec),
             std::make_shared<const WeightsSource>(std::move(weights), options.threads, options.device), options));
  std::vector<std::string>& warnings = model.state_->warnings;
  warnings.insert(warnings.begin(), of_files.begin(), of_files.end());
  return model;
}

Result<CausalLm> CausalLm::create(ModelSpec spec, std::shared_ptr<const ParameterSource> source,
                                  const Options& options) {
  auto state = std::make_unique<State>();
  NWC_ASSIGN_OR_RETURN(const std::optional<std::string> warning, settle_tied_head(spec, *source, options.head));
  if (warning) state->warnings.push_back(*warning);
  NWC_RETURN_IF_ERROR(check_tensors(spec, *source, options.head));
  state->blocks.resize(spec.blocks.size());
  state->spec = std::move(spec);
  state->source = std::move(source);
  state->residency = options.residency;
  return CausalLm(std::move(state));
}

const ModelSpec& CausalLm::spec() const { return state_->spec; }
const std::vector<std::string>& CausalLm::warnings() const { return state_->warnings; }
bool CausalLm::resident() const { return state_->residency == Residency::kAll; }

Result<std::shared_ptr<const Embedding>> CausalLm::embedding() const {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  return kept_or_loaded(&s.embedding, s.residency != Residency::kNone,
                        [&] { return Embedding::load(s.spec, *s.source); });
}

Result<std::shared_ptr<const Block>> CausalLm::block(size_t index) const {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  return kept_or_loaded(&s.blocks[index], s.residency == Residency::kAll,
                        [&] { return Block::load(s.spec.blocks[index], *s.source, s.rope); });
}

Result<std::shared_ptr<const Head>> CausalLm::head() const {
  State& s = *state_;
  const std::lock_guard lock(s.mutex);
  return kept_or_loaded(&s.head, s.residency != Residency::kNone,
                        [&] { return Head::load(s.spec, *s.source, s.embedding.get()); });
}

}  // namespace nwc
