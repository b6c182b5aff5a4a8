// Prints the name, dtype and first weight of every float tensor of the checkpoint named on the command line.
#include <nwcodec/decompress.h>
#include <nwcodec/inspect.h>
#include <nwcodec/version.h>
#include <nwcodec/weights.h>

#include <cstdio>
#include <cstring>

int main(int argc, char** argv) {
  std::printf("nwcodec %s\n", NWCODEC_VERSION_STRING);
  if (argc != 2) return 2;
  const nwc::Result<nwc::Weights> weights = nwc::Weights::open(argv[1]);
  if (!weights) {
    std::fprintf(stderr, "%s\n", weights.error().to_string().c_str());
    return 1;
  }
  for (const nwc::WeightInfo& info : weights->list()) {
    if (!nwc::is_weight_dtype(info.dtype) || info.elements() == 0) continue;
    std::byte bytes[4];
    const nwc::WeightSlice corner{.row_end = 1, .column_end = 1};
    if (const nwc::Status status = weights->read(info.name, corner, nwc::DType::kF32, bytes); !status) {
      std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
      return 1;
    }
    float first;
    std::memcpy(&first, bytes, sizeof(first));
    std::printf("%s %s %g\n", info.name.c_str(), std::string(nwc::name_of(info.dtype)).c_str(), first);
  }
}
