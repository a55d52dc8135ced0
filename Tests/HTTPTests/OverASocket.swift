// Everything that is shown over a real connection runs one after another: times and descriptors count.

import Testing

@Suite(.serialized) struct OverASocket {}
