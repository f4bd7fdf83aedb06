#pragma once
// The content of a message: nothing, text, or a source that is read piece by piece with back-pressure. One type for
// what is received and what is sent, so that a proxy hands a body on as it is.
//
//     auto text = co_await request.content.text();             // all of it, within the limit
//     while (true) {                                           // or piece by piece
//       WEFT_CO_TRY(auto piece, co_await request.content.next());
//       if (piece.empty()) break;
//     }
#include <weft/base/error.hpp>
#include <weft/http/headers.hpp>
#include <weft/http/status.hpp>
#include <weft/runtime/task.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weft::http {

// Where streamed content comes from. Pulled: the next piece is read when the one before has been written.
class body_source {
 public:
  virtual ~body_source() = default;
  // The next piece, valid until the next call; empty at the end. After an error the content is unusable.
  virtual task<result<std::string_view>> next() = 0;
  // The length in bytes of all of it, when it is known before; without it the content is sent in chunks.
  [[nodiscard]] virtual std::optional<std::uint64_t> length() const { return std::nullopt; }
  // Fields that follow the content; null, or complete once next() has returned the end.
  [[nodiscard]] virtual const headers* trailers() const { return nullptr; }
  // What the sender did wrong, once reading has failed by its fault, as the status to answer with: 400, 408, 413 or
  // 431.
  [[nodiscard]] virtual status problem() const { return status::ok; }
};

class body {
 public:
  static constexpr std::size_t default_limit = 1 << 20;

  body() noexcept = default;
  body(std::string text) noexcept : text_{std::move(text)}, kind_{kind::text} {}  // NOLINT: content is written as text
  body(const char* text) : body{std::string{text}} {}                             // NOLINT
  // Not copied: text that outlives the message.
  [[nodiscard]] static body view(std::string_view text) noexcept;
  // Of memory that the body owns a share of.
  [[nodiscard]] static body view(std::string_view text, std::shared_ptr<const void> owner) noexcept;
  [[nodiscard]] static body stream(std::unique_ptr<body_source> source) noexcept;
  // Pieces from a function; it returns an empty piece at the end.
  [[nodiscard]] static body generate(std::function<task<result<std::string>>()> next,
                                     std::optional<std::uint64_t> length = std::nullopt);

  [[nodiscard]] bool empty() const noexcept;  // certainly nothing
  [[nodiscard]] bool streamed() const noexcept { return source_ != nullptr; }
  [[nodiscard]] std::string_view buffered() const noexcept;  // the content, unless it is streamed
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept;
  [[nodiscard]] body_source* source() const noexcept { return source_.get(); }

  // All of it, read once and kept, so that it may be asked for again. Beyond `limit` bytes errc::resource_exhausted
  // with limit_kind::size. Without one the body's own limit holds: the server's max_body_bytes for what a server
  // received, else default_limit.
  [[nodiscard]] task<result<std::string_view>> text(std::size_t limit);
  [[nodiscard]] task<result<std::string_view>> text() { return text(limit_); }
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  void set_limit(std::size_t bytes) noexcept { limit_ = bytes; }
  // Whether text() found more than its limit; a server then answers 413, whatever the error it was given has become.
  [[nodiscard]] bool exceeded_limit() const noexcept { return exceeded_limit_; }
  // Also 408, 400 or 431 when reading it has failed by the sender's fault, whatever wraps the source; ok when not.
  [[nodiscard]] status problem() const {
    if (exceeded_limit_) return status::content_too_large;
    return source_ != nullptr ? source_->problem() : status::ok;
  }
  [[nodiscard]] task<result<std::string_view>> next();
  // What followed the content; empty until its end was read.
  [[nodiscard]] const headers& trailers() const noexcept;

 private:
  enum class kind : std::uint8_t { nothing, text, view };
  std::string text_;
  std::string_view view_;
  std::shared_ptr<const void> owner_;  // of what is viewed, if it is not somebody else's business
  std::unique_ptr<body_source> source_;
  std::size_t limit_ = default_limit;
  kind kind_ = kind::nothing;
  bool taken_ = false;  // next() has given the buffered content
  bool exceeded_limit_ = false;
};

}  // namespace weft::http
