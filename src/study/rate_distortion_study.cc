#include "study/rate_distortion_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "baselines/ecsq.h"
#include "baselines/hadamard.h"
#include "baselines/hybrid_code.h"
#include "baselines/lloyd_max.h"
#include "baselines/one_mad_code.h"
#include "baselines/random_permutation_code.h"
#include "baselines/shannon.h"
#include "baselines/sources.h"
#include "baselines/vector_quantizer.h"
#include "codec/encode/encoder_codec.h"
#include "study/codec_quantizer.h"
#include "study/model_tensors.h"
#include "study/output/csv.h"
#include "study/output/svg_plot.h"
#include "study/trellis_coded.h"

namespace nwc {
namespace {

struct NamedCodec {
  std::string name;
  EncoderCodec codec;
};

// A source as it is quantised, and what is known of it.
struct Study {
  Samples samples;
  bool hadamard;
  std::optional<double> entropy;  // bits, of the source before any transform
  double power;                   // of the source before any transform, in the entropy's unit
  bool heavy_codebook;            // tcq* starts from a Laplace codebook
};

class CodebookCache {
 public:
  explicit CodebookCache(uint64_t seed) : seed_(seed) {}
  const HybridCodebook& get(Source initial, unsigned codebook_bits) {
    const auto key = std::make_pair(static_cast<int>(initial), codebook_bits);
    const auto found = books_.find(key);
    if (found != books_.end()) return found->second;
    return books_.emplace(key, fit_hybrid_codebook(initial, codebook_bits, seed_)).first->second;
  }

 private:
  uint64_t seed_;
  std::map<std::pair<int, unsigned>, HybridCodebook> books_;
};

class Curves {
 public:
  Curves(const RateDistortionOptions& options, const std::vector<NamedCodec>& codecs, CodebookCache& codebooks,
         RateDistortionReport& report)
      : options_(options), codecs_(codecs), codebooks_(codebooks), report_(report) {}

  Status add_all(const Study& study, const Progress& progress, uint64_t& done, uint64_t total) {
    const SortedSource sorted(study.samples.values);
    const auto label = [&](unsigned bits) {
      return fmt::format("{}{}, {} bits", study.samples.name, study.hadamard ? " after Hadamard" : "", bits);
    };
    for (unsigned bits = 1; bits <= options_.largest_bits; ++bits) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      progress.at(done++, total, label(bits));
      const auto add = [&](const char* method, const RatePoint& point, uint64_t samples, std::string detail) {
        this->add(study, sorted, {"", false, method, bits, point, 0, samples, std::move(detail)});
      };
      const uint64_t all = study.samples.values.size();
      add("sq", lloyd_max(sorted, bits).point, all, "levels fitted to the samples");
      if (bits <= largest_vector_bits(all))
        add("vq", vector_quantizer(study.samples.values, bits, options_.seed, options_.threads), all,
            "pairs, codebook fitted to the samples");
      NWC_RETURN_IF_ERROR(add_trellis(study, bits, progress, add));
      add("ecsq-uniform", fit_uniform(sorted, bits, Reconstruction::kMidpoint).point, all, "ideal entropy coder");
      add("ecsq-optimal", optimal_ecsq(sorted, bits), all, "ideal entropy coder, thresholds fitted to the samples");
      if (study.entropy) {
        add("shannon", shannon_bound(*study.entropy, study.power, bits), all,
            fmt::format("differential entropy {:.4f} bits", *study.entropy));
      }
    }
    for (const NamedCodec& codec : codecs_) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      NWC_ASSIGN_OR_RETURN(const CodecPoint point, codec_quantizer(study.samples, codec.codec, options_.threads));
      add(study, sorted,
          {"", false, "nwcodec", 0, point.point, 0, study.samples.values.size(),
           fmt::format("{}, payload {:.4f} bits, {} patches", codec.name, point.payload_bits, point.patches)});
    }
    return {};
  }

 private:
  void add(const Study& study, const SortedSource& sorted, RateDistortionPoint point) {
    point.source = study.samples.name;
    point.hadamard = study.hadamard;
    point.over_ecsq =
        decibels(point.point.nmse / fit_uniform(sorted, point.point.bits, Reconstruction::kMidpoint).point.nmse);
    report_.points.push_back(std::move(point));
  }

