#pragma once
// What the program was asked to do.
//
//     auto asked = parse_command_line({"dlq", "list", "--broker", "amqp://localhost"});
//     if (auto* said = std::get_if<usage>(&asked)) ...        // --help, --version, or a mistake
//
// --broker may come from the environment, as WEFT_BROKER.
#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "dead_letters.hpp"
#include "groups.hpp"
#include "publish.hpp"
#include "schema_commands.hpp"
#include "tail.hpp"
#include "terminal.hpp"

namespace weft::cli {

struct replaying {
  selection which;
};
struct purging {
  selection which;
};

// A command and what it was given.
using command = std::variant<groups_listing, group_clearing, group_removing, listing, showing, replaying, purging,
                             tailing, publishing, schema_checking, schema_adding, schema_showing, schema_comparing>;

struct invocation {
  command what;
  format how = format::text;
  std::string broker;  // empty for the commands that need none
  std::chrono::milliseconds timeout = std::chrono::seconds{10};
};

struct usage {
  exit_status status = exit_status::ok;
  std::string text;     // for standard output when ok, else for standard error
  std::string command;  // "weft dlq list": the one whose --help says more
};

[[nodiscard]] std::variant<invocation, usage> parse_command_line(std::vector<std::string> arguments);

}  // namespace weft::cli
