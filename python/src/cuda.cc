// Compressed tensors that stay compressed in the memory of a CUDA device (nwcodec/cuda.h).
#include "nwcodec/cuda.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "decode/layered_store.h"
#include "errors.h"
#include "module.h"
#include "nwcodec/cuda_matrix.h"

namespace nb = nanobind;

namespace nwc::python {
namespace {

using Bytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Words = nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void* address(uintptr_t a) { return reinterpret_cast<void*>(a); }
CUstream_st* stream_at(uintptr_t a) { return reinterpret_cast<CUstream_st*>(a); }

// A checkpoint's streams in host memory, and the codecs of its layers on a device.
struct Streams {
  LayeredStore store;
  std::vector<CudaDecoder> decoders;                  // by layer
  std::vector<std::optional<CudaMatrices>> matrices;  // by layer; none where the codec is not for them

  Streams(LayeredStore opened, std::vector<CudaDecoder> codecs)
      : store(std::move(opened)), decoders(std::move(codecs)) {
    for (const CudaDecoder& decoder : decoders) {
      Result<CudaMatrices> made = CudaMatrices::of(decoder);
      matrices.push_back(made ? std::optional(*std::move(made)) : std::nullopt);
    }
  }
  Streams(const Streams&) = delete;
  Streams& operator=(const Streams&) = delete;

  static std::shared_ptr<Streams> open(const std::string& directory, int device, unsigned layers,
                                       const std::string& base) {
    return run_long<std::shared_ptr<Streams>>(nb::none(), [&](const Progress&) -> Result<std::shared_ptr<Streams>> {
      NWC_ASSIGN_OR_RETURN(LayeredStore store, LayeredStore::open(directory, layers_of(layers, base)));
      std::vector<CudaDecoder> decoders;
      for (const WeightStore& layer : store.layers()) {
        NWC_ASSIGN_OR_RETURN(CudaDecoder decoder,
                             CudaDecoder::open(layer.checkpoint().directory() / "codec.safetensors", device));
        decoders.push_back(std::move(decoder));
      }
      return std::make_shared<Streams>(std::move(store), std::move(decoders));
    });
  }
  // F16 and BF16 as the CPU has them: integers times scales, nothing that tensor cores round. Sums are of F32, which is
  // exact with every codec.
  bool exact() const {
    return std::ranges::all_of(store.weights(), [&](const auto& named) {
      const LayeredWeight& weight = named.second;
      return weight.parts.size() > 1 || weight.last().stored->stream == nullptr ||
             store.layers()[weight.last().layer].codec().parts().trellis.has_value();
    });
  }
  const LayeredWeight& at(const std::string& name) const {
    const auto found = store.weights().find(name);
    if (found == store.weights().end() || found->second.last().stored->stream == nullptr)
      raise(Error(ErrorCode::kNotFound, "no compressed tensor of that name").in_tensor(name));
    return found->second;
  }
  const LayeredWeight::Part& part(const std::string& name, size_t number) const {
    const LayeredWeight& weight = at(name);
    if (number >= weight.parts.size())
      raise(Error(ErrorCode::kInvalidArgument, "the tensor has no such part").in_tensor(name));
    return weight.parts[number];
  }
  // Of a part that is not compressed, its dtype; otherwise empty.
  std::string plain_dtype(const std::string& name, size_t number) const {
    const StoredWeight& stored = *part(name, number).stored;
    return stored.stream != nullptr ? "" : std::string(name_of(stored.info.dtype));
  }
  std::span<const std::byte> bytes(const std::string& name, size_t number) const {
    const StoredWeight& stored = *part(name, number).stored;
    return (stored.stream != nullptr ? stored.stream : stored.plain)->bytes;
  }
  void copy(const std::string& name, size_t number, const Bytes& out) const {
    const LayeredWeight::Part& p = part(name, number);
    if (p.stored->stream == nullptr) check(store.layers()[p.layer].verify_plain(*p.stored));
    const std::span<const std::byte> from = bytes(name, number);
    if (out.nbytes() != from.size())
      raise(Error(ErrorCode::kInvalidArgument, "the buffer has not the part's size").in_tensor(name));
    std::memcpy(out.data(), from.data(), from.size());
  }
};

// A part of a tensor, whose stream lies in device memory.
CudaTensor tensor_of(const std::string& name, const LayeredWeight::Part& part, uintptr_t stream_in_device) {
  const StoredWeight& weight = *part.stored;
  if (weight.stream == nullptr)
    raise(Error(ErrorCode::kInvalidArgument, "this part of the tensor is not compressed").in_tensor(name));
  const auto bytes = [](const TensorView* view) {
    return view != nullptr ? view->bytes : std::span<const std::byte>();
  };
  return {.name = name,
          .stream = weight.stream->bytes,
          .scales = bytes(weight.scales),
          .levels = bytes(weight.levels),
          .device_stream = address(stream_in_device),
          .out = nullptr,
          .dtype = DType::kU8,
          .slice = {}};
}

// One part of a tensor: planned once, decoded again and again to the same place.
struct ResidentTensor {
  std::shared_ptr<Streams> streams;
  CudaBatch batch;

