// The most that classes outside the core can save, as a function of the weight they may add.
//
// With dw and dc counted from the break solution,
//
//     F(x) >= max { -sum dc : sum dw <= x }
//
// is concave and piecewise linear. Its pieces are the hull steps of the classes: upward from the
// break items, their slopes rounded up, and downward from them, rounded down, all by falling slope.
// So a state of cost v with room x ends no cheaper than v - F(x), with no allowance for rounding.
#pragma once
#include "reduction.hpp"

// Beyond any sum of costs, and with room for two more such sums.
template <class Cost> constexpr Cost BEYOND = static_cast<Cost>(1) << (sizeof(Cost) * 8 - 4);

// slope times weight, or as much as makes no difference.
template <class Cost> Cost times(Cost slope, i64 weight) {
    const double about = static_cast<double>(slope) * static_cast<double>(weight);
    if (fabs(about) < static_cast<double>(BEYOND<Cost>)) return slope * weight;
    return about < 0.0 ? -BEYOND<Cost> : BEYOND<Cost>;
}

template <class Cost> struct Envelope {
    Array<Step<Cost>> piece; // by falling slope
    Array<i64> x;            // where each begins, increasing
    Array<Cost> value;       // F there
    i64 left = 0;            // weight of the downward steps
    Cost loss = 0;

    explicit Envelope(Memory &memory) : piece(memory), x(memory), value(memory) {}

    void clear() { piece.size = left = loss = 0; }

    // Add the steps of a class both ways from its break item.
    void add(const Item<Cost> *item, i64 begin, i64 base, i64 end) {
        chain(item, base, end - 1, base, piece);
        const i64 downward = piece.size;
        chain(item, base, begin, base, piece);
        for (i64 k = downward; k < piece.size; ++k) {
            piece[k].slope = -piece[k].slope;
            left += piece[k].weight, loss += piece[k].slope * piece[k].weight;
        }
    }
    // Add a step up (or down) of classes that are not looked at closely.
    void tail(Cost slope, double reach, bool upward) {
        const double most = static_cast<double>(BEYOND<Cost>) / (1.0 + static_cast<double>(slope));
        const i64 width = static_cast<i64>(min(reach, most));
        piece.push({slope, width, 0, 0, 0});
        if (!upward) left += width, loss += slope * width;
    }
    void finish() {
        by_slope(piece);
        x.size = value.size = 0;
        i64 at = -left;
        Cost sum = -loss;
        piece.push({});
        for (i64 k = 0; k < piece.size; ++k) {
            x.push(at), value.push(sum);
            at += piece[k].weight, sum += piece[k].slope * piece[k].weight;
        }
    }
    // F at x, of the piece that holds it.
    Cost in(i64 k, i64 at) const { return value[k] + piece[k].slope * (at - x[k]); }
    Cost slope(i64 at) const {
        const i64 k = last(x.at, x.size, at);
        return k < 0 ? BEYOND<Cost> : piece[k].slope;
    }
};
