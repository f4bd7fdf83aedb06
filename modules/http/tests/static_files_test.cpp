#include <weft/http/compression.hpp>
#include <weft/http/router.hpp>
#include <weft/http/static_files.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace weft::http {
namespace {

namespace fs = std::filesystem;

struct sent {
  int status = 0;
  headers fields;
  std::string content;
};
task<sent> collect(const handler& h, request& r) {
  auto reply = co_await h(r);
  if (!reply) reply = response::from(reply.error());
  sent s;
  s.status = to_int(reply->status);
  s.fields = reply->headers;
  auto text = co_await reply->content.text(16 << 20);
  s.content = text ? std::string{*text} : std::string{text.error().message()};
  co_return s;
}

class StaticFiles : public testing::Test {
 protected:
  StaticFiles() {
    char name[] = "/tmp/weft-static-XXXXXX";
    base_ = mkdtemp(name);
    root_ = base_ / "root";
    fs::create_directories(root_ / "docs" / "deep");
    fs::create_directories(root_ / ".git");
    write(base_ / "secret.txt", "secret");
    write(root_ / "a.txt", "0123456789");
    write(root_ / "a b.html", "<p>");
    write(root_ / "empty.css", "");
    write(root_ / "docs" / "index.html", "index");
    write(root_ / "docs" / "deep" / "x.json", "{}");
    write(root_ / ".env", "secret");
    write(root_ / ".git" / "config", "secret");
    fs::create_symlink(base_ / "secret.txt", root_ / "out.txt");
    fs::create_directory_symlink(base_, root_ / "up");
    fs::create_symlink("a.txt", root_ / "in.txt");
    mkfifo((root_ / "pipe").c_str(), 0600);
  }
  ~StaticFiles() override { fs::remove_all(base_); }

  static void write(const fs::path& path, const std::string& text) { std::ofstream{path, std::ios::binary} << text; }

  sent ask(std::string target, headers fields = {}, method m = method::get, static_files_options options = {}) {
    router routes;
    routes.any("/f/{path*}", static_files(loop_, root_, options));
    return run(routes.as_handler(), std::move(target), std::move(fields), m);
  }
  sent run(const handler& h, std::string target, headers fields = {}, method m = method::get) {
    request r{m, target};
    r.headers = std::move(fields);
    return loop_.run(collect(h, r));
  }

