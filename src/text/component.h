// How the parts of a tokenizer (normalizer, pre-tokenizer, ...) are read from tokenizer.json: each is an object with a
// "type", looked up in its kind's table of factories. Adding a component means adding its class and one line of that
// table.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc::text {

// The members of one JSON object; errors (kCorrupt) name the object's place in the file and the member. A member that
// is null counts as absent. Views the JSON, which must outlive it.
class Fields {
 public:
  // `place` is for messages: "normalizer", "pre_tokenizer.pretokenizers[1]".
  static Result<Fields> of(const Json& value, std::string place);

  const std::string& place() const { return place_; }
  // nullptr if absent.
  const Json* find(std::string_view name) const;
  Result<const Json*> require(std::string_view name) const;
  // The member as an array; without `name` an empty one.
  Result<std::vector<const Json*>> array(std::string_view name) const;

  Result<std::string> string(std::string_view name) const;
  Result<std::string> string(std::string_view name, std::string_view absent) const;
  Result<bool> boolean(std::string_view name) const;
  Result<bool> boolean(std::string_view name, bool absent) const;
  // A token id: an integer from 0 below limits::kMaxTokenIds (kLimit).
  Result<int32_t> token_id(std::string_view name) const;
  // An integer from 0 to `max`.
  Result<size_t> count(std::string_view name, size_t max) const;
  // A string of exactly one character.
  Result<std::string> character(std::string_view name) const;

  Error error(ErrorCode code, std::string_view what) const;

 private:
  Fields(const Json& object, std::string place) : object_(&object), place_(std::move(place)) {}
  const Json* object_;
  std::string place_;
};

Result<int32_t> token_id_from(const Json& value, const std::string& place);

template <class Component>
using Factory = Result<std::unique_ptr<Component>> (*)(const Fields&);
template <class Component>
using FactoryTable = std::span<const std::pair<std::string_view, Factory<Component>>>;

// Makes the component that `value` describes; a null pointer for null. kUnsupported, naming the type, if the table
// lacks it.
template <class Component>
Result<std::unique_ptr<Component>> make_component(const Json& value, const std::string& place,
                                                  FactoryTable<Component> table) {
  if (value.is_null()) return std::unique_ptr<Component>();
  NWC_ASSIGN_OR_RETURN(const Fields fields, Fields::of(value, place));
  NWC_ASSIGN_OR_RETURN(const std::string type, fields.string("type"));
  for (const auto& [name, factory] : table) {
    if (name == type) return factory(fields);
  }
  std::string known;
  for (const auto& entry : table) known += (known.empty() ? "" : ", ") + std::string(entry.first);
  return fields.error(ErrorCode::kUnsupported, "type '" + type.substr(0, 100) + "' is not supported")
      .remedy("supported are: " + known);
}

// The members of a Sequence, none of them null.
template <class Component>
Result<std::vector<std::unique_ptr<Component>>> make_sequence(const Fields& fields, std::string_view member,
                                                              FactoryTable<Component> table) {
  NWC_ASSIGN_OR_RETURN(const std::vector<const Json*> parts, fields.array(member));
  std::vector<std::unique_ptr<Component>> components;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string place = fields.place() + "." + std::string(member) + "[" + std::to_string(i) + "]";
    NWC_ASSIGN_OR_RETURN(std::unique_ptr<Component> component, make_component<Component>(*parts[i], place, table));
    if (component == nullptr) return Error(ErrorCode::kCorrupt, place + " is null");
    components.push_back(std::move(component));
  }
  return components;
}

}  // namespace nwc::text
