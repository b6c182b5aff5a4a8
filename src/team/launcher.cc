#include "team/launcher.h"

#include <cstdlib>
#include <initializer_list>

namespace nwc {

size_t launched_processes() {
  // Open MPI's mpirun; the process managers of MPICH and of Slurm.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && std::strtoul(value, nullptr, 10) > 0) return std::strtoul(value, nullptr, 10);
  }
  // srun with PMIx. Without PMIx, SLURM_NTASKS alone says nothing: a batch script has it too.
  const char* tasks = std::getenv("SLURM_NTASKS");
  if (std::getenv("PMIX_RANK") != nullptr && tasks != nullptr) return std::strtoul(tasks, nullptr, 10);
  return 0;
}

}  // namespace nwc
