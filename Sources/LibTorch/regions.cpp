// The two-stage detector's kernels: proposals, RoIAlign and its gradient, and the boxes of regions.
#include "boxes.h"
#include "guarded.h"

#include <ATen/Parallel.h>
#include <map>
#include <torch/csrc/autograd/custom_function.h>

namespace {
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Pooling {
  double scale;
  int64_t size, samples;
  bool aligned;
};

/// One axis of one sample: the two cells it lies between and their shares; shares are 0 outside of the map.
struct Tap {
  int64_t low = 0, high = 0;
  float low_share = 0, high_share = 0;
};

Tap tap_at(double at, int64_t cells) {
  if (at < -1 || at > static_cast<double>(cells)) return {};
  at = std::max(at, 0.0);
  Tap tap;
  tap.low = static_cast<int64_t>(at);
  if (tap.low >= cells - 1) {
    tap.low = tap.high = cells - 1;
    tap.low_share = 1;
  } else {
    tap.high = tap.low + 1;
    tap.high_share = static_cast<float>(at - static_cast<double>(tap.low));
    tap.low_share = 1 - tap.high_share;
  }
  return tap;
}

/// The samples of one region along one axis: `size` bins of `count` each.
struct Axis {
  int64_t count;
  std::vector<Tap> taps;

  Axis(float from, float to, int64_t cells, const Pooling &pooling) {
    const double shift = pooling.aligned ? 0.5 : 0;
    const double start = from * pooling.scale - shift;
    double length = to * pooling.scale - shift - start;
    if (!pooling.aligned) length = std::max(length, 1.0);
    const double bin = length / static_cast<double>(pooling.size);
    // A huge region has no more than one sample a cell of the map.
    const double wanted = std::ceil(bin);
    count = pooling.samples > 0 ? pooling.samples : static_cast<int64_t>(std::clamp(wanted, 1.0, static_cast<double>(cells)));
    for (int64_t b = 0; b < pooling.size; b++)
      for (int64_t s = 0; s < count; s++)
        taps.push_back(tap_at(start + bin * (static_cast<double>(b) + (static_cast<double>(s) + 0.5) / static_cast<double>(count)), cells));
  }
};

/// Calls `visit(output cell, input cell, share)` for everything that region `r` reads, in a fixed order.
template <class Visit> void walk(const float *r, int64_t height, int64_t width, const Pooling &pooling, Visit visit) {
  const Axis xs(r[1], r[3], width, pooling), ys(r[2], r[4], height, pooling);
  const float mean = 1.f / static_cast<float>(xs.count * ys.count);
  for (int64_t by = 0; by < pooling.size; by++)
    for (int64_t bx = 0; bx < pooling.size; bx++)
      for (int64_t sy = 0; sy < ys.count; sy++)
        for (int64_t sx = 0; sx < xs.count; sx++) {
          const Tap &y = ys.taps[by * ys.count + sy], &x = xs.taps[bx * xs.count + sx];
          const int64_t cell = by * pooling.size + bx;
          const float shares[4] = {y.low_share * x.low_share, y.low_share * x.high_share, y.high_share * x.low_share, y.high_share * x.high_share};
          const int64_t cells[4] = {y.low * width + x.low, y.low * width + x.high, y.high * width + x.low, y.high * width + x.high};
          for (int i = 0; i < 4; i++)
            if (shares[i] != 0) visit(cell, cells[i], shares[i] * mean);
        }
}

void check_regions(const at::Tensor &x, const float *regions, int64_t count) {
  TORCH_CHECK(x.dim() == 4, "RoIAlign needs [n, c, h, w], not ", x.sizes());
  for (int64_t r = 0; r < count; r++)
    TORCH_CHECK(regions[5 * r] >= 0 && regions[5 * r] < static_cast<float>(x.size(0)), "region ", r, " is of image ", regions[5 * r], " of ", x.size(0));
}

/// He et al. 2017 (arXiv:1703.06870), on channels that lie innermost: one pass over them for each of the four cells.
struct RoIAlign : torch::autograd::Function<RoIAlign> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &x, const at::Tensor &regions, const Pooling &pooling) {
    const auto map = x.detach().permute({0, 2, 3, 1}).contiguous();
    const int64_t height = map.size(1), width = map.size(2), channels = map.size(3), count = regions.size(0);
    auto out = at::zeros({count, pooling.size, pooling.size, channels}, map.options());
    const float *values = map.const_data_ptr<float>(), *boxes = regions.const_data_ptr<float>();
    float *pooled = out.mutable_data_ptr<float>();
    at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; r++) {
        const float *image = values + static_cast<int64_t>(boxes[5 * r]) * height * width * channels;
        float *to = pooled + r * pooling.size * pooling.size * channels;
        walk(boxes + 5 * r, height, width, pooling, [&](int64_t cell, int64_t source, float share) {
          const float *from = image + source * channels;
          float *sum = to + cell * channels;
          for (int64_t c = 0; c < channels; c++) sum[c] += share * from[c];
        });
      }
    });
    context->save_for_backward({regions});
    context->saved_data["sizes"] = x.sizes().vec();
    context->saved_data["scale"] = pooling.scale;
    context->saved_data["size"] = pooling.size;
    context->saved_data["samples"] = pooling.samples;
    context->saved_data["aligned"] = pooling.aligned;
    return out.permute({0, 3, 1, 2});
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    const auto regions = context->get_saved_variables()[0];
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const Pooling pooling{context->saved_data["scale"].toDouble(), context->saved_data["size"].toInt(), context->saved_data["samples"].toInt(), context->saved_data["aligned"].toBool()};
    const int64_t images = sizes[0], channels = sizes[1], height = sizes[2], width = sizes[3], count = regions.size(0);
    const auto slopes = grads[0].permute({0, 2, 3, 1}).contiguous();
    auto out = at::zeros({images, height, width, channels}, slopes.options());
    const float *from_all = slopes.const_data_ptr<float>(), *boxes = regions.const_data_ptr<float>();
    float *gradient = out.mutable_data_ptr<float>();
    // A thread has whole images, so that no sum depends on the number of threads.
    at::parallel_for(0, images, 1, [&](int64_t first, int64_t last) {
      for (int64_t r = 0; r < count; r++) {
        const int64_t image = static_cast<int64_t>(boxes[5 * r]);
        if (image < first || image >= last) continue;
        float *to = gradient + image * height * width * channels;
        const float *from = from_all + r * pooling.size * pooling.size * channels;
        walk(boxes + 5 * r, height, width, pooling, [&](int64_t cell, int64_t target, float share) {
          const float *slope = from + cell * channels;
          float *sum = to + target * channels;
          for (int64_t c = 0; c < channels; c++) sum[c] += share * slope[c];
        });
      }
    });
    return {out.permute({0, 3, 1, 2}), {}, {}};
  }
};

