#pragma once
// Certificates that are renewed while the program runs: looks at the files of a TLS context now and then, and whenever
// it is asked to (SIGHUP), and puts what changed into force for new connections. Says when a certificate nears its end.
//
//     net::certificate_watch renewals{loop, tls, {.notify = [](const net::certificate_notice& n) {
//       warn(to_string(n.kind), n.expires);                  // to the log, say
//     }}};
//     loop.on_signal(SIGHUP, [&](int) { renewals.look_now(); });
//
// A pair of files of which only one has been replaced yet, or a file that is malformed, changes nothing: the context
// goes on with what it has, that is said once, and the next look tries again. Connections keep the certificate under
// which they were opened.
//
// The context may be shared by several loops; one of them watches. The watch must not outlive its loop. Files are read
// on the loop's pool of threads.
#include <weft/net/tls.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <functional>
#include <optional>
#include <string_view>

namespace weft::net {

struct certificate_notice {
  enum class event : std::uint8_t {
    reloaded,   // other certificates are in force
    refused,    // what the files hold now cannot be used; `problem` says why
    ends_soon,  // within warn_before; again each warn_again, until others are in force
    ended,      // peers refuse it from now on; again each warn_again
  };
  event kind = event::reloaded;
  wall_time expires = wall_time::max();  // of the context, when the first of its certificates ends
  std::optional<error> problem;
};
[[nodiscard]] std::string_view to_string(certificate_notice::event kind) noexcept;  // "ends_soon"

struct certificate_watch_options {
  duration interval = std::chrono::seconds{30};  // between two looks; duration::max(): only when asked
  duration warn_before = std::chrono::days{14};  // the end of a certificate
  duration warn_again = std::chrono::hours{24};
  std::function<void(const certificate_notice&)> notify;  // on the loop; what it throws is dropped
};

class certificate_watch {
 public:
  // Looks for the first time at once. Contexts whose certificates are text, not files, are only watched for their end.
  certificate_watch(loop& l, tls_context tls, certificate_watch_options options = {});
  certificate_watch(const certificate_watch&) = delete;
  certificate_watch& operator=(const certificate_watch&) = delete;

  // Looks without waiting for the interval. A request that comes during a look makes for another one afterwards, so
  // that no change is overlooked.
  void look_now() noexcept;

 private:
  task<void> run(context ctx);
  task<void> look();
  void warn();
  void notify(certificate_notice notice) const noexcept;

  loop& loop_;
  tls_context tls_;
  certificate_watch_options options_;
  std::string refused_;  // what the files held when that was said
  std::optional<steady_time> warned_at_;
  std::optional<certificate_notice::event> warned_of_;
  event wanted_;
  task_group tasks_;
};

}  // namespace weft::net
