// Hessians that know nothing: every input has variance 1, and none goes with another.
#pragma once

#include <filesystem>
#include <stdexcept>

#include "base/hash.h"
#include "guide/hessian_file.h"
#include "methods/method_model.h"

namespace nwc::testing {

// Of all linear weights of a model, written to `directory`, which exists. Throws on errors.
inline void write_identity_hessians(const std::filesystem::path& model, const std::filesystem::path& directory) {
  const Result<MethodModel> opened = MethodModel::open(model, {}, {}, 1, {});
  if (!opened) throw std::runtime_error(opened.error().to_string());
  HessianFile file;
  for (const WorkItem& block : opened->blocks()) {
    for (const WorkItem::Member& member : block.members) {
      const Result<WeightMatrix> w = opened->load(*member.tensor);
      if (!w) throw std::runtime_error(w.error().to_string());
      StoredHessian hessian{.features = w->columns, .tokens = {1000}, .triangles = {}};
      for (uint64_t i = 0; i < w->columns; ++i) {
        for (uint64_t j = 0; j <= i; ++j) hessian.triangles.push_back(i == j ? 1.0f : 0.0f);
      }
      file.weights[w->name] = {.hessian = file.hessians.size(), .weight_hash = xxh3(w->bytes)};
      file.hessians.push_back(std::move(hessian));
    }
  }
  file.calibration = Json::object();
  const Status written = write_hessian_file(directory / hessian_file_name(0), file);
  if (!written) throw std::runtime_error(written.error().to_string());
}

}  // namespace nwc::testing
