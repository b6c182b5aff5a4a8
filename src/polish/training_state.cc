#include "polish/training_state.h"

#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "checkpoint/checksums.h"
#include "checkpoint/safetensors_writer.h"
#include "nwcodec/checkpoint.h"

namespace nwc {
namespace {

constexpr const char* kRun = "nwcodec.run";
constexpr const char* kNumbers = "numbers";  // step, setbacks; bits of before, best_divergence, rate_share
constexpr size_t kCount = 5;

using Vectors = std::vector<std::pair<std::string, std::vector<float> TrainingState::*>>;
const Vectors& vectors() {
  static const Vectors all{{"theta", &TrainingState::theta},
                           {"first", &TrainingState::first},
                           {"second", &TrainingState::second},
                           {"best", &TrainingState::best}};
  return all;
}

}  // namespace

Status write_state(const std::filesystem::path& path, const TrainingState& state, const std::string& run) {
  std::vector<PlannedTensor> plan{{kNumbers, DType::kU64, {kCount}}};
  for (const auto& [name, vector] : vectors()) plan.push_back({name, DType::kF32, {(state.*vector).size()}});
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::create(path, std::move(plan), {}, {{kRun, run}}, {.checksums = true}));
  std::vector<std::byte> numbers;
  for (const uint64_t number :
       {static_cast<uint64_t>(state.step), static_cast<uint64_t>(state.setbacks), std::bit_cast<uint64_t>(state.before),
        std::bit_cast<uint64_t>(state.best_divergence), std::bit_cast<uint64_t>(state.rate_share)})
    append_le(numbers, number);
  NWC_RETURN_IF_ERROR(writer.write(kNumbers, 0, numbers));
  for (const auto& [name, vector] : vectors())
    NWC_RETURN_IF_ERROR(writer.write(name, 0, std::as_bytes(std::span(state.*vector))));
  return writer.finish();
}

Result<TrainingState> read_state(const std::filesystem::path& path, size_t count, const std::string& run) {
  NWC_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::open(path));
  NWC_RETURN_IF_ERROR(verify_file(file));
  const auto other = [&](const char* what) { return Error(ErrorCode::kMismatch, what).in_file(path.string()); };
  if (const auto found = file.metadata().find(kRun); found == file.metadata().end() || found->second != run)
    return other("belongs to another run");
  const TensorView* numbers = file.find(kNumbers);
  if (numbers == nullptr || numbers->bytes.size() != kCount * sizeof(uint64_t))
    return other("is no state of a training");
  std::array<uint64_t, kCount> read{};
  for (size_t i = 0; i < read.size(); ++i) read[i] = load_le<uint64_t>(numbers->bytes.data() + 8 * i);
  TrainingState state{.step = static_cast<int64_t>(read[0]),
                      .before = std::bit_cast<double>(read[2]),
                      .best_divergence = std::bit_cast<double>(read[3]),
                      .setbacks = static_cast<int64_t>(read[1]),
                      .rate_share = std::bit_cast<double>(read[4])};
  for (const auto& [name, vector] : vectors()) {
    const TensorView* view = file.find(name);
    const bool may_be_empty = vector == &TrainingState::best;
    if (view == nullptr || view->dtype != DType::kF32 ||
        (view->bytes.size() != count * sizeof(float) && !(may_be_empty && view->bytes.empty())))
      return other("is a state of other tensors");
    (state.*vector).resize(view->bytes.size() / sizeof(float));
    if (!view->bytes.empty()) std::memcpy((state.*vector).data(), view->bytes.data(), view->bytes.size());
  }
  return state;
}

}  // namespace nwc
