#include "journal.hpp"

#include <charconv>

namespace counter {

using namespace weft;

namespace {

constexpr std::size_t largest_log = 16 << 20;

std::uint32_t checksum(std::string_view text) {
  std::uint32_t sum = 2166136261;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619;
  return sum;
}

std::string record(const operation& o) {
  auto text = o.id + " " + std::to_string(o.amount);
  return text + " " + std::to_string(checksum(text)) + "\n";
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  return problem == std::errc{} && end == text.data() + text.size();
}

bool read_record(std::string_view line, operation& o, flaw planted) {
  if (planted == flaw::trusts_torn_records) line = line.substr(0, line.find('\0'));
  const auto first = line.find(' '), second = line.find(' ', first + 1);
  if (first == line.npos) return false;
  o.id = line.substr(0, first);
  const auto amount = line.substr(first + 1, second == line.npos ? second : second - first - 1);
  if (!read_number(amount, o.amount)) return false;
  if (planted == flaw::trusts_torn_records) return true;
  std::uint32_t sum = 0;
  return second != line.npos && read_number(line.substr(second + 1), sum) && sum == checksum(line.substr(0, second));
}

}  // namespace

void journal::apply(std::string_view log, std::size_t& valid) {
  for (valid = 0; valid < log.size();) {
    const auto end = log.find('\n', valid);
    operation o;
    if (end == log.npos && flaw_ != flaw::trusts_torn_records) return;
    if (!read_record(log.substr(valid, end == log.npos ? end : end - valid), o, flaw_)) return;
    durable_[o.id] = o.amount;
    valid = end == log.npos ? log.size() : end + 1;
  }
}

task<result<>> journal::recover() {
  WEFT_CO_TRY(file_, co_await disk_.open("log", open_mode::create));
  WEFT_CO_TRY_VOID(co_await disk_.sync_directory());
  WEFT_CO_TRY(const auto log, co_await read_all(*file_, largest_log));
  std::size_t valid = 0;
  apply(log, valid);
  if (valid < log.size()) WEFT_CO_TRY_VOID(co_await file_->truncate(valid));
  // What was read may never have been synced: it must be before anyone is told of it.
  co_return co_await file_->sync();
}

task<void> journal::run() {
  for (;;) {
    while (waiting_.empty()) {
      work_.reset();
      if (!co_await work_.wait({})) co_return;
    }
    const auto batch = std::exchange(waiting_, {});
    const auto last = tickets_;
    std::string text;
    for (const auto& o : batch) text += record(o);
    if (!co_await file_->append(std::move(text))) co_return;
    if (flaw_ != flaw::acknowledges_before_sync && !co_await file_->sync()) co_return;
    for (const auto& o : batch) durable_[o.id] = o.amount;
    done_ = last;
    progress_.pulse();
    if (flaw_ == flaw::acknowledges_before_sync && !co_await file_->sync()) co_return;
  }
}

task<result<>> journal::add(context ctx, std::vector<operation> operations) {
  std::erase_if(operations, [this](const operation& o) { return durable_.contains(o.id); });
  if (operations.empty()) co_return result<>{};
  for (auto& o : operations) waiting_.push_back(std::move(o));
  const auto ticket = ++tickets_;
  work_.set();
  while (done_ < ticket) WEFT_CO_TRY_VOID(co_await progress_.wait(ctx));
  co_return result<>{};
}

std::vector<operation> journal::all() const {
  std::vector<operation> list;
  for (const auto& [id, amount] : durable_) list.push_back({id, amount});
  return list;
}

}  // namespace counter
