#pragma once
// What the events of one publisher have in common with the one before, as headers: made once, and copied.
#include <weft/base/time.hpp>
#include <weft/messaging/message.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::messaging {

class event_stamp {
 public:
  explicit event_stamp(std::string_view source) : source_{source} {}

  // specversion, source, type, schemaversion and time.
  void put(headers& to, std::string_view type, std::uint32_t version, wall_time now);

 private:
  void append_time(headers& to, wall_time now);

  std::string source_, type_;
  std::uint32_t version_ = 0;
  headers usual_;  // of that type and version
  std::chrono::sys_seconds second_{};
  std::string second_text_;  // "2026-02-01T09:30:00", without what follows
};

}  // namespace weft::messaging
