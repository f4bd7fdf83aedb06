#include <weft/http/compression.hpp>

#include "compressor.hpp"
#include "layer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace weft::http {

using detail::compressor;
using detail::decompressor;

std::string_view to_string(coding c) noexcept {
  switch (c) {
    case coding::identity:
      return "identity";
    case coding::gzip:
      return "gzip";
    case coding::br:
      return "br";
    case coding::zstd:
      return "zstd";
  }
  return "";
}

std::optional<coding> coding_of(std::string_view name) noexcept {
  if (equal_ignoring_case(name, "x-gzip")) return coding::gzip;
  for (const auto c : {coding::identity, coding::gzip, coding::br, coding::zstd})
    if (equal_ignoring_case(name, to_string(c))) return c;
  return std::nullopt;
}

namespace {
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A qvalue (RFC 9110 12.4.2) in thousandths; -1 when it is malformed.
int parse_weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return -1;
  if (text.size() > 1 && text[1] != '.') return -1;
  int weight = (text[0] - '0') * 1000, unit = 100;
  for (const char c : text.substr(std::min<std::size_t>(text.size(), 2))) {
    if (c < '0' || c > '9') return -1;
    weight += (c - '0') * unit;
    unit /= 10;
  }
  return weight <= 1000 ? weight : -1;
}

// "gzip;q=0.5": 500. Without a weight 1000; -1 for what is malformed, which then counts as not being there.
int weight_of(std::string_view element, std::string_view& name) {
  const auto semicolon = element.find(';');
  name = trimmed(element.substr(0, semicolon));
  if (semicolon == std::string_view::npos) return 1000;
  const auto parameter = trimmed(element.substr(semicolon + 1));
  const auto equals = parameter.find('=');
  if (equals == std::string_view::npos || !equal_ignoring_case(trimmed(parameter.substr(0, equals)), "q")) return -1;
  return parse_weight(trimmed(parameter.substr(equals + 1)));
}
}  // namespace

std::optional<coding> choose_coding(std::optional<std::string_view> accept, std::span<const coding> offered) {
  if (!accept) return coding::identity;
  constexpr int unnamed = -1;
  std::array<int, 4> weights{unnamed, unnamed, unnamed, unnamed};
  int others = unnamed;  // of "*"
  for_each_element(*accept, [&](std::string_view element) {
    std::string_view name;
    const int weight = weight_of(element, name);
    if (weight < 0) return true;
    if (name == "*") others = weight;
    if (const auto c = coding_of(name)) weights[static_cast<std::size_t>(*c)] = weight;
    return true;
  });
  // Identity is acceptable unless it is refused, and comes last unless it is given a weight.
  const int stated = weights[static_cast<std::size_t>(coding::identity)];
  const bool identity_refused = stated == 0 || (stated == unnamed && others == 0);
  std::optional<coding> best;
  int best_weight = 0;
  if (!identity_refused) {
    best = coding::identity;
    best_weight = std::max(stated, 0);
  }
  for (const auto c : offered) {
    const int named = weights[static_cast<std::size_t>(c)];
    const int weight = named == unnamed ? others : named;
    // At the same weight a coding is preferred to identity, and an earlier one to a later one.
    if (weight > best_weight || (weight > 0 && weight == best_weight && best == coding::identity)) {
      best = c;
      best_weight = weight;
    }
  }
  return best;
}

bool compressible(std::string_view media_type) noexcept {
  const auto type = trimmed(media_type.substr(0, media_type.find(';')));
  const auto ends_with = [&](std::string_view end) {
    return type.size() >= end.size() && equal_ignoring_case(type.substr(type.size() - end.size()), end);
  };
  if (type.size() > 5 && equal_ignoring_case(type.substr(0, 5), "text/")) return true;
  if (ends_with("+json") || ends_with("+xml") || ends_with("+text") || ends_with("+yaml")) return true;
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{
          "application/json", "application/javascript", "application/xml", "application/wasm", "application/x-ndjson",
          "application/yaml", "application/graphql", "application/x-protobuf", "application/protobuf",
          "application/x-www-form-urlencoded", "application/manifest", "image/bmp", "image/x-icon",
          "image/vnd.microsoft.icon", "font/ttf", "font/otf", "application/vnd.apple.mpegurl"},
      [&](std::string_view known) { return equal_ignoring_case(type, known); });
}

namespace {

// Buffered content up to this is coded at once, so that its length is known; more goes out piece by piece.
constexpr std::size_t at_once_bytes = std::size_t{256} << 10;
constexpr std::size_t piece_bytes = std::size_t{64} << 10;

class compressing_source final : public body_source {
 public:
  compressing_source(body inner, std::unique_ptr<compressor> c) : inner_{std::move(inner)}, compressor_{std::move(c)} {}

