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

// The least integer that is no less than y / x, x > 0.
template <class Cost> Cost quotient(Cost y, i64 x) {
    const Cost q = y / x;
    return q + (y - q * x > 0);
}

template <class Cost> struct Item {
    Cost dc;
    i64 dw;
    i32 item;
};

template <class Cost> struct Envelope {
    struct Piece {
        Cost slope;
        i64 width;
    };
    Array<Piece> piece; // by falling slope
    Array<i64> x;       // where each begins, increasing
    Array<Cost> value;  // F there
    i64 left = 0;       // weight of the downward steps
    Cost loss = 0;

    explicit Envelope(Memory &memory) : piece(memory), x(memory), value(memory), hull(memory) {}

    void clear() { piece.size = left = loss = 0; }

    // Add the steps up (or down) from item `from`, next to each other up to item `to`.
    void chain(const Item<Cost> *item, i64 from, i64 to) {
        const i64 way = to > from ? 1 : -1, begin = piece.size;
        hull.size = 0;
        hull.push(from);
        for (i64 k = from; k != to;) {
            k += way;
            Cost slope;
            i64 width;
            for (;; --piece.size, --hull.size) {
                const Item<Cost> &a = item[hull[hull.size - 1]];
                width = way * (item[k].dw - a.dw);
                slope = quotient<Cost>(a.dc - item[k].dc, width);
                if (piece.size == begin || piece[piece.size - 1].slope > slope) break;
            }
            piece.push({slope, width}), hull.push(k);
        }
        if (way > 0) return;
        for (i64 k = begin; k < piece.size; ++k) down(piece[k], -piece[k].slope);
    }
    // Steps of one slope and some weight, up or down, of classes that are not looked at closely.
    void tail(Cost slope, i64 width, bool upward) {
        const i64 most = static_cast<i64>(BEYOND<Cost> / std::max<Cost>(1, slope) < width ? BEYOND<Cost> / slope : width);
        piece.push({slope, most});
        if (!upward) down(piece[piece.size - 1], slope);
    }
    void finish() {
        std::sort(piece.begin(), piece.end(), [](const Piece &a, const Piece &b) {
            return a.slope != b.slope ? a.slope > b.slope : a.width < b.width;
        });
        x.size = value.size = 0;
        i64 at = -left;
        Cost sum = -loss;
        for (const Piece &s : piece) {
            x.push(at), value.push(sum);
            at += s.width, sum += s.slope * s.width;
        }
        x.push(at), value.push(sum);
        piece.push({0, 0});
    }
    // The piece at x; -1 where there is none, since no choice moves so much weight.
    i64 find(i64 at) const { return std::upper_bound(x.at, x.at + x.size, at) - x.at - 1; }
    Cost in(i64 k, i64 at) const { return value[k] + piece[k].slope * (at - x[k]); }
    Cost slope(i64 at) const {
        const i64 k = find(at);
        return k < 0 ? BEYOND<Cost> : piece[k].slope;
    }

  private:
    Array<i64> hull;

    void down(Piece &s, Cost slope) {
        s.slope = slope;
        left += s.width, loss += slope * s.width;
    }
};
