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

task<result<std::vector<rows>>> transaction::batch(context ctx, std::vector<statement> statements) {
  WEFT_CO_TRY_VOID(check_all(statements));
  if (statements.empty()) co_return std::vector<rows>{};
  co_return co_await session_->run(std::move(ctx), std::move(statements));
}

task<result<>> transaction::commit(context ctx) { return session_->commit(std::move(ctx)); }
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
