// Compressing, decompressing and inspecting checkpoints.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compress/compress.h"
#include "compress/compress_defaults.h"
#include "compress/layers/differences.h"
#include "compress/layers/progressive.h"
#include "compress/rate/size_target.h"
#include "compress/tensor_record.h"
#include "errors.h"
#include "module.h"
#include "nwcodec/decompress.h"
#include "nwcodec/inspect.h"
#include "tensor/device.h"

namespace nb = nanobind;

namespace nwc::python {
namespace {

template <class T>
using Names = std::vector<std::pair<std::string_view, T>>;

template <class T>
void set_by_name(const std::optional<std::string>& given, const char* option, const Names<T>& names, T& value) {
  if (!given) return;
  std::string known;
  for (const auto& [name, meant] : names) {
    if (name == *given) {
      value = meant;
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  raise(Error(ErrorCode::kInvalidArgument, std::string(option) + " is none of " + known));
}

// Arguments of compress() as Python gives them; what is not given is left open.
struct CompressArguments {
  std::string model, output;
  std::vector<std::string> codecs;
  std::optional<double> bits;
  std::optional<std::string> size;
  std::vector<std::string> include, exclude;
  std::string hessians;
  std::vector<double> layers;    // of a progressive checkpoint: bits of each prefix
  std::string base, base_model;  // of a delta; empty for none
  std::optional<std::string> steps, feedback, normalisation;
  std::optional<unsigned> trellis, tile_chunks, run_groups;
  std::optional<double> rate_weight;
  bool keep_embeddings = false, keep_nonfinite = false, force = false;
  unsigned level = 0;
  std::string device;
  int threads = 0;
};

void check_differences(const CompressArguments& a) {
  const auto refuse = [](const char* what) { raise(Error(ErrorCode::kInvalidArgument, what)); };
  if (a.base.empty() && !a.base_model.empty()) refuse("base_model goes with base, which was compressed from it");
  if (!a.base.empty() && !a.layers.empty()) refuse("base and layers exclude each other: a delta has one layer");
  if (!a.base.empty() && !a.bits) refuse("a delta is made at a rate: give bits, for each weight that differs");
  if (a.layers.empty()) return;
  if (a.bits || a.size) refuse("layers are the rates themselves: leave out bits and size");
  check(check_layers(a.layers));
}

std::pair<CompressOptions, OpenOptions> options_of(const CompressArguments& a) {
  CompressOptions o;
  o.model = a.model;
  o.output = a.output;
  o.codecs.assign(a.codecs.begin(), a.codecs.end());
  o.bits = a.bits;
  if (a.size) o.size = value_of(parse_size(*a.size));
  if (a.bits && a.size) raise(Error(ErrorCode::kInvalidArgument, "bits and size exclude each other"));
  check_differences(a);
  if (!a.layers.empty()) o.bits = a.layers[0];
  o.selection.include = a.include;
  o.selection.exclude = a.exclude;
  o.hessians = a.hessians;
  set_by_name<StepRule>(
      a.steps, "steps",
      {{"levels", StepRule::kLevels}, {"water-fill", StepRule::kWaterFill}, {"sensitivity", StepRule::kSensitivity}},
      o.guide.steps);
  set_by_name<Feedback>(
      a.feedback, "feedback",
      {{"none", Feedback::kNone}, {"columns", Feedback::kColumns}, {"two-sided", Feedback::kTwoSided}},
      o.guide.feedback);
  set_by_name<Normalisation>(a.normalisation, "normalisation",
                             {{"column", Normalisation::kColumn},
                              {"row", Normalisation::kRow},
                              {"both", Normalisation::kBoth},
                              {"tensor", Normalisation::kTensor},
                              {"model", Normalisation::kModel}},
                             o.encode.normalisation.kind);
  if (a.trellis) o.encode.trellis_states = *a.trellis;
  if (a.tile_chunks) o.encode.tile_chunks = *a.tile_chunks;
  if (a.run_groups) o.encode.run_groups = static_cast<uint16_t>(*a.run_groups);
  if (a.rate_weight) o.encode.rate_weight = *a.rate_weight;
  o.keep_embeddings = a.keep_embeddings;
  o.keep_nonfinite = a.keep_nonfinite;
  o.force = a.force;
  o.level = a.level;
  o.threads = a.threads;
  const OpenOptions open{.steps = !a.steps && a.codecs.empty() && !a.normalisation,
                         .feedback = !a.feedback,
                         .normalisation = !a.normalisation,
                         .trellis = !a.trellis,
                         .rate_weight = !a.rate_weight,
                         .tile_chunks = !a.tile_chunks};
  return {o, open};
}

nb::dict compress(const CompressArguments& a, const std::vector<std::string>& profile, const nb::object& progress) {
  auto [options, open] = options_of(a);
  check(settle_guide(open, options.bits || options.size, options));
  check(settle_encoding(open, options));
  if (options.codecs.empty() && options.guide.steps != StepRule::kSensitivity)
    options.codecs.assign(profile.begin(), profile.end());
  const std::unique_ptr<EncodeDevice> device = value_of(open_encode_device(a.device));
  options.device = device.get();
  std::optional<ProgressiveReport> layers;
  const CompressReport report =
      run_long<CompressReport>(progress, [&, &o = options](const Progress& p) -> Result<CompressReport> {
        if (!a.layers.empty()) {
          NWC_ASSIGN_OR_RETURN(layers, compress_progressively(o, {.bits = a.layers, .lower = {}}, p));
          return layers->base;
        }
        if (!a.base.empty()) {
          NWC_ASSIGN_OR_RETURN(o.base, base_of_delta(a.base, o.output));
          o.base->original = a.base_model;
        }
        return compress_checkpoint(o, p);
      });
  nb::dict result;
  if (layers) {
    nb::list prefixes;
    for (size_t i = 0; i < layers->bits.size(); ++i) {
      nb::dict prefix;
      prefix["bits_per_weight"] = layers->bits[i];
      prefix["file_bytes"] = layers->file_bytes[i];
      prefixes.append(prefix);
    }
    result["layers"] = prefixes;
  }
  if (report.differences) {
    nb::dict taken;
    taken["differences"] = report.differences->differences;
    taken["whole"] = report.differences->whole;
    taken["unchanged"] = report.differences->unchanged;
    result["differences"] = taken;
  }
  nb::list tensors;
  for (const TensorRecord& record : report.tensors) tensors.append(to_json(record).dump());
  result["tensors"] = tensors;
  result["codec"] = report.codec.filename().string();
  result["gain"] = report.gain;
  result["input_bytes"] = report.input_bytes;
  result["output_bytes"] = layers && !layers->file_bytes.empty() ? layers->file_bytes.back() : report.output_bytes;
  result["warnings"] = report.warnings;
  return result;
}

nb::dict decompress(const std::string& input, const std::string& output, const std::optional<std::string>& dtype,
                    bool force, int threads, unsigned layers, const std::string& base, const nb::object& progress) {
  DecompressOptions options{.input = input,
                            .output = output,
                            .dtype = {},
                            .layers = layers_of(layers, base).layers,
                            .base = base,
                            .force = force,
                            .threads = threads};
  if (dtype) {
    options.dtype = dtype_from_name(*dtype);
    if (!options.dtype) raise(Error(ErrorCode::kInvalidArgument, "dtype '" + *dtype + "' is none of F32, F16, BF16"));
  }
  const DecompressReport report =
      run_long<DecompressReport>(progress, [&](const Progress& p) { return decompress_checkpoint(options, p); });
  nb::dict result;
  result["input_bytes"] = report.input_bytes;
  result["output_bytes"] = report.output_bytes;
  result["saturated"] = report.saturated;
  result["flushed"] = report.flushed;
  result["warnings"] = report.warnings;
  return result;
}

nb::dict inspect(const std::string& directory, bool verify, unsigned layers, const std::string& base) {
  const CheckpointReport report = run_long<CheckpointReport>(
      nb::none(), [&](const Progress&) { return inspect_checkpoint(directory, verify, layers_of(layers, base)); });
  nb::dict result;
  nb::list tensors;
  for (const TensorReport& t : report.tensors) {
    nb::dict tensor;
    tensor["name"] = t.name;
    tensor["dtype"] = std::string(name_of(t.dtype));
    tensor["shape"] = nb::tuple(nb::cast(t.shape));
    tensor["weights"] = t.weights;
    tensor["payload_bytes"] = t.payload_bytes;
    tensor["side_bytes"] = t.side_bytes;
    tensor["bits_per_weight"] = t.bits_per_weight();
    tensors.append(tensor);
  }
  result["tensors"] = tensors;
  nb::list parts;
  for (const LayerReport& l : report.layers) {
    nb::dict layer;
    layer["folder"] = l.folder;
    layer["codec_id"] = l.codec_id;
    layer["tensors"] = l.tensors;
    layer["payload_bytes"] = l.payload_bytes;
    layer["side_bytes"] = l.side_bytes;
    layer["codec_bytes"] = l.codec_bytes;
    layer["file_bytes"] = l.file_bytes;
    parts.append(layer);
  }
  result["layers"] = parts;
  result["base"] = report.base.empty() ? nb::object(nb::none()) : nb::cast(report.base);
  result["unchanged_tensors"] = report.unchanged_tensors;
  result["unchanged_parameters"] = report.unchanged_parameters;
  result["codec_id"] = report.codec_id;
  result["weights"] = report.weights;
  result["payload_bytes"] = report.payload_bytes;
  result["side_bytes"] = report.side_bytes;
  result["codec_bytes"] = report.codec_bytes;
  result["plain_tensors"] = report.plain_tensors;
  result["plain_bytes"] = report.plain_bytes;
  result["file_bytes"] = report.file_bytes;
  result["original_bytes"] = report.original_bytes;
  result["bits_per_weight"] = report.bits_per_weight();
  result["bits_per_parameter"] = report.bits_per_parameter();
  result["warnings"] = report.warnings;
  return result;
}

}  // namespace

void bind_commands(nb::module_& m) {
  nb::class_<CompressArguments> arguments(m, "CompressArguments");
  arguments.def(nb::init<>())
      .def_rw("model", &CompressArguments::model)
      .def_rw("output", &CompressArguments::output)
      .def_rw("codecs", &CompressArguments::codecs)
      .def_rw("bits", &CompressArguments::bits, nb::arg().none())
      .def_rw("size", &CompressArguments::size, nb::arg().none())
      .def_rw("include", &CompressArguments::include)
      .def_rw("exclude", &CompressArguments::exclude)
      .def_rw("hessians", &CompressArguments::hessians)
      .def_rw("layers", &CompressArguments::layers)
      .def_rw("base", &CompressArguments::base)
      .def_rw("base_model", &CompressArguments::base_model)
      .def_rw("steps", &CompressArguments::steps, nb::arg().none())
      .def_rw("feedback", &CompressArguments::feedback, nb::arg().none())
      .def_rw("normalisation", &CompressArguments::normalisation, nb::arg().none())
      .def_rw("trellis", &CompressArguments::trellis, nb::arg().none())
      .def_rw("tile_chunks", &CompressArguments::tile_chunks, nb::arg().none())
      .def_rw("run_groups", &CompressArguments::run_groups, nb::arg().none())
      .def_rw("rate_weight", &CompressArguments::rate_weight, nb::arg().none())
      .def_rw("keep_embeddings", &CompressArguments::keep_embeddings)
      .def_rw("keep_nonfinite", &CompressArguments::keep_nonfinite)
      .def_rw("force", &CompressArguments::force)
      .def_rw("level", &CompressArguments::level)
      .def_rw("device", &CompressArguments::device)
      .def_rw("threads", &CompressArguments::threads);
  m.def("compress", &compress, nb::arg("arguments"), nb::arg("profile"), nb::arg("progress").none());
  m.def("decompress", &decompress, nb::arg("input"), nb::arg("output"), nb::arg("dtype").none(), nb::arg("force"),
        nb::arg("threads"), nb::arg("layers"), nb::arg("base"), nb::arg("progress").none());
  m.def("inspect", &inspect, nb::arg("directory"), nb::arg("verify"), nb::arg("layers") = 0, nb::arg("base") = "");
}

}  // namespace nwc::python
