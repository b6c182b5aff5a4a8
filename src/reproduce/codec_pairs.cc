#include "reproduce/codec_pairs.h"

#include <utility>

namespace nwc {

Result<AblationReport> learned_and_identity(Bench& bench, const Progress& progress) {
  CompressOptions base;
  base.model = bench.options().model;
  base.keep_embeddings = true;
  std::vector<std::filesystem::path> codecs;
  for (const bool identity : {false, true}) {
    for (const double lambda : bench.profile().lambdas) {
      NWC_ASSIGN_OR_RETURN(std::filesystem::path codec, bench.codec(lambda, 1, identity, progress));
      codecs.push_back(std::move(codec));
    }
  }
  return bench.ablate(codec_variants(base, codecs), "learned-and-identity", progress);
}

}  // namespace nwc
