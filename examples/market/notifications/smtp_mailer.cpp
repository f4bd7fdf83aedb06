#include "notifications/smtp_mailer.hpp"

#include <weft/messaging/text_encoding.hpp>
#include <weft/runtime/blocking.hpp>

#include <curl/curl.h>
#include <algorithm>
#include <cstdio>

namespace market::notifications {

using namespace weft;

namespace {

struct curl_free {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using handle_ptr = std::unique_ptr<CURL, curl_free>;
using list_ptr = std::unique_ptr<curl_slist, curl_free>;

void append(list_ptr& list, const std::string& text) { list.reset(curl_slist_append(list.release(), text.c_str())); }

// "Sat, 21 Nov 2026 13:53:11 +0000" (RFC 5322, 3.3), whatever the locale.
std::string format_date(wall_time at) {
  static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::seconds>(at - day)};
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d +0000",
                days[std::chrono::weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return text;
}

// What stands in a command or a header field may neither end it nor begin another.
bool plain(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) return false;
  return true;
}
bool plain_address(std::string_view text) {
  return !text.empty() && plain(text) && text.find_first_of(" <>") == text.npos;
}

// The last command that went out before the farewell (its verb alone, since AUTH carries the password), and the last
// line that came back.
struct conversation {
  std::string verb, said = {};
  bool over = false;
  char problem[CURL_ERROR_SIZE] = {};  // libcurl's own words
};
int listen(CURL*, curl_infotype type, char* data, std::size_t size, void* to) {
  auto& heard = *static_cast<conversation*>(to);
  std::string_view text{data, size};
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (type == CURLINFO_HEADER_OUT && text.starts_with("QUIT")) heard.over = true;
  if (heard.over) return 0;  // what is said then is no answer to the mail
  if (type == CURLINFO_HEADER_OUT) {
    heard.verb = text.substr(0, 4);
    heard.said.clear();
  }
  if (type == CURLINFO_HEADER_IN) heard.said = text.substr(0, 300);
  return 0;
}

int give_up(void* ended, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<std::atomic<bool>*>(ended)->load(std::memory_order_relaxed) ? 1 : 0;
}

std::string domain_of(const std::string& address) { return address.substr(address.find('@') + 1); }

// RFC 5322, the text in base 64 (RFC 2045), so that whatever is in it stays in its lines.
std::string message_of(const mail& m, const smtp_options& options) {
  std::string text;
  const auto field = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text.append(name).append(": ").append(value).append("\r\n");
  };
  field("From", "<" + options.from + ">");
  field("To", "<" + m.to + ">");
  field("Subject", m.subject);
  field("Date", format_date(m.date));
  field("Message-ID", "<" + m.id + "@" + domain_of(options.from) + ">");
  field("X-Correlation-ID", m.correlation_id);
  field("Traceparent", m.traceparent);
  field("MIME-Version", "1.0");
  field("Content-Type", "text/plain; charset=utf-8");
  field("Content-Transfer-Encoding", "base64");
  const auto encoded = messaging::base64_encode(m.text);
  for (std::size_t at = 0; at < encoded.size(); at += 76) text.append("\r\n").append(encoded, at, 76);
  return text.append("\r\n");
}

std::size_t hand_over(char* to, std::size_t size, std::size_t count, void* rest) {
  auto& left = *static_cast<std::string_view*>(rest);
  const auto taken = left.copy(to, size * count);
  left.remove_prefix(taken);
  return taken;
}

void set_up(CURL* handle, const smtp_options& options, conversation& heard, std::atomic<bool>& ended,
            std::chrono::milliseconds time) {
  curl_easy_setopt(handle, CURLOPT_URL, options.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(time.count()));
  curl_easy_setopt(handle, CURLOPT_MAIL_FROM, options.from.c_str());
  const long tls = options.tls == smtp_tls::off          ? CURLUSESSL_NONE
                   : options.tls == smtp_tls::if_offered ? CURLUSESSL_TRY
                                                         : CURLUSESSL_ALL;
  curl_easy_setopt(handle, CURLOPT_USE_SSL, tls);
  if (!options.authorities.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.authorities.c_str());
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  if (!options.user.empty()) {
    curl_easy_setopt(handle, CURLOPT_USERNAME, options.user.c_str());
    curl_easy_setopt(handle, CURLOPT_PASSWORD, options.password.reveal().c_str());
  }
  curl_easy_setopt(handle, CURLOPT_VERBOSE, 1L);  // for the conversation
  curl_easy_setopt(handle, CURLOPT_DEBUGFUNCTION, &listen);
  curl_easy_setopt(handle, CURLOPT_DEBUGDATA, &heard);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, heard.problem);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &give_up);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &ended);
}

