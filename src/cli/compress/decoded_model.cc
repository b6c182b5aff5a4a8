#include "cli/compress/decoded_model.h"

#include <system_error>
#include <utility>

#include "nwcodec/decompress.h"

namespace nwc::cli {

Result<std::unique_ptr<DecodedModel>> DecodedModel::decode(CompressOptions& options, int threads,
                                                           const Progress& progress) {
  auto decoded =
      std::unique_ptr<DecodedModel>(new DecodedModel(std::filesystem::path(options.output).concat(".decoded")));
  // Whatever a killed run has left there is replaced.
  const DecompressOptions decompression{
      .input = options.model, .output = decoded->path_, .force = true, .threads = threads};
  NWC_ASSIGN_OR_RETURN(const DecompressReport report, decompress_checkpoint(decompression, progress));
  options.model = decoded->path_;
  return decoded;
}

DecodedModel::~DecodedModel() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace nwc::cli
