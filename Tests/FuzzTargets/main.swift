import Glibc
import ParserProperties

/// libFuzzer's own loop, with a callback in the place of the function that it would look for.
@_silgen_name("LLVMFuzzerRunDriver")
private func fuzz(
  _ count: UnsafeMutablePointer<Int32>,
  _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

/// Chosen by the first argument. libFuzzer's callback can hold nothing.
private nonisolated(unsafe) var chosen: ParserProperty?

private func say(_ words: String) {
  let bytes = Array((words + "\n").utf8)
  _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

private func fail(_ words: String) -> Never {
  say("Failed to fuzz: \(words)")
  exit(64)
}

private func named(_ name: String?) -> ParserProperty {
  guard let property = ParserProperty.all.first(where: { $0.name == name }) else {
    fail("no property “\(name ?? "")”; there are: \(ParserProperty.all.map(\.name).joined(separator: ", "))")
  }
  return property
}

private func write(_ bytes: [UInt8], to path: String) {
  guard let file = fopen(path, "w") else { fail("\(path) cannot be written") }
  _ = fwrite(bytes, 1, bytes.count, file)
  fclose(file)
}

/// As libFuzzer reads a dictionary.
private func entry(_ word: String) -> String {
  let digits = Array("0123456789abcdef")
  let bytes = word.utf8.map { byte in
    0x20..<0x7f ~= byte && byte != 0x22 && byte != 0x5c
      ? String(Character(Unicode.Scalar(byte))) : "\\x\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
  }
  return "\"\(bytes.joined())\"\n"
}

/// `list`: the properties. `seeds NAME FOLDER`: its examples as a corpus, and its words as a dictionary beside it.
/// `NAME …`: libFuzzer, with the arguments that follow.
switch CommandLine.arguments.dropFirst().first {
case "list": print(ParserProperty.all.map(\.name).joined(separator: "\n"))
case "seeds":
  guard CommandLine.arguments.count == 4 else { fail("seeds NAME FOLDER") }
  let property = named(CommandLine.arguments[2])
  let folder = CommandLine.arguments[3]
  for (index, example) in property.examples.enumerated() { write(example, to: "\(folder)/example-\(index)") }
  write(Array(property.words.filter { !$0.isEmpty }.map(entry).joined().utf8), to: "\(folder).words")
case let name:
  chosen = named(name)
  var count = CommandLine.argc - 1
  var words = CommandLine.unsafeArgv + 1
  exit(
    fuzz(&count, &words) { start, count in
      let input = Array(UnsafeBufferPointer(start: start, count: count))
      do {
        try chosen?.check(input)
      } catch {
        say("The property does not hold: \(error)")
        abort()
      }
      return 0
    })
}
