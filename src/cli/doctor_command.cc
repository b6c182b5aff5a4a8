// `nwcodec doctor`: what this machine offers, and what this program found of it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/parallel.h"
#include "cli/command.h"
#include "cli/shipped_codecs.h"
#include "libtorch/machine.h"
#include "nwcodec/isa.h"
#include "nwcodec/version.h"
#include "tensor/device.h"

namespace nwc::cli {
namespace {

struct Doctor {
  std::string version, machine, device;
  std::vector<std::string> isas, codecs;
  int threads = 0;
};

Doctor examine() {
  Doctor d;
  d.version = NWCODEC_VERSION_STRING;
  d.machine = machine_class({});
  for (const Isa isa : available_isas()) d.isas.emplace_back(name_of(isa));
  for (const char* profile : {"fast", "paper"}) {
    for (const std::filesystem::path& codec : shipped_profile(profile)) d.codecs.push_back(codec.stem().string());
  }
  d.threads = resolve_threads(0);
  const Result<std::unique_ptr<EncodeDevice>> device = open_encode_device("cuda");
  d.device = device ? (*device)->name() : "none: " + device.error().message();
  return d;
}

}  // namespace

void add_doctor(CLI::App& app, Command& command) {
  add_global_options(app, command);
  command.run = [&command]() -> Status {
    const Doctor d = examine();
    if (command.global.json) {
      print_json(Json{{"version", d.version},
                      {"instruction_sets", d.isas},
                      {"threads", d.threads},
                      {"models", d.machine},
                      {"cuda", d.device},
                      {"codecs", d.codecs}});
      return {};
    }
    fmt::print("nwcodec            {}, formats {} to {}\n", d.version, kOldestFormatVersion, kFormatVersion);
    fmt::print("instruction sets   {}; in use: {}\n", fmt::join(d.isas, ", "), name_of(current_isa()));
    fmt::print("threads            {}\n", d.threads);
    fmt::print("models run with    {}\n", d.machine);
    fmt::print("CUDA               {}\n", d.device);
    fmt::print("codecs             {}\n", d.codecs.empty() ? "none" : fmt::format("{}", fmt::join(d.codecs, ", ")));
    if (d.codecs.empty()) {
      return Error(ErrorCode::kNotFound, "no shipped codecs found")
          .remedy("install the program with cmake --install, or name their folder in NWCODEC_CODECS");
    }
    return {};
  };
}

}  // namespace nwc::cli
