#pragma once
// What is wrong with the schemas of a repository: within them, and compared with what was there before.
//
//     auto problems = check_history(now);                   // each version with all before it
//     check_against(before, now, problems);                 // and what was published stays as it is
//
// What `before` promised counts: lowering a type's compatibility takes effect with the next change, so that nobody can
// lower it and break it in one go. Under compatibility none nothing is promised, and the type may go.
#include <cstdint>
#include <string>
#include <vector>

#include "schema_files.hpp"

namespace weft::cli {

struct finding {
  enum class weight : std::uint8_t {
    problem,
    undecided,  // the schemas say something that cannot be compared: somebody has to look
    note,
  };

  weight how = weight::problem;
  std::string file = {}, type = {};
  std::string what = {};               // "version 3 is not backward compatible with version 2"
  std::uint32_t older = 0, newer = 0;  // the versions that were compared; 0: none
  struct field {
    std::string path;      // "$.items[].count"
    std::string was, is;   // "required integer", "absent"
    std::string consumer;  // what one of them sees: "one that knows version 3, of version 2: ..."
    messaging::judgement how = messaging::judgement::incompatible;
  };
  std::vector<field> fields = {};
  std::string remedy = {};
};

void check_history(const schema_files& now, std::vector<finding>& found);
void check_against(const schema_files& before, const schema_files& now, std::vector<finding>& found);

// The fields that stand in the way of a version after another one.
[[nodiscard]] std::vector<finding::field> broken_fields(const json::value& older, std::uint32_t older_version,
                                                        const json::value& newer, std::uint32_t newer_version,
                                                        messaging::compatibility wanted);

}  // namespace weft::cli
