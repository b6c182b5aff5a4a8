// config.json, read key by key: every access says what it expects, and every error names the file and the key.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc {

// One JSON object of a configuration file. Keys that are null count as absent; what that means is the family's business
// (config_keys.h). A whole number may be written as a float (32.0) and a float as an integer. A float that is not
// finite may be written as Python's word or, as transformers writes it, as {"__float__": "Infinity"}. Errors of all
// readers: kNotFound for a missing key, kCorrupt for a wrong type or a value out of range.
class ConfigObject {
 public:
  // Reads a file, or text whose name in errors is `label`; the top level must be an object.
  static Result<ConfigObject> open(const std::filesystem::path& file);
  static Result<ConfigObject> parse(std::string_view text, const std::string& label);

  bool has(std::string_view key) const;
  // Whether the key is written down, if only as null; for defaults that null switches off.
  bool mentions(std::string_view key) const { return object_->contains(std::string(key)); }

  // The value must lie in [min, max]. With a fallback an absent key is no error.
  Result<int64_t> integer(std::string_view key, int64_t min, int64_t max) const;
  Result<int64_t> integer(std::string_view key, int64_t min, int64_t max, int64_t fallback) const;
  Result<double> number(std::string_view key, double min, double max) const;
  Result<double> number(std::string_view key, double min, double max, double fallback) const;
  Result<bool> boolean(std::string_view key, bool fallback) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::string> string(std::string_view key, std::string_view fallback) const;
  // An integer or an array of integers; empty if absent.
  Result<std::vector<int64_t>> integers(std::string_view key, int64_t min, int64_t max) const;
  // An array of numbers; empty if absent.
  Result<std::vector<double>> numbers(std::string_view key, double min, double max) const;
  // An array of strings; empty if absent.
  Result<std::vector<std::string>> strings(std::string_view key) const;
  // A nested object, whose errors name the whole path ("rope_parameters.factor").
  Result<ConfigObject> object(std::string_view key) const;

  // The object itself, and the same place of the same file with other contents: for what completes a configuration.
  const Json& json() const { return *object_; }
  ConfigObject with(Json contents) const;

  // An error about one key of this object.
  Error error(ErrorCode code, std::string_view key, std::string_view what) const;

 private:
  ConfigObject(std::shared_ptr<const Json> root, const Json* object, std::string file, std::string prefix)
      : root_(std::move(root)), object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}
  const Json* find(std::string_view key) const;
  Result<const Json*> require(std::string_view key) const;

  std::shared_ptr<const Json> root_;  // owns *object_
  const Json* object_;
  std::string file_;
  std::string prefix_;  // of the keys in errors; "" or "parent."
};

}  // namespace nwc
