#include <weft/net/pipe.hpp>

#include <algorithm>

namespace weft::net {

namespace {

// The bytes on their way from one end to the other.
struct one_way {
  std::string bytes;
  std::size_t from = 0;
  bool ended = false;   // no more will be written
  bool broken = false;  // the reader left, or one side reset
  io_waiter *reader = nullptr, *writer = nullptr;

  [[nodiscard]] std::size_t size() const noexcept { return bytes.size() - from; }
  void drop() noexcept {
    std::string{}.swap(bytes);  // assigning an empty string would keep the memory
    from = 0;
  }
};
struct both_ways {
  loop& on;
  std::size_t capacity;
  one_way ways[2];
  bool reset = false;
};

void wake(loop& l, io_waiter*& slot) {
  if (slot == nullptr) return;
  auto* waiter = slot;
  waiter->detach();
  l.schedule(*waiter);
}

class pipe_end final : public stream {
 public:
  pipe_end(std::shared_ptr<both_ways> shared, int in) : shared_{std::move(shared)}, in_{in} {}
  ~pipe_end() override {
    out().ended = true;
    in().broken = true;
    in().drop();
    wake(shared_->on, out().reader);
    wake(shared_->on, in().writer);
  }

  io_result try_read(std::span<char> into) override {
    if (failed_ || shared_->reset) return failed();
    auto& way = in();
    const auto count = std::min(into.size(), way.size());
    if (count > 0) {
      std::copy_n(way.bytes.data() + way.from, count, into.data());
      way.from += count;
      if (way.from == way.bytes.size()) way.drop();
      wake(shared_->on, way.writer);
      return {io_status::ok, count};
    }
    if (into.empty()) return {io_status::ok};
    return {way.ended ? io_status::end : io_status::blocked};
  }

  [[nodiscard]] io_status peek() override {
    if (failed_ || shared_->reset) return io_status::failed;
    if (in().size() > 0) return io_status::ok;
    return in().ended ? io_status::end : io_status::blocked;
  }

  io_result try_write(std::span<const const_buffer> buffers) override {
    auto& way = out();
    if (failed_ || shared_->reset || way.broken || way.ended) return failed();
    std::size_t taken = 0, asked = 0;
    for (const auto& buffer : buffers) {
      asked += buffer.size;
      const auto part = std::min(buffer.size, shared_->capacity - std::min(shared_->capacity, way.size()));
      if (way.from > shared_->capacity) way.bytes.erase(0, std::exchange(way.from, 0));
      way.bytes.append(static_cast<const char*>(buffer.data), part);
      taken += part;
    }
    if (taken == 0 && asked > 0) return {io_status::blocked};
    if (taken > 0) wake(shared_->on, way.reader);
    return {io_status::ok, taken};
  }

  void wait(io_direction direction, io_waiter& waiter) override {
    const bool reading = direction == io_direction::read;
    const bool ready =
        failed_ || shared_->reset ||
        (reading ? in().size() > 0 || in().ended : out().size() < shared_->capacity || out().broken || out().ended);
    if (ready) return shared_->on.schedule(waiter);
    waiter.attach(reading ? in().reader : out().writer);
  }
  void cancel(io_direction direction, errc reason) override {
    auto*& slot = direction == io_direction::read ? in().reader : out().writer;
    if (slot == nullptr) return;
    slot->interrupt(reason);
    wake(shared_->on, slot);
  }
  void shutdown_write() override {
    out().ended = true;
    wake(shared_->on, out().reader);
  }
  void reset() override {
    shared_->reset = true;
    for (auto& way : shared_->ways) {
      wake(shared_->on, way.reader);
      wake(shared_->on, way.writer);
    }
  }
  [[nodiscard]] error failure() const override {
    return error{errc::unavailable, shared_->reset ? "the pipe was reset" : "the other end of the pipe is closed"};
  }
  [[nodiscard]] const stream_info& info() const override { return info_; }

 private:
  one_way& in() const noexcept { return shared_->ways[in_]; }
  one_way& out() const noexcept { return shared_->ways[1 - in_]; }
  io_result failed() noexcept {
    failed_ = true;
    return {io_status::failed};
  }

  std::shared_ptr<both_ways> shared_;
  int in_;
  bool failed_ = false;
  stream_info info_;
};

}  // namespace

std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> make_pipe(loop& l, std::size_t capacity) {
  WEFT_ASSERT(capacity > 0, "a pipe that holds nothing");
  auto shared = std::make_shared<both_ways>(both_ways{.on = l, .capacity = capacity, .ways = {}});
  auto first = std::make_unique<pipe_end>(shared, 0);
  return {std::move(first), std::make_unique<pipe_end>(std::move(shared), 1)};
}

}  // namespace weft::net