  template <class Add>
  Status add_trellis(const Study& study, unsigned bits, const Progress& progress, const Add& add) {
    if (options_.trellis.samples == 0) return {};
    const TrellisOptions& o = options_.trellis;
    const auto quantise = [&](const char* method, const std::function<BitshiftTrellis(unsigned)>& code,
                              const std::string& codebook) -> Status {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      const TrellisResult r = trellis_quantizer(code, study.samples.values, o, options_.threads);
      add(method, r.point, r.samples,
          fmt::format("L={} V={} sequences of {}{}, {}, scale {:.3f}", o.state_bits, code(1).values, kTrellisSequence,
                      o.tail_biting ? " biting their tails" : "", codebook, r.scale));
      return {};
    };
    const auto hybrid = [&](const char* method, Source initial, unsigned codebook_bits) {
      const HybridCodebook& book = codebooks_.get(initial, codebook_bits);
      return quantise(
          method, [&book, bits](unsigned state_bits) { return hybrid_code(book, state_bits, bits); },
          fmt::format("Q={} fitted to {} pairs", codebook_bits, name_of(initial)));
    };
    for (const unsigned states : {0u, 8u, 64u}) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      NWC_ASSIGN_OR_RETURN(const CodecPoint coded, trellis_coded(study.samples, bits, states, options_.threads));
      add(states > 0 ? fmt::format("trellis-{}", states).c_str() : "plain", coded.point, study.samples.values.size(),
          fmt::format("encoded, payload {:.4f} bits", coded.payload_bits));
    }
    NWC_RETURN_IF_ERROR(hybrid("tcq", Source::kGaussian, kQtipCodebookBits));
    NWC_RETURN_IF_ERROR(
        hybrid("tcq*", study.heavy_codebook ? Source::kLaplace : Source::kGaussian, scaled_codebook_bits(bits)));
    NWC_RETURN_IF_ERROR(quantise(
        "tcq-1mad", [bits](unsigned state_bits) { return one_mad_code(state_bits, bits); }, "computed code"));
    return quantise(
        "tcq-rptc", [&](unsigned state_bits) { return random_permutation_code(state_bits, bits, options_.seed); },
        "Gaussian quantiles");
  }

  const RateDistortionOptions& options_;
  const std::vector<NamedCodec>& codecs_;
  CodebookCache& codebooks_;
  RateDistortionReport& report_;
};

Status check(const RateDistortionOptions& o) {
  const auto invalid = [](std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); };
  static_assert(kFewestSamples == 16 * kSourceRows);
  if (o.samples < kFewestSamples || o.samples > kMostSamples)
    return invalid(fmt::format("samples must lie between {} and 2^28", kFewestSamples));
  if (o.largest_bits < 1 || o.largest_bits > kLargestVectorIndex / 2) return invalid("curves go to 6 bits at most");
  if (o.trellis.samples == 0) return {};
  if (o.trellis.samples > kMostSamples) return invalid("a trellis quantises 2^28 samples at most");
  if (o.trellis.samples < kTrellisSequence)
    return invalid(fmt::format("a trellis needs {} samples at least", kTrellisSequence));
  const unsigned fewest = std::max(kFewestHybridStateBits, 2 * o.largest_bits);
  if (o.trellis.state_bits < fewest || o.trellis.state_bits > 20) {
    return invalid(fmt::format("trellis codes at {} bits need {} to 20 state bits", o.largest_bits, fewest));
  }
  return {};
}

// Whole columns of one tensor, each over its scale.
Result<Samples> tensor_samples(const RateDistortionOptions& options) {
  NWC_ASSIGN_OR_RETURN(
      const ModelTensors model,
      ModelTensors::open(*options.model, {.include = options.tensor.empty() ? std::vector<std::string>{}
                                                                            : std::vector<std::string>{""}}));
  const ModelTensors::Tensor* tensor = nullptr;
  if (!options.tensor.empty()) {
    tensor = model.find(options.tensor);
  } else {
    const auto query = std::find_if(model.list().begin(), model.list().end(), [](const ModelTensors::Tensor& t) {
      return t.weights.name.find("q_proj") != std::string::npos;
    });
    tensor = query == model.list().end() ? &model.list().front() : &*query;
  }
  if (tensor == nullptr) {
    return Error(ErrorCode::kNotFound, "has no such matrix of weights")
        .in_file(options.model->string())
        .in_tensor(options.tensor)
        .remedy("nwcodec study statistics lists the linear weights");
  }
  const WeightMatrix& w = tensor->weights;
  if (w.rows * w.matrices * w.columns < 2 * kTrellisSequence) {
    return Error(ErrorCode::kInvalidArgument, "is too small to study")
        .in_file(tensor->file)
        .in_tensor(w.name)
        .remedy("choose another with --tensor");
  }
  const SampleLimits limits{.columns = std::max<uint64_t>(1, options.samples / w.rows)};
  Result<Samples> samples = normalised_samples(w, limits, options.threads);
  if (!samples) return std::move(samples).error().in_file(tensor->file);
  if (samples->power() == 0) {
    return Error(ErrorCode::kInvalidArgument, "consists of zeros")
        .in_file(tensor->file)
        .in_tensor(w.name)
        .remedy("choose another with --tensor");
  }
  return samples;
}

}  // namespace

