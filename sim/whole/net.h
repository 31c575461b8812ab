// A network and its tables, as `seen.py` hands them over; and what its areas emitted.

#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "joint.h"
#include "units.h"

constexpr float FEW = 0.5f;   // spikes per unit below which adding rows is faster than a product

// Tables by step: rows that all images share, one after another; and after those tables of (images,
// units), `apart` numbers each, that of step t at t % turn.
struct Room {
    float *alone, *many;
    int64_t turn, apart;
};

// What reaches an area but from other areas, from a step on; rows are `across` numbers apart.
struct Stage {
    int64_t since;
    const float *drive;
    int64_t across;
};

struct Area {
    int64_t units, channels, emits;       // on a grid the channels of a place lie together
    int64_t is_listed;                    // it spikes, and no link out of it is diagonal
    int64_t since, last;                  // before `since` all images share a row; after `last`
                                          // nothing reaches the answer
    float keeps, takes, threshold, steep; // u[t] = keeps u[t-1] + takes drive - reset
    Room u, du;                           // potentials, and gradients by them
    int64_t stages;
    const Stage *stage;                   // one after another, the first before any step
    const float *answer;                  // the gradient by u from outside, from the step `asked`
    int64_t asked;                        // on, (steps, images, units), or null
    float *by_bias;                       // the gradient by drives, (blocks, units), or null

    bool is_shared(int64_t t) const { return t < since; }
    // The first row at step t for a block that begins with the image `first`.
    float *rows(const Room &room, int64_t t, int64_t first) const {
        if (is_shared(t)) return room.alone + t * units;
        return room.many + t % room.turn * room.apart + first * units;
    }
};

// A projection from an input that stays, and room for the gradient by all that it drove, (images,
// target units).
struct Still {
    Link link;
    float *by_drive;
};

struct Net {
    int64_t images, longest, threads;
    int64_t block;  // images that go through time together
    int64_t shares; // parts of the images whose gradients by kernels are summed apart
    int64_t areas, links, stills;
    const Area *area;
    const Link *link;
    const Still *still;

    const Area &source(const Link &of) const { return area[of.source]; }
    const Area &target(const Link &of) const { return area[of.target]; }
    int64_t blocks() const { return (images + block - 1) / block; }
    int64_t in_block(int64_t first) const { return std::min(block, images - first); }
};

// What an area emitted at a step for some images: where spikes are few, which units spiked. That is
// asked image by image, so that the order in which an image's sums are added is its own affair.
struct Emitted {
    int64_t t = -1, lists;               // of spikes for each image: one for each place
    bool are_few = false;                // in all rows taken together
    std::vector<uint8_t> few;            // in each
    std::vector<int32_t> spikes, begins; // units that spiked, image by image and list by list
    std::vector<float> out;              // (rows, units), but where all rows are few

    void find(const Area &area, int64_t now, const float *u, int64_t rows) {
        t = now, lists = area.units / area.channels;
        are_few = area.is_listed;
        few.assign(rows, are_few);
        if (are_few) list_all(area, u, rows);
        if (are_few && alike(0) == rows) return;
        out.resize(rows * area.units);
        emit(area.emits, area.threshold, u, out.data(), rows * area.units);
    }

    // The end of the rows from this one on that are few, or are not, as it is.
    int64_t alike(int64_t row) const {
        return std::find(few.begin() + row, few.end(), !few[row]) - few.begin();
    }

    // The same unit by unit: the images in which each spiked.
    void turn(int64_t units) {
        const std::vector<int32_t> units_of = std::move(spikes), of_image = std::move(begins);
        const int64_t rows = (of_image.size() - 1) / lists;
        spikes.resize(of_image.back());
        begins.assign(units + 1, 0);
        for (int32_t i = 0; i < of_image.back(); ++i) ++begins[units_of[i] + 1];
        for (int64_t k = 0; k < units; ++k) begins[k + 1] += begins[k];
        std::vector<int32_t> next = begins;
        for (int64_t r = 0; r < rows; ++r)
            for (int32_t i = of_image[r * lists]; i < of_image[(r + 1) * lists]; ++i)
                spikes[next[units_of[i]]++] = int32_t(r);
    }

  private:
    void list_all(const Area &area, const float *u, int64_t rows) {
        spikes.resize(rows * area.units + AHEAD); // for whole vectors
        begins.resize(rows * lists + 1);
        int32_t *next = spikes.data();
        for (int64_t r = 0; r < rows; ++r) {
            const int32_t *const first = next;
            for (int64_t p = 0; p < lists; ++p, u += area.channels) {
                begins[r * lists + p] = int32_t(next - spikes.data());
                next += list(u, area.threshold, area.channels, int32_t(p * area.channels), next);
            }
            few[r] = next - first < FEW * area.units;
        }
        begins[rows * lists] = int32_t(next - spikes.data());
        are_few = next - spikes.data() < FEW * rows * area.units;
    }
};
