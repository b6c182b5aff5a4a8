#include "regex/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <optional>
#include <string>

#include "nwcodec/limits.h"
#include "regex/oniguruma.h"
#include "regex/utf8.h"

namespace nwc::regex {
namespace {

// The steps of the first attempt at a position. A step can pass over the whole text, so that a long text gets fewer of
// them between two looks at the clock. Attempts with up to kMostFreeSteps are not charged.
constexpr uint64_t kMostFreeSteps = 1 << 10;
constexpr uint64_t kFewestFreeSteps = 16;
constexpr uint64_t kBytesPassedOver = uint64_t{1} << 31;

uint32_t free_steps(size_t text_size) {
  return static_cast<uint32_t>(std::clamp(kBytesPassedOver / (text_size + 1), kFewestFreeSteps, kMostFreeSteps));
}

std::string in_quotes(std::string_view pattern) {
  return "regular expression '" + std::string(pattern.substr(0, 200)) + (pattern.size() > 200 ? "...'" : "'");
}

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[200];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

// What matching needs besides the program; one per thread, used by one match at a time.
struct Workspace {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);

  Workspace() {
    if (context == nullptr) return;
    pcre2_set_heap_limit(context, limits::kMaxRegexMemory >> 10);
    pcre2_set_depth_limit(context, limits::kMaxRegexDepth);
  }
  ~Workspace() {
    pcre2_match_context_free(context);
    pcre2_match_data_free(match);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
};

}  // namespace

struct Regex::Program {
  std::string pattern;  // as the user wrote it
  pcre2_code* code = nullptr;

  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { pcre2_code_free(code); }

  // The match that begins at exactly `pos`, if there is one.
  Result<std::optional<Range>> match_at(std::string_view text, size_t pos, Budget& budget) const;
};

Result<std::optional<Range>> Regex::Program::match_at(std::string_view text, size_t pos, Budget& budget) const {
  thread_local Workspace workspace;
  if (workspace.match == nullptr || workspace.context == nullptr)
    return Error(ErrorCode::kInternal, "PCRE2 is out of memory");
  const auto too_much = [&](const char* what) { return Error(ErrorCode::kLimit, in_quotes(pattern) + " " + what); };

  // What an attempt took is not known, only that it was below its limit: the limit doubles until it is enough, and each
  // attempt with more than the free steps is charged.
  for (uint32_t step_limit = free_steps(text.size());; step_limit *= 2) {
    if (budget.out_of_time()) return too_much("takes too long on this text");
    pcre2_set_match_limit(workspace.context, step_limit);
    const int rc = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), pos, PCRE2_NO_UTF_CHECK,
                               workspace.match, workspace.context);
    if (rc >= 0) {
      const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(workspace.match);
      return std::optional<Range>({bounds[0], bounds[1]});
    }
    if (rc == PCRE2_ERROR_NOMATCH) return std::optional<Range>();
    if (rc == PCRE2_ERROR_HEAPLIMIT) return too_much("takes too much memory on this text");
    if (rc == PCRE2_ERROR_DEPTHLIMIT) return too_much("leaves too many choices open on this text");
    if (rc == PCRE2_ERROR_RECURSELOOP)
      return Error(ErrorCode::kUnsupported, in_quotes(pattern) + " calls itself again before it has matched anything");
    if (rc != PCRE2_ERROR_MATCHLIMIT)
      return Error(ErrorCode::kInternal, in_quotes(pattern) + " failed in PCRE2: " + pcre2_message(rc));
    if (step_limit > UINT32_MAX / 2) return too_much("backtracks too much on this text");
    if (step_limit >= kMostFreeSteps && !budget.spend(uint64_t{step_limit} * 2))
      return too_much("backtracks too much on this text");
  }
}

Result<Regex> Regex::compile(std::string_view pattern, Syntax syntax) {
  if (pattern.size() > limits::kMaxRegexPattern) {
    return Error(ErrorCode::kLimit,
                 in_quotes(pattern) + " is longer than " + std::to_string(limits::kMaxRegexPattern) + " bytes");
  }
  Translation translation{std::string(pattern), {}};
  if (syntax == Syntax::kOniguruma) {
    Result<Translation> translated = oniguruma_to_pcre2(pattern);
    if (!translated) return Error(translated.error().code(), in_quotes(pattern) + ", " + translated.error().message());
    translation = *std::move(translated);
  }

  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (context == nullptr) return Error(ErrorCode::kInternal, "PCRE2 is out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
  auto program = std::make_shared<Program>();
  program->pattern = pattern;
  int error_code = 0;
  PCRE2_SIZE error_offset = 0;
  // Anchored and without start optimisations, which look ahead in the text, because searching steps through it by
  // itself.
  program->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translation.pattern.data()), translation.pattern.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE | PCRE2_NEVER_BACKSLASH_C,
      &error_code, &error_offset, context.get());
  if (program->code == nullptr) {
    const size_t position = syntax == Syntax::kOniguruma ? translation.source.origin(error_offset) : error_offset;
    return Error(ErrorCode::kUnsupported,
                 in_quotes(pattern) + ", byte " + std::to_string(position) + ": " + pcre2_message(error_code));
  }
  return Regex(std::move(program));
}

Result<std::vector<Range>> Regex::find_all(std::string_view text, Budget& budget) const {
  std::vector<Range> matches;
  if (text.empty()) return matches;
  for (size_t pos = 0; pos <= text.size();) {
    NWC_ASSIGN_OR_RETURN(const std::optional<Range> match, program_->match_at(text, pos, budget));
    if (match) {
      const bool counts = match->end > match->begin || matches.empty() || matches.back().end != match->end;
      if (counts) matches.push_back(*match);
      if (match->end > pos) {
        pos = match->end;
        continue;
      }
    }
    if (pos == text.size()) break;
    pos += utf8_length(text[pos]);
  }
  return matches;
}

Result<bool> Regex::found_in(std::string_view text, Budget& budget) const {
  for (size_t pos = 0;; pos += utf8_length(text[pos])) {
    NWC_ASSIGN_OR_RETURN(const std::optional<Range> match, program_->match_at(text, pos, budget));
    if (match) return true;
    if (pos == text.size()) return false;
  }
}

}  // namespace nwc::regex
