#include "nwcodec/weights.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/exceptions.h"
#include "checkpoint/quantised/stored_format.h"
#include "decode/layered_store.h"
#include "decode/plain_slice.h"

namespace nwc {

namespace {

uint64_t product(std::span<const uint64_t> dims) {
  return std::accumulate(dims.begin(), dims.end(), uint64_t{1}, std::multiplies<>());
}

}  // namespace

uint64_t WeightInfo::elements() const { return product(shape); }
uint64_t WeightInfo::matrices() const {
  return product(std::span(shape).first(shape.size() - std::min<size_t>(shape.size(), 2)));
}
uint64_t WeightInfo::rows() const { return shape.size() < 2 ? 1 : shape[shape.size() - 2]; }
uint64_t WeightInfo::columns() const { return shape.empty() ? 1 : shape.back(); }

struct Weights::State {
  LayeredStore store;
  std::vector<WeightInfo> list;
  std::vector<std::filesystem::path> files;
  std::vector<std::string> warnings;

  // `slice`: nullptr for the whole tensor.
  Status read(const std::string& name, const WeightSlice* slice, DType dtype, std::span<std::byte> out,
              int threads) const;
  Status read_all(const LayeredWeight& weight, DType dtype, std::span<std::byte> out, int threads) const;
  Status read_slice(const LayeredWeight& weight, const WeightSlice& slice, DType dtype, std::span<std::byte> out,
                    int threads) const;
  // Whole rows, counted through all matrices, of a tensor that has to be decoded (TensorView::stored).
  Status read_rows(const StoredWeight& weight, uint64_t first, uint64_t count, DType dtype, std::span<std::byte> out,
                   int threads) const;
};

namespace {

Error wrong_size(size_t bytes, const char* whose) {
  return Error(ErrorCode::kInvalidArgument,
               "output buffer has " + std::to_string(bytes) + " bytes, which is not the " + whose + " size");
}

// What a tensor is, where it is stored as it is; nullptr where something of it is compressed.
const StoredWeight* plain_of(const LayeredWeight& weight) {
  const StoredWeight* const alone = weight.alone();
  return alone != nullptr && alone->stream == nullptr ? alone : nullptr;
}

// With numbers for the ends.
Result<WeightSlice> resolve(const WeightSlice& slice, const WeightInfo& info) {
  WeightSlice s = slice;
  if (s.row_end == WeightSlice::kEnd) s.row_end = info.rows();
  if (s.column_end == WeightSlice::kEnd) s.column_end = info.columns();
  if (s.matrix >= info.matrices() || s.row_begin > s.row_end || s.row_end > info.rows() ||
      s.column_begin > s.column_end || s.column_end > info.columns()) {
    return Error(ErrorCode::kInvalidArgument, "slice lies outside the tensor");
  }
  return s;
}

}  // namespace

Status Weights::State::read(const std::string& name, const WeightSlice* slice, DType dtype, std::span<std::byte> out,
                            int threads) const {
  const auto found = store.weights().find(name);
  if (found == store.weights().end()) {
    return Error(ErrorCode::kNotFound, "is not in the checkpoint").in_file(store.directory().string()).in_tensor(name);
  }
  const LayeredWeight& weight = found->second;
  Status status = catch_exceptions([&] {
    return slice == nullptr ? read_all(weight, dtype, out, threads) : read_slice(weight, *slice, dtype, out, threads);
  });
  if (!status) return std::move(status).error().in_tensor(name);
  return {};
}

Status Weights::State::read_all(const LayeredWeight& weight, DType dtype, std::span<std::byte> out, int threads) const {
  const uint64_t elements = weight.info.elements();
  if (out.size() != elements * bits_of(dtype) / 8) return wrong_size(out.size(), "tensor's");
  const StoredWeight* const plain = plain_of(weight);
  if (plain == nullptr) {
    NWC_ASSIGN_OR_RETURN(const OpenedWeight opened, store.open_weight(weight));
    NWC_RETURN_IF_ERROR(store.decode_all(opened, dtype, out, threads));
  } else if (plain->plain->stored != nullptr && is_weight_dtype(dtype)) {
    const uint64_t columns = plain->plain->stored->columns;
    NWC_RETURN_IF_ERROR(read_rows(*plain, 0, columns == 0 ? 0 : elements / columns, dtype, out, threads));
  } else {
    NWC_RETURN_IF_ERROR(store.layers()[weight.last().layer].verify_plain(*plain));
    const WeightInfo one_row{{}, weight.info.dtype, {elements}, false};
    NWC_RETURN_IF_ERROR(
        copy_plain_slice(plain->plain->bytes, one_row, {.row_end = 1, .column_end = elements}, dtype, out));
  }
  // The caller has a copy; who reads block by block should not hold the whole checkpoint's pages beside it.
  store.release(weight);
  return {};
}

// The numbers are those of the tensor's own dtype, whatever they are converted to.
Status Weights::State::read_rows(const StoredWeight& weight, uint64_t first, uint64_t count, DType dtype,
                                 std::span<std::byte> out, int threads) const {
  std::vector<std::byte> own;
  if (dtype != weight.info.dtype) own.resize(out.size() / (bits_of(dtype) / 8) * (bits_of(weight.info.dtype) / 8));
  const std::span<std::byte> decoded = own.empty() ? out : std::span(own);
  if (Status status = decode_rows(*weight.plain, first, count, weight.info.dtype, decoded, threads); !status)
    return store.layers()[0].locate(std::move(status).error(), weight, *weight.plain);  // nothing else has such
  if (!own.empty()) convert_floats(weight.info.dtype, own, dtype, out);
  return {};
}

Status Weights::State::read_slice(const LayeredWeight& weight, const WeightSlice& slice, DType dtype,
                                  std::span<std::byte> out, int threads) const {
  NWC_ASSIGN_OR_RETURN(const WeightSlice s, resolve(slice, weight.info));
  const uint64_t elements = (s.row_end - s.row_begin) * (s.column_end - s.column_begin);
  if (elements == weight.info.elements()) return read_all(weight, dtype, out, threads);
  if (elements * bits_of(dtype) % 8 != 0 || out.size() != elements * bits_of(dtype) / 8)
    return wrong_size(out.size(), "slice's");
  const StoredWeight* const plain = plain_of(weight);
  if (plain != nullptr && plain->plain->stored != nullptr && is_weight_dtype(dtype)) {
    const uint64_t count = s.row_end - s.row_begin, columns = weight.info.columns();
    std::vector<std::byte> rows(count * columns * bits_of(dtype) / 8);
    NWC_RETURN_IF_ERROR(read_rows(*plain, s.matrix * weight.info.rows() + s.row_begin, count, dtype, rows, threads));
    const WeightInfo decoded{{}, dtype, {count, columns}, false};
    const WeightSlice part{.row_end = count, .column_begin = s.column_begin, .column_end = s.column_end};
    return copy_plain_slice(rows, decoded, part, dtype, out);
  }
  if (plain != nullptr) return copy_plain_slice(plain->plain->bytes, weight.info, s, dtype, out);
  NWC_ASSIGN_OR_RETURN(const OpenedWeight opened, store.open_weight(weight));
  return store.decode(opened, s, dtype, out, threads);
}

Weights::Weights(std::unique_ptr<State> state) : state_(std::move(state)) {}
Weights::Weights(Weights&&) noexcept = default;
Weights& Weights::operator=(Weights&&) noexcept = default;
Weights::~Weights() = default;

Result<Weights> Weights::open(const std::filesystem::path& directory, std::shared_ptr<DecodeBackend> backend) {
  return open(directory, WeightsOptions{.backend = std::move(backend)});
}

Result<Weights> Weights::open(const std::filesystem::path& directory, const WeightsOptions& options) {
  return catch_exceptions([&]() -> Result<Weights> {
    NWC_ASSIGN_OR_RETURN(LayeredStore store, LayeredStore::open(directory, options));
    auto state = std::make_unique<State>(State{std::move(store), {}, {}, {}});
    for (const auto& [name, weight] : state->store.weights()) state->list.push_back(weight.info);
    const WeightStore& own = state->store.layers()[state->store.first_own()];
    for (const SafetensorsFile& shard : own.checkpoint().shards()) state->files.push_back(shard.path());
    state->warnings = notes_of(state->store);
    return Weights(std::move(state));
  });
}

const std::filesystem::path& Weights::directory() const { return state_->store.directory(); }
bool Weights::is_compressed() const { return state_->store.is_compressed(); }
const std::vector<std::filesystem::path>& Weights::files() const { return state_->files; }
const std::vector<std::string>& Weights::warnings() const { return state_->warnings; }
const std::vector<WeightInfo>& Weights::list() const { return state_->list; }

const WeightInfo* Weights::find(const std::string& name) const {
  const auto found = state_->store.weights().find(name);
  return found == state_->store.weights().end() ? nullptr : &found->second.info;
}

Status Weights::read(const std::string& name, DType dtype, std::span<std::byte> out, int threads) const {
  return state_->read(name, nullptr, dtype, out, threads);
}

Status Weights::read(const std::string& name, const WeightSlice& slice, DType dtype, std::span<std::byte> out,
                     int threads) const {
  return state_->read(name, &slice, dtype, out, threads);
}

}  // namespace nwc
