#include <weft/storage/database.hpp>

#include "sql_text.hpp"

#include <weft/storage/postgres.hpp>
#include <weft/storage/sqlite.hpp>

namespace weft::storage {

namespace {

result<> check_all(const std::vector<statement>& batch) {
  for (const auto& s : batch) WEFT_TRY_VOID(check_statement(s));
  return {};
}

error failed_before() {
  return error{errc::failed_precondition, "a statement of the transaction failed before"}.with_remedy(
      "roll it back, and run it again from the start");
}

std::vector<statement> just(std::string sql, parameters values) {
  std::vector<statement> one;
  one.push_back({std::move(sql), std::move(values)});
  return one;
}

}  // namespace

task<result<rows>> transaction::query(context ctx, std::string sql, parameters values) {
  WEFT_CO_TRY(auto all, co_await batch(std::move(ctx), just(std::move(sql), std::move(values))));
  co_return std::move(all.front());
}

task<result<std::int64_t>> transaction::execute(context ctx, std::string sql, parameters values) {
  WEFT_CO_TRY(const auto all, co_await batch(std::move(ctx), just(std::move(sql), std::move(values))));
  co_return all.front().affected();
}

// However this ends, by an error or with its frame, a statement that was not carried out fails the transaction.
task<result<std::vector<rows>>> transaction::batch(context ctx, std::vector<statement> statements) {
  struct guard {
    session::failure_flag failed;
    bool done = false;
    ~guard() {
      if (!done) *failed = true;
    }
  } carried_out{session_->failed()};
  if (*carried_out.failed) co_return fail(failed_before());
  WEFT_CO_TRY_VOID(check_all(statements));
  if (!statements.empty()) {
    WEFT_CO_TRY(auto all, co_await session_->run(std::move(ctx), std::move(statements)));
    carried_out.done = true;
    co_return all;
  }
  carried_out.done = true;
  co_return std::vector<rows>{};
}

task<result<>> transaction::commit(context ctx) {
  if (!*session_->failed()) co_return co_await session_->commit(std::move(ctx));
  static_cast<void>(co_await session_->rollback(std::move(ctx)));
  co_return fail(failed_before());
}
task<result<>> transaction::rollback(context ctx) { return session_->rollback(std::move(ctx)); }

task<result<rows>> database::query(context ctx, std::string sql, parameters values) {
  WEFT_CO_TRY(auto all, co_await batch(std::move(ctx), just(std::move(sql), std::move(values))));
  co_return std::move(all.front());
}

task<result<std::int64_t>> database::execute(context ctx, std::string sql, parameters values) {
  WEFT_CO_TRY(const auto all, co_await batch(std::move(ctx), just(std::move(sql), std::move(values))));
  co_return all.front().affected();
}

task<result<std::vector<rows>>> database::batch(context ctx, std::vector<statement> statements) {
  WEFT_CO_TRY_VOID(check_all(statements));
  if (statements.empty()) co_return std::vector<rows>{};
  co_return co_await run(std::move(ctx), std::move(statements));
}

task<result<std::unique_ptr<database>>> open(loop& l, context ctx, std::string url) {
  if (url.starts_with("sqlite:")) {
    WEFT_CO_TRY(std::unique_ptr<database> opened, co_await open_sqlite(l, {.path = url.substr(7)}));
    co_return opened;
  }
  if (url.starts_with("postgres:") || url.starts_with("postgresql:")) {
    WEFT_CO_TRY(std::unique_ptr<database> opened, co_await open_postgres(l, std::move(ctx), {.url = std::move(url)}));
    co_return opened;
  }
  const auto scheme = url.substr(0, std::min(url.find(':'), url.size()));
  co_return fail(error{errc::invalid_argument, "no database has the URL scheme '" + scheme + "'"}.with_remedy(
      "sqlite:<path>, sqlite::memory: or postgres://user@host/name"));
}

}  // namespace weft::storage
