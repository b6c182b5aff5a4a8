#include "calibrate/ends_fisher.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "calibrate/finite_check.h"
#include "checkpoint/quantised/stored_format.h"

namespace nwc {
namespace {

// Positions at a time that the CPU copies in binary64, for the whole vocabulary. A GPU sums without a copy.
constexpr int64_t kSummed = 16;

StoredHessian hessian_of(const SecondMoment& moment, int64_t features) {
  StoredHessian stored{.features = static_cast<uint64_t>(features), .tokens = {moment.tokens()}, .triangles = {}};
  moment.append_triangle(stored.triangles);
  return stored;
}

StoredFisher fisher_of(const SecondMoment& felt, const SquareSums& squares, const EffectiveTokens& effective,
                       const ModelSpec& model) {
  StoredFisher stored{.matrices = 1,
                      .features = static_cast<uint64_t>(model.hidden_size),
                      .output_features = static_cast<uint64_t>(model.vocab_size),
                      .inputs = {},
                      .rows = {},
                      .outputs = {},
                      .effective = {effective.count()}};
  felt.append_triangle(stored.inputs);
  squares.append_means(felt.tokens(), stored.rows);
  return stored;
}

Result<uint64_t> hash_of(const Checkpoint& checkpoint, const std::string& name) {
  const Checkpoint::Location found = checkpoint.find(name);
  if (found.tensor == nullptr)
    return Error(ErrorCode::kNotFound, "is missing").in_file(checkpoint.directory().string()).in_tensor(name);
  NWC_ASSIGN_OR_RETURN(const TensorValues values, values_of(*found.tensor, 0));
  const uint64_t hash = xxh3(values.bytes);
  found.shard->release(*found.tensor);
  return hash;
}

}  // namespace

EndsFisher::EndsFisher(const ModelSpec& model)
    : model_(model),
      head_input_(model.hidden_size),
      head_felt_(model.hidden_size),
      lookup_(model.hidden_size),
      head_squares_(model.vocab_size),
      lookup_squares_(model.vocab_size) {}

void EndsFisher::see_head(const at::Tensor& input, const at::Tensor& gradient) {
  const at::Tensor squares = gradient.square();
  const at::Tensor felt = input * squares.sum(-1, /*keepdim=*/true).sqrt();
  const std::vector<bool> finite = have_finite_squares({felt, input});
  if (!finite[0] || !finite[1]) return;
  head_input_.add(input);
  head_felt_.add(felt);
  head_effective_.add(squares.sum(-1));
  const int64_t summed = squares.is_cpu() ? kSummed : squares.size(0);
  for (int64_t begin = 0; begin < squares.size(0); begin += summed) {
    const at::Tensor some = squares.narrow(0, begin, std::min(summed, squares.size(0) - begin));
    head_squares_.add(some.sum(0, /*keepdim=*/false, torch::kFloat64));
  }
}

void EndsFisher::see_embedding(const at::Tensor& ids, const at::Tensor& gradient) {
  const at::Tensor felt = gradient.reshape({-1, model_.hidden_size}) * model_.embedding_scale;
  lookup_.add(felt);
  const at::Tensor squares = felt.square().sum(-1, false, torch::kFloat64);
  lookup_squares_.add_at(ids.reshape({-1}).to(felt.device()), squares);
  lookup_effective_.add(squares);
}

void EndsFisher::add(const EndsFisher& other) {
  head_input_.add(other.head_input_);
  head_felt_.add(other.head_felt_);
  lookup_.add(other.lookup_);
  head_squares_.add(other.head_squares_);
  lookup_squares_.add(other.lookup_squares_);
  head_effective_.add(other.head_effective_);
  lookup_effective_.add(other.lookup_effective_);
}

Status EndsFisher::add_up(Team& team) {
  NWC_RETURN_IF_ERROR(nwc::add_up({&head_input_, &head_felt_, &lookup_}, team));
  NWC_RETURN_IF_ERROR(head_squares_.add_up(team));
  NWC_RETURN_IF_ERROR(lookup_squares_.add_up(team));
  NWC_RETURN_IF_ERROR(head_effective_.add_up(team));
  return lookup_effective_.add_up(team);
}

Result<HessianFile> EndsFisher::file(const Checkpoint& checkpoint, const Json& provenance, int64_t positions) const {
  HessianFile file;
  file.calibration = provenance;
  file.positions = positions;
  file.hessians = {hessian_of(head_input_, model_.hidden_size)};
  file.fishers = {fisher_of(head_felt_, head_squares_, head_effective_, model_),
                  fisher_of(lookup_, lookup_squares_, lookup_effective_, model_)};
  NWC_ASSIGN_OR_RETURN(const uint64_t hash, hash_of(checkpoint, model_.embedding));
  if (model_.head.weight == model_.embedding) {
    file.weights[model_.embedding] = {.hessian = 0, .weight_hash = hash, .fisher = 0, .lookup = 1, .end = true};
    return file;
  }
  NWC_ASSIGN_OR_RETURN(const uint64_t hash_of_head, hash_of(checkpoint, model_.head.weight));
  file.hessians.push_back(hessian_of(lookup_, model_.hidden_size));
  file.weights[model_.head.weight] = {.hessian = 0, .weight_hash = hash_of_head, .fisher = 0, .end = true};
  file.weights[model_.embedding] = {.hessian = 1, .weight_hash = hash, .fisher = 1, .end = true};
  return file;
}

}  // namespace nwc
