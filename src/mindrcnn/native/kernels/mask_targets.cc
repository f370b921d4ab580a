#include "mask_targets.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "first_exception.h"

namespace mindrcnn {
namespace {

// Position of a sample's bin centre in its object's mask along one axis.
struct Place {
  int64_t first;   // first of the two neighbouring cells
  int64_t second;
  float weight;    // weight of the second cell
  bool inside;     // inside the object's box
};

// The same operations in the same order as _axis_samples of mask_targets.py, so that the same values reach 0.5.
void load_axis(const CropProblem& problem, float low, float high, float gt_low, float gt_high,
               std::vector<Place>& places) {
  const float extent = gt_high - gt_low, cells = static_cast<float>(problem.stored);
  for (int64_t i = 0; i < problem.side; ++i) {
    const float centre = (static_cast<float>(i) + 0.5f) / static_cast<float>(problem.side);
    const float share = (low + (high - low) * centre - gt_low) / extent;
    Place& place = places[i];
    place.inside = extent > 0 && share >= 0 && share <= 1;  // false for NaN
    if (!place.inside) continue;
    const float cell = std::min(std::max(share * cells - 0.5f, 0.0f), cells - 1);
    const float first = std::floor(cell);
    place.first = static_cast<int64_t>(first);
    place.second = std::min(place.first + 1, problem.stored - 1);
    place.weight = cell - first;
  }
}

float between(float first, float second, float weight) { return first + (second - first) * weight; }

void crop_mask(const CropProblem& problem, const uint8_t* mask, const std::vector<Place>& columns,
               const std::vector<Place>& rows, float* target) {
  for (const Place& y : rows) {
    const uint8_t *upper = mask + y.first * problem.stored, *lower = mask + y.second * problem.stored;
    for (const Place& x : columns) {
      float value = 0;
      if (x.inside && y.inside) {
        value = between(between(upper[x.first], upper[x.second], x.weight),
                        between(lower[x.first], lower[x.second], x.weight), y.weight);
      }
      *target++ = value >= 0.5f ? 1.0f : 0.0f;
    }
  }
}

}  // namespace

void crop_masks(const CropProblem& problem, const uint8_t* gt_masks, const float* gt_boxes, const int32_t* matched_gt,
                const float* boxes, float* targets) {
  const int64_t pixels = problem.side * problem.side;
  FirstException exception;
#pragma omp parallel
  {
    std::vector<Place> columns, rows;
    const bool ready = exception.keep([&] {
      columns.resize(static_cast<size_t>(problem.side));
      rows.resize(columns.size());
    });
#pragma omp for schedule(dynamic, 8)
    for (int64_t sample = 0; sample < problem.images * problem.samples; ++sample) {
      if (!ready) continue;
      const int64_t slot = matched_gt[sample];
      if (slot < 0 || slot >= problem.objects) {
        std::fill_n(targets + sample * pixels, pixels, 0.0f);
        continue;
      }
      const int64_t object = sample / problem.samples * problem.objects + slot;
      const float *box = boxes + 4 * sample, *gt_box = gt_boxes + 4 * object;
      load_axis(problem, box[0], box[2], gt_box[0], gt_box[2], columns);
      load_axis(problem, box[1], box[3], gt_box[1], gt_box[3], rows);
      crop_mask(problem, gt_masks + object * problem.stored * problem.stored, columns, rows,
                targets + sample * pixels);
    }
  }
  exception.rethrow();
}

}  // namespace mindrcnn
