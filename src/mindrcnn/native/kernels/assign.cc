#include "assign.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace mindrcnn {
namespace {

constexpr int32_t kPositive = 1, kNegative = 0, kIgnored = -1;
constexpr float kNoArea = 1e-12f;   // as in ops/boxes.py
constexpr int64_t kBlock = 512;     // candidates at a time; their coordinates and results stay in the L1 cache

struct Object {
  float x1, y1, x2, y2, area;
  int32_t slot;
};

float not_negative(float value) { return value > 0 ? value : 0.0f; }

std::vector<Object> objects_of(const float* boxes, const uint8_t* wanted, int64_t count) {
  std::vector<Object> objects;
  for (int64_t slot = 0; slot < count; ++slot) {
    if (!wanted[slot]) continue;
    const float* box = boxes + 4 * slot;
    const float area = not_negative(box[2] - box[0]) * not_negative(box[3] - box[1]);
    objects.push_back({box[0], box[1], box[2], box[3], area, static_cast<int32_t>(slot)});
  }
  return objects;
}

// A block of candidates, stored coordinate by coordinate so that loops over them vectorise.
struct Block {
  int64_t count = 0;
  float x1[kBlock], y1[kBlock], x2[kBlock], y2[kBlock], area[kBlock];

  void load(const float* boxes, int64_t number) {
    count = number;
    for (int64_t i = 0; i < number; ++i) {
      x1[i] = boxes[4 * i];
      y1[i] = boxes[4 * i + 1];
      x2[i] = boxes[4 * i + 2];
      y2[i] = boxes[4 * i + 3];
      area[i] = not_negative(x2[i] - x1[i]) * not_negative(y2[i] - y1[i]);
    }
  }

  float intersection(const Object& object, int64_t i) const {
    const float width = not_negative(std::min(object.x2, x2[i]) - std::max(object.x1, x1[i]));
    const float height = not_negative(std::min(object.y2, y2[i]) - std::max(object.y1, y1[i]));
    return width * height;
  }

