// Every input of every corpus once through its fuzz target: what was found stays fixed. A target that is not content
// with an input aborts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#define WEFT_FUZZ_TARGET(name) extern "C" int fuzz_##name(const std::uint8_t* data, std::size_t size);
#include "fuzz_targets.inc"
#undef WEFT_FUZZ_TARGET

namespace {

void replay(const std::string& name, int (*target)(const std::uint8_t*, std::size_t)) {
  const std::filesystem::path folder = std::string{WEFT_SOURCE_DIR "/fuzz/corpus/"} + name;
  ASSERT_TRUE(std::filesystem::is_directory(folder)) << folder << ": a fuzz target needs seeds";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) files.push_back(entry.path());
  std::ranges::sort(files);
  EXPECT_FALSE(files.empty());
  target(nullptr, 0);
  for (const auto& file : files) {
    SCOPED_TRACE(file.string());
    std::ifstream in{file, std::ios::binary};
    const std::string text{std::istreambuf_iterator<char>{in}, {}};
    // In memory of its exact size, so that a sanitizer sees a read beyond it.
    const std::vector<std::uint8_t> exact{text.begin(), text.end()};
    target(exact.data(), exact.size());
    if (exact.size() > 1) target(exact.data(), exact.size() / 2);
  }
}

#define WEFT_FUZZ_TARGET(name) \
  TEST(FuzzCorpus, name) { replay(#name, fuzz_##name); }
#include "fuzz_targets.inc"

}  // namespace