  task<result<std::string_view>> next() override {
    out_.clear();
    while (out_.empty() && !finished_) {
      if (left_.empty() && !inner_ended_) {
        WEFT_CO_TRY(left_, co_await inner_.next());
        inner_ended_ = left_.empty();
      }
      const auto piece = left_.substr(0, piece_bytes);
      left_.remove_prefix(piece.size());
      finished_ = inner_ended_;
      WEFT_CO_TRY_VOID(
          compressor_->run(piece, finished_ ? compressor::ending::finish : compressor::ending::flush, out_));
    }
    co_return std::string_view{out_};
  }
  const headers* trailers() const override { return &inner_.trailers(); }

 private:
  body inner_;
  std::unique_ptr<compressor> compressor_;
  std::string_view left_;  // of the inner piece
  std::string out_;
  bool inner_ended_ = false, finished_ = false;
};

struct decoding_state {
  bool too_large = false;
};

class decompressing_source final : public body_source {
 public:
  decompressing_source(body inner, coding c, std::size_t max_bytes, std::shared_ptr<decoding_state> state)
      : inner_{std::move(inner)},
        decompressor_{detail::make_decompressor(c)},
        left_bytes_{max_bytes},
        state_{std::move(state)} {}

  task<result<std::string_view>> next() override {
    out_.clear();
    while (out_.empty() && !ended_) {
      if (!output_waits_ && left_.empty()) {
        WEFT_CO_TRY(left_, co_await inner_.next());
        if (left_.empty()) {
          ended_ = true;
          if (any_ && !finished_) co_return fail(errc::invalid_argument, "the coded content ends too early");
          break;
        }
        any_ = true;
      }
      WEFT_CO_TRY(const auto state, decompressor_->step(left_, out_));
      output_waits_ = state == decompressor::state::more_output;
      finished_ = state == decompressor::state::finished;
      if (finished_ && !left_.empty())
        co_return fail(errc::invalid_argument, "something follows the end of the coded content");
    }
    if (out_.size() > left_bytes_) {
      state_->too_large = true;
      co_return fail(
          error{errc::resource_exhausted, "the decoded content is larger than allowed"}.with_limit(limit_kind::size));
    }
    left_bytes_ -= out_.size();
    co_return std::string_view{out_};
  }
  const headers* trailers() const override { return &inner_.trailers(); }
  status problem() const override { return state_->too_large ? status::content_too_large : inner_.problem(); }

