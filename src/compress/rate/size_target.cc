#include "compress/rate/size_target.h"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <system_error>
#include <utility>

#include "format/stream_header.h"

namespace nwc {
namespace {

constexpr double kLeastBits = 1, kMostBits = 12;

// What a tensor adds to a shard beside its bytes: an entry in the header and a checksum.
double entry_bytes(const std::string& name) {
  constexpr std::string_view kAroundName =
      R"("":{"dtype":"BF16","shape":[12345,1234],"data_offsets":[123456789,123456789]},)";
  constexpr double kChecksum = 8;
  return static_cast<double>(name.size() + kAroundName.size()) + kChecksum;
}

}  // namespace

Result<SizeTarget> parse_size(std::string_view text) {
  const Error wrong = Error(ErrorCode::kInvalidArgument, "'" + std::string(text.substr(0, 40)) + "' is no size")
                          .remedy("give one as 4.5GB, 700MiB, 123456 or 60%");
  size_t digits = 0;
  while (digits < text.size() && (text[digits] == '.' || (text[digits] >= '0' && text[digits] <= '9'))) ++digits;
  double number = 0;
  size_t used = 0;
  try {
    number = std::stod(std::string(text.substr(0, digits)), &used);
  } catch (const std::exception&) {
    return wrong;
  }
  if (used != digits || !std::isfinite(number) || number <= 0) return wrong;
  const std::string_view unit = text.substr(digits);
  if (unit == "%") {
    if (number > 100) return wrong;
    return SizeTarget{.share = number / 100};
  }
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1},      {"B", 1},        {"kB", 1e3},     {"KB", 1e3},     {"MB", 1e6},    {"GB", 1e9},
      {"TB", 1e12}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  for (const auto& [name, factor] : kUnits) {
    if (unit == name) return SizeTarget{.bytes = number * factor};
  }
  return wrong;
}

double fixed_bytes(const CompressPlan& plan) {
  double bytes = static_cast<double>(plan.input_bytes - plan.compressed_bytes);
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorView* tensor : shard.plain) bytes += entry_bytes(tensor->name);
    for (const TensorView* tensor : shard.compressed)
      bytes += entry_bytes(tensor->name + kStreamSuffix) + entry_bytes(tensor->name + kScalesSuffix);
  }
  return bytes;
}

Result<double> bits_for(const SizeTarget& target, const CompressPlan& plan) {
  const double wanted = target.bytes > 0 ? target.bytes : target.share * static_cast<double>(plan.input_bytes);
  const double fixed = fixed_bytes(plan), weights = static_cast<double>(plan.weights);
  const double bits = weights > 0 ? 8 * (wanted - fixed) / weights : 0;
  if (bits > kMostBits) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{:.0f} bytes are more than {:.0f} weights take at {} bits, the most: {:.0f} in all",
                             wanted, weights, kMostBits, std::floor(fixed + weights * kMostBits / 8)))
        .remedy("ask for a smaller size");
  }
  if (bits >= kLeastBits) return bits;
  return Error(
      ErrorCode::kInvalidArgument,
      fmt::format("{:.0f} bytes are too few: {:.0f} stay as they are, and {:.0f} weights take {:.0f} at {} bit, "
                  "the least: {:.0f} in all",
                  wanted, fixed, weights, weights * kLeastBits / 8, kLeastBits,
                  std::ceil(fixed + weights * kLeastBits / 8)));
}

}  // namespace nwc
