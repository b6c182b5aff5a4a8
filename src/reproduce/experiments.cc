#include <cctype>

#include "reproduce/experiment.h"

namespace nwc {

// One per file.
extern const Experiment kFigure3, kFigure4, kFigure5, kFigure6, kFigure7, kFigure8, kFigure9a, kFigure9b, kFigure9c,
    kFigure9d, kFigure10, kFigure11, kFigure12, kFigure13, kFigure14, kTable1, kTable2, kTable3, kTable4, kTable5,
    kTable6, kTable7;

const std::vector<Experiment>& experiments() {
  static const std::vector<Experiment> all{kFigure3,  kFigure4,  kFigure5,  kFigure6,  kFigure7,  kFigure8,
                                           kFigure9a, kFigure9b, kFigure9c, kFigure9d, kFigure10, kFigure11,
                                           kFigure12, kFigure13, kFigure14, kTable1,   kTable2,   kTable3,
                                           kTable4,   kTable5,   kTable6,   kTable7};
  return all;
}

std::string file_name_of(const Experiment& experiment) {
  std::string name;
  for (const char* c = experiment.name; *c != '\0'; ++c)
    name += *c == ' ' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(*c)));
  return name;
}

}  // namespace nwc
