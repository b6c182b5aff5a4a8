// One constant per family, each defined in the file of its name.
#pragma once

#include "model/families/family.h"

namespace nwc {

extern const Family kClip;
extern const Family kDinov2;
extern const Family kGemma3;
extern const Family kGemma3Text;
extern const Family kGptOss;
extern const Family kLlama;
extern const Family kMistral;
extern const Family kMixtral;
extern const Family kQwen2;
extern const Family kQwen3;
extern const Family kQwen3Moe;
extern const Family kSiglip;

}  // namespace nwc
