#pragma once
// `sqlite:`, the durable broker inside the process: a file, and no server.
//
//     brokers.add("sqlite", sqlite_brokers());                             // "sqlite:data/broker.db?max_messages=1000"
//     WEFT_CO_TRY(auto bus, co_await brokers.open(loop, ctx, "sqlite:data/broker.db"));
//
//     WEFT_CO_TRY(auto hub, co_await open_sqlite_hub(loop, {.path = "data/broker.db"}));    // or by hand
//     sqlite_broker mine{loop, hub};                                       // one for each loop
//
// publish() returns once the messages are in the file and synced: all of a call's, or none, in one commit, which calls
// that come at the same time share. What a consumer makes of a message is written with the next commit: when the
// process or the machine dies before that, the message comes again. A dead letter is written before settle() returns.
// That a message is out is noted before it is handed out, in a file beside (`<path>-out`), without a sync: one that was
// being handled when the process died has one attempt more, always; when the power went, if a commit came in between.
//
// Otherwise it does what `memory:` does, being made of the same parts: groups, order of a key, priorities, expiry,
// delay (in the file too), dead letters, bounds. What waits is kept in memory as well, within the bounds, and handed
// out from there; at opening it is read back. Ephemeral groups are kept in memory alone.
//
// One process has the file; a second is refused. The hub may be used from any number of loops of it.
//
// Errors: errc::unavailable and data_loss when the disk fails: whether the message was taken is not known, repeat it
// under the same id. errc::aborted: another message of the call was refused, and so was this one.
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/broker_factory.hpp>
#include <weft/runtime/blocking_disk.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace weft::observe {
class registry;
}

namespace weft::messaging {

class hub_admin;

struct sqlite_broker_options {
  std::string path;
  // Keeps the files, named by `path`, as in storage::sqlite_options; else the file system. Each file is used by one thread
  // at a time, but another one may be used meanwhile.
  blocking_disk* disk = nullptr;
  // Of each group, with what is delayed and in flight.
  std::size_t max_messages = 1'000'000;
  std::size_t max_bytes = 256 * 1024 * 1024;
  std::size_t max_dead_letters = 100'000;  // of each group; beyond, dead-lettering is refused and the message stays
  std::size_t max_groups = 1'000;
  std::size_t max_message_bytes = 16 * 1024 * 1024;
  // How long publish() waits for room, if its context lasts as long.
  duration publish_wait = std::chrono::seconds{10};
  // A message whose id was published within this time is taken, and goes nowhere: feature deduplication. Of messages
  // that have an id and that a durable group takes. Costs a row for each. Zero: every message counts.
  duration remember_ids{};
  std::size_t max_remembered_ids = 1'000'000;  // beyond, the oldest are forgotten early
  std::size_t commit_messages = 1024;          // published in one commit, but for a call that has more by itself
  std::size_t commit_bytes = 8 * 1024 * 1024;  // of them
  int checkpoint_pages = 1000;                 // as in storage::sqlite_options
  observe::registry* metrics = nullptr;        // weft_messaging_sqlite_...; outlives the hub

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

// The file and what is in it.
class sqlite_hub {
 public:
  struct state;
  explicit sqlite_hub(std::shared_ptr<state> s);
  ~sqlite_hub();  // blocks while the file is closed, unless a broker's close() has seen to that
  sqlite_hub(const sqlite_hub&) = delete;
  sqlite_hub& operator=(const sqlite_hub&) = delete;

  struct figures {
    std::uint64_t commits = 0, published = 0;  // messages, in them
    std::uint64_t failed_commits = 0, duplicates = 0;
  };
  [[nodiscard]] figures statistics() const;

  // For tests: what a lost connection does. Everything in flight is delivered again, as one more attempt, and what was
  // handed out can no longer be settled. From any thread.
  void cut();
  // For tests: as if the process had been killed and started again, while its consumers stay. What was not committed is
  // gone. With a `disk`: the file is there now.
  task<result<>> reopen(loop& l, blocking_disk* disk = nullptr);

  [[nodiscard]] const std::shared_ptr<state>& get() const noexcept { return state_; }

 private:
  std::shared_ptr<state> state_;
};

// errc::failed_precondition: the file is in use, is somebody else's database, or comes from a later version;
// errc::data_loss: it is damaged, or no database; errc::invalid_argument names the option.
task<result<std::shared_ptr<sqlite_hub>>> open_sqlite_hub(loop& l, sqlite_broker_options options);

class sqlite_broker final : public broker {
 public:
  sqlite_broker(loop& l, std::shared_ptr<sqlite_hub> hub);
  ~sqlite_broker() override;

  [[nodiscard]] const broker_features& features() const noexcept override;
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override;
  task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) override;
  // Returns when what was done is in the file.
  [[nodiscard]] broker_admin* admin() noexcept override;
  // Writes what is still to be written. The file itself is closed with the last broker and consumer.
  task<void> close(context ctx) override;

 private:
  loop& loop_;
  std::shared_ptr<sqlite_hub> hub_;
  broker_features features_;
  std::unique_ptr<hub_admin> admin_;
};

// For broker_factory: URLs that name the same file share it. Parameters: the fields of sqlite_broker_options that are
// numbers.
[[nodiscard]] broker_opener sqlite_brokers(sqlite_broker_options options = {});

}  // namespace weft::messaging
