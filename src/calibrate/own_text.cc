#include "calibrate/own_text.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <optional>

#include "base/parallel.h"
#include "base/random_variates.h"
#include "calibrate/finite_check.h"
#include "calibrate/labels.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"

namespace nwc {
namespace {

constexpr int64_t kCacheBytes = int64_t{1} << 31;
constexpr int64_t kMostAtOnce = 64, kMostOfACore = 8;
constexpr int64_t kPositionsAnew = 16384;  // that go through a block together where a cache is made anew

int64_t document_length(const OwnTextOptions& options) { return std::min(options.document, options.length); }

int64_t documents_of_sequence(const OwnTextOptions& options) {
  return (options.length + document_length(options) - 1) / document_length(options);
}

// Documents that are written together.
class Group {
 public:
  Group(const CausalLm& model, const OwnTextOptions& options, int64_t first, int64_t count)
      : model_(model),
        options_(options),
        first_(first),
        cache_(model.blocks()),
        other_angles_(length_of_other_angles(model.spec())) {
    for (int64_t i = 0; i < count; ++i) numbers_.push_back(own_text_numbers(options.seed, first + i));
    std::vector<int64_t> ids;
    for (std::mt19937_64& random : numbers_) {
      ids.insert(ids.end(), options.beginning.begin(), options.beginning.end());
      ids.push_back(static_cast<int64_t>(random() % static_cast<uint64_t>(model.spec().vocab_size)));
    }
    written_ = torch::tensor(ids, torch::kInt64).view({count, -1});
    written_ = written_.narrow(1, 0, std::min(written_.size(1), document_length(options))).contiguous();
    next_ = written_;
  }

  // Tokens of each document so far.
  int64_t length() const { return written_.size(1); }

  // One more token in each document.
  Status go_on(const Progress& progress) {
    if (other_angles_ && length() == *other_angles_) {
      cache_ = KvCache(model_.blocks());  // what was computed by the angles of shorter sequences
      next_ = written_;
    }
    NWC_ASSIGN_OR_RETURN(const auto embedding, model_.embedding());
    at::Tensor hidden = embedding->forward(next_);
    for (size_t b = 0; b < model_.blocks(); ++b) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      NWC_ASSIGN_OR_RETURN(const auto block, model_.block(b));
      hidden = block->forward(hidden, {&cache_[b], {}});
    }
    NWC_ASSIGN_OR_RETURN(const auto head, model_.head());
    const at::Tensor logits = head->forward(hidden.select(1, hidden.size(1) - 1)) / options_.temperature;
    if (!is_finite(logits)) return not_finite(logits);
    std::vector<double> quantiles;
    for (std::mt19937_64& random : numbers_) quantiles.push_back(uniform_variate(random));
    next_ = drawn(logits, torch::tensor(quantiles, torch::kFloat64).to(logits.device()).unsqueeze(1)).cpu();
    next_ = next_.unsqueeze(1);
    written_ = torch::cat({written_, next_}, 1);
    return {};
  }

  void append_to(std::vector<CalibrationSequences::Sequence>& documents) const {
    const at::Tensor ids = written_.to(torch::kInt32).contiguous();
    const int32_t* const data = ids.data_ptr<int32_t>();
    for (int64_t i = 0; i < ids.size(0); ++i)
      documents.emplace_back(data + i * ids.size(1), data + (i + 1) * ids.size(1));
  }

 private:
  Error not_finite(const at::Tensor& logits) const {
    int64_t i = 0;
    while (is_finite(logits.select(0, i))) ++i;
    const int64_t of_sequence = documents_of_sequence(options_), before = (first_ + i) % of_sequence;
    return Error(ErrorCode::kNonFinite,
                 fmt::format("what the model predicts after token {} of sequence {} of its own text is not finite",
                             before * document_length(options_) + length(), (first_ + i) / of_sequence + 1))
        .remedy("calibrate with --text FILE, which names the layer");
  }

  const CausalLm& model_;
  const OwnTextOptions& options_;
  int64_t first_;
  KvCache cache_;
  std::optional<int64_t> other_angles_;
  std::vector<std::mt19937_64> numbers_;
  at::Tensor written_, next_;  // int64 [sequences, tokens], on the CPU; those that the cache does not hold yet
};

// Keys and values of one, with the room that a cache has.
int64_t bytes_of_document(const ModelSpec& model, int64_t length) {
  const auto capacity = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(length, 64))));
  int64_t width = 0;
  for (const BlockSpec& block : model.blocks) {
    const AttentionSpec& a = block.attention;
    width += a.kv_heads * (a.head_dim + (a.latent ? a.latent->value_dim : a.head_dim));
  }
  return std::max<int64_t>(1, width * capacity * static_cast<int64_t>(sizeof(float)));
}

