#include "store.hpp"

#include "packing.hpp"

namespace weft::messaging {

using storage::blob;
using storage::rows;
using storage::sqlite_session;

namespace {

constexpr int format = 1;
constexpr std::int64_t page = 256;

constexpr const char* tables[] = {
    "CREATE TABLE weft_broker (format INTEGER NOT NULL)",
    "CREATE TABLE groups (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, ordering INTEGER NOT NULL,"
    " patterns TEXT NOT NULL, last_dead_letter INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE messages (record INTEGER PRIMARY KEY, takers BLOB NOT NULL, due INTEGER, expires INTEGER,"
    " message BLOB NOT NULL)",
    "CREATE TABLE progress (record INTEGER NOT NULL, taker INTEGER NOT NULL, settled INTEGER NOT NULL,"
    " taken INTEGER NOT NULL, attempt INTEGER NOT NULL, due INTEGER, failures TEXT NOT NULL DEFAULT '',"
    " PRIMARY KEY (record, taker)) WITHOUT ROWID",
    "CREATE TABLE dead_letters (row INTEGER PRIMARY KEY, taker INTEGER NOT NULL, number INTEGER NOT NULL,"
    " at INTEGER NOT NULL, attempts INTEGER NOT NULL, scope INTEGER NOT NULL, reason TEXT NOT NULL,"
    " failures TEXT NOT NULL, message BLOB NOT NULL, UNIQUE (taker, number))",
    "CREATE TABLE published_ids (row INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL)",
    "INSERT INTO weft_broker VALUES (1)",
};

wall_time at_time(std::int64_t ticks) { return wall_time{wall_time::duration{ticks}}; }

result<std::optional<wall_time>> get_time(const storage::row& r, std::size_t column) {
  WEFT_TRY(const auto ticks, r.get<std::optional<std::int64_t>>(column));
  if (!ticks) return std::optional<wall_time>{};
  return std::optional{at_time(*ticks)};
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find('\n', from), text.size());
    lines.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return lines;
}

error not_ours(std::string_view why) {
  return error{errc::failed_precondition, why}.with_remedy("give the broker a file of its own");
}

result<> check_format(sqlite_session& s) {
  WEFT_TRY(const auto found, s.run("SELECT format FROM weft_broker"));
  WEFT_TRY(const auto version, found.scalar<std::int64_t>());
  if (version == format) return {};
  return fail(error{errc::failed_precondition, "the file has format " + std::to_string(version) +
                                                   ", and this program knows " + std::to_string(format)}
                  .with_remedy("use the version of the program that wrote it"));
}

result<stored_message> read_message(const storage::row& r) {
  stored_message m;
  WEFT_TRY(m.record, r.get<std::uint64_t>(0));
  WEFT_TRY(const auto takers, r.get<blob>(1));
  WEFT_TRY(m.takers, unpack_numbers(takers.bytes));
  WEFT_TRY(m.due, get_time(r, 2));
  WEFT_TRY(m.expires, get_time(r, 3));
  const auto* bytes = r[4].get_if<blob>();
  if (bytes == nullptr) return fail(errc::data_loss, "a message that is no blob");
  WEFT_TRY(auto what, unpack(bytes->bytes));
  m.what = share(std::move(what));
  return m;
}

result<stored_progress> read_progress(const storage::row& r) {
  stored_progress p;
  WEFT_TRY(p.taker, r.get<std::uint64_t>(1));
  WEFT_TRY(p.settled, r.get<bool>(2));
  WEFT_TRY(p.taken, r.get<bool>(3));
  WEFT_TRY(p.attempt, r.get<std::uint32_t>(4));
  WEFT_TRY(p.due, get_time(r, 5));
  WEFT_TRY(const auto failures, r.get<std::string_view>(6));
  p.failures = parse_failures(failures);
  return p;
}

result<stored_letter> read_letter(const storage::row& r) {
  stored_letter l;
  auto& d = l.letter;
  WEFT_TRY(l.row, r.get<std::uint64_t>(0));
  WEFT_TRY(l.taker, r.get<std::uint64_t>(1));
  WEFT_TRY(d.number, r.get<std::uint64_t>(2));
  WEFT_TRY(const auto at, r.get<std::int64_t>(3));
  d.at = at_time(at);
  WEFT_TRY(d.attempts, r.get<std::uint32_t>(4));
  WEFT_TRY(const auto whole_key, r.get<bool>(5));
  d.scope = whole_key ? dead_letter_scope::key : dead_letter_scope::message;
  WEFT_TRY(d.reason, r.get<std::string>(6));
  WEFT_TRY(const auto failures, r.get<std::string_view>(7));
  d.failures = parse_failures(failures);
  WEFT_TRY(const auto bytes, r.get<blob>(8));
  WEFT_TRY(auto what, unpack(bytes.bytes));
  d.what = share(std::move(what));
  return l;
}

std::unexpected<error> damaged(const error& e, std::string_view where) {
  return fail(error{errc::data_loss, e.describe()}.with_operation(where));
}

}  // namespace

result<std::unique_ptr<sqlite_store>> sqlite_store::open(loop& clock, const storage::sqlite_options& options) {
  WEFT_TRY(auto file, storage::sqlite_file::open(clock, options));
  std::unique_ptr<sqlite_store> store{new sqlite_store{std::move(file)}};
  if (auto ready = store->prepare_tables(); !ready)
    return fail(ready.error().with_operation("opening the broker's file " + options.path));
  return store;
}

