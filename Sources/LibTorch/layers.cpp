// Layers, losses, optimizer steps, and the moments that batch norm is recalibrated from.
#include "guarded.h"

#include <ATen/core/grad_mode.h>
#include <vector>

namespace {
std::optional<at::Tensor> maybe(ct_tensor t) {
  return t ? std::optional<at::Tensor>(tensor(t)) : std::nullopt;
}
} // namespace

extern "C" {

CT ct_conv2d(ct_tensor x, ct_tensor w, ct_tensor bias, int64_t stride, int64_t padding, int64_t groups, ct_tensor *out) {
  return guarded([&] {
    *out = handle(at::conv2d(tensor(x), tensor(w), maybe(bias), {stride, stride}, {padding, padding}, {1, 1}, groups));
  });
}
CT ct_linear(ct_tensor x, ct_tensor w, ct_tensor bias, ct_tensor *out) {
  return guarded([&] { *out = handle(at::linear(tensor(x), tensor(w), maybe(bias))); });
}
CT ct_batch_norm(ct_tensor x, ct_tensor w, ct_tensor b, ct_tensor mean, ct_tensor var, bool training, double momentum, double eps, ct_tensor *out) {
  return guarded([&] {
    *out = handle(at::batch_norm(tensor(x), maybe(w), maybe(b), maybe(mean), maybe(var), training, momentum, eps, false));
  });
}
CT ct_group_norm(ct_tensor x, int64_t groups, ct_tensor w, ct_tensor b, double eps, ct_tensor *out) {
  return guarded([&] { *out = handle(at::group_norm(tensor(x), groups, maybe(w), maybe(b), eps, false)); });
}
CT ct_max_pool2d(ct_tensor x, int64_t kernel, int64_t stride, int64_t padding, ct_tensor *out) {
  return guarded([&] { *out = handle(at::max_pool2d(tensor(x), {kernel, kernel}, {stride, stride}, {padding, padding})); });
}
CT ct_upsample_nearest(ct_tensor x, int64_t height, int64_t width, ct_tensor *out) {
  return guarded([&] { *out = handle(at::upsample_nearest2d(tensor(x), {height, width})); });
}
CT ct_cross_entropy(ct_tensor logits, ct_tensor labels, double smoothing, ct_tensor *out) {
  return guarded([&] {
    *out = handle(at::cross_entropy_loss(tensor(logits), tensor(labels), std::nullopt, at::Reduction::Mean, -100, smoothing));
  });
}
CT ct_smooth_l1_sum(ct_tensor a, ct_tensor b, double beta, ct_tensor *out) {
  return guarded([&] { *out = handle(at::smooth_l1_loss(tensor(a), tensor(b), at::Reduction::Sum, beta)); });
}

CT ct_sgd_step(ct_tensor p, ct_tensor momentum_buffer, double lr, double momentum, double decay, double grad_scale, bool *stepped) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto &value = tensor(p);
    auto grad = value.grad();
    *stepped = grad.defined();
    if (!*stepped) return;
    if (grad_scale != 1) grad = grad * grad_scale;
    if (decay != 0) grad = grad.add(value, decay);
    auto &buffer = tensor(momentum_buffer);
    buffer.mul_(momentum).add_(grad);
    value.add_(buffer, -lr);
  });
}
CT ct_adamw_step(ct_tensor p, ct_tensor m, ct_tensor v, int64_t step, double lr, double beta1, double beta2, double eps, double decay, double grad_scale, bool *stepped) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto &value = tensor(p);
    auto grad = value.grad();
    *stepped = grad.defined();
    if (!*stepped) return;
    if (grad_scale != 1) grad = grad * grad_scale;
    if (decay != 0) value.mul_(1 - lr * decay);
    auto &first = tensor(m);
    auto &second = tensor(v);
    first.lerp_(grad, 1 - beta1);
    second.mul_(beta2).addcmul_(grad, grad, 1 - beta2);
    const double correction1 = 1 - std::pow(beta1, static_cast<double>(step));
    const double correction2 = 1 - std::pow(beta2, static_cast<double>(step));
    auto denominator = (second.sqrt() / std::sqrt(correction2)).add_(eps);
    value.addcdiv_(first, denominator, -lr / correction1);
  });
}
CT ct_grad_square_sum(ct_tensor p, double *out) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto grad = tensor(p).grad();
    *out = grad.defined() ? grad.to(at::kDouble).square().sum().item<double>() : 0;
  });
}

CT ct_channel_moments(ct_tensor t, int64_t *count, double *sum, double *squares) {
  return guarded([&] {
    at::NoGradGuard guard;
    auto &x = tensor(t);
    TORCH_CHECK(x.dim() == 4, "moments need [n, c, h, w], not ", x.sizes());
    const int64_t channels = x.size(1);
    auto rows = x.detach().permute({0, 2, 3, 1}).contiguous().to(at::kFloat).reshape({-1, channels});
    *count += rows.size(0);
    if (rows.is_cpu()) {
      // Rows are added in float over blocks of 64, blocks in double: exact enough, and fast. Floats hold the
      // distance from the first row, else a channel whose mean is far from 0 would lose its variance.
      const float *data = rows.const_data_ptr<float>();
      std::vector<float> block_sum(channels), block_squares(channels);
      for (int64_t start = 0; start < rows.size(0); start += 64) {
        std::fill(block_sum.begin(), block_sum.end(), 0.f);
        std::fill(block_squares.begin(), block_squares.end(), 0.f);
        const int64_t end = std::min(start + 64, rows.size(0));
        for (int64_t row = start; row < end; row++) {
          const float *values = data + row * channels;
          for (int64_t c = 0; c < channels; c++) {
            const float distance = values[c] - data[c];
            block_sum[c] += distance;
            block_squares[c] += distance * distance;
          }
        }
        const double n = static_cast<double>(end - start);
        for (int64_t c = 0; c < channels; c++) {
          const double first = data[c];
          sum[c] += block_sum[c] + n * first;
          squares[c] += block_squares[c] + first * (2.0 * block_sum[c] + n * first);
        }
      }
      return;
    }
    auto wide = rows.to(at::kDouble);
    auto sums = wide.sum(0).cpu(), square_sums = wide.square().sum(0).cpu();
    for (int64_t c = 0; c < channels; c++) {
      sum[c] += sums.const_data_ptr<double>()[c];
      squares[c] += square_sums.const_data_ptr<double>()[c];
    }
  });
}
}
