#include "compress/layers/trimming.h"

#include <system_error>
#include <utility>

#include "base/exceptions.h"
#include "checkpoint/checkpoint_files.h"
#include "checkpoint/content_hash.h"
#include "checkpoint/index.h"
#include "checkpoint/resumable_directory.h"
#include "checkpoint/side_files.h"
#include "decode/layered_store.h"
#include "nwcodec/inspect.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

Result<RunIdentity> identity_of(const TrimOptions& options, const LayeredStore& store) {
  RunIdentity identity("trim");
  identity.add("layers", std::to_string(options.layers));
  for (size_t l = store.first_own(); l < store.layers().size(); ++l) {
    const std::string of_layer = " of layer " + std::to_string(l + 1);
    const Checkpoint& checkpoint = store.layers()[l].checkpoint();
    NWC_RETURN_IF_ERROR(identity.add_file("codec" + of_layer, checkpoint.directory() / kCodecFileName));
    for (const SafetensorsFile& shard : checkpoint.shards())
      identity.add_hash("weights " + shard.path().filename().string() + of_layer,
                        checksummed_content_hash(shard, options.threads));
  }
  return identity;
}

unsigned layers_in(const fs::path& directory) {
  unsigned layers = 1;
  std::error_code ignored;
  while (fs::is_directory(directory / refinement_folder(layers), ignored)) ++layers;
  return layers;
}

Status copy_layer(const Checkpoint& checkpoint, const fs::path& to, const Progress& progress, uint64_t& bytes) {
  std::vector<std::string> names{std::string(kCodecFileName)};
  if (checkpoint.has_index()) names.emplace_back(kIndexFileName);
  for (const SafetensorsFile& shard : checkpoint.shards()) names.push_back(shard.path().filename().string());
  for (const std::string& name : names) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    NWC_RETURN_IF_ERROR(copy_whole_file(checkpoint.directory() / name, to / name));
    std::error_code ignored;
    if (name != kIndexFileName) bytes += fs::file_size(to / name, ignored);
  }
  return {};
}

Result<TrimReport> trim(const TrimOptions& options, const Progress& progress) {
  const ResumableDirectory::Request request{.path = options.output, .inputs = {options.input}, .force = options.force};
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, ResumableDirectory::lock(request));
  TrimReport report;
  const WeightsOptions choice{.layers = options.layers, .base = options.base, .backend = {}};
  NWC_ASSIGN_OR_RETURN(const CheckpointReport checked, inspect_checkpoint(options.input, true, choice));
  // Layers above may be what is wrong with the checkpoint.
  const Result<CheckpointReport> before =
      inspect_checkpoint(options.input, false, {.layers = {}, .base = options.base, .backend = {}});
  report.input_bytes = before ? before->file_bytes : checked.file_bytes;
  report.layers_before = before ? static_cast<unsigned>(before->layers.size()) : layers_in(options.input);
  NWC_ASSIGN_OR_RETURN(const LayeredStore store, LayeredStore::open(options.input, choice));
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, store));
  NWC_RETURN_IF_ERROR(output.begin(identity));
  const size_t first = store.first_own();
  for (size_t l = first; l < store.layers().size(); ++l) {
    const unsigned number = static_cast<unsigned>(l - first);
    const fs::path to = number == 0 ? output.path() : output.path() / refinement_folder(number);
    NWC_RETURN_IF_ERROR(copy_layer(store.layers()[l].checkpoint(), to, progress, report.output_bytes));
  }
  NWC_ASSIGN_OR_RETURN(report.warnings, copy_side_files(options.input, output.path(), {}));
  if (!before) report.warnings.push_back("layers above are left out unread: " + before.error().to_string());
  if (first > 0)
    report.warnings.push_back("the copy looks for its base where the original did: " +
                              store.layers()[first].difference()->base_path + ", or name it with --base");
  NWC_RETURN_IF_ERROR(output.finish());
  return report;
}

}  // namespace

Result<TrimReport> trim_checkpoint(const TrimOptions& options, const Progress& progress) {
  return catch_exceptions([&] { return trim(options, progress); });
}

}  // namespace nwc
