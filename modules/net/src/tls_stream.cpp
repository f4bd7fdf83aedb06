#include "tls_stream.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

namespace weft::net {

namespace {
constexpr std::size_t record_size = 16 * 1024;  // the most plaintext that one record holds
// A peer that never reads must not make us store answers to its key updates without bound.
constexpr std::size_t held_limit = 8 * record_size;
constexpr std::size_t written_at_once = 16 * record_size;  // then others on this loop have their turn

std::string join(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) {
    if (!all.empty()) all += ", ";
    if (all.size() > 300) return all + "...";
    all += name;
  }
  return all.empty() ? "nobody" : all;
}
}  // namespace

// OpenSSL's side: it reads and writes through a BIO that is the stream below, without a buffer between.
struct tls_callbacks {
  static tls_stream& of(BIO* bio) { return *static_cast<tls_stream*>(BIO_get_data(bio)); }
  static tls_stream& of(const SSL* ssl) { return *static_cast<tls_stream*>(SSL_get_app_data(ssl)); }

  static int read(BIO* bio, char* into, int size) {
    auto& s = of(bio);
    BIO_clear_retry_flags(bio);
    if (s.under_ended_) return 0;
    const auto got = s.under_->try_read({into, static_cast<std::size_t>(size)});
    switch (got.status) {
      case io_status::ok:
        return static_cast<int>(got.bytes);
      case io_status::blocked:
        BIO_set_retry_read(bio);
        return -1;
      case io_status::end:
        s.under_ended_ = true;
        return 0;
      case io_status::failed:
        s.fail_with(s.under_->failure());
        return -1;
    }
    return -1;
  }
  static int write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    return of(bio).send({data, static_cast<std::size_t>(size)}) ? size : -1;
  }
  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return of(bio).under_ended_ ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      auto* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft stream");
      BIO_meth_set_read(m, read);
      BIO_meth_set_write(m, write);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return made;
  }

  // Sees each certificate of the peer's chain; notes why the first bad one is bad.
  static int verify(int good, X509_STORE_CTX* store) {
    if (good == 1) return 1;
    auto& s = of(static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx())));
    if (s.certificate_problem_.empty()) s.certificate_problem_ = describe(store, s);
    return 0;
  }
  static std::string describe(X509_STORE_CTX* store, const tls_stream& s) {
    const auto code = X509_STORE_CTX_get_error(store);
    const auto* certificate = X509_STORE_CTX_get_current_cert(store);
    const auto who = certificate != nullptr ? subject_of(*certificate) : std::string{"the peer"};
    switch (code) {
      case X509_V_ERR_HOSTNAME_MISMATCH:
      case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "expected " + s.server_name_ + ", the certificate is for " +
               (certificate != nullptr ? join(dns_names_of(*certificate)) : who);
      case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the certificate of " + who + " expired at " + format_rfc3339(end_of(*certificate));
      case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the certificate of " + who + " is not valid before " + format_rfc3339(begin_of(*certificate));
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "no trusted authority signed the certificate of " + who + " (" + X509_verify_cert_error_string(code) +
               ")";
      default:
        return "the certificate of " + who + " is refused: " + X509_verify_cert_error_string(code);
    }
  }

  static int keep_session(SSL* ssl, SSL_SESSION* session) {
    const auto& s = of(ssl);
    if (s.server_name_.empty()) return 0;
    s.state_->sessions.keep(s.server_name_, openssl_ptr<SSL_SESSION>{session});
    return 1;
  }
};

int keep_session(SSL* ssl, SSL_SESSION* session) { return tls_callbacks::keep_session(ssl, session); }

tls_stream::tls_stream(loop& l, std::unique_ptr<stream> under, std::shared_ptr<const tls_state> state,
                       std::string server_name)
    : loop_{l}, under_{std::move(under)}, state_{std::move(state)}, server_name_{std::move(server_name)} {
  info_ = under_->info();
  info_.encrypted = true;
}

