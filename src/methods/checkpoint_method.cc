// What another program has made of the model, decoded to a plain checkpoint (bench/peers): evaluated like a method of
// ours. DIRECTORY/peer.json says what its own form takes: {"nominal_bits": 3, "bits_per_weight": 3.44, "weights":
// <number of linear weights>, "notes": [...]}. At other nominal rates there is nothing.
#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/run_identity.h"
#include "guide/hessian_store.h"
#include "methods/input_groups.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestRecord = 1 << 20;  // bytes

struct PeerRecord {
  double nominal_bits = 0, bits_per_weight = 0;
  uint64_t weights = 0;
  std::vector<std::string> notes;
};

Result<PeerRecord> read_record(const fs::path& file) {
  NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(file, kLargestRecord));
  NWC_ASSIGN_OR_RETURN(const Json json, parse_json(text));
  try {
    return PeerRecord{json.at("nominal_bits").get<double>(), json.at("bits_per_weight").get<double>(),
                      json.at("weights").get<uint64_t>(), json.at("notes").get<std::vector<std::string>>()};
  } catch (const Json::exception& e) {
    return Error(ErrorCode::kCorrupt, std::string("is no record of a peer: ") + e.what()).in_file(file.string());
  }
}

class OtherCheckpoint final : public Method {
 public:
  OtherCheckpoint(fs::path directory, PeerRecord record)
      : directory_(std::move(directory)), record_(std::move(record)) {}

  Status identify(RunIdentity& identity) const override {
    NWC_RETURN_IF_ERROR(identity.add_file("peer.json", directory_ / "peer.json"));
    NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(directory_));
    identity.add_weights("the peer's weights", checkpoint, 1);
    return {};
  }

  Result<MethodTotals> run(const MethodModel& model, const fs::path& output,
                           const MethodContext& context) const override {
    if (record_.weights != model.weights()) {
      return Error(ErrorCode::kMismatch, "is of " + std::to_string(record_.weights) +
                                             " linear weights, the model has " + std::to_string(model.weights()))
          .in_file((directory_ / "peer.json").string());
    }
    NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(directory_));
    NWC_ASSIGN_OR_RETURN(MatrixCollector collector, MatrixCollector::create(model, output));
    NWC_RETURN_IF_ERROR(for_each_input_group(model, context, [&](const InputGroup& group) -> Status {
      for (const MatrixTask& task : group.matrices) {
        const auto found = checkpoint.find(task.tensor.name);
        if (found.tensor == nullptr)
          return Error(ErrorCode::kNotFound, "is not in " + directory_.string()).in_tensor(task.tensor.name);
        NWC_ASSIGN_OR_RETURN(const WeightMatrix theirs, WeightMatrix::load(*found.tensor, task.tensor.transposed, 1));
        if (theirs.rows != task.tensor.rows || theirs.columns != task.tensor.columns ||
            theirs.matrices != task.tensor.matrices)
          return Error(ErrorCode::kMismatch, "has another shape in " + directory_.string()).in_tensor(task.tensor.name);
        QuantisedMatrix made;
        made.decoded.reserve(task.weights.size());
        for (uint64_t r = 0; r < task.rows; ++r) {
          for (uint64_t c = 0; c < task.columns; ++c)
            made.decoded.push_back(theirs.at(theirs.index_of(task.matrix, r, c)));
        }
        made.bits = record_.bits_per_weight * static_cast<double>(task.weights.size());
        NWC_RETURN_IF_ERROR(collector.add(task, group.hessian ? &*group.hessian : nullptr, std::move(made)));
      }
      return {};
    }));
    NWC_ASSIGN_OR_RETURN(MethodTotals totals, collector.finish());
    totals.notes = record_.notes;
    return totals;
  }

 private:
  fs::path directory_;
  PeerRecord record_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_checkpoint(MethodParameters& parameters, double bits) {
  NWC_ASSIGN_OR_RETURN(const std::string directory, parameters.text("directory"));
  NWC_ASSIGN_OR_RETURN(PeerRecord record, read_record(fs::path(directory) / "peer.json"));
  if (bits != record.nominal_bits) return Error(ErrorCode::kUnsupported, "is of another nominal rate");
  return std::unique_ptr<const Method>(std::make_unique<OtherCheckpoint>(directory, std::move(record)));
}

}  // namespace nwc
