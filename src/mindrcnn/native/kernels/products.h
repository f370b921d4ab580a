// Sizes of the blocks that both convolutions multiply, and packing into their layouts.
#ifndef MINDRCNN_NATIVE_PRODUCTS_H_
#define MINDRCNN_NATIVE_PRODUCTS_H_

#include <algorithm>
#include <cstdint>

#include "gemm.h"

namespace mindrcnn {

// Rows of a product that fit into the registers beside three vectors of columns.
constexpr int kRows = kLanes == 16 ? 8 : 4;
constexpr int64_t kPanel = 3 * kLanes;  // columns that the inner loop of a product processes at once
constexpr int kColumnVectors = 2;       // vectors of columns in the weight gradient's products
constexpr int64_t kColumns = kColumnVectors * kLanes;

// c = a b of kRows rows and up to kPanel columns, a multiple of kLanes; a[depth][kRows], b[depth][kPanel].
template <int Ahead = 0>
inline void multiply_panel(const float* a, const float* b, int64_t depth, int64_t columns, float* c, int64_t c_step,
                           const float* ahead = nullptr) {
  switch (columns / kLanes) {
    case 3: multiply_block<kRows, 3, Ahead>(a, kRows, b, kPanel, depth, c, c_step, false, ahead); break;
    case 2: multiply_block<kRows, 2, Ahead>(a, kRows, b, kPanel, depth, c, c_step, false, ahead); break;
    default: multiply_block<kRows, 1, Ahead>(a, kRows, b, kPanel, depth, c, c_step, false, ahead);
  }
}

// One row of a weight gradient's product: kRows rows of c from a[depth][kRows] and
// b[columns / kColumns][depth][kColumns], whose panels lie b_step apart.
inline void multiply_rows(const float* a, const float* b, int64_t b_step, int64_t depth, int64_t columns, float* c,
                          bool add) {
  for (int64_t column = 0; column < columns; column += kColumns) {
    multiply_block<kRows, kColumnVectors>(a, kRows, b + column / kColumns * b_step, kColumns, depth, c + column, columns,
                                          add);
  }
}

typedef int32_t Order __attribute__((vector_size(kLanes * sizeof(int32_t))));

// Parts the values at even and at odd places of two vectors.
inline void part(Lanes a, Lanes b, Lanes& even, Lanes& odd) {
  Order evens, odds;
  for (int i = 0; i < kLanes; ++i) {
    evens[i] = 2 * i;
    odds[i] = 2 * i + 1;
  }
  even = __builtin_shuffle(a, b, evens);
  odd = __builtin_shuffle(a, b, odds);
}

// The inverse of `part`.
inline void join(Lanes even, Lanes odd, Lanes& a, Lanes& b) {
  Order low, high;
  for (int i = 0; i < kLanes; ++i) {
    low[i] = i / 2 + i % 2 * kLanes;
    high[i] = low[i] + kLanes / 2;
  }
  a = __builtin_shuffle(even, odd, low);
  b = __builtin_shuffle(even, odd, high);
}

// interleave moves value i of vector v, of Count vectors (a power of two), to place i * Count + v of all of them;
// transpose moves it to value v of vector i. Their steps are template arguments, so that every shuffle is known when it is
// compiled; written as calls, they would pass the vectors through memory.
template <int Count, int Step = 1>
__attribute__((always_inline)) inline void interleave(Lanes (&rows)[Count]) {
  if constexpr (Step < Count) {
    Lanes joined[Count];
    for (int i = 0; i < Count / 2; ++i) join(rows[i], rows[i + Count / 2], joined[2 * i], joined[2 * i + 1]);
    for (int i = 0; i < Count; ++i) rows[i] = joined[i];
    interleave<Count, 2 * Step>(rows);
  }
}

template <int Step = 1>
__attribute__((always_inline)) inline void transpose(Lanes (&rows)[kLanes]) {
  if constexpr (Step < kLanes) {
    Order low, high;
    for (int i = 0; i < kLanes; ++i) {
      low[i] = i & Step ? kLanes + i - Step : i;
      high[i] = i & Step ? kLanes + i : i + Step;
    }
    for (int i = 0; i < kLanes; ++i) {
      if (i & Step) continue;
      const Lanes a = rows[i], b = rows[i + Step];
      rows[i] = __builtin_shuffle(a, b, low);
      rows[i + Step] = __builtin_shuffle(a, b, high);
    }
    transpose<2 * Step>(rows);
  }
}

// Packs kLanes channels, starting at `channel`, and kLanes places of each, starting at from[i * from_step], into panels
// of `width` channels: to[channel / width * panel_step + place * width + channel % width].
inline void transpose_into_panels(const float* from, int64_t from_step, int64_t channel, int64_t width,
                                  int64_t panel_step, float* to) {
  Lanes values[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) values[i] = load(from + i * from_step);
  transpose(values);
  const int64_t piece = std::min<int64_t>(width, kLanes);
  for (int64_t i = 0; i < kLanes; ++i) {
    float lanes[kLanes];
    store(lanes, values[i]);
    for (int64_t first = 0; first < kLanes; first += piece) {
      const int64_t place = channel + first;
      std::copy_n(lanes + first, piece, to + place / width * panel_step + i * width + place % width);
    }
  }
}

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_PRODUCTS_H_
