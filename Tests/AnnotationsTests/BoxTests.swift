import Annotations
import Testing

struct BoxTests {
    private let box = Box(x: 10, y: 20, width: 30, height: 40)

    // from pycocotools.mask import iou  (2.0.11)
    // iou([[10, 20, 30, 40]], [[25, 30, 30, 40]], [0]) -> 0.23076923076923078, crowd [1] -> 0.375
    @Test func `overlaps are those of pycocotools`() {
        let other = Box(x: 25, y: 30, width: 30, height: 40)
        #expect(box.iou(with: other) == 0.23076923076923078)
        #expect(box.iou(withCrowd: other) == 0.375)
        #expect(box.iou(with: box) == 1)
    }

    @Test func `boxes that touch or lie apart share nothing`() {
        for other in [
            Box(x: 40, y: 20, width: 5, height: 5), Box(x: 10, y: 60, width: 5, height: 5),
            Box(x: 100, y: 100, width: 5, height: 5), Box(x: 15, y: 25, width: 0, height: 5),
        ] {
            #expect(box.intersection(other) == 0)
            #expect(box.iou(with: other) == 0)
            #expect(box.iou(withCrowd: other) == 0)
        }
        let nothing = Box(x: 0, y: 0, width: 0, height: 0)
        #expect(nothing.iou(with: nothing) == 0)
    }

    @Test func `corners and sizes say the same`() {
        #expect(Box(x1: 10, y1: 20, x2: 40, y2: 60) == box)
        #expect([box.maxX, box.maxY, box.area] == [40, 60, 1200])
    }

    @Test func `clipping leaves what lies in the image, or nothing`() {
        #expect(box.clipped(width: 100, height: 100) == box)
        #expect(
            Box(x: -5, y: 90, width: 10, height: 20).clipped(width: 100, height: 100)
                == Box(x: 0, y: 90, width: 5, height: 10)
        )
        #expect(Box(x: 100, y: 0, width: 5, height: 5).clipped(width: 100, height: 100) == nil)
        #expect(box.overhang(width: 35, height: 100) == 5)
        #expect(box.overhang(width: 100, height: 100) == 0)
    }

    @Test func `a box without a side or with one of NaN has no area`() {
        #expect(box.hasArea)
        #expect(!Box(x: 0, y: 0, width: 0, height: 5).hasArea)
        #expect(!Box(x: 0, y: 0, width: 5, height: -5).hasArea)
        #expect(!Box(x: .nan, y: 0, width: 5, height: 5).hasArea)
        #expect(!Box(x: 0, y: 0, width: .infinity, height: 5).hasArea)
    }
}
