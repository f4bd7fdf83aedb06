#include "vfs.hpp"

#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace weft::storage {

namespace {

// SQLite allocates this much room and calls through `methods`.
struct open_file {
  sqlite3_file base;
  sqlite_vfs* system;
  blocking_file* file;
  std::string* name;
  bool delete_on_close;
  bool name_uncertain;  // its directory entry may not be on the disk: a process that was killed may have made it
};

open_file& of(sqlite3_file* f) noexcept { return *reinterpret_cast<open_file*>(f); }
sqlite_vfs& of(sqlite3_vfs* v) noexcept { return *static_cast<sqlite_vfs*>(v->pAppData); }

int status_of(const error& problem, int otherwise) noexcept {
  return problem.code() == errc::resource_exhausted ? SQLITE_FULL : otherwise;
}

int close_file(sqlite3_file* f) {
  auto& o = of(f);
  delete o.file;
  if (o.delete_on_close) static_cast<void>(o.system->disk().remove(*o.name));
  delete o.name;
  return SQLITE_OK;
}

int read_file(sqlite3_file* f, void* into, int amount, sqlite3_int64 offset) {
  const std::span room{static_cast<char*>(into), static_cast<std::size_t>(amount)};
  std::size_t done = 0;
  while (done < room.size()) {
    const auto got = of(f).file->read_at(static_cast<std::uint64_t>(offset) + done, room.subspan(done));
    if (!got) return SQLITE_IOERR_READ;
    if (*got == 0) break;
    done += *got;
  }
  if (done == room.size()) return SQLITE_OK;
  std::memset(room.data() + done, 0, room.size() - done);  // as SQLite wants it
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* f, const void* from, int amount, sqlite3_int64 offset) {
  const std::string_view data{static_cast<const char*>(from), static_cast<std::size_t>(amount)};
  const auto written = of(f).file->write_at(static_cast<std::uint64_t>(offset), data);
  return written ? SQLITE_OK : status_of(written.error(), SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  return of(f).file->truncate(static_cast<std::uint64_t>(size)) ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int sync_file(sqlite3_file* f, int) {
  auto& o = of(f);
  if (!o.file->sync()) return SQLITE_IOERR_FSYNC;
  if (o.name_uncertain) {
    if (!o.system->disk().sync_directory()) return SQLITE_IOERR_DIR_FSYNC;
    o.name_uncertain = false;
  }
  return SQLITE_OK;
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  const auto bytes = of(f).file->size();
  if (!bytes) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(*bytes);
  return SQLITE_OK;
}

int lock_file(sqlite3_file*, int) { return SQLITE_OK; }
int check_lock(sqlite3_file*, int* held) { return *held = 0, SQLITE_OK; }
int control_file(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
// Nothing is promised: a write may be torn, and syncs are the only order.
int characteristics(sqlite3_file*) { return 0; }

constexpr sqlite3_io_methods methods{
    .iVersion = 1,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = file_size,
    .xLock = lock_file,
    .xUnlock = lock_file,
    .xCheckReservedLock = check_lock,
    .xFileControl = control_file,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

int open_named(sqlite3_vfs* v, const char* name, sqlite3_file* f, int flags, int* flags_out) {
  auto& o = *new (f) open_file{};               // no methods until it is open: SQLite then does not close it
  if (name == nullptr) return SQLITE_CANTOPEN;  // a temporary file; they stay in memory (temp_store)
  auto& disk = of(v).disk();
  const auto there = disk.exists(name);
  if (!there) return SQLITE_CANTOPEN;
  if (!*there && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
  auto opened = disk.open(name, *there ? open_mode::existing : open_mode::create);
  if (!opened) return status_of(opened.error(), SQLITE_CANTOPEN);
  o.system = &of(v);
  o.file = opened->release();
  o.name = new std::string{name};
  o.delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  o.name_uncertain = true;
  o.base.pMethods = &methods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int delete_named(sqlite3_vfs* v, const char* name, int sync_directory) {
  auto& disk = of(v).disk();
  const auto removed = disk.remove(name);
  if (!removed) return removed.error().code() == errc::not_found ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
  if (sync_directory != 0 && !disk.sync_directory()) return SQLITE_IOERR_DIR_FSYNC;
  return SQLITE_OK;
}

int access_named(sqlite3_vfs* v, const char* name, int, int* there) {
  const auto exists = of(v).disk().exists(name);
  if (!exists) return SQLITE_IOERR_ACCESS;
  *there = *exists ? 1 : 0;
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int room, char* out) {
  const std::string_view text{name};
  if (text.size() + 1 > static_cast<std::size_t>(room)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, text.size() + 1);
  return SQLITE_OK;
}

// Called on the thread that runs the call, so not for the loop's own generator: SQLite draws once, from the default
// file system's, whatever is answered here.
int no_randomness(sqlite3_vfs*, int amount, char* out) {
  std::memset(out, 0, static_cast<std::size_t>(amount));
  return amount;
}

int no_sleep(sqlite3_vfs*, int microseconds) { return microseconds; }

int current_time(sqlite3_vfs* v, sqlite3_int64* out) {
  using namespace std::chrono;
  constexpr sqlite3_int64 unix_epoch = 210'866'760'000'000;  // milliseconds of the Julian day
  *out = unix_epoch + duration_cast<milliseconds>(of(v).clock().wall_now().time_since_epoch()).count();
  return SQLITE_OK;
}

int last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

sqlite_vfs::sqlite_vfs(blocking_disk& disk, loop& clock) : disk_{disk}, clock_{clock} {
  // Any name that no other has; nobody sees it.
  name_ = "weft-" + std::to_string(reinterpret_cast<std::uintptr_t>(this));
  functions_.iVersion = 2;
  functions_.szOsFile = sizeof(open_file);
  functions_.mxPathname = 512;
  functions_.zName = name_.c_str();
  functions_.pAppData = this;
  functions_.xOpen = open_named;
  functions_.xDelete = delete_named;
  functions_.xAccess = access_named;
  functions_.xFullPathname = full_name;
  functions_.xRandomness = no_randomness;
  functions_.xSleep = no_sleep;
  functions_.xCurrentTimeInt64 = current_time;
  functions_.xGetLastError = last_error;
  sqlite3_vfs_register(&functions_, 0);
}

sqlite_vfs::~sqlite_vfs() { sqlite3_vfs_unregister(&functions_); }

}  // namespace weft::storage
