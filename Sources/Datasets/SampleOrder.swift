// Which image stands where in the endless row that training reads: a permutation for each epoch,
// each a function of (seed, epoch) alone, so that a run may start anywhere in it.

import SearchSpaces
import Synchronization

/// The order in which the images of a set are read.
package final class SampleOrder: Sendable {
    /// How many images there are.
    package let count: Int
    /// nil reads them in their own order.
    package let seed: UInt64?
    /// The permutations of the epochs last asked for: at most two, as a batch may lie in both.
    private let recent = Mutex<[(epoch: Int, order: [UInt32])]>([])

    /// - Precondition: `count` is positive.
    package init(count: Int, seed: UInt64?) {
        precondition(count > 0 && count <= Int(UInt32.max))
        self.count = count
        self.seed = seed
    }

    /// The images at `positions` of the endless row; each epoch holds every image once.
    ///
    /// O(1) for an epoch that was just read, O(`count`) for another.
    package func samples(at positions: Range<Int>) -> [Int] {
        positions.map { sample(at: $0) }
    }

    package func sample(at position: Int) -> Int {
        guard let seed else { return position % count }
        let (epoch, place) = position.quotientAndRemainder(dividingBy: count)
        return recent.withLock { recent in
            if let known = recent.first(where: { $0.epoch == epoch }) {
                return Int(known.order[place])
            }
            var random = CounterRandom(seed: seed, stream: "data order", UInt64(epoch))
            var order = (0..<UInt32(count)).map { $0 }
            for last in order.indices.dropFirst().reversed() {
                order.swapAt(last, random.below(last + 1))
            }
            if recent.count == 2 { recent.removeFirst() }
            recent.append((epoch, order))
            return Int(order[place])
        }
    }
}