/// The same from library operations, for devices whose memory this side cannot read. Regions are taken together by
/// how many samples a bin of theirs has.
at::Tensor composed_roi_align(const at::Tensor &x, const float *regions, int64_t count, const Pooling &pooling) {
  const int64_t height = x.size(2), width = x.size(3), channels = x.size(1);
  const auto cells = x.permute({0, 2, 3, 1}).reshape({-1, channels});
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> groups;
  for (int64_t r = 0; r < count; r++) {
    const float *box = regions + 5 * r;
    groups[{Axis(box[2], box[4], height, pooling).count, Axis(box[1], box[3], width, pooling).count}].push_back(r);
  }
  std::vector<at::Tensor> parts;
  std::vector<int64_t> order;
  for (const auto &[samples, members] : groups) {
    std::vector<int64_t> sources[4];
    std::vector<float> shares[4];
    for (int64_t r : members) {
      const float *box = regions + 5 * r;
      const int64_t image = static_cast<int64_t>(box[0]) * height * width;
      const Axis xs(box[1], box[3], width, pooling), ys(box[2], box[4], height, pooling);
      for (const Tap &y : ys.taps)
        for (const Tap &x : xs.taps) {
          const int64_t at[4] = {y.low * width + x.low, y.low * width + x.high, y.high * width + x.low, y.high * width + x.high};
          const float share[4] = {y.low_share * x.low_share, y.low_share * x.high_share, y.high_share * x.low_share, y.high_share * x.high_share};
          for (int i = 0; i < 4; i++) {
            sources[i].push_back(image + at[i]);
            shares[i].push_back(share[i]);
          }
        }
      order.push_back(r);
    }
    at::Tensor sum;
    for (int i = 0; i < 4; i++) {
      auto index = at::tensor(sources[i], at::kLong).to(x.device());
      auto share = at::tensor(shares[i], at::kFloat).to(x.device(), x.scalar_type()).unsqueeze(1);
      auto part = cells.index_select(0, index) * share;
      sum = sum.defined() ? sum + part : part;
    }
    const int64_t n = static_cast<int64_t>(members.size());
    parts.push_back(sum.reshape({n, pooling.size, samples.first, pooling.size, samples.second, channels}).mean({2, 4}));
  }
  std::vector<int64_t> places(count);
  for (int64_t i = 0; i < count; i++) places[order[i]] = i;
  return at::cat(parts).index_select(0, at::tensor(places, at::kLong).to(x.device())).permute({0, 3, 1, 2});
}
} // namespace

