#include <algorithm>
#include <cstring>

#include "calibrate/calibrate.h"
#include "guide/calibration_sequences.h"
#include "guide/hessian_store.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// Where they came from, one after another.
Json merged_provenance(const Json& a, const Json& b) {
  Json merged = Json::array();
  for (const Json* part : {&a, &b}) {
    if (part->contains("merged")) {
      for (const Json& each : (*part)["merged"]) merged.push_back(each);
    } else {
      merged.push_back(*part);
    }
  }
  return {{"merged", merged}};
}

// Calibrations made by older versions have no sequences; then the merged one has none either.
Status merge_sequences(std::span<const fs::path> inputs, const fs::path& output) {
  CalibrationSequences all;
  for (const fs::path& input : inputs) {
    Result<CalibrationSequences> part = read_sequences(sequences_file(input));
    if (!part && part.error().code() == ErrorCode::kNotFound) return {};
    if (!part) return std::move(part).error();
    all.calibration = all.texts.empty() ? part->calibration : merged_provenance(all.calibration, part->calibration);
    for (auto& text : part->texts) all.texts.push_back(std::move(text));
  }
  return write_sequences(sequences_file(output), all);
}

// Adds `other`'s second moments to those of `into`, each weighted by its tokens.
Status merge_into(HessianFile& into, const HessianFile& other, const fs::path& path) {
  const auto mismatch = [&](const std::string& why) {
    return Error(ErrorCode::kMismatch, why).in_file(path.string()).remedy("merge calibrations of one model");
  };
  if (into.hessians.size() != other.hessians.size() || into.weights.size() != other.weights.size())
    return mismatch("holds the Hessians of other layers");
  for (const auto& [name, use] : into.weights) {
    const auto found = other.weights.find(name);
    if (found == other.weights.end() || found->second.hessian != use.hessian ||
        found->second.weight_hash != use.weight_hash) {
      return mismatch("holds Hessians of other weights: " + name);
    }
  }
  for (size_t i = 0; i < into.hessians.size(); ++i) {
    StoredHessian& a = into.hessians[i];
    const StoredHessian& b = other.hessians[i];
    if (a.features != b.features || a.tokens.size() != b.tokens.size())
      return mismatch("holds Hessians of other shapes");
    for (size_t m = 0; m < a.tokens.size(); ++m) {
      const double tokens = static_cast<double>(a.tokens[m] + b.tokens[m]);
      const double share = tokens > 0 ? static_cast<double>(b.tokens[m]) / tokens : 0.0;
      for (uint64_t k = m * a.triangle_size(); k < (m + 1) * a.triangle_size(); ++k) {
        a.triangles[k] = static_cast<float>((1 - share) * a.triangles[k] + share * b.triangles[k]);
      }
      a.tokens[m] += b.tokens[m];
    }
  }
  into.calibration = merged_provenance(into.calibration, other.calibration);
  return {};
}

}  // namespace

Status merge_calibrations(std::span<const fs::path> inputs, const fs::path& output, bool force) {
  if (inputs.size() < 2) return Error(ErrorCode::kInvalidArgument, "merging takes at least two calibrations");
  std::error_code error;
  fs::create_directories(output, error);
  if (error) return Error(ErrorCode::kIo, "cannot be created: " + error.message()).in_file(output.string());
  NWC_ASSIGN_OR_RETURN(const HessianStore first, HessianStore::open(inputs[0]));
  for (const SafetensorsFile& file : first.files()) {
    const fs::path name = file.path().filename();
    if (fs::exists(output / name, error) && !force)
      return Error(ErrorCode::kExists, "exists")
          .in_file((output / name).string())
          .remedy("choose another directory, or pass --force");
    NWC_ASSIGN_OR_RETURN(HessianFile merged, read_hessian_file(file.path()));
    for (const fs::path& other : inputs.subspan(1)) {
      NWC_ASSIGN_OR_RETURN(const HessianFile part, read_hessian_file(other / name));
      NWC_RETURN_IF_ERROR(merge_into(merged, part, other / name));
    }
    NWC_RETURN_IF_ERROR(write_hessian_file(output / name, merged));
  }
  return merge_sequences(inputs, output);
}

}  // namespace nwc
