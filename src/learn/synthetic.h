// Heavy-tailed training data: what weights of large language models look like and those of small ones do not
// (paper, Table 1 and Figure 13: excess kurtosis of 20 and more).
#pragma once

#include <cstdint>
#include <vector>

namespace nwc {

// `chunks` chunks of columns of 1,024 independent weights, normalised to a root mean square of 1 like real columns.
// Columns take turns among Laplace (excess kurtosis 3) and Student's t with 5 and 3 degrees of freedom (6, and none:
// the fourth moment does not exist). The same seed gives the same numbers wherever the C library's log and pow agree.
std::vector<float> heavy_tailed_chunks(uint64_t chunks, int64_t chunk_length, uint64_t seed);

}  // namespace nwc
