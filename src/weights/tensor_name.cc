#include "weights/tensor_name.h"

#include <algorithm>
#include <charconv>
#include <span>

namespace nwc {
namespace {

using Words = std::span<const std::string_view>;

constexpr size_t kMaxDigits = 9;
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kWeight = "weight";

constexpr std::string_view kNorms[] = {"norm",      "norms",     "layernorm", "layrnorm", "rmsnorm",
                                       "batchnorm", "groupnorm", "ln",        "bn"};
constexpr std::string_view kEmbeddings[] = {"embed", "embeds", "embedding", "embeddings", "emb",       "wte",
                                            "wpe",   "table",  "tables",    "codebook",   "codebooks", "lookup"};
constexpr std::string_view kBias[] = {"bias"}, kRouter[] = {"router"}, kExperts[] = {"experts"};
constexpr std::string_view kConvolutions[] = {"conv", "convs", "convolution"};

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool is_number(std::string_view part) {
  return !part.empty() && part.size() <= kMaxDigits && part.find_first_not_of(kDigits) == std::string_view::npos;
}

// "conv1d", "Conv2d": the digits and what follows them go with the word before.
bool is_dimension(std::string_view part, size_t at) {
  return at + 1 < part.size() && kDigits.find(part[at]) != std::string_view::npos && part[at + 1] == 'd' &&
         (at + 2 == part.size() || part[at + 2] == '_');
}

// In lower case.
std::vector<std::string> words_of(std::string_view part) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < part.size(); ++i) {
    const char c = part[i];
    if (c == '_' || c == '-' || kDigits.find(c) != std::string_view::npos) {
      if (is_dimension(part, i)) ++i;
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

bool any_of(const std::vector<std::string>& words, Words wanted) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return std::find(wanted.begin(), wanted.end(), word) != wanted.end();
  });
}

bool is_token_type(const std::vector<std::string>& words) {
  const auto token = std::find(words.begin(), words.end(), "token");
  return token != words.end() && token + 1 != words.end() && *(token + 1) == "type";
}

bool is_router(std::string_view part) { return part == "gate" || any_of(words_of(part), kRouter); }

TensorRole role_of(std::string_view name) {
  const auto [module, parameter] = module_of(name);
  const std::vector<std::string> module_words = words_of(module), parameter_words = words_of(parameter);
  if (any_of(parameter_words, kBias) || any_of(module_words, kBias)) return TensorRole::kBias;
  std::vector<std::string_view> parts = parts_of(name);
  parts.pop_back();
  if (std::any_of(parts.begin(), parts.end(), is_router)) return TensorRole::kRouter;
  if (any_of(module_words, kNorms)) return TensorRole::kNorm;
  if (any_of(module_words, kEmbeddings) || is_token_type(module_words)) return TensorRole::kEmbedding;
  if (parameter == kWeight) return any_of(module_words, kConvolutions) ? TensorRole::kConvolution : TensorRole::kWeight;
  return any_of(module_words, kExperts) ? TensorRole::kExperts : TensorRole::kOther;
}

}  // namespace

ModuleAndParameter module_of(std::string_view name) {
  const std::vector<std::string_view> parts = parts_of(name);
  const auto module = std::find_if_not(parts.rbegin() + 1, parts.rend(), is_number);
  return {module == parts.rend() ? std::string_view() : *module, parts.back()};
}

TensorName TensorName::parse(std::string_view name) {
  TensorName parsed;
  parsed.role = role_of(name);
  const std::vector<std::string_view> parts = parts_of(name);
  parsed.experts = std::any_of(parts.begin(), parts.end() - 1,
                               [](std::string_view part) { return any_of(words_of(part), kExperts); });
  const auto number = std::find_if(parts.begin(), parts.end() - 1, is_number);
  if (number == parts.end() - 1) {
    parsed.layer = name;
    return parsed;
  }
  parsed.stack = name.substr(0, static_cast<size_t>(number->data() - name.data()));
  uint32_t block = 0;
  std::from_chars(number->data(), number->data() + number->size(), block);
  parsed.block = block;
  for (auto part = number + 1; part != parts.end(); ++part) {
    if (part + 1 == parts.end() && *part == kWeight && part != number + 1) break;
    if (!parsed.layer.empty()) parsed.layer += '.';
    parsed.layer += is_number(*part) ? std::string_view("*") : *part;
  }
  return parsed;
}

}  // namespace nwc
