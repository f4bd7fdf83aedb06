#include "epoll_impl.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/from_callback.hpp>
#include <weft/runtime/sleep.hpp>

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>

#include <algorithm>
#include <cstring>

namespace weft {

// c-ares is thread-safe to initialise once; the destructor never runs, since loops may outlive static objects.
static void initialise_library() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  if (status != ARES_SUCCESS) throw std::runtime_error{std::string{"c-ares: "} + ares_strerror(status)};
}

// c-ares doubles the time of each try, in an int of milliseconds.
constexpr std::chrono::milliseconds longest_try = std::chrono::hours{24};

struct resolver::socket_watch final {
  struct side final : io_waiter {
    side(socket_watch& w, io_direction d) : socket_{w}, direction{d} {}
    void run() override {
      if (socket_.closed) return;
      auto& owned_by = socket_.owner;
      const int socket = socket_.registration.descriptor();
      const bool reading = direction == io_direction::read;
      (reading ? socket_.registration.readable : socket_.registration.writable) = false;
      // c-ares reads a TCP socket once for each call, so an edge alone could leave the rest of an answer there.
      socket_.registration.rearm();
      if (reading ? socket_.wants_read : socket_.wants_write) socket_.registration.wait(direction, *this);
      // The last thing: it may close this socket.
      owned_by.process(reading ? socket : ARES_SOCKET_BAD, reading ? ARES_SOCKET_BAD : socket);
    }
    socket_watch& socket_;
    io_direction direction;
  };

  socket_watch(resolver& r, int socket) : owner{r}, registration{r.loop_, socket} {
    registration.readable = registration.writable = false;
  }
  void want(bool read, bool write) {
    const auto set = [&](bool now, bool& before, side& s) {
      if (now && !before) {
        s.detach();
        s.unschedule();
        registration.wait(s.direction, s);
      }
      before = now;
    };
    set(read, wants_read, reader);
    set(write, wants_write, writer);
    registration.rearm();
  }

  // c-ares is about to close the descriptor.
  void close() noexcept {
    closed = true;
    registration.remove();
    for (auto* s : {&reader, &writer}) {
      s->detach();
      s->unschedule();
    }
  }

  resolver& owner;
  epoll_registration registration;
  bool wants_read = false, wants_write = false;
  bool closed = false;  // c-ares has closed it: nothing may be done with its number any more
  side reader{*this, io_direction::read}, writer{*this, io_direction::write};
};

struct resolver::clock final : timer_node {
  explicit clock(resolver& r) : owner{r} {}
  void expire() override { owner.process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }
  resolver& owner;
};

