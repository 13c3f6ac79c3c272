import CSystemd
import Glibc

/// This boot, as PID 1 knows it.
///
/// The unit's private `/proc` (`ProtectProc=`) shows the kernel's boot, which in a container is another one than the journal,
/// the kubelet and PID 1 go by. So the unit passes on what PID 1 says (`%b`, systemd.unit(5)).
enum BootIdentity {
  static let variable = "NODEPASSD_BOOT_ID"

  /// 32 hex digits, as the journal names it.
  static var plain: String? { passedOn(getenv(variable).map { String(cString: $0) }) ?? fromKernel }

  /// With dashes, as `/proc` and a Node name it; `nil` where the unit passed none on.
  static var dashed: String? { passedOn(getenv(variable).map { String(cString: $0) }).map(dashing) }

  /// `nil` for what is no boot ID.
  static func passedOn(_ text: String?) -> String? {
    guard let text, text.utf8.count == 32, text.allSatisfy({ $0.isHexDigit && !$0.isUppercase }) else { return nil }
    return text
  }

  static func dashing(_ plain: String) -> String {
    plain.enumerated().map { ([8, 12, 16, 20].contains($0.offset) ? "-" : "") + String($0.element) }.joined()
  }

  private static var fromKernel: String? {
    var id = sd_id128_t()
    return sd_id128_get_boot(&id) == 0 ? text(of: id) : nil
  }

  /// As the journal spells an identifier.
  static func text(of id: sd_id128_t) -> String {
    withUnsafeBytes(of: id) { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
  }
}
