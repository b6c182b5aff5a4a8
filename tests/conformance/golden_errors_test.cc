// Goldens with one thing wrong, and every checksum around it right: both decoders must refuse each, and the library
// must say what it is. Beside them, oddities that both must accept.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "conformance/mutation.h"
#include "conformance/reference_decoder.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/weights.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::MutableCheckpoint;
using testing::TempDir;

const fs::path kData = NWC_SOURCE_DIR "/tests/data";

nlohmann::json cases_of(const char* file) {
  return nlohmann::json::parse(testing::read_file(kData / "golden_errors" / file));
}

void write_mutated(const nlohmann::json& test, const fs::path& directory) {
  MutableCheckpoint checkpoint(kData / "golden" / test.at("golden").get<std::string>());
  for (const nlohmann::json& mutation : test.at("mutations")) checkpoint.apply(mutation);
  checkpoint.write(directory, test.value("keep", std::set<std::string>()));
}

// Reads every tensor; what each is in its own dtype, by name.
Result<std::map<std::string, std::string>> read_all(const fs::path& directory) {
  std::map<std::string, std::string> tensors;
  NWC_ASSIGN_OR_RETURN(const Weights weights, Weights::open(directory));
  for (const WeightInfo& info : weights.list()) {
    std::string& bytes = tensors[info.name];
    bytes.resize(info.elements() * bits_of(info.dtype) / 8);
    NWC_RETURN_IF_ERROR(weights.read(info.name, info.dtype, std::as_writable_bytes(std::span(bytes))));
  }
  return tensors;
}

// What the reference decoder says against the directory; empty if nothing.
std::string refusal_of_reference(const fs::path& directory) {
  try {
    reference::decode_checkpoint(directory);
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

TEST(GoldenErrors, BothDecodersRefuseEach) {
  const nlohmann::json cases = cases_of("errors.json");
  EXPECT_EQ(cases.size(), 255u);
  std::set<std::string> names;
  for (const nlohmann::json& test : cases) {
    const std::string name = test.at("name");
    SCOPED_TRACE(name);
    EXPECT_TRUE(names.insert(name).second) << "two cases of one name";
    const TempDir directory;
    write_mutated(test, directory.path());
    const auto read = read_all(directory.path());
    EXPECT_NE(refusal_of_reference(directory.path()), "") << "the reference decoder accepts it";
    if (read.ok()) {
      ADD_FAILURE() << "the library accepts it";
      continue;
    }
    const std::string message = read.error().to_string(), expected = test.at("error");
    EXPECT_NE(expected, "") << message;
    EXPECT_NE(message.find(expected), std::string::npos) << message << "\n  lacks: " << expected;
  }
}

TEST(GoldenErrors, BothDecodersAcceptEachOddity) {
  for (const nlohmann::json& test : cases_of("accepted.json")) {
    SCOPED_TRACE(test.at("name").get<std::string>());
    const TempDir directory;
    write_mutated(test, directory.path());
    ASSERT_EQ(refusal_of_reference(directory.path()), "");
    const auto read = read_all(directory.path());
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    const auto wanted = reference::decode_checkpoint(directory.path());
    ASSERT_EQ(read->size(), wanted.size());
    for (const auto& [name, tensor] : wanted) EXPECT_TRUE(read->at(name) == tensor.bytes) << name;
  }
}

// Bytes set at random wherever they mean something: whatever becomes of it, both decoders must come to the same.
TEST(GoldenErrors, BothDecodersAgreeAboutRandomChanges) {
  std::mt19937 random(7);
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  int accepted = 0, refused = 0;
  for (const char* golden : {"blocks", "linear", "minimal", "overflow", "sharded"}) {
    // Tensors by size: those of shards and of the codec, as they stand in the golden.
    std::vector<std::pair<std::string, uint64_t>> tensors;
    for (const auto& entry : fs::directory_iterator(kData / "golden" / golden)) {
      if (entry.path().extension() != ".safetensors") continue;
      const Result<SafetensorsFile> file = SafetensorsFile::open(entry.path());
      ASSERT_TRUE(file.ok());
      for (const TensorView& tensor : file->tensors()) {
        if (!tensor.bytes.empty() && tensor.name != "nwcodec.checksums")
          tensors.emplace_back(tensor.name, tensor.bytes.size());
      }
    }
    for (int round = 0; round < 300; ++round) {
      auto [name, size] = tensors[below(tensors.size())];
      MutableCheckpoint checkpoint(kData / "golden" / golden);
      nlohmann::json mutation;
      char hex[3];
      std::snprintf(hex, sizeof hex, "%02X", static_cast<unsigned>(below(3) == 0 ? below(2) * 255 : below(256)));
      if (name.ends_with(".nwc_stream") && below(4) != 0) {  // in the first tile: its word count and states, or its end
        name.resize(name.size() - std::string(".nwc_stream").size());
        if (below(2) == 0)
          mutation = {{"end_tile", name}, {"tile", 0}, {"drop", 1 + below(3)}, {"hex", hex}};
        else
          mutation = {{"set_tile", name}, {"tile", 0}, {"at", below(14)}, {"hex", hex}};
      } else {
        mutation = {{"set", name},
                    {"at", below(std::min<uint64_t>(size, name.ends_with(".nwc_stream") ? 88 : size))},
                    {"hex", hex}};
      }
      SCOPED_TRACE(std::string(golden) + " " + mutation.dump());
      checkpoint.apply(mutation);
      const TempDir directory;
      checkpoint.write(directory.path(), {});
      const auto read = read_all(directory.path());
      const std::string refusal = refusal_of_reference(directory.path());
      ASSERT_EQ(read.ok(), refusal.empty()) << (read.ok() ? "only the reference decoder refuses it: " + refusal
                                                          : "only the library refuses it: " + read.error().to_string());
      if (!read.ok()) {
        ++refused;
        continue;
      }
      ++accepted;
      for (const auto& [tensor, decoded] : reference::decode_checkpoint(directory.path()))
        ASSERT_TRUE(read->at(tensor) == decoded.bytes) << tensor;
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace nwc
