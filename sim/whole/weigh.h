// The gradients by weights and biases, from those by potentials.

#pragma once

#include "net.h"

// What all areas emitted at some steps, block by block, ready for sums over images.
class Record {
  public:
    Record(const Net &net, int64_t from, int64_t to)
        : net(net), from(from), to(to), all(net.areas * (to - from) * net.blocks()) {}

    void find() {
        std::vector<bool> is_asked(net.areas);
        for (int64_t l = 0; l < net.links; ++l)
            if (net.link[l].by_weight) is_asked[net.link[l].source] = true;
#pragma omp parallel for num_threads(net.threads)
        for (int64_t i = 0; i < int64_t(all.size()); ++i) {
            const int64_t block = i % net.blocks(), t = from + i / net.blocks() % (to - from);
            const int64_t a = i / net.blocks() / (to - from);
            const Area &area = net.area[a];
            const bool is_row = area.is_shared(t);
            if (!is_asked[a] || t > area.last || (is_row && block)) continue;
            const int64_t first = block * BLOCK;
            const float *u = area.rows(area.u, t, first);
            all[i].find(area, t, u, is_row ? 1 : net.in_block(first));
            if (all[i].are_few) all[i].turn(area.units);
        }
    }

    const Emitted &at(int64_t a, int64_t t, int64_t block) const {
        const bool is_row = net.area[a].is_shared(t);
        return all[(a * (to - from) + t - from) * net.blocks() + (is_row ? 0 : block)];
    }

  private:
    const Net &net;
    int64_t from, to;
    std::vector<Emitted> all;
};

// The sums for TILE units of an area, from its column `first` on.
class Column {
  public:
    Column(const Net &net, const Record &record, int64_t a, int64_t first)
        : net(net), record(record), a(a), first(first), area(net.area[a]),
          width(std::min(TILE, area.units - first)), rows(BLOCK * TILE) {}

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
    Lined rows; // times what is taken of a drive, close together
    alignas(64) float total[TILE];

    void add(int64_t t, int64_t block) {
        const bool is_row = area.is_shared(t);
        const int64_t count = is_row ? 1 : net.in_block(block * BLOCK);
        const float *du = area.rows(area.du, t, block * BLOCK) + first;
        std::fill(total, total + TILE, 0.0f);
        for (int64_t n = 0; n < count; ++n)
            for (int64_t k = 0; k < width; ++k)
                total[k] += rows.data()[n * TILE + k] = area.takes * du[n * area.units + k];
        for (int64_t k = 0; k < width && area.by_bias; ++k) area.by_bias[first + k] += total[k];
        for (int64_t l = 0; l < net.links; ++l) {
            const Link &link = net.link[l];
            if (link.target != a || t < link.delay || !link.by_weight) continue;
            if (net.source(link).is_shared(t - link.delay))
                add_to(link, record.at(link.source, t - link.delay, 0), total, 1);
            else
                add_to(link, record.at(link.source, t - link.delay, block), rows.data(), count);
        }
    }

    void add_to(const Link &link, const Emitted &sent, const float *tile, int64_t count) const {
        const int64_t from = net.source(link).units, to = area.units;
        float *sums = link.by_weight + first;
        if (link.is_diagonal) {
            for (int64_t n = 0; n < count; ++n)
                for (int64_t k = 0; k < width; ++k)
                    sums[k] += tile[n * TILE + k] * sent.out[n * from + first + k];
        } else if (sent.are_few) {
            gather(tile, sent.places.data(), sent.begins.data(), from, sums, to, width);
        } else {
            product(sent.out.data(), 1, from, tile, count, from, sums, to, width);
        }
    }
};
