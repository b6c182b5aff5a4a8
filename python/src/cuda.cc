// Compressed tensors that stay compressed in the memory of a CUDA device (nwcodec/cuda.h).
#include "nwcodec/cuda.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "decode/layered_store.h"
#include "errors.h"
#include "module.h"

namespace nb = nanobind;

namespace nwc::python {
namespace {

using Bytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Words = nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void* address(uintptr_t a) { return reinterpret_cast<void*>(a); }
CUstream_st* stream_at(uintptr_t a) { return reinterpret_cast<CUstream_st*>(a); }

// A checkpoint's streams in host memory, and its codec on a device.
struct Streams {
  WeightStore store;
  CudaDecoder decoder;

  static std::shared_ptr<Streams> open(const std::string& directory, int device) {
    return run_long<std::shared_ptr<Streams>>(nb::none(), [&](const Progress&) -> Result<std::shared_ptr<Streams>> {
      NWC_RETURN_IF_ERROR(check_one_layer(directory));
      NWC_ASSIGN_OR_RETURN(WeightStore store, WeightStore::open(directory));
      NWC_ASSIGN_OR_RETURN(CudaDecoder decoder,
                           CudaDecoder::open(std::filesystem::path(directory) / "codec.safetensors", device));
      return std::make_shared<Streams>(Streams{std::move(store), std::move(decoder)});
    });
  }
  // F16 and BF16 as the CPU has them: integers times scales, nothing that tensor cores round.
  bool exact() const { return store.codec().parts().trellis.has_value(); }
  const StoredWeight& at(const std::string& name) const {
    const auto found = store.weights().find(name);
    if (found == store.weights().end() || found->second.stream == nullptr)
      raise(Error(ErrorCode::kNotFound, "no compressed tensor of that name").in_tensor(name));
    return found->second;
  }
  size_t stream_bytes(const std::string& name) const { return at(name).stream->bytes.size(); }
  void copy_stream(const std::string& name, const Bytes& out) const {
    const std::span<const std::byte> bytes = at(name).stream->bytes;
    if (out.nbytes() != bytes.size())
      raise(Error(ErrorCode::kInvalidArgument, "the buffer has not the stream's size").in_tensor(name));
    std::memcpy(out.data(), bytes.data(), bytes.size());
  }
};

// One tensor whose stream lies in device memory: planned once, decoded again and again to the same place.
struct ResidentTensor {
  std::shared_ptr<Streams> streams;
  CudaBatch batch;

  static ResidentTensor plan(std::shared_ptr<Streams> streams, const std::string& name, uintptr_t stream_in_device,
                             uintptr_t out, const std::string& dtype) {
    const StoredWeight& weight = streams->at(name);
    const auto bytes = [](const TensorView* view) {
      return view != nullptr ? view->bytes : std::span<const std::byte>();
    };
    const CudaTensor tensor{.name = name,
                            .stream = weight.stream->bytes,
                            .scales = bytes(weight.scales),
                            .levels = bytes(weight.levels),
                            .device_stream = address(stream_in_device),
                            .out = address(out),
                            .dtype = dtype_from_name(dtype).value_or(DType::kU8),
                            .slice = {}};
    CudaBatch batch = value_of(CudaBatch::plan(streams->decoder, {&tensor, 1}, {.verify = true, .threads = 0}));
    return {std::move(streams), std::move(batch)};
  }
};

}  // namespace

void bind_cuda(nb::module_& m) {
  m.def("cuda_device_count", &cuda_device_count);
  nb::class_<Streams>(m, "Streams")
      .def_static("open", &Streams::open, nb::arg("directory"), nb::arg("device"))
      .def_prop_ro("exact", &Streams::exact)
      .def("stream_bytes", &Streams::stream_bytes, nb::arg("name"))
      .def("copy_stream", &Streams::copy_stream, nb::arg("name"), nb::arg("out").noconvert());
  nb::class_<ResidentTensor>(m, "ResidentTensor")
      .def_static("plan", &ResidentTensor::plan, nb::arg("streams"), nb::arg("name"), nb::arg("stream"), nb::arg("out"),
                  nb::arg("dtype"))
      .def_prop_ro("scratch_bytes", [](const ResidentTensor& t) { return t.batch.scratch_bytes(); })
      .def_prop_ro("staging_bytes", [](const ResidentTensor& t) { return t.batch.staging_bytes(); })
      .def_prop_ro("tiles", [](const ResidentTensor& t) { return t.batch.tile_count(); })
      .def("upload",
           [](const ResidentTensor& t, uintptr_t scratch, uintptr_t staging, uintptr_t stream) {
             check(t.batch.upload(address(scratch), address(staging), stream_at(stream)));
           })
      .def("decode",
           [](const ResidentTensor& t, uintptr_t scratch, uintptr_t statuses, uintptr_t stream) {
             check(t.batch.decode(address(scratch), static_cast<uint32_t*>(address(statuses)), stream_at(stream)));
           })
      .def("check", [](const ResidentTensor& t, const Words& statuses) {
        check(t.batch.check({statuses.data(), statuses.size()}));
      });
}

}  // namespace nwc::python
