// Sums of rows, and matrix products, in tiles of columns that stay in the nearest cache.
//
// Tables are float32 in C order. Nothing is assumed of numbers, so that one that is not finite
// stays so; a product and a sum may be rounded once.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

constexpr int64_t TILE = 32;       // columns of a tile
constexpr int64_t PAIR = 2 * TILE; // of two, whose rows are added at once
constexpr int64_t WIDE = 8;        // numbers in a vector
constexpr int64_t TAKEN = 4;       // rows that are added at once
constexpr int64_t AHEAD = 32;      // places that are read at once, be there as many or not

// Numbers that are added at once (GCC and Clang split them where a processor has less).
typedef float wide __attribute__((vector_size(32), aligned(4), may_alias));

typedef int32_t wide_places __attribute__((vector_size(32), aligned(4), may_alias));

inline wide &at(float *place) { return *reinterpret_cast<wide *>(place); }
inline wide at(const float *place) { return *reinterpret_cast<const wide *>(place); }

inline wide_places &places(int32_t *first) { return *reinterpret_cast<wide_places *>(first); }
inline wide_places places(const int32_t *first) {
    return *reinterpret_cast<const wide_places *>(first);
}

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

    // So many rows, from the row `begin` on, with factor * table; `down` and `right` lead to the
    // next row and column of the table.
    void fill(int64_t begin, int64_t count, const float *table, int64_t down, int64_t right,
              float factor) {
        for (int64_t first = 0; first < columns; first += TILE)
            for (int64_t r = 0; r < count; ++r)
                for (int64_t c = first; c < std::min(first + TILE, columns); ++c)
                    tile(first)[(begin + r) * TILE + c - first] =
                        factor * table[r * down + c * right];
    }

    int64_t apart() const { return rows * TILE; } // numbers from one tile to the next
    // That which begins at the column `first`.
    float *tile(int64_t first) { return numbers.data() + first * rows; }
    const float *tile(int64_t first) const { return numbers.data() + first * rows; }

  private:
    Lined numbers;
};

// Sums that may be added to in whole vectors: `width` of them at `sums`, or a copy of these which
// is put back at the end where they are fewer than `most`.
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
    float copy[PAIR], *sums;
    int64_t width;
};

// Numbers one after another in a row, `depth` from `left` on, and the first of the rows that they
// meet. What is listed of them are the lists from `first` to before `end`.
struct Strip {
    int64_t left, depth, row, first = 0, end = 1;
};

// sums += the listed rows of a tile or of two, `apart` numbers from one another; four at a time, so
// that additions need not wait for one another. (Unrolled, or compilers leave loops over the
// parts.)
template <int PARTS>
void add_rows(const float *tile, int64_t apart, const int32_t *row, const int32_t *end,
              float *sums) {
    constexpr int OF_ONE = TILE / WIDE;
    const float *const other = PARTS > OF_ONE ? tile + apart : tile;
    wide found[PARTS];
#pragma GCC unroll 8
    for (int p = 0; p < PARTS; ++p) found[p] = at(sums + p * WIDE);
    for (; row + TAKEN <= end; row += TAKEN)
#pragma GCC unroll 8
        for (int p = 0; p < PARTS; ++p) {
            const float *part = (p < OF_ONE ? tile : other) + p % OF_ONE * WIDE;
            found[p] += (at(part + row[0] * TILE) + at(part + row[1] * TILE)) +
                        (at(part + row[2] * TILE) + at(part + row[3] * TILE));
        }
    for (; row < end; ++row)
#pragma GCC unroll 8
        for (int p = 0; p < PARTS; ++p)
            found[p] += at((p < OF_ONE ? tile : other) + p % OF_ONE * WIDE + row[0] * TILE);
#pragma GCC unroll 8
    for (int p = 0; p < PARTS; ++p) at(sums + p * WIDE) = found[p];
}

// `width` sums, at most PAIR, += the listed rows of a tile or of two.
inline void gather(const float *tile, int64_t apart, const int32_t *row, const int32_t *end,
                   float *sums, int64_t width) {
    constexpr decltype(&add_rows<1>) by_parts[] = {add_rows<1>, add_rows<2>, add_rows<3>,
                                                   add_rows<4>, add_rows<5>, add_rows<6>,
                                                   add_rows<7>, add_rows<8>};
    static_assert(sizeof by_parts / sizeof *by_parts == PAIR / WIDE);
    const int64_t parts = (width + WIDE - 1) / WIDE;
    const Whole whole(sums, width, parts * WIDE);
    by_parts[parts - 1](tile, apart, row, end, whole.place);
}

// What is read row by row; what leads to the next row, and to the next number of one.
struct Left {
    const float *table;
    int64_t down, right;
};

// Rows of a tile, of which a strip meets those that are `ahead` numbers apart.
struct Right {
    const float *tile;
    int64_t ahead;
};

// ROWS x 16 sums (`across` apart) += the strips' numbers of so many rows times 16 columns of the
// rows of a tile that they meet.
template <int ROWS>
void multiply(const Strip *strip, const Strip *last, const Left &left, const Right &right,
              float *sums, int64_t across) {
    wide found[ROWS][2];
    for (int r = 0; r < ROWS; ++r)
        for (int p = 0; p < 2; ++p) found[r][p] = at(sums + r * across + p * WIDE);
    for (; strip != last; ++strip) {
        const float *factors = left.table + strip->left, *row = right.tile + strip->row * TILE;
        for (int64_t k = 0; k < strip->depth; ++k, row += right.ahead, factors += left.right) {
            const wide one = at(row), two = at(row + WIDE);
            for (int r = 0; r < ROWS; ++r) {
                const float factor = factors[r * left.down];
                found[r][0] += factor * one;
                found[r][1] += factor * two;
            }
        }
    }
    for (int r = 0; r < ROWS; ++r)
        for (int p = 0; p < 2; ++p) at(sums + r * across + p * WIDE) = found[r][p];
}

// sums (rows, width), `across` apart, += the strips' numbers of these rows times what they meet.
inline void product(const Strip *strip, const Strip *last, Left left, const Right &right,
                    int64_t rows, float *sums, int64_t across, int64_t width) {
    constexpr int64_t HALF = 2 * WIDE, MOST = 6; // as many sums as a processor has registers
    constexpr decltype(&multiply<1>) by_rows[] = {multiply<1>, multiply<2>, multiply<3>,
                                                  multiply<4>, multiply<5>, multiply<6>};
    const float *const table = left.table;
    for (int64_t first = 0; first < width; first += HALF)
        for (int64_t r = 0; r < rows; r += MOST) {
            const int64_t some = std::min(MOST, rows - r), wide = std::min(HALF, width - first);
            float *here = sums + r * across + first, copy[MOST * HALF];
            const bool is_whole = wide == HALF;
            for (int64_t i = 0; i < some && !is_whole; ++i)
                std::memcpy(copy + i * HALF, here + i * across, wide * sizeof(float));
            left.table = table + r * left.down;
            by_rows[some - 1](strip, last, left, {right.tile + first, right.ahead},
                              is_whole ? here : copy, is_whole ? across : HALF);
            for (int64_t i = 0; i < some && !is_whole; ++i)
                std::memcpy(here + i * across, copy + i * HALF, wide * sizeof(float));
        }
}

// sums (rows, width) += left (rows, depth) times a tile (depth, width).
inline void product(const Left &left, const float *tile, int64_t depth, int64_t rows, float *sums,
                    int64_t across, int64_t width) {
    const Strip all = {0, depth, 0};
    product(&all, &all + 1, left, {tile, TILE}, rows, sums, across, width);
}
