// Calls every kernel with boxes of all kinds, to be run under AddressSanitizer and UndefinedBehaviorSanitizer. Buffers
// have exactly the size that a kernel may use.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "assign.h"
#include "batch_norm.h"
#include "conv1x1.h"
#include "conv3x3.h"
#include "depthwise.h"
#include "exchange.h"
#include "mask_targets.h"
#include "nms.h"
#include "optimizer.h"
#include "paste.h"
#include "point_sample.h"
#include "roi_align.h"
#include "stem.h"
#include "resample.h"

namespace {

std::mt19937 random_bits(0);

float uniform(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random_bits); }

// Ordinary boxes, and every so often one that is outside, without area, swapped, huge, infinite or NaN.
std::vector<float> make_boxes(int64_t count) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const float most = std::numeric_limits<float>::max(), odd[] = {0, -1, 1e9f, -1e9f, 3e18f, most, -most, inf, -inf, nan};
  std::vector<float> boxes;
  for (int64_t i = 0; i < count; ++i) {
    const float x = uniform(-40, 500), y = uniform(-40, 400);
    float box[] = {x, y, x + std::exp(uniform(0, 6.5f)), y + std::exp(uniform(0, 6.5f))};
    if (i % 3 == 0) box[random_bits() % 4] = odd[random_bits() % 10];
    if (i % 6 == 0) box[random_bits() % 4] = odd[random_bits() % 10];
    if (i % 17 == 0) box[0] = box[1] = box[2] = box[3] = odd[random_bits() % 10];
    boxes.insert(boxes.end(), box, box + 4);
  }
  return boxes;
}

std::vector<uint8_t> make_mask(int64_t count, int one_in) {
  std::vector<uint8_t> mask;
  for (int64_t i = 0; i < count; ++i) mask.push_back(random_bits() % static_cast<unsigned>(one_in) == 0);
  return mask;
}

void call_roi_align(int sampling_ratio, bool aligned, int64_t images, int64_t slots, int64_t side) {
  mindrcnn::RoiAlignProblem problem{};
  for (const int64_t stride : {4, 8, 16, 32}) {
    problem.levels.push_back({side / stride + 1, side / stride + 2, static_cast<float>(stride)});
  }
  problem.level_edges = {112.0f * 112, 224.0f * 224, 448.0f * 448};
  problem.images = images;
  problem.slots = slots;
  problem.channels = 2;
  problem.resolution = 7;
  problem.sampling_ratio = sampling_ratio;
  problem.aligned = aligned;
  const std::vector<float> boxes = make_boxes(images * slots);
  const std::vector<uint8_t> valid = make_mask(images * slots, 1);
  std::vector<float> pooled(static_cast<size_t>(images * slots * 2 * 49));
  std::vector<std::vector<float>> planes;
  std::vector<const float*> features;
  std::vector<float*> gradients;
  for (const mindrcnn::Level& level : problem.levels) {
    planes.emplace_back(static_cast<size_t>(images * 2 * level.height * level.width), 1.0f);
    features.push_back(planes.back().data());
    gradients.push_back(planes.back().data());
  }
  mindrcnn::roi_align_forward(problem, features, boxes.data(), valid.data(), pooled.data());
  mindrcnn::roi_align_backward(problem, pooled.data(), boxes.data(), valid.data(), gradients);
}

void call_nms(int64_t rows, int64_t length) {
  const std::vector<float> boxes = make_boxes(rows * length);
  const std::vector<uint8_t> valid = make_mask(rows * length, 1);
  std::vector<float> scores;
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < rows * length; ++i) {
    scores.push_back(i % 9 == 0 ? NAN : 1.0f);
    labels.push_back(static_cast<int32_t>(random_bits()));
  }
  std::vector<uint8_t> keep(valid.size());
  mindrcnn::nms(rows, length, boxes.data(), scores.data(), nullptr, valid.data(), 0.5f, keep.data());
  mindrcnn::nms(rows, length, boxes.data(), scores.data(), labels.data(), valid.data(), 0.5f, keep.data());
}

