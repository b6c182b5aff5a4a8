#include "report/divergence/figures_json.h"

namespace nwc {

Json figures_json(const DivergenceFigures& f) {
  return {{"tokens", f.tokens},
          {"kl_divergence", f.mean_kl()},
          {"kl_divergence_sum", f.kl_sum},
          {"kl_divergence_median", f.kl_median},
          {"kl_divergence_99th_percentile", f.kl_99th_percentile},
          {"kl_divergence_maximum", f.kl_maximum},
          {"top1_agreement", f.top1_agreement()},
          {"reference_nll", f.mean_reference_nll()},
          {"nll", f.mean_candidate_nll()}};
}

Json profile_json(const DivergenceProfile& p) {
  Json quantiles = Json::array(), concentration = Json::array(), positions = Json::array(), classes = Json::array();
  for (const auto& q : p.quantiles) quantiles.push_back({{"share_of_tokens", q.share}, {"kl_divergence", q.kl}});
  for (const auto& c : p.concentration)
    concentration.push_back({{"worst_tokens", c.share_of_tokens}, {"share_of_divergence", c.share_of_divergence}});
  for (const auto& group : p.positions) {
    Json json{{"first", group.first}, {"last", group.last}};
    json.update(figures_json(group.figures));
    positions.push_back(std::move(json));
  }
  for (const auto& group : p.classes) {
    Json json{{"class", name_of(group.token_class)}};
    json.update(figures_json(group.figures));
    classes.push_back(std::move(json));
  }
  Json json{{"protocol", "gptq"},
            {"context", p.context},
            {"windows", p.windows},
            {"perplexity", p.perplexity()},
            {"reference_perplexity", p.reference_perplexity()}};
  json.update(figures_json(p.all));
  json["kl_divergence_standard_error"] = number_or_null(p.mean_kl_standard_error);
  json["quantiles"] = std::move(quantiles);
  json["concentration"] = std::move(concentration);
  json["positions"] = std::move(positions);
  json["classes"] = std::move(classes);
  return json;
}

}  // namespace nwc