Result<RateDistortionReport> run_rate_distortion_study(const RateDistortionOptions& options, const Progress& progress) {
  NWC_RETURN_IF_ERROR(check(options));
  std::vector<NamedCodec> codecs;
  for (const std::filesystem::path& path : options.codecs) {
    NWC_ASSIGN_OR_RETURN(EncoderCodec codec, read_encoder_codec(path));
    codecs.push_back({path.stem().string(), std::move(codec)});
  }
  std::vector<Study> studies;
  for (const Source source : {Source::kGaussian, Source::kLaplace, Source::kStudentT5}) {
    // Each source has a seed of its own; with one seed all would be made of the same uniform numbers.
    Samples samples = draw(source, options.samples, options.seed * 8 + static_cast<uint64_t>(source));
    studies.push_back({std::move(samples), false, differential_entropy(source), 1.0, source != Source::kGaussian});
  }
  if (options.model) {
    NWC_ASSIGN_OR_RETURN(Samples samples, tensor_samples(options));
    const SortedSource sorted(samples.values);
    const double power = sorted.power();
    studies.push_back({std::move(samples), false, estimated_entropy(sorted), power, true});
  }
  RateDistortionReport report;
  CodebookCache codebooks(options.seed);
  Curves curves(options, codecs, codebooks, report);
  uint64_t done = 0;
  const uint64_t total = 2 * studies.size() * options.largest_bits;
  for (Study& study : studies) {
    NWC_RETURN_IF_ERROR(curves.add_all(study, progress, done, total));
    hadamard_transform(study.samples, options.seed);
    study.hadamard = true;
    study.heavy_codebook = false;  // the Hadamard transform makes any source nearly Gaussian
    NWC_RETURN_IF_ERROR(curves.add_all(study, progress, done, total));
    study.samples.values = {};
  }
  progress.at(total, total, "done");
  return report;
}

std::string rate_distortion_csv(const RateDistortionReport& report) {
  std::vector<std::vector<std::string>> rows{{"source", "hadamard", "method", "nominal_bits", "bits", "nmse", "nmse_db",
                                              "gap_to_gaussian_bound_db", "db_over_uniform_ecsq", "samples", "detail"}};
  for (const RateDistortionPoint& p : report.points) {
    rows.push_back({p.source, p.hadamard ? "1" : "0", p.method,
                    p.nominal_bits == 0 ? "" : std::to_string(p.nominal_bits), csv_number(p.point.bits),
                    csv_number(p.point.nmse), csv_number(decibels(p.point.nmse)), csv_number(gap_decibels(p.point)),
                    csv_number(p.over_ecsq), std::to_string(p.samples), p.detail});
  }
  return format_csv(rows);
}

std::string rate_distortion_svg(const RateDistortionReport& report) {
  std::vector<PlotPanel> panels;
  std::string panel_key;
  for (const RateDistortionPoint& p : report.points) {
    const std::string key = p.source + (p.hadamard ? ", after a random Hadamard transform" : "");
    if (panels.empty() || key != panel_key)
      panels.push_back({key, "bits per weight", "gap to the Gaussian bound, dB", {}});
    panel_key = key;
    std::vector<PlotSeries>& series = panels.back().series;
    auto found = std::find_if(series.begin(), series.end(), [&](const PlotSeries& s) { return s.label == p.method; });
    if (found == series.end()) found = series.insert(series.end(), PlotSeries{p.method, {}, true});
    found->points.emplace_back(p.point.bits, gap_decibels(p.point));
  }
  for (PlotPanel& panel : panels) {
    for (PlotSeries& series : panel.series) std::sort(series.points.begin(), series.points.end());
  }
  return render_svg("Rate-distortion of quantisers", panels, 2);
}

}  // namespace nwc
