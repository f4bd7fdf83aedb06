#include "error.hpp"

#include <cerrno>
#include <string>

namespace weft::storage {

namespace {

errc code_of_constraint(int extended) noexcept {
  switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return errc::already_exists;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
    case SQLITE_CONSTRAINT_TRIGGER:
      return errc::failed_precondition;
    default:  // not null, check, type
      return errc::invalid_argument;
  }
}

}  // namespace

errc code_of_sqlite(int extended) noexcept {
  switch (extended) {
    case SQLITE_BUSY_SNAPSHOT:
      return errc::aborted;
    case SQLITE_CANTOPEN_ISDIR:
    case SQLITE_CANTOPEN_FULLPATH:
      return errc::invalid_argument;
    default:
      break;
  }
  switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
      return code_of_constraint(extended);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return errc::unavailable;
    case SQLITE_SCHEMA:
    case SQLITE_ABORT:
      return errc::aborted;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return errc::resource_exhausted;
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return errc::data_loss;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return errc::permission_denied;
    case SQLITE_CANTOPEN:
      return errc::not_found;
    case SQLITE_READONLY:
      return errc::failed_precondition;
    case SQLITE_INTERRUPT:
      return errc::cancelled;
    case SQLITE_MISMATCH:
    case SQLITE_ERROR:
      return errc::invalid_argument;
    case SQLITE_RANGE:
    case SQLITE_MISUSE:
    case SQLITE_INTERNAL:
      return errc::internal;
    default:
      return errc::unknown;
  }
}

error sqlite_failure(sqlite3* connection, int status, std::string_view operation) {
  const int extended = connection != nullptr ? sqlite3_extended_errcode(connection) : status;
  const int code = (extended & 0xff) == (status & 0xff) ? extended : status;
  std::string text = connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(status);
  error problem{code_of_sqlite(code), text};
  const int number = connection != nullptr ? sqlite3_system_errno(connection) : 0;
  const bool failed_for_space = (code & 0xff) == SQLITE_IOERR && (number == ENOSPC || number == EDQUOT);
  if ((code & 0xff) == SQLITE_FULL || failed_for_space)
    problem = error{errc::resource_exhausted, text}
                  .with_limit(limit_kind::space)
                  .with_remedy("make room on the disk of the database");
  else if ((code & 0xff) == SQLITE_TOOBIG)
    problem = problem.with_limit(limit_kind::size);
  return operation.empty() ? problem : problem.with_operation(operation);
}

}  // namespace weft::storage
