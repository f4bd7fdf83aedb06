#include <weft/runtime/disk.hpp>

namespace weft {

task<result<std::string>> read_all(file& f, std::size_t limit) {
  WEFT_CO_TRY(const auto size, co_await f.size());
  if (size > limit)
    co_return fail(errc::resource_exhausted,
                   "the file is larger than its limit of " + std::to_string(limit) + " bytes");
  std::string text(static_cast<std::size_t>(size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    WEFT_CO_TRY(const auto count, co_await f.read_at(done, std::span{text}.subspan(done)));
    if (count == 0) break;
    done += count;
  }
  text.resize(done);
  co_return text;
}

}  // namespace weft
