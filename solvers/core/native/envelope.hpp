// The most that classes outside the core can save, as a function of the weight they may add.
//
// With dw and dc counted from the break solution,
//
//     F(x) >= max { -sum dc : sum dw <= x }
//
// is concave and piecewise linear. Each class has a piece upward, as wide as it can add weight, with
// the steepest of its slopes, and one downward with the flattest, all by falling slope. Slopes are
// integers: a state of cost v with room x ends no cheaper than v - F(x), with no allowance for rounding.
#pragma once
#include "reduction.hpp"

// Beyond any sum of costs, and with room for two more such sums.
template <class Cost> constexpr Cost BEYOND = static_cast<Cost>(1) << (sizeof(Cost) * 8 - 4);

// slope times weight, or as much as makes no difference.
template <class Cost> Cost times(Cost slope, i64 weight) {
    const double about = static_cast<double>(slope) * real(weight);
    if (fabs(about) < static_cast<double>(BEYOND<Cost>)) return slope * weight;
    return about < 0.0 ? -BEYOND<Cost> : BEYOND<Cost>;
}

template <class Cost> struct Envelope {
    struct Piece {
        Cost slope, value; // value: F where it begins
        i64 weight, x;     // x: where it begins
    };
    Array<Piece> piece; // by falling slope
    i64 left = 0;       // weight of the downward pieces
    Cost loss = 0;

    void clear() { piece.size = left = loss = 0; }
    void add(Cost slope, i64 weight) {
        if (weight) piece.push({slope, 0, weight < 0 ? -weight : weight, 0});
        if (weight < 0) left -= weight, loss -= slope * weight;
    }
    // A width as large as a movement of weight, or where it makes no difference.
    static i64 most(Cost slope, double reach) {
        return static_cast<i64>(min(reach, static_cast<double>(BEYOND<Cost>) / (1.0 + static_cast<double>(slope))));
    }
    void finish() {
        sort(piece.at, piece.size, [](const Piece &a, const Piece &b) { return a.slope > b.slope; });
        piece.push({0, 0, 0, 0});
        i64 x = -left;
        Cost value = -loss;
        for (i64 k = 0; k < piece.size; ++k) {
            Piece &a = piece[k];
            a.x = x, a.value = value;
            x += a.weight, value += a.slope * a.weight;
        }
    }
    // Move k down to the piece that holds x; false if there is none.
    bool holds(i64 x, i64 &k) const {
        while (k >= 0 && piece[k].x > x) --k;
        return k >= 0;
    }
    // F at x, of the piece that holds it.
    Cost in(i64 k, i64 x) const { return piece[k].value + piece[k].slope * (x - piece[k].x); }
    Cost slope(i64 x) const {
        i64 k = piece.size - 1;
        return holds(x, k) ? piece[k].slope : BEYOND<Cost>;
    }
};
