// The tensor names in a description, to be changed in place. Beside tensors_of(), which lists the tensors.
//
// Thread safety: plain functions.
#pragma once

#include <string>
#include <vector>

#include "model/config/encoder_spec.h"
#include "model/config/spec.h"

namespace nwc {

// All of them, some empty and some several times. They point into the description.
std::vector<std::string*> names_in(BlockSpec& block);
std::vector<std::string*> names_in(ModelSpec& model);
std::vector<std::string*> names_in(EncoderModelSpec& model);

}  // namespace nwc
