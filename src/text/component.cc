#include "text/component.h"

#include "nwcodec/limits.h"
#include "regex/utf8.h"

namespace nwc::text {

Result<Fields> Fields::of(const Json& value, std::string place) {
  if (!value.is_object()) return Error(ErrorCode::kCorrupt, place + " is not a JSON object");
  return Fields(value, std::move(place));
}

Error Fields::error(ErrorCode code, std::string_view what) const {
  return Error(code, place_ + ": " + std::string(what));
}

const Json* Fields::find(std::string_view name) const {
  const auto member = object_->find(std::string(name));
  return member == object_->end() || member->is_null() ? nullptr : &*member;
}

Result<const Json*> Fields::require(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return error(ErrorCode::kCorrupt, "'" + std::string(name) + "' is missing");
  return value;
}

Result<std::vector<const Json*>> Fields::array(std::string_view name) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(name));
  if (!value->is_array()) return error(ErrorCode::kCorrupt, "'" + std::string(name) + "' is not an array");
  std::vector<const Json*> elements;
  elements.reserve(value->size());
  for (const Json& element : *value) elements.push_back(&element);
  return elements;
}

Result<std::string> Fields::string(std::string_view name) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(name));
  if (!value->is_string()) return error(ErrorCode::kCorrupt, "'" + std::string(name) + "' is not a string");
  return value->get_ref<const std::string&>();
}

Result<std::string> Fields::string(std::string_view name, std::string_view absent) const {
  if (find(name) == nullptr) return std::string(absent);
  return string(name);
}

Result<bool> Fields::boolean(std::string_view name) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(name));
  if (!value->is_boolean()) return error(ErrorCode::kCorrupt, "'" + std::string(name) + "' is not true or false");
  return value->get<bool>();
}

Result<bool> Fields::boolean(std::string_view name, bool absent) const {
  if (find(name) == nullptr) return absent;
  return boolean(name);
}

Result<int32_t> Fields::token_id(std::string_view name) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(name));
  return token_id_from(*value, place_ + "." + std::string(name));
}

Result<size_t> Fields::count(std::string_view name, size_t max) const {
  NWC_ASSIGN_OR_RETURN(const Json* value, require(name));
  if (!value->is_number_unsigned() || value->get<uint64_t>() > max) {
    return error(ErrorCode::kCorrupt, "'" + std::string(name) + "' is not an integer from 0 to " + std::to_string(max));
  }
  return static_cast<size_t>(value->get<uint64_t>());
}

Result<std::string> Fields::character(std::string_view name) const {
  NWC_ASSIGN_OR_RETURN(std::string value, string(name));
  if (value.empty() || utf8_length(value[0]) != value.size()) {
    return error(ErrorCode::kCorrupt, "'" + std::string(name) + "' is not one character");
  }
  return value;
}

Result<int32_t> token_id_from(const Json& value, const std::string& place) {
  if (!value.is_number_unsigned()) return Error(ErrorCode::kCorrupt, place + " is not a token id");
  const uint64_t id = value.get<uint64_t>();
  if (id >= static_cast<uint64_t>(limits::kMaxTokenIds)) {
    return Error(ErrorCode::kLimit, place + ": token id " + std::to_string(id) + " is not below the limit of " +
                                        std::to_string(limits::kMaxTokenIds));
  }
  return static_cast<int32_t>(id);
}

}  // namespace nwc::text
