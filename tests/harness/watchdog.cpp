// Linked into every test program: a test that does not end is named and aborted, rather than the whole program being
// killed by ctest minutes later without a word.
//
// The deadline is 60 s for each test (WEFT_TEST_DEADLINE in the environment: other seconds, 0 for none), five times
// that under a sanitizer, and more on a machine that has more to do than processors. Who asks for a long run with
// WEFT_SEEDS has none. A signal and no thread: tests that fork want to be the only thread.
#include <gtest/gtest.h>

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define WEFT_SANITIZED 1
#endif
#endif

namespace {

#ifdef WEFT_SANITIZED
constexpr double slowdown = 5;
#else
constexpr double slowdown = 1;
#endif
constexpr double default_seconds = 60;

char message[512];  // made before the test runs: the handler may only write it
int message_size = 0;

void time_is_up(int) {
  static_cast<void>(!::write(STDERR_FILENO, message, static_cast<std::size_t>(message_size)));
  std::abort();
}

double deadline_seconds() {
  const char* given = std::getenv("WEFT_TEST_DEADLINE");
  if (given == nullptr && std::getenv("WEFT_SEEDS") != nullptr) return 0;
  const double seconds = given != nullptr ? std::strtod(given, nullptr) : default_seconds;
  double load = 0;
  const double processors = std::max(1u, std::thread::hardware_concurrency());
  const double crowd = ::getloadavg(&load, 1) == 1 ? std::max(1.0, load / processors) : 1.0;
  return std::min(seconds * slowdown * crowd, 24.0 * 3600);
}

void arm(double seconds) {
  itimerval timer{};
  timer.it_value.tv_sec = static_cast<time_t>(seconds);
  timer.it_value.tv_usec = static_cast<suseconds_t>((seconds - static_cast<double>(timer.it_value.tv_sec)) * 1e6);
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

class watchdog final : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& test) override {
    const double seconds = deadline_seconds();
    message_size = std::snprintf(message, sizeof message, "\n[  HANGS   ] %s.%s has not ended after %.0f s\n",
                                 test.test_suite_name(), test.name(), seconds);
    message_size = std::min(message_size, static_cast<int>(sizeof message) - 1);
    struct sigaction action{};
    action.sa_handler = time_is_up;
    ::sigaction(SIGALRM, &action, nullptr);
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    ::pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr);
    arm(seconds);
  }
  void OnTestEnd(const testing::TestInfo&) override { arm(0); }
};

[[maybe_unused]] const bool installed = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new watchdog);  // gtest owns it
  return true;
}();

}  // namespace
