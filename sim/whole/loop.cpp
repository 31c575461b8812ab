// The loop of a network through time, forth and back.
//
// Blocks of images go through all steps one after another. What all images share, since nothing of
// them has arrived yet, is one row: found before the blocks on the way there, after them back.

#include "walk.h"
#include "weigh.h"
#include "weigh_grids.h"

extern "C" {

// Potentials from step `from` to before `to`; those before are known as far as delays reach.
void there(const Net *net, int64_t from, int64_t to) {
    const std::vector<Joint> links = joints(*net, true);
    Walk shared(*net, links);
    shared.begin(0, 1, true);
    for (int64_t t = from; t < to; ++t) shared.forth(t);
#pragma omp parallel num_threads(net->threads)
    {
        Walk walk(*net, links);
#pragma omp for
        for (int64_t first = 0; first < net->images; first += net->block) {
            walk.begin(first, net->in_block(first), false);
            for (int64_t t = from; t < to; ++t) walk.forth(t);
        }
    }
}

// The gradients by the potentials of these steps; those of later ones are known.
void back(const Net *net, int64_t from, int64_t to) {
    const std::vector<Joint> links = joints(*net, false);
#pragma omp parallel num_threads(net->threads)
    {
        Walk walk(*net, links);
#pragma omp for
        for (int64_t first = 0; first < net->images; first += net->block) {
            walk.begin(first, net->in_block(first), false);
            for (int64_t t = to - 1; t >= from; --t) walk.back(t);
        }
    }
    Walk shared(*net, links);
    shared.begin(0, 1, true);
    for (int64_t t = to - 1; t >= from; --t) shared.back(t);
}

// Adds the gradients by weights at the steps from `from` to before `to`, whose gradients by
// potentials are known.
void weigh(const Net *net, int64_t from, int64_t to) {
    if (!net->images) return; // no block has a record
    weigh_flat(*net, from, to);
    weigh_grids(*net, from, to);
}
}
