#include "text/regex/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "nwcodec/limits.h"
#include "text/regex/regex_syntax.h"
#include "text/regex/unicode.h"

namespace nwc::text {
namespace {

constexpr uint32_t kFirstStepLimit = 1 << 10;  // backtracking steps of the first attempt at a position
constexpr uint32_t kHeapLimitKib = 64 << 10;

std::string quoted(std::string_view pattern) {
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
    if (context != nullptr) pcre2_set_heap_limit(context, kHeapLimitKib);
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

  // Matches at exactly `pos`; returns as pcre2_match().
  int match_at(std::string_view text, size_t pos, uint32_t step_limit, Workspace& workspace) const {
    pcre2_set_match_limit(workspace.context, step_limit);
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), pos, PCRE2_NO_UTF_CHECK,
                       workspace.match, workspace.context);
  }
};

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > limits::kMaxRegexPattern) {
    return Error(ErrorCode::kLimit,
                 quoted(pattern) + " is longer than " + std::to_string(limits::kMaxRegexPattern) + " bytes");
  }
  Result<std::string> translated = oniguruma_to_pcre2(pattern);
  if (!translated) return Error(translated.error().code(), quoted(pattern) + ", " + translated.error().message());

  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (context == nullptr) return Error(ErrorCode::kInternal, "PCRE2 is out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
  auto program = std::make_shared<Program>();
  program->pattern = pattern;
  int error_code = 0;
  PCRE2_SIZE error_offset = 0;
  // Anchored and without start optimisations, which look ahead in the text, because find_all() steps through it by
  // itself.
  program->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated->data()), translated->size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_ANCHORED | PCRE2_NO_START_OPTIMIZE | PCRE2_NEVER_BACKSLASH_C,
      &error_code, &error_offset, context.get());
  if (program->code == nullptr) {
    return Error(ErrorCode::kUnsupported, quoted(pattern) + " is refused by PCRE2: " + pcre2_message(error_code));
  }
  return Regex(std::move(program));
}

Result<std::vector<Range>> Regex::find_all(std::string_view text, Budget& budget) const {
  thread_local Workspace workspace;
  if (workspace.match == nullptr || workspace.context == nullptr)
    return Error(ErrorCode::kInternal, "PCRE2 is out of memory");
  const auto too_slow = [&] {
    return Error(ErrorCode::kLimit, quoted(program_->pattern) + " backtracks too much on this text");
  };

  std::vector<Range> matches;
  if (text.empty()) return matches;
  for (size_t pos = 0; pos <= text.size();) {
    if (budget.tick()) return too_slow();
    int rc = program_->match_at(text, pos, kFirstStepLimit, workspace);
    // A step can take as long as the text, so the limit rises little by little, with a look at the clock each time.
    for (uint32_t step_limit = kFirstStepLimit; rc == PCRE2_ERROR_MATCHLIMIT;) {
      if (step_limit >= limits::kMaxRegexSteps || budget.out_of_time()) return too_slow();
      step_limit *= 2;
      rc = program_->match_at(text, pos, step_limit, workspace);
    }
    if (rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT) return too_slow();
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
      return Error(ErrorCode::kInternal, quoted(program_->pattern) + " failed in PCRE2: " + pcre2_message(rc));
    }
    if (rc >= 0) {
      const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(workspace.match);
      const bool counts = bounds[1] > bounds[0] || matches.empty() || matches.back().end != bounds[1];
      if (counts) matches.push_back({bounds[0], bounds[1]});
      if (bounds[1] > pos) {
        pos = bounds[1];
        continue;
      }
    }
    if (pos == text.size()) break;
    pos += utf8_length(text[pos]);
  }
  return matches;
}

}  // namespace nwc::text
