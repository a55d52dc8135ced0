// libtorch as C: opaque handles, returned errors, no exception ever crosses.
//
// Every function returns NULL, or a message that the caller frees with `free`. Handles that a
// function writes through `out` are owned by the caller, who frees them with `ct_free`.
// Each name stands in CTorchNames.h too: calls go through a table that `ct_load` fills.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor_s *ct_tensor;
typedef char *ct_error;
#define CT __attribute__((warn_unused_result, visibility("default"))) ct_error

// Loading (CTorch itself, not the library). `directory` may be NULL: then the system's search path
// and the library's own run path are used.
__attribute__((warn_unused_result)) ct_error ct_load(const char *library, const char *libtorch);

// Process
CT ct_set_threads(int count);
CT ct_version(const char **out);
CT ct_cuda_count(int *out);
CT ct_set_grad_enabled(bool enabled, bool *was);
CT ct_set_denormals_flushed(bool flushed);

// Types: 0 u8, 1 i8, 2 i16, 3 i32, 4 i64, 5 f16, 6 f32, 7 f64, 11 bool, 15 bf16 (c10::ScalarType).
// Devices: -1 CPU, n >= 0 CUDA n.

// Making and reading
CT ct_free(ct_tensor t);
CT ct_from_bytes(const void *bytes, const int64_t *shape, int rank, int type, int device, ct_tensor *out);
CT ct_full(const int64_t *shape, int rank, double value, int type, int device, ct_tensor *out);
// Standard normal values shaped like `t`: a function of the seed alone.
CT ct_normal_like(ct_tensor t, uint64_t seed, ct_tensor *out);
CT ct_copy_out(ct_tensor t, void *bytes, size_t size);
CT ct_assign(ct_tensor t, ct_tensor source);
CT ct_info(ct_tensor t, int *rank, int64_t *shape, int *type, int *device);
CT ct_to(ct_tensor t, int type, int device, ct_tensor *out);
CT ct_channels_last(ct_tensor t, ct_tensor *out);
CT ct_contiguous(ct_tensor t, ct_tensor *out);
CT ct_clone(ct_tensor t, ct_tensor *out);
CT ct_detach(ct_tensor t, ct_tensor *out);

// Autograd
CT ct_set_requires_grad(ct_tensor t, bool value);
CT ct_backward(ct_tensor loss);
CT ct_grad(ct_tensor t, ct_tensor *out);  // NULL in out: no gradient
CT ct_clear_grad(ct_tensor t);

// Arithmetic
CT ct_add(ct_tensor a, ct_tensor b, ct_tensor *out);
CT ct_sub(ct_tensor a, ct_tensor b, ct_tensor *out);
CT ct_mul(ct_tensor a, ct_tensor b, ct_tensor *out);
CT ct_div(ct_tensor a, ct_tensor b, ct_tensor *out);
CT ct_add_scalar(ct_tensor a, double b, ct_tensor *out);
CT ct_mul_scalar(ct_tensor a, double b, ct_tensor *out);
CT ct_relu(ct_tensor a, ct_tensor *out);
CT ct_sigmoid(ct_tensor a, ct_tensor *out);
CT ct_exp(ct_tensor a, ct_tensor *out);
CT ct_softmax(ct_tensor a, ct_tensor *out);  // over the last dimension
CT ct_sum(ct_tensor a, const int64_t *dims, int count, ct_tensor *out);  // count 0: all
CT ct_mean(ct_tensor a, const int64_t *dims, int count, ct_tensor *out);
CT ct_matmul(ct_tensor a, ct_tensor b, ct_tensor *out);
CT ct_topk(ct_tensor a, int64_t k, ct_tensor *values, ct_tensor *indices);
CT ct_all_finite(ct_tensor a, bool *out);

// Shape
CT ct_reshape(ct_tensor a, const int64_t *shape, int rank, ct_tensor *out);
CT ct_permute(ct_tensor a, const int64_t *order, int rank, ct_tensor *out);
CT ct_narrow(ct_tensor a, int64_t dim, int64_t start, int64_t length, ct_tensor *out);
CT ct_cat(const ct_tensor *parts, int count, int64_t dim, ct_tensor *out);
CT ct_index_select(ct_tensor a, int64_t dim, ct_tensor indices, ct_tensor *out);
// Splits [n, c, h, w] as a ShuffleNetV2 unit does; method 1 interleaves the halves first, method 2 takes even and odd channels.
CT ct_channel_split(ct_tensor a, int method, ct_tensor *identity, ct_tensor *main);

