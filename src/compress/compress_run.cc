#include "compress/compress_run.h"

#include <algorithm>

#include "checkpoint/checksums.h"
#include "team/team.h"

namespace nwc {
namespace {

Status compress_item(const CompressRun& run, size_t number, const TensorCompressor& tensors) {
  const WorkItem& item = run.items[number];
  const Progress inside{
      .report = [&](uint64_t done, uint64_t,
                    const std::string& what) { run.progress.at(item.begin + done, run.plan.compressed_bytes, what); },
      .stop = run.progress.stop};
  NWC_ASSIGN_OR_RETURN(PartWriter part, PartWriter::create(run.parts.path_of(number), run.parts.run(),
                                                           run.blocks.contents(item, run.checkpoint), tensors));
  NWC_RETURN_IF_ERROR(run.blocks.compress(item, tensors, part, inside));
  return part.finish();
}

}  // namespace

Result<EarlierShards> EarlierShards::find(const CompressRun& run) {
  EarlierShards earlier;
  earlier.whole_.assign(run.plan.shards.size(), 0.0);
  for (size_t s = 0; run.output != nullptr && s < run.plan.shards.size(); ++s) {
    const std::string name = run.plan.shards[s].file->path().filename().string();
    if (!run.output->has_from_earlier_run(name)) continue;
    const Result<SafetensorsFile> file = SafetensorsFile::open(run.output->path() / name);
    const Status usable = file ? verify_file(*file) : Status(file.error());
    if (usable) {
      earlier.whole_[s] = 1.0;
    } else {
      earlier.warnings_.push_back(made_again(usable.error()));
    }
  }
  NWC_RETURN_IF_ERROR(run.team.gather(earlier.whole_));
  return earlier;
}

bool EarlierShards::has(const SafetensorsFile* shard, const CompressPlan& plan) const {
  for (size_t s = 0; s < plan.shards.size(); ++s) {
    if (plan.shards[s].file == shard) return has(s);
  }
  return false;
}

bool EarlierShards::supersede(const WorkItem& item, const CompressRun& run) const {
  const PartContents contents = run.blocks.contents(item, run.checkpoint);
  return std::all_of(item.members.begin(), item.members.end(),
                     [&](const WorkItem::Member& member) { return has(member.shard, run.plan); }) &&
         std::all_of(contents.replaced.begin(), contents.replaced.end(),
                     [&](const TensorView* tensor) { return has(run.checkpoint.find(tensor->name).shard, run.plan); });
}

Result<WorkDone> work_through(const CompressRun& run, const EarlierShards& earlier, const TensorCompressor& tensors) {
  WorkDone work{.found = std::vector<double>(run.items.size(), 0.0)};
  for (;;) {
    NWC_RETURN_IF_ERROR(run.progress.check_stop());
    NWC_ASSIGN_OR_RETURN(const size_t number, run.team.claim());
    if (number >= run.items.size()) return work;
    const WorkItem& item = run.items[number];
    const bool superseded = earlier.supersede(item, run);
    const Result<Part> part = superseded ? Error(ErrorCode::kNotFound, "not needed") : run.parts.find(number);
    if (superseded || part) {
      work.found[number] = 1.0;
      continue;
    }
    if (part.error().code() != ErrorCode::kNotFound) work.warnings.push_back(made_again(part.error()));
    Status done = compress_item(run, number, tensors);
    if (!done && done.error().code() == ErrorCode::kInterrupted) return done.error();
    if (!done) return std::move(done).error().in_tensor(item.name);
    if (run.output != nullptr) run.output->keep_progress();
  }
}

}  // namespace nwc
