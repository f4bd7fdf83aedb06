// sqlite: by URL, and one hub for each file.
#include <weft/messaging/core/url_limits.hpp>
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/runtime/sleep.hpp>

#include <filesystem>
#include <map>

#include "hub.hpp"

namespace weft::messaging {

namespace {

// "sqlite:data/broker.db?max_messages=10"; "sqlite:///var/lib/x.db" too.
result<sqlite_broker_options> read_url(sqlite_broker_options options, std::string_view url) {
  url.remove_prefix(url.find(':') + 1);
  if (url.starts_with("//")) url.remove_prefix(2);
  const auto question = url.find('?');
  options.path = url.substr(0, question);
  const url_limit known[] = {
      {"max_messages", &options.max_messages},           {"max_bytes", &options.max_bytes},
      {"max_dead_letters", &options.max_dead_letters},   {"max_groups", &options.max_groups},
      {"max_message_bytes", &options.max_message_bytes}, {"max_remembered_ids", &options.max_remembered_ids},
      {"commit_messages", &options.commit_messages},     {"commit_bytes", &options.commit_bytes}};
  WEFT_TRY_VOID(read_limits("sqlite", question == url.npos ? std::string_view{} : url.substr(question + 1), known));
  WEFT_TRY_VOID(options.validate());
  return options;
}

// The hubs of one factory by their file. Of several that ask for one at a time, one opens it and the others wait.
class sqlite_openers : public std::enable_shared_from_this<sqlite_openers> {
 public:
  explicit sqlite_openers(sqlite_broker_options options) : options_{std::move(options)} {}

  static task<result<std::shared_ptr<sqlite_hub>>> hub(std::shared_ptr<sqlite_openers> self, loop& l, context ctx,
                                                       std::string url) {
    WEFT_CO_TRY(auto options, read_url(self->options_, url));
    const auto name = options.disk != nullptr ? options.path : absolute(options.path);
    for (;;) {
      const auto waits = std::make_shared<hub_sleeper>(l);
      bool mine = false;
      {
        const resilience::spin_lock::guard locked{self->lock_};
        auto& f = self->files_[name];
        if (auto open = f.hub.lock()) co_return std::make_shared<sqlite_hub>(std::move(open));
        mine = !std::exchange(f.opening, true);
        if (!mine) f.waiting.push_back(waits);
      }
      if (mine) break;
      const waiting_place place{*self, name, waits};
      WEFT_CO_TRY_VOID(co_await waits->wake.wait(ctx));
    }
    opening o{*self, name, l};
    co_return co_await open(std::move(options), o, l, ctx);
  }

 private:
  struct file {
    std::weak_ptr<sqlite_hub::state> hub;
    bool opening = false, was_open = false;
    std::vector<hub_sleeper_ptr> waiting;
  };
  // Left however the wait ends.
  struct waiting_place {
    sqlite_openers& openers;
    const std::string& name;
    const hub_sleeper_ptr& who;
    ~waiting_place() {
      const resilience::spin_lock::guard locked{openers.lock_};
      std::erase(openers.files_[name].waiting, who);
    }
  };
  // Ends however the attempt does.
  struct opening {
    sqlite_openers& openers;
    const std::string& name;
    loop& home;
    std::shared_ptr<sqlite_hub> opened = nullptr;
    ~opening() {
      const resilience::spin_lock::guard locked{openers.lock_};
      auto& f = openers.files_[name];
      f.opening = false;
      f.was_open = f.was_open || opened;
      if (opened) f.hub = opened->get();
      for (const auto& each : std::exchange(f.waiting, {})) group_hub::wake(each, &home);
    }
  };

  static std::string absolute(const std::string& path) {
    std::error_code problem;
    const auto whole = std::filesystem::weakly_canonical(path, problem);
    return problem ? path : whole.string();
  }

  [[nodiscard]] static bool was_open(opening& o) {
    const resilience::spin_lock::guard locked{o.openers.lock_};
    return o.openers.files_[o.name].was_open;
  }

  static task<result<std::shared_ptr<sqlite_hub>>> open(sqlite_broker_options options, opening& o, loop& l,
                                                        context ctx) {
    // The last one of before may be closing the file at this moment.
    for (int tries = was_open(o) ? 100 : 1;; --tries) {
      auto opened = co_await open_sqlite_hub(l, options);
      if (opened) co_return o.opened = *std::move(opened);
      if (opened.error().code() != errc::failed_precondition || tries <= 1) co_return fail(opened.error());
      WEFT_CO_TRY_VOID(co_await sleep(l, ctx, std::chrono::milliseconds{10}));
    }
  }

  sqlite_broker_options options_;
  resilience::spin_lock lock_;
  std::map<std::string, file> files_;
};

task<result<std::unique_ptr<broker>>> open_broker(loop& l, context ctx, std::shared_ptr<sqlite_openers> openers,
                                                  std::string url) {
  WEFT_CO_TRY(auto hub, co_await sqlite_openers::hub(std::move(openers), l, std::move(ctx), std::move(url)));
  co_return std::make_unique<sqlite_broker>(l, std::move(hub));
}

}  // namespace

broker_opener sqlite_brokers(sqlite_broker_options options) {
  return [openers = std::make_shared<sqlite_openers>(std::move(options))](loop& l, context ctx, std::string url) {
    return open_broker(l, std::move(ctx), openers, std::move(url));
  };
}

}  // namespace weft::messaging
