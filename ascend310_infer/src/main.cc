// Runs an exported detector on prepared batches with MindSpore Lite, on an Ascend or a CPU.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "files.h"
#include "lite_model.h"

namespace {

constexpr char kUsage[] =
    "usage: detect MODEL INPUTS OUTPUTS [Ascend|CPU] [DEVICE_ID] [PRECISION]\n\n"
    "Runs MODEL (.mindir) on the batches of the folder INPUTS, which `mindrcnn offline prepare` writes, and writes\n"
    "their outputs, outputs.txt and timings.txt into the existing folder OUTPUTS.\n";

struct Arguments {
  std::string model, inputs, outputs;
  Device device;
};

unsigned parse_number(const std::string& text) {
  if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) {
    throw std::runtime_error("DEVICE_ID: wanted a whole number, got " + text);
  }
  return static_cast<unsigned>(std::stoul(text));
}

Arguments parse(const std::vector<std::string>& words) {
  if (words.size() < 3 || words.size() > 6) {
    std::fputs(kUsage, stderr);
    throw std::runtime_error("wanted 3 to 6 arguments, got " + std::to_string(words.size()));
  }
  Arguments arguments{words[0], words[1], words[2], {}};
  if (words.size() > 3) {
    arguments.device.target = words[3];
    if (words[3] != "Ascend" && words[3] != "CPU") {
      throw std::runtime_error("device: wanted Ascend or CPU, got " + words[3]);
    }
  }
  if (words.size() > 4) {
    arguments.device.number = parse_number(words[4]);
  }
  if (words.size() > 5) {
    arguments.device.precision = words[5];
  }
  return arguments;
}

// Writes the outputs of a batch; returns their types and shapes, one a line.
std::string write_outputs(const std::string& prefix, const std::vector<mindspore::MSTensor>& outputs) {
  std::string layout;
  for (size_t index = 0; index < outputs.size(); ++index) {
    layout += describe(outputs[index]) + "\n";
    const auto data = outputs[index].Data();
    if (data == nullptr) {
      throw std::runtime_error(prefix + ": the model gave no values for output " + std::to_string(index));
    }
    write_file(prefix + "." + std::to_string(index) + ".bin", data.get(), outputs[index].DataSize());
  }
  return layout;
}

// Prints the times of the batches after the first, which includes preparations of the runtime.
void report(std::vector<double> milliseconds, int64_t batch_size) {
  std::printf("%zu batches of %ld images; the first took %.2f ms\n", milliseconds.size(), static_cast<long>(batch_size),
              milliseconds.front());
  milliseconds.erase(milliseconds.begin());
  if (milliseconds.empty()) {
    return;
  }
  double sum = 0;
  for (const double one : milliseconds) {
    sum += one;
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const double count = static_cast<double>(milliseconds.size());
  std::printf("the others: mean %.2f ms, median %.2f, least %.2f, most %.2f; %.2f images/s\n", sum / count,
              milliseconds[milliseconds.size() / 2], milliseconds.front(), milliseconds.back(),
              1000 * count * static_cast<double>(batch_size) / std::max(sum, 1e-6));
}

void run(const Arguments& arguments) {
  const auto names = list_batches(arguments.inputs);
  LiteModel model(arguments.model, arguments.device);
  std::string layout, timings;
  std::vector<double> milliseconds;
  for (const auto& name : names) {
    const auto images = read_file(arguments.inputs + "/" + name + ".images.bin");
    const auto image_sizes = read_file(arguments.inputs + "/" + name + ".image_sizes.bin");
    const auto start = std::chrono::steady_clock::now();
    const auto outputs = model.predict(name, images, image_sizes);
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    milliseconds.push_back(time.count());
    timings += name + " " + std::to_string(time.count()) + "\n";
    layout = write_outputs(arguments.outputs + "/" + name, outputs);
  }
  write_file(arguments.outputs + "/timings.txt", timings.data(), timings.size());
  write_file(arguments.outputs + "/outputs.txt", layout.data(), layout.size());
  report(std::move(milliseconds), model.batch_size());
}

}  // namespace

int main(int count, char** words) {
  try {
    run(parse(std::vector<std::string>(words + 1, words + count)));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
  return 0;
}