// Tokens that are written, of all threads.
class Counter {
 public:
  Counter(const Progress& progress, int64_t total) : progress_(progress), total_(static_cast<uint64_t>(total)) {}
  void add(int64_t tokens) {
    const std::lock_guard lock(mutex_);
    done_ += static_cast<uint64_t>(tokens);
    progress_.at(done_, total_, "the model's own text");
  }

 private:
  const Progress& progress_;
  std::mutex mutex_;
  uint64_t done_ = 0, total_;
};

}  // namespace

std::mt19937_64 own_text_numbers(uint64_t seed, int64_t document) {
  std::seed_seq mixed{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(document),
                      uint32_t{0x6f776e}};  // other numbers than those of the labels
  return std::mt19937_64(mixed);
}

int64_t own_text_at_once(const ModelSpec& model, int64_t documents, int64_t length, bool on_cores) {
  int64_t most = kCacheBytes / bytes_of_document(model, length);
  if (const std::optional<int64_t> other = length_of_other_angles(model); other && length >= *other)
    most = std::min(most, kPositionsAnew / *other);
  most = std::clamp<int64_t>(most, 1, on_cores ? kMostOfACore : kMostAtOnce);
  const int64_t groups = std::max<int64_t>(1, (documents + most - 1) / most);
  return std::max<int64_t>(1, (documents + groups - 1) / groups);
}

Result<std::vector<CalibrationSequences::Sequence>> write_own_text(const CausalLm& model, const OwnTextOptions& options,
                                                                   const Progress& progress) {
  for (const int32_t id : options.beginning) {
    if (id >= 0 && id < model.spec().vocab_size) continue;
    return Error(ErrorCode::kInvalidArgument, fmt::format("a text is to begin with token {}, outside the vocabulary "
                                                          "of {}",
                                                          id, model.spec().vocab_size))
        .remedy("check that tokenizer.json belongs to these weights");
  }
  const bool on_cores = options.threads > 0;
  const int64_t length = document_length(options), of_sequence = documents_of_sequence(options);
  const int64_t documents = options.sequences * of_sequence;
  const int64_t at_once =
      options.at_once > 0 ? options.at_once : own_text_at_once(model.spec(), documents, length, on_cores);
  const auto groups = static_cast<size_t>((documents + at_once - 1) / at_once);
  std::vector<std::vector<CalibrationSequences::Sequence>> written(groups);
  Counter counter(progress, documents * length);
  const auto write_group = [&](size_t g) -> Status {
    const torch::NoGradGuard no_gradients;
    const int64_t first = static_cast<int64_t>(g) * at_once, count = std::min(at_once, documents - first);
    Group group(model, options, first, count);
    counter.add(count * group.length());
    while (group.length() < length) {
      NWC_RETURN_IF_ERROR(group.go_on(progress));
      counter.add(count);
    }
    group.append_to(written[g]);
    return {};
  };
  if (on_cores) {
    const int64_t caches = kCacheBytes / (at_once * bytes_of_document(model.spec(), length));
    const int workers = static_cast<int>(std::clamp<int64_t>(caches, 1, options.threads));
    set_compute_threads(1);
    const Status status = parallel_for(groups, workers, [&](size_t g, int) {
      at::set_num_threads(1);  // of this thread
      return catch_foreign("writing a text", [&] { return write_group(g); });
    });
    set_compute_threads(options.threads);
    NWC_RETURN_IF_ERROR(status);
  } else {
    for (size_t g = 0; g < groups; ++g) NWC_RETURN_IF_ERROR(write_group(g));
  }
  std::vector<CalibrationSequences::Sequence> sequences;
  int64_t number = 0;
  for (const auto& group : written) {
    for (const CalibrationSequences::Sequence& document : group) {
      if (number++ % of_sequence == 0) sequences.emplace_back();
      CalibrationSequences::Sequence& sequence = sequences.back();
      const int64_t count = std::min(std::ssize(document), options.length - std::ssize(sequence));
      sequence.insert(sequence.end(), document.begin(), document.begin() + count);
    }
  }
  return sequences;
}

}  // namespace nwc
