// Hangs by intention; see CMakeLists.txt.
#include <gtest/gtest.h>

#include <unistd.h>

TEST(Watchdog, LetsATestPassThatEnds) {}

TEST(Watchdog, NamesATestThatHangs) {
  for (;;) ::pause();
}
