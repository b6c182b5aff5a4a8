#include "guide/hessian_file.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "base/hash.h"
#include "checkpoint/checksums.h"
#include "checkpoint/safetensors_writer.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetadataKey = "nwcodec.hessians";
constexpr const char *kFilePrefix = "hessians-", *kFileSuffix = ".safetensors";

Error corrupt(const SafetensorsFile& file, std::string message) {
  return Error(ErrorCode::kCorrupt, std::move(message)).in_file(file.path().string()).remedy("calibrate again");
}

uint64_t triangle(uint64_t n) { return n * (n + 1) / 2; }

// n with n (n + 1) / 2 numbers; 0 if there is none.
uint64_t features_of(uint64_t size) {
  const auto n = static_cast<uint64_t>((std::sqrt(8.0 * static_cast<double>(size) + 1) - 1) / 2);
  for (uint64_t candidate = n > 0 ? n - 1 : 0; candidate <= n + 1; ++candidate) {
    if (triangle(candidate) == size) return candidate;
  }
  return 0;
}

// The names of the tensors of Fisher factors `k`.
std::string fisher_name(uint64_t k, const char* part) { return "fisher." + std::to_string(k) + "." + part; }

// The JSON in the file's metadata.
Result<Json> list_of(const SafetensorsFile& file) {
  const auto text = file.metadata().find(kMetadataKey);
  if (text == file.metadata().end()) return corrupt(file, "has no list of its Hessians");
  Result<Json> json = parse_json(text->second);
  if (!json || !json->is_object() || !json->contains("weights") || !(*json)["weights"].is_object())
    return corrupt(file, "has a damaged list of its Hessians");
  return json;
}

bool is_matrix_of_floats(const TensorView* tensor, uint64_t rows) {
  return tensor != nullptr && tensor->dtype == DType::kF32 && tensor->shape.size() == 2 && tensor->shape[0] == rows &&
         tensor->shape[1] > 0;
}

// Absent, or of this shape.
bool is_absent_or_vector(const TensorView* tensor, uint64_t size) {
  return tensor == nullptr || (tensor->dtype == DType::kF32 && tensor->shape.size() == 1 && tensor->shape[0] == size);
}

Status find_fisher(const SafetensorsFile& file, uint64_t number, HessianEntry& entry) {
  entry.fisher_number = number;
  entry.fisher_inputs = file.find(fisher_name(number, "inputs"));
  entry.fisher_rows = file.find(fisher_name(number, "rows"));
  entry.fisher_outputs = file.find(fisher_name(number, "outputs"));
  entry.fisher_effective = file.find(fisher_name(number, "effective"));
  const uint64_t matrices = entry.hessian->shape[0];
  bool sound = is_matrix_of_floats(entry.fisher_inputs, matrices) && is_matrix_of_floats(entry.fisher_rows, matrices) &&
               entry.fisher_inputs->shape[1] == entry.hessian->shape[1] &&
               is_absent_or_vector(entry.fisher_effective, matrices);
  if (sound && entry.fisher_outputs != nullptr) {
    sound = is_matrix_of_floats(entry.fisher_outputs, matrices) &&
            features_of(entry.fisher_outputs->shape[1]) == entry.fisher_rows->shape[1];
  }
  if (sound) return {};
  return corrupt(file, "Fisher factors " + std::to_string(number) + " are missing, or have another dtype or shape");
}

Status find_lookup(const SafetensorsFile& file, uint64_t number, HessianEntry& entry) {
  entry.lookup_number = number;
  entry.lookup_inputs = file.find(fisher_name(number, "inputs"));
  entry.lookup_rows = file.find(fisher_name(number, "rows"));
  entry.lookup_effective = file.find(fisher_name(number, "effective"));
  if (entry.fisher_number && is_matrix_of_floats(entry.lookup_inputs, 1) && is_matrix_of_floats(entry.lookup_rows, 1) &&
      is_absent_or_vector(entry.lookup_effective, 1) && entry.lookup_inputs->shape == entry.fisher_inputs->shape &&
      entry.lookup_rows->shape == entry.fisher_rows->shape)
    return {};
  return corrupt(file, "Fisher factors " + std::to_string(number) + " of a look-up are missing, or have another shape");
}

