// Several compressed checkpoints of one model beside each other: `nwcodec compare`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "format/measured_quality.h"
#include "nwcodec/inspect.h"
#include "nwcodec/result.h"
#include "report/divergence/divergence_profile.h"

namespace nwc {

struct ComparedCheckpoint {
  std::string label;  // told apart from the others'
  CheckpointReport size;
  std::optional<MeasuredQuality> recorded;   // when it was made
  std::optional<DivergenceProfile> profile;  // measured now
};

struct Comparison {
  std::string version, reference;  // of the program; the name of a directory, empty if there was none
  std::string command;             // that made the comparison
  std::vector<std::string> texts;  // names of files that all were measured on now; empty: as recorded
  std::vector<std::string> warnings;
  std::vector<ComparedCheckpoint> checkpoints;
};

// The names of the directories; the paths as given where names are equal.
std::vector<std::string> labels_of(const std::vector<std::filesystem::path>& directories);

// What is compared of a checkpoint: measured now, else recorded, else nothing.
struct ComparedQuality {
  double kl_divergence = 0, perplexity = 0, reference_perplexity = 0, top1_agreement = 0;
  std::optional<double> standard_error;  // of the divergence
  std::string basis;                     // texts and windows: what has another basis cannot be compared
};
std::optional<ComparedQuality> quality_of(const Comparison& comparison, const ComparedCheckpoint& checkpoint);

// Checkpoints of which no other of the same basis is at most as large and diverges less, or is smaller and diverges at
// most as much: indices, by size.
std::vector<size_t> unbeaten(const Comparison& comparison);

// A row for each checkpoint after a header; plain texts.
std::vector<std::vector<std::string>> comparison_table(const Comparison& comparison);
Json comparison_json(const Comparison& comparison);
// Deterministic, and without the date; names and commands may hold anything.
std::string comparison_html(const Comparison& comparison);

// The page, and beside it .json and .csv (the table). As write_divergence_report().
Status write_comparison(const Comparison& comparison, const std::filesystem::path& html);

}  // namespace nwc
