// What a commit of the broker consists of.
#include <algorithm>

#include "packing.hpp"
#include "store.hpp"

namespace weft::messaging {

using storage::blob;
using storage::sqlite_session;
using storage::value;

namespace {

value number(std::uint64_t n) { return static_cast<std::int64_t>(n); }
value time(const std::optional<wall_time>& at) {
  if (!at) return storage::null;
  return std::int64_t{at->time_since_epoch().count()};
}

// Rows of messages go several to a statement, and so share what a statement costs besides them.
constexpr std::size_t rows_at_once = 32, columns_of_messages = 5;

std::string insert_statement(std::size_t rows) {
  std::string sql = "INSERT INTO messages VALUES ";
  for (std::size_t row = 0, number = 0; row < rows; ++row) {
    sql += row == 0 ? "(" : ", (";
    for (std::size_t column = 0; column < columns_of_messages; ++column)
      sql += (column == 0 ? "$" : ", $") + std::to_string(++number);
    sql += ')';
  }
  return sql;
}

class commit_writer {
 public:
  commit_writer(sqlite_session& s, const std::unordered_set<std::uint64_t>& noted, clock_offset offset)
      : session_{s}, noted_{noted}, offset_{offset} {}

  result<> run(const sqlite_store::work& w) {
    // Whatever is over by the end of this commit needs no note that it has begun.
    for (const auto& c : w.changes)
      if (const auto* e = std::get_if<erase_message>(&c)) erased_.push_back(e->record);
    std::ranges::sort(erased_);
    for (const auto& c : w.changes) WEFT_TRY_VOID(std::visit([&](const auto& each) { return write(each); }, c));
    WEFT_TRY_VOID(insert_all(w.published));
    for (const auto& each : w.ids)
      WEFT_TRY_VOID(run("INSERT INTO published_ids VALUES ($1, $2, $3)",
                        {number(each.row), each.id, std::int64_t{each.at.time_since_epoch().count()}}));
    if (w.forget != 0) WEFT_TRY_VOID(run("DELETE FROM published_ids WHERE row <= $1", {number(w.forget)}));
    return erase_all();
  }
  [[nodiscard]] const std::vector<std::uint64_t>& erased() const noexcept { return erased_; }
  [[nodiscard]] const std::vector<std::uint64_t>& now_noted() const noexcept { return now_noted_; }

 private:
  static std::string takers_of(const std::vector<hub_group_ptr>& takers) {
    std::vector<std::uint64_t> list;
    for (const auto& g : takers)
      if (g->journal) list.push_back(g->id);
    return pack(list);
  }
  [[nodiscard]] bool is_erased(std::uint64_t record) const { return std::ranges::binary_search(erased_, record); }

  [[nodiscard]] std::optional<wall_time> to_wall(const std::optional<steady_time>& at) const {
    return at ? std::optional{offset_.to_wall(*at)} : std::nullopt;
  }

  result<> run(std::string_view sql, const storage::parameters& values) {
    WEFT_TRY_VOID(session_.run(sql, values));
    return {};
  }
  result<> insert_all(std::span<const published_message* const> all) {
    static const std::string several = insert_statement(rows_at_once), one = insert_statement(1);
    storage::parameters row;
    row.reserve(rows_at_once * columns_of_messages);
    group_hub::takers takers;  // of the topic before, mostly the same
    std::string packed;
    while (!all.empty()) {
      const auto rows = all.size() >= rows_at_once ? rows_at_once : 1;
      row.clear();
      for (const auto* p : all.first(rows)) {
        if (p->takers != takers) packed = takers_of(*(takers = p->takers));
        add_row(row, p->record, packed, p->due, p->expires, *p->what);
      }
      WEFT_TRY_VOID(run(rows == 1 ? one : several, row));
      all = all.subspan(rows);
    }
    return {};
  }
  static void add_row(storage::parameters& to, std::uint64_t record, std::string takers,
                      const std::optional<wall_time>& due, const std::optional<wall_time>& expires, const message& m) {
    to.push_back(number(record));
    to.emplace_back(blob{std::move(takers)});
    to.push_back(time(due));
    to.push_back(time(expires));
    to.emplace_back(blob{pack(m)});
  }

