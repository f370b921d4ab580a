// Files of batches: NAME.images.bin and NAME.image_sizes.bin in, NAME.0.bin, NAME.1.bin, ... out.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

// Returns the sorted names of the batches in a folder.
std::vector<std::string> list_batches(const std::string& folder);

std::vector<char> read_file(const std::string& path);

void write_file(const std::string& path, const void* data, size_t size);
