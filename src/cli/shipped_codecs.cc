#include "cli/shipped_codecs.h"

#include <sys/auxv.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace nwc::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".safetensors";

std::vector<fs::path> codec_directories() {
  std::vector<fs::path> directories;
  if (const char* named = std::getenv("NWCODEC_CODECS"); named != nullptr && *named != '\0')
    directories.emplace_back(named);
  std::error_code error;
  fs::path program = fs::read_symlink("/proc/self/exe", error);
  // Without /proc, what the program was started as; canonical, as a relative name is one below the current directory.
  if (error) program = fs::canonical(reinterpret_cast<const char*>(::getauxval(AT_EXECFN)), error);
  if (!error) directories.push_back(program.parent_path().parent_path() / "share" / "nwcodec" / "codecs");
  directories.emplace_back(NWC_SOURCE_CODECS);
  return directories;
}

}  // namespace

std::vector<fs::path> shipped_profile(const std::string& profile) {
  std::error_code error;
  for (const fs::path& directory : codec_directories()) {
    std::vector<fs::path> codecs;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == kExtension && entry->path().filename().string().starts_with(profile + "-"))
        codecs.push_back(entry->path());
    }
    std::sort(codecs.begin(), codecs.end());
    if (!codecs.empty()) return codecs;
  }
  return {};
}

Result<fs::path> find_codec(const std::string& text) {
  std::error_code error;
  if (fs::is_regular_file(text, error)) return fs::path(text);
  std::vector<std::string> names;
  for (const fs::path& directory : codec_directories()) {
    const fs::path candidate = directory / (text + kExtension);
    if (text.find('/') == std::string::npos && fs::is_regular_file(candidate, error)) return candidate;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == kExtension) names.push_back(entry->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return Error(ErrorCode::kNotFound, "is neither a codec file nor a shipped codec")
      .in_file(text)
      .remedy("shipped: " + (list.empty() ? "none" : list));
}

}  // namespace nwc::cli
