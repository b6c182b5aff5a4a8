#include "model/config/mixture_config.h"

#include <fmt/format.h>

namespace nwc {
namespace {

constexpr int64_t kMaxExperts = 1 << 16;

}  // namespace

Result<MixtureSize> read_mixture_size(const ConfigObject& config, std::string_view experts_key) {
  MixtureSize size;
  NWC_ASSIGN_OR_RETURN(size.experts, config.integer(experts_key, 1, kMaxExperts));
  NWC_ASSIGN_OR_RETURN(size.experts_per_token, config.integer("num_experts_per_tok", 1, size.experts));
  return size;
}

MixtureSpec describe_mixture(const MixtureSize& size, const std::string& prefix, const MixtureNames& names,
                             const GatedMlpSpec& dense, int64_t width) {
  const int64_t hidden = dense.gate.in_features;
  MixtureSpec mixture;
  mixture.router = {fmt::format("{}.{}.weight", prefix, names.router), "", hidden, size.experts};
  mixture.experts_per_token = size.experts_per_token;
  for (int64_t i = 0; i < size.experts; ++i) {
    const auto name = [&](const std::string& layer) {
      return fmt::format("{}.experts.{}.{}.weight", prefix, i, layer);
    };
    mixture.experts.push_back(GatedMlpSpec{{name(names.gate), "", hidden, width},
                                           {name(names.up), "", hidden, width},
                                           {name(names.down), "", width, hidden},
                                           dense.rule});
  }
  return mixture;
}

}  // namespace nwc
