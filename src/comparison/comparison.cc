#include "comparison/comparison.h"

#include <chrono>
#include <system_error>

#include "base/file.h"
#include "base/parallel.h"
#include "checkpoint/run_identity.h"
#include "comparison/original.h"
#include "methods/method_model.h"
#include "methods/methods.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestPoint = 1 << 20;  // bytes

// A file name: "gptq-group=128-3".
std::string name_of(const std::string& method, double bits) {
  std::string name = method + "-";
  char text[32];
  const int length = std::snprintf(text, sizeof text, "%g", bits);
  name.append(text, static_cast<size_t>(length));
  for (char& c : name) {
    if (c == ':' || c == '/' || c == '\\') c = '-';
  }
  return name;
}

// Removes what was compressed, however the scope is left.
struct Removed {
  fs::path path;
  bool keep;
  ~Removed() {
    std::error_code ignored;
    if (!keep) fs::remove_all(path, ignored);
  }
};

Error of_method(const std::string& method, Error error) {
  if (error.code() == ErrorCode::kInterrupted) return error;
  return Error(error.code(), method + ": " + error.to_string());
}

// All but method and rate.
Result<RunIdentity> identity_of(const ComparisonOptions& options, const Checkpoint& checkpoint) {
  RunIdentity identity("study compare");
  identity.add("context", options.windows.context);
  identity.add("windows", options.windows.max_windows);
  identity.add_each("include", options.selection.include);
  identity.add_each("exclude", options.selection.exclude);
  for (const fs::path& codec : options.codecs) identity.add("codec " + codec.filename().string(), "yes");
  for (const ComparisonText& text : options.texts)
    NWC_RETURN_IF_ERROR(identity.add_file("text " + text.path.filename().string(), text.path));
  for (const Task& task : options.tasks) {
    identity.add("items of task " + task.name, task.items.size());
    NWC_RETURN_IF_ERROR(identity.add_file("task " + task.name, task.file));
  }
  identity.add_weights("weights of", checkpoint, options.threads);
  if (!options.hessians.empty()) {
    NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(options.hessians));
    for (const std::string& name : names) {
      if (is_hessian_file(name)) NWC_RETURN_IF_ERROR(identity.add_file("hessians " + name, options.hessians / name));
    }
  }
  return identity;
}

// The point of an earlier run, if there is one. Errors: kExists for one of something else; kIo, kCorrupt.
Result<std::optional<ComparisonPoint>> earlier_point(const fs::path& file, const RunIdentity& identity, bool again) {
  std::error_code ignored;
  if (again || !fs::exists(file, ignored)) return std::optional<ComparisonPoint>();
  NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(file, kLargestPoint));
  NWC_ASSIGN_OR_RETURN(const Json json, parse_json(text));
  const bool whole = json.is_object() && json.contains("identity") && json["identity"].is_string();
  const std::string difference =
      whole ? RunIdentity::difference(json["identity"].get<std::string>(), identity.text()) : "is damaged";
  if (!difference.empty()) {
    return Error(ErrorCode::kExists, "is a point of another comparison: it " + difference)
        .in_file(file.string())
        .remedy("choose another output, or --force");
  }
  NWC_ASSIGN_OR_RETURN(ComparisonPoint point, point_from(json));
  return std::optional(std::move(point));
}

Result<ComparisonPoint> make_point(const ComparisonOptions& options, const MethodModel& model,
                                   const std::string& method, double bits, Original& original,
                                   const Progress& progress) {
  ComparisonPoint point{.method = method, .asked_bits = bits};
  const Result<std::unique_ptr<const Method>> made = make_method(method, bits);
  if (!made) {
    if (made.error().code() != ErrorCode::kUnsupported) return made.error();
    point.missing = made.error().message();
    return point;
  }
  const fs::path directory = options.output / "checkpoints" / name_of(method, bits);
  std::error_code failed;
  fs::remove_all(directory, failed);  // what an interrupted run left
  fs::create_directories(directory.parent_path(), failed);
  if (failed) return Error(ErrorCode::kIo, failed.message()).in_file(directory.parent_path().string());
  const Removed cleanup{directory, options.keep};
  const auto began = std::chrono::steady_clock::now();
  const Result<MethodTotals> totals =
      (*made)->run(model, directory, {options.threads, options.device_name, options.codecs, progress});
  if (!totals && totals.error().code() == ErrorCode::kUnsupported) {
    point.missing = of_method(method, totals.error()).message();
    return point;
  }
  if (!totals) return of_method(method, totals.error());
  point.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  point.bits = totals->bits_per_weight();
  point.weights = totals->weights;
  point.notes = totals->notes;
  if (totals->squared_weight > 0) point.relative_error = totals->relative_error();
  if (totals->weighted_error > 0) point.weighted_error = totals->weighted_error;
  if (Status measured = original.measure(directory, point, progress); !measured)
    return of_method(method, std::move(measured).error());
  return point;
}

}  // namespace

Result<ComparisonReport> run_comparison(const ComparisonOptions& given, const Progress& progress) {
  ComparisonOptions options = given;
  options.threads = resolve_threads(options.threads);
  for (const std::string& method : options.methods) {  // before anything takes time
    for (const double bits : options.bits) {
      const Result<std::unique_ptr<const Method>> made = make_method(method, bits);
      if (!made && made.error().code() != ErrorCode::kUnsupported) return made.error();
      if (made && (*made)->needs_hessians() && options.hessians.empty()) {
        return Error(ErrorCode::kInvalidArgument, method + " needs Hessians")
            .remedy("nwcodec calibrate writes them; name their directory with --hessians");
      }
    }
  }
  NWC_ASSIGN_OR_RETURN(const MethodModel model, MethodModel::open(options.model, options.hessians, options.selection,
                                                                  options.threads, progress));
  NWC_ASSIGN_OR_RETURN(const RunIdentity common, identity_of(options, model.checkpoint()));
  const fs::path points = options.output / "points";
  std::error_code failed;
  fs::create_directories(points, failed);
  if (failed) return Error(ErrorCode::kIo, failed.message()).in_file(points.string());

  Original original(options);
  ComparisonReport report{.points = {}, .warnings = model.warnings()};
  for (const std::string& method : options.methods) {
    for (const double bits : options.bits) {
      RunIdentity identity = common;
      identity.add("method", method);
      identity.add("bits", bits);
      if (const auto made = make_method(method, bits)) NWC_RETURN_IF_ERROR((*made)->identify(identity));
      const fs::path file = points / (name_of(method, bits) + ".json");
      NWC_ASSIGN_OR_RETURN(std::optional<ComparisonPoint> point, earlier_point(file, identity, options.again));
      if (point) {
        ++report.from_earlier_run;
      } else {
        NWC_ASSIGN_OR_RETURN(point, make_point(options, model, method, bits, original, progress));
        Json json = to_json(*point);
        json["identity"] = identity.text();
        NWC_RETURN_IF_ERROR(write_file(file, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"));
      }
      report.points.push_back(*std::move(point));
    }
  }
  fs::remove(options.output / "checkpoints", failed);  // if it is empty
  return report;
}

}  // namespace nwc
