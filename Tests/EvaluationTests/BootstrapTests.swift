import Annotations
import Evaluation
import Testing

struct BootstrapTests {
    private let box = Box(x: 10, y: 10, width: 60, height: 60)

    /// One object in each image, found in those that `isFound` names.
    private func matches(images: Int, isFound: (Int) -> Bool) -> CocoMatches {
        var scene = Scene(images: images)
        for image in 1...images {
            scene.add(box, image: Int64(image))
            if isFound(image) { scene.find(box, image: Int64(image), score: 1 / Double(image)) }
        }
        return scene.evaluator.match(scene.found)
    }

    @Test func `the interval of a recall is that of a share of images`() throws {
        // AR100 is then the mean of 100 draws that are 1 with p = 0.6: standard error 0.049.
        let matches = matches(images: 100) { $0 % 5 < 3 }
        let interval = try #require(matches.bootstrap(.ar100, resamples: 400, seed: 1))
        #expect(matches.value(of: .ar100) == 0.6)
        #expect(abs(interval.standardError - 0.049) < 0.006)
        #expect(abs(interval.low - (0.6 - 0.096)) < 0.025)
        #expect(abs(interval.high - (0.6 + 0.096)) < 0.025)
        #expect(interval.resamples == 400)
    }

    @Test func `one seed gives one interval, another seed another`() {
        let matches = matches(images: 30) { $0 % 2 == 0 }
        let interval = matches.bootstrap(.ap, resamples: 50, seed: 7)
        #expect(interval == matches.bootstrap(.ap, resamples: 50, seed: 7))
        #expect(interval != matches.bootstrap(.ap, resamples: 50, seed: 8))
    }

    @Test func `a wider level gives a wider interval`() throws {
        let matches = matches(images: 30) { $0 % 2 == 0 }
        let wide = try #require(matches.bootstrap(resamples: 100, seed: 1, level: 0.99))
        let narrow = try #require(matches.bootstrap(resamples: 100, seed: 1, level: 0.5))
        #expect(wide.low < narrow.low)
        #expect(narrow.high < wide.high)
    }

    @Test func `a detector does not differ from itself`() throws {
        let matches = matches(images: 20) { $0 % 2 == 0 }
        let interval = try #require(
            matches.bootstrapDifference(from: matches, resamples: 50, seed: 1)
        )
        #expect(interval.low == 0)
        #expect(interval.high == 0)
        #expect(interval.resamples == 50)
    }

    @Test func `a difference on the same images is surer than two intervals`() throws {
        let better = matches(images: 40) { $0 % 4 != 0 }
        let worse = matches(images: 40) { $0 % 4 > 1 }
        let difference = try #require(
            better.bootstrapDifference(from: worse, .ar100, resamples: 200, seed: 1)
        )
        #expect(difference.low > 0)
        let apart = try #require(better.bootstrap(.ar100, resamples: 200, seed: 1))
        let other = try #require(worse.bootstrap(.ar100, resamples: 200, seed: 1))
        #expect(apart.low < other.high)
    }

    @Test func `a difference of 1 is a difference`() throws {
        let none = matches(images: 5) { _ in false }
        let all = matches(images: 5) { _ in true }
        let interval = try #require(
            none.bootstrapDifference(from: all, .ar100, resamples: 20, seed: 1)
        )
        #expect(interval.low == -1)
        #expect(interval.resamples == 20)
    }

    @Test func `nothing to be found gives no interval, nor do other images`() {
        let empty = Scene(images: 3).evaluator.match([])
        #expect(empty.bootstrap(resamples: 10, seed: 1) == nil)
        let one = matches(images: 3) { _ in true }
        let two = matches(images: 4) { _ in true }
        #expect(one.bootstrapDifference(from: two, resamples: 10, seed: 1) == nil)
    }
}
