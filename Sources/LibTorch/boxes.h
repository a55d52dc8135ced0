// Boxes as four floats, x1 y1 x2 y2: what both detectors' kernels share.
//
// `edge` is what a side has beyond x2 - x1: 0, or 1 in the old convention in which x2 is the last pixel.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

inline float box_area(const float *box, float edge) {
  return std::max(0.f, box[2] - box[0] + edge) * std::max(0.f, box[3] - box[1] + edge);
}

/// Intersection over union.
inline float box_overlap(const float *a, const float *b, float edge) {
  const float width = std::min(a[2], b[2]) - std::max(a[0], b[0]) + edge;
  const float height = std::min(a[3], b[3]) - std::max(a[1], b[1]) + edge;
  if (width <= 0 || height <= 0) return 0;
  const float both = width * height;
  return both / (box_area(a, edge) + box_area(b, edge) - both);
}

/// What decodes offsets from boxes: their weights, the convention, and the image that results are clipped to.
struct BoxDecoder {
  const double *weights;
  double edge, width, height;

  /// Writes the clipped corners; false where nothing of the box is left, or a side is shorter than `least`.
  bool operator()(const float *from, const float *offsets, float *corners, double least = 0) const {
    const double cap = std::log(1000.0 / 16);
    const double w = from[2] - from[0] + edge, h = from[3] - from[1] + edge;
    const double x = from[0] + w / 2 + offsets[0] / weights[0] * w, y = from[1] + h / 2 + offsets[1] / weights[1] * h;
    const double bw = std::exp(std::min<double>(offsets[2] / weights[2], cap)) * w;
    const double bh = std::exp(std::min<double>(offsets[3] / weights[3], cap)) * h;
    const double right = width - edge, bottom = height - edge;
    const double exact[4] = {std::clamp(x - bw / 2, 0.0, right), std::clamp(y - bh / 2, 0.0, bottom),
                             std::clamp(x + bw / 2 - edge, 0.0, right), std::clamp(y + bh / 2 - edge, 0.0, bottom)};
    const double sides[2] = {exact[2] - exact[0] + edge, exact[3] - exact[1] + edge};
    if (!(sides[0] > 0 && sides[1] > 0 && sides[0] >= least && sides[1] >= least)) return false;
    for (int i = 0; i < 4; i++) corners[i] = static_cast<float>(exact[i]);
    return true;
  }
};

/// The best `keep` of `picked` by descending value, ties by index, moved to its front; how many those are.
inline int64_t sort_best(std::vector<std::pair<float, int64_t>> &picked, int64_t keep) {
  keep = std::min<int64_t>(keep, static_cast<int64_t>(picked.size()));
  std::partial_sort(picked.begin(), picked.begin() + keep, picked.end(),
                    [](const auto &a, const auto &b) { return a.first > b.first || (a.first == b.first && a.second < b.second); });
  return keep;
}

/// Greedy suppression within a label (any label where `labels` is null): indices kept, best first; ties by index.
inline std::vector<int32_t> suppress_boxes(const float *boxes, const float *scores, const int32_t *labels, int64_t count, double threshold, int64_t limit, float edge) {
  std::vector<int32_t> order(count), kept;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
  std::vector<char> gone(count);
  for (int64_t i = 0; i < count && static_cast<int64_t>(kept.size()) < limit; i++) {
    const int32_t best = order[i];
    if (gone[best]) continue;
    kept.push_back(best);
    for (int64_t j = i + 1; j < count; j++) {
      const int32_t other = order[j];
      if (gone[other] || (labels && labels[other] != labels[best])) continue;
      if (box_overlap(boxes + 4 * best, boxes + 4 * other, edge) > threshold) gone[other] = 1;
    }
  }
  return kept;
}
