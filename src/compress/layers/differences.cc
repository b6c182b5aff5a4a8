#include "compress/layers/differences.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "checkpoint/checksums.h"
#include "checkpoint/quantised/stored_format.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

class BaseTensor : public Subtrahend {
 public:
  BaseTensor(std::shared_ptr<const LayeredStore> store, const LayeredWeight& weight)
      : store_(std::move(store)), weight_(weight) {}
  uint64_t identity() const override { return weight_.last().stored->identity; }
  Status read(std::span<float> out, int threads) const override {
    NWC_ASSIGN_OR_RETURN(const OpenedWeight opened, store_->open_weight(weight_));
    const std::span<std::byte> bytes = std::as_writable_bytes(out);
    if (weight_.alone() == nullptr || weight_.alone()->stream != nullptr)
      return store_->decode_all(opened, DType::kF32, bytes, threads);
    const StoredWeight& plain = *weight_.alone();
    NWC_RETURN_IF_ERROR(store_->layers()[weight_.last().layer].verify_plain(plain));
    convert_floats(plain.info.dtype, plain.plain->bytes, DType::kF32, bytes);
    return {};
  }

 private:
  std::shared_ptr<const LayeredStore> store_;
  const LayeredWeight& weight_;
};

bool is_plain(const LayeredWeight& weight) { return weight.last().stored->stream == nullptr; }

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.stored == nullptr && b.stored == nullptr &&
         a.bytes.size() == b.bytes.size() && std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

TensorView difference_view(const TensorView& tensor, std::shared_ptr<const LayeredStore> store,
                           const LayeredWeight& below) {
  StoredFormat format{.dtype = tensor.stored != nullptr ? tensor.stored->dtype : tensor.dtype,
                      .minuend = std::make_shared<const TensorView>(tensor),
                      .subtrahend = std::make_shared<const BaseTensor>(std::move(store), below)};
  TensorView view = tensor;
  view.dtype = DType::kF32;
  view.stored = std::make_shared<const StoredFormat>(std::move(format));
  return view;
}

Result<bool> is_zero(const TensorView& difference, int threads) {
  NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(difference, threads));
  return std::all_of(values.bytes.begin(), values.bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// What the base stores as it was is so in what it was made from.
Status check_original(const Checkpoint& original, const LayeredStore& base) {
  const auto refuse = [&](std::string why, const std::string& name) {
    return Error(ErrorCode::kMismatch, std::move(why))
        .in_file(original.directory().string())
        .in_tensor(name)
        .remedy("give --base-model the plain model that the base was compressed from");
  };
  for (const auto& [name, weight] : base.weights()) {
    const TensorView* const before = original.find(name).tensor;
    if (before == nullptr) return refuse("is not there, and the base has it", name);
    if (before->shape != weight.info.shape) return refuse("has another shape in the base", name);
    if (!is_plain(weight) || before->stored != nullptr || before->dtype != weight.info.dtype) continue;
    if (!same_bytes(*before, *weight.last().stored->plain)) return refuse("is not what the base has", name);
  }
  return {};
}

class Taker {
 public:
  Taker(const DifferenceBase& base, const Selection& selection, const Checkpoint* original, int threads)
      : base_(base), selection_(selection), original_(original), threads_(threads) {}

  // What is shown of a tensor; nullopt for nothing.
  Result<std::optional<TensorView>> of(const TensorView& tensor) {
    const auto found = base_.store->weights().find(tensor.name);
    const LayeredWeight* const below = found == base_.store->weights().end() ? nullptr : &found->second;
    NWC_ASSIGN_OR_RETURN(const bool selected, selection_.wants(tensor));
    const bool fits = below != nullptr && below->info.shape == tensor.shape && selected &&
                      is_weight_dtype(tensor.dtype) && (!is_plain(*below) || is_weight_dtype(below->info.dtype));
    if (base_.refines() && (!fits || is_plain(*below))) return std::optional<TensorView>();
    if (!base_.refines() && below != nullptr && is_unchanged(tensor, *below)) return unchanged(tensor);
    if (!fits) {
      ++taken_.whole;
      if (selected && below != nullptr && below->info.shape != tensor.shape)
        taken_.warnings.push_back(tensor.name +
                                  " has another shape in the base: it is stored whole, in as many bits a "
                                  "weight as differences are");
      return std::optional(tensor);
    }
    TensorView difference = difference_view(tensor, base_.store, *below);
    NWC_ASSIGN_OR_RETURN(const bool zero, is_zero(difference, threads_));
    if (zero) return unchanged(tensor);
    ++taken_.differences;
    return std::optional(std::move(difference));
  }

  const DifferencesTaken& taken() const { return taken_; }

 private:
  std::optional<TensorView> unchanged(const TensorView& tensor) {
    ++taken_.unchanged;
    taken_.unchanged_bytes += tensor.bytes.size();
    return std::nullopt;
  }
  bool is_unchanged(const TensorView& tensor, const LayeredWeight& below) const {
    if (is_plain(below)) return same_bytes(tensor, *below.last().stored->plain);
    if (original_ == nullptr) return false;
    const TensorView* const before = original_->find(tensor.name).tensor;
    return before != nullptr && same_bytes(tensor, *before);
  }

  const DifferenceBase& base_;
  const Selection& selection_;
  const Checkpoint* original_;
  int threads_;
  DifferencesTaken taken_;
};

Result<DifferenceBase> base_in(const fs::path& directory, const WeightsOptions& options) {
  NWC_ASSIGN_OR_RETURN(LayeredStore store, LayeredStore::open(directory, options));
  if (!store.is_compressed()) {
    return Error(ErrorCode::kInvalidArgument, "is not a checkpoint compressed by nwcodec")
        .in_file(directory.string())
        .remedy("give what nwcodec compress wrote");
  }
  DifferenceBase base{std::make_shared<const LayeredStore>(std::move(store)), {}, {}};
  base.difference.base = base.store->identity();
  return base;
}

}  // namespace

