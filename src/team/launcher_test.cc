#include "team/launcher.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "team/team.h"

namespace nwc {
namespace {

constexpr const char* kVariables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE",     "PMIX_RANK",           "SLURM_NTASKS",
                                      "SLURM_STEP_ID",        "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"};

void set_environment(const std::map<std::string, std::string>& environment) {
  for (const char* name : kVariables) ::unsetenv(name);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
}

TEST(Launcher, KnowsWhoStartedIt) {
  const auto processes = [](const std::map<std::string, std::string>& environment) {
    set_environment(environment);
    return launched_processes();
  };
  EXPECT_EQ(processes({}), 0u);
  EXPECT_EQ(processes({{"OMPI_COMM_WORLD_SIZE", "4"}}), 4u);
  EXPECT_EQ(processes({{"PMI_SIZE", "3"}}), 3u);
  EXPECT_EQ(processes({{"PMIX_RANK", "0"}, {"SLURM_NTASKS", "2"}}), 2u);
  EXPECT_EQ(processes({{"SLURM_NTASKS", "2"}}), 0u) << "a batch script";
  set_environment({});
}

TEST(Launcher, GuessesWhyAnOutputIsBusy) {
  const auto hint = [](const std::map<std::string, std::string>& environment) {
    set_environment(environment);
    return separate_processes_hint();
  };
  EXPECT_EQ(hint({}), "");
  EXPECT_EQ(hint({{"SLURM_NTASKS", "8"}, {"SLURM_PROCID", "0"}}), "") << "a batch script";
  const std::map<std::string, std::string> srun{
      {"SLURM_NTASKS", "8"}, {"SLURM_STEP_ID", "0"}, {"SLURM_PROCID", "3"}, {"SLURM_STEP_NUM_TASKS", "8"}};
  EXPECT_EQ(hint(srun),
            "srun started 8 processes that do not know of each other: start them with srun --mpi=pmix or mpirun, or "
            "start one");
  EXPECT_EQ(hint({{"OMPI_COMM_WORLD_SIZE", "4"}}),
            "the launcher started 4 processes, but this command works alone: start one");
  EXPECT_EQ(hint({{"OMPI_COMM_WORLD_SIZE", "1"}}), "");
  set_environment({});
}

}  // namespace
}  // namespace nwc
