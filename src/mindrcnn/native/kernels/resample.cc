#include "resample.h"

#include <algorithm>

namespace mindrcnn {

void add_upsampled(int64_t planes, int64_t height, int64_t width, const float* fine, const float* coarse, float* sum) {
#pragma omp parallel for
  for (int64_t row = 0; row < planes * height * 2; ++row) {
    const float *from = fine + row * 2 * width, *small = coarse + row / 2 * width;
    float* to = sum + row * 2 * width;
    for (int64_t x = 0; x < width; ++x) {
      to[2 * x] = from[2 * x] + small[x];
      to[2 * x + 1] = from[2 * x + 1] + small[x];
    }
  }
}

void sum_of_four(int64_t planes, int64_t height, int64_t width, const float* fine, float* coarse) {
#pragma omp parallel for
  for (int64_t row = 0; row < planes * height; ++row) {
    const float *upper = fine + row * 4 * width, *lower = upper + 2 * width;
    for (int64_t x = 0; x < width; ++x) {
      coarse[row * width + x] = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1];
    }
  }
}

void every_second(int64_t planes, int64_t height, int64_t width, const float* x, float* y) {
  const int64_t rows = (height + 1) / 2, columns = (width + 1) / 2;
#pragma omp parallel for
  for (int64_t row = 0; row < planes * rows; ++row) {
    const float* from = x + (row / rows * height + row % rows * 2) * width;
    for (int64_t column = 0; column < columns; ++column) y[row * columns + column] = from[2 * column];
  }
}

void spread(int64_t planes, int64_t height, int64_t width, const float* y, float* x) {
  const int64_t rows = (height + 1) / 2, columns = (width + 1) / 2;
#pragma omp parallel for
  for (int64_t row = 0; row < planes * height; ++row) {
    float* to = x + row * width;
    std::fill_n(to, width, 0.0f);
    if (row % height % 2 != 0) continue;
    const float* from = y + (row / height * rows + row % height / 2) * columns;
    for (int64_t column = 0; column < columns; ++column) to[2 * column] = from[column];
  }
}

}  // namespace mindrcnn