  result<> write(const erase_message&) { return {}; }
  result<> write(const settle_message& c) {
    if (is_erased(c.record)) return {};
    now_noted_.push_back(c.record);
    return run("INSERT OR REPLACE INTO progress (record, taker, settled, taken, attempt) VALUES ($1, $2, 1, 0, 1)",
               {number(c.record), number(c.taker)});
  }
  result<> write(const take_message& c) {
    if (is_erased(c.record)) return {};
    now_noted_.push_back(c.record);
    return run(
        "INSERT INTO progress (record, taker, settled, taken, attempt) VALUES ($1, $2, 0, 1, $3)"
        " ON CONFLICT (record, taker) DO UPDATE SET taken = 1, attempt = $3, due = NULL",
        {number(c.record), number(c.taker), std::int64_t{c.attempt}});
  }
  result<> write(const std::unique_ptr<return_message>& c) {
    if (is_erased(c->record)) return {};
    now_noted_.push_back(c->record);
    return run("INSERT OR REPLACE INTO progress VALUES ($1, $2, 0, 0, $3, $4, $5)",
               {number(c->record), number(c->taker), std::int64_t{c->attempt}, time(to_wall(c->due)), c->failures});
  }
  result<> write(const std::unique_ptr<replay_message>& c) {
    storage::parameters row;
    add_row(row, c->record, pack(std::vector{c->taker}), {}, to_wall(c->expires), *c->what);
    return run("INSERT INTO messages VALUES ($1, $2, $3, $4, $5)", row);
  }
  result<> write(const std::unique_ptr<bury_message>& c) {
    const auto& d = c->letter;
    WEFT_TRY_VOID(run(
        "INSERT OR REPLACE INTO dead_letters (taker, number, at, attempts, scope, reason, failures, message)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        {number(c->taker), number(d.number), std::int64_t{d.at.time_since_epoch().count()}, std::int64_t{d.attempts},
         d.scope == dead_letter_scope::key, d.reason, format_failures(d.failures), blob{pack(*d.what)}}));
    return run("UPDATE groups SET last_dead_letter = $2 WHERE id = $1", {number(c->taker), number(d.number)});
  }
  result<> write(const purge_letter& c) {
    return run("DELETE FROM dead_letters WHERE taker = $1 AND number = $2", {number(c.taker), number(c.number)});
  }
  result<> write(const std::unique_ptr<define_group>& c) {
    return run(
        "INSERT INTO groups (id, name, ordering, patterns) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (id) DO UPDATE SET patterns = $4",
        {number(c->taker), c->name, c->order == ordering::per_key, c->patterns});
  }
  result<> write(const remove_group& c) {
    WEFT_TRY_VOID(run("DELETE FROM dead_letters WHERE taker = $1", {number(c.taker)}));
    return run("DELETE FROM groups WHERE id = $1", {number(c.taker)});
  }

  // Those that lie beside each other go together: it is the oldest that go, mostly.
  result<> erase_all() {
    for (auto from = erased_.begin(); from != erased_.end();) {
      auto to = from;
      while (std::next(to) != erased_.end() && *std::next(to) <= *to + 1) ++to;
      WEFT_TRY_VOID(run("DELETE FROM messages WHERE record BETWEEN $1 AND $2", {number(*from), number(*to)}));
      from = std::next(to);
    }
    for (const auto record : erased_)
      if (noted_.contains(record)) WEFT_TRY_VOID(run("DELETE FROM progress WHERE record = $1", {number(record)}));
    return {};
  }

  sqlite_session& session_;
  const std::unordered_set<std::uint64_t>& noted_;
  const clock_offset offset_;
  std::vector<std::uint64_t> erased_, now_noted_;
};

}  // namespace

result<> sqlite_store::write(const work& w, clock_offset offset) {
  std::vector<std::uint64_t> erased, now_noted;
  WEFT_TRY_VOID(file_->transact([&](sqlite_session& s) -> result<> {
    commit_writer writer{s, noted_, offset};
    WEFT_TRY_VOID(writer.run(w));
    erased = writer.erased();
    now_noted = writer.now_noted();
    return {};
  }));
  noted_.insert(now_noted.begin(), now_noted.end());
  for (const auto record : erased) noted_.erase(record);
  return {};
}

}  // namespace weft::messaging
