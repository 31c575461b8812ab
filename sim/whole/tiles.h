// Sums of rows, and matrix products, in tiles of columns that stay in the nearest cache.
//
// Tables are float32 in C order. Nothing is assumed of numbers, so that one that is not finite stays
// so; a product and a sum may be rounded once.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

constexpr int64_t TILE = 32; // columns of a tile
constexpr int64_t WIDE = 8;  // numbers in a vector

// Numbers that are added at once (GCC and Clang split them where a processor has less).
typedef float wide __attribute__((vector_size(32), aligned(4), may_alias));

inline wide &at(float *place) { return *reinterpret_cast<wide *>(place); }
inline wide at(const float *place) { return *reinterpret_cast<const wide *>(place); }

// Numbers that lie as the nearest cache has them, so that no vector spans two of its lines.
class Lined {
  public:
    explicit Lined(int64_t count) : lines((count + LINE - 1) / LINE) {}
    float *data() { return lines.data()->numbers; }
    const float *data() const { return lines.data()->numbers; }

  private:
    static constexpr int64_t LINE = 16;
    struct alignas(64) Line {
        float numbers[LINE] = {};
    };
    std::vector<Line> lines;
};

// A table cut into tiles of TILE columns, each with all its rows; the last is filled up with zeros.
class Tiles {
  public:
    int64_t rows, columns;

    Tiles(int64_t rows, int64_t columns)
        : rows(rows), columns(columns), numbers((columns + TILE - 1) / TILE * rows * TILE) {}

    // Of factor * table; `down` and `right` lead to the next row and column of the table.
    Tiles(const float *table, int64_t rows, int64_t columns, int64_t down, int64_t right,
          float factor)
        : Tiles(rows, columns) {
        for (int64_t first = 0; first < columns; first += TILE)
            for (int64_t r = 0; r < rows; ++r)
                for (int64_t c = first; c < std::min(first + TILE, columns); ++c)
                    tile(first)[r * TILE + c - first] = factor * table[r * down + c * right];
    }

    // That which begins at the column `first`.
    float *tile(int64_t first) { return numbers.data() + first * rows; }
    const float *tile(int64_t first) const { return numbers.data() + first * rows; }

  private:
    Lined numbers;
};

// Sums that may be added to in whole vectors: `width` of them at `sums`, or a copy of these which is
// put back at the end where they are fewer than `most`.
class Whole {
  public:
    float *place;

    Whole(float *sums, int64_t width, int64_t most)
        : place(width < most ? copy : sums), sums(sums), width(width) {
        if (place == copy) std::memcpy(copy, sums, width * sizeof(float));
    }
    ~Whole() {
        if (place == copy) std::memcpy(sums, copy, width * sizeof(float));
    }

  private:
    float copy[TILE], *sums;
    int64_t width;
};

// sums += the rows of a tile at the places; four at a time, so that additions need not wait for
// one another.
template <int PARTS>
void add_rows(const float *tile, const int32_t *place, const int32_t *end, float *sums) {
    wide found[PARTS];
    for (int p = 0; p < PARTS; ++p) found[p] = at(sums + p * WIDE);
    for (; place + 4 <= end; place += 4)
        for (int p = 0; p < PARTS; ++p) {
            const float *part = tile + p * WIDE;
            found[p] += (at(part + place[0] * TILE) + at(part + place[1] * TILE)) +
                        (at(part + place[2] * TILE) + at(part + place[3] * TILE));
        }
    for (; place < end; ++place)
        for (int p = 0; p < PARTS; ++p) found[p] += at(tile + place[0] * TILE + p * WIDE);
    for (int p = 0; p < PARTS; ++p) at(sums + p * WIDE) = found[p];
}

// Row by row of `sums` (`across` apart): += the rows of a tile at that row's places.
inline void gather(const float *tile, const int32_t *places, const int32_t *begins, int64_t rows,
                   float *sums, int64_t across, int64_t width) {
    constexpr decltype(&add_rows<1>) by_parts[] = {add_rows<1>, add_rows<2>, add_rows<3>,
                                                   add_rows<4>};
    const int64_t parts = (width + WIDE - 1) / WIDE;
    for (int64_t r = 0; r < rows; ++r) {
        const Whole whole(sums + r * across, width, parts * WIDE);
        by_parts[parts - 1](tile, places + begins[r], places + begins[r + 1], whole.place);
    }
}

// ROWS x 16 sums (`across` apart) += rows of `left` times 16 columns of a tile with `depth` rows.
template <int ROWS>
void multiply(const float *left, int64_t down, int64_t right, const float *tile, int64_t depth,
              float *sums, int64_t across) {
    wide found[ROWS][2];
    for (int r = 0; r < ROWS; ++r)
        for (int p = 0; p < 2; ++p) found[r][p] = at(sums + r * across + p * WIDE);
    for (int64_t k = 0; k < depth; ++k) {
        const wide one = at(tile + k * TILE), two = at(tile + k * TILE + WIDE);
        for (int r = 0; r < ROWS; ++r) {
            const float factor = left[r * down + k * right];
            found[r][0] += factor * one;
            found[r][1] += factor * two;
        }
    }
    for (int r = 0; r < ROWS; ++r)
        for (int p = 0; p < 2; ++p) at(sums + r * across + p * WIDE) = found[r][p];
}

// sums (rows, width) += left (rows, depth) times a tile (depth, width); `down` and `right` lead to
// the next row and column of `left`, `across` to the next row of the sums.
inline void product(const float *left, int64_t down, int64_t right, const float *tile,
                    int64_t depth, int64_t rows, float *sums, int64_t across, int64_t width) {
    constexpr int64_t HALF = 2 * WIDE, MOST = 6; // as many sums as a processor has registers
    constexpr decltype(&multiply<1>) by_rows[] = {multiply<1>, multiply<2>, multiply<3>,
                                                  multiply<4>, multiply<5>, multiply<6>};
    for (int64_t first = 0; first < width; first += HALF)
        for (int64_t r = 0; r < rows; r += MOST) {
            const int64_t some = std::min(MOST, rows - r), wide = std::min(HALF, width - first);
            float *here = sums + r * across + first, copy[MOST * HALF];
            const bool is_whole = wide == HALF;
            for (int64_t i = 0; i < some && !is_whole; ++i)
                std::memcpy(copy + i * HALF, here + i * across, wide * sizeof(float));
            by_rows[some - 1](left + r * down, down, right, tile + first, depth,
                              is_whole ? here : copy, is_whole ? across : HALF);
            for (int64_t i = 0; i < some && !is_whole; ++i)
                std::memcpy(here + i * across, copy + i * HALF, wide * sizeof(float));
        }
}

// sums (rows, columns of the table) += left (rows, rows of the table) times a table.
inline void product(const float *left, int64_t rows, const Tiles &table, float *sums) {
    for (int64_t c = 0; c < table.columns; c += TILE)
        product(left, table.rows, 1, table.tile(c), table.rows, rows, sums + c, table.columns,
                std::min(TILE, table.columns - c));
}
