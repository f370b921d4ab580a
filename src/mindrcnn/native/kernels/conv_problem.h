// The arguments of the convolution kernels besides maps, weights and biases.
#ifndef MINDRCNN_NATIVE_CONV_PROBLEM_H_
#define MINDRCNN_NATIVE_CONV_PROBLEM_H_

#include <cstdint>

namespace mindrcnn {

struct ConvProblem {
  int64_t images;
  int64_t in_channels;  // multiples of the steps that the kernel's header names
  int64_t out_channels;
  int64_t height;  // of the input and the output
  int64_t width;
  bool relu;
  // (images,): images that are not valid are not computed; their outputs are 0 and they add nothing to gradients.
  const uint8_t* valid;

  int64_t pixels() const { return height * width; }
};

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_CONV_PROBLEM_H_
