#pragma once
// One replica of the counter, as an HTTP service. Its state is the set of increments it has seen; the value is their
// sum. Any replica takes any request and coordinates it:
//
//     POST /increments {"id":"a-1","amount":3}    204 once a majority has it on disk; safe to repeat with the same id
//     GET  /counter                               {"value":3}: at least every increment acknowledged before
//
// A read collects a majority's sets, and answers once a majority has their union on disk (Attiya, Bar-Noy and Dolev,
// "Sharing memory robustly in message-passing systems", 1995), so that no later read sees less. Between replicas:
//
//     POST /replica/operations {"operations":[...]}   204 once they are durable there
//     GET  /replica/operations
#include "journal.hpp"

#include <weft/http/client.hpp>
#include <weft/http/router.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/task_group.hpp>

#include <memory>
#include <string>
#include <vector>

namespace counter {

class replica {
 public:
  replica(weft::loop& l, weft::disk& d, const std::vector<std::string>& peers, flaw planted);

  // Recovers, then serves on port 80 until it is destroyed.
  weft::task<void> run();

 private:
  class quorum;
  using answer = weft::task<weft::result<weft::http::response>>;

  answer increment(weft::http::request& r);
  answer read(weft::http::request& r);
  answer store(weft::http::request& r);
  answer list(weft::http::request& r);

  // On a majority, this replica among them.
  weft::task<weft::result<>> make_durable(weft::context ctx, std::vector<operation> all);
  weft::task<weft::result<std::vector<operation>>> collect(weft::context ctx);
  weft::task<void> send_to_peer(weft::context ctx, weft::http::client& peer, const std::string& content, quorum& q);
  weft::task<void> ask_peer(weft::context ctx, weft::http::client& peer, std::vector<operation>& into, quorum& q);

  weft::loop& loop_;
  flaw flaw_;
  journal journal_;
  weft::task_group background_;
  std::vector<std::unique_ptr<weft::http::client>> peers_;
  weft::http::router routes_;
};

}  // namespace counter
