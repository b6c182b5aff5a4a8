// A checkpoint directory in the Hugging Face layout: tensors found through `model.safetensors` or through
// `model.safetensors.index.json`, in shards that are memory-mapped. Plain view only: what a compressed
// checkpoint's tensors mean is nwcodec/weights.h's business.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

struct StoredFormat;

// One tensor of a safetensors file. `bytes` points into the mapping and lives as long as its SafetensorsFile;
// it is aligned to nothing in particular.
struct TensorView {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;       // row-major; empty for a scalar
  std::span<const std::byte> bytes;  // size = product(shape) * bits_of(dtype) / 8, unless `stored` is set
  uint64_t file_offset;              // of bytes[0], for messages and for release()
  // Set, in a Checkpoint only, where the file stores other numbers than those of `dtype`, FP8 with scales for example.
  // `bytes` are then what is stored: Weights::read() gives the numbers.
  std::shared_ptr<const StoredFormat> stored = nullptr;
};

// A safetensors file, opened with every check of the reference reader plus duplicate names (docs/format.md, section 2):
// after open() succeeds, every view lies inside the file, none overlaps another and there is no hole.
class SafetensorsFile {
 public:
  // Errors: kNotFound, kIo, kCorrupt, kLimit (also of memory), kUnsupported (an unknown dtype); each names the file,
  // and the tensor and the byte offset where there is one.
  static Result<SafetensorsFile> open(const std::filesystem::path& path);
  // The same checks on bytes in memory, which must outlive the result; `label` stands for the file name in errors.
  static Result<SafetensorsFile> parse(std::span<const std::byte> bytes, const std::string& label);

  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  // In file order (ascending offset; tensors of size zero that share an offset, in the order of the header).
  const std::vector<TensorView>& tensors() const;
  // nullptr if there is none of that name.
  const TensorView* find(const std::string& name) const;
  // The `__metadata__` map.
  const std::map<std::string, std::string>& metadata() const;
  // The header's bytes as they stand in the file (length prefix and padding included).
  std::span<const std::byte> header_bytes() const;
  // As given to open(), or the label given to parse().
  const std::filesystem::path& path() const;
  // Advises the kernel that a tensor's pages will not be needed again soon. No effect on parse()d bytes.
  void release(const TensorView& tensor) const;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  static Result<SafetensorsFile> parse_checked(std::span<const std::byte> bytes, const std::string& label);
  std::unique_ptr<State> state_;
};

// All shards of a checkpoint directory.
class Checkpoint {
 public:
  // Files are chosen as transformers chooses them: the one that config.json names in `transformers_weights`, else
  // model.safetensors, else those that the index names; codec.safetensors is never one. Each is read whole, in the
  // order of the names, whatever the index says of its tensors: of a tensor in several files the last is taken. A
  // tensor that the index promises must be in one of them.
  //
  // Errors: kNotFound if there is no such directory or no weights in it (the message says what was found instead);
  // kInvalidArgument if it is not a directory; kMismatch where index and shards disagree, or weights and their scales;
  // those of SafetensorsFile.
  static Result<Checkpoint> open(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  // In the order of their names; one for an unsharded checkpoint.
  const std::vector<SafetensorsFile>& shards() const { return shards_; }
  // Whether the files were found through an index.
  bool has_index() const { return has_index_; }
  // The model's tensors that `shard`, one of shards(), holds. They are those of the file, with these exceptions, which
  // a compressed checkpoint (one with a codec.safetensors) does not have:
  //   - FP8 weights are seen as what they stand for, in the dtype that config.json names (BF16 if it names none),
  //     without the tensors that hold their scales; F64 is seen as F32;
  //   - a tensor that a later shard replaces is not there.
  const std::vector<TensorView>& tensors(const SafetensorsFile& shard) const;
  // Whether tensors() decodes weights that config.json's quantization_config describes, and whether it narrows F64.
  bool decodes_quantised() const { return decodes_quantised_; }
  bool narrows_f64() const { return narrows_f64_; }
  // The tensor and the shard that holds it; both nullptr if there is none. `nwcodec.checksums` belongs to its shard,
  // not to the checkpoint: every shard may have one, the index does not list it, and it is not found here.
  struct Location {
    const TensorView* tensor = nullptr;
    const SafetensorsFile* shard = nullptr;
  };
  Location find(const std::string& name) const;
  // Makes tensors() and find() give these instead, for each shard in their order: other views of tensors of the files,
  // or fewer of them.
  void show(std::vector<std::vector<TensorView>> tensors);

  // What a user should know of how the directory is read, a sentence each: weights that are passed over or decoded,
  // tensors that the index does not describe.
  const std::vector<std::string>& notes() const { return notes_; }
  // Names of other safetensors files beside the weights, which nobody reads.
  const std::vector<std::string>& unread_files() const { return unread_files_; }

 private:
  Checkpoint() = default;
  static Result<Checkpoint> open_checked(const std::filesystem::path& directory);
  Status change_tensors(bool decode);

  std::filesystem::path directory_;
  std::vector<SafetensorsFile> shards_;
  std::vector<std::vector<TensorView>> changed_;            // tensors() per shard; empty if they are the files'
  std::unordered_map<std::string_view, Location> by_name_;  // points into shards_ or changed_
  std::vector<std::string> notes_, unread_files_;
  bool has_index_ = false, decodes_quantised_ = false, narrows_f64_ = false;
};

}  // namespace nwc