result<std::unique_ptr<tls_stream>> tls_stream::make(loop& l, std::unique_ptr<stream> under,
                                                     std::shared_ptr<const tls_state> state, std::string server_name) {
  std::unique_ptr<tls_stream> made{new tls_stream{l, std::move(under), std::move(state), std::move(server_name)}};
  WEFT_TRY_VOID(made->set_up());
  return made;
}

result<> tls_stream::set_up() {
  auto* context = state_->identities.front().ssl.get();
  ssl_.reset(SSL_new(context));
  auto* bio = ssl_ ? BIO_new(tls_callbacks::method()) : nullptr;
  if (bio == nullptr) return fail(errc::resource_exhausted, "OpenSSL has no memory for a connection");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  auto* parameters = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(loop_.wall_now()));

  const auto& o = state_->options;
  if (state_->role == tls_role::server) {
    SSL_set_accept_state(ssl_.get());
    const int mode = o.clients == client_certificates::none       ? SSL_VERIFY_NONE
                     : o.clients == client_certificates::required ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                                                  : SSL_VERIFY_PEER;
    SSL_set_verify(ssl_.get(), mode, mode == SSL_VERIFY_NONE ? nullptr : tls_callbacks::verify);
    return {};
  }
  SSL_set_connect_state(ssl_.get());
  const bool verified = o.verification == server_verification::full;
  SSL_set_verify(ssl_.get(), verified ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verified ? tls_callbacks::verify : nullptr);
  if (server_name_.empty()) {
    if (verified) return fail(errc::invalid_argument, "the name of the server is needed to verify its certificate");
    return {};
  }
  const bool literal = address::parse_host(server_name_, 0).has_value();
  const bool usable = literal ? X509_VERIFY_PARAM_set1_ip_asc(parameters, server_name_.c_str()) == 1
                              : SSL_set_tlsext_host_name(ssl_.get(), server_name_.c_str()) == 1 &&
                                    SSL_set1_host(ssl_.get(), server_name_.c_str()) == 1;
  if (!usable) return fail(errc::invalid_argument, "'" + server_name_ + "' cannot be the name of a server");
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  info_.server_name = server_name_;
  if (o.resumption == session_resumption::on)
    if (const auto session = state_->sessions.take(server_name_)) SSL_set_session(ssl_.get(), session.get());
  return {};
}

tls_stream::~tls_stream() {
  if (established_ && !failure_ && !closing_) shutdown_write();
}

tls_stream::progress tls_stream::handshake() {
  if (failure_) return progress::failed;
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_.get());
  if (done == 1) {
    established_ = true;
    learn_peer();
    return progress::done;
  }
  if (SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) {
    readable_ = false;
    return progress::blocked;
  }
  explain_failure();
  return progress::failed;
}

void tls_stream::learn_peer() {
  const unsigned char* protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  info_.protocol.assign(reinterpret_cast<const char*>(protocol), size);
  if (state_->role == tls_role::server)
    if (const auto* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name); name != nullptr)
      info_.server_name = name;
  const bool verified = (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER) != 0;
  const auto* certificate = verified ? SSL_get0_peer_certificate(ssl_.get()) : nullptr;
  if (certificate == nullptr) return;
  info_.peer_certificate_subject = subject_of(*certificate);
  info_.peer_names = peer_names_of(*certificate);
}

void tls_stream::answer_plain_http() {
  static constexpr std::string_view text =
      "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 44\r\nConnection: close\r\n\r\n"
      "This port speaks TLS: connect with https://\n";
  const const_buffer buffer{text};
  static_cast<void>(under_->try_write({&buffer, 1}));
  under_->shutdown_write();
}

io_result tls_stream::try_read(std::span<char> into) {
  if (failure_) return {io_status::failed};
  if (into.empty()) return {io_status::ok, 0};
  ERR_clear_error();
  std::size_t count = 0;
  if (const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count); done == 1) {
    return {io_status::ok, count};
  } else {
    switch (SSL_get_error(ssl_.get(), done)) {
      case SSL_ERROR_WANT_READ:
        readable_ = false;
        return {io_status::blocked};
      case SSL_ERROR_ZERO_RETURN:
        return {io_status::end};
      default:
        return explain_failure();
    }
  }
}

