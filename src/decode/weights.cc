#include "nwcodec/weights.h"

#include <cstring>

#include "decode/weight_store.h"

namespace nwc {

uint64_t WeightInfo::elements() const {
  uint64_t n = 1;
  for (const uint64_t d : shape) n *= d;
  return n;
}

struct Weights::State {
  WeightStore store;
  std::vector<WeightInfo> list;
};

Weights::Weights(std::unique_ptr<State> state) : state_(std::move(state)) {}
Weights::Weights(Weights&&) noexcept = default;
Weights& Weights::operator=(Weights&&) noexcept = default;
Weights::~Weights() = default;

Result<Weights> Weights::open(const std::filesystem::path& directory) {
  NWC_ASSIGN_OR_RETURN(WeightStore store, WeightStore::open(directory));
  auto state = std::make_unique<State>(State{std::move(store), {}});
  for (const auto& [name, weight] : state->store.weights()) state->list.push_back(weight.info);
  return Weights(std::move(state));
}

const std::filesystem::path& Weights::directory() const { return state_->store.checkpoint().directory(); }
bool Weights::is_compressed() const { return state_->store.is_compressed(); }
const std::vector<WeightInfo>& Weights::list() const { return state_->list; }

const WeightInfo* Weights::find(const std::string& name) const {
  const auto found = state_->store.weights().find(name);
  return found == state_->store.weights().end() ? nullptr : &found->second.info;
}

Status Weights::read(const std::string& name, DType dtype, std::span<std::byte> out, int threads) const {
  const WeightStore& store = state_->store;
  const auto found = store.weights().find(name);
  if (found == store.weights().end()) {
    return Error(ErrorCode::kNotFound, "is not in the checkpoint").in_file(directory().string()).in_tensor(name);
  }
  const StoredWeight& weight = found->second;
  if (out.size() != weight.info.elements() * bits_of(dtype) / 8) {
    return Error(ErrorCode::kInvalidArgument,
                 "output buffer has " + std::to_string(out.size()) + " bytes, which is not the tensor's size")
        .in_tensor(name);
  }
  if (weight.stream != nullptr) {
    NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder, store.open_stream(weight));
    if (Status status = decoder.decode(dtype, out, threads); !status) {
      return store.locate(std::move(status).error(), weight, *weight.stream);
    }
    store.checkpoint().shards()[weight.shard].release(*weight.stream);
    return {};
  }
  NWC_RETURN_IF_ERROR(store.verify_plain(weight));
  if (dtype != weight.info.dtype && !(is_weight_dtype(dtype) && is_weight_dtype(weight.info.dtype))) {
    return Error(ErrorCode::kUnsupported, "has dtype " + std::string(name_of(weight.info.dtype)) +
                                              " and cannot be read as " + std::string(name_of(dtype)))
        .in_tensor(name);
  }
  if (dtype == weight.info.dtype) {
    if (!out.empty()) std::memcpy(out.data(), weight.plain->bytes.data(), out.size());
  } else {
    convert_floats(weight.info.dtype, weight.plain->bytes, dtype, out);
  }
  // The caller has a copy. Releasing the mapping's pages keeps a program that reads a model tensor by tensor from
  // having the whole checkpoint resident.
  store.checkpoint().shards()[weight.shard].release(*weight.plain);
  return {};
}

}  // namespace nwc
