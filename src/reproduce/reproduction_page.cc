#include <fmt/format.h>

#include "nwcodec/version.h"
#include "report/page.h"
#include "reproduce/reproduction.h"

namespace nwc {
namespace {

std::string section(const FinishedExperiment& done) {
  const Experiment& experiment = *done.experiment;
  std::string html = fmt::format("<h2 id=\"{}\">{}</h2>\n<p class=\"soft\">{}</p>\n", file_name_of(experiment),
                                 xml_escaped(experiment.name), xml_escaped(experiment.shows));
  if (!done.error.empty()) return html + page_warnings({"Failed: " + done.error});
  if (!done.result.missing.empty()) return html + page_warnings({"Not here: " + done.result.missing});
  if (!done.result.panels.empty()) html += page_figures(done.result.panels);
  if (!done.result.table.empty()) {
    html += fmt::format("<details{}><summary>Table</summary>\n{}</details>\n",
                        done.result.panels.empty() ? " open" : "", page_table(done.result.table));
  }
  for (const std::string& remark : done.result.remarks) html += "<p>" + xml_escaped(remark) + "</p>\n";
  return html;
}

}  // namespace

std::string reproduction_html(const ReproductionReport& report) {
  size_t missing = 0;
  std::string sections, list;
  for (const FinishedExperiment& done : report.experiments) {
    const bool absent = !done.error.empty() || !done.result.missing.empty();
    missing += absent ? 1 : 0;
    sections += section(done);
    list += fmt::format("{}<a href=\"#{}\">{}</a>{}", list.empty() ? "" : ", ", file_name_of(*done.experiment),
                        xml_escaped(done.experiment->name), absent ? " (not here)" : "");
  }
  std::string body =
      "<p class=\"soft\">What Ryu, Kim, Shin, Choi, Oh and Lee, <i>Neural Weight Compression for Language Models</i> "
      "(arXiv 2510.11234) show, run on another model by one program. The paper's plots have no numbers beside them, so "
      "that with figures only shapes can be compared; its tables stand beside ours.</p>\n<div class=\"tiles\">\n";
  body += page_tile(report.model, "model");
  body += page_tile(report.profile, "profile");
  body += page_tile(std::to_string(report.experiments.size() - missing), "figures and tables");
  body += page_tile(std::to_string(missing), "not here");
  body += page_tile(NWCODEC_VERSION_STRING, "nwcodec");
  return page("The paper's experiments on " + report.model, body + "</div>\n<p>" + list + "</p>\n" + sections);
}

}  // namespace nwc
