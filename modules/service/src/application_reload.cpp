// SIGHUP: the configuration is read again, certificates too, and what can change at once changes.
#include "application_impl.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/blocking.hpp>
#include <weft/runtime/guarded.hpp>

#include <string_view>

namespace weft::service {

namespace {

// Whether a setting's new value is in force after read_again(); all others wait for the next start.
bool changes_at_once(std::string_view path) { return path.starts_with("policies") || path == "log.level"; }

}  // namespace

void application::impl::reload() {
  if (stopping.is_set()) return;
  reload_wanted = true;
  if (!reloaded.is_set()) {
    log.info("the configuration is read once more after the reload that is under way");
    return;
  }
  reloaded.reset();
  reloads->spawn(run_reloads());
}

// A signal that arrives meanwhile may be about a change that was not read any more: once more, then.
task<void> application::impl::run_reloads() {
  while (std::exchange(reload_wanted, false)) {
    if (tls) tls->look_now();
    if (reread && !co_await read_again()) continue;
    for (std::size_t i = 0; i < reload_hooks.size(); ++i) {  // which may grow meanwhile
      const auto hook = reload_hooks[i];
      if (const auto done = co_await guarded_await(hook); !done)
        log.error("reloading failed", {{"problem", done.error().message()}});
    }
  }
  reloaded.set();
}

// A reload hook that does not end must not keep the program from ending.
task<void> application::impl::end_reloads() {
  reload_wanted = false;
  const auto until = context::background().with_deadline(later(all.at(0).now(), settings.drain.hook_timeout));
  if (!co_await reloaded.wait(until)) log.warning("a reload did not end, and is left behind");
  reloads.reset();
}

// Whether what was read is in force.
task<bool> application::impl::read_again() {
  auto read = co_await blocking(all.at(0), [how = reread] { return guarded_call(*how); });
  result<> applied;
  if (read)
    applied = policies.apply({read->settings.policies}, all.at(0).now());
  else
    applied = fail(std::move(read).error());
  if (!applied) {
    log.error("the configuration was not reloaded",
              {{"problem", applied.error().message()}, {"in_force", "as before"}});
    co_return false;
  }
  log.set_level(read->settings.log.level);
  std::string at_once, at_start;
  for (const auto& path : read->changes) {
    auto& list = changes_at_once(path) ? at_once : at_start;
    list.append(list.empty() ? "" : ", ").append(path);
  }
  log.info("configuration reloaded", {{"changed", at_once.empty() ? "nothing" : at_once},
                                      {"changes_at_next_start", at_start.empty() ? "nothing" : at_start}});
  co_return true;
}

}  // namespace weft::service
