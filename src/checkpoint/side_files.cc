#include "checkpoint/side_files.h"

#include <system_error>
#include <utility>

#include "base/file.h"
#include "checkpoint/checkpoint_files.h"
#include "checkpoint/weight_files.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

Error io_error(const std::string& what, const fs::path& path, const std::error_code& why) {
  return Error(ErrorCode::kIo, what + ": " + why.message()).in_file(path.string());
}

bool is_stray_weight_file(const std::string& name) {
  return is_foreign_weight_file(name) || name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json");
}

constexpr const char* kCard = "README.md";
constexpr const char* kOriginalCard = "README.base.md";
constexpr std::string_view kCardMark = "<!-- written by nwcodec -->";  // as python/nwcodec/card.py has it

// Whether the directory's card is one that nwcodec wrote.
bool has_own_card(const fs::path& directory) {
  const Result<std::string> card = read_text_file(directory / kCard, limits::kMaxJsonFile);
  return card && card->find(kCardMark) != std::string::npos;
}

class Copier {
 public:
  Copier(fs::path from, fs::path to, const std::set<std::string>& exclude)
      : from_(std::move(from)),
        to_(std::move(to)),
        exclude_(exclude),
        checkpoint_(CheckpointFiles::of(from_)),
        own_card_(has_own_card(from_)) {}

  // Copies what lies in `folder`, a path relative to both directories; empty for the top level.
  Status copy_folder(const fs::path& folder) {
    NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(from_ / folder));
    for (const std::string& name : names) NWC_RETURN_IF_ERROR(copy_entry(folder / name));
    return {};
  }

  std::vector<std::string> take_warnings() { return std::move(warnings_); }

 private:
  Status copy_entry(const fs::path& relative) {
    const std::string name = relative.filename().string();
    const bool top_level = !relative.has_parent_path();
    if (name.starts_with('.')) return {};
    if (top_level && (exclude_.contains(name) || checkpoint_.contains(name))) return {};

    std::error_code failure;
    const fs::path source = from_ / relative;
    const bool is_link = fs::is_symlink(fs::symlink_status(source, failure));
    const fs::file_status status = fs::status(source, failure);  // follows links
    if (fs::is_directory(status) && !is_link) {
      return fs::equivalent(source, to_, failure) ? Status() : copy_folder(relative);
    }
    if (!fs::is_regular_file(status)) {
      warn(relative, is_link ? "a link that leads to no regular file" : "not a regular file");
    } else if (is_stray_weight_file(name)) {
      warn(relative, "weights that are not part of the checkpoint");
    } else if (top_level && name == "SHA256SUMS") {
      warn(relative, "it is about the files here; nwcodec card writes one of the new ones");
    } else if (top_level && own_card_ && name == kCard) {
      warn(relative, "it describes the checkpoint here; nwcodec card writes another");
    } else {
      return copy_whole_file(source, to_ / (top_level && own_card_ && name == kOriginalCard ? kCard : relative));
    }
    return {};
  }

  void warn(const fs::path& relative, const char* why) {
    warnings_.push_back(relative.generic_string() + " is not copied: " + why);
  }

  const fs::path from_, to_;
  const std::set<std::string>& exclude_;
  const CheckpointFiles checkpoint_;
  const bool own_card_;
  std::vector<std::string> warnings_;
};

}  // namespace

Status copy_whole_file(const fs::path& from, const fs::path& to) {
  std::error_code failure;
  fs::create_directories(to.parent_path(), failure);
  if (failure) return io_error("cannot create the directory", to.parent_path(), failure);
  NWC_ASSIGN_OR_RETURN(const MappedFile source, MappedFile::open(from));
  NWC_ASSIGN_OR_RETURN(OutputFile copy, OutputFile::create(to));
  NWC_RETURN_IF_ERROR(copy.append(source.bytes()));
  return copy.commit();
}

Result<std::vector<std::string>> copy_side_files(const fs::path& from, const fs::path& to,
                                                 const std::set<std::string>& exclude) {
  std::error_code failure;
  if (!fs::is_directory(from, failure)) {
    return Error(ErrorCode::kNotFound, "there is no such directory").in_file(from.string());
  }
  fs::create_directories(to, failure);
  if (failure) return io_error("cannot create the directory", to, failure);
  if (fs::equivalent(from, to, failure)) {
    return Error(ErrorCode::kInvalidArgument, "input and output are the same directory").in_file(to.string());
  }
  Copier copier(from, to, exclude);
  NWC_RETURN_IF_ERROR(copier.copy_folder({}));
  return copier.take_warnings();
}

}  // namespace nwc
