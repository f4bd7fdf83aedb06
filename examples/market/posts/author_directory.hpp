#pragma once
// Who may be the author of a post: the users service knows.
#include "posts/post.hpp"

#include <weft/discovery/service_client.hpp>

namespace market::posts {

class author_directory {
 public:
  virtual ~author_directory() = default;
  // Whether there is such a user; an error when that cannot be found out.
  virtual weft::task<weft::result<bool>> knows(weft::context ctx, author_id id) = 0;
};

// Asks the users service.
class remote_authors final : public author_directory {
 public:
  explicit remote_authors(weft::discovery::service_client& users) : users_{users} {}
  weft::task<weft::result<bool>> knows(weft::context ctx, author_id id) override;

 private:
  weft::discovery::service_client& users_;
};

}  // namespace market::posts