// Layers
CT ct_conv2d(ct_tensor x, ct_tensor w, ct_tensor bias, int64_t stride, int64_t padding, int64_t groups, ct_tensor *out);
CT ct_linear(ct_tensor x, ct_tensor w, ct_tensor bias, ct_tensor *out);
CT ct_batch_norm(ct_tensor x, ct_tensor w, ct_tensor b, ct_tensor mean, ct_tensor var, bool training, double momentum, double eps, ct_tensor *out);
CT ct_group_norm(ct_tensor x, int64_t groups, ct_tensor w, ct_tensor b, double eps, ct_tensor *out);
CT ct_max_pool2d(ct_tensor x, int64_t kernel, int64_t stride, int64_t padding, ct_tensor *out);
CT ct_upsample_nearest(ct_tensor x, int64_t height, int64_t width, ct_tensor *out);
CT ct_cross_entropy(ct_tensor logits, ct_tensor labels, double smoothing, ct_tensor *out);
CT ct_smooth_l1_sum(ct_tensor a, ct_tensor b, double beta, ct_tensor *out);

// Optimizers: in place, without autograd. A tensor without a gradient is left wholly untouched and `*stepped` is false.
CT ct_sgd_step(ct_tensor p, ct_tensor momentum_buffer, double lr, double momentum, double decay, double grad_scale, bool *stepped);
CT ct_adamw_step(ct_tensor p, ct_tensor m, ct_tensor v, int64_t step, double lr, double beta1, double beta2, double eps, double decay, double grad_scale, bool *stepped);
CT ct_grad_square_sum(ct_tensor p, double *out);  // 0 without a gradient

// Statistics
// Adds count, sum and sum of squares over batch and space to the caller's doubles [c].
CT ct_channel_moments(ct_tensor x, int64_t *count, double *sum, double *squares);

// Vision (vision.cpp and regions.cpp: the only logic on this side)
// Boxes are x1 y1 x2 y2. `edge` is what a side has beyond x2 - x1: 0, or 1 where x2 is the last pixel.
// For each anchor: index of its object, -1 background, -2 ignored. An object also keeps its best anchors, if these overlap it by
// at least `best_from`; none when that is above 1.
CT ct_match_anchors(const float *anchors, int64_t anchor_count, const float *objects, int64_t object_count, double foreground, double background, double best_from, double edge, int32_t *out);
// Sum of the focal loss over [n, a, c] logits; targets [n, a] int32: class, -1 background, -2 ignored.
CT ct_focal_loss_sum(ct_tensor logits, ct_tensor targets, double alpha, double gamma, ct_tensor *out);
// Boxes and scores of one image: `levels` pairs of logits [a, c] and deltas [a, 4] with anchors [a, 4].
typedef struct {
  float box[4];
  float score;
  int32_t label;
} ct_detection;
typedef struct {
  const float *logits, *deltas, *anchors;
  int64_t count;
} ct_level;
CT ct_detect(const ct_level *levels, int level_count, int64_t classes, double width, double height, double score_threshold, int64_t per_level, double nms, int64_t limit, const double weights[4], double edge, ct_detection *out, int64_t *out_count);
// Greedy suppression within a class: indices kept, by descending score; ties by index.
CT ct_nms(const float *boxes, const float *scores, const int32_t *labels, int64_t count, double threshold, double edge, int32_t *kept, int64_t *kept_count);

// Proposals of one image: on each level the best `before` boxes of `least` or more pixels a side, suppressed among
// themselves, the best `after` of them; by level, best first. Room for level_count * after boxes and scores.
CT ct_propose(const ct_level *levels, int level_count, double width, double height, int64_t before, double nms, int64_t after, double least, double edge, float *boxes, float *scores, int64_t *out_count);
// Detections of one image from `count` regions: probabilities [count, classes + 1], the background last; deltas
// [count, outputs, 4] with outputs of 1 (shared), or at least `classes`.
CT ct_detect_regions(const float *regions, const float *probabilities, const float *deltas, int64_t count, int64_t classes, int64_t outputs, double width, double height, double score_threshold, double nms, int64_t limit, const double weights[4], double edge, ct_detection *out, int64_t *out_count);
// Mean of bilinear samples: x [n, c, h, w], regions [count, 5] of image, x1, y1, x2, y2 in pixels of the network's
// input -> [count, c, size, size]. `samples` a side of a bin, 0: as many as the bin has cells. `aligned` moves by half a cell.
CT ct_roi_align(ct_tensor x, const float *regions, int64_t count, double scale, int64_t size, int64_t samples, bool aligned, ct_tensor *out);

#ifdef __cplusplus
}
#endif
