#include "guide/hessian_store.h"

#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/quantised/stored_format.h"
#include "checkpoint/resumable_directory.h"
#include "checkpoint/safetensors_writer.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetadataKey = "nwcodec.hessians";
constexpr const char *kFilePrefix = "hessians-", *kFileSuffix = ".safetensors";

Error corrupt(const SafetensorsFile& file, std::string message) {
  return Error(ErrorCode::kCorrupt, std::move(message)).in_file(file.path().string()).remedy("calibrate again");
}

// n with n (n + 1) / 2 numbers; 0 if there is none.
uint64_t features_of(uint64_t triangle) {
  const auto n = static_cast<uint64_t>((std::sqrt(8.0 * static_cast<double>(triangle) + 1) - 1) / 2);
  for (uint64_t candidate = n > 0 ? n - 1 : 0; candidate <= n + 1; ++candidate) {
    if (candidate * (candidate + 1) / 2 == triangle) return candidate;
  }
  return 0;
}

// The JSON in the file's metadata.
Result<Json> list_of(const SafetensorsFile& file) {
  const auto text = file.metadata().find(kMetadataKey);
  if (text == file.metadata().end()) return corrupt(file, "has no list of its Hessians");
  Result<Json> json = parse_json(text->second);
  if (!json || !json->is_object() || !json->contains("weights") || !(*json)["weights"].is_object())
    return corrupt(file, "has a damaged list of its Hessians");
  return json;
}

struct ParsedUse {
  uint64_t number = 0, weight_hash = 0;
  const TensorView *hessian = nullptr, *tokens = nullptr;
};

Result<ParsedUse> parse_use(const SafetensorsFile& file, const Json& use) {
  if (!use.is_object() || !use.contains("hessian") || !use["hessian"].is_number_unsigned() || !use.contains("hash") ||
      !use["hash"].is_string()) {
    return corrupt(file, "has a damaged list of its Hessians");
  }
  const std::string hash = use["hash"].get<std::string>();
  if (hash.size() != 16 || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
    return corrupt(file, "has a damaged list of its Hessians");
  ParsedUse parsed{.number = use["hessian"].get<uint64_t>(), .weight_hash = std::stoull(hash, nullptr, 16)};
  parsed.hessian = file.find("hessian." + std::to_string(parsed.number));
  parsed.tokens = file.find("tokens." + std::to_string(parsed.number));
  const bool sound = parsed.hessian != nullptr && parsed.tokens != nullptr && parsed.hessian->dtype == DType::kF32 &&
                     parsed.hessian->shape.size() == 2 && parsed.tokens->dtype == DType::kI64 &&
                     parsed.tokens->shape.size() == 1 && parsed.tokens->shape[0] == parsed.hessian->shape[0] &&
                     features_of(parsed.hessian->shape[1]) > 0;
  if (!sound)
    return corrupt(file, "Hessian " + std::to_string(parsed.number) + " is missing, or has another dtype or shape");
  return parsed;
}

StoredHessian read_stored(const TensorView& hessian, const TensorView& tokens) {
  StoredHessian stored{.features = features_of(hessian.shape[1])};
  stored.triangles.resize(hessian.bytes.size() / sizeof(float));
  std::memcpy(stored.triangles.data(), hessian.bytes.data(), hessian.bytes.size());
  stored.tokens.resize(tokens.bytes.size() / sizeof(int64_t));
  std::memcpy(stored.tokens.data(), tokens.bytes.data(), tokens.bytes.size());
  return stored;
}

}  // namespace

std::vector<HessianView> StoredHessian::views() const {
  std::vector<HessianView> all;
  for (size_t m = 0; m < tokens.size(); ++m)
    all.push_back({std::span(triangles).subspan(m * triangle_size(), triangle_size()), features});
  return all;
}

Status write_hessian_file(const fs::path& path, const HessianFile& file) {
  std::vector<PlannedTensor> planned;
  for (size_t i = 0; i < file.hessians.size(); ++i) {
    const StoredHessian& h = file.hessians[i];
    planned.push_back({"hessian." + std::to_string(i), DType::kF32, {h.tokens.size(), h.triangle_size()}});
    planned.push_back({"tokens." + std::to_string(i), DType::kI64, {h.tokens.size()}});
  }
  Json weights = Json::object();
  for (const auto& [name, use] : file.weights)
    weights[name] = {{"hessian", use.hessian}, {"hash", hex64(use.weight_hash)}};
  const Json json{{"weights", weights}, {"calibration", file.calibration}};
  NWC_ASSIGN_OR_RETURN(
      SafetensorsWriter writer,
      SafetensorsWriter::create(path, std::move(planned), {}, {{kMetadataKey, json.dump()}}, {.checksums = true}));
  for (size_t i = 0; i < file.hessians.size(); ++i) {
    const StoredHessian& h = file.hessians[i];
    NWC_RETURN_IF_ERROR(writer.write("hessian." + std::to_string(i), 0, std::as_bytes(std::span(h.triangles))));
    NWC_RETURN_IF_ERROR(writer.write("tokens." + std::to_string(i), 0, std::as_bytes(std::span(h.tokens))));
  }
  return writer.finish();
}

