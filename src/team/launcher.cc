#include "team/launcher.h"

#include <cstdlib>
#include <initializer_list>

#include "team/team.h"

namespace nwc {
namespace {

// 0 for a variable that is not set.
size_t number_in(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr ? std::strtoul(value, nullptr, 10) : 0;
}

}  // namespace

size_t launched_processes() {
  // Open MPI's mpirun; the process managers of MPICH and of Slurm.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const size_t processes = number_in(name); processes > 0) return processes;
  }
  // srun with PMIx. Without PMIx, SLURM_NTASKS alone says nothing: a batch script has it too.
  if (std::getenv("PMIX_RANK") != nullptr) return number_in("SLURM_NTASKS");
  return 0;
}

size_t slurm_tasks() {
  // Steps have a number, which is no number for the script of a batch job; tasks of a step have SLURM_PROCID.
  const bool in_step = std::getenv("SLURM_PROCID") != nullptr && std::getenv("SLURM_STEP_ID") != nullptr;
  return in_step ? number_in("SLURM_STEP_NUM_TASKS") : 1;
}

std::string separate_processes_hint() {
  if (launched_processes() > 1) {
    return "the launcher started " + std::to_string(launched_processes()) +
           " processes, but this command works alone: start one";
  }
  if (launched_processes() == 0 && slurm_tasks() > 1) {
    return "srun started " + std::to_string(slurm_tasks()) +
           " processes that do not know of each other: start them with srun --mpi=pmix or mpirun, or start one";
  }
  return {};
}

}  // namespace nwc