  fs::path base_, root_;
  epoll_loop loop_;
};

TEST_F(StaticFiles, ServesFilesWithTheirTypes) {
  const auto a = ask("/f/a.txt");
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.content, "0123456789");
  EXPECT_EQ(a.fields.get("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(a.fields.get("accept-ranges"), "bytes");
  EXPECT_EQ(ask("/f/a%20b.html").content, "<p>");
  EXPECT_EQ(ask("/f/docs/deep/x.json").fields.get("content-type"), "application/json");
  EXPECT_EQ(ask("/f/empty.css").status, 200);
  EXPECT_EQ(ask("/f/in.txt").content, "0123456789") << "a link that stays inside";
  EXPECT_EQ(ask("/f/a.txt", {}, method::get, {.piece_bytes = 3}).content, "0123456789");
  EXPECT_EQ(ask("/f/a.txt", {}, method::get, {.cache_control = "max-age=60"}).fields.get("cache-control"),
            "max-age=60");
}

TEST_F(StaticFiles, ServesFoldersByTheirIndex) {
  EXPECT_EQ(ask("/f/docs/").content, "index");
  const auto without = ask("/f/docs?x=1");
  EXPECT_EQ(without.status, 308);
  EXPECT_EQ(without.fields.get("location"), "/f/docs/?x=1");
  EXPECT_EQ(ask("/f/docs/deep/").status, 404);
  EXPECT_EQ(ask("/f/a.txt/").status, 404);
  EXPECT_EQ(ask("/f/docs/", {}, method::get, {.index = ""}).status, 404);
}

TEST_F(StaticFiles, NeverRedirectsToAnotherHost) {
  const auto h = static_files(loop_, root_);
  const auto s = run(h, "//docs");
  if (s.status == 308) EXPECT_FALSE(s.fields.get("location")->starts_with("//"));
  EXPECT_EQ(run(h, "/docs/").content, "index") << "without a route";
}

TEST_F(StaticFiles, KeepsInsideItsFolder) {
  const auto direct = static_files(loop_, root_);
  for (const std::string path : {"/../secret.txt",
                                 "/docs/../../secret.txt",
                                 "/%2e%2e/secret.txt",
                                 "/%2e%2e%2fsecret.txt",
                                 "/..%2fsecret.txt",
                                 "/..%5csecret.txt",
                                 "/..\\secret.txt",
                                 "/docs/..%2f..%2fsecret.txt",
                                 "/%252e%252e/secret.txt",
                                 "//secret.txt",
                                 "/%2fetc%2fpasswd",
                                 "//etc/passwd",
                                 "/a.txt%00.html",
                                 "/a.txt%00",
                                 "/up/secret.txt",
                                 "/out.txt",
                                 "/up/root/a.txt",
                                 "/./../secret.txt",
                                 "/....//secret.txt",
                                 "/.env",
                                 "/.git/config",
                                 "/.git/",

                                 "/pipe",
                                 "/none.txt",
                                 "/%",
                                 "/a.txt/../../secret.txt",
                                 "/up/"}) {
    for (const auto& s : {ask("/f" + path), run(direct, path)}) {
      EXPECT_TRUE(s.status == 404 || s.status == 400) << path << " " << s.status;
      EXPECT_EQ(s.content.find("secret\n"), std::string::npos);
      EXPECT_NE(s.content, "secret") << path;
    }
  }
  EXPECT_EQ(ask("/f/.env", {}, method::get, {.hidden_files = static_files_options::dot_files::served}).content,
            "secret");
}

TEST_F(StaticFiles, AnswersConditions) {
  const auto first = ask("/f/a.txt");
  const std::string tag{*first.fields.get("etag")}, date{*first.fields.get("last-modified")};
  EXPECT_EQ(ask("/f/a.txt", {{"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(ask("/f/a.txt", {{"If-None-Match", "\"x\", W/" + tag}}).status, 304);
  EXPECT_EQ(ask("/f/a.txt", {{"If-None-Match", "*"}}).status, 304);
  EXPECT_EQ(ask("/f/a.txt", {{"If-None-Match", "\"x\""}}).status, 200);
  EXPECT_EQ(ask("/f/a.txt", {{"If-Modified-Since", date}}).status, 304);
  EXPECT_EQ(ask("/f/a.txt", {{"If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}).status, 200);
  EXPECT_EQ(ask("/f/a.txt", {{"If-Modified-Since", "yesterday"}}).status, 200);
  EXPECT_EQ(ask("/f/a.txt", {{"If-None-Match", "\"x\""}, {"If-Modified-Since", date}}).status, 200)
      << "the tag decides";
  const auto kept = ask("/f/a.txt", {{"If-None-Match", tag}});
  EXPECT_EQ(kept.content, "");
  EXPECT_EQ(kept.fields.get("etag"), tag);
  write(root_ / "a.txt", "changed, and longer");
  EXPECT_EQ(ask("/f/a.txt", {{"If-None-Match", tag}}).status, 200);
}

TEST_F(StaticFiles, ServesRanges) {
  struct row {
    const char* range;
    int status;
    const char *content, *content_range;
  };
  const row table[] = {
      {"bytes=0-3", 206, "0123", "bytes 0-3/10"},
      {"bytes=7-", 206, "789", "bytes 7-9/10"},
      {"bytes=-2", 206, "89", "bytes 8-9/10"},
      {"bytes=-100", 206, "0123456789", "bytes 0-9/10"},
      {"bytes=9-100", 206, "9", "bytes 9-9/10"},
      {"BYTES=0-0", 206, "0", "bytes 0-0/10"},
      {"bytes=10-", 416, nullptr, "bytes */10"},
      {"bytes=99-100", 416, nullptr, "bytes */10"},
      {"bytes=-0", 416, nullptr, "bytes */10"},
      {"bytes=0-1,3-4", 200, "0123456789", nullptr},
      {"bytes=4-2", 200, "0123456789", nullptr},
      {"bytes=", 200, "0123456789", nullptr},
      {"bytes=-", 200, "0123456789", nullptr},
      {"bytes=a-b", 200, "0123456789", nullptr},
      {"bytes=0x1-2", 200, "0123456789", nullptr},
      {"items=0-1", 200, "0123456789", nullptr},
      {"bytes=99999999999999999999-", 200, "0123456789", nullptr},
  };
  for (const auto& each : table) {
    const auto s = ask("/f/a.txt", {{"Range", each.range}});
    EXPECT_EQ(s.status, each.status) << each.range;
    if (each.content != nullptr) EXPECT_EQ(s.content, each.content) << each.range;
    EXPECT_EQ(s.fields.get("content-range").value_or("none"),
              each.content_range == nullptr ? "none" : each.content_range)
        << each.range;
  }
  const std::string tag{*ask("/f/a.txt").fields.get("etag")};
  EXPECT_EQ(ask("/f/a.txt", {{"Range", "bytes=0-1"}, {"If-Range", tag}}).status, 206);
  EXPECT_EQ(ask("/f/a.txt", {{"Range", "bytes=0-1"}, {"If-Range", "\"old\""}}).status, 200);
  EXPECT_EQ(ask("/f/a.txt", {{"Range", "bytes=0-1"}, {"If-Range", "W/" + tag}}).status, 200);
  EXPECT_EQ(ask("/f/empty.css", {{"Range", "bytes=0-1"}}).status, 416);
}

TEST_F(StaticFiles, AnswersOtherMethods) {
  EXPECT_EQ(ask("/f/a.txt", {}, method::post).status, 405);
  EXPECT_EQ(ask("/f/a.txt", {}, method::post).fields.get("allow"), "GET, HEAD");
  const auto head = ask("/f/a.txt", {{"Range", "bytes=0-1"}}, method::head);
  EXPECT_EQ(head.status, 200) << "a range is for GET";
}

TEST_F(StaticFiles, NoticesAFileThatBecomesShorter) {
  struct run {
    static task<std::string> cut(const handler& h, request& r, fs::path file) {
      auto reply = co_await h(r);
      std::string text{(co_await reply->content.next()).value()};
      fs::resize_file(file, 4);
      for (;;) {
        auto piece = co_await reply->content.next();
        if (!piece) co_return text + " " + std::string{to_string(piece.error().code())};
        if (piece->empty()) co_return text;
        text += *piece;
      }
    }
  };
  const auto h = static_files(loop_, root_, {.piece_bytes = 2});
  request r{method::get, "/a.txt"};
  EXPECT_EQ(loop_.run(run::cut(h, r, root_ / "a.txt")), "0123 data_loss");
}

TEST_F(StaticFiles, NeedsAFolder) {
  EXPECT_THROW(static_cast<void>(static_files(loop_, base_ / "none")), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(static_files(loop_, base_ / "secret.txt")), std::invalid_argument);
}

// C6: a download that is resumed must not mix two versions.
TEST_F(StaticFiles, ServeOnlyTheVersionThatIsAskedFor) {
  const auto first = ask("/f/a.txt");
  const auto tag = std::string{first.fields.get("etag").value()};
  const auto date = std::string{first.fields.get("last-modified").value()};
  const std::string long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
  for (const auto m : {method::get, method::head}) {
    for (const auto& fields : std::vector<headers>{{{"If-Match", tag}},
                                                   {{"If-Match", "*"}},
                                                   {{"If-Match", "\"other\", " + tag}},
                                                   {{"If-Match", "\"a,b\""}, {"If-Match", tag}},
                                                   {{"If-Match", tag}, {"If-Unmodified-Since", long_ago}},
                                                   {{"If-Unmodified-Since", date}},
                                                   {{"If-Unmodified-Since", "yesterday"}}})
      EXPECT_EQ(ask("/f/a.txt", fields, m).status, 200);
    for (const auto& fields : std::vector<headers>{{{"If-Match", "\"other\""}},
                                                   {{"If-Match", "W/" + tag}},
                                                   {{"If-Match", "\"a," + tag.substr(1)}},
                                                   {{"If-Match", ""}},
                                                   {{"If-Match", "\"other\""}, {"Range", "bytes=1-2"}},
                                                   {{"If-Match", "\"other\""}, {"If-None-Match", tag}},
                                                   {{"If-Unmodified-Since", long_ago}}})
      EXPECT_EQ(ask("/f/a.txt", fields, m).status, 412);
  }
  EXPECT_EQ(ask("/f/a.txt", {{"If-Match", tag}, {"Range", "bytes=1-2"}}).status, 206);
  EXPECT_EQ(ask("/f/a.txt", {{"If-Match", tag}, {"If-None-Match", tag}}).status, 304);
  EXPECT_EQ(ask("/f/a.txt", {{"Range", "bytes=0-1"}, {"If-Range", date}}).status, 206);
  EXPECT_EQ(ask("/f/a.txt", {{"Range", "bytes=0-1"}, {"If-Range", long_ago}}).status, 200);
}

// C6: under trailing_slash::ignored the redirect led to "//", and from there to "///".
TEST_F(StaticFiles, ServeFoldersUnderARouterThatIgnoresSlashes) {
  router routes{{.slash = trailing_slash::ignored}};
  routes.any("/f/{path*}", static_files(loop_, root_, {}));
  const auto h = routes.as_handler();
  const auto redirect = run(h, "/f/docs");
  EXPECT_EQ(redirect.status, 308);
  EXPECT_EQ(redirect.fields.get("location"), "/f/docs/");
  const auto folder = run(h, "/f/docs/");
  EXPECT_EQ(folder.status, 200);
  EXPECT_EQ(folder.content, "index");
  EXPECT_EQ(run(h, "/f/a.txt/").status, 200);  // as none
  EXPECT_EQ(run(h, "/f/docs/deep/").status, 404);
}

// C6: a 304 has the ETag and the Vary of the 200 in its place.
TEST_F(StaticFiles, KeepTheirTagsWhenNotModifiedUnderCompression) {
  write(root_ / "large.txt", std::string(5000, 'x'));
  write(root_ / "large.png", std::string(5000, 'x'));
  router routes;
  routes.any("/f/{path*}", static_files(loop_, root_, {}));
  routes.use(compress_responses());
  const auto h = routes.as_handler();
  for (const std::string path : {"/f/large.txt", "/f/large.png", "/f/a.txt", "/f/empty.css"})
    for (const std::string accept : {"gzip", "identity", "br, identity;q=0"}) {
      const headers accepting{{"Accept-Encoding", accept}};
      const auto whole = run(h, path, accepting);
      ASSERT_EQ(whole.status, 200);
      const auto tag = std::string{whole.fields.get("etag").value()};
      for (const auto& condition :
           std::vector<headers>{{{"If-None-Match", tag}},
                                {{"If-None-Match", "*"}},
                                {{"If-Modified-Since", whole.fields.get("last-modified").value()}}}) {
        auto fields = accepting;
        for (const auto& f : condition) fields.add(f.name, f.value);
        const auto same = run(h, path, fields);
        EXPECT_EQ(same.status, 304) << path;
        EXPECT_EQ(same.fields.get("etag"), tag) << path << " " << accept;
        EXPECT_EQ(same.fields.get("vary"), whole.fields.get("vary")) << path << " " << accept;
        EXPECT_FALSE(same.fields.contains("content-type"));
      }
    }
}

task<result<response>> not_modified_for(request&) {
  response r{status::not_modified};
  r.headers.add("ETag", "\"7\"");
  co_return r;
}
TEST_F(StaticFiles, AHandlersOwn304KeepsTheTagThatTheClientHas) {
  const auto h = compress_responses()(not_modified_for);
  EXPECT_EQ(run(h, "/", {{"Accept-Encoding", "gzip"}, {"If-None-Match", "W/\"7\""}}).fields.get("etag"), "W/\"7\"");
  EXPECT_EQ(run(h, "/", {{"Accept-Encoding", "gzip"}, {"If-None-Match", "\"7\""}}).fields.get("etag"), "\"7\"");
  EXPECT_EQ(run(h, "/", {{"If-None-Match", "\"7\""}}).fields.get("vary"), "Accept-Encoding");
}

}  // namespace
}  // namespace weft::http
