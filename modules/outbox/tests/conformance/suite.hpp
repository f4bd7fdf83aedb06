#pragma once
// What the outbox and the inbox promise, as tests over any engine.
#include "scripted_broker.hpp"

#include <weft/outbox.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/when.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::messaging {

// A machine with a database that is empty at first.
class place {
 public:
  virtual ~place() = default;
  [[nodiscard]] virtual loop& home() = 0;
  virtual void run(task<void> work) = 0;
  virtual task<result<std::unique_ptr<storage::database>>> open() = 0;
  // What happens to the machine when the process dies: the simulated one loses its power.
  virtual void die() {}
};

struct engine_under_test {
  std::string name;
  std::function<std::unique_ptr<place>()> make;
};

class Outbox : public testing::TestWithParam<engine_under_test> {
 protected:
  void SetUp() override;
  void TearDown() override { drop(); }

  template <class T>
  T run(task<T> work) {
    std::optional<T> value;
    where->run(keep(std::move(work), value));
    return *std::move(value);
  }
  template <class T>
  static task<void> keep(task<T> work, std::optional<T>& value) {
    value.emplace(co_await std::move(work));
  }

  // The process ends here and starts again on what the disk kept.
  void restart();
  void open();
  void drop();

  // Until it holds, while everything goes on; a failure after half a minute.
  void until(const std::function<bool()>& holds, const char* what);
  relay_options options() const;
  outbox_relay& start_relay(relay_options o);
  outbox_relay& start_relay() { return start_relay(options()); }

  static outgoing message_of(std::string id, std::string key = {}, std::string body = "{}");
  // In one transaction, committed, with the relays woken.
  void add(std::vector<outgoing> all);
  void add(std::string id, std::string key = {}) { add({message_of(std::move(id), std::move(key))}); }
  std::int64_t count(const std::string& from_and_where);
  void execute(std::string sql);
  bool empty() { return count("weft_outbox") == 0; }
  void until_count(const std::string& from_and_where, std::int64_t number);
  void until_empty() { until_count("weft_outbox", 0); }
  bool relay_idle();
  // Leases count as run out, and relays as gone.
  void expire_leases() {
    change_shards("expires = 0");
    execute("UPDATE weft_outbox_relays SET expires = 0");
  }
  // Locks PostgreSQL's rows in the order in which relays do; in another one it would meet them in a deadlock.
  void change_shards(const std::string& set) {
    const std::string locked = db->kind() == storage::engine::postgres ? " FOR UPDATE" : "";
    execute("WITH each AS (SELECT shard FROM weft_outbox_shards ORDER BY shard" + locked +
            ") UPDATE weft_outbox_shards SET " + set + " WHERE shard IN (SELECT shard FROM each)");
  }

  std::unique_ptr<place> where;
  std::unique_ptr<storage::database> db;
  std::unique_ptr<outbox> out;
  std::unique_ptr<scripted_broker> bus;
  std::vector<std::unique_ptr<outbox_relay>> relays;
};

class Inbox : public Outbox {
 protected:
  void SetUp() override;
  void TearDown() override;
  void open_inbox(inbox_options o);
  result<inbox_outcome> handle(std::string id, inbox_work work, std::string group = "group") {
    return run(in->handle(context{}, std::move(group), std::move(id), std::move(work)));
  }

  std::unique_ptr<inbox> in;
};

}  // namespace weft::messaging