Result<HessianEntry> parse_entry(const SafetensorsFile& file, const Json& use) {
  if (!use.is_object() || !use.contains("hessian") || !use["hessian"].is_number_unsigned() || !use.contains("hash") ||
      !use["hash"].is_string() || (use.contains("fisher") && !use["fisher"].is_number_unsigned()) ||
      (use.contains("lookup") && !use["lookup"].is_number_unsigned()) ||
      (use.contains("end") && !use["end"].is_boolean())) {
    return corrupt(file, "has a damaged list of its Hessians");
  }
  const std::string hash = use["hash"].get<std::string>();
  if (hash.size() != 16 || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
    return corrupt(file, "has a damaged list of its Hessians");
  HessianEntry entry{.hessian_number = use["hessian"].get<uint64_t>(), .weight_hash = std::stoull(hash, nullptr, 16)};
  entry.hessian = file.find("hessian." + std::to_string(entry.hessian_number));
  entry.tokens = file.find("tokens." + std::to_string(entry.hessian_number));
  const bool sound = entry.hessian != nullptr && entry.tokens != nullptr && entry.hessian->dtype == DType::kF32 &&
                     entry.hessian->shape.size() == 2 && entry.tokens->dtype == DType::kI64 &&
                     entry.tokens->shape.size() == 1 && entry.tokens->shape[0] == entry.hessian->shape[0] &&
                     features_of(entry.hessian->shape[1]) > 0;
  if (!sound) {
    return corrupt(file,
                   "Hessian " + std::to_string(entry.hessian_number) + " is missing, or has another dtype or shape");
  }
  if (use.contains("fisher")) NWC_RETURN_IF_ERROR(find_fisher(file, use["fisher"].get<uint64_t>(), entry));
  if (use.contains("lookup")) NWC_RETURN_IF_ERROR(find_lookup(file, use["lookup"].get<uint64_t>(), entry));
  entry.end = use.contains("end") && use["end"].get<bool>();
  return entry;
}

template <class T>
std::vector<T> numbers_of(const TensorView& tensor) {
  std::vector<T> numbers(tensor.bytes.size() / sizeof(T));
  std::memcpy(numbers.data(), tensor.bytes.data(), tensor.bytes.size());
  return numbers;
}

// What was found by number, read: all numbers from 0 on.
template <class Stored>
Result<std::vector<Stored>> numbered(const SafetensorsFile& file,
                                     const std::map<uint64_t, std::function<Stored()>>& found, const char* what) {
  if (!found.empty() && found.rbegin()->first != found.size() - 1)
    return corrupt(file, std::string("skips numbers of ") + what);
  std::vector<Stored> all;
  for (const auto& [number, read] : found) all.push_back(read());
  return all;
}

std::vector<PlannedTensor> planned_tensors(const HessianFile& file) {
  std::vector<PlannedTensor> planned;
  for (size_t i = 0; i < file.hessians.size(); ++i) {
    const StoredHessian& h = file.hessians[i];
    planned.push_back({"hessian." + std::to_string(i), DType::kF32, {h.tokens.size(), h.triangle_size()}});
    planned.push_back({"tokens." + std::to_string(i), DType::kI64, {h.tokens.size()}});
  }
  for (size_t k = 0; k < file.fishers.size(); ++k) {
    const StoredFisher& f = file.fishers[k];
    planned.push_back({fisher_name(k, "inputs"), DType::kF32, {f.matrices, triangle(f.features)}});
    planned.push_back({fisher_name(k, "rows"), DType::kF32, {f.matrices, f.output_features}});
    if (!f.outputs.empty())
      planned.push_back({fisher_name(k, "outputs"), DType::kF32, {f.matrices, triangle(f.output_features)}});
    if (!f.effective.empty()) planned.push_back({fisher_name(k, "effective"), DType::kF32, {f.effective.size()}});
  }
  return planned;
}

}  // namespace

std::vector<HessianView> StoredHessian::views() const {
  std::vector<HessianView> all;
  for (size_t m = 0; m < tokens.size(); ++m)
    all.push_back({std::span(triangles).subspan(m * triangle_size(), triangle_size()), features});
  return all;
}

StoredHessian HessianEntry::read_hessian() const {
  return {features_of(hessian->shape[1]), read_tokens(), numbers_of<float>(*hessian)};
}

std::vector<int64_t> HessianEntry::read_tokens() const { return numbers_of<int64_t>(*tokens); }

StoredFisher HessianEntry::read_fisher() const {
  StoredFisher stored{.matrices = fisher_rows->shape[0],
                      .features = features_of(fisher_inputs->shape[1]),
                      .output_features = fisher_rows->shape[1],
                      .inputs = numbers_of<float>(*fisher_inputs),
                      .rows = numbers_of<float>(*fisher_rows),
                      .outputs = {}};
  if (fisher_outputs != nullptr) stored.outputs = numbers_of<float>(*fisher_outputs);
  if (fisher_effective != nullptr) stored.effective = numbers_of<float>(*fisher_effective);
  return stored;
}

