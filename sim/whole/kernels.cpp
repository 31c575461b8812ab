// What is compiled of a step: single passes over (images, units), and sums over the units that
// spiked. All tables are float32 in C order. Nothing is assumed of numbers, so that one that is not
// finite stays so; a product and a sum may be rounded once.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int64_t TILE = 32; // columns summed at once: their sums stay in registers, and as many
                             // columns of a few hundred rows in the nearest cache
constexpr int64_t WORTH = 1 << 14; // numbers below which one thread is faster than two

// Eight numbers that are added at once (GCC and Clang split them where a processor has less).
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));
constexpr int64_t PARTS = TILE / 8;

inline eight at(const float *rows, int32_t place, int64_t part) {
    return *reinterpret_cast<const eight *>(rows + place * TILE + part * 8);
}

// sums += factor * the sum of rows (each TILE long) at the places; four at a time, so that one
// addition does not wait for the other.
void add_rows(const float *rows, const int32_t *place, const int32_t *end, float factor,
              float *sums) {
    eight found[PARTS] = {};
    for (; place + 4 <= end; place += 4)
        for (int64_t k = 0; k < PARTS; ++k)
            found[k] += (at(rows, place[0], k) + at(rows, place[1], k)) +
                        (at(rows, place[2], k) + at(rows, place[3], k));
    for (; place < end; ++place)
        for (int64_t k = 0; k < PARTS; ++k) found[k] += at(rows, place[0], k);
    for (int64_t k = 0; k < PARTS; ++k)
        *reinterpret_cast<eight *>(sums + k * 8) += factor * found[k];
}

} // namespace

extern "C" {

// u = drive + beta before - threshold [before > threshold], (images, units). One row of drive or
// before may hold for all images: its stride is 0 then, else units.
void membrane(const float *drive, int64_t drive_stride, const float *before, int64_t before_stride,
              float beta, float threshold, float *u, int64_t images, int64_t units) {
#pragma omp parallel for if (images * units > WORTH)
    for (int64_t n = 0; n < images; ++n) {
        const float *d = drive + n * drive_stride, *b = before + n * before_stride;
        float *row = u + n * units;
        for (int64_t k = 0; k < units; ++k)
            row[k] = d[k] + (beta * b[k] - (b[k] > threshold ? threshold : 0.0f));
    }
}

// gradient = gradient / (1 + slope |u - threshold|)^2 + beta later, in its own place.
void by_membrane(const float *u, const float *later, float threshold, float slope, float beta,
                 float *gradient, int64_t count) {
#pragma omp parallel for simd if (count > WORTH)
    for (int64_t k = 0; k < count; ++k) {
        const float flat = 1.0f + slope * std::fabs(u[k] - threshold);
        gradient[k] = gradient[k] / (flat * flat) + beta * later[k];
    }
}

// How many units of all images are above threshold, and in begins (images + 1) how many of the
// images before each.
int64_t count(const float *u, float threshold, int32_t *begins, int64_t images, int64_t units) {
    begins[0] = 0;
    for (int64_t n = 0; n < images; ++n) {
        int32_t more = 0;
        for (int64_t k = 0; k < units; ++k) more += u[n * units + k] > threshold;
        begins[n + 1] = begins[n] + more;
    }
    return begins[images];
}

// Their indices, one image after another. There is room for one more than there are.
void spikes(const float *u, float threshold, int32_t *indices, int64_t images, int64_t units) {
    for (int64_t n = 0; n < images; ++n)
        for (int64_t k = 0; k < units; ++k) {
            *indices = static_cast<int32_t>(k);
            indices += u[n * units + k] > threshold;
        }
}

// The same spikes by unit: for each the images that made it spike, and in ends (units + 1) where
// they begin.
void turned(const int32_t *indices, const int32_t *begins, int64_t images, int32_t *places,
            int32_t *ends, int64_t units) {
    std::memset(ends, 0, (units + 1) * sizeof(int32_t));
    for (int32_t i = 0; i < begins[images]; ++i) ++ends[indices[i] + 1];
    for (int64_t k = 0; k < units; ++k) ends[k + 1] += ends[k];
    std::vector<int32_t> next(ends, ends + units);
    for (int64_t n = 0; n < images; ++n)
        for (int32_t i = begins[n]; i < begins[n + 1]; ++i)
            places[next[indices[i]]++] = static_cast<int32_t>(n);
}

// total[n] += factor * the sum of the rows at n's indices; rows (sources, columns), total
// (images, columns).
void gather(const float *rows, int64_t sources, const int32_t *indices, const int32_t *begins,
            float factor, float *total, int64_t images, int64_t columns) {
#pragma omp parallel for if (images * columns > WORTH)
    for (int64_t first = 0; first < columns; first += TILE) {
        const int64_t width = columns - first < TILE ? columns - first : TILE;
        std::vector<float> packed(sources * TILE); // rows close together, so that they stay in reach
        for (int64_t s = 0; s < sources; ++s)
            std::memcpy(&packed[s * TILE], rows + s * columns + first, width * sizeof(float));
        for (int64_t n = 0; n < images; ++n) {
            float *sums = total + n * columns + first, some[TILE] = {};
            const bool is_whole = width == TILE;
            if (!is_whole) std::memcpy(some, sums, width * sizeof(float));
            add_rows(packed.data(), indices + begins[n], indices + begins[n + 1], factor,
                     is_whole ? sums : some);
            if (!is_whole) std::memcpy(sums, some, width * sizeof(float));
        }
    }
}
}
