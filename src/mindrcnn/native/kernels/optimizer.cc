#include "optimizer.h"

#include <algorithm>
#include <cmath>

namespace mindrcnn {

namespace {

// Values that one thread works on at a time: three arrays of these fit into the L2 cache.
constexpr int64_t kPiece = 32768;
// Sums that run beside each other, so that the compiler can use vectors.
constexpr int kLanes = 16;

struct Piece {
  size_t array;
  int64_t first;
  int64_t count;
};

// `arrays` is a vector of anything with a member `count`.
template <typename Arrays>
std::vector<Piece> pieces(const Arrays& arrays) {
  std::vector<Piece> result;
  for (size_t array = 0; array < arrays.size(); ++array) {
    for (int64_t first = 0; first < arrays[array].count; first += kPiece) {
      result.push_back({array, first, std::min(kPiece, arrays[array].count - first)});
    }
  }
  return result;
}

double sum_of_squares(const float* values, int64_t count) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  for (; i < count; ++i) sum += static_cast<double>(values[i]) * values[i];
  return sum;
}

template <bool kNesterov>
void update(const SgdParameter& parameter, const Piece& piece, const SgdSettings& settings) {
  float* __restrict weight = parameter.weight + piece.first;
  float* __restrict accum = parameter.accum + piece.first;
  const float* __restrict gradient = parameter.gradient + piece.first;
  const float rate = parameter.rate, decay = parameter.decay, momentum = settings.momentum, factor = settings.factor;
  for (int64_t i = 0; i < piece.count; ++i) {
    const float step = gradient[i] * factor + decay * weight[i];
    accum[i] = momentum * accum[i] + step;
    weight[i] -= rate * (kNesterov ? step + momentum * accum[i] : accum[i]);
  }
}

}  // namespace

float norm(const std::vector<Values>& gradients) {
  const std::vector<Piece> all = pieces(gradients);
  std::vector<double> sums(all.size());
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < all.size(); ++i) {
    sums[i] = sum_of_squares(gradients[all[i].array].data + all[i].first, all[i].count);
  }
  double sum = 0;
  for (const double part : sums) sum += part;
  return static_cast<float>(std::sqrt(sum));
}

void sgd_update(const std::vector<SgdParameter>& parameters, const SgdSettings& settings) {
  const std::vector<Piece> all = pieces(parameters);
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < all.size(); ++i) {
    const SgdParameter& parameter = parameters[all[i].array];
    settings.nesterov ? update<true>(parameter, all[i], settings) : update<false>(parameter, all[i], settings);
  }
}

}  // namespace mindrcnn
