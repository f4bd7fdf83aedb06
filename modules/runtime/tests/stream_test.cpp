// TCP and Unix sockets, as a user of stream and listener sees them.
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/when.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace weft {
namespace {
using namespace std::chrono_literals;

std::string fresh_path() {
  std::string folder = testing::TempDir() + "weftXXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
  return folder + "/socket";
}

struct connection {
  std::unique_ptr<listener> taking;
  std::unique_ptr<stream> client, server;
};
task<connection> connected(loop& l, address at) {
  auto taking = l.listen(at).value();
  auto [server, client] = co_await when_all(l, taking->accept(), l.connect({}, taking->local()));
  co_return connection{std::move(taking), std::move(client).value(), std::move(server).value()};
}

task<result<>> send(stream& s, std::string text) {
  const_buffer buffer{text};
  co_return co_await s.write({&buffer, 1});
}
task<std::string> receive_all(stream& s) {
  std::string all;
  std::vector<char> room(16 * 1024);
  while (const auto n = (co_await s.read(room)).value()) all.append(room.data(), n);
  co_return all;
}
task<result<std::size_t>> read_some(stream& s) {
  char room[64];
  co_return co_await s.read(room);
}
std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 256 * 7);
  return text;
}

// Each kind of address that this machine has.
std::vector<std::string> kinds() {
  std::vector<std::string> found{"tcp4", "unix"};
  epoll_loop loop;
  if (loop.listen(*address::parse("[::1]:0"))) found.emplace_back("tcp6");
  return found;
}
class Stream : public testing::TestWithParam<std::string> {
 protected:
  address somewhere() const {
    if (GetParam() == "tcp4") return address::loopback(0);
    if (GetParam() == "tcp6") return *address::parse("[::1]:0");
    return address::unix_path(fresh_path());
  }
  epoll_loop loop_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, Stream, testing::ValuesIn(kinds()), [](const auto& i) { return i.param; });

task<void> echo_with_half_close(loop& l, address at) {
  auto c = co_await connected(l, at);
  EXPECT_TRUE(co_await send(*c.client, "question"));
  c.client->shutdown_write();
  EXPECT_EQ(co_await receive_all(*c.server), "question");
  EXPECT_TRUE(co_await send(*c.server, "answer"));
  c.server.reset();
  EXPECT_EQ(co_await receive_all(*c.client), "answer");
  EXPECT_EQ((co_await read_some(*c.client)).value(), 0u) << "the end stays the end";
}
TEST_P(Stream, CarriesBothWaysAndHalfCloses) { loop_.run(echo_with_half_close(loop_, somewhere())); }

task<void> knows_both_ends(loop& l, address at) {
  auto c = co_await connected(l, at);
  EXPECT_EQ(c.client->info().peer, c.taking->local());
  EXPECT_EQ(c.server->info().local, c.taking->local());
  EXPECT_EQ(c.server->info().peer, c.client->info().local);
  EXPECT_FALSE(c.client->info().encrypted);
}
TEST_P(Stream, KnowsBothEnds) { loop_.run(knows_both_ends(loop_, somewhere())); }

task<void> send_and_note(stream& s, std::string text, bool& done) {
  EXPECT_TRUE(co_await send(s, std::move(text)));
  done = true;
  s.shutdown_write();
}
task<void> push_back(loop& l, address at) {
  auto c = co_await connected(l, at);
  const auto text = pattern(16 << 20);
  bool done = false;
  task_group group{l};
  group.spawn(send_and_note(*c.client, text, done));
  for (int turn = 0; turn < 50; ++turn) co_await yield(l);
  EXPECT_FALSE(done) << "nobody read, and yet all was taken";
  EXPECT_TRUE(co_await receive_all(*c.server) == text);
  EXPECT_TRUE(done);
  co_await group.join();
}
TEST_P(Stream, AWriterWaitsForItsReaderAndAllArrives) { loop_.run(push_back(loop_, somewhere())); }

