// Which codec compresses a checkpoint, with which gain and tables.
#pragma once

#include <cstdint>
#include <filesystem>

#include "codec/encode/encoder_codec.h"
#include "compress/compress.h"
#include "compress/compress_plan.h"

namespace nwc {

struct ChosenCodec {
  std::filesystem::path path;  // "none" without a transform
  uint64_t content = 0;        // hash of that file
  EncoderCodec codec;          // with a rate, its tables are fitted to the checkpoint
  double gain = 1.0;
};

// Where steps follow sensitivity: a codec without a transform, its tables about those of this rate.
EncoderCodec codec_by_sensitivity(const EncodeOptions& encode, double bits);

// The only codec, or the one that hits the rate best (compress/rate/rate_control.h). `encode`: the options' with the
// model's statistics; `guides`: null without Hessians; with steps by sensitivity, its centre is set. Errors: those of
// reading codecs and of rate control.
Result<ChosenCodec> choose_codec(const CompressOptions& options, const EncodeOptions& encode, const CompressPlan& plan,
                                 const Selection& selection, GuideSource* guides, Team& team, const Progress& progress);

}  // namespace nwc
