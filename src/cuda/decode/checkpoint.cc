#include <algorithm>
#include <cstring>
#include <deque>
#include <numeric>

#include "base/exceptions.h"
#include "base/parallel.h"
#include "checkpoint/index.h"
#include "cuda/support/memory.h"
#include "decode/layered_store.h"
#include "nwcodec/cuda.h"
#include "nwcodec/cuda_checkpoint.h"

namespace nwc {

using namespace cuda;

struct CudaWeights::State {
  std::vector<Tensor> tensors;
  std::vector<DeviceMemory> memory;  // of each device
};

CudaWeights::CudaWeights(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaWeights::CudaWeights(CudaWeights&&) noexcept = default;
CudaWeights& CudaWeights::operator=(CudaWeights&&) noexcept = default;
CudaWeights::~CudaWeights() = default;
const std::vector<CudaWeights::Tensor>& CudaWeights::list() const { return state_->tensors; }
const CudaWeights::Tensor* CudaWeights::find(const std::string& name) const {
  const auto at = std::lower_bound(state_->tensors.begin(), state_->tensors.end(), name,
                                   [](const Tensor& t, const std::string& n) { return t.name < n; });
  return at != state_->tensors.end() && at->name == name ? &*at : nullptr;
}

namespace {

constexpr size_t kGroupBytes = size_t{64} << 20;       // of files, that travel together
constexpr uint64_t kGroupWeights = uint64_t{1} << 27;  // that are decoded together: bounds the scratch memory
constexpr size_t kCopyPiece = size_t{4} << 20;         // copied to page-locked memory by one thread at a time
constexpr size_t kAlignment = 256;

size_t aligned(size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

// A tensor, or a part of one that is stored as it is.
struct Item {
  const StoredWeight* weight;
  CudaWeights::Tensor* tensor;
  size_t begin, size;  // bytes in the file
};

// What one group of tensors needs on its way.
struct Slot {
  PinnedMemory host, staging, statuses;
  DeviceMemory device, scratch, device_statuses;
  cudaStream_t stream = nullptr;
  std::optional<CudaBatch> batch;
  std::vector<Item> items;  // compressed ones, in the batch's order

  ~Slot() {
    if (stream == nullptr) return;
    cudaStreamSynchronize(stream);
    cudaStreamDestroy(stream);
  }
};

class Loader {
 public:
  Loader(const WeightStore& store, const CudaDecoder& decoder, const CudaLoadOptions& options)
      : store_(store), decoder_(decoder), options_(options) {}

  // `progress` is told of this device's bytes.
  Status run(const std::vector<Item>& items, const Progress& progress) {
    NWC_RETURN_IF_ERROR(checked(cudaSetDevice(decoder_.device()), "choosing a device"));
    for (Slot& slot : slots_)
      NWC_RETURN_IF_ERROR(checked(cudaStreamCreateWithFlags(&slot.stream, cudaStreamNonBlocking), "creating a stream"));
    uint64_t total = 0, done = 0;
    for (const Item& item : items) total += source(item).size();
    size_t number = 0;
    for (size_t first = 0; first < items.size();) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      size_t last = first, bytes = 0;
      uint64_t weights = 0;
      while (last < items.size() &&
             (last == first || (bytes + source(items[last]).size() <= kGroupBytes &&
                                weights + items[last].weight->info.elements() <= kGroupWeights))) {
        bytes += aligned(source(items[last]).size());
        weights += items[last].weight->info.elements();
        ++last;
      }
      Slot& slot = slots_[number++ % kSlots];
      NWC_RETURN_IF_ERROR(finish(slot));
      NWC_RETURN_IF_ERROR(start(slot, std::span(items).subspan(first, last - first), bytes));
      done += bytes;
      progress.at(std::min(done, total), total, items[last - 1].weight->info.name);
      first = last;
    }
    for (size_t i = 0; i < kSlots; ++i) NWC_RETURN_IF_ERROR(finish(slots_[number++ % kSlots]));
    return {};
  }

 private:
  static constexpr size_t kSlots = 3;

  static std::span<const std::byte> source(const Item& item) {
    return (item.weight->stream != nullptr ? item.weight->stream->bytes : item.weight->plain->bytes)
        .subspan(item.begin, item.size);
  }

  // Reads the group's bytes, then enqueues all the rest.
  Status start(Slot& slot, std::span<const Item> items, size_t bytes) {
    NWC_RETURN_IF_ERROR(at_least(slot.host, bytes));
    NWC_RETURN_IF_ERROR(at_least(slot.device, bytes));
    // Every tensor in pieces, so that threads share large ones.
    struct Piece {
      const std::byte* from;
      std::byte* to;
      size_t size;
      const StoredWeight* verify;  // instead of a copy
    };
    std::vector<Piece> pieces;
    std::vector<size_t> offsets;
    size_t offset = 0;
    for (const Item& item : items) {
      const std::span<const std::byte> from = source(item);
      offsets.push_back(offset);
      if (options_.verify && item.weight->plain != nullptr && item.begin == 0)
        pieces.push_back({nullptr, nullptr, 0, item.weight});
      for (size_t at = 0; at < from.size(); at += kCopyPiece)
        pieces.push_back(
            {from.data() + at, slot.host.bytes() + offset + at, std::min(kCopyPiece, from.size() - at), nullptr});
      offset += aligned(from.size());
    }
    NWC_RETURN_IF_ERROR(parallel_for(pieces.size(), options_.threads, [&](size_t i, int) -> Status {
      if (pieces[i].verify != nullptr) return store_.verify_plain(*pieces[i].verify);
      std::memcpy(pieces[i].to, pieces[i].from, pieces[i].size);
      return {};
    }));
    NWC_RETURN_IF_ERROR(
        checked(cudaMemcpyAsync(slot.device.data(), slot.host.data(), bytes, cudaMemcpyHostToDevice, slot.stream),
                "copying streams"));

    std::vector<CudaTensor> tensors;
    slot.items.clear();
    for (size_t i = 0; i < items.size(); ++i) {
      const StoredWeight& weight = *items[i].weight;
      const SafetensorsFile& file = store_.checkpoint().shards()[weight.shard];
      const std::span<const std::byte> copy(slot.host.bytes() + offsets[i], source(items[i]).size());
      if (weight.stream == nullptr) {
        NWC_RETURN_IF_ERROR(copy_plain(slot, items[i], copy, offsets[i]));
        if (items[i].begin + items[i].size == weight.plain->bytes.size()) file.release(*weight.plain);
        continue;
      }
      const std::span<const std::byte> levels =
          weight.levels != nullptr ? weight.levels->bytes : std::span<const std::byte>();
      // Checked where they will be read from, the page-locked copy.
      tensors.push_back({weight.info.name,
                         copy,
                         weight.scales->bytes,
                         levels,
                         slot.device.bytes() + offsets[i],
                         items[i].tensor->data,
                         items[i].tensor->dtype,
                         {}});
      slot.items.push_back(items[i]);
      file.release(*weight.stream);
    }
    Result<CudaBatch> batch =
        CudaBatch::plan(decoder_, tensors, {.verify = options_.verify, .threads = options_.threads});
    if (!batch) return std::move(batch).error().in_file(store_.checkpoint().directory().string());
    slot.batch.emplace(*std::move(batch));
    NWC_RETURN_IF_ERROR(at_least(slot.scratch, slot.batch->scratch_bytes()));
    NWC_RETURN_IF_ERROR(at_least(slot.staging, slot.batch->staging_bytes()));
    NWC_RETURN_IF_ERROR(at_least(slot.device_statuses, slot.batch->tile_count() * 4));
    NWC_RETURN_IF_ERROR(at_least(slot.statuses, slot.batch->tile_count() * 4));
    NWC_RETURN_IF_ERROR(slot.batch->upload(slot.scratch.data(), slot.staging.data(), slot.stream));
    NWC_RETURN_IF_ERROR(
        slot.batch->decode(slot.scratch.data(), static_cast<uint32_t*>(slot.device_statuses.data()), slot.stream));
    return checked(cudaMemcpyAsync(slot.statuses.data(), slot.device_statuses.data(), slot.batch->tile_count() * 4,
                                   cudaMemcpyDeviceToHost, slot.stream),
                   "copying statuses");
  }

  // As it is, or converted on the host; the bytes are on their way to the device already.
  Status copy_plain(Slot& slot, const Item& item, std::span<const std::byte> from, size_t offset) {
    const DType from_dtype = item.weight->info.dtype, to_dtype = item.tensor->dtype;
    std::byte* const to =
        static_cast<std::byte*>(item.tensor->data) + item.begin * bits_of(to_dtype) / bits_of(from_dtype);
    if (to_dtype == from_dtype) {
      return checked(
          cudaMemcpyAsync(to, slot.device.bytes() + offset, from.size(), cudaMemcpyDeviceToDevice, slot.stream),
          "copying a tensor");
    }
    std::vector<std::byte> converted(from.size() * bits_of(to_dtype) / bits_of(from_dtype));
    convert_floats(from_dtype, from, to_dtype, converted);
    return checked(cudaMemcpy(to, converted.data(), converted.size(), cudaMemcpyHostToDevice), "copying a tensor");
  }

  // Waits for the slot's group, if there is one, and looks at its statuses.
  Status finish(Slot& slot) {
    if (!slot.batch) return {};
    NWC_RETURN_IF_ERROR(checked(cudaStreamSynchronize(slot.stream), "decoding"));
    Status status = slot.batch->check({static_cast<const uint32_t*>(slot.statuses.data()), slot.batch->tile_count()});
    slot.batch.reset();
    if (!status) return std::move(status).error().in_file(store_.checkpoint().directory().string());
    return {};
  }

  const WeightStore& store_;
  const CudaDecoder& decoder_;
  const CudaLoadOptions& options_;
  Slot slots_[kSlots];
};

}  // namespace

Result<CudaWeights> CudaWeights::load(const std::filesystem::path& directory, const CudaLoadOptions& options,
                                      const Progress& progress) {
  return catch_exceptions([&] { return load_checked(directory, options, progress); });
}

Result<CudaWeights> CudaWeights::load_checked(const std::filesystem::path& directory, const CudaLoadOptions& options,
                                              const Progress& progress) {
  if (options.dtype && !is_weight_dtype(*options.dtype)) {
    return Error(ErrorCode::kInvalidArgument,
                 "weights decode to F32, F16 or BF16, not " + std::string(name_of(*options.dtype)));
  }
  if (options.devices.empty()) return Error(ErrorCode::kInvalidArgument, "no device to load to");
  NWC_RETURN_IF_ERROR(check_one_layer(directory));
  NWC_ASSIGN_OR_RETURN(const WeightStore store, WeightStore::open(directory));
  if (!store.is_compressed())
    return Error(ErrorCode::kInvalidArgument, "is not a checkpoint compressed by nwcodec").in_file(directory.string());
  const size_t device_count = options.devices.size();
  std::vector<CudaDecoder> decoders;
  for (const int device : options.devices) {
    NWC_ASSIGN_OR_RETURN(CudaDecoder decoder, CudaDecoder::open(directory / kCodecFileName, device));
    decoders.push_back(std::move(decoder));
  }

  auto state = std::make_unique<State>();
  std::vector<const StoredWeight*> weights;
  for (const auto& [name, weight] : store.weights()) {
    const DType dtype = options.dtype && is_weight_dtype(weight.info.dtype) ? *options.dtype : weight.info.dtype;
    state->tensors.push_back(
        {name, dtype, weight.info.shape, 0, nullptr, static_cast<size_t>(weight.info.elements() * bits_of(dtype) / 8)});
    weights.push_back(&weight);
  }
  // The largest first, each to the device that has least.
  std::vector<size_t> order(weights.size()), sizes(device_count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return state->tensors[a].bytes > state->tensors[b].bytes; });
  std::vector<size_t> owner(weights.size()), offset(weights.size());
  for (const size_t t : order) {
    owner[t] = static_cast<size_t>(std::min_element(sizes.begin(), sizes.end()) - sizes.begin());
    offset[t] = sizes[owner[t]];
    sizes[owner[t]] += aligned(state->tensors[t].bytes);
  }
  std::vector<std::vector<Item>> items(device_count);
  for (size_t d = 0; d < device_count; ++d) {
    NWC_RETURN_IF_ERROR(checked(cudaSetDevice(options.devices[d]), "choosing a device"));
    NWC_ASSIGN_OR_RETURN(DeviceMemory memory, DeviceMemory::of(sizes[d]));
    state->memory.push_back(std::move(memory));
  }
  for (size_t t = 0; t < weights.size(); ++t) {
    state->tensors[t].device = options.devices[owner[t]];
    state->tensors[t].data = state->memory[owner[t]].bytes() + offset[t];
    const size_t bytes =
        weights[t]->stream != nullptr ? weights[t]->stream->bytes.size() : weights[t]->plain->bytes.size();
    const size_t step = weights[t]->stream != nullptr ? bytes : kGroupBytes;
    for (size_t begin = 0; begin < bytes; begin += step)
      items[owner[t]].push_back({weights[t], &state->tensors[t], begin, std::min(step, bytes - begin)});
  }
  // A thread per device; progress is that of a single one.
  const Progress silent{{}, progress.stop};
  NWC_RETURN_IF_ERROR(parallel_for(device_count, static_cast<int>(device_count), [&](size_t d, int) {
    Loader loader(store, decoders[d], options);
    return loader.run(items[d], device_count == 1 ? progress : silent);
  }));
  return CudaWeights(std::move(state));
}

}  // namespace nwc
