#include "team/texts.h"

namespace nwc {

Result<std::vector<std::string>> texts_of_all(const std::string& mine, Team& team) {
  if (team.size() == 1) return std::vector<std::string>{mine};
  std::vector<double> lengths(team.size(), 0.0);
  lengths[team.rank()] = static_cast<double>(mine.size());
  NWC_RETURN_IF_ERROR(team.gather(lengths));
  size_t before = 0, all = 0;
  for (size_t rank = 0; rank < team.size(); ++rank) {
    if (rank < team.rank()) before += static_cast<size_t>(lengths[rank]);
    all += static_cast<size_t>(lengths[rank]);
  }
  std::vector<double> bytes(all, 0.0);
  for (size_t i = 0; i < mine.size(); ++i) bytes[before + i] = static_cast<double>(static_cast<unsigned char>(mine[i]));
  NWC_RETURN_IF_ERROR(team.gather(bytes));
  std::vector<std::string> texts;
  size_t next = 0;
  for (const double length : lengths) {
    std::string& text = texts.emplace_back();
    for (const size_t end = next + static_cast<size_t>(length); next < end; ++next)
      text += static_cast<char>(static_cast<unsigned char>(bytes[next]));
  }
  return texts;
}

}  // namespace nwc
