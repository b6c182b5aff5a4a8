#include "calibrate/kept_inputs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "libtorch/available_memory.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// Makes a name as unfinished files have it (base/file.h): a process that is killed before it has removed the name
// leaves a file that the next run takes for what it is. The directory belongs to this run alone.
constexpr const char* kNameEnd = ".scratch.partial";

Error io_error(const fs::path& directory, const char* what) {
  return Error(ErrorCode::kIo, std::string(what) + " the inputs of blocks: " + std::strerror(errno))
      .in_file(directory.string())
      .remedy("make room there, or use fewer or shorter sequences");
}

}  // namespace

uint64_t KeptInputs::memory_beside_gpu() { return std::max(kMemory, available_memory() / 4); }

Status KeptInputs::open_file() {
  const fs::path path = directory_ / ("." + name_ + kNameEnd);
  file_.open(path, std::ios::in | std::ios::out | std::ios::binary | std::ios::trunc);
  if (!file_) return io_error(directory_, "cannot keep");
  std::error_code ignored;
  fs::remove(path, ignored);  // the file stays as long as it is open
  return {};
}

Status KeptInputs::put(size_t block, size_t batch, const at::Tensor& hidden) {
  const uint64_t bytes = hidden.nbytes();
  Place& place = places_[{block, batch}];
  if (!hidden.is_cpu() && used_of_device_ + bytes <= kMemoryOfDevice) {
    used_of_device_ += bytes;
    place.tensor = hidden.detach();
    return {};
  }
  const at::Tensor here = hidden.detach().cpu().contiguous();
  if (used_ + bytes <= memory_) {
    used_ += bytes;
    place.tensor = here;
    return {};
  }
  if (!file_.is_open()) NWC_RETURN_IF_ERROR(open_file());
  place.offset = end_;
  place.shape = here.sizes().vec();
  file_.seekp(static_cast<std::streamoff>(end_));
  file_.write(static_cast<const char*>(here.data_ptr()), static_cast<std::streamsize>(bytes));
  if (!file_.flush()) return io_error(directory_, "cannot keep");
  end_ += bytes;
  return {};
}

Result<at::Tensor> KeptInputs::take(size_t block, size_t batch) {
  const auto found = places_.find({block, batch});
  const Place place = std::move(found->second);
  places_.erase(found);
  if (place.tensor.defined()) {
    (place.tensor.is_cpu() ? used_ : used_of_device_) -= place.tensor.nbytes();
    return place.tensor;
  }
  at::Tensor tensor = torch::empty(place.shape, torch::kFloat32);
  file_.seekg(static_cast<std::streamoff>(place.offset));
  file_.read(static_cast<char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
  if (!file_) return io_error(directory_, "cannot read back");
  return tensor;
}

}  // namespace nwc
