// Changes to a compressed checkpoint, described in JSON (tests/data/golden_errors/README.md), after which every
// checksum that an attacker could repair is right again: what is left to find the change is the check that the case is
// about.
//
// Takes files apart and puts them together by itself, with no code of the library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace nwc::testing {

class MutableCheckpoint {
 public:
  // Reads a golden. Throws std::exception, here and below, for a mutation that does not fit it: that is a mistake in
  // the test.
  explicit MutableCheckpoint(const std::filesystem::path& directory);

  // One mutation: an object with one of the keys that the README lists.
  void apply(const nlohmann::json& mutation);

  // Puts the files into `directory`. `keep` names the repairs to leave out: "tiles" (checksums of tiles), "head" (of
  // stream headers), "sides" (of scales and levels, in the header), "shard" (nwcodec.checksums), "codec" (its id in
  // streams and config), "index".
  void write(const std::filesystem::path& directory, const std::set<std::string>& keep) const;

 private:
  struct Tile {
    std::string bytes;
    uint32_t checksum;
    std::optional<uint32_t> declared_size;  // if the index is to lie
  };
  struct Stream {
    std::string head, own;  // 96 bytes; own tables
    std::vector<Tile> tiles;
    std::optional<uint32_t> declared_tiles, declared_own;
  };
  struct Tensor {
    std::string name, dtype;
    std::vector<uint64_t> shape;
    std::string bytes;
    std::optional<Stream> stream;  // instead of bytes
  };
  struct File {
    std::map<std::string, std::string> metadata;
    std::vector<Tensor> tensors;  // nwcodec.checksums left out
    bool checksums = false;
  };
  struct Cut {
    std::string file;
    uint64_t at;
    std::optional<std::string> bytes;  // to put there; none: the file ends there
  };

  static File parse(const std::string& bytes);
  static Stream take_apart(const std::string& bytes);
  std::string assemble(const Tensor& tensor, const File& file, bool new_codec, uint64_t codec_id,
                       const std::set<std::string>& keep) const;
  std::string assemble(const File& file, const std::set<std::string>& keep) const;
  Tensor& at(const std::string& name);
  Stream& stream(const std::string& name);
  Tile& tile(const nlohmann::json& mutation, const char* key);

  std::map<std::string, File> files_;         // *.safetensors
  std::map<std::string, std::string> texts_;  // other files
  std::vector<Cut> cuts_;
  std::string checksums_dtype_ = "U64";
  int checksums_extra_ = 0;
  std::optional<size_t> checksums_wrong_;
  std::string codec_, unchanged_codec_;  // codec.safetensors as it was, and as it would be put together
};

}  // namespace nwc::testing
