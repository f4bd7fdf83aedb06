#include <weft/http/body.hpp>

namespace weft::http {

namespace {
class generated final : public body_source {
 public:
  generated(std::function<task<result<std::string>>()> next, std::optional<std::uint64_t> length)
      : next_{std::move(next)}, length_{length} {}
  task<result<std::string_view>> next() override {
    auto piece = co_await next_();
    if (!piece) co_return fail(std::move(piece).error());
    piece_ = *std::move(piece);
    co_return std::string_view{piece_};
  }
  std::optional<std::uint64_t> length() const override { return length_; }

 private:
  std::function<task<result<std::string>>()> next_;
  std::optional<std::uint64_t> length_;
  std::string piece_;
};
}  // namespace

body body::view(std::string_view text) noexcept {
  body b;
  b.view_ = text;
  b.kind_ = kind::view;
  return b;
}

body body::view(std::string_view text, std::shared_ptr<const void> owner) noexcept {
  auto b = view(text);
  b.owner_ = std::move(owner);
  return b;
}

body body::stream(std::unique_ptr<body_source> source) noexcept {
  body b;
  b.source_ = std::move(source);
  return b;
}

body body::generate(std::function<task<result<std::string>>()> next, std::optional<std::uint64_t> length) {
  return stream(std::make_unique<generated>(std::move(next), length));
}

std::string_view body::buffered() const noexcept {
  switch (kind_) {
    case kind::text:
      return text_;
    case kind::view:
      return view_;
    case kind::nothing:
      break;
  }
  return {};
}

bool body::empty() const noexcept { return source_ == nullptr && buffered().empty(); }

std::optional<std::uint64_t> body::length() const noexcept {
  if (source_ != nullptr) return source_->length();
  return buffered().size();
}

const headers& body::trailers() const noexcept {
  static const headers none;
  const auto* found = source_ != nullptr ? source_->trailers() : nullptr;
  return found != nullptr ? *found : none;
}

task<result<std::string_view>> body::next() {
  if (source_ != nullptr && kind_ == kind::nothing) co_return co_await source_->next();
  if (std::exchange(taken_, true)) co_return std::string_view{};
  co_return buffered();
}

task<result<std::string_view>> body::text(std::size_t limit) {
  const auto too_large = [this, limit] {
    exceeded_limit_ = true;
    return fail(
        error{errc::resource_exhausted, "the content is larger than its limit of " + std::to_string(limit) + " bytes"}
            .with_limit(limit_kind::size));
  };
  if (source_ == nullptr || kind_ != kind::nothing) {
    if (buffered().size() > limit) co_return too_large();
    co_return buffered();
  }
  if (const auto expected = source_->length(); expected && *expected > limit) co_return too_large();
  std::string all;
  if (const auto expected = source_->length()) all.reserve(static_cast<std::size_t>(*expected));
  for (;;) {
    auto piece = co_await source_->next();
    if (!piece) co_return fail(std::move(piece).error());
    if (piece->empty()) break;
    if (piece->size() > limit - all.size()) co_return too_large();
    all.append(*piece);
  }
  text_ = std::move(all);
  kind_ = kind::text;
  co_return std::string_view{text_};
}

}  // namespace weft::http
