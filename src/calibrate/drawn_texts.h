// The sequences of a calibration's texts: drawn from files, or written by the model. Private to src/calibrate.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "calibrate/calibrate.h"
#include "checkpoint/resumable_directory.h"
#include "guide/calibration_sequences.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc {

struct DrawnTexts {
  using Sequence = CalibrationSequences::Sequence;
  std::vector<std::vector<Sequence>> texts;
  std::vector<Sequence> held_out;  // of the model's own text

  CalibrationSequences to_be_stored(const Json& provenance) const;
};

// What the drawn texts come from, as files say it.
using ProvenanceOf = std::function<Json(const DrawnTexts&)>;

// Of each text `options.sequences`, or as many as there are, with a warning. The model's own text takes a model in
// memory and a while, so that its sequences are on disk before this returns, and those of an interrupted run are taken
// from there. `output`: begun; of a team, whose leading process writes that text for all, null in the others. Errors:
// those of draw_sequences(), by text, of write_own_text() and of opening the model with its head; kIo.
Result<DrawnTexts> draw_texts(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                              ResumableDirectory* output, const ProvenanceOf& provenance, const Progress& progress,
                              Team& team, std::vector<std::string>& warnings);

}  // namespace nwc
