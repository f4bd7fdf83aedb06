#include <weft/http/static_files.hpp>
#include <weft/http/url.hpp>
#include <weft/runtime/blocking.hpp>

#include "conditional.hpp"
#include "file_access.hpp"

#include <algorithm>
#include <charconv>

namespace weft::http {

namespace {

using detail::byte_range;
using detail::opened_file;
using detail::shared_descriptor;
using detail::validators;

struct served_folder {
  loop* home;
  shared_descriptor folder;
  static_files_options options;
};

class file_source final : public body_source {
 public:
  file_source(loop& home, shared_descriptor file, byte_range part, std::size_t piece_bytes)
      : home_{home},
        file_{std::move(file)},
        offset_{part.first},
        left_{part.size},
        length_{part.size},
        piece_bytes_{piece_bytes} {}

  task<result<std::string_view>> next() override {
    if (left_ == 0) co_return std::string_view{};
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, piece_bytes_));
    auto read = co_await blocking(
        home_, [file = file_, offset = offset_, count] { return detail::read_at(*file, offset, count); });
    if (!read) co_return fail(std::move(read).error());
    if (read->empty()) co_return fail(errc::data_loss, "the file became shorter while it was sent");
    piece_ = *std::move(read);
    offset_ += piece_.size();
    left_ -= piece_.size();
    co_return std::string_view{piece_};
  }
  std::optional<std::uint64_t> length() const override { return length_; }

 private:
  loop& home_;
  shared_descriptor file_;
  std::uint64_t offset_, left_, length_;
  std::size_t piece_bytes_;
  std::string piece_;
};

// A file's name beneath the folder, from decoded text; empty for what is not served. The folder itself is ".".
std::string servable_name(std::string_view path, const static_files_options& options) {
  if (path.find('\0') != std::string_view::npos || path.find('\\') != std::string_view::npos) return {};
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return ".";
  for (auto rest = path;;) {
    const auto slash = rest.find('/');
    const auto segment = rest.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return {};
    if (segment.starts_with('.') && options.hidden_files == static_files_options::dot_files::hidden) return {};
    if (slash == std::string_view::npos) return std::string{path};
    rest = rest.substr(slash + 1);
  }
}

// What the request names, decoded, without the slash at its front.
result<std::string> wanted_path(const request& r) {
  if (const auto parameter = r.path_param("path")) return std::string{*parameter};
  WEFT_TRY(auto path, normalize_path(r.raw_path()));
  return percent_decode_path(std::string_view{path}.substr(1));
}

struct found_file {
  opened_file opened;
  std::string name;
  bool wants_slash = false;  // a folder, asked for without it
};

// What the client sent at the end of the path, and whether the router left it in the name.
enum class ending : std::uint8_t { plain, slash, slash_left_out };

result<found_file> find_file(const served_folder& self, const std::string& name, ending end) {
  WEFT_TRY(auto opened, detail::open_beneath(*self.folder, name));
  if (!opened.is_folder) {
    if (end == ending::slash) return fail(errc::not_found, "no such folder");
    return found_file{std::move(opened), name};
  }
  if (self.options.index.empty()) return fail(errc::not_found, "folders are not listed");
  if (end == ending::plain) return found_file{std::move(opened), name, true};
  auto index = name + "/" + self.options.index;
  WEFT_TRY(auto file, detail::open_beneath(*self.folder, index));
  if (file.is_folder) return fail(errc::not_found, "no such file");
  return found_file{std::move(file), std::move(index)};
}

std::string hex(std::uint64_t number) {
  char text[16];
  return {text, std::to_chars(text, text + sizeof text, number, 16).ptr};
}

validators validators_of(const opened_file& f) {
  return {"\"" + hex(static_cast<std::uint64_t>(f.modified.time_since_epoch().count())) + "-" + hex(f.size) + "-" +
              hex(f.inode) + "\"",
          f.modified};
}

response not_found() { return response::failure(status::not_found, "NOT_FOUND", "there is no such file"); }

