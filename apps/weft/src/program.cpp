#include "program.hpp"

#include <weft/messaging/topic_pattern.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "command_line.hpp"

namespace weft::cli {

namespace {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};

bool needs_broker(const command& what) {
  return !std::holds_alternative<schema_checking>(what) && !std::holds_alternative<schema_adding>(what) &&
         !std::holds_alternative<schema_showing>(what) && !std::holds_alternative<schema_comparing>(what);
}

task<result<>> run_on(loop& l, messaging::broker& b, context ctx, invocation asked, terminal to, byte_source& input) {
  const auto soon = ctx.with_timeout(l, asked.timeout);
  co_return co_await std::visit(
      overloaded{
          [&](groups_listing) { return list_groups(b, soon, to); },
          [&](group_clearing& w) { return clear_group(b, soon, std::move(w), to); },
          [&](group_removing& w) { return remove_group(b, soon, std::move(w), to); },
          [&](listing& w) { return list_dead_letters(b, soon, std::move(w), to); },
          [&](showing& w) { return show_dead_letter(b, soon, std::move(w), to); },
          [&](replaying& w) { return replay_dead_letters(b, soon, std::move(w.which), to); },
          [&](purging& w) { return purge_dead_letters(b, soon, std::move(w.which), to); },
          [&](tailing& w) { return tail(l, b, ctx, std::move(w), to); },
          [&](publishing& w) { return publish(l, b, ctx, std::move(w), input, to); },
          [](auto&) -> task<result<>> { co_return fail(errc::internal, "this command needs no broker"); },
      },
      asked.what);
}

// Nobody can publish to a file of sqlite: while this program has it, and the service cannot even start.
result<> refuse_to_hold(const invocation& asked) {
  const auto* what = std::get_if<tailing>(&asked.what);
  if (what == nullptr || !asked.broker.starts_with("sqlite:")) return {};
  WEFT_TRY_VOID(messaging::topic_pattern::parse(what->pattern));
  const error e{errc::failed_precondition,
                "a file of sqlite: belongs to one process, so that nothing can be published "
                "to it while this one follows it"};
  return fail(
      e.with_remedy("follow the service that has the file, by --broker http://HOST, where it offers its broker "
                    "(docs/guides/messaging.md); `weft groups` says what waits in the file"));
}

// The streams keep quiet about what does not get through.
result<> flush(std::ostream& out, std::string_view name) {
  errno = 0;
  if (out << std::flush) return {};
  const int why = errno;
  const error e{errc::unavailable, std::string{name} + " cannot be written" +
                                       (why != 0 ? ": " + std::string{std::strerror(why)} : std::string{})};
  return fail(e.with_remedy("what the command was to do may be done all the same; what it said is lost"));
}

// A mistake, as JSON for those who asked for it.
exit_status say(const usage& said, bool as_json, const surroundings& around) {
  if (said.status == exit_status::ok) {
    around.out << said.text;
  } else if (as_json) {
    const error e{errc::invalid_argument, said.text.substr(0, said.text.find('\n'))};
    report({.out = around.out, .notes = around.notes, .how = format::json},
           e.with_remedy(said.command + " --help says how to use it"));
  } else {
    around.notes << said.text;
  }
  return said.status;
}

// The status that the command earned, or that of an output that got lost.
exit_status finish(exit_status status, const terminal& to) {
  if (const auto written = flush(to.out, "standard output"); !written) {
    report(to, written.error());
    return exit_status::failed;
  }
  if (!flush(to.notes, "standard error") && status == exit_status::ok) return exit_status::failed;
  return status;
}

task<result<>> open_and_run(loop& l, context ctx, invocation asked, terminal to, surroundings around) {
  if (asked.broker.empty()) {
    const error e{errc::invalid_argument, "no broker is named"};
    co_return fail(e.with_remedy("--broker URL or the environment variable WEFT_BROKER names it, as amqp://host"));
  }
  WEFT_CO_TRY_VOID(refuse_to_hold(asked));
  const auto soon = ctx.with_timeout(l, asked.timeout);
  auto opened = co_await around.brokers.open(l, soon, asked.broker);
  if (!opened) {
    const auto& e = opened.error();
    co_return fail(e.operation().empty() ? e.with_operation("opening the broker " + asked.broker)
                                         : e.with_peer(asked.broker));
  }
  auto& b = **opened;
  auto done = co_await run_on(l, b, ctx, std::move(asked), to, around.input);
  co_await b.close(context{}.with_timeout(l, std::chrono::seconds{5}));
  co_return done;
}

task<result<exit_status>> run_schemas(command what, context ctx, terminal to, byte_source& input) {
  if (auto* w = std::get_if<schema_checking>(&what)) co_return check_schemas(*w, to);
  if (auto* w = std::get_if<schema_showing>(&what)) co_return show_schemas(*w, to);
  if (auto* w = std::get_if<schema_comparing>(&what)) co_return compare_schemas(*w, to);
  co_return co_await add_schema(std::get<schema_adding>(std::move(what)), std::move(ctx), input, to);
}

}  // namespace

task<exit_status> run(loop& l, context ctx, std::vector<std::string> arguments, surroundings around) {
  const bool as_json = std::ranges::find(arguments, "--json") != arguments.end();
  auto parsed = parse_command_line(std::move(arguments));
  if (const auto* said = std::get_if<usage>(&parsed))
    co_return finish(say(*said, as_json, around),
                     {.out = around.out, .notes = around.notes, .how = as_json ? format::json : format::text});
  auto& asked = std::get<invocation>(parsed);
  const terminal to{.out = around.out, .notes = around.notes, .how = asked.how};
  result<exit_status> done = exit_status::ok;
  if (needs_broker(asked.what)) {
    if (const auto ran = co_await open_and_run(l, std::move(ctx), std::move(asked), to, around); !ran)
      done = fail(ran.error());
  } else {
    done = co_await run_schemas(std::move(asked.what), std::move(ctx), to, around.input);
  }
  co_return finish(done ? *done : report(to, done.error()), to);
}

}  // namespace weft::cli
