// One-dimensional transforms of Winograd's F(4, 3) for the points 0, 1, -1, 2, -2 and infinity, and of F(2, 3) for four
// of them. Each lane is a tile.
#ifndef MINDRCNN_NATIVE_WINOGRAD_TRANSFORMS_H_
#define MINDRCNN_NATIVE_WINOGRAD_TRANSFORMS_H_

#include "gemm.h"

namespace mindrcnn {

inline void input_transform(const Lanes* d, Lanes* to, int step) {
  const Lanes odd = d[3] - 4.0f * d[1], even = d[4] - 4.0f * d[2];
  const Lanes odd_two = 2.0f * (d[3] - d[1]), even_two = d[4] - d[2];
  to[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
  to[step] = even + odd;
  to[2 * step] = even - odd;
  to[3 * step] = even_two + odd_two;
  to[4 * step] = even_two - odd_two;
  to[5 * step] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

// Of four inputs; points 2 and -2 are left out. The factors are those of F(4, 3)'s weights.
inline void short_input_transform(const Lanes* d, Lanes* to, int step) {
  to[0] = 4.0f * (d[0] - d[2]);
  to[step] = -3.0f * (d[1] + d[2]);
  to[2 * step] = 3.0f * (d[1] - d[2]);
  to[5 * step] = d[3] - d[1];
}

inline void output_transform(const Lanes* m, Lanes* to, int step) {
  const Lanes sum = m[1] + m[2], difference = m[1] - m[2];
  const Lanes sum_two = m[3] + m[4], difference_two = m[3] - m[4];
  to[0] = m[0] + sum + sum_two;
  to[step] = difference + 2.0f * difference_two;
  to[2 * step] = sum + 4.0f * sum_two;
  to[3 * step] = difference + 8.0f * difference_two + m[5];
}

// To two outputs, without points 2 and -2.
inline void short_output_transform(const Lanes* m, Lanes* to, int step) {
  to[0] = m[0] + m[1] + m[2];
  to[step] = m[1] - m[2] + m[5];
}

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_WINOGRAD_TRANSFORMS_H_
