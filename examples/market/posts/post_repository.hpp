#pragma once
// Where posts are kept. Errors: errc::not_found, errc::resource_exhausted when there is no room.
//
// A change and the event that tells of it are kept together, or neither is.
#include "posts/post.hpp"

#include <weft/base/error.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/task.hpp>

namespace market::posts {

class post_repository {
 public:
  virtual ~post_repository() = default;
  virtual weft::task<weft::result<>> add(weft::context ctx, post added, weft::messaging::outgoing told) = 0;
  virtual weft::task<weft::result<post>> find(weft::context ctx, post_id id) = 0;
  virtual weft::task<weft::result<>> remove(weft::context ctx, post_id id, weft::messaging::outgoing told) = 0;
  virtual weft::task<weft::result<post_page>> list(weft::context ctx, post_query query) = 0;
};

}  // namespace market::posts
