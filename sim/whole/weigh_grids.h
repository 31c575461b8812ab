// The gradients by weights of convolutions, from those by potentials.
//
// Around the target's places lies an edge of noughts, wide enough for all that a kernel reaches,
// and where a phase has fewer taps than others strips are summed as if it had as many: so every
// spike meets as many strips, equally long. What belongs to no tap is never read.

#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "net.h"

// PARTS vectors of sums += those from each of the places on. (Unrolled, or compilers copy the sums
// through memory; as `add_rows`, but vectors lie one after another, and each sum waits for its own
// alone.)
template <int PARTS>
void take_in(const float *gradients, const int32_t *place, const int32_t *end, float *sums) {
    wide each[PARTS];
#pragma GCC unroll 16
    for (int p = 0; p < PARTS; ++p) each[p] = at(sums + p * WIDE);
    for (; place != end; ++place)
#pragma GCC unroll 16
        for (int p = 0; p < PARTS; ++p) each[p] += at(gradients + *place + p * WIDE);
#pragma GCC unroll 16
    for (int p = 0; p < PARTS; ++p) at(sums + p * WIDE) = each[p];
}

// The same for so many numbers.
inline void take_in(const float *gradients, const int32_t *place, const int32_t *end, float *sums,
                    int64_t numbers) {
    constexpr int64_t MOST = 12; // vectors that registers hold
    constexpr decltype(&take_in<1>) by_parts[MOST] = {
        take_in<1>, take_in<2>, take_in<3>, take_in<4>,  take_in<5>,  take_in<6>,
        take_in<7>, take_in<8>, take_in<9>, take_in<10>, take_in<11>, take_in<12>};
    int64_t k = 0;
    for (int64_t parts; (parts = std::min(MOST, (numbers - k) / WIDE)); k += parts * WIDE)
        by_parts[parts - 1](gradients + k, place, end, sums + k);
    for (; k < numbers; ++k)
        for (const int32_t *each = place; each != end; ++each) sums[k] += gradients[*each + k];
}

// A convolution seen from its source: which strips of the target with its edge each place meets.
class Layout {
  public:
    struct Unit {
        int32_t list, strip; // of its phase and channel; where the first of its strips begins
    };
    struct Tap {
        int64_t begin;             // where its sums begin among those of its phase's first channel
        std::vector<Strip> strips; // of places in a row of its phase, and what they meet through it
    };

    const Link &link;
    const Side side;
    const int64_t reach;         // places that one meets along a side: all those of the first phase
    const int64_t strip, apart;  // numbers of a strip; sums from one source channel to the next
    const int64_t lists, most;   // of spikes, by phase and channel; and spikes of a list
    const int64_t before;        // the edge before the target's first place
    const int64_t width, height; // with the edge
    std::vector<Unit> units;
    std::vector<Tap> taps;

    explicit Layout(const Link &link)
        : link(link), side(link, false), reach(side.count(0)), strip(reach * link.to.channels),
          apart(reach * strip), lists(side.phases * side.phases * link.from.channels),
          most(in_phase(link.from.height) * in_phase(link.from.width)),
          before(std::max<int64_t>(0, reach - 1 - side.last(0))),
          width(edged(link.from.width, link.to.width)),
          height(edged(link.from.height, link.to.height)) {
        for (int64_t y = 0; y < link.from.height; ++y)
            for (int64_t x = 0; x < link.from.width; ++x)
                for (int64_t c = 0; c < link.from.channels; ++c)
                    units.push_back({int32_t(list(side.phase(y), side.phase(x)) + c),
                                     int32_t((first(y) * width + first(x)) * link.to.channels)});
        for (int64_t y = 0; y < link.kernel; ++y)
            for (int64_t x = 0; x < link.kernel; ++x) taps.push_back(tap(y, x));
    }

  private:
    int64_t in_phase(int64_t places) const { return (places + side.phases - 1) / side.phases; }
    int64_t list(int64_t y, int64_t x) const {
        return (y * side.phases + x) * link.from.channels;
    }
    // Along one side with its edge: where the strips of a place begin, and how long it is.
    int64_t first(int64_t place) const { return before + side.last(place) - reach + 1; }
    int64_t edged(int64_t from, int64_t to) const {
        return std::max(before + to, first(from - 1) + reach);
    }
    // Of a tap along a strip, which ends with the last place that is met.
    int64_t rank(int64_t tap) const {
        return reach - side.count(tap % side.phases) + side.rank(tap);
    }

    Tap tap(int64_t y, int64_t x) const {
        const int64_t high = y % side.phases, across = x % side.phases;
        Tap found = {list(high, across) * apart + rank(y) * strip + rank(x) * link.to.channels, {}};
        for (int64_t line = 0; line < link.from.height; ++line)
            for (int64_t place = 0; place < std::min(side.phases, link.from.width); ++place)
                if (side.phase(line) == high && side.phase(place) == across)
                    found.strips.push_back(
                        {(line * link.from.width + place) * link.from.channels,
                         in_phase(link.from.width - place),
                         (first(line) + rank(y)) * width + first(place) + rank(x)});
        return found;
    }
};

