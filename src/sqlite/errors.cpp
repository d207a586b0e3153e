#include "sqlite/errors.hpp"

#include <cerrno>

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/sql/errors.hpp>

namespace weir::sqlite {
namespace {

errc code_of(int extended) noexcept {
  switch (extended) {
    case SQLITE_BUSY_SNAPSHOT:
      return errc::conflict;
    case SQLITE_CORRUPT_SEQUENCE:
      return errc::corrupt;
    default:
      break;
  }
  switch (extended & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return errc::busy;
    case SQLITE_CONSTRAINT:
      return errc::constraint;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return errc::corrupt;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return errc::io;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return errc::denied;
    case SQLITE_NOMEM:
      return errc::exhausted;
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
      return errc::out_of_range;
    case SQLITE_MISMATCH:
      return errc::type_mismatch;
    case SQLITE_INTERRUPT:
      return errc::cancelled;
    default:
      return errc::failed;
  }
}

// What to do about it, where SQLite's own sentence leaves that open.
std::string advice(int extended) {
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return "; make room on the disk and run it again";
    case SQLITE_READONLY:
      return "; check that the file and its folder may be written to";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; restore it from a backup, or name another file";
    case SQLITE_BUSY:
      return "; another process holds the lock: end it, or allow a longer lock_timeout";
    default:
      return {};
  }
}

struct cause {
  errc code;
  std::string sentence;
};

cause of_folder(const std::string& folder, const std::string& name, int os) {
  if (os == ENOENT || os == ENOTDIR) {
    return {errc::not_found,
            "the folder of '" + name + "' does not exist; make it, or check the path"};
  }
  if (os == EROFS) {
    return {errc::io, "'" + folder +
                          "' is on a read-only file system, where SQLite can keep no log "
                          "for '" +
                          name + "'; name or copy the file elsewhere"};
  }
  return {errc::denied, "no permission to write in '" + folder + "', which SQLite needs for '" +
                            name + "' and its log; check the folder's owner and mode"};
}

// SQLite says "unable to open" and no more; the system knows why.
cause look(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat about{};
  if (stat(path.c_str(), &about) == 0) {
    if (S_ISDIR(about.st_mode)) {
      return {errc::invalid_argument, "'" + path + "' is a folder; name a file in it"};
    }
    if (access(path.c_str(), R_OK) != 0) {
      return {errc::denied, "no permission to read '" + path + "'; check its owner and mode"};
    }
    if (access(folder.c_str(), W_OK) != 0) return of_folder(folder, path, errno);
  } else if (errno == EACCES) {
    return {errc::denied, "no permission to reach '" + path + "'; check the modes of its folders"};
  } else if (access(folder.c_str(), W_OK) != 0) {
    return of_folder(folder, path, errno);
  } else if (errno == ENOENT) {
    return {errc::not_found, "'" + path +
                                 "' does not exist; check the path, or leave out mode=ro and "
                                 "mode=rw to make it"};
  }
  return {errc::io, "'" + path +
                        "' cannot be opened; check that it is a file and that its folder "
                        "can be written to"};
}

bool concerns_file(errc code) noexcept {
  return code == errc::io || code == errc::corrupt || code == errc::busy || code == errc::denied;
}

}  // namespace

error last_error(sqlite3* handle, int code, const std::string& path) {
  const int extended = handle != nullptr ? sqlite3_extended_errcode(handle) : code;
  // A failure of weir's own check (a misuse code) leaves the handle's last code alone.
  const int known = (extended & 0xff) == (code & 0xff) ? extended : code;
  const errc mapped = code_of(known);
  std::string said = handle != nullptr && (extended & 0xff) == (code & 0xff)
                         ? sqlite3_errmsg(handle)
                         : sqlite3_errstr(code);
  std::string message = concerns_file(mapped) ? "'" + path + "': " : std::string{};
  message += said + advice(known);
  return sql::with_outcome(error{mapped, std::move(message)}.with("sqlite code", known),
                           sql::outcome::refused);
}

error open_error(sqlite3* handle, int code, const std::string& path) {
  if ((code & 0xff) != SQLITE_CANTOPEN) return last_error(handle, code, path);
  const cause found = look(path);
  return sql::with_outcome(error{found.code, found.sentence}.with("sqlite code", code),
                           sql::outcome::not_sent);
}

}  // namespace weir::sqlite
