import Foundation
import SearchSpaces
import Testing

struct GenomeTests {
    let space = SearchSpace.named["detnas-300m"] ?? SearchSpace(name: "", stem: 0, stages: [])
    let published: [UInt8] = [2, 1, 2, 0, 2, 1, 1, 2, 3, 3, 1, 3, 0, 0, 3, 1, 3, 1, 3, 2]

    @Test(arguments: [
        "2,1,2,0,2,1,1,2,3,3,1,3,0,0,3,1,3,1,3,2",
        " [2, 1, 2, 0,  2, 1, 1, 2, 3, 3, 1, 3, 0, 0, 3, 1, 3, 1, 3, 2]\n",
        "2 1 2 0 2 1 1 2 3 3 1 3 0 0 3 1 3 1 3 2",
        "(2,1,2,0,2,1,1,2,3,3,1,3,0,0,3,1,3,1,3,2,)",
        "2120-2112-33130031-3132",
        "\"2120 - 2112 - 3313 0031 - 3132\"",
    ])
    func `every usual spelling names the same network`(text: String) throws {
        let genome = try Genome(parsing: text, in: space)
        #expect(genome.letters == published)
        #expect(genome.description == "2,1,2,0,2,1,1,2,3,3,1,3,0,0,3,1,3,1,3,2")
        #expect(genome.grouped(in: space) == "2120-2112-33130031-3132")
    }

    @Test func `an error names the position and what is allowed there`() throws {
        func message(_ text: String) -> String {
            do throws(GenomeError) {
                return "parsed as \(try Genome(parsing: text, in: space))"
            } catch {
                return error.description
            }
        }
        let operations =
            "0 (shuffle_3x3), 1 (shuffle_5x5), 2 (shuffle_7x7), 3 (shuffle_xception)"
        #expect(
            message("2,1,2,0,2,1,1,2,3,7,1,3,0,0,3,1,3,1,3,2")
                == "position 9 (stage 2) has \"7\"; allowed: \(operations)"
        )
        #expect(
            message("2,1,,0,2,1,1,2,3,3,1,3,0,0,3,1,3,1,3,2")
                == "position 2 (stage 0) has \"\"; allowed: \(operations)"
        )
        #expect(message("2,1,x") == "position 2 (stage 0) has \"x\"; allowed: \(operations)")
        #expect(message("2,1,2") == "the genome has 3 letters; the space has 20 positions")
        #expect(message("") == "the genome has 0 letters; the space has 20 positions")
        #expect(
            message(published.map(String.init).joined(separator: ",") + ",9")
                == "the genome has 21 letters; the space has 20 positions"
        )
        #expect(message("2120-2112-3132") == "the genome has 3 groups; the space has 4 stages")
        #expect(
            message("2120-2112-3313003-3132")
                == "group 2 has 7 letters; stage 2 has 8 blocks"
        )
        #expect(message("-1,2").contains("stages"))
        #expect(message("2120-2112-33130041-3132").hasPrefix("position 14 (stage 2) has \"4\""))
    }

    @Test func `a genome is a string in JSON and is read from a list too`() throws {
        let genome = Genome([2, 0, 3])
        #expect(try JSONEncoder().encode([genome]) == Data(#"["2,0,3"]"#.utf8))
        let read = try JSONDecoder().decode([Genome].self, from: Data(#"["2,0,3",[2,0,3]]"#.utf8))
        #expect(read == [genome, genome])
        for bad in [#"["2,,3"]"#, #"["2,-1"]"#, #"[[256]]"#, #"[""]"#, #"[null]"#] {
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode([Genome].self, from: Data(bad.utf8))
            }
        }
    }

    @Test(arguments: SearchSpace.named.values.sorted { $0.name < $1.name })
    func `what is printed parses back, in both forms`(space: SearchSpace) throws {
        for step in 0..<20 {
            let genome = PathSampler.uniform(space: space, seed: 3, step: step)
            #expect(try Genome(parsing: "\(genome)", in: space) == genome)
            #expect(try Genome(parsing: genome.grouped(in: space), in: space) == genome)
        }
    }
}
