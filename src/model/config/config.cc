#include "model/config/config.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "base/file.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

// Beyond it not every integer is a double.
constexpr double kMaxExactInteger = 9007199254740992;  // 2^53

std::optional<int64_t> as_integer(const Json& value) {
  if (value.is_number_float()) {
    const double x = value.get<double>();
    if (std::abs(x) > kMaxExactInteger || x != std::floor(x)) return std::nullopt;
    return static_cast<int64_t>(x);
  }
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<int64_t>();
}

std::optional<double> as_number(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_object() || value.size() != 1 || !value.contains("__float__")) return std::nullopt;
  const Json& word = value["__float__"];
  if (word == "Infinity") return std::numeric_limits<double>::infinity();
  if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

}  // namespace

Result<ConfigObject> ConfigObject::open(const std::filesystem::path& file) {
  NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(file, limits::kMaxJsonFile));
  return parse(text, file.string());
}

Result<ConfigObject> ConfigObject::parse(std::string_view text, const std::string& label) {
  Result<Json> json = parse_json(text, JsonDialect::kPython);
  if (!json) return std::move(json).error().in_file(label);
  if (!json->is_object()) return Error(ErrorCode::kCorrupt, "is not a JSON object").in_file(label);
  auto root = std::make_shared<const Json>(*std::move(json));
  const Json* object = root.get();
  return ConfigObject(std::move(root), object, label, "");
}

ConfigObject ConfigObject::with(Json contents) const {
  auto root = std::make_shared<const Json>(std::move(contents));
  const Json* object = root.get();
  return ConfigObject(std::move(root), object, file_, prefix_);
}

Error ConfigObject::error(ErrorCode code, std::string_view key, std::string_view what) const {
  return Error(code, fmt::format("key '{}{}' {}", prefix_, key, what)).in_file(file_);
}

const Json* ConfigObject::find(std::string_view key) const {
  const auto it = object_->find(std::string(key));
  return it == object_->end() || it->is_null() ? nullptr : &*it;
}

bool ConfigObject::has(std::string_view key) const { return find(key) != nullptr; }

Result<const Json*> ConfigObject::require(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return error(ErrorCode::kNotFound, key, "is missing");
  return value;
}

Result<int64_t> ConfigObject::integer(std::string_view key, int64_t min, int64_t max) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(key));
  const std::optional<int64_t> n = as_integer(*value);
  if (!n) return error(ErrorCode::kCorrupt, key, "is not an integer");
  if (*n < min || *n > max) {
    return error(ErrorCode::kCorrupt, key, fmt::format("is {}; it must lie between {} and {}", *n, min, max));
  }
  return *n;
}

Result<int64_t> ConfigObject::integer(std::string_view key, int64_t min, int64_t max, int64_t fallback) const {
  if (!has(key)) return fallback;
  return integer(key, min, max);
}

Result<double> ConfigObject::number(std::string_view key, double min, double max) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(key));
  const std::optional<double> x = as_number(*value);
  if (!x) return error(ErrorCode::kCorrupt, key, "is not a number");
  if (!(*x >= min && *x <= max)) {
    return error(ErrorCode::kCorrupt, key, fmt::format("is {}; it must lie between {} and {}", *x, min, max));
  }
  return *x;
}

Result<double> ConfigObject::number(std::string_view key, double min, double max, double fallback) const {
  if (!has(key)) return fallback;
  return number(key, min, max);
}

Result<bool> ConfigObject::boolean(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return error(ErrorCode::kCorrupt, key, "is neither true nor false");
  return value->get<bool>();
}

Result<std::string> ConfigObject::string(std::string_view key) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(key));
  if (!value->is_string()) return error(ErrorCode::kCorrupt, key, "is not a string");
  return value->get<std::string>();
}

Result<std::string> ConfigObject::string(std::string_view key, std::string_view fallback) const {
  if (!has(key)) return std::string(fallback);
  return string(key);
}

Result<std::vector<int64_t>> ConfigObject::integers(std::string_view key, int64_t min, int64_t max) const {
  const Json* value = find(key);
  if (value == nullptr) return std::vector<int64_t>{};
  std::vector<int64_t> list;
  const auto append = [&](const Json& item) {
    const std::optional<int64_t> n = as_integer(item);
    if (!n || *n < min || *n > max) return false;
    list.push_back(*n);
    return true;
  };
  bool ok = true;
  if (value->is_array()) {
    for (const Json& item : *value) ok = ok && append(item);
  } else {
    ok = append(*value);
  }
  if (!ok) {
    return error(ErrorCode::kCorrupt, key,
                 fmt::format("must be an integer, or a list of them, between {} and {}", min, max));
  }
  return list;
}

Result<std::vector<double>> ConfigObject::numbers(std::string_view key, double min, double max) const {
  const Json* value = find(key);
  if (value == nullptr) return std::vector<double>{};
  if (!value->is_array()) return error(ErrorCode::kCorrupt, key, "is not a list");
  std::vector<double> list;
  for (const Json& item : *value) {
    const double x = as_number(item).value_or(std::numeric_limits<double>::quiet_NaN());
    if (!(x >= min && x <= max)) {
      return error(ErrorCode::kCorrupt, key, fmt::format("must be a list of numbers between {} and {}", min, max));
    }
    list.push_back(x);
  }
  return list;
}

Result<std::vector<std::string>> ConfigObject::strings(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::vector<std::string>{};
  if (!value->is_array()) return error(ErrorCode::kCorrupt, key, "is not a list");
  std::vector<std::string> list;
  for (const Json& item : *value) {
    if (!item.is_string()) return error(ErrorCode::kCorrupt, key, "holds something that is not a string");
    list.push_back(item.get<std::string>());
  }
  return list;
}

Result<ConfigObject> ConfigObject::object(std::string_view key) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(key));
  if (!value->is_object()) return error(ErrorCode::kCorrupt, key, "is not an object");
  return ConfigObject(root_, value, file_, fmt::format("{}{}.", prefix_, key));
}

}  // namespace nwc
