// What a family's config.json may say: its keys, what a key's absence and what null mean, and which of two names of one
// thing has the last word. Each family's file holds its table, after transformers' configuration class of the same
// model_type; family.cc completes config.json by it, so that descriptions only read. A table is compared with what that
// class does (tests/data/config).
//
// Thread safety: plain values.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "model/config/config.h"

namespace nwc {

// An error that names the key.
struct Refused {};
// No value: what the key would switch on stays off.
struct Unset {};
// The value of a key that stands earlier in the table.
struct SameAs {
  explicit constexpr SameAs(std::string_view other) : key(other) {}
  std::string_view key;
};
// hidden_size / num_attention_heads, which stand earlier in the table.
struct WidthPerHead {};
// An object.
struct JsonText {
  explicit constexpr JsonText(std::string_view object) : text(object) {}
  std::string_view text;
};
using KeyMeaning =
    std::variant<Refused, Unset, SameAs, WidthPerHead, bool, int64_t, double, std::string_view, JsonText>;

struct ConfigKey {
  std::string_view name;
  KeyMeaning absent;
  KeyMeaning null = Refused{};
};

// A second name of a key, which has the last word where both are written down: transformers sets the key's own name
// first and the other one after it.
struct OtherName {
  std::string_view name;
  std::string_view key;
};

struct FamilyKeys;

// A configuration inside the configuration ("text_config"), complete by a table of its own, present or not.
struct ConfigPart {
  std::string_view name;
  const FamilyKeys* keys = nullptr;
  std::string_view replaced_by = {};  // an older key whose object, where there is one, stands for this one as a whole
};

struct FamilyKeys {
  std::span<const ConfigKey> keys;
  std::span<const OtherName> other_names = {};
  std::span<const ConfigPart> parts = {};
};

// The configuration with every key of the table in it that has a value. Keys that the table does not know stay as they
// are. Errors: kNotFound and kCorrupt for what the table refuses.
Result<ConfigObject> completed(const ConfigObject& config, const FamilyKeys& table);

// The sizes of tensors that the configuration leaves to the table, "hidden_size (4096), vocab_size (32000)", for errors
// about tensors of other sizes.
std::string sizes_left_out(const ConfigObject& config, const FamilyKeys& table);

}  // namespace nwc
