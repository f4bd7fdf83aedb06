#include "error.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace weft::storage {

namespace {

struct mapping {
  std::string_view prefix;  // a whole code, or a class
  errc code;
};

// Whole codes before their classes.
constexpr mapping table[] = {
    {"23505", errc::already_exists},
    {"23P01", errc::already_exists},
    {"23503", errc::failed_precondition},
    {"23001", errc::failed_precondition},
    {"23", errc::invalid_argument},
    {"40003", errc::unknown},
    {"40", errc::aborted},
    {"55P03", errc::aborted},
    {"57014", errc::deadline_exceeded},
    {"57", errc::unavailable},
    {"53300", errc::unavailable},
    {"53", errc::resource_exhausted},
    {"54", errc::resource_exhausted},
    {"08P01", errc::invalid_argument},
    {"08", errc::unavailable},
    {"28", errc::unauthenticated},
    {"42501", errc::permission_denied},
    {"42", errc::invalid_argument},
    {"26000", errc::aborted},
    {"22003", errc::out_of_range},
    {"22", errc::invalid_argument},
    {"21", errc::invalid_argument},
    {"3D000", errc::not_found},
    {"3F000", errc::not_found},
    {"25P03", errc::deadline_exceeded},
    {"25", errc::failed_precondition},
    {"55", errc::failed_precondition},
    {"0A000", errc::unimplemented},
    {"P0001", errc::failed_precondition},
    {"P0002", errc::not_found},
    {"XX001", errc::data_loss},
    {"XX002", errc::data_loss},
    {"58030", errc::data_loss},
    {"XX", errc::internal},
};

}  // namespace

errc code_of_sqlstate(std::string_view state) noexcept {
  const auto* found = std::ranges::find_if(table, [&](const mapping& m) { return state.starts_with(m.prefix); });
  return found != std::end(table) ? found->code : errc::unknown;
}

// Class 57P: the server shuts down or crashed, an operator ended the session, the database was dropped. Some of them
// can come after the commit, so they do not say that nothing has happened.
bool ends_connection(std::string_view state) noexcept { return state.starts_with("57P"); }

std::string one_line(std::string_view message) {
  std::string text{message};
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

error postgres_failure(const PGresult* failed) {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(failed, code);
    return std::string{text != nullptr ? text : ""};
  };
  const auto state = field(PG_DIAG_SQLSTATE);
  auto message = field(PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = one_line(PQresultErrorMessage(failed));
  if (const auto constraint = field(PG_DIAG_CONSTRAINT_NAME); !constraint.empty() && !message.contains(constraint))
    message += " (constraint " + constraint + ")";
  if (const auto position = field(PG_DIAG_STATEMENT_POSITION); !position.empty())
    message += " (at character " + position + ")";
  error problem{state.empty() ? errc::unavailable : code_of_sqlstate(state),
                message + (state.empty() ? "" : " [" + state + "]")};
  if (const auto hint = field(PG_DIAG_MESSAGE_HINT); !hint.empty()) problem = problem.with_remedy(hint);
  if (state == "53100") problem = problem.with_limit(limit_kind::space).with_remedy("make room on the server's disk");
  if (state.starts_with("54")) problem = problem.with_limit(limit_kind::size);
  return problem;
}

}  // namespace weft::storage