resolver::resolver(epoll_loop& l, const epoll_loop_options& options)
    : loop_{l}, clock_{std::make_unique<clock>(*this)} {
  initialise_library();
  ares_options o{};
  o.timeout = static_cast<int>(std::clamp<std::int64_t>(
      saturating_cast<std::chrono::milliseconds>(options.dns_timeout).count(), 1, longest_try.count()));
  o.tries = options.dns_tries;
  o.sock_state_cb_data = this;
  o.sock_state_cb = [](void* self, ares_socket_t descriptor, int readable, int writable) {
    static_cast<resolver*>(self)->socket_changed(descriptor, readable != 0, writable != 0);
  };
  if (const int status = ares_init_options(&channel_, &o, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
      status != ARES_SUCCESS)
    throw std::runtime_error{std::string{"c-ares: "} + ares_strerror(status)};
  if (!options.dns_servers.empty()) {
    std::string servers = options.dns_servers;
    std::erase(servers, ' ');
    if (ares_set_servers_ports_csv(channel_, servers.c_str()) != ARES_SUCCESS) {
      ares_destroy(channel_);
      throw std::runtime_error{"dns_servers: expected addresses such as 127.0.0.1:53, got '" + options.dns_servers +
                               "'"};
    }
  }
}

resolver::~resolver() {
  ares_destroy(channel_);  // ends every question with ARES_EDESTRUCTION
}

void resolver::socket_changed(int descriptor, bool readable, bool writable) {
  if (!readable && !writable) {
    if (const auto found = sockets_.find(descriptor); found != sockets_.end()) {
      found->second->close();
      closed_.push_back(std::move(found->second));
      sockets_.erase(found);
    }
    return;
  }
  auto& watch = sockets_[descriptor];
  if (!watch) {
    watch = std::make_unique<socket_watch>(*this, descriptor);
    if (!watch->registration.add()) return;  // c-ares then times out and says so
  }
  watch->want(readable, writable);
}

void resolver::process(int readable, int writable) {
  ares_process_fd(channel_, readable, writable);
  rearm();
}

// After every call into c-ares: it may have closed sockets, and its next time-out may be another.
void resolver::rearm() {
  closed_.clear();
  timeval room{};
  if (const auto* next = ares_timeout(channel_, nullptr, &room); next != nullptr)
    loop_.arm(*clock_,
              later(later(loop_.now(), std::chrono::seconds{next->tv_sec}), std::chrono::microseconds{next->tv_usec}));
  else
    clock_->disarm();
}

namespace {

std::unexpected<error> failure_of(int status, std::string_view name) {
  const auto code = [&] {
    switch (status) {
      case ARES_ENOTFOUND:
      case ARES_ENODATA:
        return errc::not_found;
      case ARES_EBADNAME:
        return errc::invalid_argument;
      case ARES_EBADRESP:
        return errc::data_loss;
      case ARES_ECANCELLED:
      case ARES_EDESTRUCTION:
        return errc::cancelled;
      default:
        return errc::unavailable;
    }
  }();
  return fail(error{code, ares_strerror(status)}.with_operation("resolving " + std::string{name}));
}

// An answer to one question, awaited with the context's end in view. c-ares cannot take back one question, so the
// answer may come when nobody waits any more; then it is dropped.
template <class Answer>
class question final : public timer_node, public cancel_callback {
 public:
  struct shared {
    question* waiting = nullptr;
  };
  question(loop& l, const context& ctx) : loop_{l}, context_{ctx} { shared_->waiting = this; }
  ~question() { shared_->waiting = nullptr; }

  // What c-ares hands back to its callback; owned by that call.
  std::shared_ptr<shared>* ticket() { return new std::shared_ptr<shared>{shared_}; }
  static void answer(void* ticket, int status, Answer value) {
    const std::unique_ptr<std::shared_ptr<shared>> owned{static_cast<std::shared_ptr<shared>*>(ticket)};
    if (auto* q = (*owned)->waiting; q != nullptr) q->finish(status, std::move(value));
  }

  bool await_ready() {
    if (!done_) {
      ended_ = context_.check(loop_.now());
      done_ = !ended_;
    }
    return done_;
  }
  void await_suspend(std::coroutine_handle<> frame) {
    resume_.set(frame);
    suspended_ = true;
    loop_.arm(*this, context_.deadline());
    watch(context_.cancellation());
  }
  result<> await_resume() { return std::move(ended_); }
  int status = ARES_SUCCESS;
  Answer value{};

 private:
  void finish(int s, Answer v) {
    if (done_) return;
    status = s;
    value = std::move(v);
    end({});
  }
  void end(result<> how) {
    if (done_) return;
    done_ = true;
    ended_ = std::move(how);
    disarm();
    unwatch();
    if (suspended_) loop_.schedule(resume_);
  }
  void expire() override { end(fail(errc::deadline_exceeded, "the deadline passed while resolving a name")); }
  void cancelled(errc reason) override { end(fail(reason, "cancelled while resolving a name")); }

  loop& loop_;
  context context_;
  bool done_ = false, suspended_ = false;  // the hosts file answers before anyone waits
  result<> ended_;
  resume_node resume_;
  std::shared_ptr<shared> shared_ = std::make_shared<shared>();
};

std::vector<address> addresses_of(const ares_addrinfo& info, std::uint16_t port) {
  std::vector<address> six, four, mixed;
  for (const auto* node = info.nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family == AF_INET) {
      std::array<std::uint8_t, 4> bytes;
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(node->ai_addr)->sin_addr, 4);
      four.push_back(address::ip4(bytes, port));
    } else if (node->ai_family == AF_INET6) {
      std::array<std::uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(node->ai_addr)->sin6_addr, 16);
      six.push_back(address::ip6(bytes, port));
    }
  }
  const bool four_first = info.nodes != nullptr && info.nodes->ai_family == AF_INET;
  const auto &first = four_first ? four : six, &second = four_first ? six : four;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) mixed.push_back(first[i]);
    if (i < second.size()) mixed.push_back(second[i]);
  }
  return mixed;
}

// Reads a DNS message (RFC 1035, 4.1): c-ares' own parsers drop the TTL of SRV records.
class message_reader {
 public:
  message_reader(const unsigned char* data, int size) : data_{data}, size_{static_cast<std::size_t>(size)} {}

