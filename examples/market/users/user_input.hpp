#pragma once
// What callers send, read and judged: a value, or what is wrong with each field.
#include "answers/input.hpp"
#include "users/user.hpp"

#include <weft/http/message.hpp>

#include <optional>
#include <string>

namespace market::users {

struct new_user {
  std::string name, email;
};
BOOST_DESCRIBE_STRUCT(new_user, (), (name, email))

// What is not given stays.
struct user_change {
  std::optional<std::string> name, email;
  std::optional<user_status> status;
};
BOOST_DESCRIBE_STRUCT(user_change, (), (name, email, status))

[[nodiscard]] checked<new_user> read_new_user(std::string_view content);
[[nodiscard]] checked<user_change> read_change(std::string_view content);
// ?page=1&limit=20&search=ada&status=active
[[nodiscard]] checked<user_query> read_query(const weft::http::request& r);

}  // namespace market::users
