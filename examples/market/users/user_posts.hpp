#pragma once
// A user's posts, as the posts service has them; when it cannot be asked, as they were when it last could, or none.
//
//     auto found = co_await posts.of(ctx, user_id);
//     found.source;    // service, cache or fallback
//     found.reason;    // why not from the service: "try 1 to 10.0.0.3:80 timed out after 500 ms; ...; fallback used"
//
// The calls to the service have their policies in the service_client (timeout, retry, breaker); around them are a cache
// and a fallback, which belong to the value. One loop; what it is made of outlives it.
#include "users/user.hpp"

#include <weft/discovery/service_client.hpp>

#include <memory>
#include <string>
#include <vector>

namespace market::users {

struct user_post {
  weft::uuid id;
  std::string title;
  std::string content;
  weft::wall_time created_at;
};
BOOST_DESCRIBE_STRUCT(user_post, (), (id, title, content, created_at))

enum class posts_source : std::uint8_t { service, cache, fallback };
BOOST_DESCRIBE_ENUM(posts_source, service, cache, fallback)

struct found_posts {
  std::vector<user_post> posts;  // the newest first, at most 100
  posts_source source = posts_source::service;
  std::string reason;  // empty: they come from the service
};

// What a pipeline around the call keeps: described, so that the cache knows how large it is.
struct remembered_posts {
  std::vector<user_post> posts;
  std::string trouble;  // of a fallback
};
BOOST_DESCRIBE_STRUCT(remembered_posts, (), (posts, trouble))

class user_posts {
 public:
  // `policies`: the cache; null: none.
  user_posts(weft::loop& l, weft::discovery::service_client& service,
             std::shared_ptr<weft::resilience::policy_source> policies);
  user_posts(const user_posts&) = delete;
  user_posts& operator=(const user_posts&) = delete;

  // An error only when the caller gave up, or the service says that the question is wrong.
  weft::task<weft::result<found_posts>> of(weft::context ctx, user_id id);

 private:
  using remembered = remembered_posts;
  using guard = weft::resilience::pipeline<remembered>;
  static guard make_guard(weft::loop& l, std::shared_ptr<weft::resilience::policy_source> policies);
  struct question {
    std::string path;
    weft::resilience::decision_record record{};
    std::string trouble{};
  };
  weft::task<weft::result<remembered>> ask(weft::context ctx, question& q);
  static std::string reason_of(const question& q, const remembered& got);

  weft::discovery::service_client& service_;
  guard guard_;
};

}  // namespace market::users
