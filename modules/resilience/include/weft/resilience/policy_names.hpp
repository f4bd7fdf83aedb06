#pragma once
// The names of policies that a program asks for against those that are configured. The same for whoever compares them:
// when a configuration is read, and when a program has asked.
#include <span>
#include <string>
#include <vector>

namespace weft::resilience {

struct name_differences {
  struct misspelling {
    std::string asked, configured;
  };
  std::vector<misspelling> misspelt;  // one that is not there beside a similar one that nobody asks for
  std::vector<std::string> missing;   // asked for, and nothing like it is configured
  std::vector<std::string> unused;    // configured, and nothing like it is asked for
};
[[nodiscard]] name_differences compare_names(std::span<const std::string> asked,
                                             std::span<const std::string> configured);

}  // namespace weft::resilience
