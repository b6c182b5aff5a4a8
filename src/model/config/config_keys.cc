#include "model/config/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

namespace nwc {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::optional<int64_t> width_at(const ConfigObject& config, std::string_view key) {
  const Result<int64_t> width = config.integer(key, 1, INT32_MAX);
  return width ? std::optional(*width) : std::nullopt;
}

// Sizes that are wrong themselves are refused where they are read.
Json width_per_head(const ConfigObject& config) {
  const std::optional<int64_t> hidden = width_at(config, "hidden_size");
  const std::optional<int64_t> heads = width_at(config, "num_attention_heads");
  return hidden && heads && *hidden % *heads == 0 ? Json(*hidden / *heads) : Json();
}

// What `config` has where it has `object` so far. null for no value.
Result<Json> value_of(const KeyMeaning& meaning, const ConfigObject& config, const Json& object) {
  return std::visit(Overloaded{
                        [](Refused) -> Result<Json> { return Json(); },
                        [](Unset) -> Result<Json> { return Json(); },
                        [&](SameAs other) -> Result<Json> {
                          const auto it = object.find(std::string(other.key));
                          return it == object.end() ? Json() : *it;
                        },
                        [&](WidthPerHead) -> Result<Json> { return width_per_head(config.with(object)); },
                        [](JsonText value) -> Result<Json> { return parse_json(value.text); },
                        [](std::string_view value) -> Result<Json> { return Json(std::string(value)); },
                        [](auto value) -> Result<Json> { return Json(value); },
                    },
                    meaning);
}

Error refusal(const ConfigObject& config, const ConfigKey& key, bool is_null) {
  if (!is_null) return config.error(ErrorCode::kNotFound, key.name, "is missing");
  return config.error(ErrorCode::kCorrupt, key.name, "is null, which its type does not allow")
      .remedy("write a value, or leave the key out for the family's default");
}

Status complete_key(const ConfigObject& config, const ConfigKey& key, Json& object) {
  const std::string name(key.name);
  const auto it = object.find(name);
  const bool is_null = it != object.end() && it->is_null();
  if (it != object.end() && !is_null) return {};
  const KeyMeaning& meaning = is_null ? key.null : key.absent;
  if (std::holds_alternative<Refused>(meaning)) return refusal(config, key, is_null);
  NWC_ASSIGN_OR_RETURN(Json value, value_of(meaning, config, object));
  if (!value.is_null()) object[name] = std::move(value);
  return {};
}

Status complete_part(const ConfigObject& config, const ConfigPart& part, Json& object) {
  const std::string_view source =
      !part.replaced_by.empty() && config.has(part.replaced_by) ? part.replaced_by : part.name;
  const ConfigObject empty = config.with(Json::object());
  NWC_ASSIGN_OR_RETURN(const ConfigObject inner, config.has(source) ? config.object(source) : Result(empty));
  NWC_ASSIGN_OR_RETURN(const ConfigObject full, completed(inner, *part.keys));
  object[std::string(part.name)] = full.json();
  return {};
}

constexpr std::string_view kSizes[] = {
    "vocab_size",          "hidden_size", "intermediate_size", "num_attention_heads",  "num_experts",
    "num_key_value_heads", "head_dim",    "num_local_experts", "moe_intermediate_size"};

bool is_left_out(const ConfigObject& config, const FamilyKeys& table, const ConfigKey& key) {
  const auto is_other_name = [&](const OtherName& other) {
    return other.key == key.name && config.mentions(other.name);
  };
  return std::find(std::begin(kSizes), std::end(kSizes), key.name) != std::end(kSizes) && !config.mentions(key.name) &&
         std::none_of(table.other_names.begin(), table.other_names.end(), is_other_name);
}

}  // namespace

std::string sizes_left_out(const ConfigObject& config, const FamilyKeys& table) {
  std::string list;
  const auto add = [&](const std::string& text) { list += (list.empty() || text.empty() ? "" : ", ") + text; };
  for (const ConfigKey& key : table.keys) {
    const int64_t* size = std::get_if<int64_t>(&key.absent);
    if (size != nullptr && is_left_out(config, table, key)) add(fmt::format("{} ({})", key.name, *size));
  }
  for (const ConfigPart& part : table.parts) {
    const Result<ConfigObject> inner = config.object(part.name);
    if (part.name == "text_config" && inner) add(sizes_left_out(*inner, *part.keys));
  }
  return list;
}

Result<ConfigObject> completed(const ConfigObject& config, const FamilyKeys& table) {
  Json object = config.json();
  for (const OtherName& other : table.other_names) {
    if (config.mentions(other.name)) object[std::string(other.key)] = config.json()[std::string(other.name)];
  }
  for (const ConfigKey& key : table.keys) NWC_RETURN_IF_ERROR(complete_key(config, key, object));
  for (const ConfigPart& part : table.parts) NWC_RETURN_IF_ERROR(complete_part(config, part, object));
  return config.with(std::move(object));
}

}  // namespace nwc
