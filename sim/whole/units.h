// What units emit at a potential, how steeply, and which of them spiked.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tiles.h"

// As in `build.py`; the first four spike, and differ in their surrogate.
enum Emits : int64_t { FAST_SIGMOID, ATAN, SPIKE_SIGMOID, STRAIGHT, RELU, TANH, SIGMOID, IDENTITY };

inline bool spikes(int64_t emits) { return emits <= STRAIGHT; }

// e^x to a few units of the last place times 1 + |x|, without a branch, so that compilers make
// vectors of it: 2^n by the bits of a float, 2^rest by its series.
inline float power(float x) {
    constexpr float LN2 = 0.693147181f, MOST = 126;
    float twos = x / LN2;
    twos = twos > MOST ? MOST : twos;
    twos = twos < -MOST ? -MOST : twos;
    const float n = std::nearbyint(twos), rest = (twos - n) * LN2;
    float series = 1.0f;
    for (int k = 7; k > 0; --k) series = 1.0f + series * rest / float(k);
    const int32_t bits = (int32_t(n) + 127) << 23;
    float whole;
    std::memcpy(&whole, &bits, sizeof whole);
    return whole * series;
}

inline float sigmoid(float x) { return 1.0f / (1.0f + power(-x)); }

// tanh x. Near 0 one minus nearly one would lose digits: there it is x + x^3 times a polynomial of
// x^2, fitted for the least relative error (4e-9).
inline float tangent(float x) {
    constexpr float NEAR = 0.625f;
    const float square = x * x, far = 1.0f - 2.0f / (1.0f + power(2.0f * x));
    float series = -0.00570498183f;
    series = series * square + 0.0206390821f;
    series = series * square - 0.0537397133f;
    series = series * square + 0.133314422f;
    series = series * square - 0.333332819f;
    return std::fabs(x) < NEAR ? x + x * square * series : far;
}

// out = what is emitted at the potentials u.
inline void emit(int64_t emits, float threshold, const float *u, float *out, int64_t count) {
    if (spikes(emits))
        for (int64_t k = 0; k < count; ++k) out[k] = u[k] > threshold;
    else if (emits == RELU)
        for (int64_t k = 0; k < count; ++k) out[k] = u[k] < 0.0f ? 0.0f : u[k];
    else if (emits == TANH)
        for (int64_t k = 0; k < count; ++k) out[k] = tangent(u[k]);
    else if (emits == SIGMOID)
        for (int64_t k = 0; k < count; ++k) out[k] = sigmoid(u[k]);
    else
        std::memcpy(out, u, count * sizeof(float));
}

// gradient *= the derivative of what is emitted, or its surrogate, at the potentials u.
inline void slope(int64_t emits, float threshold, float steep, const float *u, float *gradient,
                  int64_t count) {
    switch (emits) {
    case FAST_SIGMOID:
        for (int64_t k = 0; k < count; ++k) {
            const float flat = 1.0f + steep * std::fabs(u[k] - threshold);
            gradient[k] /= flat * flat;
        }
        break;
    case ATAN:
        for (int64_t k = 0; k < count; ++k) {
            const float x = float(M_PI_2) * steep * (u[k] - threshold);
            gradient[k] *= steep / 2 / (1.0f + x * x);
        }
        break;
    case SPIKE_SIGMOID:
        for (int64_t k = 0; k < count; ++k) {
            const float x = steep * (u[k] - threshold);
            gradient[k] *= steep * sigmoid(x) * sigmoid(-x);
        }
        break;
    case RELU:
        for (int64_t k = 0; k < count; ++k) gradient[k] = u[k] <= 0.0f ? 0.0f : gradient[k];
        break;
    case TANH:
        for (int64_t k = 0; k < count; ++k) {
            const float out = tangent(u[k]);
            gradient[k] *= 1.0f - out * out;
        }
        break;
    case SIGMOID:
        for (int64_t k = 0; k < count; ++k) {
            const float out = sigmoid(u[k]);
            gradient[k] *= out * (1.0f - out);
        }
        break;
    default: break;
    }
}

// For every pattern of eight bits the places of those that are set, from the first on.
struct Places {
    int32_t of[256][WIDE] = {};
    uint8_t count[256] = {};

    constexpr Places() {
        for (int bits = 0; bits < 256; ++bits)
            for (int place = 0; place < WIDE; ++place)
                if (bits >> place & 1) of[bits][count[bits]++] = place;
    }
};

constexpr Places PLACES;

// A bit for each of WIDE numbers: whether it is above the threshold.
inline unsigned above(const float *u, float threshold) {
#ifdef __AVX__
    return __builtin_ia32_movmskps256(at(u) > threshold);
#else
    unsigned bits = 0;
    for (int p = 0; p < WIDE; ++p) bits |= unsigned(u[p] > threshold) << p;
    return bits;
#endif
}

// Which of `count` potentials, the first of them that of the unit `first`, are above threshold, one
// after another; returns how many. There is room for WIDE more than there are.
inline int32_t list(const float *u, float threshold, int64_t count, int32_t first, int32_t *units) {
    int32_t *next = units;
    int64_t k = 0;
    for (; k + WIDE <= count; k += WIDE) {
        const unsigned bits = above(u + k, threshold);
        for (int p = 0; p < WIDE; ++p) next[p] = first + int32_t(k) + PLACES.of[bits][p];
        next += PLACES.count[bits];
    }
    for (; k < count; ++k) {
        *next = first + int32_t(k);
        next += u[k] > threshold;
    }
    return int32_t(next - units);
}
