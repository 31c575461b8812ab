// The gradients by weights of convolutions, from those by potentials.
//
// Around the target's places lies an edge wide enough for all that a kernel reaches, and taps that a place
// does not meet, since the stride leaves them out, are summed like others and left out at last: so what
// each place meets are as many strips, equally long.

#pragma once

#include "net.h"

constexpr int64_t SHARES = 8; // as in `seen.py`: of the images, each summed alone

// PARTS vectors of sums += those from each of the places on.
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

// A convolution seen from its source.
class Kernel {
  public:
    struct Unit {
        int32_t list, place; // of its phase and channel; where its strips begin
    };
    struct Tap {
        int64_t begin;             // where its sums begin among those of its phase's first channel
        std::vector<Strip> strips; // of places in a row of its phase, and what they meet through it
    };

    const Link &link;
    const int64_t phases; // along each side; places of the same phase meet the same taps
    const int64_t reach;  // places that one meets along each side
    const int64_t strip;  // numbers of these in a row
    const int64_t apart;  // sums from one source channel to the next
    const int64_t lists;  // of spikes: by phase and channel
    const int64_t most;   // spikes of a list
    const int64_t before; // the edge before the target's first place
    const int64_t width, height; // with the edge
    std::vector<Unit> units;
    std::vector<Tap> taps;

    explicit Kernel(const Link &link)
        : link(link), phases(link.upward ? link.stride : 1),
          reach((link.kernel + phases - 1) / phases), strip(reach * link.to.channels),
          apart(reach * strip), lists(phases * phases * link.from.channels),
          most(in_phase(link.from.height) * in_phase(link.from.width)),
          before(link.upward ? std::max<int64_t>(0, reach - 1 - pad() / phases) : pad()),
          width(side(link.from.width, link.to.width)),
          height(side(link.from.height, link.to.height)) {
        for (int64_t y = 0; y < link.from.height; ++y)
            for (int64_t x = 0; x < link.from.width; ++x)
                for (int64_t c = 0; c < link.from.channels; ++c)
                    units.push_back({int32_t(list(phase(y), phase(x)) + c),
                                     int32_t((first(y) * width + first(x)) * link.to.channels)});
        for (int64_t y = 0; y < link.kernel; ++y)
            for (int64_t x = 0; x < link.kernel; ++x) taps.push_back(tap(y, x));
    }

  private:
    int64_t pad() const { return link.kernel / 2; }
    int64_t in_phase(int64_t side) const { return (side + phases - 1) / phases; }
    int64_t phase(int64_t place) const { return link.upward ? (place + pad()) % phases : 0; }
    int64_t list(int64_t y, int64_t x) const { return (y * phases + x) * link.from.channels; }
    // Of a tap among those of its phase, in the order of what they lead to.
    int64_t rank(int64_t tap) const { return link.upward ? reach - 1 - tap / phases : tap; }
    // Along one side with its edge: the first place that another meets; and how long it is.
    int64_t first(int64_t place) const {
        return before + (link.upward ? (place + pad()) / phases - (reach - 1)
                                     : link.stride * place - pad());
    }
    int64_t side(int64_t from, int64_t to) const {
        return std::max(before + to, first(from - 1) + reach);
    }

    Tap tap(int64_t y, int64_t x) const {
        Tap found = {list(y % phases, x % phases) * apart + rank(y) * strip +
                         rank(x) * link.to.channels, {}};
        for (int64_t row = 0; row < link.from.height; ++row)
            for (int64_t column = 0; column < std::min(phases, link.from.width); ++column) {
                if (phase(row) != y % phases || phase(column) != x % phases) continue;
                found.strips.push_back({(row * link.from.width + column) * link.from.channels,
                                        in_phase(link.from.width - column),
                                        (first(row) + rank(y)) * width + first(column) + rank(x)});
            }
        return found;
    }
};

