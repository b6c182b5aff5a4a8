// Any bytes as the files of a compressed checkpoint: refused with a message, or every tensor can be listed, read whole
// and in parts, or is refused then. The codec is sound, that of a golden checkpoint.
//
// The first bytes say how to cut the input up, whether to put sound checksums over the mutated bytes, and whether the
// shard is a refinement's, in a checkpoint that is sound otherwise.
#include <sys/stat.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/hash.h"
#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "codec/codec.h"
#include "fuzz/stream_repair.h"
#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kMaxElements = 1 << 16;  // read per tensor
constexpr const char* kShard = "model-00001-of-00001.safetensors";

void require(bool promise) {
  if (!promise) std::abort();
}

// One directory per process and codec, in memory where there is such a place, removed at its end.
struct Directory {
  // `layered`: the golden is the base, and what is fuzzed its first refinement.
  explicit Directory(const char* golden, bool layered = false) {
    std::string name = fs::exists("/dev/shm") ? "/dev/shm/nwcodec-fuzz-XXXXXX" : "/tmp/nwcodec-fuzz-XXXXXX";
    require(::mkdtemp(name.data()) != nullptr);
    root = path = name;
    const fs::path from = fs::path(NWC_SOURCE_DIR) / "tests/data/golden" / golden;
    const fs::path codec = path / (layered ? "refinement-1" : ".") / nwc::kCodecFileName;
    if (layered) {
      path = root / "refinement-1";
      fs::create_directory(path);
      for (const char* file : {"codec.safetensors", "model.safetensors"}) fs::copy_file(from / file, root / file);
    }
    fs::copy_file((layered ? from / "refinement-1" : from) / nwc::kCodecFileName, codec);
    codec_id = nwc::Codec::open(codec)->id();
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
  fs::path root, path;  // what is opened, and where the input goes
  uint64_t codec_id = 0;
};

void write(const fs::path& path, std::span<const std::byte> bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Sound checksums over every stream and over the file, if it is a safetensors file with room for them.
void repair(Bytes& file, uint64_t codec_id, bool sane) {
  const nwc::Result<nwc::SafetensorsFile> parsed = nwc::SafetensorsFile::parse(file, "shard");
  if (!parsed) return;
  const auto part = [&](const std::string& name) -> std::span<std::byte> {
    const nwc::TensorView* const view = parsed->find(name);
    if (view == nullptr) return {};
    return std::span(file).subspan(view->file_offset, view->bytes.size());
  };
  for (const nwc::TensorView& tensor : parsed->tensors()) {
    if (!tensor.name.ends_with(nwc::kStreamSuffix)) continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - std::strlen(nwc::kStreamSuffix));
    const std::span<std::byte> at = part(tensor.name);
    Bytes stream(at.begin(), at.end());
    nwc::testing::repair_stream(stream, name, codec_id, part(name + nwc::kScalesSuffix),
                                part(name + nwc::kLevelsSuffix), sane);
    if (stream.size() == at.size()) std::copy(stream.begin(), stream.end(), at.begin());
  }
  const std::span<std::byte> sums = part(std::string(nwc::kChecksumTensorName));
  size_t next = 0;
  const auto put = [&](uint64_t sum) {
    if (next + 8 <= sums.size()) nwc::store_le(sums.data() + next, sum);
    next += 8;
  };
  for (const nwc::TensorView& tensor : parsed->tensors()) {
    if (tensor.name != nwc::kChecksumTensorName) put(nwc::xxh3(part(tensor.name)));
  }
  put(nwc::xxh3(parsed->header_bytes()));
}

void read_all(const fs::path& directory, unsigned mode) {
  const nwc::Result<nwc::Weights> weights = nwc::Weights::open(directory);
  if (!weights) {
    require(!weights.error().message().empty());
    return;
  }
  for (const nwc::WeightInfo& info : weights->list()) {
    if (info.elements() > kMaxElements || info.rows() == 0 || info.columns() == 0 || info.elements() == 0) continue;
    const nwc::DType dtype = nwc::is_weight_dtype(info.dtype) ? nwc::DType::kF32 : info.dtype;
    const unsigned bits = nwc::bits_of(dtype);
    Bytes whole(info.elements() * bits / 8);
    const nwc::Status status = weights->read(info.name, dtype, whole, 1);
    // The tensor, or its scales or levels.
    if (!status) require(status.error().tensor().starts_with(info.name) && !status.error().message().empty());
    const nwc::WeightSlice slice{mode % info.matrices(), info.rows() / 3, info.rows(), 0, info.columns()};
    const uint64_t size = (slice.row_end - slice.row_begin) * info.columns() * bits;
    if (size % 8 != 0) continue;
    Bytes part(size / 8);
    const nwc::Status part_status = weights->read(info.name, slice, dtype, part, 1);
    if (!status) continue;
    const uint64_t first = (slice.matrix * info.rows() + slice.row_begin) * info.columns() * bits;
    require(part_status.ok() == (first % 8 == 0));
    if (part_status) require(std::equal(part.begin(), part.end(), whole.begin() + static_cast<ptrdiff_t>(first / 8)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Mode, then the sizes of config.json and the index; the rest is the shard.
  if (size < 4) return 0;
  static const Directory directories[] = {Directory("minimal"), Directory("linear"), Directory("residual"),
                                          Directory("blocks")};
  static const Directory layers("layers", true);
  const unsigned mode = data[0];
  const Directory& directory = (mode & 0x80) != 0 ? layers : directories[mode >> 2 & 3];
  const std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(data) + 4, size - 4);
  const size_t config_bytes = std::min<size_t>(data[1], rest.size());
  const size_t index_bytes = std::min<size_t>(data[2] | data[3] << 8, rest.size() - config_bytes);
  Bytes shard(rest.begin() + static_cast<ptrdiff_t>(config_bytes + index_bytes), rest.end());
  if ((mode & 1) != 0) repair(shard, directory.codec_id, (mode & 2) != 0);

  for (const char* name : {"config.json", "model.safetensors.index.json", kShard, "model.safetensors"}) {
    std::error_code ignored;
    fs::remove(directory.path / name, ignored);
  }
  if (config_bytes > 0) write(directory.path / "config.json", rest.first(config_bytes));
  if (index_bytes > 0) write(directory.path / "model.safetensors.index.json", rest.subspan(config_bytes, index_bytes));
  write(directory.path / (index_bytes > 0 ? kShard : "model.safetensors"), shard);
  read_all(directory.root, mode >> 4 & 7);
  const auto report = nwc::inspect_checkpoint(directory.root, /*verify=*/true);
  if (!report) require(!report.error().message().empty());
  return 0;
}
