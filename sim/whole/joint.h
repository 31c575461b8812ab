// Where the places of two grids meet through a projection, and what its weights hand on.
//
// A convolution lays its kernel on the finer grid: fine = stride * coarse + tap - kernel / 2, along
// each side. What is not a convolution joins two single places, with all units for channels.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tiles.h"

struct Shape {
    int64_t channels, height, width;

    int64_t places() const { return height * width; }
    int64_t units() const { return channels * places(); }
};

enum Kind : int64_t { DENSE, DIAGONAL, CONVOLUTION }; // as in `build.py`

struct Link {
    int64_t source, target, delay, kind; // source and target by number; -1 is the input
    int64_t lists;                       // of the source's spikes: one for each of its places
    int64_t kernel, stride, upward;      // as of `networks.Convolution`
    Shape from, to;
    const float *weight; // (to channels, from channels, kernel, kernel), or (units) where diagonal
    float *by_weight;    // sums for the gradient, as `seen.py` says, or null

    int64_t taps() const { return kernel * kernel; }
};

// Along one side: which places of the grid that is read meet a place `a` of the other.
//
// They lie beside one another, and where the finer grid is read every tap meets one. Else only taps
// of the same phase do, what the stride leaves of them, in turn: of a kernel of 3 with a stride of
// 2 taps 2 and 0, or tap 1.
class Side {
  public:
    const int64_t phases;

    Side(const Link &link, bool forth)
        : phases(bool(link.upward) == forth ? 1 : link.stride), kernel(link.kernel),
          stride(link.stride), reads_fine(bool(link.upward) == forth) {}

    int64_t phase(int64_t a) const { return (a + kernel / 2) % phases; }
    // How many taps there are of a phase; most of the first.
    int64_t count(int64_t phase) const { return (kernel - phase + phases - 1) / phases; }
    // The last place that meets `a` if the grid has no end.
    int64_t last(int64_t a) const {
        const int64_t pad = kernel / 2;
        return reads_fine ? stride * a - pad + kernel - 1 : (a + pad) / stride;
    }
    int64_t first(int64_t a) const { return last(a) - count(phase(a)) + 1; }
    // Which of the places that meet one does so through this tap.
    int64_t rank(int64_t tap) const {
        return reads_fine ? tap : count(tap % phases) - 1 - tap / stride;
    }
    // Taps of earlier phases.
    int64_t before(int64_t phase) const {
        int64_t taps = 0;
        while (phase > 0) taps += count(--phase);
        return taps;
    }

  private:
    const int64_t kernel, stride;
    const bool reads_fine;
};

// A link in one direction: the strips of what is read that each place meets, and the weights, rows
// of taps and channels that are read, as tiles.
class Joint {
  public:
    const Shape reads, adds;

    Joint(const Link &link, float factor, bool forth)
        : reads(forth ? link.from : link.to), adds(forth ? link.to : link.from), link(link),
          side(link, forth),
          weights(link.kind == DIAGONAL ? 1 : link.taps() * reads.channels + 1, adds.channels) {
        if (link.kind == DIAGONAL) {
            weights.fill(0, 1, link.weight, 0, 1, factor);
            return;
        }
        const int64_t by_source = link.taps(), by_target = link.taps() * link.from.channels;
        for (int64_t y = 0; y < link.kernel; ++y)
            for (int64_t x = 0; x < link.kernel; ++x)
                weights.fill(row(side.before(y % side.phases) + side.rank(y),
                                 side.before(x % side.phases) + side.rank(x)),
                             reads.channels, link.weight + y * link.kernel + x,
                             forth ? by_source : by_target, forth ? by_target : by_source, factor);
        for (int64_t y = 0; y < adds.height; ++y)
            for (int64_t x = 0; x < adds.width; ++x) meet(y, x);
        begins.push_back(strips.size());
    }

