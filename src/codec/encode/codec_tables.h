// Integer tables of a codec from its density (paper, Section 3.2: the entropy model as the coder uses it).
#pragma once

#include "codec/codec_file.h"
#include "codec/encode/density.h"
#include "codec/encode/encoder_codec.h"

namespace nwc {

// The density of one channel, in binary64.
ChannelDensity channel_density(const DensityWeights& density, uint64_t set, uint64_t channel);

// Tables for `levels` levels; the center of each is the density's median. A set that the levels share gives them equal
// tables.
CodecTables make_codec_tables(const DensityWeights& density, unsigned levels);

}  // namespace nwc
