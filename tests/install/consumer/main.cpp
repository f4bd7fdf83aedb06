// The smallest program that uses an installed weft.
#include <cstdio>
#include <weft/base.hpp>

namespace {

weft::result<int> find(int id) {
  return weft::fail(weft::error{weft::errc::not_found, "user " + std::to_string(id)}
                        .with_operation("GET /users/7")
                        .with_remedy("ask for another"));
}

}  // namespace

int main() {
  const auto found = find(7);
  std::puts(found ? "found" : found.error().describe().c_str());
}
