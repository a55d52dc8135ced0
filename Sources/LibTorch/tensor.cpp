// Tensors: making, reading, autograd, arithmetic, shape.
#include "guarded.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/cuda.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/version.h>

namespace {
at::Device device_of(int index) {
  return index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}
at::TensorOptions options(int type, int device) {
  return at::TensorOptions().dtype(static_cast<at::ScalarType>(type)).device(device_of(device));
}
/// A shape that `ct_info` can tell.
at::IntArrayRef sizes(const int64_t *values, int rank) {
  TORCH_CHECK(rank <= 8, "a shape of ", rank, " dimensions; at most 8 are allowed");
  return at::IntArrayRef(values, static_cast<size_t>(rank));
}
at::IntArrayRef ints(const int64_t *values, int count) {
  return at::IntArrayRef(values, static_cast<size_t>(count));
}
} // namespace

extern "C" {

CT ct_set_threads(int count) {
  return guarded([&] { at::set_num_threads(count); });
}
CT ct_version(const char **out) {
  return guarded([&] { *out = TORCH_VERSION; });
}
CT ct_cuda_count(int *out) {
  return guarded([&] { *out = at::hasCUDA() ? static_cast<int>(torch::cuda::device_count()) : 0; });
}
CT ct_set_grad_enabled(bool enabled, bool *was) {
  return guarded([&] {
    *was = at::GradMode::is_enabled();
    at::GradMode::set_enabled(enabled);
  });
}
CT ct_set_denormals_flushed(bool flushed) {
  return guarded([&] { at::globalContext().setFlushDenormal(flushed); });
}

CT ct_free(ct_tensor t) {
  return guarded([&] { delete &tensor(t); });
}
CT ct_from_bytes(const void *bytes, const int64_t *shape, int rank, int type, int device, ct_tensor *out) {
  return guarded([&] {
    auto value = at::empty(sizes(shape, rank), options(type, -1));
    if (value.nbytes()) std::memcpy(value.data_ptr(), bytes, value.nbytes());
    *out = handle(device < 0 ? value : value.to(device_of(device)));
  });
}
CT ct_full(const int64_t *shape, int rank, double value, int type, int device, ct_tensor *out) {
  return guarded([&] { *out = handle(at::full(sizes(shape, rank), value, options(type, device))); });
}
CT ct_normal_like(ct_tensor t, uint64_t seed, ct_tensor *out) {
  return guarded([&] {
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    auto &like = tensor(t);
    auto values = at::empty(like.sizes(), at::TensorOptions().dtype(like.scalar_type()));
    *out = handle(values.normal_(0, 1, generator).to(like.device()));
  });
}
CT ct_copy_out(ct_tensor t, void *bytes, size_t size) {
  return guarded([&] {
    auto value = tensor(t).detach().to(at::kCPU).contiguous();
    TORCH_CHECK(value.nbytes() == size, "a tensor of ", value.nbytes(), " bytes was read into ", size);
    if (size) std::memcpy(bytes, value.data_ptr(), size);
  });
}
CT ct_assign(ct_tensor t, ct_tensor source) {
  return guarded([&] {
    TORCH_CHECK(tensor(t).sizes() == tensor(source).sizes(), "shape ", tensor(source).sizes(),
                " cannot be assigned to shape ", tensor(t).sizes());
    at::NoGradGuard guard;
    tensor(t).copy_(tensor(source));
  });
}
CT ct_info(ct_tensor t, int *rank, int64_t *shape, int *type, int *device) {
  return guarded([&] {
    auto &value = tensor(t);
    TORCH_CHECK(value.dim() <= 8, "a tensor of more than 8 dimensions");
    *rank = static_cast<int>(value.dim());
    for (int i = 0; i < *rank; i++) shape[i] = value.size(i);
    *type = static_cast<int>(value.scalar_type());
    *device = value.is_cuda() ? value.device().index() : -1;
  });
}
CT ct_to(ct_tensor t, int type, int device, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(t).to(device_of(device), static_cast<at::ScalarType>(type))); });
}
CT ct_channels_last(ct_tensor t, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(t).contiguous(at::MemoryFormat::ChannelsLast)); });
}
CT ct_contiguous(ct_tensor t, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(t).contiguous()); });
}
CT ct_clone(ct_tensor t, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(t).detach().clone()); });
}
CT ct_detach(ct_tensor t, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(t).detach()); });
}

CT ct_set_requires_grad(ct_tensor t, bool value) {
  return guarded([&] { tensor(t).set_requires_grad(value); });
}
CT ct_backward(ct_tensor loss) {
  return guarded([&] { tensor(loss).backward(); });
}
CT ct_grad(ct_tensor t, ct_tensor *out) {
  return guarded([&] {
    auto grad = tensor(t).grad();
    *out = grad.defined() ? handle(grad) : nullptr;
  });
}
CT ct_clear_grad(ct_tensor t) {
  return guarded([&] { tensor(t).mutable_grad().reset(); });
}