response redirect_to_folder(const request& r) {
  response answer{status::permanent_redirect};
  // One slash at the front: two would name another host.
  const auto path = r.raw_path().substr(std::min(r.raw_path().find_first_not_of('/'), r.raw_path().size()));
  std::string target = "/" + std::string{path} + "/";
  if (!r.raw_query().empty()) target += "?" + std::string{r.raw_query()};
  answer.headers.add("Location", target);
  return answer;
}

response describe(const served_folder& self, const found_file& found, const validators& version) {
  response answer;
  answer.headers.add("ETag", version.etag);
  answer.headers.add("Last-Modified", format_http_date(version.modified));
  if (!self.options.cache_control.empty()) answer.headers.add("Cache-Control", self.options.cache_control);
  answer.headers.add_view("Accept-Ranges", "bytes");
  answer.headers.add_view("Content-Type", media_type_of(found.name));
  answer.headers.add_view("X-Content-Type-Options", "nosniff");
  return answer;
}

response answer_file(const served_folder& self, const request& r, const found_file& found) {
  const auto version = validators_of(found.opened);
  const auto now = self.home->wall_now();
  if (detail::precondition_failed(r.headers, version, now))
    return response::failure(status::precondition_failed, "FAILED_PRECONDITION", "the file is another version");
  auto answer = describe(self, found, version);
  if (detail::not_modified(r.headers, version, now)) {
    answer.status = status::not_modified;
    answer.headers.remove("content-type");
    answer.not_modified = {media_type_of(found.name), found.opened.size};
    return answer;
  }
  const auto size = found.opened.size;
  const auto part = r.method() == method::get ? detail::range_of(r.headers, version, size, now)
                                              : byte_range{byte_range::kind::whole, 0, size};
  if (part.what == byte_range::kind::unsatisfiable) {
    auto refused = response::failure(status::range_not_satisfiable, "OUT_OF_RANGE",
                                     "the file has " + std::to_string(size) + " bytes");
    refused.headers.add("Content-Range", "bytes */" + std::to_string(size));
    return refused;
  }
  if (part.what == byte_range::kind::part) {
    answer.status = status::partial_content;
    answer.headers.add("Content-Range", "bytes " + std::to_string(part.first) + "-" +
                                            std::to_string(part.first + part.size - 1) + "/" + std::to_string(size));
  }
  answer.content =
      body::stream(std::make_unique<file_source>(*self.home, found.opened.file, part, self.options.piece_bytes));
  return answer;
}

task<result<response>> serve(std::shared_ptr<const served_folder> self, request& r) {
  if (r.method() != method::get && r.method() != method::head) {
    auto refused = response::failure(status::method_not_allowed, "METHOD_NOT_ALLOWED", "files are for GET and HEAD");
    refused.headers.add_view("Allow", "GET, HEAD");
    co_return refused;
  }
  const auto path = wanted_path(r);
  const auto name = path ? servable_name(*path, self->options) : std::string{};
  if (name.empty()) co_return not_found();
  // A router that ignores slashes at the end takes them out of its parameter: redirecting would add another one.
  const auto end = path->empty() || path->ends_with('/') ? ending::slash
                   : r.raw_path().ends_with('/')         ? ending::slash_left_out
                                                         : ending::plain;
  auto found = co_await blocking(*self->home, [self, name, end] { return find_file(*self, name, end); });
  if (!found && found.error().code() == errc::not_found) co_return not_found();
  if (!found) co_return fail(std::move(found).error());
  if (found->wants_slash) co_return redirect_to_folder(r);
  co_return answer_file(*self, r, *found);
}

}  // namespace

handler static_files(loop& l, const std::filesystem::path& root, static_files_options options) {
  options.piece_bytes = std::max<std::size_t>(options.piece_bytes, 1);
  auto self = std::make_shared<const served_folder>(&l, detail::open_folder(root), std::move(options));
  return [self = std::move(self)](request& r) { return serve(self, r); };
}

}  // namespace weft::http