StoredFisher HessianEntry::read_lookup() const {
  StoredFisher stored{.matrices = 1,
                      .features = features_of(lookup_inputs->shape[1]),
                      .output_features = lookup_rows->shape[1],
                      .inputs = numbers_of<float>(*lookup_inputs),
                      .rows = numbers_of<float>(*lookup_rows),
                      .outputs = {}};
  if (lookup_effective != nullptr) stored.effective = numbers_of<float>(*lookup_effective);
  return stored;
}

Result<HessianIndex> index_of(const SafetensorsFile& file) {
  NWC_ASSIGN_OR_RETURN(const Json json, list_of(file));
  HessianIndex index;
  for (const auto& [name, use] : json["weights"].items()) {
    NWC_ASSIGN_OR_RETURN(index.weights[name], parse_entry(file, use));
  }
  if (json.contains("positions")) {
    if (!json["positions"].is_number_unsigned()) return corrupt(file, "has a damaged list of its Hessians");
    index.positions = json["positions"].get<int64_t>();
  }
  if (json.contains("calibration")) index.calibration = json["calibration"];
  return index;
}

Status write_hessian_file(const fs::path& path, const HessianFile& file) {
  Json weights = Json::object();
  for (const auto& [name, use] : file.weights) {
    weights[name] = {{"hessian", use.hessian}, {"hash", hex64(use.weight_hash)}};
    if (use.fisher) weights[name]["fisher"] = *use.fisher;
    if (use.lookup) weights[name]["lookup"] = *use.lookup;
    if (use.end) weights[name]["end"] = true;
  }
  Json json{{"weights", weights}, {"calibration", file.calibration}};
  if (file.positions > 0) json["positions"] = file.positions;
  NWC_ASSIGN_OR_RETURN(
      SafetensorsWriter writer,
      SafetensorsWriter::create(path, planned_tensors(file), {}, {{kMetadataKey, json.dump()}}, {.checksums = true}));
  const auto write = [&](const std::string& name, const auto& numbers) {
    return writer.write(name, 0, std::as_bytes(std::span(numbers)));
  };
  for (size_t i = 0; i < file.hessians.size(); ++i) {
    NWC_RETURN_IF_ERROR(write("hessian." + std::to_string(i), file.hessians[i].triangles));
    NWC_RETURN_IF_ERROR(write("tokens." + std::to_string(i), file.hessians[i].tokens));
  }
  for (size_t k = 0; k < file.fishers.size(); ++k) {
    const StoredFisher& f = file.fishers[k];
    NWC_RETURN_IF_ERROR(write(fisher_name(k, "inputs"), f.inputs));
    NWC_RETURN_IF_ERROR(write(fisher_name(k, "rows"), f.rows));
    if (!f.outputs.empty()) NWC_RETURN_IF_ERROR(write(fisher_name(k, "outputs"), f.outputs));
    if (!f.effective.empty()) NWC_RETURN_IF_ERROR(write(fisher_name(k, "effective"), f.effective));
  }
  return writer.finish();
}

Result<HessianFile> read_hessian_file(const fs::path& path) {
  NWC_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::open(path));
  NWC_RETURN_IF_ERROR(verify_file(file));
  NWC_ASSIGN_OR_RETURN(const HessianIndex index, index_of(file));
  HessianFile read{{}, {}, {}, index.positions, index.calibration};
  std::map<uint64_t, std::function<StoredHessian()>> hessians;
  std::map<uint64_t, std::function<StoredFisher()>> fishers;
  for (const auto& [name, entry] : index.weights) {
    read.weights[name] = {entry.hessian_number, entry.weight_hash, entry.fisher_number, entry.lookup_number, entry.end};
    const HessianEntry* const e = &entry;
    hessians[entry.hessian_number] = [e] { return e->read_hessian(); };
    if (entry.fisher_number) fishers[*entry.fisher_number] = [e] { return e->read_fisher(); };
    if (entry.lookup_number) fishers[*entry.lookup_number] = [e] { return e->read_lookup(); };
  }
  NWC_ASSIGN_OR_RETURN(read.hessians, numbered(file, hessians, "Hessians"));
  NWC_ASSIGN_OR_RETURN(read.fishers, numbered(file, fishers, "Fisher factors"));
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

}  // namespace nwc
