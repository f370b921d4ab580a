// The functions that MindSpore calls, in the form of its ahead-of-time compiled operators: pointers, ranks, shapes and
// type names of all inputs, then of all outputs. Settings arrive as a small float32 tensor, the last input, so nothing
// here depends on MindSpore's headers or C++ ABI. The last function is called by Python without MindSpore.
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "arguments.h"
#include "assign.h"
#include "mask_targets.h"
#include "nms.h"
#include "paste.h"
#include "point_sample.h"
#include "roi_align.h"

namespace {

using mindrcnn::Arguments;
using mindrcnn::guarded;

constexpr int kLevels = 4;
// resolution, sampling ratio, aligned, strides, edges between levels
constexpr int64_t kRoiAlignSettings = 3 + kLevels + kLevels - 1;

// `features` is the index of the first of four tensors with the features' shapes.
mindrcnn::RoiAlignProblem roi_align_problem(const Arguments& arguments, int features, int boxes, int settings_index) {
  const float* settings = arguments.floats(settings_index, {kRoiAlignSettings});
  mindrcnn::RoiAlignProblem problem{};
  problem.resolution = static_cast<int>(settings[0]);
  problem.sampling_ratio = static_cast<int>(settings[1]);
  problem.aligned = settings[2] != 0;
  problem.level_edges.assign(settings + 3 + kLevels, settings + kRoiAlignSettings);
  problem.images = arguments.shape(boxes, 3)[0];
  problem.slots = arguments.shape(boxes, 3)[1];
  problem.channels = arguments.shape(features, 4)[1];
  for (int level = 0; level < kLevels; ++level) {
    const int64_t* shape = arguments.shape(features + level, 4);
    if (shape[2] < 1 || shape[3] < 1) throw std::invalid_argument("feature");
    problem.levels.push_back({shape[2], shape[3], settings[3 + level]});
  }
  return problem;
}

std::vector<float*> features_of(const Arguments& arguments, int first, const mindrcnn::RoiAlignProblem& problem) {
  std::vector<float*> features;
  for (const mindrcnn::Level& level : problem.levels) {
    const int index = first + static_cast<int>(features.size());
    features.push_back(arguments.floats(index, {problem.images, problem.channels, level.height, level.width}));
  }
  return features;
}

float* pooled_of(const Arguments& arguments, int index, const mindrcnn::RoiAlignProblem& problem) {
  const int64_t side = problem.resolution;
  return arguments.floats(index, {problem.images * problem.slots, problem.channels, side, side});
}

// `maps` is the index of a tensor with the maps' shape.
mindrcnn::PointSampleProblem point_sample_problem(const Arguments& arguments, int maps, int points) {
  const int64_t* shape = arguments.shape(maps, 4);
  if (shape[2] < 1 || shape[3] < 1) throw std::invalid_argument("maps");
  return {shape[0], shape[1], shape[2], shape[3], arguments.shape(points, 3)[0], arguments.shape(points, 3)[1]};
}

}  // namespace

// Inputs: four features (B, C, H, W); boxes (B, S, 4); valid (B, S); settings.
// Output: (B * S, C, resolution, resolution).
MINDRCNN_KERNEL(roi_align_forward) {
  return guarded([&] {
    const Arguments arguments(8, count, data, ranks, shapes, dtypes);
    const mindrcnn::RoiAlignProblem problem = roi_align_problem(arguments, 0, 4, 6);
    const std::vector<float*> features = features_of(arguments, 0, problem);
    mindrcnn::roi_align_forward(problem, {features.begin(), features.end()},
                                arguments.floats(4, {problem.images, problem.slots, 4}),
                                arguments.bools(5, {problem.images, problem.slots}), pooled_of(arguments, 7, problem));
  });
}

// Inputs: gradient of the output above; boxes; valid; settings. Outputs: gradients of the four features.
MINDRCNN_KERNEL(roi_align_backward) {
  return guarded([&] {
    const Arguments arguments(8, count, data, ranks, shapes, dtypes);
    const mindrcnn::RoiAlignProblem problem = roi_align_problem(arguments, 4, 1, 3);
    mindrcnn::roi_align_backward(problem, pooled_of(arguments, 0, problem),
                                 arguments.floats(1, {problem.images, problem.slots, 4}),
                                 arguments.bools(2, {problem.images, problem.slots}),
                                 features_of(arguments, 4, problem));
  });
}

// Inputs: boxes (R, N, 4); scores (R, N); valid (R, N); settings: IoU threshold. Output: keep (R, N).
MINDRCNN_KERNEL(nms) {
  return guarded([&] {
    const Arguments arguments(5, count, data, ranks, shapes, dtypes);
    const int64_t rows = arguments.shape(1, 2)[0], length = arguments.shape(1, 2)[1];
    mindrcnn::nms(rows, length, arguments.floats(0, {rows, length, 4}), arguments.floats(1, {rows, length}), nullptr,
                  arguments.bools(2, {rows, length}), *arguments.floats(3, {1}), arguments.bools(4, {rows, length}));
  });
}

// Inputs: boxes (R, N, 4); scores (R, N); labels (R, N); valid (R, N); settings: IoU threshold.
// Output: keep (R, N).
MINDRCNN_KERNEL(nms_per_class) {
  return guarded([&] {
    const Arguments arguments(6, count, data, ranks, shapes, dtypes);
    const int64_t rows = arguments.shape(1, 2)[0], length = arguments.shape(1, 2)[1];
    mindrcnn::nms(rows, length, arguments.floats(0, {rows, length, 4}), arguments.floats(1, {rows, length}),
                  arguments.ints(2, {rows, length}), arguments.bools(3, {rows, length}), *arguments.floats(4, {1}),
                  arguments.bools(5, {rows, length}));
  });
}