CT ct_add(ct_tensor a, ct_tensor b, ct_tensor *out) {
  return guarded([&] { *out = handle(at::add(tensor(a), tensor(b))); });
}
CT ct_sub(ct_tensor a, ct_tensor b, ct_tensor *out) {
  return guarded([&] { *out = handle(at::sub(tensor(a), tensor(b))); });
}
CT ct_mul(ct_tensor a, ct_tensor b, ct_tensor *out) {
  return guarded([&] { *out = handle(at::mul(tensor(a), tensor(b))); });
}
CT ct_div(ct_tensor a, ct_tensor b, ct_tensor *out) {
  return guarded([&] { *out = handle(at::div(tensor(a), tensor(b))); });
}
CT ct_add_scalar(ct_tensor a, double b, ct_tensor *out) {
  return guarded([&] { *out = handle(at::add(tensor(a), b)); });
}
CT ct_mul_scalar(ct_tensor a, double b, ct_tensor *out) {
  return guarded([&] { *out = handle(at::mul(tensor(a), b)); });
}
CT ct_relu(ct_tensor a, ct_tensor *out) {
  return guarded([&] { *out = handle(at::relu(tensor(a))); });
}
CT ct_sigmoid(ct_tensor a, ct_tensor *out) {
  return guarded([&] { *out = handle(at::sigmoid(tensor(a))); });
}
CT ct_exp(ct_tensor a, ct_tensor *out) {
  return guarded([&] { *out = handle(at::exp(tensor(a))); });
}
CT ct_softmax(ct_tensor a, ct_tensor *out) {
  return guarded([&] { *out = handle(at::softmax(tensor(a), -1)); });
}
CT ct_sum(ct_tensor a, const int64_t *dims, int count, ct_tensor *out) {
  return guarded([&] { *out = handle(count ? at::sum(tensor(a), ints(dims, count)) : at::sum(tensor(a))); });
}
CT ct_mean(ct_tensor a, const int64_t *dims, int count, ct_tensor *out) {
  return guarded([&] { *out = handle(count ? at::mean(tensor(a), ints(dims, count)) : at::mean(tensor(a))); });
}
CT ct_matmul(ct_tensor a, ct_tensor b, ct_tensor *out) {
  return guarded([&] { *out = handle(at::matmul(tensor(a), tensor(b))); });
}
CT ct_topk(ct_tensor a, int64_t k, ct_tensor *values, ct_tensor *indices) {
  return guarded([&] {
    auto result = at::topk(tensor(a), k);
    *values = handle(std::get<0>(result));
    *indices = handle(std::get<1>(result));
  });
}
CT ct_all_finite(ct_tensor a, bool *out) {
  return guarded([&] { *out = at::isfinite(tensor(a)).all().item<bool>(); });
}

CT ct_reshape(ct_tensor a, const int64_t *shape, int rank, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(a).reshape(sizes(shape, rank))); });
}
CT ct_permute(ct_tensor a, const int64_t *order, int rank, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(a).permute(ints(order, rank))); });
}
CT ct_narrow(ct_tensor a, int64_t dim, int64_t start, int64_t length, ct_tensor *out) {
  return guarded([&] { *out = handle(tensor(a).narrow(dim, start, length)); });
}
CT ct_cat(const ct_tensor *parts, int count, int64_t dim, ct_tensor *out) {
  return guarded([&] {
    std::vector<at::Tensor> all;
    for (int i = 0; i < count; i++) all.push_back(tensor(parts[i]));
    *out = handle(at::cat(all, dim));
  });
}
CT ct_index_select(ct_tensor a, int64_t dim, ct_tensor indices, ct_tensor *out) {
  return guarded([&] { *out = handle(at::index_select(tensor(a), dim, tensor(indices))); });
}
CT ct_channel_split(ct_tensor a, int method, ct_tensor *identity, ct_tensor *main) {
  return guarded([&] {
    auto &x = tensor(a);
    TORCH_CHECK(x.dim() == 4 && x.size(1) % 4 == 0, "a split needs [n, c, h, w] with c divisible by 4, not ", x.sizes());
    const int64_t n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
    // [n, h, w, half, i]: channel half * c/2 + i. Channels are innermost in memory, so views are free.
    auto rows = x.permute({0, 2, 3, 1});
    auto part = [&](int64_t start) {
      at::Tensor chosen = method == 1
        ? rows.reshape({n, h, w, 2, c / 2}).narrow(4, start * c / 4, c / 4).transpose(3, 4).reshape({n, h, w, c / 2})
        : rows.reshape({n, h, w, c / 2, 2}).select(4, start).contiguous();
      return handle(chosen.permute({0, 3, 1, 2}));
    };
    TORCH_CHECK(method == 1 || method == 2, "shuffle method ", method, " is neither 1 nor 2");
    *identity = part(0);
    *main = part(1);
  });
}
}