 private:
  body inner_;
  std::unique_ptr<decompressor> decompressor_;
  std::size_t left_bytes_;
  std::shared_ptr<decoding_state> state_;
  std::string_view left_;  // of the inner piece
  std::string out_;
  bool any_ = false, output_waits_ = false, finished_ = false, ended_ = false;
};

void add_vary(headers& h) {
  if (!h.has_token("vary", "accept-encoding") && !h.has_token("vary", "*")) h.add_view("Vary", "Accept-Encoding");
}

// What cannot be coded, whoever asks.
bool must_stay(const response& r) {
  if (forbids_content(r.status) || r.status == status::partial_content || r.headers.contains("content-range"))
    return true;
  if (const auto coded = r.headers.get("content-encoding"); coded && !equal_ignoring_case(*coded, "identity"))
    return true;
  return r.headers.has_token("cache-control", "no-transform") || r.content.empty();
}

// What would gain nothing.
bool not_worth_it(const response& r, const compression_options& options) {
  if (const auto length = r.content.length(); length && *length < options.min_bytes) return true;
  const auto type = r.headers.get("content-type");
  return !type || !compressible(*type);
}

void weaken_tag(headers& h) {
  if (const auto tag = h.get("etag"); tag && !tag->starts_with("W/")) {
    const auto weak = "W/" + std::string{*tag};
    h.set("ETag", weak);
  }
}

// RFC 9110 15.4.5: a 304 has the ETag and Vary of the 200 in its place. Where nobody says what that would have been,
// the tags that the client has tell whether its copy was coded.
void describe_not_modified(response& r, const request& asked, coding chosen, bool identity_accepted,
                           const compression_options& options) {
  if (r.headers.has_token("cache-control", "no-transform")) return;
  if (const auto& selected = r.not_modified) {
    const bool worth_it = selected->size >= options.min_bytes && compressible(selected->type);
    if (identity_accepted && !worth_it) return;
    add_vary(r.headers);
    if (chosen != coding::identity) weaken_tag(r.headers);
    return;
  }
  const auto tag = r.headers.get("etag");
  if (!tag) return;
  add_vary(r.headers);
  if (chosen == coding::identity) return;
  const auto known = asked.headers.joined("if-none-match");
  const auto at = known.find(*tag);
  if (at == std::string::npos || known.contains("W/" + std::string{*tag})) weaken_tag(r.headers);
}

void apply(response& r, coding c, const compression_options& options) {
  r.content = compressed(std::move(r.content), c, options);
  r.headers.set("Content-Encoding", to_string(c));
  for (const auto* of_the_bytes : {"content-length", "content-md5", "content-digest", "accept-ranges"})
    r.headers.remove(of_the_bytes);
  weaken_tag(r.headers);
}

task<result<response>> compress(const detail::layer<compression_options>& self, request& r) {
  const auto& options = self.options;
  std::optional<std::string> accept;
  if (r.headers.contains("accept-encoding")) accept = r.headers.joined("accept-encoding");
  const auto chosen = choose_coding(accept, options.codings);
  if (!chosen) {
    auto refused = response::failure(status::not_acceptable, "NOT_ACCEPTABLE",
                                     "Accept-Encoding refuses every coding there is, and none");
    refused.headers.add_view("Vary", "Accept-Encoding");
    co_return refused;
  }
  auto answer = co_await self.inner(r);
  if (!answer) co_return answer;
  const bool identity_accepted = choose_coding(accept, {}).has_value();
  if (answer->status == status::not_modified) describe_not_modified(*answer, r, *chosen, identity_accepted, options);
  if (must_stay(*answer)) co_return answer;
  if (identity_accepted && not_worth_it(*answer, options)) co_return answer;
  add_vary(answer->headers);
  if (*chosen != coding::identity) apply(*answer, *chosen, options);
  co_return answer;
}

task<result<response>> too_large() {
  co_return response::failure(status::content_too_large, "RESOURCE_EXHAUSTED",
                              "the decoded content is larger than allowed");
}

task<result<response>> unsupported() {
  auto refused = response::failure(status::unsupported_media_type, "INVALID_ARGUMENT",
                                   "Content-Encoding names a coding that is not known here");
  refused.headers.add_view("Accept-Encoding", detail::known_codings);
  co_return refused;
}

task<result<response>> decompress(const detail::layer<decompression_options>& self, request& r) {
  if (!r.headers.contains("content-encoding")) co_return co_await self.inner(r);
  const auto codings = detail::codings_of(r.headers);
  if (!codings) co_return co_await unsupported();
  const auto state = std::make_shared<decoding_state>();
  const auto limit = r.content.limit();
  for (auto c = codings->rbegin(); c != codings->rend(); ++c)
    r.content =
        body::stream(std::make_unique<decompressing_source>(std::move(r.content), *c, self.options.max_bytes, state));
  r.content.set_limit(limit);
  r.headers.remove("content-encoding");
  if (!codings->empty()) r.headers.remove("content-length");
  auto answer = co_await self.inner(r);
  if (state->too_large && (!answer || to_int(answer->status) >= 400)) co_return co_await too_large();
  co_return answer;
}

void check(const compression_options& options) {
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw std::invalid_argument{what};
  };
  require(options.gzip_level >= 1 && options.gzip_level <= 9, "compression: gzip_level is 1 to 9");
  require(options.br_quality >= 0 && options.br_quality <= 11, "compression: br_quality is 0 to 11");
  require(options.zstd_level >= 1 && options.zstd_level <= 19, "compression: zstd_level is 1 to 19");
}

}  // namespace

std::optional<std::vector<coding>> detail::codings_of(const headers& h) {
  std::vector<coding> codings;
  bool known = true;
  const auto all = h.joined("content-encoding");
  for_each_element(all, [&](std::string_view element) {
    const auto c = coding_of(element);
    if (c && *c != coding::identity) codings.push_back(*c);
    known = c.has_value() && codings.size() <= 2;  // each layer multiplies what a bomb can do
    return known;
  });
  return known ? std::optional{std::move(codings)} : std::nullopt;
}

body compressed(body content, coding c, const compression_options& options) {
  if (c == coding::identity) return content;
  auto compressor = detail::make_compressor(c, options);
  if (!content.streamed() && content.buffered().size() <= at_once_bytes) {
    std::string out;
    if (compressor->run(content.buffered(), compressor::ending::finish, out)) {
      out.shrink_to_fit();
      return out;
    }
  }
  return body::stream(std::make_unique<compressing_source>(std::move(content), std::move(compressor)));
}

body decompressed(body content, coding c, std::size_t max_bytes) {
  if (c == coding::identity) return content;
  return body::stream(
      std::make_unique<decompressing_source>(std::move(content), c, max_bytes, std::make_shared<decoding_state>()));
}

middleware compress_responses(compression_options options) {
  check(options);
  std::erase(options.codings, coding::identity);
  return detail::make_middleware("compress_responses", std::move(options), compress);
}

middleware decompress_requests(decompression_options options) {
  return detail::make_middleware("decompress_requests", options, decompress);
}

}  // namespace weft::http
