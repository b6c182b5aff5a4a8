#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "decode/weight_store.h"
#include "guide/calibration_sequences.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/causal_lm.h"
#include "model/config/stored_names.h"
#include "model/families/family.h"
#include "recover/block_parameters.h"
#include "recover/features.h"
#include "recover/groups.h"
#include "recover/recover.h"
#include "recover/training.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSequencesPerValidation = 8;  // one of so many is not trained on

double root_mean_square(const at::Tensor& values) {
  return std::sqrt(values.square().mean(torch::kFloat64).item<double>());
}

std::vector<std::byte> stored_as(DType dtype, const at::Tensor& values) {
  const at::Tensor dense = values.detach().cpu().contiguous();
  const std::span<const float> floats(dense.data_ptr<float>(), static_cast<size_t>(dense.numel()));
  std::vector<std::byte> bytes(floats.size() * (dtype == DType::kF32 ? 4 : 2));
  convert_floats(DType::kF32, std::as_bytes(floats), dtype, bytes);
  return bytes;
}

class RecoveringCompressor : public BlockCompressor {
 public:
  RecoveringCompressor(std::shared_ptr<const CausalLm> model, std::shared_ptr<const ParameterSource> source,
                       Features features, size_t validation, uint64_t data_hash, uint64_t config_hash,
                       const RecoverOptions& options, int threads)
      : model_(std::move(model)),
        source_(std::move(source)),
        features_(std::move(features)),
        validation_(validation),
        data_hash_(data_hash),
        config_hash_(config_hash),
        options_(options),
        threads_(threads) {
    for (size_t b = 0; b < model_->blocks(); ++b) {
      for (const BlockLinear& l : linears_of(model_->spec().blocks[b])) block_of_weight_.emplace(l.linear.weight, b);
    }
  }

  PartContents contents(const WorkItem& item, const Checkpoint& checkpoint) const override {
    const Order order = order_of(item);
    PartContents contents;
    for (const auto& group : order.groups) {
      for (const WorkItem::Member& member : group) contents.compressed.push_back(member.tensor);
    }
    if (!order.block) return contents;
    for (const NormSpec& norm : norms_of(model_->spec().blocks[*order.block])) {
      const TensorView* tensor = checkpoint.find(norm.weight).tensor;
      if (tensor != nullptr && is_weight_dtype(tensor->dtype)) contents.replaced.push_back(tensor);
    }
    return contents;
  }

  Status compress(const WorkItem& item, const TensorCompressor& tensors, PartWriter& part,
                  const Progress& progress) override {
    return catch_foreign("recovery", [&] { return compress_block(item, tensors, part, progress); });
  }

  void identify(RunIdentity& identity) const override {
    const RecoverOptions& o = options_;
    identity.add("recover epochs", o.epochs);
    identity.add("recover batch", o.batch);
    identity.add("recover learning rate", o.learning_rate);
    identity.add("recover patience", o.patience);
    identity.add("recover seed", o.seed);
    identity.add("recover validation sequences", validation_);
    identity.add_hash("recover sequences", data_hash_);
    identity.add("recover machine", std::string_view(machine_class(o.device)));
    identity.add_hash("config.json", config_hash_);
  }

 private:
  struct Order {
    std::optional<size_t> block;  // nullopt: the item is no block of the model
    std::vector<std::vector<WorkItem::Member>> groups;
  };

  // The item's tensors in the groups of its block; those that the block's description lacks come first.
  Order order_of(const WorkItem& item) const {
    Order order;
    std::map<std::string, WorkItem::Member> left;
    for (const WorkItem::Member& member : item.members) {
      left.emplace(member.tensor->name, member);
      if (const auto found = block_of_weight_.find(member.tensor->name); found != block_of_weight_.end())
        order.block = found->second;
    }
    std::vector<std::vector<WorkItem::Member>> groups;
    if (order.block) {
      for (const std::vector<std::string>& names : recovery_groups(model_->spec().blocks[*order.block])) {
        std::vector<WorkItem::Member> group;
        for (const std::string& name : names) {
          if (const auto found = left.find(name); found != left.end()) {
            group.push_back(found->second);
            left.erase(found);
          }
        }
        if (!group.empty()) groups.push_back(std::move(group));
      }
    }
    if (!left.empty()) order.groups.emplace_back();
    for (const auto& [name, member] : left) order.groups.back().push_back(member);
    order.groups.insert(order.groups.end(), groups.begin(), groups.end());
    return order;
  }