  result<std::vector<dns_record>> records(dns_type wanted) {
    const auto malformed = [] { return fail(errc::data_loss, "a malformed DNS answer"); };
    position_ = 4;
    const auto questions = u16(), answers = u16();
    position_ = 12;
    for (unsigned i = 0; i < questions; ++i) {
      skip_name();
      position_ += 4;
    }
    std::vector<dns_record> found;
    for (unsigned i = 0; i < answers && good_; ++i) {
      skip_name();
      const auto type = u16();
      u16();
      const auto ttl = static_cast<std::uint32_t>(u16()) << 16 | u16();
      const auto length = u16();
      const auto next = position_ + length;
      if (!good_ || next > size_) return malformed();
      if (type == static_cast<std::uint16_t>(wanted)) {
        dns_record record{
            .type = wanted, .ttl = std::chrono::seconds{ttl > 0x7fffffff ? 0 : ttl}, .where = {}, .target = {}};
        if (wanted == dns_type::a && length == 4) {
          std::array<std::uint8_t, 4> bytes;
          std::memcpy(bytes.data(), data_ + position_, 4);
          record.where = address::ip4(bytes, 0);
        } else if (wanted == dns_type::aaaa && length == 16) {
          std::array<std::uint8_t, 16> bytes;
          std::memcpy(bytes.data(), data_ + position_, 16);
          record.where = address::ip6(bytes, 0);
        } else if (wanted == dns_type::srv) {
          record.priority = u16();
          record.weight = u16();
          record.port = u16();
          if (!name_into(record.target)) return malformed();
        } else {
          return malformed();
        }
        found.push_back(std::move(record));
      }
      position_ = next;
    }
    if (!good_) return malformed();
    return found;
  }

 private:
  std::uint16_t u16() {
    if (position_ + 2 > size_) return good_ = false, std::uint16_t{0};
    const auto value = static_cast<std::uint16_t>(data_[position_] << 8 | data_[position_ + 1]);
    position_ += 2;
    return value;
  }
  bool name_into(std::string& text) {
    char* expanded = nullptr;
    long used = 0;
    if (position_ >= size_ ||
        ares_expand_name(data_ + position_, data_, static_cast<int>(size_), &expanded, &used) != ARES_SUCCESS)
      return good_ = false;
    text = expanded;
    ares_free_string(expanded);
    position_ += static_cast<std::size_t>(used);
    return true;
  }
  void skip_name() {
    std::string ignored;
    if (good_) name_into(ignored);
  }

  const unsigned char* data_;
  std::size_t size_, position_ = 0;
  bool good_ = true;
};

struct raw_answer {
  result<std::vector<dns_record>> records;
};

}  // namespace

task<result<std::vector<address>>> resolver::resolve(context ctx, std::string host, std::uint16_t port) {
  using asked = question<std::vector<address>>;
  asked q{loop_, ctx};
  struct ticket {
    std::shared_ptr<asked::shared>* inner;
    std::uint16_t port;
  };
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_flags = ARES_AI_NOSORT;
  ares_getaddrinfo(
      channel_, host.c_str(), nullptr, &hints,
      [](void* arg, int status, int, ares_addrinfo* info) {
        const std::unique_ptr<ticket> t{static_cast<ticket*>(arg)};
        auto found = info != nullptr ? addresses_of(*info, t->port) : std::vector<address>{};
        if (info != nullptr) ares_freeaddrinfo(info);
        asked::answer(t->inner, status, std::move(found));
      },
      new ticket{q.ticket(), port});
  rearm();
  WEFT_CO_TRY_VOID(co_await q);
  if (q.status != ARES_SUCCESS) co_return failure_of(q.status, host);
  if (q.value.empty()) co_return failure_of(ARES_ENODATA, host);
  co_return std::move(q.value);
}

task<result<std::vector<dns_record>>> resolver::query(context ctx, std::string name, dns_type type) {
  using asked = question<result<std::vector<dns_record>>>;
  asked q{loop_, ctx};
  struct ticket {
    std::shared_ptr<asked::shared>* inner;
    dns_type type;
  };
  ares_query(
      channel_, name.c_str(), ns_c_in, static_cast<int>(type),
      [](void* arg, int status, int, unsigned char* data, int size) {
        const std::unique_ptr<ticket> t{static_cast<ticket*>(arg)};
        result<std::vector<dns_record>> records;
        if (status == ARES_SUCCESS) records = message_reader{data, size}.records(t->type);
        asked::answer(t->inner, status, std::move(records));
      },
      new ticket{q.ticket(), type});
  rearm();
  WEFT_CO_TRY_VOID(co_await q);
  if (q.status != ARES_SUCCESS) co_return failure_of(q.status, name);
  if (!q.value) co_return fail(q.value.error().with_operation("resolving " + name));
  if (q.value->empty()) co_return failure_of(ARES_ENODATA, name);
  co_return std::move(q.value);
}

}  // namespace weft
