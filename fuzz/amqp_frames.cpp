// AMQP 0-9-1 as a hostile server sends it. Properties: nothing crashes, what was parsed is written and parsed again to
// the same bytes, and a client's session takes any bytes in any pieces, ends on the first wrong frame and stays ended.
//
// The first byte chooses how the rest is cut into pieces, and whether a real opening goes before it.
#include <weft/amqp/frame.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "../modules/amqp/src/sansio/channel_protocol.hpp"

namespace {

using namespace weft::amqp;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_codec(std::string_view bytes) {
  if (const auto m = parse_method(bytes)) {
    std::string out;
    if (append_method(out, 1, *m, 1U << 24)) {
      const auto again = parse_method(parse_frame(out, 1U << 24).value()->payload);
      std::string twice;
      require(again && append_method(twice, 1, *again, 1U << 24) && twice == out);
    }
  }
  if (const auto header = parse_content_header(bytes)) {
    std::string out;
    require(append_content(out, 1, header->properties, {}, 1U << 24).has_value());
    require(parse_content_header(parse_frame(out, 1U << 24).value()->payload).has_value());
  }
  if (const auto t = parse_table(bytes)) require(parse_table(encode_table(*t).value()).has_value());
}

class client final : public sansio::session_events {
 public:
  client() { session_.start({}); }

  void open() {
    std::string bytes;
    require(append_method(bytes, 0, connection_start{.version_minor = 9, .mechanisms = "PLAIN"}, 4096) &&
            append_method(bytes, 0, connection_tune{.frame_max = 4096}, 4096) &&
            append_method(bytes, 0, connection_open_ok{}, 4096));
    feed(bytes, bytes.size());
    require(session_.current() == sansio::session::state::open);
    require(channel_.open(session_, session_.take_channel().value()).has_value());
  }
  void feed(std::string_view bytes, std::size_t piece) {
    std::string held;
    while (!bytes.empty()) {
      held += bytes.substr(0, piece);
      bytes.remove_prefix(std::min(bytes.size(), piece));
      const auto used = session_.receive(held, {}, *this);
      if (!used) return require(session_.current() == sansio::session::state::closed);
      held.erase(0, *used);
      require(held.size() <= 131'072);
      session_.output().clear();
    }
  }

 private:
  void opened() override {}
  void arrived(std::uint16_t, method m) override { static_cast<void>(channel_.receive(session_, std::move(m))); }
  void arrived(std::uint16_t, sansio::content&& c) override { static_cast<void>(channel_.receive(std::move(c))); }
  void blocked(std::string) override {}
  void unblocked() override {}
  void secret_updated() override {}

  sansio::session session_{{.message_max = 10'000}};
  sansio::channel_protocol channel_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  check_codec(bytes);
  client c;
  if ((data[0] & 1U) != 0) c.open();
  c.feed(bytes, std::size_t{1} + data[0] / 2U);
  return 0;
}
