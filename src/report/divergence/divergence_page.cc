#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "report/divergence/divergence_figures.h"
#include "report/divergence/divergence_report.h"
#include "report/divergence/excerpt.h"
#include "report/page.h"

namespace nwc {
namespace {

constexpr size_t kWindowTokens = 1024;                  // shown of a window
constexpr size_t kTokensBefore = 24, kTokensAfter = 8;  // around a token

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string nats(double kl) { return fmt::format("{:.4g}", kl); }

std::string share_text(double share) { return fmt::format("{:.6g} %", 100 * share); }

std::string summary(const DivergenceReport& r) {
  const DivergenceProfile& p = r.profile;
  const std::string error =
      p.mean_kl_standard_error ? fmt::format(" \u00B1 {:.2g}", *p.mean_kl_standard_error) : std::string();
  return "<div class=\"tiles\">\n" + page_tile(nats(p.all.mean_kl()) + error, "KL divergence, mean over tokens, nats") +
         page_tile(nats(p.all.kl_median), "median") + page_tile(nats(p.all.kl_99th_percentile), "99th percentile") +
         page_tile(nats(p.all.kl_maximum), "largest") +
         page_tile(percent(p.all.top1_agreement()), "of tokens: the same is likeliest") +
         page_tile(fmt::format("{:.4f}", p.perplexity()),
                   fmt::format("perplexity; reference {:.4f}, {:+.3f} %", p.reference_perplexity(),
                               100 * (p.perplexity() / p.reference_perplexity() - 1))) +
         page_tile(std::to_string(p.all.tokens),
                   fmt::format("tokens predicted, in {} windows of {}", p.windows, p.context)) +
         "</div>\n";
}

// Cells of a row of figures, after its name.
std::vector<PageCell> figure_cells(PageCell name, const DivergenceFigures& f, const DivergenceFigures& all) {
  const double share = all.kl_sum > 0 ? f.kl_sum / all.kl_sum : 0;
  return {std::move(name),
          {std::to_string(f.tokens)},
          {percent(static_cast<double>(f.tokens) / static_cast<double>(all.tokens))},
          {nats(f.mean_kl())},
          {bar_html(share, percent(share))},
          {nats(f.kl_median)},
          {nats(f.kl_99th_percentile)},
          {nats(f.kl_maximum)},
          {percent(f.top1_agreement())},
          {fmt::format("{:.4f}", f.mean_reference_nll())},
          {fmt::format("{:.4f}", f.mean_candidate_nll())}};
}

std::vector<PageCell> figure_header(const char* name) {
  return {{name},     {"tokens"},          {"share"},   {"mean KL"},        {"share of divergence"},
          {"median"}, {"99th percentile"}, {"largest"}, {"same likeliest"}, {"reference -log p"},
          {"-log p"}};
}

std::string classes_section(const DivergenceReport& r) {
  std::vector<std::vector<PageCell>> rows{figure_header("class")};
  for (const auto& group : r.profile.classes)
    rows.push_back(figure_cells({std::string(name_of(group.token_class))}, group.figures, r.profile.all));
  return "<h2>By class of token</h2>\n<p class=\"soft\">Of the token that is predicted, by its text: its first letter "
         "or "
         "digit decides, without one its first character. A word begins where no letter, digit or apostrophe stands "
         "before it. Other scripts are letters that are not Latin; character pieces are bytes that alone make no "
         "character.</p>\n" +
         page_table(rows);
}

std::string positions_section(const DivergenceReport& r) {
  std::vector<std::vector<PageCell>> rows{figure_header("positions")};
  for (const auto& group : r.profile.positions)
    rows.push_back(figure_cells({fmt::format("{} to {}", group.first, group.last)}, group.figures, r.profile.all));
  return "<details><summary>By position, as a table</summary>\n" + page_table(rows) + "</details>\n";
}

std::string distribution_section(const DivergenceReport& r) {
  std::vector<std::vector<std::string>> quantiles{{"share of tokens", "KL at most"}},
      concentration{{"the worst", "have of all divergence"}};
  for (const auto& q : r.profile.quantiles) quantiles.push_back({share_text(q.share), nats(q.kl)});
  for (const auto& c : r.profile.concentration)
    concentration.push_back({share_text(c.share_of_tokens), percent(c.share_of_divergence)});
  return "<details><summary>The distribution, as tables</summary>\n" + page_table(quantiles) + "<p></p>\n" +
         page_table(concentration) + "</details>\n";
}

std::string windows_section(const DivergenceReport& r) {
  const std::array<double, 3> marks = mark_thresholds(r.profile);
  std::string html = fmt::format(
      "<h2>The worst windows</h2>\n<p class=\"soft\">Marked are tokens of which the prediction diverges by at least "
      "<mark class=\"k1\">{}</mark> (one in ten), <mark class=\"k2\">{}</mark> (one in a hundred), <mark "
      "class=\"k3\">{}</mark> (one in a thousand) nats; pointing at one shows what was expected.</p>\n",
      nats(marks[0]), nats(marks[1]), nats(marks[2]));
  for (size_t i = 0; i < r.profile.worst_windows.size(); ++i) {
    const auto& window = r.profile.worst_windows[i];
    html += fmt::format(
        "<details{}><summary>window {}: mean KL {}, same likeliest {}, perplexity {:.2f} (reference {:.2f})</summary>\n"
        "<div class=\"text\" dir=\"auto\">{}</div>\n</details>\n",
        i == 0 ? " open=\"open\"" : "", window.index, nats(window.figures.mean_kl()),
        percent(window.figures.top1_agreement()), std::exp(window.figures.mean_candidate_nll()),
        std::exp(window.figures.mean_reference_nll()), window_html(r, window.index, kWindowTokens));
  }
  return html;
}

std::string tokens_section(const DivergenceReport& r) {
  std::vector<std::vector<PageCell>> rows{{{"KL"},
                                           {"window, position"},
                                           {"text around it", "left"},
                                           {"p(token): reference, here"},
                                           {"likeliest: reference", "left"},
                                           {"here", "left"}}};
  const auto token = [&](int32_t id) { return PageCell{corpus_html(r.text_of(id), false), "left text"}; };
  for (const size_t i : r.profile.worst_tokens) {
    const TokenScore& score = r.scores.tokens[i];
    const TokenPlace place = place_of(r.scores, i);
    rows.push_back({{nats(score.kl)},
                    {fmt::format("{}, {}", place.window, place.position)},
                    {context_html(r, i, kTokensBefore, kTokensAfter), "wide text"},
                    {fmt::format("{:.3g}, {:.3g}", std::exp(-score.reference_nll), std::exp(-score.candidate_nll))},
                    token(score.reference_top),
                    token(score.candidate_top)});
  }
  std::vector<std::vector<PageCell>> types{figure_header("token")};
  for (const auto& type : r.profile.costly_types)
    types.push_back(figure_cells(token(type.id), type.figures, r.profile.all));
  return "<h2>The worst tokens</h2>\n" + page_table(rows) +
         "<h2>Tokens of the vocabulary that have most of the divergence</h2>\n<p class=\"soft\">Summed over all places "
         "where the text has them.</p>\n" +
         page_table(types);
}

}  // namespace

std::string divergence_html(const DivergenceReport& r) {
  const std::string title = r.checkpoint + " beside " + r.reference;
  const LabelledProfiles profiles{{r.checkpoint, &r.profile}};
  return page(title,
              fmt::format("<p class=\"soft\">On {}; nwcodec {}</p>\n",
                          corpus_html(fmt::format("{}", fmt::join(r.texts, ", ")), false), xml_escaped(r.version)) +
                  summary(r) + page_warnings(r.warnings) +
                  "<h2>Where, and how unevenly</h2>\n<p class=\"soft\">KL divergence of the checkpoint's "
                  "prediction of each token from the reference's. Positions are grouped in half octaves.</p>\n" +
                  page_figures({position_panel(profiles), tail_panel(profiles), concentration_panel(profiles),
                                likelihood_panel(profiles)}) +
                  positions_section(r) + distribution_section(r) + classes_section(r) + windows_section(r) +
                  tokens_section(r) + "<h2>Made by</h2>\n<p><code>" + corpus_html(r.command, false) + "</code></p>\n");
}

}  // namespace nwc