Result<HessianFile> read_hessian_file(const fs::path& path) {
  NWC_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::open(path));
  NWC_RETURN_IF_ERROR(verify_file(file));
  NWC_ASSIGN_OR_RETURN(const Json json, list_of(file));
  HessianFile read;
  if (json.contains("calibration")) read.calibration = json["calibration"];
  std::map<uint64_t, std::pair<const TensorView*, const TensorView*>> tensors;
  for (const auto& [name, use] : json["weights"].items()) {
    NWC_ASSIGN_OR_RETURN(const ParsedUse parsed, parse_use(file, use));
    read.weights[name] = {parsed.number, parsed.weight_hash};
    tensors[parsed.number] = {parsed.hessian, parsed.tokens};
  }
  if (!tensors.empty() && tensors.rbegin()->first != tensors.size() - 1)
    return corrupt(file, "skips numbers of Hessians");
  for (const auto& [number, pair] : tensors) read.hessians.push_back(read_stored(*pair.first, *pair.second));
  return read;
}

std::string hessian_file_name(size_t block) {
  const std::string number = std::to_string(block);
  return kFilePrefix + std::string(number.size() < 5 ? 5 - number.size() : 0, '0') + number + kFileSuffix;
}

bool is_hessian_file(std::string_view name) { return name.starts_with(kFilePrefix) && name.ends_with(kFileSuffix); }

Result<Json> read_calibration(const fs::path& path) {
  NWC_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::open(path));
  NWC_RETURN_IF_ERROR(verify_file(file));
  NWC_ASSIGN_OR_RETURN(const Json json, list_of(file));
  return json.contains("calibration") ? json["calibration"] : Json();
}

Result<HessianStore> HessianStore::open(const fs::path& directory) {
  HessianStore store;
  if (ResumableDirectory::is_unfinished(directory)) {
    return Error(ErrorCode::kNotFound, "holds a calibration that is not finished")
        .in_file(directory.string())
        .remedy("repeat the nwcodec calibrate that began it");
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(directory));
  std::vector<fs::path> paths;
  for (const std::string& name : names) {
    if (is_hessian_file(name)) paths.push_back(directory / name);
  }
  if (paths.empty()) {
    return Error(ErrorCode::kNotFound, "holds no Hessians (hessians-*.safetensors)")
        .in_file(directory.string())
        .remedy("make them with nwcodec calibrate");
  }
  store.files_.reserve(paths.size());
  for (const fs::path& path : paths) {
    NWC_ASSIGN_OR_RETURN(SafetensorsFile opened, SafetensorsFile::open(path));
    const SafetensorsFile& file = store.files_.emplace_back(std::move(opened));
    NWC_ASSIGN_OR_RETURN(Checksums checksums, Checksums::of(file));
    store.checksums_.push_back(std::move(checksums));
    NWC_ASSIGN_OR_RETURN(const Json json, list_of(file));
    for (const auto& [name, use] : json["weights"].items()) {
      NWC_ASSIGN_OR_RETURN(const ParsedUse parsed, parse_use(file, use));
      if (!store.weights_
               .emplace(name, Location{store.files_.size() - 1, parsed.hessian, parsed.tokens, parsed.weight_hash})
               .second) {
        return Error(ErrorCode::kMismatch, "has Hessians in two files")
            .in_file(path.string())
            .in_tensor(name)
            .remedy("keep the files of one calibration");
      }
    }
  }
  return store;
}

Result<StoredHessian> HessianStore::find(const TensorView& weight) const {
  const auto found = weights_.find(weight.name);
  if (found == weights_.end()) {
    return Error(ErrorCode::kNotFound, "has no Hessian")
        .in_file(files_[0].path().parent_path().string())
        .in_tensor(weight.name)
        .remedy("calibrate this model; a tensor that its forward pass does not use, leave out with --exclude");
  }
  const Location& location = found->second;
  NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(weight, 1));
  if (xxh3(values.bytes) != location.weight_hash) {
    return Error(ErrorCode::kMismatch, "has the Hessian of other weights")
        .in_file(files_[location.file].path().string())
        .in_tensor(weight.name)
        .remedy("calibrate this model");
  }
  NWC_RETURN_IF_ERROR(checksums_[location.file].verify(*location.hessian));
  NWC_RETURN_IF_ERROR(checksums_[location.file].verify(*location.tokens));
  StoredHessian stored = read_stored(*location.hessian, *location.tokens);
  files_[location.file].release(*location.hessian);
  return stored;
}

}  // namespace nwc