// Only what was said about this recipient or this message is for good. A greeting, a sender or a login that is refused
// concerns all mail, and is somebody's to put right.
result<> judge(CURLcode outcome, const conversation& heard, const smtp_options& options) {
  if (outcome == CURLE_OK) return {};
  const bool server_spoke = outcome == CURLE_SEND_ERROR || outcome == CURLE_WEIRD_SERVER_REPLY;
  const bool of_this_mail = heard.verb == "RCPT" || heard.verb == "DATA";
  if (server_spoke && of_this_mail && heard.said.starts_with('5'))
    return fail(errc::invalid_argument, "the mail server refused it: " + heard.said);
  if (outcome == CURLE_OPERATION_TIMEDOUT) return fail(errc::deadline_exceeded, "the mail server took too long");
  const std::string detail = *heard.problem != 0 ? heard.problem : curl_easy_strerror(outcome);
  const auto troubled = [](std::string what, std::string_view remedy) {
    return fail(error{errc::unavailable, std::move(what)}.with_remedy(remedy));
  };
  switch (outcome) {
    case CURLE_LOGIN_DENIED:
      return troubled("the mail server refused the login of '" + options.user + "': " + heard.said,
                      "check smtp.user and smtp.password");
    case CURLE_PEER_FAILED_VERIFICATION:
      return troubled("the mail server is not trusted: " + detail,
                      "smtp.authorities names who may certify it, and smtp.url the host that it is certified for");
    case CURLE_SSL_CACERT_BADFILE:
      return troubled("the authorities cannot be read: " + detail, "check smtp.authorities");
    case CURLE_USE_SSL_FAILED:
      return troubled("the mail server offers no encryption: " + detail,
                      "use its port for STARTTLS (587) or a smtps: URL (465), or set smtp.tls");
    default:
      break;
  }
  const bool said_no = heard.said.starts_with('4') || heard.said.starts_with('5');
  return fail(errc::unavailable, said_no ? "the mail server said: " + heard.said : detail);
}

result<> send_blocking(const smtp_options& options, const mail& m, std::atomic<bool>& ended,
                       std::chrono::milliseconds time) {
  const handle_ptr handle{curl_easy_init()};
  if (!handle) return fail(errc::resource_exhausted, "libcurl has no memory");
  conversation heard;
  set_up(handle.get(), options, heard, ended, time);
  list_ptr recipients;
  append(recipients, m.to);
  const auto text = message_of(m, options);
  std::string_view left = text;
  curl_easy_setopt(handle.get(), CURLOPT_MAIL_RCPT, recipients.get());
  curl_easy_setopt(handle.get(), CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_READFUNCTION, &hand_over);
  curl_easy_setopt(handle.get(), CURLOPT_READDATA, &left);
  return judge(curl_easy_perform(handle.get()), heard, options);
}

}  // namespace

smtp_mailer::smtp_mailer(loop& l, smtp_options options)
    : loop_{l}, options_{std::make_shared<const smtp_options>(std::move(options))} {
  static const auto once = curl_global_init(CURL_GLOBAL_DEFAULT);  // not safe beside other threads that use libcurl
  static_cast<void>(once);
}

smtp_mailer::~smtp_mailer() { ended_->store(true, std::memory_order_relaxed); }

task<result<>> smtp_mailer::send(context ctx, mail m) {
  if (!plain_address(m.to)) co_return fail(errc::invalid_argument, "this is no mail address: '" + m.to + "'");
  if (!plain(m.subject) || !plain(m.id) || !plain(m.correlation_id) || !plain(m.traceparent))
    co_return fail(errc::invalid_argument, "a header field of the mail holds a control character");
  const auto now = loop_.now();
  WEFT_CO_TRY_VOID(ctx.check(now));
  const auto time = std::chrono::ceil<std::chrono::milliseconds>(std::min(options_->timeout, ctx.remaining(now)));
  auto sent = co_await blocking(loop_, [options = options_, ended = ended_, m = std::move(m), time] {
    return send_blocking(*options, m, *ended, time);
  });
  if (!sent) co_return fail(sent.error().with_operation("sending mail"));
  co_return sent;
}

}  // namespace market::notifications
