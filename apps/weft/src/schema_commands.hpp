#pragma once
// weft schema: the shapes of events in the user's repository.
//
//     WEFT_TRY(auto status, check_schemas({.against = "origin/main"}, to));      // failed: it said why on to.out
//
// Blocking, but for what add_schema() reads from its input.
#include <weft/messaging/schema_registry.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "input.hpp"
#include "terminal.hpp"

namespace weft::cli {

struct schema_checking {
  std::string registry;  // empty: schemas.json or schemas/ in the working directory
  std::string against;   // a file, a folder or a commit; empty: only each version with those before it
};

struct schema_adding {
  std::string registry, type;
  std::uint32_t version = 0;
  std::string schema;  // a file, or - for standard input
  std::optional<messaging::compatibility> wanted;
  bool upcast = false;  // an upcaster turns the version before it into this one
};

struct schema_showing {
  std::string registry;
  std::string type;           // empty: a list of all
  std::uint32_t version = 0;  // 0: the newest
};

struct schema_comparing {
  std::string registry, type;
  std::uint32_t older = 0, newer = 0;  // 0: the newest, and the one before it
};

[[nodiscard]] result<exit_status> check_schemas(const schema_checking& what, const terminal& to);
[[nodiscard]] task<result<exit_status>> add_schema(schema_adding what, context ctx, byte_source& input, terminal to);
[[nodiscard]] result<exit_status> show_schemas(const schema_showing& what, const terminal& to);
[[nodiscard]] result<exit_status> compare_schemas(const schema_comparing& what, const terminal& to);

}  // namespace weft::cli