void call_assign(int64_t images, int64_t objects, int64_t candidates, bool shared, mindrcnn::LowQuality low_quality) {
  const mindrcnn::AssignProblem problem{images, objects, candidates, shared, 0.5f, 0.4f, low_quality, 0.1f, 0.5f};
  const std::vector<float> boxes = make_boxes(shared ? candidates : images * candidates);
  const std::vector<float> gt_boxes = make_boxes(images * objects);
  const std::vector<uint8_t> valid = make_mask(images * objects, 2), crowd = make_mask(images * objects, 3);
  std::vector<int32_t> matched(static_cast<size_t>(images * candidates)), state(matched.size());
  mindrcnn::assign(problem, boxes.data(), gt_boxes.data(), valid.data(), crowd.data(), matched.data(), state.data());
}

template <typename Value>
void call_point_sample(int64_t maps, int64_t channels, int64_t height, int64_t width, int64_t rows, int64_t points) {
  const mindrcnn::PointSampleProblem problem{maps, channels, height, width, rows, points};
  const std::vector<Value> values(static_cast<size_t>(maps * channels * height * width), Value{1});
  std::vector<float> places = make_boxes(rows * points / 2);  // a box is two points
  for (float& place : places) place *= static_cast<float>(width) / 500;
  std::vector<int32_t> map_index;
  for (int64_t i = 0; i < rows; ++i) map_index.push_back(static_cast<int32_t>(random_bits() % 5) - 1);
  std::vector<float> samples(static_cast<size_t>(rows * points * channels)), gradient(values.size());
  mindrcnn::point_sample_forward(problem, values.data(), map_index.data(), places.data(), samples.data());
  mindrcnn::point_sample_backward(problem, samples.data(), map_index.data(), places.data(), gradient.data());
}

void call_crop_masks(int64_t images, int64_t objects, int64_t stored, int64_t samples, int64_t side) {
  const mindrcnn::CropProblem problem{images, objects, stored, samples, side};
  const std::vector<uint8_t> masks = make_mask(images * objects * stored * stored, 2);
  const std::vector<float> gt_boxes = make_boxes(images * objects), boxes = make_boxes(images * samples);
  std::vector<int32_t> matched;
  for (int64_t i = 0; i < images * samples; ++i) matched.push_back(static_cast<int32_t>(random_bits() % 8) - 1);
  std::vector<float> targets(static_cast<size_t>(images * samples * side * side));
  mindrcnn::crop_masks(problem, masks.data(), gt_boxes.data(), matched.data(), boxes.data(), targets.data());
}

void call_encode_masks(int64_t objects, int64_t side, int64_t height, int64_t width, double thresh) {
  const mindrcnn::PasteProblem problem{objects, side, height, width, thresh};
  std::vector<float> masks;
  for (int64_t i = 0; i < objects * side * side; ++i) masks.push_back(i % 99 == 0 ? NAN : uniform(0, 1));
  const std::vector<float> boxes = make_boxes(objects);
  mindrcnn::encode_masks(problem, masks.data(), boxes.data());
}

void call_convolutions(int64_t images, int64_t height, int64_t width) {
  const std::vector<uint8_t> valid = make_mask(images, 1);
  std::vector<float> x(static_cast<size_t>(images * 32 * height * width), 1.0f), y(2 * x.size());
  std::vector<float> weight(64 * 32 * 9, 0.5f), scale(64, 2.0f), bias(64);
  const mindrcnn::ConvProblem problem{images, 32, 64, height, width, true, valid.data()};
  mindrcnn::conv3x3_forward(problem, x.data(), weight.data(), scale.data(), bias.data(), y.data());
  mindrcnn::conv3x3_input_gradient(problem, y.data(), y.data(), weight.data(), scale.data(), x.data());
  mindrcnn::conv3x3_weight_gradient(problem, x.data(), y.data(), y.data(), scale.data(), weight.data(), bias.data());
  const std::vector<float> summand(y.size());
  mindrcnn::conv1x1_forward(problem, x.data(), weight.data(), scale.data(), bias.data(), summand.data(), y.data());
  mindrcnn::conv1x1_input_gradient(problem, y.data(), y.data(), weight.data(), scale.data(), x.data());
  mindrcnn::conv1x1_weight_gradient(problem, x.data(), y.data(), y.data(), scale.data(), weight.data(), bias.data());
}