task<void> many_buffers(loop& l, address at) {
  auto c = co_await connected(l, at);
  std::string expected;
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) expected += texts.emplace_back(static_cast<std::size_t>(i % 7), static_cast<char>(i));
  std::vector<const_buffer> buffers(texts.begin(), texts.end());
  EXPECT_TRUE(co_await c.client->write(buffers));
  c.client->shutdown_write();
  EXPECT_TRUE(co_await receive_all(*c.server) == expected);
}
TEST_P(Stream, WritesManyBuffersEmptyOnesAmongThem) { loop_.run(many_buffers(loop_, somewhere())); }

task<void> cut_reads_short(loop& l, address at) {
  auto c = co_await connected(l, at);
  {
    const interrupt_on_end guard{l, context{}.with_timeout(l, 2ms), *c.client};
    EXPECT_EQ((co_await read_some(*c.client)).error().code(), errc::deadline_exceeded);
  }
  cancel_source source;
  const interrupt_on_end guard{l, context{}.with_cancellation(source.token()), *c.client};
  l.post([&] { source.cancel(errc::aborted); });
  EXPECT_EQ((co_await read_some(*c.client)).error().code(), errc::aborted);
}
task<void> usable_afterwards(loop& l, address at) {
  auto c = co_await connected(l, at);
  {
    const interrupt_on_end guard{l, context{}.with_timeout(l, 2ms), *c.client};
    EXPECT_FALSE(co_await read_some(*c.client));
  }
  EXPECT_TRUE(co_await send(*c.server, "late"));
  EXPECT_EQ((co_await read_some(*c.client)).value(), 4u);
}
TEST_P(Stream, AWaitEndsWithItsContextAndTheStreamStays) {
  loop_.run(cut_reads_short(loop_, somewhere()));
  loop_.run(usable_afterwards(loop_, somewhere()));
}

task<void> cut_a_later_wait_short(loop& l, address at) {
  auto c = co_await connected(l, at);
  cancel_source source;
  const interrupt_on_end guard{l, context{}.with_cancellation(source.token()), *c.client};
  source.cancel();  // while nothing waits
  EXPECT_EQ((co_await read_some(*c.client)).error().code(), errc::cancelled);
}
TEST_P(Stream, AContextThatEndedBeforeTheWaitStillEndsIt) { loop_.run(cut_a_later_wait_short(loop_, somewhere())); }

task<void> cut_a_write_short(loop& l, address at) {
  auto c = co_await connected(l, at);
  const interrupt_on_end guard{l, context{}.with_timeout(l, 5ms), *c.client};
  EXPECT_EQ((co_await send(*c.client, pattern(16 << 20))).error().code(), errc::deadline_exceeded);
}
TEST_P(Stream, AWriteToASilentPeerEndsWithItsContext) { loop_.run(cut_a_write_short(loop_, somewhere())); }

task<void> close_while_accepting(loop& l, address at) {
  auto taking = l.listen(at).value();
  l.post([&] { taking->close(); });
  EXPECT_EQ((co_await taking->accept()).error().code(), errc::cancelled);
  EXPECT_EQ((co_await taking->accept()).error().code(), errc::cancelled);
  EXPECT_EQ((co_await l.connect({}, taking->local())).error().code(), errc::unavailable);
}
// G15, A8: who had connected before is not reset.
task<void> close_with_a_backlog(loop& l, address at) {
  auto taking = l.listen(at).value();
  const auto to = taking->local();
  std::vector<std::unique_ptr<stream>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back((co_await l.connect({}, to)).value());
  taking->close();
  EXPECT_FALSE(co_await l.connect({}, to));
  for (int i = 0; i < 3; ++i) {
    auto accepted = co_await taking->accept();
    EXPECT_TRUE(accepted) << i;
    if (!accepted) co_return;
    const_buffer hello{std::string_view{"hello"}};
    EXPECT_TRUE(co_await (*accepted)->write({&hello, 1}));
    char room[8];
    EXPECT_EQ(co_await clients[static_cast<std::size_t>(i)]->read(room), 5U);
  }
  EXPECT_EQ((co_await taking->accept()).error().code(), errc::cancelled);
}
TEST_P(Stream, AClosedListenerGivesWhatHadConnectedBefore) { loop_.run(close_with_a_backlog(loop_, somewhere())); }

