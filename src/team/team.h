// The processes that work on one checkpoint together: one alone, or the ranks of an MPI job.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "nwcodec/result.h"

namespace nwc {

// All ranks call all members but claim() and abort() the same number of times and in the same order; each call waits
// for the other ranks. Thread safety: one thread per process.
class Team {
 public:
  virtual ~Team() = default;
  virtual size_t rank() const = 0;
  virtual size_t size() const = 0;
  // Among the ranks on this machine, from 0 on: which of its devices this one takes.
  virtual size_t local_rank() const = 0;
  bool leads() const { return rank() == 0; }

  // The next item of the list that the ranks share, counting from 0; nobody else gets that one.
  virtual Result<size_t> claim() = 0;
  // Waits for all.
  virtual Status meet() = 0;
  // Adds up the ranks' values, element by element, for all of them. The sums must be exact in any order: whole numbers,
  // or zero on all ranks but one.
  virtual Status gather(std::span<double> values) = 0;
  // The same for the leading rank; on the others the values mean nothing afterwards. In an order of the MPI library's
  // choice.
  virtual Status sum(std::span<double> values) = 0;
  // Ends the processes of all ranks, this one included, with exit code 1; files under temporary names stay.
  [[noreturn]] virtual void abort() = 0;
};

std::unique_ptr<Team> make_solo_team();

// The ranks of the MPI job that this process was started in (mpirun, srun), or a team of one if no launcher started it:
// MPI is not touched then. Errors: kUnsupported if a launcher started several processes and this program was built
// without MPI; kInternal if MPI fails.
Result<std::unique_ptr<Team>> join_team();

// What probably went wrong when a process that works alone finds its output busy: a launcher started several that do
// not work together (srun without PMIx; a command that shares no work). Empty if the environment does not say so.
std::string separate_processes_hint();

}  // namespace nwc
