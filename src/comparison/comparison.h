// Methods of compressing weights beside each other:
// the same checkpoint, the same Hessians, the same texts, and every method's bits counted with all that decoding needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "evaluate/windows.h"
#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "text/tokenizer.h"
#include "weights/selection.h"
#include "zeroshot/pair_tokens.h"
#include "zeroshot/scores.h"
#include "zeroshot/task_file.h"

namespace nwc {

struct ComparisonText {
  std::filesystem::path path;  // what it is called, and what a point's identity hashes
  std::vector<int32_t> ids;
};

struct ComparisonOptions {
  std::filesystem::path model, hessians;  // hessians: may be empty
  std::vector<std::string> methods;       // methods/methods.h
  std::vector<double> bits;
  std::vector<ComparisonText> texts;     // without texts and tasks weights are measured only
  WindowOptions windows;                 // of each text
  std::vector<Task> tasks;               // zeroshot/task_file.h, with
  const Tokenizer* tokenizer = nullptr;  // the model's
  PrefixToken prefix;
  SelectionOptions selection;
  std::vector<std::filesystem::path> codecs;  // those that nwcodec may choose among without Hessians
  // A directory: points/NAME.json for each method and rate; with `keep` checkpoints/NAME.
  std::filesystem::path output;
  bool keep = false;   // the checkpoints
  bool again = false;  // points that are there, too
  int threads = 0;
  std::string device_name = "cpu";
  ModelDevice device = {};  // the same, opened
};

// What a text says of a checkpoint, against the original (evaluate/divergence.h).
struct TextQuality {
  std::string text;  // file name
  double divergence = 0, divergence_error = 0, top1_agreement = 0;
  double perplexity = 0, original_perplexity = 0;
};

// One method at one rate.
struct ComparisonPoint {
  std::string method;
  double asked_bits = 0;
  std::string missing;  // why there is nothing else, where the method has no form for the rate or the model; or empty
  double bits = 0;      // per compressed weight, side information included
  uint64_t weights = 0;
  // Of weights; none where the method changes what they mean.
  std::optional<double> relative_error, weighted_error;
  double seconds = 0;  // of compressing; varies from run to run
  std::vector<std::string> notes;
  std::vector<TextQuality> texts;
  std::vector<TaskScore> tasks;  // with the original as reference, so that differences are of the same items
};

Json to_json(const ComparisonPoint& point);
// Errors: kCorrupt.
Result<ComparisonPoint> point_from(const Json& json);

struct ComparisonReport {
  std::vector<ComparisonPoint> points;  // method by method, in the order of the options
  size_t from_earlier_run = 0;
  std::vector<std::string> warnings;
};

// Points that an earlier run left in the output are taken from there if they are of the same options, model, Hessians,
// texts and version; others are refused, unless `again`. A checkpoint is removed once it is measured. Errors: those of
// make_method() but for kUnsupported, which becomes ComparisonPoint::missing; kInvalidArgument for a method that needs
// Hessians where there are none; kExists for points of something else; those of methods and of divergence(), with the
// method's name.
Result<ComparisonReport> run_comparison(const ComparisonOptions& options, const Progress& progress);

// A line per point and text, or per point without texts; the tasks' averages stand in each.
std::string comparison_csv(const ComparisonReport& report);
// Divergence on the first text (else relative error, in dB) against bits, a series per method.
std::string comparison_svg(const ComparisonReport& report);

}  // namespace nwc
