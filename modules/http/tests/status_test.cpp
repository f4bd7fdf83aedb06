#include <weft/http/message.hpp>
#include <weft/http/status.hpp>

#include <gtest/gtest.h>

namespace weft::http {
namespace {

// G4: one code for a quota, a size and space; three statuses, and back.
TEST(Status, TellsSizeAndSpaceFromAQuota) {
  const error quota{errc::resource_exhausted};
  const std::pair<error, status> cases[] = {{quota, status::too_many_requests},
                                            {quota.with_limit(limit_kind::size), status::content_too_large},
                                            {quota.with_limit(limit_kind::space), status::insufficient_storage},
                                            {error{errc::not_found}.with_limit(limit_kind::size), status::not_found}};
  for (const auto& [e, s] : cases) {
    EXPECT_EQ(status_of(e), s);
    EXPECT_EQ(response::from(e).status, s);
    EXPECT_EQ(status_of(error_of(s)), s);
  }
  EXPECT_FALSE(error_of(status::content_too_large).transient());
  EXPECT_FALSE(error_of(status::insufficient_storage).transient());
  EXPECT_TRUE(error_of(status::too_many_requests).transient());
  EXPECT_EQ(error_of(status::not_found, "gone").message(), "gone");
}

}  // namespace
}  // namespace weft::http