result<> sqlite_store::prepare_tables() {
  bool empty = false;
  WEFT_TRY_VOID(file_->read([&](sqlite_session& s) -> result<> {
    WEFT_TRY(const auto there, s.run("SELECT name FROM sqlite_schema WHERE type = 'table'"));
    empty = there.empty();
    bool ours = false;
    for (const auto& r : there) {
      WEFT_TRY(const auto name, r.get<std::string_view>(0));
      ours = ours || name == "weft_broker";
    }
    if (empty) return {};
    if (!ours) return fail(not_ours("the file is a database, but no broker's"));
    return check_format(s);
  }));
  if (!empty) return {};
  return file_->transact([](sqlite_session& s) -> result<> {
    for (const auto* sql : tables) WEFT_TRY_VOID(s.run(sql));
    return {};
  });
}

result<std::vector<stored_group>> sqlite_store::groups() {
  std::vector<stored_group> list;
  WEFT_TRY_VOID(file_->read([&](sqlite_session& s) -> result<> {
    WEFT_TRY(const auto found, s.run("SELECT id, name, ordering, patterns, last_dead_letter FROM groups ORDER BY id"));
    for (const auto& r : found) {
      auto& g = list.emplace_back();
      WEFT_TRY(g.id, r.get<std::uint64_t>(0));
      WEFT_TRY(g.name, r.get<std::string>(1));
      WEFT_TRY(const auto ordered, r.get<bool>(2));
      g.order = ordered ? ordering::per_key : ordering::none;
      WEFT_TRY(const auto patterns, r.get<std::string>(3));
      g.patterns = split_lines(patterns);
      WEFT_TRY(g.last_dead_letter, r.get<std::uint64_t>(4));
    }
    return {};
  }));
  return list;
}

result<std::vector<stored_letter>> sqlite_store::letters(std::uint64_t after) {
  auto read = read_letters(after, page);
  if (!read && read.error().code() == errc::resource_exhausted) read = read_letters(after, 1);
  return read;
}

result<std::vector<stored_letter>> sqlite_store::read_letters(std::uint64_t after, std::int64_t limit) {
  std::vector<stored_letter> list;
  WEFT_TRY_VOID(file_->read([&](sqlite_session& s) -> result<> {
    WEFT_TRY(const auto found,
             s.run("SELECT row, taker, number, at, attempts, scope, reason, failures, message FROM dead_letters"
                   " WHERE row > $1 ORDER BY row LIMIT $2",
                   {static_cast<std::int64_t>(after), limit}));
    for (const auto& r : found) {
      auto letter = read_letter(r);
      if (!letter) return damaged(letter.error(), "a dead letter");
      list.push_back(*std::move(letter));
    }
    return {};
  }));
  return list;
}

result<std::vector<remembered_id>> sqlite_store::ids(std::uint64_t after) {
  std::vector<remembered_id> list;
  WEFT_TRY_VOID(file_->read([&](sqlite_session& s) -> result<> {
    WEFT_TRY(const auto found, s.run("SELECT row, id, at FROM published_ids WHERE row > $1 ORDER BY row LIMIT $2",
                                     {static_cast<std::int64_t>(after), page}));
    for (const auto& r : found) {
      auto& each = list.emplace_back();
      WEFT_TRY(each.row, r.get<std::uint64_t>(0));
      WEFT_TRY(each.id, r.get<std::string>(1));
      WEFT_TRY(const auto at, r.get<std::int64_t>(2));
      each.at = at_time(at);
    }
    return {};
  }));
  return list;
}

result<std::vector<stored_message>> sqlite_store::messages(std::uint64_t after) {
  auto read = read_messages(after, page);
  // A page of large messages is more than one result may be.
  if (!read && read.error().code() == errc::resource_exhausted) read = read_messages(after, 1);
  return read;
}

result<std::vector<stored_message>> sqlite_store::read_messages(std::uint64_t after, std::int64_t limit) {
  std::vector<stored_message> list;
  WEFT_TRY_VOID(file_->read([&](sqlite_session& s) -> result<> {
    WEFT_TRY(const auto found, s.run("SELECT record, takers, due, expires, message FROM messages"
                                     " WHERE record > $1 ORDER BY record LIMIT $2",
                                     {static_cast<std::int64_t>(after), limit}));
    for (const auto& r : found) {
      auto m = read_message(r);
      if (!m) return damaged(m.error(), "message " + std::to_string(list.empty() ? after : list.back().record) + "+");
      list.push_back(*std::move(m));
    }
    if (list.empty()) return {};
    WEFT_TRY(const auto notes,
             s.run("SELECT record, taker, settled, taken, attempt, due, failures FROM progress"
                   " WHERE record > $1 AND record <= $2 ORDER BY record",
                   {static_cast<std::int64_t>(after), static_cast<std::int64_t>(list.back().record)}));
    auto at = list.begin();
    for (const auto& r : notes) {
      WEFT_TRY(const auto record, r.get<std::uint64_t>(0));
      while (at != list.end() && at->record < record) ++at;
      auto p = read_progress(r);
      if (!p) return damaged(p.error(), "the progress of message " + std::to_string(record));
      noted_.insert(record);
      if (at != list.end() && at->record == record) at->progress.push_back(*std::move(p));
    }
    return {};
  }));
  return list;
}

}  // namespace weft::messaging