  Status compress_block(const WorkItem& item, const TensorCompressor& tensors, PartWriter& part,
                        const Progress& progress) {
    const Order order = order_of(item);
    uint64_t done = 0;
    std::optional<BlockParameters> parameters;
    std::vector<Trainable> norms;
    if (order.block) {
      const BlockSpec& spec = model_->spec().blocks[*order.block];
      progress.at(0, item.bytes, item.name + ": features");
      NWC_RETURN_IF_ERROR(features_.advance_to(*order.block, progress));
      NWC_ASSIGN_OR_RETURN(parameters, BlockParameters::load(spec, *source_));
      for (const NormSpec& norm : norms_of(spec))
        norms.push_back({norm.weight, root_mean_square(parameters->tensor(norm.weight) + norm.weight_offset)});
    }
    std::vector<Trainable> waiting;  // weights that are still to be compressed
    for (const auto& group : order.groups) {
      for (const auto& [tensor, shard] : group) {
        if (parameters && parameters->has(tensor->name))
          waiting.push_back({tensor->name, root_mean_square(parameters->tensor(tensor->name))});
      }
    }

    for (const auto& group : order.groups) {
      for (const auto& [tensor, shard] : group) {
        NWC_RETURN_IF_ERROR(progress.check_stop());
        progress.at(done, item.bytes, tensor->name);
        const bool trained = parameters && parameters->has(tensor->name);
        Result<TensorValues> values = trained ? TensorValues() : values_of(*tensor, threads_);
        if (!values) return std::move(values).error().in_file(shard->path().string());
        Result<CompressedTensor> compressed =
            trained ? tensors.compress(*tensor, stored_as(tensor->dtype, parameters->tensor(tensor->name)))
                    : tensors.compress(*tensor, values->bytes);
        if (!compressed) return std::move(compressed).error().in_file(shard->path().string());
        if (trained) {
          at::Tensor& values = parameters->tensor(tensor->name);
          const at::Tensor decoded = torch::empty(values.sizes(), torch::kFloat32);
          NWC_RETURN_IF_ERROR(tensors.decode(tensor->name, compressed->encoded,
                                             {decoded.data_ptr<float>(), static_cast<size_t>(decoded.numel())}));
          values.copy_(decoded);
          std::erase_if(waiting, [&](const Trainable& t) { return t.name == tensor->name; });
        }
        NWC_RETURN_IF_ERROR(part.add(*compressed));
        shard->release(*tensor);
        done += tensor->bytes.size();
      }
      if (!parameters) continue;
      progress.at(done, item.bytes, item.name + ": recovery");
      std::vector<Trainable> trainables = waiting;
      trainables.insert(trainables.end(), norms.begin(), norms.end());
      NWC_ASSIGN_OR_RETURN(
          const TrainingOutcome outcome,
          train_block(model_->spec().blocks[*order.block], *parameters, trainables,
                      {features_.inputs(), features_.outputs(), validation_}, rope_, options_, threads_, progress));
      for (const auto& [tensor, shard] : group)
        part.record_of(tensor->name).encoding->recovery =
            TensorRecord::Encoding::Recovery{outcome.error_before, outcome.error_after};
    }
    for (const PlannedTensor& norm : part.replaced())
      NWC_RETURN_IF_ERROR(part.replace(norm.name, stored_as(norm.dtype, parameters->tensor(norm.name))));
    return {};
  }

  std::shared_ptr<const CausalLm> model_;
  std::shared_ptr<const ParameterSource> source_;
  std::shared_ptr<RopeTables> rope_ = std::make_shared<RopeTables>();
  Features features_;
  size_t validation_;
  uint64_t data_hash_, config_hash_;
  RecoverOptions options_;
  int threads_;
  std::map<std::string, size_t> block_of_weight_;
};

