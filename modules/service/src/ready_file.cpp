#include "ready_file.hpp"

#include <weft/json/writer.hpp>

#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace weft::service {

result<> write_ready_file(const std::string& path, std::string_view name,
                          const std::vector<bound_listener>& listeners) {
  json::writer w;
  w.begin_object();
  w.member("name");
  w.string(name);
  w.member("pid");
  w.number(::getpid());
  w.member("listeners");
  w.begin_array();
  for (const auto& listener : listeners) {
    w.element();
    w.begin_object();
    w.member("name");
    w.string(listener.name);
    w.member("url");
    w.string(listener.url());
    w.end_object();
  }
  w.end_array();
  w.end_object();
  const auto text = std::move(w).take() + "\n";

  const auto draft = path + ".part";
  const auto problem = [&] {
    return fail(errc::unavailable, "ready_file " + path + ": " + std::generic_category().message(errno));
  };
  std::FILE* file = std::fopen(draft.c_str(), "we");
  if (file == nullptr) return problem();
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written || std::rename(draft.c_str(), path.c_str()) != 0) return problem();
  return {};
}

}  // namespace weft::service
