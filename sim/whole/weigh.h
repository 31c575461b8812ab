// The gradients by weights of links that are no convolutions, from those by potentials.

#pragma once

#include <algorithm>
#include <vector>

#include "net.h"

constexpr int64_t WEIGHED = 128; // images at once, however few go through time together

// What all areas emitted at some steps, block by block, ready for sums over images.
class Record {
  public:
    Record(const Net &net, int64_t from, int64_t to)
        : net(net), from(from), to(to), all(net.areas * (to - from) * net.blocks()) {}

    void find() {
        std::vector<bool> is_asked(net.areas);
        for (int64_t l = 0; l < net.links; ++l)
            if (is_mine(net.link[l])) is_asked[net.link[l].source] = true;
#pragma omp parallel for num_threads(net.threads)
        for (int64_t i = 0; i < int64_t(all.size()); ++i) {
            const int64_t block = i % net.blocks(), t = from + i / net.blocks() % (to - from);
            const int64_t a = i / net.blocks() / (to - from);
            const Area &area = net.area[a];
            const bool is_row = area.is_shared(t);
            if (!is_asked[a] || t > area.last || (is_row && block)) continue;
            const int64_t first = block * net.block;
            const float *u = area.rows(area.u, t, first);
            all[i].find(area, t, u, is_row ? 1 : net.in_block(first));
            if (all[i].are_few) all[i].turn(area.units);
        }
    }

    const Emitted &at(int64_t a, int64_t t, int64_t block) const {
        const bool is_row = net.area[a].is_shared(t);
        return all[(a * (to - from) + t - from) * net.blocks() + (is_row ? 0 : block)];
    }

    static bool is_mine(const Link &link) { return link.by_weight && link.kind != CONVOLUTION; }

  private:
    const Net &net;
    int64_t from, to;
    std::vector<Emitted> all;
};

// The sums for PAIR units of an area, from its column `first` on.
class Column {
  public:
    Column(const Net &net, const Record &record, int64_t a, int64_t first)
        : net(net), record(record), a(a), first(first), area(net.area[a]),
          width(std::min(PAIR, area.units - first)), rows(net.block * PAIR) {}

    void run(int64_t from, int64_t to) {
        for (int64_t t = std::min(to - 1, area.last); t >= from; --t)
            for (int64_t block = 0; block < (area.is_shared(t) ? 1 : net.blocks()); ++block)
                add(t, block);
    }

  private:
    const Net &net;
    const Record &record;
    const int64_t a, first;
    const Area &area;
    const int64_t width;
    Lined rows; // times what is taken of a drive, close together: two tiles
    alignas(64) float total[PAIR];

    void add(int64_t t, int64_t block) {
        const bool is_row = area.is_shared(t);
        const int64_t count = is_row ? 1 : net.in_block(block * net.block);
        const float *du = area.rows(area.du, t, block * net.block) + first;
        std::fill(total, total + PAIR, 0.0f);
        for (int64_t c = 0; c < width; c += TILE)
            for (int64_t n = 0; n < count; ++n) {
                float *row = rows.data() + c * net.block + n * TILE;
                for (int64_t k = 0; k < std::min(TILE, width - c); ++k)
                    total[c + k] += row[k] = area.takes * du[n * area.units + c + k];
            }
        for (int64_t l = 0; l < net.links; ++l) {
            const Link &link = net.link[l];
            if (link.target != a || t < link.delay || !Record::is_mine(link)) continue;
            if (net.source(link).is_shared(t - link.delay))
                add_to(link, record.at(link.source, t - link.delay, 0), total, TILE, 1);
            else
                add_to(link, record.at(link.source, t - link.delay, block), rows.data(),
                       net.block * TILE, count);
        }
    }

    // `apart` numbers lead from one tile to the other.
    void add_to(const Link &link, const Emitted &sent, const float *tile, int64_t apart,
                int64_t count) const {
        const int64_t from = net.source(link).units, to = area.units;
        float *sums = link.by_weight + first;
        if (sent.are_few) {
            const int32_t *const images = sent.spikes.data(), *const begins = sent.begins.data();
            for (int64_t k = 0; k < from; ++k)
                gather(tile, apart, images + begins[k], images + begins[k + 1], sums + k * to,
                       width);
            return;
        }
        for (int64_t c = 0; c < width; c += TILE, tile += apart) {
            const int64_t some = std::min(TILE, width - c);
            if (link.kind == DIAGONAL) {
                for (int64_t n = 0; n < count; ++n)
                    for (int64_t k = 0; k < some; ++k)
                        sums[c + k] += tile[n * TILE + k] * sent.out[n * from + first + c + k];
            } else {
                product({sent.out.data(), 1, from}, tile, count, from, sums + c, to, some);
            }
        }
    }
};

inline void weigh_flat(Net net, int64_t from, int64_t to) {
    net.block = WEIGHED;
    Record record(net, std::max<int64_t>(0, from - net.longest), to);
    record.find();
    std::vector<Column> columns;
    for (int64_t a = 0; a < net.areas; ++a)
        if (std::any_of(net.link, net.link + net.links, [&](const Link &link) {
                return link.target == a && Record::is_mine(link);
            }))
            for (int64_t first = 0; first < net.area[a].units; first += PAIR)
                columns.emplace_back(net, record, a, first);
#pragma omp parallel for schedule(dynamic) num_threads(net.threads)
    for (size_t c = 0; c < columns.size(); ++c) columns[c].run(from, to);
}
