// make_golden GOLDEN_DIRECTORY: writes the golden checkpoints and expected.json anew (tests/data/golden/README.md).
// What they must decode to is what the reference decoder says.
#include <fmt/format.h>
#include <xxhash.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "conformance/golden_maker.h"
#include "conformance/reference_decoder.h"

namespace {

std::string hash(const std::string& bytes) { return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size())); }

nlohmann::ordered_json expected_of(const std::filesystem::path& golden) {
  nlohmann::ordered_json expected;
  for (const auto& [name, tensor] : nwc::reference::decode_checkpoint(golden)) {
    nlohmann::ordered_json& entry = expected[name];
    entry["dtype"] = tensor.dtype;
    entry["shape"] = tensor.shape;
    if (!tensor.compressed) entry["bytes"] = hash(tensor.bytes);
    if (!tensor.compressed) continue;
    for (const char* dtype : {"F32", "F16", "BF16"}) entry[dtype] = hash(nwc::reference::convert(tensor.values, dtype));
  }
  return expected;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_golden GOLDEN_DIRECTORY\n");
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  nlohmann::ordered_json expected;
  for (const nwc::testing::GoldenSummary& g : nwc::testing::make_goldens(directory / "codecs", directory)) {
    fmt::print(
        "{}: {} compressed, {} plain, {} tiles ({} short), {} escapes, {} patches, {} with levels, {} with own tables "
        "({} shifted tables), {} transposed, {} batches, {} empty\n",
        g.name, g.compressed, g.plain, g.tiles, g.short_tiles, g.escapes, g.patches, g.with_levels, g.with_own_tables,
        g.shifted_own_tables, g.transposed, g.batches, g.empty);
    expected[g.name] = expected_of(directory / g.name);
  }
  std::ofstream out(directory / "expected.json", std::ios::binary);
  out << expected.dump(1) << "\n";
  return out.flush() ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "make_golden: %s\n", e.what());
  return 1;
}
