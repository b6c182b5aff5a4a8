// A causal language model, part by part: each part is loaded when it is asked for, so that a pass over a model needs
// the memory of one block and of the hidden states only.
//
//   NWC_ASSIGN_OR_RETURN(const CausalLm model, CausalLm::open(directory, {}));
//   hidden = (*model.embedding())->forward(ids);
//   for (size_t i = 0; i < model.blocks(); ++i) hidden = (*model.block(i))->forward(hidden, {});
//   logits = (*model.head())->forward(hidden);
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libtorch/device.h"
#include "model/config/spec.h"
#include "model/layers/block.h"
#include "model/layers/ends.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"

namespace nwc {

// Which parts stay in memory once they are loaded. The others are read anew by each call of embedding(), block() and
// head(), from the checkpoint's mapped files, and nothing but the caller's pointer holds them.
enum class Residency : uint8_t {
  kNone,
  kEnds,  // embedding and head; so a compressed model generates with one block in memory
  kAll,   // as fast generation needs
};

// Computes in float32, whatever the checkpoint stores.
// Thread safety: const members may be called from several threads at once.
class CausalLm {
 public:
  struct Options {
    Residency residency = Residency::kNone;
    // Whether head() will be called: calibration and recovery need none, and models of other tasks have none.
    bool head = true;
    // For decoding compressed tensors; <= 0 means all cores.
    int threads = 0;
    // Where the parts compute; what goes into them follows.
    ModelDevice device = {};
    // What decodes compressed tensors; none: this machine's cores. Parts are read as F32, so the bits are the same.
    std::shared_ptr<DecodeBackend> decode_backend = nullptr;
    // Of a progressive checkpoint, how many layers; none: all. Of a delta, its base; empty: where it says.
    std::optional<unsigned> layers = std::nullopt;
    std::filesystem::path base = {};
  };

  // Opens a checkpoint directory, plain or compressed. The presence and shape of every tensor are checked here, so that
  // a long pass does not fail in its middle. Of a tied model the tensors that are there decide (stored_head.h). Errors:
  // those of describe_model() and Weights::open(); kNotFound and kMismatch by tensor name.
  static Result<CausalLm> open(const std::filesystem::path& directory, const Options& options);
  // The same from parts; options.threads, device and decode_backend are the source's business.
  static Result<CausalLm> create(ModelSpec spec, std::shared_ptr<const ParameterSource> source, const Options& options);

  CausalLm(CausalLm&&) noexcept;
  CausalLm& operator=(CausalLm&&) noexcept;
  ~CausalLm();

  const ModelSpec& spec() const;
  bool resident() const;  // Residency::kAll
  // What the checkpoint does not say as one would expect, a line each: Weights::warnings() and those of a tied head.
  const std::vector<std::string>& warnings() const;
  size_t blocks() const { return spec().blocks.size(); }
  Result<std::shared_ptr<const Embedding>> embedding() const;
  Result<std::shared_ptr<const Block>> block(size_t index) const;  // index < blocks()
  Result<std::shared_ptr<const Head>> head() const;                // not without Options::head

 private:
  struct State;
  explicit CausalLm(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nwc
