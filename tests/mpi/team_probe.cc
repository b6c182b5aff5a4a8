// A rank of a team: what the ranks tell each other, and two conditions that a small healthy job does not have, machines
// of two ranks each and a server whose probes begin to fail. Two functions of MPI are replaced for that, by way of its
// profiling interface.
#include <mpi.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "team/team.h"
#include "team/texts.h"

namespace {

constexpr int kGoodProbes = 20;
bool probes_fail = false;

}  // namespace

extern "C" int MPI_Iprobe(int source, int tag, MPI_Comm comm, int* flag, MPI_Status* status) {
  static int probes = 0;
  if (probes_fail && ++probes > kGoodProbes) return MPI_ERR_OTHER;
  return PMPI_Iprobe(source, tag, comm, flag, status);
}

extern "C" int MPI_Comm_split_type(MPI_Comm comm, int, int key, MPI_Info, MPI_Comm* machine) {
  int rank = 0;
  if (const int failed = PMPI_Comm_rank(comm, &rank); failed != MPI_SUCCESS) return failed;
  return PMPI_Comm_split(comm, rank / 2, key, machine);
}

namespace {

// Sums of many numbers, more than travel at a time, and texts of other lengths on each rank.
int exchange(nwc::Team& team) {
  std::vector<double> values(9'000'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>((team.rank() + 1) * i);
  if (!team.sum(values)) return 1;
  const double ranks = static_cast<double>(team.size() * (team.size() + 1) / 2);
  for (size_t i = 0; team.leads() && i < values.size(); ++i) {
    if (values[i] != ranks * static_cast<double>(i)) return 1;
  }
  const nwc::Result<std::vector<std::string>> texts =
      nwc::texts_of_all(std::string(team.rank(), '\xFF') + std::to_string(team.rank()), team);
  if (!texts || texts->size() != team.size()) return 1;
  for (size_t rank = 0; rank < texts->size(); ++rank) {
    if ((*texts)[rank] != std::string(rank, '\xFF') + std::to_string(rank)) return 1;
  }
  std::printf("rank %zu has them all\n", team.rank());
  return 0;
}

}  // namespace

// usage: team_probe local-ranks | exchange | failing-probes
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  probes_fail = std::strcmp(argv[1], "failing-probes") == 0;
  const nwc::Result<std::unique_ptr<nwc::Team>> team = nwc::join_team();
  if (!team) {
    std::fprintf(stderr, "%s\n", team.error().to_string().c_str());
    return 2;
  }
  if (std::strcmp(argv[1], "exchange") == 0) return exchange(**team);
  if (!probes_fail) {
    std::printf("rank %zu of %zu is number %zu of its machine\n", (*team)->rank(), (*team)->size(),
                (*team)->local_rank());
    return 0;
  }
  // Without a server this waits for ever.
  while ((*team)->rank() > 0 && (*team)->claim()) {
  }
  return (*team)->meet() ? 0 : 1;
}
