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

  // All of it, read once and kept, so that it may be asked for again. errc::resource_exhausted beyond `limit` bytes.
  [[nodiscard]] task<result<std::string_view>> text(std::size_t limit = default_limit);
  // Whether text() found more than its limit; a server then answers 413, whatever the error it was given has become.
  [[nodiscard]] bool exceeded_limit() const noexcept { return exceeded_limit_; }
  [[nodiscard]] task<result<std::string_view>> next();
  // What followed the content; empty until its end was read.
  [[nodiscard]] const headers& trailers() const noexcept;

 private:
  enum class kind : std::uint8_t { nothing, text, view };
  std::string text_;
  std::string_view view_;
  std::shared_ptr<const void> owner_;  // of what is viewed, if it is not somebody else's business
  std::unique_ptr<body_source> source_;
  kind kind_ = kind::nothing;
  bool taken_ = false;  // next() has given the buffered content
  bool exceeded_limit_ = false;
};

}  // namespace weft::http
