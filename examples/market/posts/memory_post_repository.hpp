#pragma once
// Posts in memory, gone with the process, as are the events that the broker has not taken by then. Belongs to one loop.
#include "posts/post_repository.hpp"

#include <weft/messaging/publish_queue.hpp>

#include <map>
#include <set>
#include <utility>

namespace market::posts {

class memory_post_repository final : public post_repository {
 public:
  memory_post_repository(std::size_t max_posts, weft::messaging::publish_queue& events)
      : max_posts_{max_posts}, events_{events} {}

  weft::task<weft::result<>> add(weft::context ctx, post added, weft::messaging::outgoing told) override;
  weft::task<weft::result<post>> find(weft::context ctx, post_id id) override;
  weft::task<weft::result<>> remove(weft::context ctx, post_id id, weft::messaging::outgoing told) override;
  weft::task<weft::result<post_page>> list(weft::context ctx, post_query query) override;

 private:
  std::size_t max_posts_;
  std::map<post_id, post> posts_;
  std::map<author_id, std::set<post_id>> by_author_;
  weft::messaging::publish_queue& events_;
};

}  // namespace market::posts
