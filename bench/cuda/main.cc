// Everything on a CUDA device, beside floors and peers; docs/results.md holds the figures.
//
// usage: cuda_bench CODECS_DIR decoding [SYMBOLS_FILE]        (writes the symbols of one tensor, for peers:
// bench/nvcomp_peer.py)
//        cuda_bench CODECS_DIR encoding [no-cores]            (without the same work on this machine's cores)
//        cuda_bench CODECS_DIR trellis
//        cuda_bench CODECS_DIR matrix [ROWS COLUMNS BITS]
//        cuda_bench CODECS_DIR checkpoint DIRECTORY [LAYERS]  (25 GB are written there; a memory disk leaves the disk
//        out of the figures)
#include <cstdlib>
#include <string>

#include "measure.h"
#include "nwcodec/cuda.h"

int main(int argc, char** argv) {
  using namespace nwc::bench;
  const auto argument = [&](int i) { return argc > i ? std::string(argv[i]) : std::string(); };
  const std::string codecs = argument(1), table = argument(2);
  if (nwc::cuda_device_count() == 0) fail("no CUDA device");
  if (table == "decoding") {
    bench_decoding(codecs, argument(3));
  } else if (table == "encoding") {
    bench_encoding(codecs, argument(3) != "no-cores");
  } else if (table == "trellis") {
    bench_trellis();
  } else if (table == "matrix") {
    const auto number = [&](int i) { return std::strtod(argument(i).c_str(), nullptr); };
    bench_matrix({static_cast<uint64_t>(number(3)), static_cast<uint64_t>(number(4)), number(5)});
  } else if (table == "checkpoint" && argc > 3) {
    bench_checkpoint(codecs, argument(3), argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 32);
  } else {
    fail(
        "usage: cuda_bench CODECS_DIR decoding [SYMBOLS_FILE] | encoding [no-cores] | trellis | matrix [ROWS COLUMNS "
        "BITS] | "
        "checkpoint DIRECTORY [LAYERS]");
  }
}
