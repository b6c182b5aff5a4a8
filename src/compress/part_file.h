// A finished work item on disk while its run is unfinished: a safetensors file with what a shard will store of the
// item's tensors, plain tensors that take the place of the checkpoint's, and the tensors' reports. Every byte has a
// checksum.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "checkpoint/safetensors_writer.h"
#include "compress/tensor_compressor.h"
#include "compress/tensor_record.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"

namespace nwc {

// What will be written, known beforehand.
struct PartContents {
  std::vector<const TensorView*> compressed;  // in the order of add()
  std::vector<const TensorView*> replaced;    // by tensors of the same shape and dtype
};

// Tensors go to the file as they come. Not thread-safe.
class PartWriter {
 public:
  // `run`: digest of the run's identity. Errors: kIo.
  static Result<PartWriter> create(const std::filesystem::path& path, const std::string& run,
                                   const PartContents& contents, const TensorCompressor& compressor);
  Status add(const CompressedTensor& tensor);
  Status replace(const std::string& name, std::span<const std::byte> values);
  // Of a tensor that was added: may be amended until finish().
  TensorRecord& record_of(const std::string& name);
  // The tensors that replace() must be called for.
  const std::vector<PlannedTensor>& replaced() const { return replaced_; }
  // The file appears under its name; before, nothing does.
  Status finish();

 private:
  PartWriter(SafetensorsWriter writer, std::vector<PlannedTensor> replaced)
      : writer_(std::move(writer)), replaced_(std::move(replaced)) {}
  SafetensorsWriter writer_;
  std::vector<PlannedTensor> replaced_;
  std::vector<TensorRecord> records_;
};

class Part {
 public:
  // Errors: kNotFound if there is no such file; kMismatch for the part of another run; kCorrupt, kIo.
  static Result<Part> open(const std::filesystem::path& path, const std::string& run);

  const SafetensorsFile& file() const { return file_; }
  const std::vector<TensorRecord>& records() const { return records_; }

 private:
  explicit Part(SafetensorsFile file) : file_(std::move(file)) {}
  SafetensorsFile file_;
  std::vector<TensorRecord> records_;
};

// All parts of a run.
class PartStore {
 public:
  PartStore(std::filesystem::path directory, std::string run)
      : directory_(std::move(directory)), run_(std::move(run)) {}
  // The digest that parts carry.
  const std::string& run() const { return run_; }
  std::filesystem::path path_of(size_t item) const;
  // Errors: kIo.
  Status create_directory() const;
  // Errors: those of Part::open().
  Result<Part> find(size_t item) const { return Part::open(path_of(item), run_); }

 private:
  std::filesystem::path directory_;
  std::string run_;
};

}  // namespace nwc