TEST_P(Stream, AClosedListenerAcceptsNoMore) { loop_.run(close_while_accepting(loop_, somewhere())); }

task<void> use_after_reset(loop& l, address at) {
  auto c = co_await connected(l, at);
  c.client->reset();
  const auto read = co_await read_some(*c.client);
  EXPECT_EQ(read.error().code(), errc::unavailable);
  EXPECT_EQ((co_await send(*c.client, "x")).error(), read.error()) << "every call fails alike";
  c.client->reset();
  c.client->shutdown_write();
}
TEST_P(Stream, FailsOnceReset) { loop_.run(use_after_reset(loop_, somewhere())); }

task<void> reset_seen_by_peer(loop& l) {
  auto c = co_await connected(l, address::loopback(0));
  l.post([&] { c.client->reset(); });
  const auto read = co_await read_some(*c.server);
  EXPECT_EQ(read.error().code(), errc::unavailable) << "a reset must not look like an orderly end";
  EXPECT_EQ(read.error().peer(), c.client->info().local.to_string());
}
TEST(Tcp, TheOtherSideSeesAReset) {
  epoll_loop loop;
  loop.run(reset_seen_by_peer(loop));
}

task<void> write_to_the_gone(loop& l) {
  auto c = co_await connected(l, address::loopback(0));
  c.server.reset();
  result<> wrote;
  for (int i = 0; i < 100 && wrote; ++i) {
    wrote = co_await send(*c.client, pattern(1 << 16));
    co_await yield(l);
  }
  EXPECT_FALSE(wrote);
  EXPECT_EQ(wrote.error().code(), errc::unavailable);
}
TEST(Tcp, WritingToAPeerThatLeftFailsWithoutASignal) {
  epoll_loop loop;
  loop.run(write_to_the_gone(loop));
}

// A server that has heard enough answers and closes while the client is still sending.
task<void> answered_early(loop& l) {
  auto c = co_await connected(l, address::loopback(0));
  EXPECT_TRUE(co_await send(*c.client, pattern(1 << 16)));
  EXPECT_TRUE(co_await read_some(*c.server));
  EXPECT_TRUE(co_await send(*c.server, "413"));
  c.server.reset();  // with unread bytes, so the kernel resets the connection
  result<> wrote;
  for (int i = 0; i < 100 && wrote; ++i) wrote = co_await send(*c.client, pattern(1 << 16));
  EXPECT_FALSE(wrote);
  EXPECT_EQ((co_await read_some(*c.client)).value(), 3u) << "the answer was lost";
  EXPECT_EQ((co_await read_some(*c.client)).error(), wrote.error());
}
TEST(Tcp, AnAnswerThatCameBeforeAFailedWriteIsNotLost) {
  epoll_loop loop;
  loop.run(answered_early(loop));
}

task<void> refused(loop& l) {
  auto taking = l.listen(address::loopback(0)).value();
  const auto where = taking->local();
  taking.reset();
  const auto made = co_await l.connect({}, where);
  EXPECT_EQ(made.error().code(), errc::unavailable);
  EXPECT_EQ(made.error().peer(), where.to_string());
  EXPECT_EQ((co_await l.connect({}, address{})).error().code(), errc::invalid_argument);
}
TEST(Tcp, ARefusedConnectionSaysWhere) {
  epoll_loop loop;
  loop.run(refused(loop));
}