// A convolution's sums for some of the images.
class Share {
  public:
    Share(const Net &net, const Kernel &kernel, int64_t first)
        : net(net), kernel(kernel), link(kernel.link), source(net.source(link)),
          target(net.target(link)), first(first), sums(kernel.lists * kernel.apart),
          edged(kernel.height * kernel.width * link.to.channels),
          tile(kernel.height * kernel.width * TILE), counts(kernel.lists),
          places(kernel.lists * kernel.most) {}

    void run(int64_t from, int64_t to) {
        move(true);
        for (int64_t t = std::min(to - 1, target.last); t >= std::max(from, link.delay); --t)
            if (source.is_shared(t - link.delay)) {
                if (first == 0) add(t, 0, of_all(t));
            } else {
                for (int64_t n = first; n < net.images; n += SHARES)
                    add(t, n, target.rows(target.du, t, n));
            }
        move(false);
    }

  private:
    const Net &net;
    const Kernel &kernel;
    const Link &link;
    const Area &source, &target;
    const int64_t first;
    Lined sums; // (phases, source channels, strips, what a strip meets, target channels)
    Lined edged, tile; // an image's gradients, and some channels of them, with an edge of noughts
    std::vector<int32_t> counts, places; // of spikes by phase and channel; where each one's strips begin
    std::vector<float> total;
    Emitted sent;

    // Takes up the sums where they were left, or leaves them there.
    void move(bool up) {
        const int64_t from = link.from.channels, to = link.to.channels;
        float *kept = link.by_weight + first * link.taps() * from * to;
        for (const Kernel::Tap &tap : kernel.taps)
            for (int64_t c = 0; c < from; ++c, kept += to) {
                float *mine = sums.data() + tap.begin + c * kernel.apart;
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
                    table + ((kernel.before + y) * kernel.width + kernel.before + x) * apart;
                for (int64_t k = 0; k < channels; ++k) here[k] = takes * du[k];
            }
    }

    void by_spike(const float *du) {
        take(du, link.to.channels, edged.data(), link.to.channels);
        sort();
        const int64_t line = kernel.width * link.to.channels;
        for (int64_t l = 0; l < kernel.lists; ++l) {
            const int32_t *place = places.data() + l * kernel.most, *end = place + counts[l];
            for (int64_t s = 0; s < kernel.reach && place != end; ++s)
                take_in(edged.data() + s * line, place, end,
                        sums.data() + l * kernel.apart + s * kernel.strip, kernel.strip);
        }
    }

    void sort() {
        std::fill(counts.begin(), counts.end(), 0);
        for (int32_t s = 0; s < sent.begins.back(); ++s) {
            const Kernel::Unit &unit = kernel.units[sent.places[s]];
            places[unit.list * kernel.most + counts[unit.list]++] = unit.place;
        }
    }

    void by_place(const float *du) {
        const Left left = {sent.out.data(), 1, kernel.phases * link.from.channels};
        for (int64_t c = 0; c < link.to.channels; c += TILE) {
            const int64_t width = std::min(TILE, link.to.channels - c);
            take(du + c, width, tile.data(), TILE);
            for (const Kernel::Tap &tap : kernel.taps)
                product(tap.strips.data(), tap.strips.data() + tap.strips.size(), left,
                        {tile.data(), (link.upward ? 1 : link.stride) * TILE}, link.from.channels,
                        sums.data() + tap.begin + c, kernel.apart, width);
        }
    }
};

// Adds to each convolution's gradients, (shares, kernel, kernel, from channels, to channels).
inline void weigh_grids(const Net &net, int64_t from, int64_t to) {
    std::vector<std::unique_ptr<Kernel>> kernels;
    std::vector<Share> shares;
    for (int64_t l = 0; l < net.links; ++l) {
        if (!net.link[l].by_weight || net.link[l].is_flat()) continue;
        kernels.push_back(std::make_unique<Kernel>(net.link[l]));
        for (int64_t first = 0; first < SHARES; ++first)
            shares.emplace_back(net, *kernels.back(), first);
    }
#pragma omp parallel for schedule(dynamic) num_threads(net.threads)
    for (size_t s = 0; s < shares.size(); ++s) shares[s].run(from, to);
}
