// What experiments share: a calibration, points of comparisons, codecs that are trained here. Each is made when
// somebody asks for it, kept in the output, and taken from there by later experiments and later runs of the same
// command.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ablation/ablation.h"
#include "checkpoint/run_identity.h"
#include "comparison/comparison.h"
#include "learn/train.h"
#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "reproduce/profile.h"
#include "text/tokenizer.h"
#include "zeroshot/task_file.h"

namespace nwc {

struct ReproductionOptions {
  std::filesystem::path model;                     // a plain checkpoint with tokenizer.json
  std::vector<std::filesystem::path> others;       // of other families, for Figures 4 and 11
  std::vector<std::filesystem::path> calibration;  // texts
  std::filesystem::path wikitext, c4;              // texts that are evaluated; c4 may be empty
  std::vector<std::filesystem::path> tasks;        // files of multiple-choice items, may be empty
  std::filesystem::path output;
  ReproductionProfile profile;
  std::vector<std::string> only;                                 // file names of experiments; empty: all
  std::vector<std::filesystem::path> fast_codecs, paper_codecs;  // shipped ones
  bool again = false;                                            // remove what an earlier run left, of whatever options
  int threads = 0;                                               // resolved
  std::string device_name = "cpu";
  ModelDevice device = {};  // the same, opened
};

// Not thread-safe.
class Bench {
 public:
  // Errors: of the model's tokenizer, of reading texts and tasks; kInvalidArgument.
  static Result<std::unique_ptr<Bench>> open(const ReproductionOptions& options, const Progress& progress);

  const ReproductionOptions& options() const { return options_; }
  const ReproductionProfile& profile() const { return options_.profile; }
  // What decides about every result: profile, model, texts, tasks.
  const RunIdentity& identity() const { return identity_; }
  // A directory below the output for an experiment's own files, created if it is not there.
  Result<std::filesystem::path> work(const std::string& name) const;

  // Hessians with gradients and output sides of one of the models. Errors: those of calibrate().
  Result<std::filesystem::path> hessians(const std::filesystem::path& model, const Progress& progress);

  struct Comparing {
    std::vector<std::string> methods;
    std::vector<double> bits;
    std::string name = "comparison";             // of its directory: one for each choice of what follows
    std::optional<std::filesystem::path> model;  // another than the options'
    bool data_free = false;                      // no Hessians
    bool measured = true;                        // on texts and tasks
    std::vector<std::filesystem::path> codecs;   // empty: the shipped fast ones
    SelectionOptions selection;
    int64_t context = 0;  // 0: the profile's
    bool with_tasks = true;
  };
  // Errors: those of run_comparison() and hessians().
  Result<std::vector<ComparisonPoint>> compare(const Comparing& comparing, const Progress& progress);

  // A codec trained on the model's own weights, by the profile. `identity`: no transform (Table 7's baseline).
  // Errors: those of train_codec().
  Result<std::filesystem::path> codec(double lambda, uint64_t seed, bool identity, const Progress& progress);

  // Variants at the profile's rates, with the ids and windows of WikiText; those of one name run once. Errors: those of
  // run_ablation().
  Result<AblationReport> ablate(std::vector<AblationVariant> variants, const std::string& name,
                                const Progress& progress);

  const std::vector<Task>& tasks() const { return tasks_; }

 private:
  struct Side {  // of one model
    Tokenizer tokenizer;
    PrefixToken prefix;
    std::vector<ComparisonText> texts;
  };
  Bench(ReproductionOptions options, RunIdentity identity)
      : options_(std::move(options)), identity_(std::move(identity)) {}
  Result<const Side*> side(const std::filesystem::path& model, const Progress& progress);

  ReproductionOptions options_;
  RunIdentity identity_;
  std::vector<Task> tasks_;
  std::map<std::filesystem::path, std::unique_ptr<Side>> sides_;
  std::map<std::string, AblationReport> ablations_;
};

}  // namespace nwc
