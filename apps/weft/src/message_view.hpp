#pragma once
// Messages as commands show them: their envelope, if there is an event in them, and their body.
//
//     const message_view view{*delivery.what};
//     out << view.body_line(1000);                     // {"order":"o-1"}
//     view.write_members(w);                           // "topic", "key", "id", ..., "event": {...}, "body": ...
//
// The message outlives the view.
#include <weft/json/writer.hpp>
#include <weft/messaging/event.hpp>
#include <weft/messaging/message.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace weft::cli {

class message_view {
 public:
  explicit message_view(const messaging::message& what);

  [[nodiscard]] const messaging::message& what() const noexcept { return what_; }
  [[nodiscard]] const std::optional<messaging::event>& envelope() const noexcept { return envelope_; }
  // The data of the event, or else the body of the message.
  [[nodiscard]] const std::string& body() const noexcept { return envelope_ ? envelope_->data : what_.body; }

  [[nodiscard]] std::string body_line(std::size_t max_bytes) const;
  // JSON is laid out; bytes that are no text are shown escaped. What is left out is told.
  [[nodiscard]] std::string body_lines(std::size_t max_bytes) const;

  // Members of an object that is open: "body" is JSON where the body is, else a string, else "body_base64".
  void write_members(json::writer& w) const;

 private:
  [[nodiscard]] bool body_is_json() const;
  void write_envelope(json::writer& w) const;

  const messaging::message& what_;
  std::optional<messaging::event> envelope_;
};

}  // namespace weft::cli
