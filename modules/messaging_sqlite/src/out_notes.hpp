#pragma once
// Which messages are out, written down before they are handed out: should a handler end its process, its attempt counts.
//
// A file of slots beside the database, `<path>-out`, mapped into memory: a note is a store of some bytes, which the kernel
// has from then on, whatever becomes of the process. What it need not survive is a loss of power, so nothing is synced. A
// note says how many attempts have begun, which never becomes less: one that is older than what the database says of its
// message does no harm. So a slot is free again once the database has what became of its message.
#include <weft/base/error.hpp>
#include <weft/runtime/blocking_disk.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::messaging {

// A message's number in the database, and that of a group.
using out_key = std::pair<std::uint64_t, std::uint64_t>;

// Under the hub's lock, but for what blocks.
class out_notes {
 public:
  struct note {
    std::uint64_t record = 0, taker = 0, next_attempt = 0, unused = 0;
  };

  out_notes() = default;
  out_notes(const out_notes&) = delete;
  out_notes& operator=(const out_notes&) = delete;
  ~out_notes();

  // Begins with the notes of an earlier process, by message and group: which attempt comes next. Blocks.
  result<std::map<out_key, std::uint32_t>> open(const std::string& database, blocking_disk* disk);
  // They are in the database now, and are forgotten. Blocks.
  result<> clear();
  // Only what has been noted since then is left. It is never written to again, as long as this lives.
  void keep_earlier();

  // The slot of a note that has been taken down. None: there is no room for it, and the message goes without.
  [[nodiscard]] std::optional<std::uint32_t> begin(const note& n);
  void change(std::uint32_t slot, const note& n);
  // The message is no longer out, which the change of that number says.
  void end(std::uint32_t slot, std::uint64_t change) { ending_.emplace_back(change, slot); }
  // As far as the database has it.
  void safe(std::uint64_t changes);

 private:
  static constexpr std::size_t slots_at_once = 1024;  // a mapping has so many
  void close() noexcept;
  void store(std::uint32_t slot, const note& n);
  [[nodiscard]] bool grow();
  [[nodiscard]] bool map_more();
  result<std::vector<note>> read_all();

  blocking_disk* disk_ = nullptr;
  std::unique_ptr<blocking_file> file_;  // on that disk
  int descriptor_ = -1;                  // else
  std::vector<note*> mapped_;
  std::uint32_t slots_ = 0;
  std::vector<std::uint32_t> free_;
  std::deque<std::pair<std::uint64_t, std::uint32_t>> ending_;  // with the change that frees it, in its order
};

}  // namespace weft::messaging
