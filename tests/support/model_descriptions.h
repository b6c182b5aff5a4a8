// What the text of a config.json describes, and why it is refused, in tests.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "model/families/family.h"
#include "support/temp_dir.h"

namespace nwc::testing {

// `config` with the first occurrence of `from` replaced.
inline std::string with(std::string config, const std::string& from, const std::string& to) {
  const size_t at = config.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? config : config.replace(at, from.size(), to);
}

inline Result<ModelSpec> described(const std::string& config) {
  const TempDir dir;
  dir.add("config.json", config);
  return describe_model(dir.path());
}

inline Result<EncoderModelSpec> described_encoder(const std::string& config) {
  const TempDir dir;
  dir.add("config.json", config);
  return describe_encoder_model(dir.path());
}

// The error's message, which must stand beside the file's name.
template <class Spec>
std::string refusal(const Result<Spec>& spec) {
  if (spec) return "no error";
  EXPECT_NE(spec.error().file().find("config.json"), std::string::npos) << spec.error().to_string();
  return spec.error().message();
}
inline std::string refusal(const std::string& config) { return refusal(described(config)); }

}  // namespace nwc::testing
