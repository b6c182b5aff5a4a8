#include "cli/program.h"

#include <fmt/format.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <system_error>

#include "cli/terminal.h"
#include "cli/usage.h"
#include "nwcodec/isa.h"
#include "nwcodec/version.h"

namespace nwc::cli {
namespace {

int fail(ExitCode code, const std::string& message) {
  fmt::print(stderr, "nwcodec: {}\n", printable(message));
  return code;
}

// An output that another process writes is, under some launchers, that of this very command.
std::string message_of(const Program& program, const Error& error) {
  if (error.code() != ErrorCode::kBusy) return error.to_string();
  const std::string remedy = program.busy_remedy();
  if (remedy.empty()) return error.to_string();
  return Error(error.code(), error.message()).in_file(error.file()).remedy(remedy).to_string();
}

int run(const Program& program, int argc, char** argv) {
  CLI::App app(program.description, program.name);
  app.require_subcommand(1);
  app.set_version_flag("--version",
                       fmt::format("{} {} (reads format {} to {}, writes {})", program.name, NWCODEC_VERSION_STRING,
                                   kOldestFormatVersion, kFormatVersion, kFormatVersion));
  std::string isas;
  for (const Isa isa : compiled_isas()) isas += fmt::format("{}{}", isas.empty() ? "" : "|", name_of(isa));
  app.footer(fmt::format(
      "Environment: NWCODEC_ISA={} forces an instruction set; NWCODEC_CODECS names a folder of codecs.", isas));

  std::map<const CLI::App*, Command> commands;
  for (const ProgramCommand& entry : program.commands) {
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
    return status ? kOk : fail(kFailed, message_of(program, status.error()));
  }
  return kUsage;
}

}  // namespace

int run_program(const Program& program, int argc, char** argv) {
  try {
    return run(program, argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("nwcodec: out of memory\n", stderr);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "nwcodec: %s\n", e.what());
  }
  return kFailed;
}

}  // namespace nwc::cli
