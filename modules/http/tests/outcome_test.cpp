// What an answer, or the lack of one, says to policies and callers.
#include <weft/http/outcome.hpp>

#include <weft/json/decode.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

namespace weft::http {
namespace {

using namespace std::chrono_literals;

struct named {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(named, (), (name))

// What is buffered never suspends.
template <class T>
T finished(task<T> work) {
  auto waiting = std::move(work).operator co_await();
  waiting.await_suspend(std::noop_coroutine()).resume();
  return waiting.await_resume();
}

task<result<std::string>> nothing_more() { co_return std::string{}; }

// A2: content that can be read only once cannot be sent twice, whatever the method.
TEST(Outcome, StreamedContentIsNeverRepeatable) {
  EXPECT_EQ(replay_of({method::put, "/x", "text"}), replay::safe);
  request streamed{method::put, "/x"};
  streamed.content = body::generate(nothing_more);
  EXPECT_EQ(replay_of(streamed), replay::unsafe);
  streamed.headers.set("Idempotency-Key", "17");
  EXPECT_EQ(replay_of(streamed), replay::unsafe);
}

// A13: an absurd Retry-After is a long one, not none.
TEST(Outcome, ARetryAfterBeyondAllNumbersIsForever) {
  response r{status::service_unavailable};
  r.headers.set("Retry-After", "99999999999999999999");
  EXPECT_EQ(retry_after(r, {}), duration::max());
  r.headers.set("Retry-After", "soon");
  EXPECT_EQ(retry_after(r, {}), std::nullopt);
}

// G5: several codes share a status, and the one in the content is the callee's.
TEST(Outcome, ACanonicalCodeSurvivesOneHop) {
  for (const auto code : {errc::already_exists, errc::aborted, errc::not_found, errc::failed_precondition,
                          errc::out_of_range, errc::invalid_argument, errc::data_loss}) {
    auto told = response::from(error{code, "said"});
    const auto got = finished(told.as<named>());
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), code) << to_string(code);
  }
  // A code that does not fit its status is not believed.
  auto odd = response::failure(status::not_found, "UNAVAILABLE", "said");
  EXPECT_EQ(finished(odd.as<named>()).error().code(), errc::not_found);
  auto own = response::failure(status::conflict, "NAME_TAKEN", "said");
  EXPECT_EQ(finished(own.as<named>()).error().code(), code_of(status::conflict));
}

// B4: content that cannot be decoded is the callee's fault, not the request's.
TEST(Outcome, ContentThatIsNotWhatWasPromisedIsDataLoss) {
  auto broken = response::json_text(R"({"name":)");
  EXPECT_EQ(finished(broken.as<named>()).error().code(), errc::data_loss);
  auto wrong = response::json_text(R"({"name":7})");
  EXPECT_EQ(finished(wrong.as<named>()).error().code(), errc::data_loss);
}

}  // namespace
}  // namespace weft::http
