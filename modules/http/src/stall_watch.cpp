#include "stall_watch.hpp"

#include <weft/base/saturating.hpp>

#include <algorithm>

namespace weft::http::detail {

namespace {
constexpr std::size_t max_named_routes = 5;

std::string route_of(const request& r) { return r.route().empty() ? "unmatched" : std::string{r.route()}; }
}  // namespace

stall_watch::stall_watch(loop& l, duration threshold, observe::registry* metrics, const observe::logger* log)
    : turn_observer{l, threshold}, loop_{l}, threshold_{threshold}, log_{log} {
  if (metrics != nullptr)
    stalls_ = metrics->add_counter("weft_http_server_stalls_total",
                                   "Turns of the loop that a request's handler held up.", {"route"});
}

stall_watch::active::active(stall_watch& watch, const request& r) noexcept
    : watch_{watch}, request_{r}, began_{watch.loop_.clock()}, next_{watch.first_} {
  if (next_ != nullptr) next_->previous_ = this;
  watch.first_ = this;
}

stall_watch::active::~active() {
  watch_.end(*this);
  (previous_ != nullptr ? previous_->next_ : watch_.first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

// Only once the turn is slow already is it worth remembering who was there.
void stall_watch::end(const active& a) {
  const auto turn = loop_.now(), now = loop_.clock();
  const auto so_far = time_between(turn, now);
  if (so_far < threshold_) return;
  if (!ended_.empty() && ended_.front().turn != turn) ended_.clear();
  if (ended_.size() > 1000) return;  // nobody is observing
  ended_.push_back({route_of(a.request_), turn, a.began_ >= turn && time_between(a.began_, now) * 2 >= so_far});
}

void stall_watch::observe(slow_turn& turn) {
  std::vector<std::string> routes;
  const auto add = [&](std::string route) {
    if (std::ranges::find(routes, route) == routes.end()) routes.push_back(std::move(route));
  };
  const auto culprit = std::ranges::find_if(ended_, [&](const auto& e) { return e.turn == loop_.now() && e.whole; });
  if (culprit != ended_.end()) {
    add(culprit->route);
  } else {
    for (const auto& e : ended_)
      if (e.turn == loop_.now()) add(e.route);
    for (const auto* a = first_; a != nullptr; a = a->next_) add(route_of(a->request_));
  }
  ended_.clear();
  if (routes.empty()) return;
  stalls_.with({routes.size() == 1 ? std::string_view{routes.front()} : std::string_view{"several"}}).add();
  if (turn.explained || log_ == nullptr) return;
  turn.explained = true;
  std::string named;
  for (std::size_t i = 0; i < std::min(routes.size(), max_named_routes); ++i)
    named.append(i == 0 ? "" : ", ").append(routes[i]);
  if (routes.size() > max_named_routes) named += ", ...";
  log_->warning("the loop stood still",
                {{"duration_ms", std::chrono::duration<double, std::milli>(turn.took).count()}, {"route", named}});
}

}  // namespace weft::http::detail
