// Checks every *.safetensors file of a directory: structure, and every byte against the file's own checksums. Works on
// the directory of an unfinished run, which `nwcodec inspect` refuses. codec.safetensors carries no checksums:
// structure only. Prints how many files there are; names the first bad one on stderr and ends with 1.
#include <cstdio>
#include <filesystem>
#include <set>

#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "nwcodec/checkpoint.h"

namespace {

nwc::Status verify(const std::filesystem::path& path) {
  NWC_ASSIGN_OR_RETURN(const nwc::SafetensorsFile file, nwc::SafetensorsFile::open(path));
  if (path.filename() == nwc::kCodecFileName) return {};
  NWC_ASSIGN_OR_RETURN(const nwc::Checksums checksums, nwc::Checksums::of(file));
  for (const nwc::TensorView& tensor : file.tensors()) {
    NWC_RETURN_IF_ERROR(checksums.verify(tensor));
    file.release(tensor);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: verify_shards DIRECTORY\n");
    return 2;
  }
  std::error_code failure;
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], failure)) {
    if (entry.path().extension() == ".safetensors") files.insert(entry.path());
  }
  if (failure) {
    std::fprintf(stderr, "verify_shards: %s: %s\n", argv[1], failure.message().c_str());
    return 1;
  }
  for (const std::filesystem::path& path : files) {
    if (const nwc::Status status = verify(path); !status) {
      std::fprintf(stderr, "verify_shards: %s\n", status.error().to_string().c_str());
      return 1;
    }
  }
  std::printf("%zu\n", files.size());
  return 0;
}
