#include <cstdlib>

#include "team/team.h"

namespace nwc {
namespace {

class SoloTeam : public Team {
 public:
  size_t rank() const override { return 0; }
  size_t size() const override { return 1; }
  size_t local_rank() const override { return 0; }
  Result<size_t> claim() override { return next_++; }
  Status meet() override { return {}; }
  Status gather(std::span<double>) override { return {}; }
  Status sum(std::span<double>) override { return {}; }
  void abort() override { std::_Exit(1); }

 private:
  size_t next_ = 0;
};

}  // namespace

std::unique_ptr<Team> make_solo_team() { return std::make_unique<SoloTeam>(); }

}  // namespace nwc