// A listener whose queue is full drops what comes next: the peer hears nothing.
task<void> unanswered(loop& l) {
  auto taking = l.listen(address::loopback(0), {.backlog = 1}).value();
  std::vector<std::unique_ptr<stream>> queued;
  errc last{};
  for (int i = 0; i < 8 && last == errc{}; ++i) {
    auto made = co_await l.connect(context{}.with_timeout(l, 20ms), taking->local());
    if (made)
      queued.push_back(std::move(*made));
    else
      last = made.error().code();
  }
  EXPECT_EQ(last, errc::deadline_exceeded);
  cancel_source source;
  l.post([&] { source.cancel(); });
  const auto cancelled = co_await l.connect(context{}.with_cancellation(source.token()), taking->local());
  EXPECT_EQ(cancelled.error().code(), errc::cancelled);
}
TEST(Tcp, AConnectThatNobodyAnswersEndsWithItsContext) {
  epoll_loop loop;
  loop.run(unanswered(loop));
}

task<void> two_on_a_port(loop& l) {
  auto first = l.listen(address::loopback(0)).value();
  const auto second = l.listen(first->local());
  EXPECT_EQ(second.error().code(), errc::already_exists);
  EXPECT_FALSE(second.error().remedy().empty());
  auto third = l.listen(address::loopback(0), {.share_port = true}).value();
  EXPECT_TRUE(l.listen(third->local(), {.share_port = true}));
  co_return;
}
TEST(Tcp, APortIsTakenOnceUnlessShared) {
  epoll_loop loop;
  loop.run(two_on_a_port(loop));
}