void call_sampling(int64_t planes, int64_t height, int64_t width) {
  const int64_t small = (height + 1) / 2 * ((width + 1) / 2);
  std::vector<float> x(static_cast<size_t>(planes * height * width), 1.0f), y(static_cast<size_t>(planes * small));
  mindrcnn::every_second(planes, height, width, x.data(), y.data());
  mindrcnn::spread(planes, height, width, y.data(), x.data());
  if (height % 2 != 0 || width % 2 != 0) return;
  mindrcnn::add_upsampled(planes, height / 2, width / 2, x.data(), y.data(), x.data());
  mindrcnn::sum_of_four(planes, height / 2, width / 2, x.data(), y.data());
}

void call_stem(int64_t images, int64_t height, int64_t width) {
  const int64_t channels = 16;
  const std::vector<float> x(images * 3 * height * width, 1), weight(channels * 3 * 49, 0.1f), ones(channels, 1);
  std::vector<float> y(images * channels * height * width / 16);
  mindrcnn::stem_forward({images, channels, height, width}, x.data(), weight.data(), ones.data(), ones.data(), y.data());
}

void call_depthwise(int64_t images, int64_t channels, int64_t height, int64_t width) {
  std::vector<float> x(static_cast<size_t>(images * channels * height * width), 1.0f);
  std::vector<float> weight(static_cast<size_t>(channels * 9), 0.5f);
  for (const int64_t stride : {1, 2}) {
    for (const int64_t before : {0, 1}) {
      for (const int64_t behind : {0, 1}) {
        const int64_t room_y = height + before + behind - 3, room_x = width + before + behind - 3;
        if (room_y < 0 || room_x < 0) continue;
        const mindrcnn::DepthwiseProblem problem{
            images, channels, height, width, room_y / stride + 1, room_x / stride + 1, stride, before, before};
        std::vector<float> y(static_cast<size_t>(images * channels * problem.out_height * problem.out_width));
        mindrcnn::depthwise_forward(problem, x.data(), weight.data(), y.data());
        mindrcnn::depthwise_input_gradient(problem, y.data(), weight.data(), x.data());
        mindrcnn::depthwise_weight_gradient(problem, x.data(), y.data(), weight.data());
      }
    }
  }
}

void call_batch_norm(int64_t images, int64_t channels, int64_t pixels) {
  std::vector<float> x(static_cast<size_t>(images * channels * pixels), 1.0f), y(x), gradient(x);
  std::vector<float> ones(static_cast<size_t>(channels), 1.0f), mean(ones), variance(ones), batch(ones), inverse(ones);
  for (const bool relu : {false, true}) {
    const mindrcnn::BatchNormProblem problem{images, channels, pixels, 1e-5f, 0.1f, 6.0f, relu};
    mindrcnn::batch_norm_forward(problem, x.data(), ones.data(), ones.data(), mean.data(), variance.data(), y.data(),
                                 batch.data(), inverse.data());
    mindrcnn::batch_norm_backward(problem, x.data(), y.data(), ones.data(), ones.data(), batch.data(), inverse.data(),
                                  gradient.data(), mean.data(), variance.data());
  }
}

void call_optimizer() {
  std::vector<std::vector<float>> weights, accums, gradients;
  for (const size_t count : {100000, 0, 1, 17}) {
    weights.emplace_back(count, 1.0f);
    accums.emplace_back(count, 0.0f);
    gradients.emplace_back(count, 2.0f);
  }
  std::vector<mindrcnn::Values> values;
  std::vector<mindrcnn::SgdParameter> parameters;
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto count = static_cast<int64_t>(weights[i].size());
    values.push_back({gradients[i].data(), count});
    parameters.push_back({weights[i].data(), accums[i].data(), gradients[i].data(), count, 0.1f, 0.01f});
  }
  mindrcnn::norm(values);
  for (const bool nesterov : {false, true}) mindrcnn::sgd_update(parameters, {0.9f, 0.5f, nesterov});
}

