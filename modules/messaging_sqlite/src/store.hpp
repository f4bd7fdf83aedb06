#pragma once
// The broker's tables in its file. Blocking, for one thread at a time.
//
//     messages       what was published, until every group that takes it is done with it
//     progress       what a group has made of a message, where that is not nothing
//     dead_letters   with a copy of the message
//     groups         durable ones
//     published_ids  those that are remembered, the oldest first
#include <weft/base/saturating.hpp>
#include <weft/storage/sqlite_file.hpp>

#include <span>
#include <unordered_set>

#include "changes.hpp"
#include "id_memory.hpp"

namespace weft::messaging {

// Wall time less the loop's, at one moment.
struct clock_offset {
  wall_time wall;
  steady_time steady;
  // "Never" stays so.
  [[nodiscard]] wall_time to_wall(steady_time at) const {
    return at == steady_time::max() ? wall_time::max() : later(wall, time_between(steady, at));
  }
  [[nodiscard]] steady_time to_steady(wall_time at) const {
    return at == wall_time::max() ? steady_time::max() : later(steady, time_between(wall, at));
  }
};

struct stored_group {
  std::uint64_t id = 0, last_dead_letter = 0;
  std::string name;
  ordering order = ordering::per_key;
  std::vector<std::string> patterns;
};

struct stored_progress {
  std::uint64_t taker = 0;
  bool settled = false, taken = false;
  std::uint32_t attempt = 1;
  std::optional<wall_time> due;
  std::vector<failure> failures;
};

struct stored_message {
  std::uint64_t record = 0;
  std::vector<std::uint64_t> takers;
  std::optional<wall_time> due, expires;
  message_ptr what;
  std::vector<stored_progress> progress;
};

struct stored_letter {
  std::uint64_t row = 0, taker = 0;
  dead_letter_entry letter;  // without the name of its group
};

class sqlite_store {
 public:
  // Makes the tables in an empty file. errc::failed_precondition when the file is somebody else's, or of a later
  // version.
  static result<std::unique_ptr<sqlite_store>> open(loop& clock, const storage::sqlite_options& options);

  // In one commit, all or nothing. The changes first, in their order. `offset` makes wall time of the loop's.
  struct work {
    const std::vector<change>& changes;
    std::vector<const published_message*> published;
    std::span<const remembered_id> ids;
    std::uint64_t forget = 0;  // ids up to this row
  };
  result<> write(const work& w, clock_offset offset);

  [[nodiscard]] result<std::vector<stored_group>> groups();
  // A page, with numbers above `after`, in their order; empty at the end.
  [[nodiscard]] result<std::vector<stored_letter>> letters(std::uint64_t after);
  [[nodiscard]] result<std::vector<stored_message>> messages(std::uint64_t after);
  [[nodiscard]] result<std::vector<remembered_id>> ids(std::uint64_t after);

 private:
  explicit sqlite_store(std::unique_ptr<storage::sqlite_file> file) : file_{std::move(file)} {}
  result<> prepare_tables();
  result<std::vector<stored_letter>> read_letters(std::uint64_t after, std::int64_t limit);
  result<std::vector<stored_message>> read_messages(std::uint64_t after, std::int64_t limit);

  std::unique_ptr<storage::sqlite_file> file_;
  std::unordered_set<std::uint64_t> noted_;  // records with rows in progress
};

}  // namespace weft::messaging
