// Where the places of two grids meet through a projection, and what its weights hand on.
//
// A convolution lays its kernel on the finer grid: fine = stride * coarse + tap - kernel / 2, along each
// side. Areas without a grid, and all that is not a convolution, have one place with all units.

#pragma once

#include "tiles.h"

struct Shape {
    int64_t channels, height, width;

    int64_t places() const { return height * width; }
    int64_t units() const { return channels * places(); }
};

struct Link {
    int64_t source, target, delay, is_diagonal;
    int64_t kernel, stride, upward; // as of `networks.Convolution`
    Shape from, to;
    const float *weight; // (to channels, from channels, kernel, kernel), or (units) where diagonal
    float *by_weight;    // sums for the gradient, as `seen.py` says, or null

    bool is_flat() const { return kernel == 1 && from.places() * to.places() == 1; }
    int64_t taps() const { return kernel * kernel; }
};

// One side of the grid that is read, and one of that which is added to.
class Side {
  public:
    Side(const Link &link, bool forth)
        : reads_fine(bool(link.upward) == forth), kernel(link.kernel), stride(link.stride) {}

    // Of the side that is read, so long, the first place that meets the place `a`, and the one after the
    // last that does.
    int64_t first(int64_t a) const {
        const int64_t x = reads_fine ? stride * a - pad() : a + pad() - kernel + 1;
        return x <= 0 ? 0 : reads_fine ? x : (x + stride - 1) / stride;
    }
    int64_t end(int64_t a, int64_t size) const {
        return std::min(size, reads_fine ? stride * a - pad() + kernel : (a + pad()) / stride + 1);
    }

    // The tap through which the place `a` meets the place `b` of the side that is read.
    int64_t tap(int64_t a, int64_t b) const {
        return pad() + (reads_fine ? b - stride * a : a - stride * b);
    }

    // The place of a tap among all, so that taps which meet one after another stand so: by what the
    // stride leaves of them, and then from the last on.
    int64_t rank(int64_t tap) const {
        if (reads_fine) return tap;
        int64_t before = 0;
        for (int64_t other = 0; other < kernel; ++other) {
            const int64_t its = other % stride, mine = tap % stride;
            before += its < mine || (its == mine && other > tap);
        }
        return before;
    }

  private:
    const bool reads_fine;
    const int64_t kernel, stride;

    int64_t pad() const { return kernel / 2; }
};

// A link in one direction: which places of what is read meet each place of what is added to, and the
// weights, rows of taps and channels that are read, as tiles.
class Joint {
  public:
    const Shape reads, adds;

    Joint(const Link &link, float factor, bool forth)
        : reads(forth ? link.from : link.to), adds(forth ? link.to : link.from), link(link),
          side(link, forth), weights(link.taps() * reads.channels, adds.channels) {
        const int64_t by_source = link.taps(), by_target = link.taps() * link.from.channels;
        for (int64_t y = 0; y < link.kernel; ++y)
            for (int64_t x = 0; x < link.kernel; ++x)
                weights.fill(row(y, x), reads.channels, link.weight + y * link.kernel + x,
                             forth ? by_source : by_target, forth ? by_target : by_source, factor);
        for (int64_t y = 0; y < adds.height; ++y)
            for (int64_t x = 0; x < adds.width; ++x) meet(y, x);
        begins.push_back(strips.size());
    }

    const Tiles &tiles() const { return weights; }

    // sums (images, units) += what these rows of units hand on.
    void product(const float *table, int64_t images, int64_t units, float *sums) const {
        for (int64_t c = 0; c < adds.channels; c += TILE)
            for (int64_t p = 0; p < adds.places(); ++p)
                ::product(strip(p), strip(p + 1), {table, units, 1}, {weights.tile(c), TILE}, images,
                          sums + p * adds.channels + c, adds.units(),
                          std::min(TILE, adds.channels - c));
    }

    // The same where few units spike, which are listed image by image: in so many `lists`, one for each
    // place where a grid is read.
    void gather(const int32_t *units, const int32_t *begins, int64_t lists, int64_t images,
                float *sums) const {
        const Strip every = {0, reads.units(), 0, 0, lists};
        const bool is_flat = link.is_flat();
        for (int64_t c = 0; c < adds.channels; c += TILE)
            for (int64_t n = 0; n < images; ++n)
                for (int64_t p = 0; p < adds.places(); ++p)
                    ::gather(is_flat ? &every : strip(p), is_flat ? &every + 1 : strip(p + 1),
                             weights.tile(c), units, begins + n * lists,
                             sums + (n * adds.places() + p) * adds.channels + c,
                             std::min(TILE, adds.channels - c));
    }

  private:
    const Link link;
    const Side side;
    Tiles weights;
    std::vector<Strip> strips;
    std::vector<int64_t> begins; // of each place's strips

    const Strip *strip(int64_t place) const { return strips.data() + begins[place]; }
    // The first of the rows of a tap.
    int64_t row(int64_t y, int64_t x) const {
        return (y * link.kernel + side.rank(x)) * reads.channels;
    }

    void meet(int64_t y, int64_t x) {
        begins.push_back(strips.size());
        const int64_t first = side.first(x), end = side.end(x, reads.width);
        for (int64_t b = side.first(y); b < side.end(y, reads.height) && first < end; ++b)
            strips.push_back({(b * reads.width + first) * reads.channels,
                              (end - first) * reads.channels, row(side.tap(y, b), side.tap(x, first)),
                              b * reads.width + first, b * reads.width + end});
    }
};