class descriptor_limit {
 public:
  explicit descriptor_limit(rlim_t limit) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit now{limit, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};
task<void> out_of_descriptors(loop& l) {
  auto taking = l.listen(address::loopback(0)).value();
  auto client = (co_await l.connect({}, taking->local())).value();
  {
    const descriptor_limit none{0};
    EXPECT_EQ((co_await taking->accept()).error().code(), errc::resource_exhausted);
    EXPECT_EQ((co_await l.connect({}, taking->local())).error().code(), errc::resource_exhausted);
    EXPECT_EQ(l.listen(address::loopback(0)).error().code(), errc::resource_exhausted);
  }
  EXPECT_TRUE(co_await taking->accept()) << "accepting goes on once there are descriptors again";
}
TEST(Tcp, RunningOutOfDescriptorsIsAnErrorThatPasses) {
  epoll_loop loop;
  loop.run(out_of_descriptors(loop));
}

TEST(UnixSocket, ReplacesTheFileOfADeadServerOnly) {
  epoll_loop loop;
  const auto path = fresh_path();
  const int raw = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::strcpy(un.sun_path, path.c_str());
  ASSERT_EQ(::bind(raw, reinterpret_cast<sockaddr*>(&un), sizeof un), 0);
  ::close(raw);  // the file stays, as after a crash

  auto first = loop.listen(address::unix_path(path), {.unix_mode = 0600});
  ASSERT_TRUE(first);
  struct stat file{};
  ::stat(path.c_str(), &file);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  const auto second = loop.listen(address::unix_path(path));
  EXPECT_EQ(second.error().code(), errc::already_exists) << "a living server keeps its socket";
  first->reset();
  EXPECT_NE(::stat(path.c_str(), &file), 0) << "a listener takes its file away";
}

TEST(UnixSocket, LeavesOtherFilesAlone) {
  epoll_loop loop;
  const auto path = fresh_path();
  std::ofstream{path} << "precious";
  const auto refused = loop.listen(address::unix_path(path));
  EXPECT_EQ(refused.error().code(), errc::already_exists);
  EXPECT_NE(refused.error().remedy().find("no socket"), std::string_view::npos);
  EXPECT_TRUE(std::ifstream{path}.good());
}

task<errc> connect_code(loop& l, address to) { co_return (co_await l.connect({}, std::move(to))).error().code(); }
TEST(UnixSocket, APathTooLongIsRefusedNotCutShort) {
  epoll_loop loop;
  const auto path = address::unix_path("/tmp/" + std::string(120, 'x'));
  EXPECT_EQ(loop.listen(path).error().code(), errc::invalid_argument);
  EXPECT_EQ(loop.run(connect_code(loop, path)), errc::invalid_argument);
  EXPECT_EQ(loop.run(connect_code(loop, address::unix_path(fresh_path()))), errc::unavailable);
}

task<void> reading_forever(stream& s) { static_cast<void>(co_await read_some(s)); }
task<void> abandon(loop& l) {
  auto c = co_await connected(l, address::loopback(0));
  {
    task_group group{l};
    group.spawn(reading_forever(*c.client));
    co_await yield(l);
    EXPECT_TRUE(co_await send(*c.server, "too late"));
  }
  EXPECT_EQ((co_await read_some(*c.client)).value(), 8u) << "what nobody took is still there";
}
TEST(Tcp, ADestroyedReaderLeavesTheStreamInOrder) {
  epoll_loop loop;
  loop.run(abandon(loop));
}

task<void> watch_a_pipe(loop& l, int read_end, int write_end) {
  auto watched = l.watch(read_end).value();
  for (int round = 0; round < 3; ++round) {
    l.post([&] { EXPECT_EQ(::write(write_end, "ab", 2), 2); });
    EXPECT_TRUE(co_await watched->ready(io_direction::read));
    char one = 0;
    EXPECT_EQ(::read(read_end, &one, 1), 1);
    EXPECT_TRUE(co_await watched->ready(io_direction::read)) << "a byte is still there";
    EXPECT_EQ(::read(read_end, &one, 1), 1);
  }
  l.post([&] { watched->cancel(io_direction::read, errc::cancelled); });
  EXPECT_EQ((co_await watched->ready(io_direction::read)).error().code(), errc::cancelled);
}
TEST(WatchedDescriptor, ReportsWhatIsReadyHoweverMuchWasTaken) {
  epoll_loop loop;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  loop.run(watch_a_pipe(loop, ends[0], ends[1]));
  ::close(ends[0]);
  ::close(ends[1]);
}

// A21: a watched descriptor that its owner has closed, and whose number a stream has got since.
task<void> reads_while_watched(loop& l) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  auto watched = l.watch(ends[0]).value();
  ::close(ends[0]);
  auto listening = l.listen(address::loopback(0)).value();
  auto client = (co_await l.connect({}, listening->local())).value();
  auto server = (co_await listening->accept()).value();
  const interrupt_on_end guard{l, context{}.with_timeout(l, 20s), *client};
  {
    task_group waiting{l};
    const auto wait = [](watched_descriptor& w) -> task<void> {
      static_cast<void>(co_await w.ready(io_direction::read));
    };
    waiting.spawn(wait(*watched));
    char room[8];
    const auto answer = [](stream& s) -> task<void> {
      const_buffer hello[] = {std::string_view{"hello"}};
      EXPECT_TRUE((co_await s.write(hello)).has_value());
    };
    for (int i = 0; i < 3; ++i) {
      task_group speaking{l};
      EXPECT_EQ(client->try_read(room).status, io_status::blocked);
      speaking.spawn(answer(*server));
      const auto got = co_await client->read(room);
      EXPECT_EQ(got.value_or(0), 5u);
      co_await speaking.join();
      if (i == 1) watched.reset();
      if (i == 0) co_await yield(l);
      if (i == 0) watched->cancel(io_direction::read, errc::cancelled);
    }
    co_await waiting.join();
  }
  ::close(ends[1]);
}
TEST(Watch, ItsOwnerMayCloseTheDescriptorFirst) {
  epoll_loop loop;
  loop.run(reads_while_watched(loop));
}

}  // namespace
}  // namespace weft
