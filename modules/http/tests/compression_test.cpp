#include <weft/http/compression.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <stdexcept>

namespace weft::http {
namespace {

constexpr coding all_codings[] = {coding::gzip, coding::br, coding::zstd};

TEST(ChooseCoding, FollowsTheWeights) {
  const std::pair<const char*, const char*> table[] = {
      {"gzip", "gzip"},
      {"GZIP", "gzip"},
      {"x-gzip", "gzip"},
      {"br, gzip", "br"},
      {"gzip, br", "br"},  // same weight: the server's order
      {"gzip;q=1, br;q=0.9", "gzip"},
      {"gzip;q=0.5, br;q=0.51", "br"},
      {"gzip; q=0.5 , br;Q=0.6", "br"},
      {"deflate", "identity"},
      {"", "identity"},
      {"gzip;q=0", "identity"},
      {"gzip;q=0.000", "identity"},
      {"*", "zstd"},
      {"*;q=0.1", "zstd"},
      {"*, zstd;q=0", "br"},
      {"gzip;q=0.1, *;q=0", "gzip"},
      {"identity, gzip;q=0.5", "identity"},
      {"identity;q=0.5, gzip;q=0.5", "gzip"},
      {"identity;q=0.4, gzip;q=0.5", "gzip"},
      {"identity;q=0, gzip", "gzip"},
      {"identity;q=0", "none"},
      {"*;q=0", "none"},
      {"identity;q=0, gzip;q=0, deflate", "none"},
      {"*;q=0, identity", "identity"},
      {"gzip;q=2", "identity"},  // malformed elements do not count
      {"gzip;q=1.001", "identity"},
      {"gzip;q=0.0001", "identity"},
      {"gzip;q=", "identity"},
      {"gzip;level=3", "identity"},
      {",,gzip,,", "gzip"},
  };
  constexpr coding offered[] = {coding::zstd, coding::br, coding::gzip};
  for (const auto& [accept, expected] : table) {
    const auto chosen = choose_coding(accept, offered);
    EXPECT_EQ(chosen ? to_string(*chosen) : "none", expected) << accept;
  }
  EXPECT_EQ(choose_coding(std::nullopt, offered), coding::identity);
}

// Content that comes in pieces.
body in_pieces(std::vector<std::string> pieces) {
  auto left = std::make_shared<std::vector<std::string>>(std::move(pieces));
  std::ranges::reverse(*left);
  struct run {
    static task<result<std::string>> next(std::shared_ptr<std::vector<std::string>> left) {
      if (left->empty()) co_return std::string{};
      auto piece = std::move(left->back());
      left->pop_back();
      co_return piece;
    }
  };
  return body::generate([left] { return run::next(left); });
}

task<result<std::string>> all_of(body content, std::size_t limit = 64 << 20) {
  auto text = co_await content.text(limit);
  if (!text) co_return fail(text.error());
  co_return std::string{*text};
}
result<std::string> read(body content) {
  epoll_loop loop;
  return loop.run(all_of(std::move(content)));
}
std::string encode(std::string text, coding c) { return read(compressed(std::move(text), c)).value(); }

RC_GTEST_PROP(Coding, DecodesWhatItCoded, (std::vector<std::string> pieces, std::uint8_t which)) {
  std::erase(pieces, "");
  const auto c = all_codings[which % 3];
  std::string whole;
  for (const auto& p : pieces) whole += p;
  RC_ASSERT(read(decompressed(compressed(in_pieces(pieces), c), c)).value() == whole);
  RC_ASSERT(read(decompressed(encode(whole, c), c)).value() == whole);
  std::vector<std::string> bytes;
  for (const char b : encode(whole, c)) bytes.emplace_back(1, b);
  RC_ASSERT(read(decompressed(in_pieces(bytes), c)).value() == whole);
}

TEST(Coding, HandlesContentLargerThanAnyBuffer) {
  std::string text;
  for (int i = 0; text.size() < (3U << 20); ++i) text += std::to_string(i % 9973 * 7919) + (i % 3 == 0 ? "\n" : ",");
  for (const auto c : all_codings) {
    const auto coded = read(compressed(body{text}, c)).value();
    EXPECT_LT(coded.size(), text.size() / 2) << to_string(c);
    EXPECT_EQ(read(decompressed(coded, c)).value(), text) << to_string(c);
  }
}

task<std::vector<std::string>> pieces_of(body content) {
  std::vector<std::string> pieces;
  for (;;) {
    auto piece = co_await content.next();
    if (!piece || piece->empty()) co_return pieces;
    pieces.emplace_back(*piece);
  }
}
TEST(Coding, DoesNotHoldBackAPiece) {
  epoll_loop loop;
  for (const auto c : all_codings) {
    const auto pieces = loop.run(pieces_of(compressed(in_pieces({"event 1\n", "event 2\n"}), c)));
    ASSERT_GE(pieces.size(), 2U);
    // The first piece alone decodes to the first event.
    auto source = decompressed(in_pieces({pieces[0]}), c);
    EXPECT_EQ(
        loop.run([](body& b) -> task<std::string> { co_return std::string{(co_await b.next()).value()}; }(source)),
        "event 1\n");
  }
}

TEST(Coding, RefusesWhatIsNotCoded) {
  for (const auto c : all_codings) {
    const auto coded = encode(std::string(1000, 'x'), c);
    for (const auto& bad : {std::string{"hello world, not coded"}, coded.substr(0, coded.size() - 3),
                            coded + "trailing", std::string(100, '\0')}) {
      const auto text = read(decompressed(bad, c));
      ASSERT_FALSE(text) << to_string(c) << " " << bad.size();
      EXPECT_EQ(text.error().code(), errc::invalid_argument) << to_string(c);
    }
    EXPECT_EQ(read(decompressed(std::string{}, c)).value(), "");
  }
}

TEST(Coding, StopsABombInBoundedMemory) {
  const std::string zeros(64 << 20, '\0');
  for (const auto c : all_codings) {
    const auto bomb = encode(zeros, c);
    EXPECT_LT(bomb.size(), zeros.size() / 500);
    auto text = read(decompressed(bomb, c, 1 << 20));
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code(), errc::resource_exhausted);
  }
}

// --- the middleware ---

struct sent {
  int status = 0;
  headers fields;
  std::string content;
  bool streamed = false;
};
task<sent> collect(const handler& h, request& r) {
  auto reply = co_await h(r);
  if (!reply) reply = response::from(reply.error());
  sent s;
  s.status = to_int(reply->status);
  s.fields = reply->headers;
  s.streamed = reply->content.streamed();
  s.content = std::string{(co_await reply->content.text(64 << 20)).value_or("broken")};
  co_return s;
}
sent ask(const handler& h, headers fields, body content = {}) {
  epoll_loop loop;
  request r{method::post, "/", std::move(content)};
  r.headers = std::move(fields);
  return loop.run(collect(h, r));
}

handler giving(std::function<response()> make) {
  struct run {
    static task<result<response>> once(response r) { co_return r; }
  };
  return [make = std::move(make)](request&) { return run::once(make()); };
}

const std::string long_text(5000, 'a');

TEST(CompressResponses, CodesWhatTheClientTakes) {
  const auto h = compress_responses()(giving([] {
    auto r = response::text(long_text);
    r.headers.set("ETag", "\"v1\"");
    r.headers.set("Accept-Ranges", "bytes");
    r.headers.set("Vary", "Origin");
    return r;
  }));
  for (const auto c : all_codings) {
    const auto s = ask(h, {{"Accept-Encoding", to_string(c)}});
    EXPECT_EQ(s.fields.get("content-encoding"), to_string(c));
    EXPECT_EQ(s.fields.joined("vary"), "Origin, Accept-Encoding");
    EXPECT_EQ(s.fields.get("etag"), "W/\"v1\"");
    EXPECT_FALSE(s.fields.contains("accept-ranges"));
    EXPECT_EQ(read(decompressed(s.content, c)).value(), long_text);
  }
  const auto plain = ask(h, {});
  EXPECT_EQ(plain.content, long_text);
  EXPECT_FALSE(plain.fields.contains("content-encoding"));
  EXPECT_EQ(plain.fields.get("etag"), "\"v1\"");
  EXPECT_EQ(plain.fields.joined("vary"), "Origin, Accept-Encoding") << "a cache keeps the two apart";
}

TEST(CompressResponses, CodesStreamsPieceByPiece) {
  const auto h = compress_responses()(giving([] {
    response r{status::ok, in_pieces({"data: 1\n\n", "data: 2\n\n"})};
    r.headers.set("Content-Type", "text/event-stream");
    return r;
  }));
  const auto s = ask(h, {{"Accept-Encoding", "gzip"}});
  EXPECT_TRUE(s.streamed);
  EXPECT_EQ(read(decompressed(s.content, coding::gzip)).value(), "data: 1\n\ndata: 2\n\n");
}

TEST(CompressResponses, LeavesAloneWhatItMust) {
  const std::pair<const char*, std::function<void(response&)>> table[] = {
      {"partial", [](response& r) { r.status = status::partial_content; }},
      {"range", [](response& r) { r.headers.set("Content-Range", "bytes 0-1/2"); }},
      {"coded", [](response& r) { r.headers.set("Content-Encoding", "br"); }},
      {"no-transform", [](response& r) { r.headers.set("Cache-Control", "public, no-transform"); }},
      {"image", [](response& r) { r.headers.set("Content-Type", "image/png"); }},
      {"untyped", [](response& r) { r.headers.remove("Content-Type"); }},
      {"small", [](response& r) { r.content = "short"; }},
      {"nothing", [](response& r) { r.content = body{}; }},
      {"not modified", [](response& r) { r.status = status::not_modified; }},
  };
  for (const auto& [name, change] : table) {
    const auto h = compress_responses()(giving([&change] {
      auto r = response::text(long_text);
      change(r);
      return r;
    }));
    const auto before = ask(giving([&change] {
                              auto r = response::text(long_text);
                              change(r);
                              return r;
                            }),
                            {});
    const auto s = ask(h, {{"Accept-Encoding", "gzip, br"}});
    EXPECT_EQ(s.content, before.content) << name;
    EXPECT_EQ(s.fields.size(), before.fields.size()) << name;
  }
}

TEST(CompressResponses, RefusesOnlyWhenNothingIsAcceptable) {
  const auto h = compress_responses()(giving([] { return response::text("short"); }));
  EXPECT_EQ(ask(h, {{"Accept-Encoding", "*;q=0"}}).status, 406);
  EXPECT_EQ(ask(h, {{"Accept-Encoding", "identity;q=0, deflate"}}).status, 406);
  const auto forced = ask(h, {{"Accept-Encoding", "identity;q=0, gzip"}});
  EXPECT_EQ(forced.status, 200);
  EXPECT_EQ(forced.fields.get("content-encoding"), "gzip") << "short, but plain content is refused";
  EXPECT_EQ(ask(h, {{"Accept-Encoding", "deflate"}}).status, 200);
}

TEST(CompressResponses, RefusesWrongOptions) {
  EXPECT_THROW(static_cast<void>(compress_responses({.gzip_level = 10})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(compress_responses({.br_quality = -1})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(compress_responses({.zstd_level = 0})), std::invalid_argument);
}

task<result<response>> echo(request& r) {
  auto text = co_await r.content.text(64 << 20);
  if (!text) co_return fail(text.error());
  auto reply = response::text(std::string{*text});
  reply.headers.set("X-Coded", r.headers.get("content-encoding").value_or("no"));
  co_return reply;
}

TEST(DecompressRequests, GivesTheHandlerPlainContent) {
  const auto h = decompress_requests()(echo);
  for (const auto c : all_codings) {
    const auto s = ask(h, {{"Content-Encoding", to_string(c)}}, encode(long_text, c));
    EXPECT_EQ(s.status, 200);
    EXPECT_EQ(s.content, long_text);
    EXPECT_EQ(s.fields.get("x-coded"), "no");
  }
  EXPECT_EQ(ask(h, {{"Content-Encoding", "identity"}}, "x").content, "x");
  EXPECT_EQ(ask(h, {}, "x").content, "x");
  const auto twice = encode(encode(long_text, coding::gzip), coding::br);
  EXPECT_EQ(ask(h, {{"Content-Encoding", "gzip, br"}}, twice).content, long_text);
}

TEST(DecompressRequests, AnswersWhatItCannotRead) {
  const auto h = decompress_requests({.max_bytes = 1 << 20})(echo);
  const auto unknown = ask(h, {{"Content-Encoding", "compress"}}, "x");
  EXPECT_EQ(unknown.status, 415);
  EXPECT_EQ(unknown.fields.get("accept-encoding"), "gzip, br, zstd");
  EXPECT_EQ(ask(h, {{"Content-Encoding", "gzip, gzip, gzip"}}, "x").status, 415);
  EXPECT_EQ(ask(h, {{"Content-Encoding", "gzip"}}, "not gzip").status, 400);
  for (const auto c : all_codings)
    EXPECT_EQ(ask(h, {{"Content-Encoding", to_string(c)}}, encode(std::string(32 << 20, ' '), c)).status, 413);
  const auto nested = encode(encode(std::string(256 << 20, ' '), coding::gzip), coding::gzip);
  EXPECT_EQ(ask(h, {{"Content-Encoding", "gzip, gzip"}}, nested).status, 413);
}

}  // namespace
}  // namespace weft::http
