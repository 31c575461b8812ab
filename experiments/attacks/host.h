// A network with room for a block of images, and its weights as tiles, those from the input too.

#pragma once

#include "walk.h"

// The tables of all weights, cut into tiles once: of links, and of projections from the input.
// (These times 1, since stages are drives, of which potentials take up their share.)
struct Weights {
    std::vector<Joint> forth, back, from_input, to_input;

    explicit Weights(const Net &net) : forth(joints(net, true)), back(joints(net, false)) {
        for (int64_t s = 0; s < net.stills; ++s) {
            from_input.emplace_back(net.still[s].link, 1.0f, true);
            to_input.emplace_back(net.still[s].link, 1.0f, false);
        }
    }
};

class Host {
  public:
    Net net;

    explicit Host(const Net &given)
        : net(given), areas(given.area, given.area + given.areas),
          stills(given.still, given.still + given.stills) {
        net.images = net.block;
        for (Area &area : areas) {
            const int64_t turn = std::max<int64_t>(1, area.last + 1 - area.since);
            area.u = room(area, turn);
            area.du = room(area, std::min(turn, net.longest + 1));
        }
        for (Still &still : stills)
            still.by_drive = numbers(net.block * areas[still.link.target].units);
        for (size_t a = 0; a < areas.size(); ++a) stage(a);
        net.area = areas.data(), net.still = stills.data();
    }

    Area &area(int64_t a) { return areas[a]; }
    float *numbers(int64_t count) {
        kept.emplace_back(count);
        return kept.back().data();
    }

    // What arrives from the input at each stage of an area, once each projection's part is known.
    void drive(const std::vector<float *> &arrived, int64_t count) {
        for (size_t a = 0; a < areas.size(); ++a)
            for (int64_t k = 0; k < areas[a].stages; ++k) {
                Stage &stage = stages[a][k];
                if (!stage.across) continue;
                const int64_t units = areas[a].units;
                float *total = const_cast<float *>(stage.drive);
                for (int64_t n = 0; n < count; ++n)
                    std::memcpy(total + n * units, biases[a], units * sizeof(float));
                for (size_t s = 0; s < stills.size(); ++s)
                    if (stills[s].link.target == int64_t(a) && stills[s].link.delay <= stage.since)
                        for (int64_t i = 0; i < count * units; ++i) total[i] += arrived[s][i];
            }
    }

  private:
    std::vector<Area> areas;
    std::vector<Still> stills;
    std::vector<std::vector<Stage>> stages;
    std::vector<const float *> biases;
    std::vector<Lined> kept;

    Room room(const Area &area, int64_t turn) {
        const int64_t apart = net.block * area.units;
        return {numbers(area.since * area.units), numbers(turn * apart), turn, apart};
    }

    // As given, every stage is the bias; those that input has reached get room for more.
    void stage(size_t a) {
        stages.emplace_back(areas[a].stage, areas[a].stage + areas[a].stages);
        biases.push_back(stages[a][0].drive);
        for (Stage &stage : stages[a])
            for (const auto &[link, by_drive] : stills)
                if (link.target == int64_t(a) && link.delay <= stage.since && !stage.across)
                    stage = {stage.since, numbers(net.block * areas[a].units), areas[a].units};
        areas[a].stage = stages[a].data();
    }
};
