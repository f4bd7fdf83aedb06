#pragma once
// A post of a user, and what may be asked of all of them.
#include "answers/answers.hpp"

#include <weft/base/strong.hpp>
#include <weft/base/time.hpp>
#include <weft/base/uuid.hpp>
#include <weft/json/traits.hpp>

#include <boost/describe/class.hpp>
#include <optional>
#include <string>
#include <vector>

namespace market::posts {

using post_id = weft::strong<struct post_id_tag, weft::uuid>;  // version 7: later posts have greater ids
using author_id = weft::strong<struct author_id_tag, weft::uuid>;

struct post {
  post_id id;
  author_id user_id;
  std::string title;
  std::string content;
  weft::wall_time created_at;
};
BOOST_DESCRIBE_STRUCT(post, (), (id, user_id, title, content, created_at))

struct post_query {
  page_query page;
  std::optional<author_id> author;  // not given: everybody's
};

struct post_page {
  std::vector<post> posts;  // the newest first
  std::uint64_t total = 0;  // on all pages
};

}  // namespace market::posts
