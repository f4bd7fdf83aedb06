#pragma once
// Where a command reads from: standard input, or a test's text.
//
//     descriptor_source input{loop, STDIN_FILENO};
//     line_splitter lines;
//     WEFT_CO_TRY(auto piece, co_await input.read(ctx));
//     WEFT_TRY_VOID(lines.feed(piece));
//     while (auto line = lines.next()) ...
#include <weft/base/error.hpp>
#include <weft/runtime/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weft::cli {

class byte_source {
 public:
  virtual ~byte_source() = default;
  byte_source(const byte_source&) = delete;
  byte_source& operator=(const byte_source&) = delete;

  // What is there, waiting for some; empty at the end.
  virtual task<result<std::string>> read(context ctx) = 0;

 protected:
  byte_source() = default;
};

// Does not own the descriptor, and leaves its flags alone, since other programs may have it too.
class descriptor_source final : public byte_source {
 public:
  descriptor_source(loop& l, int descriptor) : loop_{l}, descriptor_{descriptor} {}
  task<result<std::string>> read(context ctx) override;

 private:
  loop& loop_;
  int descriptor_;
  std::unique_ptr<watched_descriptor> watched_;  // null for a file, which never makes anybody wait
  bool asked_ = false;
};

class text_source final : public byte_source {
 public:
  explicit text_source(std::string text, std::size_t piece = 64 * 1024) : text_{std::move(text)}, piece_{piece} {}
  task<result<std::string>> read(context ctx) override;

 private:
  std::string text_;
  std::size_t piece_;
};

// All of it. errc::resource_exhausted beyond the bound.
[[nodiscard]] task<result<std::string>> read_all(byte_source& from, context ctx, std::size_t max_bytes);

// Lines out of pieces. A carriage return before the newline is dropped.
class line_splitter {
 public:
  explicit line_splitter(std::size_t max_line_bytes = 16 * 1024 * 1024) : max_line_bytes_{max_line_bytes} {}

  // errc::resource_exhausted names the line that is too long.
  [[nodiscard]] result<> feed(std::string_view piece);
  // What follows the last newline is a line, too.
  void end() noexcept { ended_ = true; }
  [[nodiscard]] std::optional<std::string> next();
  // Of the line that next() gave last; from 1.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

 private:
  std::size_t max_line_bytes_;
  std::string text_;
  std::size_t at_ = 0;
  std::uint64_t number_ = 0;
  bool ended_ = false;
};

}  // namespace weft::cli
