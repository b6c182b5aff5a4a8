#include "cli/size_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/terminal.h"

namespace nwc::cli {
namespace {

std::string levels_text(const std::vector<uint64_t>& columns_per_level) {
  std::string text;
  for (const uint64_t n : columns_per_level) text += (text.empty() ? "" : "/") + std::to_string(n);
  return text;
}

}  // namespace

void print_sizes(const CheckpointReport& report) {
  std::vector<std::vector<std::string>> rows{
      {"tensor", "shape", "columns per level", "payload bits", "with side", "bytes"}};
  for (const TensorReport& t : report.tensors) {
    rows.push_back({printable(t.name), shape_text(t.shape), levels_text(t.columns_per_level),
                    fmt::format("{:.4f}", t.payload_bits_per_weight()), fmt::format("{:.4f}", t.bits_per_weight()),
                    std::to_string(t.payload_bytes + t.side_bytes)});
  }
  fmt::print("{}\n", format_table(rows));
  fmt::print("compressed   {} tensors, {} weights, {}\n", report.tensors.size(), report.weights,
             human_bytes(report.payload_bytes + report.side_bytes));
  fmt::print("             {:.4f} bits per weight payload, {:.4f} with side information and codec\n",
             report.payload_bits_per_weight(), report.bits_per_weight());
  if (report.layers.size() > 1) {
    LayerReport sum;
    for (const LayerReport& layer : report.layers) {
      sum.payload_bytes += layer.payload_bytes + layer.side_bytes + layer.codec_bytes;
      sum.file_bytes += layer.file_bytes;
      fmt::print(
          "{:<12} {:.4f} bits per weight and {} with all before, {} tensors\n",
          layer.folder.empty() ? "base" : printable(layer.folder),
          8.0 * static_cast<double>(sum.payload_bytes) / static_cast<double>(std::max<uint64_t>(1, report.weights)),
          human_bytes(sum.file_bytes), layer.tensors);
    }
  }
  if (!report.base.empty())
    fmt::print("a delta      of {}, {} tensors as it has them\n", printable(report.base), report.unchanged_tensors);
  fmt::print("as they are  {} tensors, {} parameters, {}\n", report.plain_tensors, report.plain_parameters,
             human_bytes(report.plain_bytes));
  fmt::print("codec        {}, {}\n", report.codec_id, human_bytes(report.codec_bytes));
  fmt::print("weight files {} of {} ({:.1f} %), {:.3f} bits per parameter\n", human_bytes(report.file_bytes),
             human_bytes(report.original_bytes),
             100.0 * static_cast<double>(report.file_bytes) /
                 static_cast<double>(std::max<uint64_t>(1, report.original_bytes)),
             report.bits_per_parameter());
}

void print_warnings(const CheckpointReport& report, bool quiet) {
  ProgressLine line(quiet);
  for (const std::string& warning : report.warnings) line.note("warning: " + printable(warning));
}

Json sizes_json(const CheckpointReport& report) {
  Json layers = Json::array();
  for (const LayerReport& layer : report.layers) {
    layers.push_back({{"folder", layer.folder},
                      {"codec_id", layer.codec_id},
                      {"tensors", layer.tensors},
                      {"payload_bytes", layer.payload_bytes},
                      {"side_bytes", layer.side_bytes},
                      {"codec_bytes", layer.codec_bytes},
                      {"file_bytes", layer.file_bytes}});
  }
  return {{"warnings", report.warnings},
          {"codec_id", report.codec_id},
          {"weights", report.weights},
          {"payload_bytes", report.payload_bytes},
          {"side_bytes", report.side_bytes},
          {"codec_bytes", report.codec_bytes},
          {"payload_bits_per_weight", report.payload_bits_per_weight()},
          {"bits_per_weight", report.bits_per_weight()},
          {"plain_tensors", report.plain_tensors},
          {"plain_parameters", report.plain_parameters},
          {"plain_bytes", report.plain_bytes},
          {"file_bytes", report.file_bytes},
          {"original_bytes", report.original_bytes},
          {"layers", layers},
          {"base", report.base},
          {"unchanged_tensors", report.unchanged_tensors},
          {"unchanged_parameters", report.unchanged_parameters}};
}

}  // namespace nwc::cli
