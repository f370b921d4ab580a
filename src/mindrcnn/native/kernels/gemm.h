// The inner loop of the convolutions: a small block of a matrix product, kept in registers.
#ifndef MINDRCNN_NATIVE_GEMM_H_
#define MINDRCNN_NATIVE_GEMM_H_

#include <cstdint>
#include <cstring>

namespace mindrcnn {

#ifdef __AVX512F__
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}

inline void store(float* to, Lanes lanes) { std::memcpy(to, &lanes, sizeof(lanes)); }

// Keeps a vector in a register. GCC otherwise loads it again for every multiplication that uses it, and with AVX the
// loads take longer than the arithmetic: 60 GFLOP/s instead of 85 on a core of an EPYC 7003.
inline void keep_in_register(Lanes& lanes) {
#if defined(__AVX512F__)
  asm("" : "+v"(lanes));
#elif defined(__x86_64__)
  asm("" : "+x"(lanes));
#elif defined(__aarch64__)
  asm("" : "+w"(lanes));
#else
  (void)lanes;
#endif
}

// c[i][j] = (add ? c[i][j] : 0) + sum over d of a[d][i] * b[d][j], i < Rows, j < Vectors * kLanes. Each matrix comes
// with its row stride. Sums always run in the order of d. Meanwhile Ahead * depth floats at `ahead` are fetched, which the
// processor does not expect to be used.
template <int Rows, int Vectors, int Ahead = 0>
__attribute__((optimize("fp-contract=fast"))) inline void multiply_block(const float* __restrict a, int64_t a_step,
                                                                         const float* __restrict b, int64_t b_step,
                                                                         int64_t depth, float* __restrict c,
                                                                         int64_t c_step, bool add,
                                                                         const float* ahead = nullptr) {
  Lanes sums[Rows][Vectors];
  for (int i = 0; i < Rows; ++i) {
    for (int j = 0; j < Vectors; ++j) sums[i][j] = add ? load(c + i * c_step + j * kLanes) : Lanes{};
  }
  for (int64_t d = 0; d < depth; ++d) {
    if constexpr (Ahead > 0) __builtin_prefetch(ahead + d * Ahead, 0, 2);
    Lanes values[Vectors];
    for (int j = 0; j < Vectors; ++j) {
      values[j] = load(b + j * kLanes);
      keep_in_register(values[j]);
    }
    for (int i = 0; i < Rows; ++i) {
      for (int j = 0; j < Vectors; ++j) sums[i][j] += a[i] * values[j];
    }
    a += a_step;
    b += b_step;
  }
  for (int i = 0; i < Rows; ++i) {
    for (int j = 0; j < Vectors; ++j) store(c + i * c_step + j * kLanes, sums[i][j]);
  }
}

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_GEMM_H_
