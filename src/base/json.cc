#include "base/json.h"

#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json_repeated_keys.h"
#include "base/python_floats.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

// Builds the value in one pass and in linear time. The library's own parser keeps the last of two equal keys silently,
// and looks for them from the front of the object at every insertion: minutes for the index of a large checkpoint.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  // `floats`: the numbers that stand for floats which are not finite, by their place among all numbers.
  // `repeated`: where equal keys are noted; null refuses them.
  StrictBuilder(const std::map<size_t, double>& floats, const JsonLimits& allowed, std::vector<std::string>* repeated)
      : floats_(floats), allowed_(allowed), repeated_(repeated) {}
  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put_number(value); }
  bool number_unsigned(number_unsigned_t value) override { return put_number(value); }
  bool number_float(number_float_t value, const string_t&) override { return put_number(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Container& object = open_.back();
    const auto [known, is_new] = object.keys.emplace(name, object.value->size());
    replaced_ = is_new ? kNone : known->second;
    if (!is_new && repeated_ == nullptr)
      return fail(Error(ErrorCode::kCorrupt, "JSON key '" + name.substr(0, 200) + "' appears twice in one object"));
    if (!is_new && repeated_->size() < kNotedKeys) repeated_->push_back(name.substr(0, 200));
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    // The library's text is "[json.exception.parse_error.101] parse error at ...: why"; only the why is for users.
    std::string why = e.what();
    if (const size_t at = why.rfind(": "); at != std::string::npos) why = why.substr(at + 2);
    return fail(Error(ErrorCode::kCorrupt, "invalid JSON: " + why).at_offset(position));
  }

  std::optional<Error> error;
  Json root;

 private:
  struct Container {
    Json* value;
    std::unordered_map<std::string, size_t> keys;  // of an object: where its members are
  };
  static constexpr size_t kNone = ~size_t{0};
  static constexpr size_t kNotedKeys = 3;

  // Adds a value to the innermost open container. Returns its address there.
  Json* add(Json value) {
    if (open_.empty()) return &(root = std::move(value));
    Json& parent = *open_.back().value;
    if (parent.is_array()) return &parent.get_ref<Json::array_t&>().emplace_back(std::move(value));
    // On the vector that ordered_map derives from, which does not search for the key: key() has seen that it is new.
    auto& members = parent.get_ref<Json::object_t&>();
    if (replaced_ != kNone) return &(members.begin()[static_cast<ptrdiff_t>(replaced_)].second = std::move(value));
    return &members.Json::object_t::Container::emplace_back(std::move(key_), std::move(value)).second;
  }
  // Before a value is stored: as text it takes two bytes, in memory some hundred times as many.
  bool count() {
    if (++elements_ <= allowed_.elements) return true;
    return fail(Error(ErrorCode::kLimit, "JSON has more than " + std::to_string(allowed_.elements) + " values"));
  }
  bool put(Json value) {
    if (!count()) return false;
    add(std::move(value));
    return true;
  }
  template <class Number>
  bool put_number(Number value) {
    const auto special = floats_.find(numbers_++);
    return special == floats_.end() ? put(value) : put(special->second);
  }
  bool open(Json container) {
    if (!count()) return false;
    if (open_.size() >= allowed_.depth) {
      return fail(Error(ErrorCode::kLimit, "JSON is nested deeper than " + std::to_string(allowed_.depth) + " levels"));
    }
    // The address stays valid: a parent grows only after this container is closed.
    open_.push_back({add(std::move(container)), {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool fail(Error e) {
    error = std::move(e);
    return false;
  }

  const std::map<size_t, double>& floats_;
  size_t numbers_ = 0;
  const JsonLimits allowed_;
  std::vector<std::string>* const repeated_;
  std::vector<Container> open_;
  std::string key_;
  size_t replaced_ = kNone;  // the member of the innermost object that has this key already
  size_t elements_ = 0;
};

Result<Json> build(std::string_view text, JsonDialect dialect, const JsonLimits& allowed,
                   std::vector<std::string>* repeated) {
  // The library takes a NUL for the end of its input, whatever follows; JSON text has none.
  if (const size_t at = text.find('\0'); at != std::string_view::npos) {
    return Error(ErrorCode::kCorrupt, "invalid JSON: a NUL byte").at_offset(at);
  }
  PythonFloats python;
  if (dialect == JsonDialect::kPython) python = replace_python_floats(text, allowed.elements);
  if (!python.values.empty()) text = python.text;
  StrictBuilder builder(python.values, allowed, repeated);
  const bool accepted = Json::sax_parse(text.begin(), text.end(), &builder);
  if (builder.error) return *std::move(builder.error);
  if (!accepted) return Error(ErrorCode::kCorrupt, "invalid JSON");
  return std::move(builder.root);
}

}  // namespace

Result<Json> parse_json(std::string_view text, JsonDialect dialect, const JsonLimits& allowed) {
  return build(text, dialect, allowed, nullptr);
}

Result<Json> parse_json_with_repeated_keys(std::string_view text, std::vector<std::string>& repeated) {
  return build(text, JsonDialect::kStrict, {}, &repeated);
}

}  // namespace nwc
