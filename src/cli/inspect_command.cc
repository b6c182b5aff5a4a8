#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/quality_record.h"
#include "cli/terminal.h"
#include "compress/tensor_record.h"
#include "nwcodec/inspect.h"

namespace nwc::cli {
namespace {

Json to_json(const CheckpointReport& report) {
  Json tensors = Json::array();
  for (const TensorReport& tensor : report.tensors) tensors.push_back(nwc::to_json(TensorRecord{tensor}));
  return {{"schema", kRecordSchema},
          {"tensors", tensors},
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
          {"original_bytes", report.original_bytes}};
}

std::string levels_text(const std::vector<uint64_t>& columns_per_level) {
  std::string text;
  for (const uint64_t n : columns_per_level) text += (text.empty() ? "" : "/") + std::to_string(n);
  return text;
}

void print_table(const CheckpointReport& report) {
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
  fmt::print("as they are  {} tensors, {} parameters, {}\n", report.plain_tensors, report.plain_parameters,
             human_bytes(report.plain_bytes));
  fmt::print("codec        {}, {}\n", report.codec_id, human_bytes(report.codec_bytes));
  fmt::print("weight files {} of {} ({:.1f} %), {:.3f} bits per parameter\n", human_bytes(report.file_bytes),
             human_bytes(report.original_bytes),
             100.0 * static_cast<double>(report.file_bytes) /
                 static_cast<double>(std::max<uint64_t>(1, report.original_bytes)),
             8.0 * static_cast<double>(report.file_bytes) /
                 static_cast<double>(std::max<uint64_t>(1, report.weights + report.plain_parameters)));
}

}  // namespace

void add_inspect(CLI::App& app, Command& command) {
  struct Arguments {
    std::filesystem::path directory;
    bool verify = false;
  };
  const auto a = std::make_shared<Arguments>();
  app.add_option("checkpoint", a->directory, "Compressed checkpoint directory")->required()->check(not_empty());
  app.add_flag("--verify", a->verify, "Also check every byte against its checksum");
  add_global_options(app, command);
  command.run = [a, &command]() -> Status {
    NWC_ASSIGN_OR_RETURN(const CheckpointReport report, inspect_checkpoint(a->directory, a->verify));
    NWC_ASSIGN_OR_RETURN(const std::optional<MeasuredQuality> measured, read_measured_quality(a->directory));
    if (command.global.json) {
      Json json = to_json(report);
      json["measured"] = measured ? to_json(*measured) : Json();
      print_json(json);
    } else {
      print_table(report);
      if (measured) print_quality(*measured);
    }
    return {};
  };
}

}  // namespace nwc::cli