extern "C" {

CT ct_roi_align(ct_tensor t, const float *regions, int64_t count, double scale, int64_t size, int64_t samples, bool aligned, ct_tensor *out) {
  return guarded([&] {
    auto &x = tensor(t);
    const Pooling pooling{scale, size, samples, aligned};
    check_regions(x, regions, count);
    if (count == 0) {
      *out = handle(at::zeros({0, x.size(1), size, size}, x.options()));
    } else if (x.is_cpu() && x.scalar_type() == at::kFloat) {
      const auto boxes = at::from_blob(const_cast<float *>(regions), {count, 5}, at::kFloat).clone();
      *out = handle(RoIAlign::apply(x, boxes, pooling));
    } else {
      *out = handle(composed_roi_align(x, regions, count, pooling));
    }
  });
}

CT ct_propose(const ct_level *levels, int level_count, double width, double height, int64_t before, double nms, int64_t after, double least, double edge, float *boxes, float *scores, int64_t *out_count) {
  return guarded([&] {
    const double weights[4] = {1, 1, 1, 1};
    const BoxDecoder decode{weights, edge, width, height};
    *out_count = 0;
    for (int l = 0; l < level_count; l++) {
      const ct_level &level = levels[l];
      std::vector<std::pair<float, int64_t>> picked;
      for (int64_t i = 0; i < level.count; i++) picked.emplace_back(level.logits[i], i);
      const int64_t keep = sort_best(picked, before);
      std::vector<float> corners, found;
      for (int64_t i = 0; i < keep; i++) {
        float box[4];
        const int64_t anchor = picked[i].second;
        if (!decode(level.anchors + 4 * anchor, level.deltas + 4 * anchor, box, least)) continue;
        corners.insert(corners.end(), box, box + 4);
        found.push_back(1 / (1 + std::exp(-picked[i].first)));
      }
      for (int32_t kept : suppress_boxes(corners.data(), found.data(), nullptr, static_cast<int64_t>(found.size()), nms, after, static_cast<float>(edge))) {
        std::copy_n(corners.data() + 4 * kept, 4, boxes + 4 * *out_count);
        scores[(*out_count)++] = found[kept];
      }
    }
  });
}

CT ct_detect_regions(const float *regions, const float *probabilities, const float *deltas, int64_t count, int64_t classes, int64_t outputs, double width, double height, double score_threshold, double nms, int64_t limit, const double weights[4], double edge, ct_detection *out, int64_t *out_count) {
  return guarded([&] {
    TORCH_CHECK(outputs == 1 || outputs >= classes, outputs, " box outputs for ", classes, " classes");
    const BoxDecoder decode{weights, edge, width, height};
    std::vector<float> boxes, scores;
    std::vector<int32_t> labels;
    for (int64_t r = 0; r < count; r++)
      for (int64_t c = 0; c < classes; c++) {
        const float score = probabilities[r * (classes + 1) + c];
        float box[4];
        if (!(score > score_threshold) || !decode(regions + 4 * r, deltas + 4 * (r * outputs + (outputs == 1 ? 0 : c)), box)) continue;
        boxes.insert(boxes.end(), box, box + 4);
        scores.push_back(score);
        labels.push_back(static_cast<int32_t>(c));
      }
    const auto kept = suppress_boxes(boxes.data(), scores.data(), labels.data(), static_cast<int64_t>(scores.size()), nms, limit, static_cast<float>(edge));
    for (size_t i = 0; i < kept.size(); i++) {
      std::copy_n(boxes.data() + 4 * kept[i], 4, out[i].box);
      out[i].score = scores[kept[i]];
      out[i].label = labels[kept[i]];
    }
    *out_count = static_cast<int64_t>(kept.size());
  });
}
}
