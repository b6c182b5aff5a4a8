// What the environment says about how this process was started.
#pragma once

#include <cstddef>

namespace nwc {

// How many processes an MPI launcher started beside each other, this one included; 0 if there was no launcher.
size_t launched_processes();

// How many processes Slurm says it has started beside each other, where launched_processes() cannot tell whether they
// are one job's: 1 in a batch script outside of srun.
size_t slurm_tasks();

}  // namespace nwc
