extension Array {
  /// The element whose key this is, where the elements are in the order of their keys, each once; `nil`: none has it.
  func element<Key: Comparable>(with key: Key, by path: KeyPath<Element, Key>) -> Element? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle][keyPath: path] < key { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low][keyPath: path] == key ? self[low] : nil
  }
}
