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
    private let grouping: Grouping?
    /// How long an epoch is: `count`, or more where the batches of a group are filled up.
    private let length: Int
    /// The permutations of the epochs last asked for: at most two, as a batch may lie in both.
    private let recent = Mutex<[(epoch: Int, order: [UInt32])]>([])

    /// Which images may be in one batch: those of one group, such as wide ones and tall ones, which would need more
    /// padding together.
    package struct Grouping: Sendable {
        package let groups: [UInt8]
        package let batch: Int

        package init(groups: [UInt8], batch: Int) {
            self.groups = groups
            self.batch = batch
        }

        /// `order`, batch by batch of one group each; the last batch of a group is filled up from its first ones.
        fileprivate func batches(of order: [UInt32], using random: inout CounterRandom) -> [UInt32]
        {
            var batches: [[UInt32]] = []
            for group in Set(groups).sorted() {
                let members = order.filter { groups[Int($0)] == group }
                for start in stride(from: 0, to: members.count, by: batch) {
                    batches.append((start..<start + batch).map { members[$0 % members.count] })
                }
            }
            return random.permutation(batches.count).flatMap { batches[$0] }
        }

        fileprivate var length: Int {
            Set(groups).reduce(0) { sum, group in
                let members = groups.count { $0 == group }
                return sum + (members + batch - 1) / batch * batch
            }
        }
    }

    /// - Parameter grouping: has a group for each image; nothing is grouped where all are in one, or without a seed.
    /// - Precondition: `count` is positive.
    package init(count: Int, seed: UInt64?, grouping: Grouping? = nil) {
        precondition(count > 0 && count <= Int(UInt32.max))
        precondition(grouping.map { $0.groups.count == count && $0.batch > 0 } ?? true)
        self.count = count
        self.seed = seed
        self.grouping =
            seed == nil || Set(grouping?.groups ?? []).count < 2 ? nil : grouping
        length = self.grouping?.length ?? count
    }

    /// The images at `positions` of the endless row; each epoch holds every image, once unless they are grouped.
    ///
    /// O(1) for an epoch that was just read, O(`count`) for another.
    package func samples(at positions: Range<Int>) -> [Int] {
        positions.map { sample(at: $0) }
    }

    package func sample(at position: Int) -> Int {
        guard let seed else { return position % count }
        let (epoch, place) = position.quotientAndRemainder(dividingBy: length)
        return recent.withLock { recent in
            if let known = recent.first(where: { $0.epoch == epoch }) {
                return Int(known.order[place])
            }
            var random = CounterRandom(seed: seed, stream: "data order", UInt64(epoch))
            var order = (0..<UInt32(count)).map { $0 }
            for last in order.indices.dropFirst().reversed() {
                order.swapAt(last, random.below(last + 1))
            }
            if let grouping { order = grouping.batches(of: order, using: &random) }
            if recent.count == 2 { recent.removeFirst() }
            recent.append((epoch, order))
            return Int(order[place])
        }
    }
}
