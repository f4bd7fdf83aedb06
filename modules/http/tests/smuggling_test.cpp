// Requests that two servers in a row could read differently. Whatever reaches the handler, and the origin behind a
// proxy, is exactly what was meant, or nothing.
#include "http_harness.hpp"

#include <weft/http/client.hpp>
#include <weft/http/hop_by_hop.hpp>

namespace weft::http {
namespace {

// What an origin saw.
struct origin_log {
  std::vector<std::string> requests;
  task<result<response>> operator()(request& r) {
    const auto place = requests.size();
    requests.push_back(std::string{r.method_name()} + " " + std::string{r.target()});
    for (const auto* name : {"x-secret", "x-hop", "te", "keep-alive", "upgrade"})
      if (r.headers.contains(name)) requests[place] += std::string{" +"} + name;
    WEFT_CO_TRY(const auto text, co_await r.content.text());
    requests[place] += " [" + std::string{text} + "]";
    co_return response::text("origin");
  }
};
handler of(origin_log& log) {
  return [&log](request& r) { return log(r); };
}

// A proxy of the smallest size: content passes through as streams.
struct proxy {
  client& upstream;
  task<result<response>> operator()(request& r) const {
    request onward{r.method(), r.target()};
    if (r.method() == method::other) onward.set_method(r.method_name());
    onward.headers = r.headers;
    strip_hop_by_hop(onward.headers);
    onward.headers.remove("host");
    onward.headers.remove("expect");
    onward.content = std::move(r.content);
    auto answer = co_await upstream.send(r.context(), std::move(onward));
    if (!answer) co_return fail(answer.error());
    response back{answer->status, std::move(answer->content)};
    back.headers = answer->headers;
    strip_hop_by_hop(back.headers);
    co_return back;
  }
};

struct attack {
  std::string text;
  std::string first;  // what the origin may see of it, at most; empty: nothing
};

std::vector<attack> attacks() {
  const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
  const auto size = std::to_string(inner.size());
  const auto framed = [&](const std::string& fields, const std::string& content) {
    return "POST / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + content;
  };
  std::vector<attack> all;
  for (const auto& fields : std::vector<std::string>{
           "Content-Length: " + size + "\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: " + size + "\r\n",
           "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
           std::string{"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"},
           std::string{"Transfer-Encoding: chunked, gzip\r\n"},
           std::string{"Transfer-Encoding: chunked, chunked\r\n"},
           std::string{"Transfer-Encoding: gzip, chunked\r\n"},
           std::string{"Transfer-Encoding : chunked\r\n"},
           std::string{"Transfer-Encoding: \vchunked\r\n"},
           std::string{"X: y\r\n Transfer-Encoding: chunked\r\n"},
           std::string{"X: y\nTransfer-Encoding: chunked\r\n"},
           std::string{"X: y\rTransfer-Encoding: chunked\r\n"},
           std::string{"Transfer-Encoding:\r\n chunked\r\n"},
           "Content-Length: 0\r\nContent-Length: " + size + "\r\n",
           "Content-Length: 5\r\nContent-Length: 5\r\n",
           std::string{"Content-Length: +5\r\n"},
           std::string{"Content-Length: 5 , 5\r\n"},
           std::string{"Content-Length: -0\r\n"},
           std::string{"Content-Length: 0x0\r\n"},
           std::string{"Content-Length : 0\r\n"},
           std::string{"Content-Length: \r\n"},
           std::string{"Content-Length: 0\0\r\n", 20},
       }) {
    all.push_back({framed(fields, "0\r\n\r\n" + inner), ""});
    all.push_back({framed(fields, inner + inner), ""});
  }
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  for (const auto& content : std::vector<std::string>{
           "0x5\r\nhello\r\n0\r\n\r\n" + inner, "5_\r\nhello\r\n0\r\n\r\n" + inner, "+5\r\nhello\r\n0\r\n\r\n" + inner,
           " 5\r\nhello\r\n0\r\n\r\n" + inner, "5 \r\nhello\r\n0\r\n\r\n" + inner, "5\nhello\n0\n\n" + inner,
           "5\r\nhello0\r\n\r\n" + inner, "5\r\nhelloXX0\r\n\r\n" + inner, "5;\nx\r\nhello\r\n0\r\n\r\n" + inner,
           "00000000000000005\r\nhello\r\n0\r\n\r\n" + inner, "0\r\nContent-Length : 5\r\n\r\n" + inner,
           "0\r\nX: y\n\r\n" + inner, "0\n\r\n" + inner, "-1\r\n" + inner, "\r\n0\r\n\r\n" + inner})
    all.push_back({framed(chunked, content), "POST /"});
  all.push_back({"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + inner, ""});
  all.push_back({"GET / HTTP/1.1\nHost: h\n\n" + inner, ""});
  all.push_back({"GET /\tHTTP/1.1\r\nHost: h\r\n\r\n" + inner, ""});
  all.push_back({"GET / HTTP/1.1\r\n Host: h\r\n\r\n" + inner, ""});
  all.push_back({"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, ""});
  return all;
}

void expect_nothing_smuggled(const origin_log& log, const attack& a) {
  for (const auto& seen : log.requests) {
    EXPECT_FALSE(a.first.empty()) << a.text << "\nreached the origin: " << seen;
    EXPECT_TRUE(seen.starts_with(a.first)) << a.text << "\nreached the origin: " << seen;
    EXPECT_FALSE(seen.contains("] ")) << seen;
  }
  EXPECT_LE(log.requests.size(), 1U) << a.text;
}

VIRTUAL_TEST(Smuggling, GetsNothingPastTheServer) {
  EXPECT_GT(attacks().size(), 60U);
  std::size_t refused = 0;
  for (const auto& a : attacks()) {
    origin_log log;
    served s{l, of(log)};
    const auto said = co_await s.say(a.text);
    EXPECT_TRUE(said.starts_with("HTTP/1.1 400 ") || said.starts_with("HTTP/1.1 501 ")) << a.text << "\n" << said;
    ++refused;
    EXPECT_EQ(said.find("HTTP/1.1 ", 1), std::string::npos) << a.text << "\n" << said;
    expect_nothing_smuggled(log, a);
    for (const auto& seen : log.requests)
      EXPECT_FALSE(seen.contains("[")) << "its content was taken as whole: " << seen;
  }
  EXPECT_EQ(refused, attacks().size());
}

VIRTUAL_TEST(Smuggling, GetsNothingThroughAProxy) {
  for (const auto& a : attacks()) {
    origin_log log;
    served origin{l, of(log)};
    client upstream{l, {.base_url = "http://127.0.0.1:" + std::to_string(origin.server.local().port())}};
    served front{l, proxy{upstream}};
    const auto said = co_await front.say(a.text);
    EXPECT_FALSE(said.contains("HTTP/1.1 200 ")) << a.text << "\n" << said;
    expect_nothing_smuggled(log, a);
    for (const auto& seen : log.requests)
      EXPECT_FALSE(seen.contains("[")) << "its content was taken as whole: " << seen;
  }
}

HTTP_TEST(Smuggling, LeavesHonestRequestsAlone) {
  origin_log log;
  served origin{l, of(log)};
  client upstream{l, {.base_url = "http://127.0.0.1:" + std::to_string(origin.server.local().port())}};
  served front{l, proxy{upstream}};
  auto w = co_await front.connect();
  const std::string inner = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
  co_await w.send(
      post("/a", inner) + get("/b", "Connection: x-secret, X-Hop\r\nX-Secret: 1\r\nx-hop: 2\r\nTE: trailers\r\n") +
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" +
      "PUT /d HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n" + "0\r\n\r\n!" + "brew /e HTTP/1.1\r\nHost: h\r\n\r\n");
  for (int i = 0; i < 5; ++i) {
    const auto a = co_await w.read_answer();
    EXPECT_EQ(a.status, 200);
    EXPECT_EQ(a.content, "origin");
  }
  EXPECT_EQ(log.requests, (std::vector<std::string>{"POST /a [" + inner + "]", "GET /b []", "POST /c [abc]",
                                                    "PUT /d [0\r\n\r\n!]", "brew /e []"}));
}

}  // namespace
}  // namespace weft::http