Result<DifferenceBase> base_of_delta(const fs::path& directory, const fs::path& output) {
  NWC_ASSIGN_OR_RETURN(DifferenceBase base, base_in(directory, {}));
  if (base.store->first_own() > 0) {
    return Error(ErrorCode::kInvalidArgument, "is a delta itself, and no delta has one for its base")
        .in_file(directory.string())
        .remedy("name the base of that one");
  }
  base.difference.kind = Difference::Kind::kDelta;
  base.difference.layer = static_cast<unsigned>(base.store->layers().size());
  std::error_code failure;
  const fs::path from = fs::weakly_canonical(fs::absolute(output, failure), failure);
  const fs::path to = fs::weakly_canonical(fs::absolute(directory, failure), failure);
  base.difference.base_path = to.lexically_proximate(from).generic_string();
  return base;
}

Result<DifferenceBase> base_of_refinement(const fs::path& directory, unsigned number) {
  NWC_ASSIGN_OR_RETURN(DifferenceBase base, base_in(directory, {.layers = number}));
  base.difference.kind = Difference::Kind::kRefinement;
  base.difference.layer = number;
  return base;
}

Result<DifferencesTaken> take_differences(Checkpoint& checkpoint, const DifferenceBase& base,
                                          const Selection& selection, int threads) {
  for (const auto& [name, weight] : base.store->weights()) {
    if (checkpoint.find(name).tensor != nullptr) continue;
    return Error(ErrorCode::kMismatch, "is not there, and the base has it")
        .in_file(checkpoint.directory().string())
        .in_tensor(name)
        .remedy("compress this checkpoint by itself, or from the base that it was made from");
  }
  std::optional<Checkpoint> original;
  if (!base.original.empty()) {
    NWC_ASSIGN_OR_RETURN(original, Checkpoint::open(base.original));
    NWC_RETURN_IF_ERROR(check_original(*original, *base.store));
  }
  Taker taker(base, selection, original ? &*original : nullptr, threads);
  std::vector<std::vector<TensorView>> shown;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    std::vector<TensorView>& of_shard = shown.emplace_back();
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      if (tensor.name == kChecksumTensorName) continue;
      Result<std::optional<TensorView>> view = taker.of(tensor);
      if (!view) return std::move(view).error().in_file(shard.path().string()).in_tensor(tensor.name);
      if (*view) of_shard.push_back(**std::move(view));
      shard.release(tensor);
    }
  }
  const DifferencesTaken& taken = taker.taken();
  if (!base.refines() && taken.differences + taken.unchanged == 0) {
    return Error(ErrorCode::kMismatch, "has no tensor in common with " + base.store->directory().string())
        .in_file(checkpoint.directory().string())
        .remedy("compress this checkpoint by itself, or name the base that it was made from");
  }
  checkpoint.show(std::move(shown));
  return taken;
}

}  // namespace nwc
