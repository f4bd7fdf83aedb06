// What servers say, as errors.
#include "sansio/reply.hpp"

#include <weft/base/utf8.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::amqp {
namespace {
using testing::HasSubstr;

// A6: a reply quotes what was asked for, cut off at 255 bytes, perhaps inside a character.
TEST(Reply, ItsTextIsUtf8) {
  const auto e = error_of_reply(404, "NOT_FOUND - no exchange 'caf\xc3", basic_publish::id);
  EXPECT_TRUE(valid_utf8(e.message()));
  EXPECT_TRUE(valid_utf8(e.describe()));
  EXPECT_THAT(std::string{e.message()}, HasSubstr("no exchange 'caf"));
  EXPECT_LE(error_of_reply(541, std::string(100'000, '\xff'), {}).message().size(), 4 * max_reply_text);
}

// F9: what is wrong with the message for ever is told from what somebody can put right.
TEST(Reply, TheCodeOfARefusedPublicationSaysWhetherItWillEverBeTaken) {
  const auto code = [](std::uint16_t reply) {
    return error_of_refused_publication(error_of_reply(reply, "text", basic_publish::id)).code();
  };
  EXPECT_EQ(code(406), errc::invalid_argument);     // larger than the server's maximum, a property it does not allow
  EXPECT_EQ(code(404), errc::failed_precondition);  // no such exchange
  EXPECT_EQ(code(403), errc::permission_denied);
  const auto large = error_of_refused_publication(error_of_reply(311, "text", basic_publish::id));
  EXPECT_EQ(large.code(), errc::resource_exhausted);
  EXPECT_EQ(large.limit(), limit_kind::size);
  EXPECT_FALSE(large.transient());
}

}  // namespace
}  // namespace weft::amqp