// A convolution's sums for some of the images.
class Share {
  public:
    Share(const Net &net, const Layout &layout, int64_t first)
        : net(net), layout(layout), link(layout.link), source(net.source(link)),
          target(net.target(link)), first(first), sums(layout.lists * layout.apart),
          edged(layout.height * layout.width * link.to.channels),
          tile(layout.height * layout.width * TILE), counts(layout.lists),
          strips(layout.lists * layout.most) {}

    void run(int64_t from, int64_t to) {
        move(true);
        for (int64_t t = std::min(to - 1, target.last); t >= std::max(from, link.delay); --t)
            if (source.is_shared(t - link.delay)) {
                if (first == 0) add(t, 0, of_all(t));
            } else {
                for (int64_t n = first; n < net.images; n += net.shares)
                    add(t, n, target.rows(target.du, t, n));
            }
        move(false);
    }

  private:
    const Net &net;
    const Layout &layout;
    const Link &link;
    const Area &source, &target;
    const int64_t first;
    Lined sums; // (phases, source channels, strips, places of a strip, target channels)
    Lined edged, tile; // an image's gradients, and some channels of them, with an edge of noughts
    std::vector<int32_t> counts, strips; // of spikes in each list; where each one's strips begin
    std::vector<float> total;
    Emitted sent;

    // Takes up the sums where they were left, or leaves them there.
    void move(bool up) {
        const int64_t from = link.from.channels, to = link.to.channels;
        float *kept = link.by_weight + first * link.taps() * from * to;
        for (const Layout::Tap &tap : layout.taps)
            for (int64_t c = 0; c < from; ++c, kept += to) {
                float *mine = sums.data() + tap.begin + c * layout.apart;
                std::memcpy(up ? mine : kept, up ? kept : mine, to * sizeof(float));
            }
    }

    // The gradients by the target's potentials, summed over images where these do not share a row.
    const float *of_all(int64_t t) {
        const float *du = target.rows(target.du, t, 0);
        if (target.is_shared(t)) return du;
        total.assign(target.units, 0.0f);
        for (int64_t n = 0; n < net.images; ++n)
            for (int64_t k = 0; k < target.units; ++k) total[k] += du[n * target.units + k];
        return total.data();
    }

    void add(int64_t t, int64_t n, const float *du) {
        sent.find(source, t - link.delay, source.rows(source.u, t - link.delay, n), 1);
        sent.are_few ? by_spike(du) : by_place(du);
    }

    // Within the edge: what is taken of a drive, times some channels of the gradients.
    void take(const float *du, int64_t channels, float *table, int64_t apart) {
        const float takes = target.takes;
        for (int64_t y = 0; y < link.to.height; ++y)
            for (int64_t x = 0; x < link.to.width; ++x, du += link.to.channels) {
                float *here =
                    table + ((layout.before + y) * layout.width + layout.before + x) * apart;
                for (int64_t k = 0; k < channels; ++k) here[k] = takes * du[k];
            }
    }

    void by_spike(const float *du) {
        take(du, link.to.channels, edged.data(), link.to.channels);
        sort();
        const int64_t line = layout.width * link.to.channels;
        for (int64_t l = 0; l < layout.lists; ++l) {
            const int32_t *spike = strips.data() + l * layout.most, *end = spike + counts[l];
            for (int64_t s = 0; s < layout.reach && spike != end; ++s)
                take_in(edged.data() + s * line, spike, end,
                        sums.data() + l * layout.apart + s * layout.strip, layout.strip);
        }
    }

    void sort() {
        std::fill(counts.begin(), counts.end(), 0);
        for (int32_t s = 0; s < sent.begins.back(); ++s) {
            const Layout::Unit &unit = layout.units[sent.spikes[s]];
            strips[unit.list * layout.most + counts[unit.list]++] = unit.strip;
        }
    }

    void by_place(const float *du) {
        const Left left = {sent.out.data(), 1, layout.side.phases * link.from.channels};
        for (int64_t c = 0; c < link.to.channels; c += TILE) {
            const int64_t width = std::min(TILE, link.to.channels - c);
            take(du + c, width, tile.data(), TILE);
            for (const Layout::Tap &tap : layout.taps)
                product(tap.strips.data(), tap.strips.data() + tap.strips.size(), left,
                        {tile.data(), (link.upward ? 1 : link.stride) * TILE}, link.from.channels,
                        sums.data() + tap.begin + c, layout.apart, width);
        }
    }
};

// Adds to each convolution's gradients, (shares, kernel, kernel, from channels, to channels).
inline void weigh_grids(const Net &net, int64_t from, int64_t to) {
    std::vector<Layout> layouts;
    for (int64_t l = 0; l < net.links; ++l)
        if (net.link[l].by_weight && net.link[l].kind == CONVOLUTION)
            layouts.emplace_back(net.link[l]);
#pragma omp parallel for schedule(dynamic) num_threads(net.threads)
    for (int64_t i = 0; i < int64_t(layouts.size()) * net.shares; ++i)
        Share(net, layouts[i / net.shares], i % net.shares).run(from, to);
}
