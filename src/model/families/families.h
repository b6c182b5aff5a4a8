// One constant per family, each defined in the file of its name.
#pragma once

#include "model/families/family.h"

namespace nwc {

extern const Family kClip;
extern const Family kDeepseekV2;
extern const Family kDeepseekV3;
extern const Family kDinov2;
extern const Family kGemma2;
extern const Family kGemma3;
extern const Family kGemma3Text;
extern const Family kGlm;
extern const Family kGlm4;
extern const Family kGptOss;
extern const Family kGranite;
extern const Family kLlama;
extern const Family kMinistral;
extern const Family kMistral;
extern const Family kMixtral;
extern const Family kOlmo2;
extern const Family kOlmo3;
extern const Family kPhi3;
extern const Family kQwen2;
extern const Family kQwen3;
extern const Family kQwen3Moe;
extern const Family kSiglip;
extern const Family kSmolLm3;
extern const Family kStarcoder2;

}  // namespace nwc
