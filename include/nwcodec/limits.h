// Every limit of the format and of the readers, in one place.
//
// [format] raising it lets a writer make files that older decoders refuse: bump the format version.
// [reader] protects against hostile input only; may be raised freely.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nwc::limits {

// safetensors and JSON
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;  // [reader] bytes; the reference reader's own limit
inline constexpr uint64_t kMaxJsonFile = 256'000'000;           // [reader] bytes of config, index or tokenizer
inline constexpr unsigned kMaxJsonDepth = 64;                   // [reader]
inline constexpr size_t kMaxJsonElements = 4'000'000;           // [reader] values; some 200 bytes of memory each
inline constexpr size_t kMaxTensors = 400'000;                  // [reader] per file or index
inline constexpr size_t kMaxTensorName = 4096;                  // [reader] bytes
inline constexpr size_t kMaxDims = 16;                          // [reader]
inline constexpr size_t kMaxShards = 99'999;                    // [reader] five digits in a shard's name

// text
inline constexpr int32_t kMaxTokenIds = 1 << 24;       // [reader] token ids are below it
inline constexpr size_t kMaxText = size_t{256} << 20;  // [reader] bytes of UTF-8 that one call tokenises
inline constexpr size_t kMaxTextGrowth = 32;  // [reader] a normaliser may lengthen a text so many times (plus 64 KiB)
inline constexpr size_t kMaxRegexPattern = 16'384;      // [reader] bytes
inline constexpr uint64_t kMaxRegexSteps = 1u << 20;    // [reader] backtracking steps in a text, and
inline constexpr uint64_t kMaxRegexStepsPerByte = 16;   // [reader] so many more for each byte of it
inline constexpr uint32_t kMaxRegexDepth = 1u << 19;    // [reader] choices that matching at one position keeps open
inline constexpr uint32_t kMaxRegexMemory = 96u << 20;  // [reader] bytes that it takes for them
inline constexpr unsigned kMaxRegexSeconds = 2;     // [reader] processor time in a text, about; 1 s more per 256 KiB
inline constexpr size_t kMaxAddedToken = 1024;      // [reader] bytes of a token such as "<s>"
inline constexpr size_t kMaxTemplateTokens = 4096;  // [reader] special tokens that are put around a text

// codec
inline constexpr unsigned kMaxLevels = 8;            // [format] importance levels K
inline constexpr unsigned kMaxChunk = 256;           // [format] weights per chunk
inline constexpr unsigned kMaxLatents = 256;         // [format] latent channels per chunk
inline constexpr unsigned kMaxWidth = 4096;          // [format] hidden width of g_a and g_s
inline constexpr unsigned kMaxDepth = 64;            // [format] residual blocks of g_a and g_s
inline constexpr uint64_t kMaxCodecFile = 1u << 30;  // [reader] bytes

// entropy coding
inline constexpr unsigned kPrecisionBits = 12;        // [format] frequencies of a table sum to 1 << kPrecisionBits
inline constexpr unsigned kMaxSymbols = 256;          // [format] symbols of a table, the escape included
inline constexpr unsigned kMaxShift = 15;             // [format] raw low bits of a symbol
inline constexpr unsigned kLanes = 32;                // [format] interleaved rANS states of a tile
inline constexpr unsigned kMaxTrellisStates = 64;     // [format] states of a codec's trellis
inline constexpr unsigned kMaxTileChunks = 1u << 16;  // [format] chunks in a tile
inline constexpr uint64_t kMaxStreamWeights = uint64_t{1} << 40;  // [reader] weights of one tensor

}  // namespace nwc::limits
