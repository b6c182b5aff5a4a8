#include <algorithm>
#include <numeric>
#include <set>

#include "calibrate/calibrate.h"
#include "calibrate/effective_tokens.h"
#include "calibrate/hessian_files.h"
#include "checkpoint/content_hash.h"
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

// a becomes (1 - share) a + share b.
void mix(std::span<float> a, std::span<const float> b, double share) {
  for (size_t k = 0; k < a.size(); ++k) a[k] = static_cast<float>((1 - share) * a[k] + share * b[k]);
}

// How many tokens of equal weight both together are worth; not known if one's is not. `shares` as below.
std::vector<float> mixed_effective(const StoredFisher& a, const StoredFisher& b, std::span<const double> shares) {
  std::vector<float> effective;
  if (a.effective.size() != a.matrices || b.effective.size() != b.matrices) return effective;
  for (size_t m = 0; m < a.matrices; ++m) {
    const auto weight = [m](const StoredFisher& f, double share) {
      const auto rows = std::span(f.rows).subspan(m * f.output_features, f.output_features);
      return share * std::accumulate(rows.begin(), rows.end(), 0.0);
    };
    effective.push_back(
        merged_effective_tokens(weight(a, 1 - shares[m]), a.effective[m], weight(b, shares[m]), b.effective[m]));
  }
  return effective;
}

// Fisher factors of the same layer; `shares`: how much of each matrix's tokens are `b`'s.
bool mix(StoredFisher& a, const StoredFisher& b, std::span<const double> shares) {
  if (a.matrices != b.matrices || a.inputs.size() != b.inputs.size() || a.rows.size() != b.rows.size() ||
      a.outputs.size() != b.outputs.size() || shares.size() != a.matrices)
    return false;
  const auto mix_part = [&](std::vector<float>& part, const std::vector<float>& other) {
    const size_t size = part.size() / a.matrices;
    for (size_t m = 0; m < a.matrices; ++m)
      mix(std::span(part).subspan(m * size, size), std::span(other).subspan(m * size, size), shares[m]);
  };
  a.effective = mixed_effective(a, b, shares);
  mix_part(a.inputs, b.inputs);
  mix_part(a.rows, b.rows);
  mix_part(a.outputs, b.outputs);
  return true;
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
    if (found->second.fisher != use.fisher || found->second.lookup != use.lookup) {
      return Error(ErrorCode::kMismatch, "has gradients of other layers than the first: " + name)
          .in_file(path.string())
          .remedy("merge calibrations with gradients, or without");
    }
  }
  if (into.fishers.size() != other.fishers.size()) return mismatch("holds Fisher factors of other layers");
  std::vector<std::vector<double>> shares;  // of each Hessian's matrices: how many of the tokens are `other`'s
  for (size_t i = 0; i < into.hessians.size(); ++i) {
    StoredHessian& a = into.hessians[i];
    const StoredHessian& b = other.hessians[i];
    if (a.features != b.features || a.tokens.size() != b.tokens.size())
      return mismatch("holds Hessians of other shapes");
    std::vector<double>& of_hessian = shares.emplace_back();
    for (size_t m = 0; m < a.tokens.size(); ++m) {
      const double tokens = static_cast<double>(a.tokens[m] + b.tokens[m]);
      of_hessian.push_back(tokens > 0 ? static_cast<double>(b.tokens[m]) / tokens : 0.0);
      const uint64_t size = a.triangle_size();
      mix(std::span(a.triangles).subspan(m * size, size), std::span(b.triangles).subspan(m * size, size),
          of_hessian.back());
      a.tokens[m] += b.tokens[m];
    }
  }
  for (const auto& [name, use] : into.weights) {
    if (!use.fisher) continue;
    for (const std::optional<size_t>& k : {use.fisher, use.lookup}) {
      if (k && !mix(into.fishers[*k], other.fishers[*k], shares[use.hessian]))
        return mismatch("holds Fisher factors of other shapes");
    }
  }
  into.positions += other.positions;
  into.calibration = merged_provenance(into.calibration, other.calibration);
  return {};
}

// The files of the calibrations that have one of this name, in the order of the inputs.
std::vector<fs::path> files_named(const std::string& name, std::span<const HessianStore> stores) {
  std::vector<fs::path> paths;
  for (const HessianStore& store : stores) {
    for (const SafetensorsFile& file : store.files()) {
      if (file.path().filename() == name) paths.push_back(file.path());
    }
  }
  return paths;
}

RunIdentity identity_of(std::span<const HessianStore> stores) {
  RunIdentity identity("calibrate --merge");
  for (size_t i = 0; i < stores.size(); ++i) {
    for (const SafetensorsFile& file : stores[i].files()) {
      const std::string name = "input " + std::to_string(i + 1) + " " + file.path().filename().string();
      identity.add_hash(name, checksummed_content_hash(file, 1));
    }
  }
  return identity;
}

Result<HessianFile> merged_file(std::span<const fs::path> paths) {
  NWC_ASSIGN_OR_RETURN(HessianFile merged, read_hessian_file(paths[0]));
  for (const fs::path& path : paths.subspan(1)) {
    NWC_ASSIGN_OR_RETURN(const HessianFile part, read_hessian_file(path));
    NWC_RETURN_IF_ERROR(merge_into(merged, part, path));
  }
  return merged;
}

}  // namespace

Result<MergeReport> merge_calibrations(std::span<const fs::path> inputs, const fs::path& output_path, bool force) {
  if (inputs.size() < 2) return Error(ErrorCode::kInvalidArgument, "merging takes at least two calibrations");
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, lock_hessians(output_path, {inputs.begin(), inputs.end()}, force));
  std::vector<HessianStore> stores;
  std::set<std::string> names;
  for (const fs::path& input : inputs) {
    NWC_ASSIGN_OR_RETURN(HessianStore store, HessianStore::open(input));
    for (const SafetensorsFile& file : store.files()) names.insert(file.path().filename().string());
    stores.push_back(std::move(store));
  }
  NWC_RETURN_IF_ERROR(output.begin(identity_of(stores)));
  MergeReport report;
  for (const std::string& name : names) {
    const std::vector<fs::path> paths = files_named(name, stores);
    if (paths.size() < inputs.size()) {
      report.warnings.push_back(name + " is in " + std::to_string(paths.size()) + " of the " +
                                std::to_string(inputs.size()) + " calibrations only");
    }
    if (name != kHessianEndsName) ++report.blocks;
    if (output.has_from_earlier_run(name)) {
      const Result<HessianFile> earlier = read_hessian_file(output.path() / name);
      if (earlier) {
        if (name != kHessianEndsName) ++report.blocks_from_earlier_run;
        continue;
      }
      report.warnings.push_back(made_again(earlier.error()));
    }
    NWC_ASSIGN_OR_RETURN(const HessianFile merged, merged_file(paths));
    NWC_RETURN_IF_ERROR(write_hessian_file(output.path() / name, merged));
    output.keep_progress();
  }
  NWC_RETURN_IF_ERROR(merge_sequences(inputs, output.path()));
  NWC_RETURN_IF_ERROR(output.finish());
  return report;
}

}  // namespace nwc
