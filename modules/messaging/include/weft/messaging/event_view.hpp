#pragma once
// An event where it lies, in a message or in an `event`: what handlers are given. Nothing is copied, so it is valid as
// long as that; copy() is for keeping.
//
//     WEFT_TRY(const auto e, view_event(m, room));                     // cloud_events.hpp
//     if (e.type == "user.created") greet(e.get(extension::tenant));
#include <weft/messaging/event.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace weft::messaging {

class event_view {
 public:
  std::string_view id, source, type, subject, data_content_type, data_schema, data;

  event_view() = default;
  event_view(const event& e) noexcept;  // NOLINT: it is one
  // The extensions are those headers that begin with `prefix`; of a message of that key.
  event_view(const headers& fields, std::string_view prefix, std::string_view key) noexcept
      : fields_{&fields}, prefix_{prefix}, key_{key} {}

  [[nodiscard]] std::optional<wall_time> time() const;
  // RFC 3339 that is known to be right; it is read when somebody asks.
  void set_time(std::string_view text) noexcept { time_text_ = text; }
  // An extension; empty without it.
  [[nodiscard]] std::string_view get(std::string_view name) const noexcept;
  // The extension schemaversion, or 1.
  [[nodiscard]] std::uint32_t schema_version() const noexcept;
  [[nodiscard]] bool data_is_json() const noexcept;
  [[nodiscard]] event copy() const;

 private:
  const headers* fields_ = nullptr;
  std::optional<wall_time> time_;
  std::string_view time_text_;     // instead
  std::string_view prefix_, key_;  // the key stands for the extension partitionkey, where there is none
};

}  // namespace weft::messaging
