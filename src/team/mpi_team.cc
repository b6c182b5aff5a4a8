// Ranks of an MPI job. The list that they share is a counter of rank 0, where a thread serves it, so that a claim never
// waits for that rank to come out of its own work.
#include <mpi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "team/launcher.h"
#include "team/team.h"

namespace nwc {
namespace {

constexpr int kClaimTag = 1, kItemTag = 2, kStopTag = 3;
constexpr std::chrono::milliseconds kPoll{1};
constexpr size_t kPiece = size_t{1} << 22;  // numbers of a sum at a time, so that buffers of the library stay small

Status checked(int code, const char* what) {
  if (code == MPI_SUCCESS) return {};
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  return Error(ErrorCode::kInternal, std::string("MPI: ") + what + " failed: " + text);
}

class MpiTeam : public Team {
 public:
  static Result<std::unique_ptr<Team>> join() {
    int provided = 0;
    NWC_RETURN_IF_ERROR(checked(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "joining the job"));
    if (provided < MPI_THREAD_MULTIPLE)
      return Error(ErrorCode::kUnsupported, "this MPI library cannot be used by several threads of a process");
    auto team = std::unique_ptr<MpiTeam>(new MpiTeam);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    // Messages of the list and of meetings in spaces of their own.
    NWC_RETURN_IF_ERROR(checked(MPI_Comm_dup(MPI_COMM_WORLD, &team->list_), "joining the job"));
    NWC_RETURN_IF_ERROR(checked(MPI_Comm_rank(MPI_COMM_WORLD, &team->rank_), "joining the job"));
    NWC_RETURN_IF_ERROR(checked(MPI_Comm_size(MPI_COMM_WORLD, &team->size_), "joining the job"));
    NWC_RETURN_IF_ERROR(team->find_local_rank());
    if (team->rank_ == 0) team->server_ = std::thread([raw = team.get()] { raw->serve(); });
    return std::unique_ptr<Team>(std::move(team));
  }

  ~MpiTeam() override {
    if (server_.joinable()) {
      // The server leaves when every other rank has said that it claims no more.
      server_.join();
    } else if (rank_ > 0) {
      MPI_Send(nullptr, 0, MPI_BYTE, 0, kStopTag, list_);
    }
    MPI_Comm_free(&list_);
    MPI_Finalize();
  }

  size_t rank() const override { return static_cast<size_t>(rank_); }
  size_t size() const override { return static_cast<size_t>(size_); }
  size_t local_rank() const override { return static_cast<size_t>(local_rank_); }

  Result<size_t> claim() override {
    if (rank_ == 0) return next_.fetch_add(1);
    uint64_t item = 0;
    NWC_RETURN_IF_ERROR(checked(MPI_Send(nullptr, 0, MPI_BYTE, 0, kClaimTag, list_), "claiming an item"));
    NWC_RETURN_IF_ERROR(
        checked(MPI_Recv(&item, 1, MPI_UINT64_T, 0, kItemTag, list_, MPI_STATUS_IGNORE), "claiming an item"));
    return static_cast<size_t>(item);
  }

  Status meet() override {
    // Not MPI_Barrier, which spins: a rank may wait for minutes beside others that need the core.
    MPI_Request request;
    NWC_RETURN_IF_ERROR(checked(MPI_Ibarrier(MPI_COMM_WORLD, &request), "meeting"));
    for (int done = 0; done == 0;) {
      NWC_RETURN_IF_ERROR(checked(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "meeting"));
      if (done == 0) std::this_thread::sleep_for(kPoll);
    }
    return {};
  }

  Status gather(std::span<double> values) override {
    NWC_RETURN_IF_ERROR(meet());
    return checked(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                                 MPI_COMM_WORLD),
                   "gathering");
  }

  Status sum(std::span<double> values) override {
    NWC_RETURN_IF_ERROR(meet());
    for (size_t begin = 0; begin < values.size(); begin += kPiece) {
      double* const piece = values.data() + begin;
      const auto count = static_cast<int>(std::min(kPiece, values.size() - begin));
      NWC_RETURN_IF_ERROR(checked(MPI_Reduce(leads() ? MPI_IN_PLACE : piece, leads() ? piece : nullptr, count,
                                             MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD),
                                  "adding up"));
    }
    return {};
  }

  void abort() override {
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1);
  }

 private:
  MpiTeam() = default;

  // Ranks that share memory are on one machine.
  Status find_local_rank() {
    MPI_Comm machine = MPI_COMM_NULL;
    NWC_RETURN_IF_ERROR(
        checked(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine),
                "finding the ranks of this machine"));
    NWC_RETURN_IF_ERROR(checked(MPI_Comm_rank(machine, &local_rank_), "finding the ranks of this machine"));
    return checked(MPI_Comm_free(&machine), "finding the ranks of this machine");
  }

  // Without its server the other ranks would wait for ever, so an error ends the job.
  void serve() {
    const Status served = serve_claims();
    if (served) return;
    std::fprintf(stderr, "nwcodec: rank 0: %s\n", served.error().to_string().c_str());
    std::fflush(stderr);
    abort();
  }

  Status serve_claims() {
    constexpr const char* kServing = "handing out items";
    for (int leaving = size_ - 1; leaving > 0;) {
      int there = 0;
      MPI_Status status;
      NWC_RETURN_IF_ERROR(checked(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, list_, &there, &status), kServing));
      if (there == 0) {
        std::this_thread::sleep_for(kPoll);
        continue;
      }
      const int source = status.MPI_SOURCE, tag = status.MPI_TAG;
      NWC_RETURN_IF_ERROR(checked(MPI_Recv(nullptr, 0, MPI_BYTE, source, tag, list_, MPI_STATUS_IGNORE), kServing));
      if (tag == kStopTag) {
        --leaving;
        continue;
      }
      const uint64_t item = next_.fetch_add(1);
      NWC_RETURN_IF_ERROR(checked(MPI_Send(&item, 1, MPI_UINT64_T, source, kItemTag, list_), kServing));
    }
    return {};
  }

  int rank_ = 0, size_ = 1, local_rank_ = 0;
  MPI_Comm list_ = MPI_COMM_NULL;
  std::atomic<uint64_t> next_{0};
  std::thread server_;  // of rank 0
};

}  // namespace

Result<std::unique_ptr<Team>> join_team() {
  if (launched_processes() == 0) return make_solo_team();
  return MpiTeam::join();
}

}  // namespace nwc
