#include "zeroshot/json_lines.h"

#include <fmt/format.h>

#include <string_view>

#include "base/file.h"

namespace nwc {

Error error_in_line(const std::filesystem::path& path, size_t line, const Error& error) {
  const std::string place =
      error.offset() ? fmt::format("line {}, byte {}", line, *error.offset()) : fmt::format("line {}", line);
  return Error(error.code(), fmt::format("{}: {}", place, error.message())).in_file(path.string());
}

Status for_each_json_line(const std::filesystem::path& path,
                          const std::function<Result<bool>(size_t line, const Json& object)>& visit) {
  NWC_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  for (size_t line = 1; !rest.empty(); ++line) {
    std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.find_first_not_of(" \t") == text.npos) continue;
    const Result<Json> object = parse_json(text);
    if (!object) {
      return error_in_line(path, line, object.error())
          .remedy(fmt::format("write one JSON object a line; sed -n {}p shows this one", line));
    }
    if (!object->is_object()) {
      return error_in_line(path, line, Error(ErrorCode::kCorrupt, "is no JSON object"))
          .remedy("write one JSON object a line");
    }
    const Result<bool> go_on = visit(line, *object);
    if (!go_on) return error_in_line(path, line, go_on.error());
    if (!*go_on) return {};
  }
  return {};
}

}  // namespace nwc
