import Glibc
import NodePasswordCore

/// One daemon at a time, and a way to see whether it lives: a lock that the kernel drops when its holder ends, however
/// it ends.
package struct RunLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock for the life of the process and writes the process ID into the file.
  package static func take(_ path: String) -> Result<RunLock, Obstacle> {
    let directory = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
    if mkdir(directory, 0o755) == 0 {
      // A umask may have taken bits away: everybody may ask for the status below it.
      guard chmod(directory, 0o755) == 0 else { return .failure(.system(errno, at: directory)) }
    } else if errno != EEXIST {
      return .failure(.system(errno, at: directory))
    }
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return .failure(.system(errno, at: path)) }
    // Whoever could read it could hold a lock on it, and nodepassd would never start.
    guard fchmod(descriptor, 0o600) == 0 else {
      let cause = errno
      close(descriptor)
      return .failure(.system(cause, at: path))
    }
    var lock = record(F_WRLCK)
    guard fcntl(descriptor, F_SETLK, &lock) == 0 else {
      let cause = errno
      close(descriptor)
      return .failure(
        cause == EAGAIN || cause == EACCES
          ? Obstacle(.busy, at: path, "another nodepassd runs already") : .system(cause, at: path))
    }
    let text = Array("\(getpid())\n".utf8)
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, text, text.count, 0) == text.count else {
      let cause = errno
      close(descriptor)
      return .failure(.system(cause, at: path))
    }
    return .success(RunLock(descriptor: descriptor))
  }

  package func release() { close(descriptor) }

  package enum Holder: Hashable, Sendable {
    /// A living daemon, by its process ID.
    case process(Int32)
    case nobody
    /// The lock is not ours to ask; or its holder has no process ID that means anything here.
    case unknown
  }

  /// Who holds the lock. Asks only: a test that took it could make a daemon that starts just now believe that it is the
  /// second.
  package static func holder(_ path: String) -> Holder {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { return errno == ENOENT || errno == ENOTDIR ? .nobody : .unknown }
    defer { close(descriptor) }
    var lock = record(F_WRLCK)
    guard fcntl(descriptor, F_GETLK, &lock) == 0 else { return .unknown }
    if lock.l_type == Int16(F_UNLCK) { return .nobody }
    return lock.l_pid > 0 ? .process(lock.l_pid) : .unknown
  }

  /// Whether a daemon lives, as far as the caller may know: where the lock is not its to ask, by the process ID that the
  /// daemon published.
  package static func isHeld(_ path: String, publishedBy pid: Int32?) -> Bool {
    switch holder(path) {
    case .process: true
    case .nobody: false
    case .unknown: pid.map { $0 > 0 && (kill($0, 0) == 0 || errno == EPERM) } ?? false
    }
  }

  /// The whole file.
  private static func record(_ kind: Int32) -> flock {
    flock(l_type: Int16(kind), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
  }
}