// Up to `count` sequences, as many of each text; training sequences first. `validation` of them are for validation.
struct ChosenSequences {
  std::vector<std::vector<int32_t>> list;
  size_t validation = 0;
};
ChosenSequences choose_sequences(CalibrationSequences all, int64_t count) {
  ChosenSequences chosen;
  std::vector<std::vector<int32_t>> validation;
  const size_t texts = all.texts.size();
  for (size_t t = 0; t < texts; ++t) {
    auto& text = all.texts[t];
    const size_t share = static_cast<size_t>(count) / texts + (t < static_cast<size_t>(count) % texts ? 1 : 0);
    const size_t taken = std::min(share, text.size());
    for (size_t i = 0; i < taken; ++i) {
      std::vector<int32_t>& sequence = text[i * text.size() / taken];
      const bool held_out = i % kSequencesPerValidation == std::min(kSequencesPerValidation, taken) - 1;
      (held_out && taken > 1 ? validation : chosen.list).push_back(std::move(sequence));
    }
  }
  if (validation.empty() && chosen.list.size() > 1) {
    validation.push_back(std::move(chosen.list.back()));
    chosen.list.pop_back();
  }
  chosen.validation = validation.size();
  for (auto& sequence : validation) chosen.list.push_back(std::move(sequence));
  return chosen;
}

}  // namespace

bool recovery_does_harm(const std::string& model_type) { return model_type == "gpt_oss"; }

Result<std::unique_ptr<BlockCompressor>> make_recovery(const fs::path& model, const fs::path& hessians,
                                                       const RecoverOptions& options, int threads) {
  return catch_foreign("recovery", [&]() -> Result<std::unique_ptr<BlockCompressor>> {
    if (options.sequences < 2 || options.epochs < 0 || options.length < 0 || options.batch < 1 ||
        options.patience < 1 || !(options.learning_rate > 0 && options.learning_rate <= 1)) {
      return Error(ErrorCode::kInvalidArgument,
                   "recovery takes at least two sequences, one per batch, patience and a learning rate of at most 1");
    }
    set_compute_threads(1);
    NWC_ASSIGN_OR_RETURN(ModelSpec spec, describe_model(model));
    NWC_ASSIGN_OR_RETURN(const MappedFile config, MappedFile::open(model / "config.json"));
    if (recovery_does_harm(spec.model_type) && !options.harmful_too) {
      return Error(ErrorCode::kInvalidArgument,
                   "recovery makes models of the family " + spec.model_type + " worse (the paper leaves it out)")
          .in_file(model.string())
          .remedy("compress without --recover, or insist with --recover-anyway");
    }
    NWC_ASSIGN_OR_RETURN(Weights weights, Weights::open(model));
    NWC_ASSIGN_OR_RETURN(spec, with_stored_names(std::move(spec), weights));
    const auto source = std::make_shared<const WeightsSource>(std::move(weights), threads, options.device);
    const int64_t vocabulary = spec.vocab_size, positions = spec.max_positions;
    NWC_ASSIGN_OR_RETURN(CausalLm opened, CausalLm::create(std::move(spec), source, {.head = false}));
    const fs::path path = sequences_file(hessians);
    NWC_ASSIGN_OR_RETURN(CalibrationSequences all, read_sequences(path));
    ChosenSequences chosen = choose_sequences(std::move(all), options.sequences);
    for (std::vector<int32_t>& sequence : chosen.list) {
      if (options.length > 0 && static_cast<int64_t>(sequence.size()) > options.length)
        sequence.resize(static_cast<size_t>(options.length));
    }
    if (chosen.validation == 0)
      return Error(ErrorCode::kInvalidArgument, "holds fewer than two sequences")
          .in_file(path.string())
          .remedy("calibrate with more --sequences");
    uint64_t hash = 0;
    for (const std::vector<int32_t>& sequence : chosen.list) {
      hash = xxh3(std::as_bytes(std::span(sequence)), hash);
      if (std::any_of(sequence.begin(), sequence.end(), [&](int32_t id) { return id < 0 || id >= vocabulary; }) ||
          static_cast<int64_t>(sequence.size()) > positions) {
        return Error(ErrorCode::kMismatch, "holds sequences of another model")
            .in_file(path.string())
            .remedy("calibrate this model");
      }
    }
    const auto shared = std::make_shared<const CausalLm>(std::move(opened));
    Features features(shared, std::move(chosen.list), options.device.is_cpu() ? threads : 1);
    return std::unique_ptr<BlockCompressor>(std::make_unique<RecoveringCompressor>(
        shared, source, std::move(features), chosen.validation, hash, xxh3(config.bytes()), options, threads));
  });
}

}  // namespace nwc
