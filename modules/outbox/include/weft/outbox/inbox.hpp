#pragma once
// Effects that happen once, however often a message is delivered: its id is written by the transaction that has the
// effect.
//
//     WEFT_CO_TRY(auto in, co_await inbox::open(*db, ctx));
//     in->on(router, orders_placed, {.group = "billing"},
//            [&](storage::transaction& tx, const context& c, const delivery<order_placed>& d) {
//              return books.record(tx, c, d.event);
//            });
//
// A handler runs inside a transaction that has inserted (group, message id) first. A second delivery finds the row, has
// no effect and is acknowledged; one that comes at the same time waits for the first to end (SQLite: for its turn to
// write). An error of the handler rolls both back. With an outbox what the handler publishes belongs to the same
// transaction: dedupe, effect and messages happen together, then the relay publishes, then the delivery is
// acknowledged.
//
// The handler runs again after a conflict with another transaction (errc::aborted), so it may change nothing but the
// database. How long ids are kept must exceed the time within which a message may come again: retries, replays by hand,
// restored backups. Belongs to the database's loop; the database outlives it, and it outlives the routers.
#include <weft/messaging/duplicate_store.hpp>
#include <weft/messaging/handling.hpp>
#include <weft/messaging/router.hpp>
#include <weft/outbox/outbox.hpp>
#include <weft/storage/transact.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::messaging {

struct inbox_options {
  duration keep = std::chrono::hours{24 * 7};
  duration purge_every = std::chrono::minutes{1};
  std::size_t purge_batch = 500;  // ids that one transaction removes, at most
  storage::transact_options transact = {};
  outbox* out = nullptr;  // its relays are woken after a commit; outlives the inbox

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

enum class inbox_outcome : std::uint8_t { handled, duplicate };

// Part of the transaction; its error rolls it back.
using inbox_work = std::function<task<result<>>(storage::transaction&, const context&)>;
template <class Event>
using transactional_handler =
    std::function<task<result<>>(storage::transaction&, const context&, const delivery<Event>&)>;

class inbox {
 public:
  // Makes or migrates the table weft_inbox. errc::invalid_argument for wrong options.
  [[nodiscard]] static task<result<std::unique_ptr<inbox>>> open(storage::database& db, context ctx,
                                                                 inbox_options options = {});
  ~inbox();
  inbox(const inbox&) = delete;
  inbox& operator=(const inbox&) = delete;

  // The work's error, or the commit's. errc::invalid_argument without a group or an id.
  [[nodiscard]] task<result<inbox_outcome>> handle(context ctx, std::string group, std::string id, inbox_work work);

  // A handler for a router. Throws std::invalid_argument without a group.
  template <class Event>
  [[nodiscard]] handler<Event> wrap(std::string group, transactional_handler<Event> call) {
    check_group(group);
    return [this, group = std::move(group), call = std::move(call)](const context& ctx, const delivery<Event>& d) {
      return settled(handle(ctx, group, std::string{d.message_id}, bind<Event>(call, d)));
    };
  }
  // router::on() with wrap(), under the subscription's group.
  template <class Event>
  void on(router& at, const topic<Event>& what, subscribe_options options,
          transactional_handler<std::type_identity_t<Event>> call) {
    auto wrapped = wrap<Event>(options.group, std::move(call));
    at.on(what, std::move(options), std::move(wrapped));
  }

  // For the middleware `deduplicate`, where the effects are not in the database (a mail, another service): ids are
  // remembered across restarts, but in a transaction of their own after the handler, so a crash in between means a
  // second effect. Two processes may handle the same id at the same time. Ends before the inbox.
  [[nodiscard]] std::shared_ptr<duplicate_store> as_duplicate_store();

  // Forgets what was kept long enough, in small transactions; how many ids.
  [[nodiscard]] task<result<std::size_t>> purge(context ctx);
  // The same every purge_every, until `ctx` ends: spawn it. Errors are left to the next time.
  [[nodiscard]] task<void> purge_regularly(context ctx);

 private:
  class store;
  inbox(storage::database& db, inbox_options options);
  static void check_group(const std::string& group);
  static task<result<>> settled(task<result<inbox_outcome>> work);
  template <class Event>
  static inbox_work bind(const transactional_handler<Event>& call, const delivery<Event>& d) {
    return [&call, &d](storage::transaction& tx, const context& ctx) { return call(tx, ctx, d); };
  }

  storage::database& db_;
  inbox_options options_;
};

}  // namespace weft::messaging
