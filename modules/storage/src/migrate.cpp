#include <weft/storage/migrate.hpp>

#include <weft/storage/transact.hpp>

namespace weft::storage {

namespace {

std::vector<std::string> statements_for(const migration& step, engine kind) {
  auto all = step.statements.both;
  const auto& own = kind == engine::sqlite ? step.statements.sqlite : step.statements.postgres;
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

// FNV-1a: to notice a change, not an attack.
std::string digest(const std::vector<std::string>& statements) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](unsigned char c) { hash = (hash ^ c) * 0x100000001b3; };
  for (const auto& s : statements) {
    for (const char c : s) add(static_cast<unsigned char>(c));
    add(0);
  }
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(hash >> shift) & 15];
  return text;
}

std::unexpected<error> refuse(std::string what, std::string_view remedy) {
  return fail(error{errc::failed_precondition, what}.with_remedy(remedy));
}

result<> check_order(const std::string& component, const std::vector<migration>& steps) {
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (steps[i].version != static_cast<int>(i) + 1)
      return fail(errc::invalid_argument, "the migrations of " + component + " must be numbered 1, 2, 3 ...; number " +
                                              std::to_string(i + 1) + " is " + std::to_string(steps[i].version));
  return {};
}

// The number that the advisory lock of PostgreSQL has for us.
constexpr std::int64_t migration_lock = 0x77656674'6d696772;  // "weftmigr"

task<result<>> prepare_table(transaction& tx, context ctx, engine kind) {
  if (kind == engine::postgres)  // held to the end of the transaction
    WEFT_CO_TRY_VOID(co_await tx.query(ctx, "SELECT pg_advisory_xact_lock($1)", {migration_lock}));
  WEFT_CO_TRY_VOID(co_await tx.execute(ctx,
                                       "CREATE TABLE IF NOT EXISTS weft_migrations (component text NOT NULL, version "
                                       "integer NOT NULL, digest text NOT NULL, PRIMARY KEY (component, version))"));
  co_return result<>{};
}

// The version that the database has reached.
task<result<std::size_t>> check_taken(transaction& tx, context ctx, engine kind, const std::string& component,
                                      const std::vector<migration>& steps) {
  WEFT_CO_TRY(
      const auto taken,
      co_await tx.query(ctx, "SELECT version, digest FROM weft_migrations WHERE component = $1 ORDER BY version",
                        {component}));
  if (taken.size() > steps.size())
    co_return refuse("the tables of " + component + " have version " + std::to_string(taken.size()) +
                         ", and this program knows " + std::to_string(steps.size()) + " only",
                     "run a newer program on this database");
  for (std::size_t i = 0; i < taken.size(); ++i) {
    WEFT_CO_TRY(const auto found, taken[i].get<std::string>(1));
    if (found != digest(statements_for(steps[i], kind)))
      co_return refuse("migration " + std::to_string(i + 1) + " of " + component + " was another one when it was taken",
                       "leave released migrations as they were, and add a new one");
  }
  co_return taken.size();
}

task<result<>> take(transaction& tx, context ctx, engine kind, const std::string& component, const migration& step) {
  const auto statements = statements_for(step, kind);
  for (const auto& sql : statements) {
    if (auto done = co_await tx.execute(ctx, sql); !done)
      co_return fail(done.error().with_operation("migration " + std::to_string(step.version) + " of " + component));
  }
  WEFT_CO_TRY_VOID(co_await tx.execute(ctx,
                                       "INSERT INTO weft_migrations (component, version, digest) VALUES ($1, $2, $3)",
                                       {component, step.version, digest(statements)}));
  co_return result<>{};
}

struct run_migrations {
  engine kind;
  std::string component;
  std::vector<migration> steps;

  task<result<>> operator()(transaction& tx, context ctx) const {
    WEFT_CO_TRY_VOID(co_await prepare_table(tx, ctx, kind));
    WEFT_CO_TRY(const auto reached, co_await check_taken(tx, ctx, kind, component, steps));
    for (std::size_t i = reached; i < steps.size(); ++i)
      WEFT_CO_TRY_VOID(co_await take(tx, ctx, kind, component, steps[i]));
    co_return result<>{};
  }
};

}  // namespace

task<result<>> migrate(database& db, context ctx, std::string component, std::vector<migration> steps) {
  WEFT_CO_TRY_VOID(check_order(component, steps));
  run_migrations work{db.kind(), std::move(component), std::move(steps)};
  co_return co_await transact(db, std::move(ctx), std::move(work));
}

}  // namespace weft::storage