// Records that hold no data, such as the sessions that a server gives after the handshake, are taken on the way.
io_status tls_stream::peek() {
  if (failure_) return io_status::failed;
  static_cast<void>(under_->peek());  // a failure below shows when it is read
  ERR_clear_error();
  char byte = 0;
  std::size_t count = 0;
  const int done = SSL_peek_ex(ssl_.get(), &byte, 1, &count);
  if (done == 1) return io_status::ok;
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ:
      readable_ = false;
      return io_status::blocked;
    case SSL_ERROR_ZERO_RETURN:
      return io_status::end;
    default:
      return explain_failure().status;
  }
}

io_result tls_stream::try_write(std::span<const const_buffer> buffers) {
  if (failure_) return {io_status::failed};
  if (!flush()) return {failure_ ? io_status::failed : io_status::blocked, 0, !failure_};
  std::size_t taken = 0, offset = 0;
  std::array<char, record_size> gathered;
  ERR_clear_error();
  while (taken < written_at_once && held_.empty()) {
    while (!buffers.empty() && offset == buffers.front().size) buffers = buffers.subspan(1), offset = 0;
    if (buffers.empty()) break;
    // A record each for many small buffers would cost more than copying them into one.
    std::string_view chunk{static_cast<const char*>(buffers.front().data) + offset, buffers.front().size - offset};
    if (chunk.size() < record_size && buffers.size() > 1) {
      std::size_t used = 0, skip = offset;
      for (const auto& each : buffers) {
        const auto part = std::min(each.size - skip, record_size - used);
        std::copy_n(static_cast<const char*>(each.data) + skip, part, gathered.data() + used);
        used += part;
        skip = 0;
        if (used == record_size) break;
      }
      chunk = {gathered.data(), used};
    }
    std::size_t written = 0;
    if (SSL_write_ex(ssl_.get(), chunk.data(), std::min(chunk.size(), record_size), &written) != 1)
      return explain_failure();
    taken += written;
    while (written > 0) {
      const auto part = std::min(written, buffers.front().size - offset);
      written -= part;
      offset += part;
      if (offset == buffers.front().size) buffers = buffers.subspan(1), offset = 0;
    }
  }
  return {io_status::ok, taken, !held_.empty()};
}

bool tls_stream::send(std::string_view ciphertext) {
  if (failure_) return false;
  if (held_.empty()) {
    const const_buffer buffer{ciphertext};
    const auto sent = under_->try_write({&buffer, 1});
    if (sent.status == io_status::failed) {
      // When OpenSSL has noted a failure already, this is the alert about it: the first cause is the one to tell.
      if (ERR_peek_error() == 0) fail_with(under_->failure());
      return false;
    }
    if (sent.status == io_status::ok) ciphertext.remove_prefix(sent.bytes);
    if (ciphertext.empty()) return true;
  }
  if (held_.size() + ciphertext.size() > held_limit)
    return fail_with(error{errc::resource_exhausted, "the peer does not read what it asks for"}), false;
  held_ += ciphertext;
  to_.begin();
  return true;
}

bool tls_stream::flush() {
  while (held_from_ < held_.size()) {
    const const_buffer rest{std::string_view{held_}.substr(held_from_)};
    const auto sent = under_->try_write({&rest, 1});
    if (sent.status == io_status::failed) return fail_with(under_->failure()), false;
    if (sent.status != io_status::ok) return to_.begin(), false;
    held_from_ += sent.bytes;
  }
  if (!held_.empty()) {
    std::string{}.swap(held_);  // an idle connection keeps no memory, as it would if an empty string were assigned
    held_from_ = 0;
    if (closing_) under_->shutdown_write();
  }
  return true;
}

