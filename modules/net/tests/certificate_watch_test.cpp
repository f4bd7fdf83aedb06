#include <weft/net/certificate_watch.hpp>

#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include "certificates.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace weft::net {
namespace {
using namespace std::chrono_literals;
using event_kind = certificate_notice::event;

// A folder with a certificate and a key, and what a watch says of them.
struct watched {
  watched() {
    auto name = (std::filesystem::temp_directory_path() / "weft-certificates-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  watched(const watched&) = delete;
  watched& operator=(const watched&) = delete;
  ~watched() { std::filesystem::remove_all(folder); }
  void put(const std::string& name, const std::string& text) const {
    std::ofstream{folder / name, std::ios::binary | std::ios::trunc} << text;
  }
  void put(const test_certificate& c) const {
    put("tls.crt", c.certificate);
    put("tls.key", c.key);
  }
  [[nodiscard]] tls_context context() const {
    return tls_context::server({.identities = {{.chain = pem::file((folder / "tls.crt").string()),
                                                .key = pem::file((folder / "tls.key").string())}}})
        .value();
  }
  certificate_watch_options options(certificate_watch_options o = {}) {
    o.notify = [this](const certificate_notice& n) { said.push_back(n.kind); };
    return o;
  }
  std::filesystem::path folder;
  std::vector<event_kind> said;
  test_authority authority;
};

constexpr auto days = [](int n) { return std::chrono::days{n}; };

// D: certificates are renewed without a restart.
task<void> renews(loop& l, watched& w) {
  w.put(w.authority.issue({.end = l.wall_now() + days(100)}));
  auto tls = w.context();
  certificate_watch watch{l, tls, w.options({.interval = 10s})};
  static_cast<void>(co_await sleep(l, {}, 1min));
  EXPECT_TRUE(w.said.empty());
  const auto renewed = w.authority.issue({.end = l.wall_now() + days(200)});
  // Half of the pair: what is in force stays, and that is said once.
  w.put("tls.crt", renewed.certificate);
  static_cast<void>(co_await sleep(l, {}, 1min));
  EXPECT_EQ(w.said, std::vector{event_kind::refused});
  EXPECT_LT(tls.expires(), l.wall_now() + days(101));
  w.put("tls.key", renewed.key);
  static_cast<void>(co_await sleep(l, {}, 15s));
  EXPECT_EQ(w.said, (std::vector{event_kind::refused, event_kind::reloaded}));
  EXPECT_GT(tls.expires(), l.wall_now() + days(199));
  // Gone, and back as it was: nothing to do.
  std::filesystem::remove(w.folder / "tls.key");
  static_cast<void>(co_await sleep(l, {}, 1min));
  w.put("tls.key", renewed.key);
  static_cast<void>(co_await sleep(l, {}, 1min));
  EXPECT_EQ(w.said, (std::vector{event_kind::refused, event_kind::reloaded, event_kind::refused}));
}
TEST(CertificateWatch, PutsRenewedFilesIntoForce) {
  watched w;
  testkit::run([&w](loop& l) { return renews(l, w); });
}

task<void> renews_when_asked(loop& l, watched& w) {
  w.put(w.authority.issue({.end = l.wall_now() + days(100)}));
  auto tls = w.context();
  certificate_watch watch{l, tls, w.options({.interval = duration::max()})};
  static_cast<void>(co_await sleep(l, {}, 10h));
  w.put(w.authority.issue({.end = l.wall_now() + days(300)}));
  static_cast<void>(co_await sleep(l, {}, 10h));
  EXPECT_TRUE(w.said.empty());
  watch.look_now();
  watch.look_now();
  static_cast<void>(co_await sleep(l, {}, 1s));
  EXPECT_EQ(w.said, std::vector{event_kind::reloaded});
  // D, A18: asked for while a look is under way, so there is another one.
  watch.look_now();
  co_await yield(l);
  w.put(w.authority.issue({.end = l.wall_now() + days(400)}));
  watch.look_now();
  static_cast<void>(co_await sleep(l, {}, 1s));
  EXPECT_GT(tls.expires(), l.wall_now() + days(399));
}
TEST(CertificateWatch, LooksWhenItIsAskedTo) {
  watched w;
  testkit::run([&w](loop& l) { return renews_when_asked(l, w); });
}

task<void> nears_its_end(loop& l, watched& w) {
  w.put(w.authority.issue({.end = l.wall_now() + days(20)}));
  auto tls = w.context();
  certificate_watch watch{l, tls, w.options({.interval = 1h})};
  static_cast<void>(co_await sleep(l, {}, days(5)));
  EXPECT_TRUE(w.said.empty());
  static_cast<void>(co_await sleep(l, {}, 30h));
  EXPECT_EQ(w.said, std::vector{event_kind::ends_soon});
  static_cast<void>(co_await sleep(l, {}, days(3)));
  EXPECT_EQ(w.said, std::vector(4, event_kind::ends_soon));
  static_cast<void>(co_await sleep(l, {}, days(11)));
  EXPECT_EQ(w.said.back(), event_kind::ended);
  w.put(w.authority.issue({.end = l.wall_now() + days(90)}));
  static_cast<void>(co_await sleep(l, {}, days(2)));
  EXPECT_EQ(w.said.back(), event_kind::reloaded);
}
TEST(CertificateWatch, WarnsBeforeACertificateEnds) {
  watched w;
  testkit::run([&w](loop& l) { return nears_its_end(l, w); }, {.run_limit = days(60)});
}

}  // namespace
}  // namespace weft::net