  static ResidentTensor plan(std::shared_ptr<Streams> streams, const std::string& name, size_t part,
                             uintptr_t stream_in_device, uintptr_t out, const std::string& dtype) {
    const LayeredWeight::Part& p = streams->part(name, part);
    CudaTensor tensor = tensor_of(name, p, stream_in_device);
    tensor.out = address(out);
    tensor.dtype = dtype_from_name(dtype).value_or(DType::kU8);
    CudaBatch batch =
        value_of(CudaBatch::plan(streams->decoders[p.layer], {&tensor, 1}, {.verify = true, .threads = 0}));
    return {std::move(streams), std::move(batch)};
  }
};

// A tensor of one part, in the layout for products. Its stream may go.
struct ResidentMatrix {
  std::shared_ptr<Streams> streams;  // has the tables
  CudaMatrix matrix;

  static ResidentMatrix make(std::shared_ptr<Streams> streams, const std::string& name, uintptr_t stream_in_device,
                             uintptr_t stream) {
    const LayeredWeight::Part& part = streams->part(name, 0);
    const std::optional<CudaMatrices>& matrices = streams->matrices[part.layer];
    if (!matrices || streams->at(name).parts.size() > 1)
      raise(Error(ErrorCode::kUnsupported, "products are not for this codec, or for sums").in_tensor(name));
    CudaMatrix made = value_of(matrices->make(tensor_of(name, part, stream_in_device), true, stream_at(stream)));
    return {std::move(streams), std::move(made)};
  }
};

}  // namespace

void bind_cuda(nb::module_& m) {
  m.def("cuda_device_count", &cuda_device_count);
  nb::class_<Streams>(m, "Streams")
      .def_static("open", &Streams::open, nb::arg("directory"), nb::arg("device"), nb::arg("layers"), nb::arg("base"))
      .def_prop_ro("exact", &Streams::exact)
      .def("parts", [](const Streams& s, const std::string& name) { return s.at(name).parts.size(); })
      .def("plain_dtype", &Streams::plain_dtype, nb::arg("name"), nb::arg("part"))
      .def("part_bytes", [](const Streams& s, const std::string& name, size_t n) { return s.bytes(name, n).size(); })
      .def("copy_part", &Streams::copy, nb::arg("name"), nb::arg("part"), nb::arg("out").noconvert());
  nb::class_<ResidentTensor>(m, "ResidentTensor")
      .def_static("plan", &ResidentTensor::plan, nb::arg("streams"), nb::arg("name"), nb::arg("part"),
                  nb::arg("stream"), nb::arg("out"), nb::arg("dtype"))
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
  const auto dtype_of = [](const std::string& name) { return dtype_from_name(name).value_or(DType::kU8); };
  nb::class_<ResidentMatrix>(m, "ResidentMatrix")
      .def_static("make", &ResidentMatrix::make, nb::arg("streams"), nb::arg("name"), nb::arg("bytes"),
                  nb::arg("stream"))
      .def_prop_ro("device_bytes", [](const ResidentMatrix& r) { return r.matrix.device_bytes(); })
      .def_prop_ro("workspace_bytes", [](const ResidentMatrix& r) { return r.matrix.workspace_bytes(); })
      .def("decode",
           [dtype_of](const ResidentMatrix& r, uintptr_t out, const std::string& dtype, uintptr_t stream) {
             check(r.matrix.decode(address(out), dtype_of(dtype), stream_at(stream)));
           })
      .def("multiply", [dtype_of](const ResidentMatrix& r, uintptr_t x, const std::string& dtype, uintptr_t y,
                                  uint32_t batch, uintptr_t workspace, uintptr_t stream) {
        check(r.matrix.multiply(address(x), dtype_of(dtype), static_cast<float*>(address(y)), batch, address(workspace),
                                stream_at(stream)));
      });
}

}  // namespace nwc::python
