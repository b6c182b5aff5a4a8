// The nwcodec program: parses the command line, runs one command, prints its error.
#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <system_error>

#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/usage.h"
#include "nwcodec/isa.h"
#include "nwcodec/version.h"
#include "team/team.h"

namespace nwc::cli {
namespace {

int fail(ExitCode code, const std::string& message) {
  fmt::print(stderr, "nwcodec: {}\n", printable(message));
  return code;
}

// An output that another process writes is, under some launchers, that of this very command.
std::string message_of(const Error& error) {
  const std::string hint = separate_processes_hint();
  if (error.code() != ErrorCode::kBusy || hint.empty()) return error.to_string();
  return Error(error.code(), error.message()).in_file(error.file()).remedy(hint).to_string();
}

int run(int argc, char** argv) {
  CLI::App app("Learned compression of neural network weights.", "nwcodec");
  app.require_subcommand(1);
  app.set_version_flag("--version", fmt::format("nwcodec {} (reads format {} to {}, writes {})", NWCODEC_VERSION_STRING,
                                                kOldestFormatVersion, kFormatVersion, kFormatVersion));
  std::string isas;
  for (const Isa isa : compiled_isas()) isas += fmt::format("{}{}", isas.empty() ? "" : "|", name_of(isa));
  app.footer(fmt::format(
      "Environment: NWCODEC_ISA={} forces an instruction set; NWCODEC_CODECS names a folder of codecs.", isas));

  struct Entry {
    const char* name;
    const char* description;
    void (*add)(CLI::App&, Command&);
  };
  const Entry entries[] = {
      {"compress", "Compress a checkpoint's linear weights", add_compress},
      {"decompress", "Turn a compressed checkpoint back into a plain one", add_decompress},
      {"inspect", "Show what a compressed checkpoint consists of", add_inspect},
      {"eval", "Measure perplexity, and divergence from a reference", add_eval},
      {"generate", "Continue a text", add_generate},
      {"train", "Train a codec on the weights of checkpoints", add_train},
      {"polish", "Train what a compressed checkpoint stores beside its symbols", add_polish},
      {"calibrate", "Measure what a model's layers see: Hessians for compress", add_calibrate},
      {"study", "Measure weights, quantisers and compressed tensors", add_study},
      {"doctor", "Say what this machine offers and what was found", add_doctor},
      {"completion", "Print a script that completes commands in bash or zsh", add_completion},
      {"man", "Print a manual page", add_man},
  };
  std::map<const CLI::App*, Command> commands;
  for (const Entry& entry : entries) {
    CLI::App* sub = app.add_subcommand(entry.name, entry.description);
    entry.add(*sub, commands[sub]);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0) return fail(kUsage, usage_message(app, e, argc, argv));
    app.exit(e);  // prints help or version
    return std::cout.flush() ? kOk : fail(kFailed, "cannot write to standard output");
  }
  if (const Result<Isa> isa = isa_from_environment(); !isa) {
    return fail(kUsage, isa.error().to_string());
  }
  for (const auto& [sub, command] : commands) {
    if (!sub->parsed()) continue;
    if (sub->get_name() != "inspect")
      install_interrupt_handler();  // inspect leaves nothing: a signal may end it at once
    Status status;
    try {
      status = command.run();
    } catch (const std::system_error&) {  // fmt::print throws when stdout refuses; nothing else does
      if (std::ferror(stdout) == 0) throw;
    }
    if (status && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0))
      status = Error(ErrorCode::kIo, "cannot write to standard output");
    return status ? kOk : fail(kFailed, message_of(status.error()));
  }
  return kUsage;
}

}  // namespace
}  // namespace nwc::cli

int main(int argc, char** argv) {
  try {
    return nwc::cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("nwcodec: out of memory\n", stderr);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nwcodec: %s\n", e.what());
  }
  return nwc::cli::kFailed;
}
