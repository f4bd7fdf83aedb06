#pragma once
// A user of the market, and what may be asked of all of them.
#include "answers/input.hpp"

#include <weft/base/strong.hpp>
#include <weft/base/time.hpp>
#include <weft/base/uuid.hpp>
#include <weft/json/traits.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace market::users {

using user_id = weft::strong<struct user_id_tag, weft::uuid>;  // version 7: later users have greater ids

enum class user_status : std::uint8_t { active, inactive };
BOOST_DESCRIBE_ENUM(user_status, active, inactive)

struct user {
  user_id id;
  std::string name;
  std::string email;  // one user each, whatever its case
  user_status status = user_status::active;
  std::uint32_t post_count = 0;
  weft::wall_time created_at, updated_at;
};
BOOST_DESCRIBE_STRUCT(user, (), (id, name, email, status, post_count, created_at, updated_at))

struct user_query {
  page_query page;
  std::string search;  // in name and email, whatever the case; empty: all
  std::optional<user_status> status;
};

struct user_page {
  std::vector<user> users;  // the newest first
  std::uint64_t total = 0;  // on all pages
};

}  // namespace market::users
