// A rank of a team under two conditions that a small healthy job does not have: machines of two ranks each, and a
// server whose probes begin to fail. Two functions of MPI are replaced for that, by way of its profiling interface.
#include <mpi.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "team/team.h"

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

// usage: team_probe local-ranks | failing-probes
int main(int argc, char** argv) {
  if (argc != 2) return 2;
  probes_fail = std::strcmp(argv[1], "failing-probes") == 0;
  const nwc::Result<std::unique_ptr<nwc::Team>> team = nwc::join_team();
  if (!team) {
    std::fprintf(stderr, "%s\n", team.error().to_string().c_str());
    return 2;
  }
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
