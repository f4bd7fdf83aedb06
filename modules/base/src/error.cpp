#include <weft/base/error.hpp>

namespace weft {

struct error::rep {
  std::string message, operation, peer, remedy;
};

std::string_view to_string(errc code) noexcept {
  switch (code) {
    case errc::cancelled:
      return "cancelled";
    case errc::unknown:
      return "unknown";
    case errc::invalid_argument:
      return "invalid_argument";
    case errc::deadline_exceeded:
      return "deadline_exceeded";
    case errc::not_found:
      return "not_found";
    case errc::already_exists:
      return "already_exists";
    case errc::permission_denied:
      return "permission_denied";
    case errc::resource_exhausted:
      return "resource_exhausted";
    case errc::failed_precondition:
      return "failed_precondition";
    case errc::aborted:
      return "aborted";
    case errc::out_of_range:
      return "out_of_range";
    case errc::unimplemented:
      return "unimplemented";
    case errc::internal:
      return "internal";
    case errc::unavailable:
      return "unavailable";
    case errc::data_loss:
      return "data_loss";
    case errc::unauthenticated:
      return "unauthenticated";
  }
  return "unknown";
}

error::error(errc code, std::string_view message)
    : rep_{message.empty() ? nullptr : std::make_shared<const rep>(rep{std::string{message}, {}, {}, {}})},
      code_{code} {}

std::string_view error::message() const noexcept { return rep_ ? std::string_view{rep_->message} : std::string_view{}; }
std::string_view error::operation() const noexcept {
  return rep_ ? std::string_view{rep_->operation} : std::string_view{};
}
std::string_view error::peer() const noexcept { return rep_ ? std::string_view{rep_->peer} : std::string_view{}; }
std::string_view error::remedy() const noexcept { return rep_ ? std::string_view{rep_->remedy} : std::string_view{}; }

bool error::transient() const noexcept {
  return code_ == errc::unavailable || code_ == errc::deadline_exceeded || code_ == errc::aborted ||
         (code_ == errc::resource_exhausted && limit_ == limit_kind::quota);
}

error error::with(std::string_view operation, std::string_view peer, std::string_view remedy) const {
  auto next = rep_ ? *rep_ : rep{};
  const auto set = [](std::string& field, std::string_view value) {
    if (field.empty()) field = value;
  };
  set(next.operation, operation);
  set(next.peer, peer);
  set(next.remedy, remedy);
  auto copy = *this;
  copy.rep_ = std::make_shared<const rep>(std::move(next));
  return copy;
}

error error::with_operation(std::string_view operation) const { return with(operation, {}, {}); }
error error::with_peer(std::string_view peer) const { return with({}, peer, {}); }
error error::with_remedy(std::string_view remedy) const { return with({}, {}, remedy); }

error error::with_limit(limit_kind kind) const {
  auto copy = *this;
  copy.limit_ = kind;
  return copy;
}

error error::as_unprocessed() const {
  auto copy = *this;
  copy.unprocessed_ = true;
  return copy;
}

std::string error::describe() const {
  std::string text{to_string(code_)};
  if (!rep_) return text;
  if (!rep_->message.empty()) text.append(": ").append(rep_->message);
  if (!rep_->operation.empty() || !rep_->peer.empty()) {
    text.append(" (").append(rep_->operation);
    if (!rep_->peer.empty()) text.append(rep_->operation.empty() ? "to " : " to ").append(rep_->peer);
    text.push_back(')');
  }
  if (!rep_->remedy.empty()) text.append(": ").append(rep_->remedy);
  return text;
}

std::unexpected<error> fail(errc code, std::string_view message) {
  return std::unexpected<error>{std::in_place, code, message};
}

}  // namespace weft
