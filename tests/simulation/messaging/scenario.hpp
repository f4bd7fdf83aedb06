#pragma once
// Publishers and consumers on one host that crashes, over a broker inside it: sqlite: on a disk that loses what was not
// synced, or memory:, which stands for a broker that goes on while its clients die.
#include "ledger.hpp"

namespace messages {

enum class backend : std::uint8_t {
  memory,
  sqlite,
  sqlite_on_a_lying_disk,  // whose sync does nothing: to show that a loss is noticed
};

struct run_summary {
  std::uint64_t published = 0, handled = 0, again = 0, crashes = 0;
};

run_summary run_messages(weft::testkit::simulation& sim, backend over);

}  // namespace messages
