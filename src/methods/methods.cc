#include "methods/methods.h"

#include <algorithm>
#include <cmath>

namespace nwc {

// One per file.
MethodFactory make_awq, make_checkpoint, make_gptq, make_nwcodec, make_qtip, make_quip_sharp, make_round_to_nearest,
    make_seedlm, make_spinquant, make_svd_llm;

namespace {

struct Entry {
  const char* name;
  const char* parameters;
  const char* description;
  MethodFactory* make;
};

constexpr Entry kMethods[] = {
    {"awq", "group=128:symmetric=0:scale=1:clip=1", "input channels scaled by a searched power of their size, clipping",
     make_awq},
    {"checkpoint", "directory=DIR", "what another program has made of the model, decoded (bench/peers)",
     make_checkpoint},
    {"gptq", "group=128:act-order=1:static=1:symmetric=0:damping=0.01",
     "columns make up for the errors of those before them, by the inverse Hessian", make_gptq},
    {"nwcodec", "feedback=default:steps=default:recover=0",
     "ours at this rate, all bytes counted; embedding and head as they are; steps=levels is the paper's form",
     make_nwcodec},
    {"qtip", "code=hyb:states=16:feedback=1",
     "random Hadamard transforms, LDLQ, tail-biting trellis paths; code=hyb, 1mad or 3inst", make_qtip},
    {"quip-sharp", "feedback=1", "random Hadamard transforms, LDLQ, E8P with residual stages", make_quip_sharp},
    {"round-to-nearest", "group=128:symmetric=0:feedback=0",
     "integer grids of groups of a row (group=0: whole rows), scales in F16", make_round_to_nearest},
    {"seedlm", "", "bases that a linear feedback shift register writes from a seed; without data", make_seedlm},
    {"spinquant", "group=128:symmetric=0:act-order=1:seed=1",
     "the residual stream and values turned by random Hadamard matrices, then GPTQ; weights only", make_spinquant},
    {"svd-llm", "version=1:factor-bits=16:group=128",
     "low rank after whitening of the inputs; version=2 shares the rate out, factor-bits=4 quantises the factors",
     make_svd_llm},
};

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

}  // namespace

Result<unsigned> whole_bits(double bits, unsigned least, unsigned most) {
  const double rounded = std::nearbyint(bits);
  if (bits == rounded && bits >= least && bits <= most) return static_cast<unsigned>(rounded);
  return Error(ErrorCode::kUnsupported,
               "is defined for whole bits from " + std::to_string(least) + " to " + std::to_string(most));
}

Result<std::unique_ptr<const Method>> make_method(const std::string& method, double bits) {
  const size_t colon = std::min(method.find(':'), method.size());
  const std::string name = method.substr(0, colon);
  for (const Entry& entry : kMethods) {
    if (name != entry.name) continue;
    const auto with_name = [&](const Error& error) -> Error {
      if (error.code() != ErrorCode::kUnsupported && error.code() != ErrorCode::kInvalidArgument)
        return Error(error.code(), name + ": " + error.to_string());  // of a file
      Error named(error.code(), name + ": " + error.message());
      if (error.code() == ErrorCode::kUnsupported) return named;
      return std::move(named).remedy(std::string("for instance ") + name + ":" + entry.parameters);
    };
    Result<MethodParameters> parameters =
        MethodParameters::parse(colon < method.size() ? method.substr(colon + 1) : std::string());
    if (!parameters) return with_name(parameters.error());
    Result<std::unique_ptr<const Method>> made = entry.make(*parameters, bits);
    if (!made && made.error().code() != ErrorCode::kUnsupported) return with_name(made.error());
    if (const Status rest = parameters->check_all_taken(); !rest) return with_name(rest.error());
    if (!made) return with_name(made.error());
    return made;
  }
  std::string names;
  for (const Entry& entry : kMethods) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return invalid("there is no method " + name).remedy("choose among " + names);
}

std::vector<std::string> describe_methods() {
  std::vector<std::string> lines;
  for (const Entry& entry : kMethods) {
    lines.push_back(std::string(entry.name) + (entry.parameters[0] != '\0' ? ":" : "") + entry.parameters + "  " +
                    entry.description);
  }
  return lines;
}

}  // namespace nwc
