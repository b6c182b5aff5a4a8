#include "report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace nwc {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--paper:#ffffff;--ink:#1c1c1e;--soft:#5c5c63;--line:#dcdce0;--card:#f5f5f7;
--level1:#9ecae1;--level2:#e6862a;--level3:#c2185b;--level4:#5e35b1;--bar:#cfe0ef;--mark1:#fdf0c4;--mark2:#fbc98d;
--mark3:#f58a7a}
@media (prefers-color-scheme:dark){:root{--paper:#131316;--ink:#ececf0;--soft:#a3a3ad;--line:#3a3a42;--card:#1e1e23;
--level1:#31607c;--level2:#f0a04b;--level3:#ff5c97;--level4:#b39ddb;--bar:#2b4257;--mark1:#47401f;--mark2:#70461c;
--mark3:#8c2f2a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1400px;padding:16px;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.2em 0;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:1.8em 0 .5em}h3{font-size:.9rem;
margin:8px 0 -6px;font-weight:600;overflow-wrap:anywhere}
p{margin:.4em 0;max-width:75ch}.soft{color:var(--soft)}
.tiles,.figures,.maps{display:grid;gap:12px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin:12px 0}
.tiles div{background:var(--card);border-radius:8px;padding:10px 12px}.tiles b{display:block;font-size:1.25rem}
.figures{grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr))}
figure.level h3{margin:0 0 4px}.maps{grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr))}
figure{margin:0;min-width:0}
svg{display:block;width:100%;height:auto}
svg.map{width:100%}
svg text{fill:var(--ink)}svg .background{fill:none}svg .grid{stroke:var(--line)}svg .frame{stroke:var(--soft)}
.level1{stroke:var(--level1)}.level2{stroke:var(--level2)}.level3{stroke:var(--level3)}
[class^="level"]:not(.level1):not(.level2):not(.level3){stroke:var(--level4)}
.key{display:inline-block;width:.9em;height:.9em;border-radius:2px;vertical-align:-.1em;margin:0 .3em 0 .8em}
.table{overflow-x:auto;border:1px solid var(--line);border-radius:8px;max-height:80vh}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:4px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{position:sticky;top:0;background:var(--card);color:var(--soft);font-weight:600}
th:first-child,td:first-child{text-align:left}
.warnings{border-left:4px solid var(--level2);padding:4px 12px;background:var(--card);overflow-wrap:anywhere}
.text{white-space:pre-wrap;overflow-wrap:anywhere;overflow:hidden;unicode-bidi:isolate}
div.text{background:var(--card);border-radius:8px;padding:10px 12px;margin:6px 0;font-size:13px}
.wide{white-space:pre-wrap;text-align:left;min-width:22em}.left{text-align:left}.left.text{white-space:pre}
mark{color:inherit;background:var(--mark1);border-radius:3px}mark.k2{background:var(--mark2)}
mark.k3{background:var(--mark3)}
.bar{display:block;position:relative;min-width:7em;text-align:right}
.bar i{position:absolute;left:0;top:0;bottom:0;background:var(--bar);border-radius:3px}.bar b{position:relative;
font-weight:400}
code{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
details{margin:.6em 0}summary{cursor:pointer}
)";

constexpr const char* kLineSign = "\xE2\x8F\x8E";  // U+23CE, return symbol
constexpr const char* kTabSign = "\xE2\x87\xA5";   // U+21E5

// The bytes of a character that turns the direction of text, or is not seen at all, at the beginning of `text`; 0 for
// others. All are three bytes long but U+061C.
size_t unseen_length(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (at(0) == 0xD8 && at(1) == 0x9C) return 2;  // U+061C
  if (at(0) == 0xE2 && at(1) == 0x80 && ((at(2) >= 0x8B && at(2) <= 0x8F) || (at(2) >= 0xA8 && at(2) <= 0xAE)))
    return 3;
  if (at(0) == 0xE2 && at(1) == 0x81 && at(2) >= 0xA0 && at(2) <= 0xAF) return 3;  // U+2060 to U+206F
  if (at(0) == 0xEF && at(1) == 0xBB && at(2) == 0xBF) return 3;                   // U+FEFF
  return 0;
}

// U+2028 for the bytes of one character of two or three.
std::string code_point_name(std::string_view bytes) {
  const auto bits = [&](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(bytes[i])) & 0x3FU; };
  return fmt::format("[U+{:04X}]", bytes.size() == 2 ? ((bits(0) & 0x1FU) << 6) | bits(1)
                                                     : ((bits(0) & 0x0FU) << 12) | (bits(1) << 6) | bits(2));
}

}  // namespace

std::string page(const std::string& title, const std::string& body_html) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta "
         "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n<meta "
         "name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
         xml_escaped(title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<h1>" + xml_escaped(title) +
         "</h1>\n" + body_html + "</body>\n</html>\n";
}

std::string page_tile(const std::string& value, const std::string& what) {
  return fmt::format("<div><b>{}</b>{}</div>\n", xml_escaped(value), xml_escaped(what));
}

std::string page_warnings(const std::vector<std::string>& warnings) {
  if (warnings.empty()) return {};
  std::string html = "<div class=\"warnings\">\n";
  for (const std::string& warning : warnings) html += "<p>" + xml_escaped(warning) + "</p>\n";
  return html + "</div>\n";
}

std::string page_figures(const std::vector<PlotPanel>& panels) {
  std::string html = "<div class=\"figures\">\n";
  for (PlotPanel panel : panels) {
    const std::string title = std::exchange(panel.title, {});  // a heading wraps, the title of a plot does not
    html += "<figure><h3>" + xml_escaped(title) + "</h3>" + svg_element("", {panel}, 1) + "</figure>\n";
  }
  return html + "</div>\n";
}

std::string page_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<PageCell>> cells;
  for (const std::vector<std::string>& row : rows) {
    cells.emplace_back();
    for (const std::string& text : row) cells.back().push_back({xml_escaped(text)});
  }
  return page_table(cells);
}

std::string page_table(const std::vector<std::vector<PageCell>>& rows) {
  std::string html = "<div class=\"table\"><table>\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    html += "<tr>";
    for (const PageCell& cell : rows[i]) {
      const std::string style = *cell.style == '\0' ? "" : fmt::format(" class=\"{}\"", cell.style);
      html += fmt::format("<{0}{1}>{2}</{0}>", i == 0 ? "th" : "td", style, cell.html);
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string corpus_html(std::string_view text, bool lines) {
  std::string html, run;
  const auto flush = [&] { html += xml_escaped(std::exchange(run, {})); };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || text[i] == '\t') {
      run += text[i] == '\n' ? kLineSign : kTabSign;
      flush();
      if (text[i] == '\n' && lines) html += '\n';
    } else if (const size_t length = unseen_length(text.substr(i)); length > 0) {
      run += code_point_name(text.substr(i, length));
      i += length - 1;
    } else {
      run += text[i];
    }
  }
  flush();
  return html;
}

std::string bar_html(double share, const std::string& label) {
  return fmt::format("<span class=\"bar\"><i style=\"width:{:.1f}%\"></i><b>{}</b></span>",
                     100 * std::clamp(share, 0.0, 1.0), xml_escaped(label));
}

}  // namespace nwc
