#pragma once
// A broker that writes down what it takes, and answers as the test says: it confirms, fails, or holds its answer back
// after it has taken the messages.
#include <weft/messaging/broker.hpp>
#include <weft/runtime/sync.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace weft::messaging {

class scripted_broker final : public broker {
 public:
  explicit scripted_broker(loop& l) : answers_{l} { answers_.set(); }

  // Asked for each message before it is taken; a failure is the answer. None: every message is taken.
  std::function<result<>(const outgoing&)> verdict;
  // Asked first, for a call as a whole.
  std::function<result<>()> verdict_of_call;

  void hold_answers() { answers_.reset(); }
  void release_answers() { answers_.set(); }
  [[nodiscard]] const std::vector<outgoing>& taken() const noexcept { return taken_; }
  [[nodiscard]] std::vector<std::string> ids() const {
    std::vector<std::string> list;
    for (const auto& each : taken_) list.push_back(each.what.id);
    return list;
  }
  // By key, in the order of their arrival, the first of each id.
  [[nodiscard]] std::map<std::string, std::vector<std::string>> first_by_key() const {
    std::map<std::string, std::vector<std::string>> all;
    std::map<std::string, int> seen;
    for (const auto& each : taken_)
      if (seen[each.what.id]++ == 0) all[each.what.key].push_back(each.what.id);
    return all;
  }
  [[nodiscard]] std::size_t count(const std::string& id) const {
    std::size_t n = 0;
    for (const auto& each : taken_) n += each.what.id == id ? 1 : 0;
    return n;
  }
  std::size_t calls = 0;
  broker_features has{.broker = "scripted", .max_message_bytes = 1000};

  [[nodiscard]] const broker_features& features() const noexcept override { return has; }
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override {
    ++calls;
    if (const auto whole = verdict_of_call ? verdict_of_call() : result<>{}; !whole)
      co_return std::vector<result<>>(batch.size(), whole);
    std::vector<result<>> answers;
    for (auto& each : batch) {
      answers.push_back(verdict ? verdict(each) : result<>{});
      if (answers.back()) taken_.push_back(std::move(each));
    }
    if (auto waited = co_await answers_.wait(ctx); !waited)
      for (auto& a : answers) a = waited;
    co_return answers;
  }
  task<result<std::unique_ptr<consumer>>> subscribe(context, subscription) override {
    co_return fail(errc::unimplemented, "nobody listens here");
  }
  task<void> close(context) override { co_return; }

 private:
  weft::event answers_;
  std::vector<outgoing> taken_;
};

}  // namespace weft::messaging
