#include "base/device_name.h"
#include "checkpoint/index.h"
#include "cuda/support/memory.h"
#include "nwcodec/cuda.h"
#include "nwcodec/cuda_checkpoint.h"

namespace nwc {

using namespace cuda;

namespace {

// One piece after another; a tensor's stream is copied once.
class CudaBackend : public DecodeBackend {
 public:
  explicit CudaBackend(CudaDecoder decoder) : decoder_(std::move(decoder)) {}

  Status decode(const Piece& piece, std::span<std::byte> out) override {
    NWC_RETURN_IF_ERROR(checked(cudaSetDevice(decoder_.device()), "choosing a device"));
    if (copied_ != piece.stream.data()) {
      copied_ = nullptr;
      NWC_RETURN_IF_ERROR(at_least(stream_, (piece.stream.size() + 3) / 4 * 4));
      NWC_RETURN_IF_ERROR(
          checked(cudaMemcpy(stream_.data(), piece.stream.data(), piece.stream.size(), cudaMemcpyHostToDevice),
                  "copying a stream"));
      copied_ = piece.stream.data();
    }
    NWC_RETURN_IF_ERROR(at_least(out_, out.size()));
    const CudaTensor tensor{
        piece.name,     piece.stream,
        piece.scales,   piece.levels,
        stream_.data(), out_.data(),
        piece.dtype,    CudaSlice{piece.matrix, piece.row_begin, piece.row_end, piece.column_begin, piece.column_end}};
    NWC_ASSIGN_OR_RETURN(const CudaBatch batch,
                         CudaBatch::plan(decoder_, {&tensor, 1}, {.verify = true, .threads = 0}));
    NWC_RETURN_IF_ERROR(at_least(scratch_, batch.scratch_bytes()));
    NWC_RETURN_IF_ERROR(at_least(staging_, batch.staging_bytes()));
    NWC_RETURN_IF_ERROR(at_least(statuses_, batch.tile_count() * 4));
    NWC_RETURN_IF_ERROR(batch.upload(scratch_.data(), staging_.data(), nullptr));
    NWC_RETURN_IF_ERROR(batch.decode(scratch_.data(), static_cast<uint32_t*>(statuses_.data()), nullptr));
    std::vector<uint32_t> statuses(batch.tile_count());
    NWC_RETURN_IF_ERROR(checked(
        cudaMemcpy(statuses.data(), statuses_.data(), statuses.size() * 4, cudaMemcpyDeviceToHost), "decoding"));
    NWC_RETURN_IF_ERROR(batch.check(statuses));
    return checked(cudaMemcpy(out.data(), out_.data(), out.size(), cudaMemcpyDeviceToHost), "copying weights");
  }

 private:
  CudaDecoder decoder_;
  const std::byte* copied_ = nullptr;  // the stream whose copy is in stream_
  DeviceMemory stream_, out_, scratch_, statuses_;
  PinnedMemory staging_;
};

}  // namespace

Result<std::shared_ptr<DecodeBackend>> cuda_decode_backend(const std::string& device,
                                                           const std::filesystem::path& directory) {
  NWC_ASSIGN_OR_RETURN(const DeviceName name, parse_device_name(device));
  if (!name.cuda) return Error(ErrorCode::kInvalidArgument, "'" + device + "' is no CUDA device");
  NWC_ASSIGN_OR_RETURN(CudaDecoder decoder,
                       CudaDecoder::open(directory / kCodecFileName, name.number_for(0, cuda_device_count())));
  return std::shared_ptr<DecodeBackend>(std::make_shared<CudaBackend>(std::move(decoder)));
}

}  // namespace nwc
