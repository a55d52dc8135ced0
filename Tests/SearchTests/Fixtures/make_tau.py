"""Prints the golden numbers of StatisticsTests.swift: Kendall's tau-b by SciPy, and its bootstrap interval by NumPy.

    python make_tau.py        (scipy 1.17.1, numpy 2.4.6; a few seconds)

The draws are CounterRandom's, written here from its description.
"""

import warnings

import numpy
from scipy.stats import kendalltau

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def mix(value):
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def name_key(name):
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & MASK
    return key


class CounterRandom:
    def __init__(self, seed, *keys):
        self.state = mix((seed + STEP) & MASK)
        for key in keys:
            self.state = mix(((self.state ^ mix(key)) + STEP) & MASK)

    def next(self):
        self.state = (self.state + STEP) & MASK
        return mix(self.state)

    def below(self, count):
        product = self.next() * count
        if product & MASK < count:
            threshold = (1 << 64) % count
            while product & MASK < threshold:
                product = self.next() * count
        return product >> 64


def tau(first, second):
    return kendalltau(first, second).statistic


def interval(first, second, resamples, seed):
    count = len(first)
    taus = []
    for resample in range(resamples):
        random = CounterRandom(seed, name_key("bootstrap"), resample)
        drawn = [random.below(count) for _ in range(count)]
        taus.append(tau([first[i] for i in drawn], [second[i] for i in drawn]))
    taus = [t for t in taus if not numpy.isnan(t)]
    return numpy.percentile(taus, [2.5, 97.5])


warnings.simplefilter("ignore")
scores = [0.31, 0.29, 0.33, 0.30, 0.28, 0.35, 0.32, 0.30, 0.27, 0.34]
alone = [0.41, 0.42, 0.45, 0.40, 0.38, 0.44, 0.46, 0.41, 0.39, 0.43]
print(repr(float(tau(scores, alone))))
print(repr(float(tau([1, 1, 2, 3, 3, 4], [2, 1, 1, 3, 4, 4]))))
print(repr(float(tau([1, 2, 2, 2, 5, 6, 6], [7, 7, 3, 3, 3, 1, 1]))))
print([float(x) for x in interval(scores, alone, 500, 7)])
print([float(x) for x in interval([1, 2, 3], [1, 3, 2], 200, 1)])
