// Box matching, focal loss, decoding and class-wise suppression: the only logic on this side.
#include "boxes.h"
#include "guarded.h"

#include <torch/csrc/autograd/custom_function.h>

namespace {
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t), summed (Lin et al. 2017, arXiv:1708.02002).
struct FocalLoss : torch::autograd::Function<FocalLoss> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &logits, const at::Tensor &targets, double alpha, double gamma) {
    const auto x = logits.detach().contiguous();
    const auto t = targets.contiguous();
    const int64_t classes = x.size(-1), anchors = t.numel();
    TORCH_CHECK(x.numel() == anchors * classes, "focal loss: logits ", x.sizes(), " with targets ", t.sizes());
    auto gradient = at::empty_like(x);
    const float *values = x.const_data_ptr<float>();
    const int32_t *labels = t.const_data_ptr<int32_t>();
    float *slopes = gradient.mutable_data_ptr<float>();
    const float a = static_cast<float>(alpha), g = static_cast<float>(gamma);
    double total = 0;
    for (int64_t i = 0; i < anchors; i++) {
      double row = 0;
      for (int64_t c = 0; c < classes; c++) {
        const int64_t at = i * classes + c;
        if (labels[i] == -2) {
          slopes[at] = 0;
          continue;
        }
        const bool positive = labels[i] == c;
        const float z = positive ? values[at] : -values[at]; // p_t = sigmoid(z)
        const float tail = std::exp(-std::fabs(z));
        const float p = z >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
        const float q = z >= 0 ? tail / (1 + tail) : 1 / (1 + tail);
        const float log_p = std::min(z, 0.f) - std::log1p(tail);
        const float weight = (positive ? a : 1 - a) * (g == 2 ? q * q : std::pow(q, g));
        row -= weight * log_p;
        const float slope = weight * (g * p * log_p - q);
        slopes[at] = positive ? slope : -slope;
      }
      total += row;
    }
    context->save_for_backward({gradient});
    return at::scalar_tensor(total, x.options());
  }

  static variable_list backward(AutogradContext *context, variable_list grads) {
    return {context->get_saved_variables()[0] * grads[0], {}, {}, {}};
  }
};

/// The same from library operations, for devices whose memory this side cannot read.
at::Tensor composed_focal_loss(const at::Tensor &logits, const at::Tensor &targets, double alpha, double gamma) {
  const int64_t classes = logits.size(-1);
  auto labels = targets.reshape({-1}).to(at::kLong);
  auto kept = labels.ne(-2).to(logits.scalar_type()).unsqueeze(1);
  auto one_hot = at::one_hot(labels.clamp_min(-1) + 1, classes + 1).narrow(1, 1, classes).to(logits.scalar_type());
  auto x = logits.reshape({-1, classes});
  auto log_p = at::where(one_hot > 0, at::log_sigmoid(x), at::log_sigmoid(-x));
  auto weight = (one_hot * alpha + (1 - one_hot) * (1 - alpha)) * (1 - log_p.exp()).pow(gamma);
  return -(weight * log_p * kept).sum();
}
} // namespace

extern "C" {

CT ct_match_anchors(const float *anchors, int64_t anchor_count, const float *objects, int64_t object_count, double foreground, double background, double best_from, double edge, int32_t *out) {
  return guarded([&] {
    std::vector<float> best_of_object(object_count, 0.f), best_of_anchor(anchor_count, 0.f);
    std::vector<float> all(static_cast<size_t>(anchor_count * object_count));
    for (int64_t a = 0; a < anchor_count; a++) {
      int32_t best = -1;
      for (int64_t o = 0; o < object_count; o++) {
        const float value = box_overlap(anchors + 4 * a, objects + 4 * o, static_cast<float>(edge));
        all[a * object_count + o] = value;
        if (value > best_of_anchor[a]) { best_of_anchor[a] = value; best = static_cast<int32_t>(o); }
        best_of_object[o] = std::max(best_of_object[o], value);
      }
      out[a] = best_of_anchor[a] >= foreground && best >= 0 ? best : best_of_anchor[a] < background ? -1 : -2;
    }
    if (best_from > 1) return;
    // An object keeps every anchor that overlaps it as much as its best one; such an anchor goes to the
    // object that it overlaps most, as in Detectron.
    for (int64_t a = 0; a < anchor_count; a++) {
      bool keeps = false;
      int32_t most = -1;
      for (int64_t o = 0; o < object_count; o++) {
        const float value = all[a * object_count + o];
        if (value > 0 && value >= best_from && value == best_of_object[o]) keeps = true;
        if (value > 0 && value == best_of_anchor[a] && most < 0) most = static_cast<int32_t>(o);
      }
      if (keeps) out[a] = most;
    }
  });
}

CT ct_focal_loss_sum(ct_tensor logits, ct_tensor targets, double alpha, double gamma, ct_tensor *out) {
  return guarded([&] {
    auto &x = tensor(logits);
    *out = handle(x.is_cpu() && x.scalar_type() == at::kFloat ? FocalLoss::apply(x, tensor(targets), alpha, gamma)
                                                               : composed_focal_loss(x, tensor(targets), alpha, gamma));
  });
}

CT ct_nms(const float *boxes, const float *scores, const int32_t *labels, int64_t count, double threshold, double edge, int32_t *kept, int64_t *kept_count) {
  return guarded([&] {
    const auto result = suppress_boxes(boxes, scores, labels, count, threshold, count, static_cast<float>(edge));
    std::copy(result.begin(), result.end(), kept);
    *kept_count = static_cast<int64_t>(result.size());
  });
}

CT ct_detect(const ct_level *levels, int level_count, int64_t classes, double width, double height, double score_threshold, int64_t per_level, double nms, int64_t limit, const double weights[4], double edge, ct_detection *out, int64_t *out_count) {
  return guarded([&] {
    std::vector<float> boxes, scores;
    std::vector<int32_t> labels;
    const BoxDecoder decode{weights, edge, width, height};
    // sigmoid(x) > t exactly where x > logit(t): no exponential for what is dropped.
    const float cut = static_cast<float>(std::log(score_threshold / (1 - score_threshold)));
    for (int l = 0; l < level_count; l++) {
      const ct_level &level = levels[l];
      std::vector<std::pair<float, int64_t>> picked;
      for (int64_t i = 0; i < level.count * classes; i++)
        if (level.logits[i] > cut) picked.emplace_back(level.logits[i], i);
      const int64_t keep = sort_best(picked, per_level);
      for (int64_t i = 0; i < keep; i++) {
        const int64_t anchor = picked[i].second / classes;
        float corners[4];
        if (!decode(level.anchors + 4 * anchor, level.deltas + 4 * anchor, corners)) continue;
        boxes.insert(boxes.end(), corners, corners + 4);
        scores.push_back(1 / (1 + std::exp(-picked[i].first)));
        labels.push_back(static_cast<int32_t>(picked[i].second % classes));
      }
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