void tls_stream::below::run() {
  waiting = false;
  if (direction == io_direction::read) {
    tls.readable_ = true;
    tls.wake(tls.reader_);
  } else if (tls.failure_ || tls.flush()) {
    tls.wake(tls.writer_);
  }
}

void tls_stream::wake(io_waiter*& slot) {
  if (slot == nullptr) return;
  auto* waiter = slot;
  waiter->detach();
  loop_.schedule(*waiter);
}

void tls_stream::wait(io_direction direction, io_waiter& waiter) {
  const bool reading = direction == io_direction::read;
  if (failure_ || (reading ? readable_ : held_.empty())) return loop_.schedule(waiter);
  waiter.attach(reading ? reader_ : writer_);
  (reading ? from_ : to_).begin();
}

void tls_stream::cancel(io_direction direction, errc reason) {
  auto*& slot = direction == io_direction::read ? reader_ : writer_;
  if (slot == nullptr) return;
  slot->interrupt(reason);
  wake(slot);
}

void tls_stream::shutdown_write() {
  if (failure_ || closing_) return;
  closing_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  if (held_.empty() && !failure_) under_->shutdown_write();
}

void tls_stream::reset() {
  if (!failure_) failure_ = error{errc::unavailable, "the connection was given up"}.with_peer(info_.peer.to_string());
  std::string{}.swap(held_);
  held_from_ = 0;
  under_->reset();
  wake(reader_);
  wake(writer_);
}

void tls_stream::fail_with(error e) {
  if (failure_) return;
  failure_ = std::move(e);
  wake(reader_);
  wake(writer_);
}

io_result tls_stream::explain_failure() {
  plain_http_ = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  if (!failure_) fail_with(explain().with_peer(info_.peer.to_string()));
  ERR_clear_error();
  return {io_status::failed};
}

error tls_stream::explain() const {
  if (!certificate_problem_.empty()) return error{errc::unauthenticated, certificate_problem_};
  const auto code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    const int alert = reason - SSL_AD_REASON_OFFSET;
    const bool about_certificate = (alert >= SSL_AD_NO_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
                                   alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
                                   alert == SSL_AD_CERTIFICATE_REQUIRED ||
                                   alert == SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE;
    const std::string said = SSL_alert_desc_string_long(alert);
    if (about_certificate) {
      const auto* what = alert == SSL_AD_CERTIFICATE_REQUIRED ? "the peer requires a certificate of us: "
                                                              : "the peer refused our certificate: ";
      return error{errc::unauthenticated, what + said};
    }
    return error{established_ ? errc::unavailable : errc::failed_precondition,
                 "the peer ended TLS with an alert: " + said};
  }
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    switch (reason) {
      case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return established_ ? error{errc::unavailable,
                                    "the connection ended without close_notify: what was read may be cut short"}
                            : error{errc::unavailable, "the peer ended the connection during the handshake"};
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return error{errc::unauthenticated, "the client sent no certificate, and one is required"};
      case SSL_R_HTTP_REQUEST:
      case SSL_R_HTTPS_PROXY_REQUEST:
        return error{errc::failed_precondition, "the client speaks plain HTTP on a TLS port"}.with_remedy(
            "connect with https://");
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_PACKET_LENGTH_TOO_LONG:
      case SSL_R_UNEXPECTED_MESSAGE:
        if (established_) break;
        return error{errc::failed_precondition, "the peer does not speak TLS here"}.with_remedy(
            "check the port, and whether the address should begin with http:// or tcp://");
      default:
        break;
    }
  }
  if (code == 0 && under_ended_) return error{errc::unavailable, "the peer ended the connection"};
  const auto* text = ERR_reason_error_string(code);
  // Once established, what fails are bytes that are not what the peer encrypted.
  return error{established_ ? errc::data_loss : errc::failed_precondition,
               std::string{"TLS failed: "} + (text != nullptr ? text : "no reason is known")};
}

}  // namespace weft::net