// Threads in the place of processes.
void call_exchange(int processes, const std::vector<int64_t>& sizes) {
  std::vector<uint64_t> memory((mindrcnn::Exchange::bytes(processes) + 7) / 8 + 8);
  void* start = memory.data();
  std::size_t room = memory.size() * 8;
  std::align(64, room - 64, start, room);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < processes; ++rank) {
    threads.emplace_back([=, &sizes] {
      mindrcnn::Exchange exchange(start, rank, processes, 600);
      for (int round = 0; round < 2; ++round) {
        std::vector<std::vector<float>> own, means;
        std::vector<mindrcnn::Averaged> tensors;
        for (const int64_t size : sizes) {
          own.emplace_back(size, static_cast<float>(rank));
          means.emplace_back(size);
        }
        for (std::size_t i = 0; i < sizes.size(); ++i) tensors.push_back({own[i].data(), means[i].data(), sizes[i]});
        exchange.average(tensors);
        for (const auto& mean : means)
          for (const float value : mean)
            if (value != 0.5f * static_cast<float>(processes - 1)) std::puts("a wrong mean");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main() {
  call_batch_norm(2, 3, 2500);
  call_batch_norm(1, 4, 1);
  call_batch_norm(0, 4, 16);
  call_optimizer();
  call_sampling(6, 8, 10);
  call_sampling(6, 7, 9);
  call_sampling(6, 1, 1);
  call_sampling(0, 8, 10);
  call_convolutions(3, 9, 14);
  call_convolutions(1, 60, 70);
  call_convolutions(1, 1, 1000);
  call_convolutions(2, 1, 1);
  call_convolutions(0, 5, 5);
  call_convolutions(37, 9, 14);  // many small maps
  call_convolutions(24, 28, 7);
  call_convolutions(20, 1, 16);
  call_stem(2, 36, 52);
  call_stem(1, 4, 400);
  call_stem(0, 8, 8);
  call_depthwise(2, 3, 8, 10);
  call_depthwise(3, 2, 7, 33);
  call_depthwise(1, 4, 1, 1);
  call_depthwise(0, 4, 8, 8);
  for (const bool aligned : {false, true}) {
    for (const int sampling_ratio : {0, 1, 2}) {
      call_roi_align(sampling_ratio, aligned, 2, 300, 500);
      call_roi_align(sampling_ratio, aligned, 1, 50, 3);  // features of one or two cells
      call_roi_align(sampling_ratio, aligned, 1, 0, 500);
    }
  }
  call_nms(3, 200);
  call_nms(1, 0);
  for (const auto low_quality : {mindrcnn::LowQuality::kOff, mindrcnn::LowQuality::kKeep,
                                 mindrcnn::LowQuality::kOverwrite}) {
    call_assign(2, 20, 1500, false, low_quality);
    call_assign(2, 20, 1500, true, low_quality);
    call_assign(1, 0, 40, true, low_quality);
    call_assign(1, 3, 0, true, low_quality);
  }
  call_point_sample<float>(3, 37, 50, 60, 40, 600);
  call_point_sample<float>(3, 37, 7, 9, 40, 600);
  call_point_sample<float>(2, 3, 1, 1, 9, 70);
  call_point_sample<float>(2, 3, 5, 5, 0, 70);
  call_point_sample<float>(2, 3, 5, 5, 9, 0);
  call_point_sample<uint8_t>(3, 1, 40, 40, 50, 300);
  call_crop_masks(2, 6, 28, 300, 14);
  call_crop_masks(2, 6, 1, 30, 5);
  call_crop_masks(1, 0, 28, 30, 14);
  call_crop_masks(1, 6, 28, 0, 14);
  for (const double thresh : {0.01, 0.5, 1.0}) {
    call_encode_masks(200, 28, 400, 500, thresh);
    call_encode_masks(20, 1, 1, 1, thresh);
    call_encode_masks(0, 28, 400, 500, thresh);
  }
  call_exchange(1, {5});
  call_exchange(2, {});
  call_exchange(2, {7, 0, mindrcnn::Exchange::kPart, 3});
  call_exchange(3, {3 * mindrcnn::Exchange::kPart - 5, 9});
  std::puts("done");
  return 0;
}