// Inputs: boxes (N, 4) shared by all images, or (B, N, 4); gt_boxes (B, G, 4); gt_valid, gt_crowd (B, G); settings:
// foreground and background thresholds, LowQuality, its minimum IoU, crowd overlap.
// Outputs: matched_gt, state (B, N).
MINDRCNN_KERNEL(assign) {
  return guarded([&] {
    const Arguments arguments(7, count, data, ranks, shapes, dtypes);
    const float* settings = arguments.floats(4, {5});
    mindrcnn::AssignProblem problem{};
    problem.shared_candidates = arguments.rank(0) == 2;
    problem.images = arguments.shape(1, 3)[0];
    problem.objects = arguments.shape(1, 3)[1];
    problem.candidates = problem.shared_candidates ? arguments.shape(0, 2)[0] : arguments.shape(0, 3)[1];
    problem.fg_thresh = settings[0];
    problem.bg_thresh = settings[1];
    problem.low_quality = static_cast<mindrcnn::LowQuality>(static_cast<int>(settings[2]));
    problem.low_quality_min_iou = settings[3];
    problem.crowd_overlap = settings[4];
    const float* boxes = problem.shared_candidates ? arguments.floats(0, {problem.candidates, 4})
                                                   : arguments.floats(0, {problem.images, problem.candidates, 4});
    mindrcnn::assign(problem, boxes, arguments.floats(1, {problem.images, problem.objects, 4}),
                     arguments.bools(2, {problem.images, problem.objects}),
                     arguments.bools(3, {problem.images, problem.objects}),
                     arguments.ints(5, {problem.images, problem.candidates}),
                     arguments.ints(6, {problem.images, problem.candidates}));
  });
}

// Inputs: gt_masks (B, G, R, R) uint8; gt_boxes (B, G, 4); matched_gt (B, S); boxes (B, S, 4).
// Output: (B, S, side, side).
MINDRCNN_KERNEL(crop_masks) {
  return guarded([&] {
    const Arguments arguments(5, count, data, ranks, shapes, dtypes);
    const int64_t *masks = arguments.shape(0, 4), *matched = arguments.shape(2, 2), *targets = arguments.shape(4, 4);
    const mindrcnn::CropProblem problem{masks[0], masks[1], masks[2], matched[1], targets[2]};
    if (problem.stored < 1) throw std::invalid_argument("masks");
    mindrcnn::crop_masks(problem, arguments.bytes(0, {problem.images, problem.objects, problem.stored, problem.stored}),
                         arguments.floats(1, {problem.images, problem.objects, 4}),
                         arguments.ints(2, {problem.images, problem.samples}),
                         arguments.floats(3, {problem.images, problem.samples, 4}),
                         arguments.floats(4, {problem.images, problem.samples, problem.side, problem.side}));
  });
}

// Inputs: maps (M, C, H, W) float32 or uint8; map_index (N,); points (N, P, 2). Output: (N, P, C).
MINDRCNN_KERNEL(point_sample_forward) {
  return guarded([&] {
    const Arguments arguments(4, count, data, ranks, shapes, dtypes);
    const mindrcnn::PointSampleProblem problem = point_sample_problem(arguments, 0, 2);
    const std::initializer_list<int64_t> maps{problem.maps, problem.channels, problem.height, problem.width};
    const int32_t* map_index = arguments.ints(1, {problem.rows});
    const float* points = arguments.floats(2, {problem.rows, problem.points, 2});
    float* samples = arguments.floats(3, {problem.rows, problem.points, problem.channels});
    if (arguments.has_floats(0)) {
      mindrcnn::point_sample_forward<float>(problem, arguments.floats(0, maps), map_index, points, samples);
    } else {
      mindrcnn::point_sample_forward<uint8_t>(problem, arguments.bytes(0, maps), map_index, points, samples);
    }
  });
}

// Inputs: gradient of the output above; map_index; points. Output: gradient of the maps.
MINDRCNN_KERNEL(point_sample_backward) {
  return guarded([&] {
    const Arguments arguments(4, count, data, ranks, shapes, dtypes);
    const mindrcnn::PointSampleProblem problem = point_sample_problem(arguments, 3, 2);
    mindrcnn::point_sample_backward(
        problem, arguments.floats(0, {problem.rows, problem.points, problem.channels}),
        arguments.ints(1, {problem.rows}), arguments.floats(2, {problem.rows, problem.points, 2}),
        arguments.floats(3, {problem.maps, problem.channels, problem.height, problem.width}));
  });
}

// Writes the compressed run lengths of `objects` masks, each followed by a line feed, to text if its capacity suffices.
// Returns their length, or -1 if memory does not suffice.
extern "C" __attribute__((visibility("default"))) int64_t encode_masks(const float* masks, const float* boxes,
                                                                       int64_t objects, int64_t side, int64_t height,
                                                                       int64_t width, double thresh, char* text,
                                                                       int64_t capacity) {
  try {
    std::string all;
    for (const std::string& one : mindrcnn::encode_masks({objects, side, height, width, thresh}, masks, boxes)) {
      all.append(one).push_back('\n');
    }
    if (static_cast<int64_t>(all.size()) <= capacity) std::copy(all.begin(), all.end(), text);
    return static_cast<int64_t>(all.size());
  } catch (const std::exception&) {
    return -1;
  }
}
