#include "ablation/ablation.h"

namespace nwc {

std::vector<AblationVariant> normalisation_variants(const CompressOptions& base) {
  std::vector<AblationVariant> variants;
  for (const Normalisation kind : {Normalisation::kColumn, Normalisation::kRow, Normalisation::kBoth,
                                   Normalisation::kTensor, Normalisation::kModel}) {
    AblationVariant& variant = variants.emplace_back(AblationVariant{std::string(name_of(kind)), base});
    variant.options.encode.normalisation.kind = kind;
  }
  return variants;
}

std::vector<AblationVariant> calibration_variants(const CompressOptions& base) {
  std::vector<AblationVariant> variants;
  const auto add = [&](const char* name, auto change) {
    AblationVariant& variant = variants.emplace_back(AblationVariant{name, base});
    change(variant.options);
  };
  add("neither", [](CompressOptions& o) { o.hessians.clear(); });
  add("levels", [](CompressOptions& o) { o.guide.feedback = Feedback::kNone; });
  add("feedback", [](CompressOptions& o) { o.guide.levels = false; });
  add("both", [](CompressOptions&) {});
  add("feedback by blocks of 128", [](CompressOptions& o) { o.guide.levels = false, o.guide.ldl.block_size = 128; });
  add("both by blocks of 128", [](CompressOptions& o) { o.guide.ldl.block_size = 128; });
  add("water filling and feedback",
      [](CompressOptions& o) { o.guide.levels = false, o.guide.steps = StepRule::kWaterFill; });
  return variants;
}

std::vector<AblationVariant> codec_variants(const CompressOptions& base,
                                            const std::vector<std::filesystem::path>& codecs) {
  std::vector<AblationVariant> variants;
  for (const std::filesystem::path& codec : codecs) {
    AblationVariant& variant = variants.emplace_back(AblationVariant{codec.stem().string(), base});
    variant.options.codecs = {codec};
  }
  return variants;
}

}  // namespace nwc
