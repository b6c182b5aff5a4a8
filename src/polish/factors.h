// The numbers that polishing trains: one vector for a whole checkpoint, and what it makes of the stored weights.
// Includes LibTorch: private to src/polish.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "decode/weight_store.h"
#include "libtorch/device.h"
#include "libtorch/tensors.h"
#include "model/config/spec.h"
#include "nwcodec/result.h"
#include "polish/stored_changes.h"

namespace nwc {

// A number of the vector, theta, is a share of a stored one, in octaves. Of a compressed tensor, for each column and
// each row that has a factor of its own in the file: the weights of the line are multiplied by 2^theta. Rows that a
// later layer's columns scale as well are left out (values of attention, and of gated MLPs). Of norms and biases: theta
// ln 2 times the tensor's root mean square is added. 0 leaves everything as it is.
// Thread safety: const members may be called from several threads at once.
class Factors {
 public:
  // Those of all tensors that the model reads. Errors: those of opening streams; kCorrupt.
  static Result<Factors> of(const WeightStore& compressed, const ModelSpec& model);

  int64_t count() const { return count_; }
  bool has(const std::string& name) const { return tensors_.contains(name); }
  // float32, as ParameterSource::load() gives it, with its share of `theta`. Without gradients.
  at::Tensor applied(const std::string& name, const at::Tensor& stored, const at::Tensor& theta) const;
  // From the gradient at what applied() gave, that at theta, added to `sum`.
  void add_gradient(const std::string& name, const at::Tensor& weight, const at::Tensor& gradient,
                    at::Tensor& sum) const;

  // What is left of theta when it is stored, with corrections of line scales in units of 2^-bits of a step, or for 0
  // bits without. On the device of `theta`.
  at::Tensor rounded(const at::Tensor& theta, unsigned bits) const;
  // What to store: rounded(theta, bits) in the file's terms. Tensors that do not change are left out.
  StoredChanges changes(const at::Tensor& theta, unsigned bits) const;

 private:
  struct Tensor {
    bool plain = false, lines = false, transposed = false;
    int64_t matrices = 1, rows = 0, columns = 0;
    int64_t first_column = 0, column_factors = 0;  // where in theta; of plain tensors all their numbers are columns
    int64_t first_row = 0, row_factors = 0;
    unsigned least_bits = 0;    // of corrections that are there already
    DType dtype = DType::kF16;  // of `stored`
    double unit = 0;            // of a plain tensor
    std::vector<float> stored;  // the file's own numbers that change: a plain tensor, or scales without line scales
  };
  Status add_compressed(const WeightStore& compressed, const StoredWeight& weight, bool with_rows);
  Status add_plain(const WeightStore& compressed, const StoredWeight& weight);
  static unsigned bits_of_lines(const Tensor& tensor, unsigned bits);
  static size_t first_stored(const Tensor& tensor);
  static size_t count_of(const Tensor& tensor);
  // The file's own numbers with these of theta, not rounded.
  static std::vector<float> moved(const Tensor& tensor, const float* numbers);

  std::map<std::string, Tensor> tensors_;
  int64_t count_ = 0;
};

}  // namespace nwc
