#include "cli/compress/decoded_model.h"

#include "checkpoint/checkpoint_path.h"
#include "cli/compress/beside_output.h"
#include "nwcodec/decompress.h"

namespace nwc::cli {

Result<std::unique_ptr<DecodedModel>> DecodedModel::decode(CompressOptions& options, int threads,
                                                           const Progress& progress) {
  const std::filesystem::path place =
      options.output.empty() ? std::filesystem::path(".decoded") : path_beside(options.output, ".decoded");
  NWC_RETURN_IF_ERROR(check_ours(place));
  NWC_ASSIGN_OR_RETURN(ResumableDirectory directory, ResumableDirectory::lock({.path = place}));
  NWC_RETURN_IF_ERROR(directory.begin(RunIdentity("recompress")));
  auto decoded = std::unique_ptr<DecodedModel>(new DecodedModel(std::move(directory)));
  // Whatever a killed run has left there is replaced.
  const DecompressOptions decompression{
      .input = options.model, .output = place / "model", .force = true, .threads = threads};
  NWC_ASSIGN_OR_RETURN(const DecompressReport report, decompress_checkpoint(decompression, progress));
  options.model = decompression.output;
  return decoded;
}

DecodedModel::~DecodedModel() { (void)directory_.remove(); }

}  // namespace nwc::cli
