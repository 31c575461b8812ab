// Blocks of images on their way through time; `answers.py` states the sums.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "net.h"

// All links in one direction, with weights times what their target takes up of a drive.
inline std::vector<Joint> joints(const Net &net, bool forth) {
    std::vector<Joint> found;
    for (int64_t l = 0; l < net.links; ++l)
        found.emplace_back(net.link[l], net.target(net.link[l]).takes, forth);
    return found;
}

// A block of images on its way through time, or the row that all share.
class Walk {
  public:
    Walk(const Net &net, const std::vector<Joint> &joints)
        : net(net), joints(joints), past(net.areas * net.longest) {}

    void begin(int64_t with, int64_t of, bool shared) {
        first = with, count = of, is_shared = shared;
        for (Emitted &each : past) each.t = -1;
    }

    void forth(int64_t t) {
        for (int64_t a = 0; a < net.areas; ++a)
            if (is_mine(net.area[a], t)) potential(a, t);
    }

    void back(int64_t t) {
        for (int64_t a = net.areas - 1; a >= 0; --a)
            if (is_mine(net.area[a], t)) gradient(a, t);
    }

  private:
    const Net &net;
    const std::vector<Joint> &joints;
    std::vector<Emitted> past;
    std::vector<float> sums;
    int64_t first = 0, count = 0;
    bool is_shared = false;

    bool is_mine(const Area &area, int64_t t) const {
        return t <= area.last && area.is_shared(t) == is_shared;
    }

    void potential(int64_t a, int64_t t) {
        const Area &area = net.area[a];
        const bool keeps = t > 0 && (spikes(area.emits) || area.keeps != 0);
        const Stage *stage = area.stage + area.stages - 1;
        while (stage->since > t) --stage;
        for (int64_t n = 0; n < count; ++n) {
            float *u = area.rows(area.u, t, first + n);
            const float *drive = stage->drive + (first + n) * stage->across;
            for (int64_t k = 0; k < area.units; ++k) u[k] = area.takes * drive[k];
            if (keeps) carry(area, area.rows(area.u, t - 1, first + n), u);
        }
        for (int64_t l = 0; l < net.links; ++l)
            if (net.link[l].target == a && t >= net.link[l].delay) arrive(l, t);
    }

    static void carry(const Area &area, const float *before, float *u) {
        const float reset = spikes(area.emits) ? area.threshold : 0.0f;
        for (int64_t k = 0; k < area.units; ++k)
            u[k] += area.keeps * before[k] - (before[k] > area.threshold ? reset : 0.0f);
    }

    void arrive(int64_t l, int64_t t) {
        const Link &link = net.link[l];
        const Area &source = net.source(link), &target = net.target(link);
        float *u = target.rows(target.u, t, first);
        const Emitted &sent = emitted(link.source, t - link.delay);
        if (is_shared || !source.is_shared(t - link.delay)) return deliver(l, sent, count, u);
        sums.assign(target.units, 0.0f);
        deliver(l, sent, 1, sums.data());
        for (int64_t n = 0; n < count; ++n)
            plus(1.0f, sums.data(), u + n * target.units, target.units);
    }

    // Adds what arrives to `rows` of potentials.
    void deliver(int64_t l, const Emitted &sent, int64_t rows, float *u) {
        const int64_t from = net.source(net.link[l]).units, to = net.target(net.link[l]).units;
        for (int64_t r = 0, end; r < rows; r = end) {
            end = sent.alike(r);
            if (sent.few[r])
                joints[l].gather(sent.spikes.data(), sent.begins.data() + r * sent.lists, end - r,
                                 u + r * to);
            else
                joints[l].product(sent.out.data() + r * from, end - r, u + r * to);
        }
    }

    const Emitted &emitted(int64_t a, int64_t t) {
        const Area &area = net.area[a];
        Emitted &found = past[a * net.longest + t % net.longest];
        if (found.t != t)
            found.find(area, t, area.rows(area.u, t, first), area.is_shared(t) ? 1 : count);
        return found;
    }

    void gradient(int64_t a, int64_t t) {
        const Area &area = net.area[a];
        const int64_t numbers = count * area.units;
        float *du = area.rows(area.du, t, first);
        std::fill(du, du + numbers, 0.0f);
        for (int64_t l = 0; l < net.links; ++l)
            if (net.link[l].source == a && t + net.link[l].delay <= net.target(net.link[l]).last)
                hand_back(l, t + net.link[l].delay, du);
        const float *u = area.rows(area.u, t, first);
        slope(area.emits, area.threshold, area.steep, u, du, numbers);
        if (t < area.last && area.keeps != 0) {
            const bool later = area.is_shared(t + 1);
            plus(area.keeps, of_all(area, area.rows(area.du, t + 1, 0), later), du, numbers);
        }
        if (area.answer && t >= area.asked) {
            const float *answer = area.answer + (t - area.asked) * net.images * area.units;
            plus(1.0f, of_all(area, answer, false), du, numbers);
        }
        if (area.by_bias)
            for (int64_t n = 0; n < count; ++n)
                plus(area.takes, du + n * area.units,
                     area.by_bias + first / net.block * area.units, area.units);
        for (int64_t s = 0; s < net.stills; ++s)
            if (net.still[s].link.target == a && t >= net.still[s].link.delay)
                plus(area.takes, du, net.still[s].by_drive + first * area.units, numbers);
    }

    // Adds the gradient by what a link's source emitted, from that by its target's potential at t.
    void hand_back(int64_t l, int64_t t, float *total) {
        const Link &link = net.link[l];
        const Area &target = net.target(link);
        const float *du = of_all(target, target.rows(target.du, t, 0), target.is_shared(t));
        joints[l].product(du, count, total);
    }

    // The rows of a table for these images; where they share a row and it has more, their sum.
    const float *of_all(const Area &area, const float *table, bool is_row) {
        if (!is_shared) return table + first * area.units;
        if (is_row) return table;
        sums.assign(area.units, 0.0f);
        for (int64_t n = 0; n < net.images; ++n)
            plus(1.0f, table + n * area.units, sums.data(), area.units);
        return sums.data();
    }

    static void plus(float factor, const float *more, float *total, int64_t numbers) {
        for (int64_t k = 0; k < numbers; ++k) total[k] += factor * more[k];
    }
};
