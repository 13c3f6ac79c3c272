import NodePasswordCore
import Testing

/// What counts below `server/manifests`, by k3s-facts 4.
@Suite struct ManifestNameTests {
  @Test(arguments: [
    ("coredns.yaml", true), ("coredns.yml", true), ("coredns.json", true), ("COREDNS.YAML", true), ("a.JsOn", true),
    ("metrics-server/auth-reader.yaml", true), (".hidden/a.yaml", true), (".a.yaml", false), ("sub/.a.yaml", false),
    ("a.yaml.bak", false), ("a.txt", false), ("yaml", false), ("a", false), ("a.yaml.skip", false), ("a.yaml~", false),
    (".nodepassd-a.yaml-12", false), (".yaml", false),
  ]) func manifestsAreToldByTheirEndsAndDotFilesAreNone(path: String, isOne: Bool) {
    #expect(ManifestName.isManifest(path) == isOne)
  }

  @Test(arguments: [
    ("a.yaml.skip", "a.yaml"), ("sub/deep/a.yaml.skip", "a.yaml"), ("a.JSON.skip", "a.JSON"), ("a.yaml.SKIP", nil),
    ("a.skip", nil), (".a.yaml.skip", nil), ("a.yaml", nil), (".skip", nil),
  ]) func aSkipFileIsOfABaseName(path: String, name: String?) {
    #expect(ManifestName.skipped(by: path) == name)
    #expect(ManifestName.counts(path) == (name != nil || path == "a.yaml"))
  }

  @Test(arguments: [("foo.bar.yaml", "foo"), ("sub/coredns.yaml", "coredns"), ("x", "x")])
  func anAddonIsCalledByTheNameUpToTheFirstDot(path: String, addon: String) {
    #expect(ManifestName.addon(path) == addon)
  }

  @Test(arguments: [
    ("coredns.yaml", ["coredns"], true), ("coredns.yml", ["coredns"], true), ("coredns.yaml", ["coredns.yaml"], false),
    ("metrics-server/auth-reader.yaml", ["metrics-server"], true), ("a/b/c.yaml", ["a/b"], true),
    ("a/b/c.yaml", ["b"], false), ("a/b/c.yaml", ["c"], true), ("foo.bar.yaml", ["foo"], false),
    ("foo.bar.yaml", ["foo.bar"], true), ("traefik.yaml", [], false), ("traefik.yaml.skip", ["traefik"], false),
  ]) func disableNamesAFileOrAFolder(path: String, names: [String], isDisabled: Bool) {
    #expect(ManifestName.isDisabled(path, by: names) == isDisabled)
  }

  @Test(arguments: [
    ("ccm.yaml", true, false), ("coredns.yaml", true, false), ("local-storage.yaml", true, false),
    ("metrics-server/resource-reader.yaml", true, false), ("metrics-server/README", false, false),
    ("rolebindings.yaml", true, false), ("runtimes.yaml", true, false), ("traefik.yaml", true, false),
    ("sub/traefik.yaml", false, false), ("mine.yaml", false, false), ("rke2-coredns.yaml", false, true),
    ("rke2-canal.yaml", false, true), ("rke2-canal-config.yaml", false, false), ("sub/rke2-canal.yaml", false, false),
  ]) func theProductsBringTheseFiles(path: String, k3s: Bool, rke2: Bool) {
    #expect(ManifestName.isPackaged(path, .k3s) == k3s)
    #expect(ManifestName.isPackaged(path, .rke2) == rke2)
  }

  @Test func aDigestIsSpelledAsAnAddonsChecksum() throws {
    let bytes = (0..<32).map { UInt8($0 * 7 & 255) }
    let digest = try #require(ManifestDigest(bytes: bytes))
    #expect(digest.hex.utf8.count == 64 && ManifestDigest(hex: digest.hex) == digest)
    #expect(digest.hex.hasPrefix("00070e15"))
    for wrong in [
      "", "00", String(digest.hex.dropLast()), digest.hex + "0", digest.hex.uppercased(),
      digest.hex.replacing("0", with: "g"),
    ] {
      #expect(ManifestDigest(hex: wrong) == nil, "\(wrong)")
    }
    #expect(ManifestDigest(bytes: bytes.dropLast()) == nil)
  }
}
