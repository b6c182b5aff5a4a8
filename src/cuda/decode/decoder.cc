#include "cuda/decode/decoder.h"

#include <algorithm>

#include "base/exceptions.h"
#include "cuda/decode/codec_image.h"
#include "cuda/decode/hooks.h"
#include "cuda/decode/kernels.h"
#include "cuda/support/blob.h"

namespace nwc {

using namespace cuda;

int cuda_device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

CudaDecoder::CudaDecoder(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaDecoder::CudaDecoder(CudaDecoder&&) noexcept = default;
CudaDecoder& CudaDecoder::operator=(CudaDecoder&&) noexcept = default;
CudaDecoder::~CudaDecoder() = default;
int CudaDecoder::device() const { return state_->device; }

Result<CudaDecoder> CudaDecoder::open(const std::filesystem::path& path, int device) {
  return catch_exceptions([&]() -> Result<CudaDecoder> {
    NWC_ASSIGN_OR_RETURN(Codec codec, Codec::open(path));
    return DecoderHooks::create(std::make_shared<const Codec>(std::move(codec)), device, {});
  });
}

Result<CudaDecoder> DecoderHooks::create(std::shared_ptr<const Codec> codec, int device, const Options& options) {
  if (device < 0 || device >= cuda_device_count()) {
    return Error(ErrorCode::kUnsupported, "there is no CUDA device " + std::to_string(device))
        .remedy("decode on the CPU");
  }
  auto state = std::make_unique<CudaDecoder::State>();
  NWC_RETURN_IF_ERROR(checked(cudaSetDevice(device), "choosing a device"));
  int major = 0;
  NWC_RETURN_IF_ERROR(
      checked(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking the device"));
  if (major < 8)
    return Error(ErrorCode::kUnsupported,
                 "CUDA device " + std::to_string(device) + " is older than compute capability 8.0");
  NWC_RETURN_IF_ERROR(checked(cudaDeviceGetAttribute(&state->multiprocessors, cudaDevAttrMultiProcessorCount, device),
                              "asking the device"));
  int shared_room = 0;
  NWC_RETURN_IF_ERROR(checked(cudaDeviceGetAttribute(&shared_room, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
                              "asking the device"));
  constexpr uint32_t kRoomOfOldest = 163 * 1024;
  state->shared_room = options.oldest_instructions ? std::min(kRoomOfOldest, static_cast<uint32_t>(shared_room))
                                                   : static_cast<uint32_t>(shared_room);
  state->fused = state->shared_room >= small_least_shared_bytes();
  state->device = device;
  state->codec = std::move(codec);

  const DecoderCodec& parts = state->codec->parts();
  Blob blob;
  const size_t network_at = append_network(blob, parts.synthesis);
  constexpr size_t kNone = ~size_t{0};
  const size_t channels_at =
      append_channels(blob, state->codec->tables(), 0, state->codec->tables().size(), parts.tables.centers);
  std::vector<size_t> tables_at, networks_at;
  for (unsigned level = 0; level < parts.levels(); ++level) {
    const std::optional<SmallTables> tables =
        !state->fused ? std::nullopt
                      : small_tables(state->codec->tables(), level, parts.latents(), parts.tables.centers);
    tables_at.push_back(tables ? blob.append(std::span(&*tables, 1)) : kNone);
    const std::optional<SmallNetwork> network = small_network(parts.synthesis, level);
    networks_at.push_back(network ? blob.append(std::span(&*network, 1)) : kNone);
  }
  if (const std::optional<SmallShape> shape = small_shape(parts.synthesis)) state->small_shape = *shape;
  if (major == 9 && !options.oldest_instructions) state->wide_path = WidePath::kWgmma;
  size_t plain_at = kNone, trellis_at = kNone;
  static_assert(kPlainStates == limits::kMaxTrellisStates);
  if (parts.trellis && parts.chunk_length() == kPlainChunk) {
    state->plain = plain_tables(state->codec->tables());
    plain_at = blob.append(state->plain.words);
    trellis_at = blob.append(parts.trellis->table());
  }
  const std::optional<size_t> wide_at = append_wide_network(blob, parts.synthesis, state->wide_path);
  NWC_ASSIGN_OR_RETURN(state->memory, DeviceMemory::of(blob.size()));
  std::vector<std::byte> bytes(blob.size());
  blob.write(state->memory.data(), bytes.data());
  NWC_RETURN_IF_ERROR(checked(cudaMemcpy(state->memory.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice),
                              "copying the codec"));
  const auto resolve = [&]<class T>(size_t at) -> const T* {
    return at == kNone ? nullptr : reinterpret_cast<const T*>(state->memory.bytes() + at);
  };
  state->network = resolve.operator()<Network>(network_at);
  state->plain_words = resolve.operator()<uint32_t>(plain_at);
  state->trellis = resolve.operator()<uint8_t>(trellis_at);
  state->wide_network = resolve.operator()<WideNetwork>(wide_at.value_or(kNone));
  for (unsigned level = 0; level < parts.levels(); ++level) {
    state->channels.push_back(resolve.operator()<Channel>(channels_at) + size_t{level} * parts.latents());
    state->small_tables.push_back(resolve.operator()<SmallTables>(tables_at[level]));
    state->small_networks.push_back(resolve.operator()<SmallNetwork>(networks_at[level]));
  }
  return CudaDecoder(std::move(state));
}

}  // namespace nwc