  // The same operations in the same order as boxes.pairwise_iou, so that the same candidates tie; 0 instead of NaN.
  float iou(const Object& object, int64_t i) const {
    const float inter = intersection(object, i);
    return not_negative(inter / ((object.area + kNoArea) + area[i] - inter));
  }
};

// Floats from 0 up compare like their bits, and a maximum of integers vectorises.
int32_t bits_of(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

float float_of(int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Writes each candidate's best object, its state without low-quality matches, and each object's best IoU in this block
// as bits.
void assign_block(const AssignProblem& problem, const Block& block, const std::vector<Object>& objects,
                  int32_t* matched_gt, int32_t* state, int32_t* best_of_object) {
  float best[kBlock];
  std::fill_n(best, block.count, -1.0f);
  std::fill_n(matched_gt, block.count, 0);
  for (size_t g = 0; g < objects.size(); ++g) {
    const Object object = objects[g];
    int32_t most = 0;
    for (int64_t i = 0; i < block.count; ++i) {
      const float iou = block.iou(object, i);
      const bool better = iou > best[i];
      best[i] = better ? iou : best[i];
      matched_gt[i] = better ? object.slot : matched_gt[i];
      most = std::max(most, bits_of(iou));
    }
    best_of_object[g] = most;
  }
  for (int64_t i = 0; i < block.count; ++i) {
    const int32_t by_foreground = best[i] >= problem.fg_thresh ? kPositive : kIgnored;
    state[i] = best[i] < problem.bg_thresh ? kNegative : by_foreground;
  }
}

void ignore_crowds(const Block& block, const std::vector<Object>& crowds, float overlap, int32_t* state) {
  for (const Object& crowd : crowds) {
    for (int64_t i = 0; i < block.count; ++i) {
      const bool inside = block.intersection(crowd, i) / (block.area[i] + kNoArea) >= overlap;
      state[i] = inside && state[i] == kNegative ? kIgnored : state[i];
    }
  }
}

// Makes the candidates that reach an object's best IoU positive; block_best tells which blocks contain them.
void add_low_quality(const AssignProblem& problem, const Block& block, const std::vector<Object>& objects,
                     const int32_t* best_of_object, const int32_t* block_best, int32_t* matched_gt, int32_t* state) {
  for (size_t g = 0; g < objects.size(); ++g) {
    const float best = float_of(best_of_object[g]);
    if (block_best[g] != best_of_object[g] || best <= 0 || best < problem.low_quality_min_iou) continue;
    const Object object = objects[g];
    for (int64_t i = 0; i < block.count; ++i) {
      if (block.iou(object, i) < best) continue;
      state[i] = kPositive;
      if (problem.low_quality == LowQuality::kOverwrite) matched_gt[i] = object.slot;
    }
  }
}

// The assignment of one image, block by block.
struct Image {
  std::vector<Object> objects;
  std::vector<Object> crowds;
  std::vector<int32_t> block_best;  // (blocks, objects), bits
  std::vector<int32_t> best;        // (objects,), bits
};

std::vector<Image> make_images(const AssignProblem& problem, int64_t blocks, const float* gt_boxes,
                               const uint8_t* gt_valid, const uint8_t* gt_crowd) {
  std::vector<Image> images(static_cast<size_t>(problem.images));
  for (int64_t i = 0; i < problem.images; ++i) {
    const int64_t start = i * problem.objects;
    Image& image = images[i];
    image.objects = objects_of(gt_boxes + 4 * start, gt_valid + start, problem.objects);
    image.crowds = objects_of(gt_boxes + 4 * start, gt_crowd + start, problem.objects);
    image.block_best.resize(static_cast<size_t>(blocks) * image.objects.size());
    image.best.resize(image.objects.size());
  }
  return images;
}

void find_best_of_objects(Image& image, int64_t blocks) {
  const size_t objects = image.objects.size();
  for (int64_t block = 0; block < blocks; ++block) {
    for (size_t g = 0; g < objects; ++g) image.best[g] = std::max(image.best[g], image.block_best[block * objects + g]);
  }
}

}  // namespace

void assign(const AssignProblem& problem, const float* boxes, const float* gt_boxes, const uint8_t* gt_valid,
            const uint8_t* gt_crowd, int32_t* matched_gt, int32_t* state) {
  const int64_t blocks = (problem.candidates + kBlock - 1) / kBlock;
  std::vector<Image> images = make_images(problem, blocks, gt_boxes, gt_valid, gt_crowd);
  const auto load = [&](Block& block, int64_t image, int64_t number) {
    const int64_t first = number * kBlock;
    const int64_t start = problem.shared_candidates ? first : image * problem.candidates + first;
    block.load(boxes + 4 * start, std::min(kBlock, problem.candidates - first));
  };
#pragma omp parallel for schedule(dynamic, 8)
  for (int64_t task = 0; task < problem.images * blocks; ++task) {
    const int64_t number = task / blocks, part = task % blocks;
    const int64_t start = number * problem.candidates + part * kBlock;
    Image& image = images[number];
    Block block;
    load(block, number, part);
    assign_block(problem, block, image.objects, matched_gt + start, state + start,
                 image.block_best.data() + static_cast<size_t>(part) * image.objects.size());
    ignore_crowds(block, image.crowds, problem.crowd_overlap, state + start);
  }
  if (problem.low_quality == LowQuality::kOff) return;
  for (Image& image : images) find_best_of_objects(image, blocks);
  // After the crowds, which do not affect positives: low-quality matches are positives.
#pragma omp parallel for schedule(dynamic, 8)
  for (int64_t task = 0; task < problem.images * blocks; ++task) {
    const int64_t number = task / blocks, part = task % blocks;
    const int64_t start = number * problem.candidates + part * kBlock;
    const Image& image = images[number];
    Block block;
    load(block, number, part);
    add_low_quality(problem, block, image.objects, image.best.data(),
                    image.block_best.data() + static_cast<size_t>(part) * image.objects.size(), matched_gt + start,
                    state + start);
  }
}

}  // namespace mindrcnn