    // sums (images, units) += what these rows of units hand on.
    void product(const float *table, int64_t images, float *sums) const {
        if (link.kind == DIAGONAL) return scaled(table, images, sums);
        for (int64_t c = 0; c < adds.channels; c += TILE)
            for (int64_t p = 0; p < adds.places(); ++p)
                ::product(strip(p), strip(p + 1), {table, reads.units(), 1},
                          {weights.tile(c), TILE}, images, sums + p * adds.channels + c,
                          adds.units(), std::min(TILE, adds.channels - c));
    }

    // The same where few units spike, which are listed image by image.
    void gather(const int32_t *spikes, const int32_t *of_list, int64_t images, float *sums) const {
        std::vector<int32_t> met(weights.rows + AHEAD + WIDE);
        for (int64_t c = 0; c < adds.channels; c += PAIR)
            for (int64_t n = 0; n < images; ++n)
                for (int64_t p = 0; p < adds.places(); ++p) {
                    const int32_t *const lists = of_list + n * link.lists;
                    const int32_t *first = spikes + lists[0], *end = spikes + lists[link.lists];
                    if (link.kind == CONVOLUTION)
                        first = met.data(), end = rows_met(p, spikes, lists, met.data());
                    ::gather(weights.tile(c), weights.apart(), first, end,
                             sums + (n * adds.places() + p) * adds.channels + c,
                             std::min(PAIR, adds.channels - c));
                }
    }

  private:
    const Link link;
    const Side side;
    Tiles weights; // the last row of links is of noughts
    std::vector<Strip> strips;
    std::vector<int64_t> begins; // of each place's strips

    // The rows of weights that the spikes meet at a place, one strip after another, filled up with
    // rows of noughts to as many as are added at once; returns their end. (Ends of short loops are
    // guessed wrongly, so that all strips are one, and a strip is copied by more than it has.)
    int32_t *rows_met(int64_t place, const int32_t *spikes, const int32_t *of_list,
                      int32_t *rows) const {
        int32_t *next = rows;
        for (const Strip *each = strip(place); each != strip(place + 1); ++each) {
            const int32_t *const first = spikes + of_list[each->first];
            const int64_t count = of_list[each->end] - of_list[each->first];
            const int32_t shift = int32_t(each->row - each->left);
            for (int64_t begin = 0; begin < count; begin += AHEAD)
#pragma GCC unroll 4
                for (int64_t k = begin; k < begin + AHEAD; k += WIDE)
                    places(next + k) = places(first + k) + shift;
            next += count;
        }
        places(next) = wide_places{} + int32_t(weights.rows - 1);
        return rows + (next - rows + TAKEN - 1) / TAKEN * TAKEN;
    }

    const Strip *strip(int64_t place) const { return strips.data() + begins[place]; }
    int64_t row(int64_t y, int64_t x) const { return (y * link.kernel + x) * reads.channels; }

    // The strips that the place in line `y` and column `x` meets, one in each line that is read.
    void meet(int64_t y, int64_t x) {
        begins.push_back(strips.size());
        const int64_t low = std::max<int64_t>(0, side.first(x));
        const int64_t high = std::min(reads.width, side.last(x) + 1);
        const int64_t column = side.before(side.phase(x)) + low - side.first(x);
        for (int64_t b = std::max<int64_t>(0, side.first(y));
             b < std::min(reads.height, side.last(y) + 1) && low < high; ++b) {
            const int64_t line = side.before(side.phase(y)) + b - side.first(y);
            const int64_t first = b * reads.width + low, end = b * reads.width + high;
            strips.push_back({first * reads.channels, (end - first) * reads.channels,
                              row(line, column), first, end});
        }
    }

    // sums += rows times one weight for each unit.
    void scaled(const float *table, int64_t images, float *sums) const {
        for (int64_t c = 0; c < adds.channels; c += TILE)
            for (int64_t n = 0; n < images; ++n) {
                const int64_t begin = n * adds.channels + c;
                for (int64_t k = 0; k < std::min(TILE, adds.channels - c); ++k)
                    sums[begin + k] += weights.tile(c)[k] * table[begin + k];
            }
    }
};
