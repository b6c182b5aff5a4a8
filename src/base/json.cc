#include "base/json.h"

#include <unordered_set>
#include <vector>

#include "nwcodec/limits.h"

namespace nwc {
namespace {

// nlohmann keeps the last of two equal keys silently; a first pass over the events finds them.
class StrictnessCheck : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    return fail(Error(ErrorCode::kCorrupt, "JSON key '" + name.substr(0, 200) + "' appears twice in one object"));
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    // The library's text is "[json.exception.parse_error.101] parse error at ...: why"; only the why is for users.
    std::string why = e.what();
    if (const size_t at = why.rfind(": "); at != std::string::npos) why = why.substr(at + 2);
    return fail(Error(ErrorCode::kCorrupt, "invalid JSON: " + why).at_offset(position));
  }

  std::optional<Error> error;

 private:
  bool fail(Error e) {
    error = std::move(e);
    return false;
  }
  bool enter() {
    if (keys_.size() >= limits::kMaxJsonDepth) {
      return fail(Error(ErrorCode::kLimit, "JSON is nested deeper than " + std::to_string(limits::kMaxJsonDepth) + " levels"));
    }
    keys_.emplace_back();
    return true;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::unordered_set<std::string>> keys_;
};

}  // namespace

Result<Json> parse_json(std::string_view text) {
  StrictnessCheck check;
  const bool accepted = Json::sax_parse(text.begin(), text.end(), &check);
  if (check.error) return *std::move(check.error);
  if (!accepted) return Error(ErrorCode::kCorrupt, "invalid JSON");
  Json value = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return Error(ErrorCode::kCorrupt, "invalid JSON");
  return value;
}

}  // namespace nwc
