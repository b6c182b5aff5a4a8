#include "learn/train_identity.h"

#include <algorithm>
#include <span>

#include "checkpoint/content_hash.h"
#include "libtorch/machine.h"

namespace nwc {
namespace {

void add_shape(const std::string& name, NetworkShape shape, RunIdentity& run) {
  run.add(name + " width", shape.width);
  run.add(name + " depth", shape.depth);
}

uint64_t hash_of(const std::vector<float>& chunks, int threads) {
  ContentHash hash;
  hash.add(std::as_bytes(std::span(chunks)), threads);
  return hash.value();
}

}  // namespace

Result<RunIdentity> identity_of(const TrainOptions& o, const ChunkSet& data, int threads) {
  RunIdentity run("train");
  run.add("lambda", o.lambda);
  run.add("chunk", o.chunk);
  run.add("latents", o.latents);
  for (size_t l = 0; l < o.level_coefficients.size(); ++l)
    run.add("level coefficient " + std::to_string(l), o.level_coefficients[l]);
  add_shape("analysis", o.analysis, run);
  add_shape("synthesis", o.synthesis, run);
  run.add("density per level", o.density_per_level);
  run.add("normalisation", name_of(o.normalisation));
  run.add("identity", o.identity);
  run.add("recipe", o.recipe == TrainRecipe::kPaper ? "paper" : "linear");
  run.add("steps", o.steps);
  run.add("batch", o.batch);
  run.add("learning rate", o.learning_rate);
  run.add("auxiliary learning rate", o.auxiliary_learning_rate);
  run.add("max chunks", o.max_chunks);
  run.add("heavy share", o.heavy_share);
  run.add("seed", o.seed);
  run.add("threads", threads);
  run.add_each("include", o.selection.include);
  run.add_each("exclude", o.selection.exclude);
  run.add("machine", std::string_view(machine_class({.cuda = o.device == TrainDevice::kCuda ? 0 : -1})));
  if (o.teacher) NWC_RETURN_IF_ERROR(run.add_file("teacher", *o.teacher));
  if (o.from) NWC_RETURN_IF_ERROR(run.add_file("from", *o.from));
  for (size_t m = 0; m < o.models.size(); ++m)  // names are in the codec's provenance
    run.add("model " + std::to_string(m + 1),
            std::string_view(std::filesystem::absolute(o.models[m]).lexically_normal().filename().native()));
  run.add_hash("training weights", hash_of(data.training, threads));
  run.add_hash("validation weights", hash_of(data.validation, threads));
  return run;
}

}  // namespace nwc
