#include "text/stages/post_processor.h"

#include "nwcodec/limits.h"
#include "text/component.h"

namespace nwc::text {
namespace {

using Made = Result<std::unique_ptr<PostProcessor>>;

class TemplateProcessing : public PostProcessor {
 public:
  static Made make(const Fields& fields) {
    auto processor = std::make_unique<TemplateProcessing>();
    NWC_ASSIGN_OR_RETURN(const std::vector<const Json*> parts, fields.array("single"));
    bool text_seen = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      NWC_ASSIGN_OR_RETURN(const Fields part,
                           Fields::of(*parts[i], fields.place() + ".single[" + std::to_string(i) + "]"));
      if (const Json* sequence = part.find("Sequence")) {
        NWC_ASSIGN_OR_RETURN(const Fields text, Fields::of(*sequence, part.place() + ".Sequence"));
        NWC_ASSIGN_OR_RETURN(const std::string id, text.string("id"));
        if (std::string_view(id) != "A" || text_seen)
          return text.error(ErrorCode::kUnsupported, "only one text, 'A', is supported");
        text_seen = true;
      } else {
        NWC_ASSIGN_OR_RETURN(const Json* special, part.require("SpecialToken"));
        NWC_ASSIGN_OR_RETURN(const Fields token, Fields::of(*special, part.place() + ".SpecialToken"));
        NWC_ASSIGN_OR_RETURN(const std::string name, token.string("id"));
        NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, ids_of(fields, name));
        std::vector<int32_t>& side = text_seen ? processor->after_ : processor->before_;
        if (ids.size() > limits::kMaxTemplateTokens - side.size()) {
          return token.error(ErrorCode::kLimit,
                             "more than " + std::to_string(limits::kMaxTemplateTokens) + " special tokens");
        }
        side.insert(side.end(), ids.begin(), ids.end());
      }
    }
    if (!text_seen) return fields.error(ErrorCode::kUnsupported, "'single' has no place for the text");
    return Made(std::move(processor));
  }

  void add_special_tokens(std::vector<int32_t>& ids) const override {
    ids.insert(ids.begin(), before_.begin(), before_.end());
    ids.insert(ids.end(), after_.begin(), after_.end());
  }

 private:
  // Of the entry `name` of "special_tokens".
  static Result<std::vector<int32_t>> ids_of(const Fields& fields, const std::string& name) {
    NWC_ASSIGN_OR_RETURN(const Json* tokens, fields.require("special_tokens"));
    NWC_ASSIGN_OR_RETURN(const Fields known, Fields::of(*tokens, fields.place() + ".special_tokens"));
    NWC_ASSIGN_OR_RETURN(const Json* token, known.require(name));
    NWC_ASSIGN_OR_RETURN(const Fields entry, Fields::of(*token, known.place() + "." + name));
    NWC_ASSIGN_OR_RETURN(const std::vector<const Json*> values, entry.array("ids"));
    std::vector<int32_t> ids;
    for (const Json* value : values) {
      NWC_ASSIGN_OR_RETURN(const int32_t id, token_id_from(*value, entry.place() + ".ids"));
      ids.push_back(id);
    }
    return ids;
  }

  std::vector<int32_t> before_;
  std::vector<int32_t> after_;
};

class ByteLevel : public PostProcessor {
 public:
  static Made make(const Fields&) { return Made(std::make_unique<ByteLevel>()); }
  void add_special_tokens(std::vector<int32_t>&) const override {}
};

// A token before the text and one behind it: ["[CLS]", 101].
class Around : public PostProcessor {
 public:
  static Made make(const Fields& fields) {
    auto around = std::make_unique<Around>();
    NWC_ASSIGN_OR_RETURN(around->before_, id_in(fields, "cls"));
    NWC_ASSIGN_OR_RETURN(around->behind_, id_in(fields, "sep"));
    return Made(std::move(around));
  }
  void add_special_tokens(std::vector<int32_t>& ids) const override {
    ids.insert(ids.begin(), before_);
    ids.push_back(behind_);
  }

 private:
  static Result<int32_t> id_in(const Fields& fields, std::string_view name) {
    NWC_ASSIGN_OR_RETURN(const std::vector<const Json*> pair, fields.array(name));
    if (pair.size() != 2)
      return fields.error(ErrorCode::kCorrupt, "'" + std::string(name) + "' is not a token and its id");
    return token_id_from(*pair[1], fields.place() + "." + std::string(name));
  }

  int32_t before_ = 0;
  int32_t behind_ = 0;
};

Made make_sequence_processor(const Fields& fields);

constexpr std::pair<std::string_view, Factory<PostProcessor>> kPostProcessors[] = {
    {"Sequence", make_sequence_processor}, {"TemplateProcessing", TemplateProcessing::make},
    {"ByteLevel", ByteLevel::make},        {"BertProcessing", Around::make},
    {"RobertaProcessing", Around::make},
};

class SequenceProcessor : public PostProcessor {
 public:
  explicit SequenceProcessor(std::vector<std::unique_ptr<PostProcessor>> parts) : parts_(std::move(parts)) {}
  void add_special_tokens(std::vector<int32_t>& ids) const override {
    for (const auto& part : parts_) part->add_special_tokens(ids);
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> parts_;
};

Made make_sequence_processor(const Fields& fields) {
  NWC_ASSIGN_OR_RETURN(auto parts, make_sequence<PostProcessor>(fields, "processors", kPostProcessors));
  return Made(std::make_unique<SequenceProcessor>(std::move(parts)));
}

}  // namespace

Result<std::unique_ptr<PostProcessor>> make_post_processor(const Json& json) {
  return make_component<PostProcessor>(json, "post_processor", kPostProcessors);
}

}  // namespace nwc::text
