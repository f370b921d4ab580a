// The stem of a ResNet whose parameters do not train: 7x7 convolution of stride 2, ReLU, 3x3 max pooling of stride 2.
#ifndef MINDRCNN_NATIVE_STEM_H_
#define MINDRCNN_NATIVE_STEM_H_

#include <cstdint>

namespace mindrcnn {

constexpr int64_t kStemInputs = 3;      // channels of an image
constexpr int64_t kStemSide = 7;        // of the weights
constexpr int64_t kStemOutputStep = 8;  // output channels are a multiple of this

struct StemProblem {
  int64_t images;
  int64_t channels;  // that come out
  int64_t height;    // of the images, a multiple of 4
  int64_t width;     // a multiple of 4
};

// x: (images, 3, height, width).
// weight: (channels, 3, 7, 7).
// scale: (channels,), multiplies the weights of each channel.
// bias: (channels,).
// y: (images, channels, height / 4, width / 4).
void stem_forward(const StemProblem& problem, const float* x, const float* weight, const float* scale,
                  const float* bias, float* y);

}  // namespace mindrcnn

#endif  // MINDRCNN_NATIVE_STEM_H_
