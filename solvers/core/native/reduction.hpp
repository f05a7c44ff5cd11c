// What the relaxation leaves: an incumbent, and the items that a better choice may take.
//
// The last place with floats. With the multiplier l, an item costs r = dc + l dw more than the one
// of the break solution, and a choice with it no less than
//
//     -l room + r - E,     E the sum over classes of what rounding of the break solution may add,
//
// so an item whose r is above the incumbent less this bound is in no better choice. Every rounding
// is to the side that keeps the item. What is left has costs that are integers in one unit.
#pragma once
#include "relaxation.hpp"

constexpr double SLACK = 0x1p-50, TINY = 0x1p-1000;

// The exponents of the lowest and of the highest bit of some costs.
struct Bits {
    int low = 4096, top = -4096;

    // A float as an integer times a power of two.
    static i64 mantissa(double x, int &exponent) {
        i64 bits;
        memcpy(&bits, &x, sizeof bits);
        exponent = static_cast<int>(bits >> 52 & 0x7FF);
        const i64 m = (bits & ((i64(1) << 52) - 1)) | (exponent ? i64(1) << 52 : 0);
        exponent = (exponent ? exponent : 1) - 1075;
        return bits < 0 ? -m : m;
    }
    void meet(double x) {
        int e;
        const i64 m = mantissa(fabs(x), e);
        if (!m) return;
        low = std::min(low, e + __builtin_ctzll(static_cast<uint64_t>(m)));
        top = std::max(top, e + 64 - __builtin_clzll(static_cast<uint64_t>(m)));
    }
    int span() const { return std::max(0, top - low); }
};

// The exact integer x / 2**unit.
template <class Cost> Cost integer(double x, int unit) {
    int e;
    const i64 m = Bits::mantissa(x, e);
    if (!m) return 0;
    return e >= unit ? m * (static_cast<Cost>(1) << (e - unit)) : static_cast<Cost>(m >> (unit - e));
}

struct Reduction {
    const Problem &p;
    Relaxation &r;
    Array<double> gap; // the least cost of an item of each class, less the rounding it may carry
    Array<i64> chosen; // the best choice so far
    Array<i64> cls, first;
    Array<i32> item;     // what is left: item[first[k]] .. item[first[k + 1] - 1] of class cls[k]
    Bits bits;           // of their costs
    double reach = 0.0;  // the largest movement of weight that they can make
    double error = 0.0;  // E
    double bound = 0.0;  // of all choices, rounded down
    double spare = 0.0;  // what an item may cost at most

    Reduction(const Problem &problem, Relaxation &relaxation, const i64 *given, bool whole, Memory &memory)
        : p(problem), r(relaxation), gap(memory, p.classes), chosen(memory, p.classes), cls(memory),
          first(memory), item(memory) {
        for (i64 i = 0; i < p.classes; ++i)
            while (price(i)) {
            }
        bound = -(r.multiplier * static_cast<double>(r.room) + error) * (1.0 + SLACK) - TINY;
        memcpy(chosen.at, r.base.at, static_cast<size_t>(p.classes) * sizeof(i64));
        complete();
        const double step = whole ? 1.0 : 0.0;
        double above = cost(chosen.at);
        if (move < above) {
            memcpy(chosen.at, r.base.at, static_cast<size_t>(p.classes) * sizeof(i64));
            chosen[move_cls] = move_item;
            above = cost(chosen.at);
        }
        if (given) above = std::min(above, cost(given));
        spare = (above - step) - bound;
        spare += SLACK * (fabs(above) + step + fabs(bound)) + TINY;
    }
    // Whether no choice is cheaper than the best one.
    bool settled() const { return spare < 0.0; }

    // The cost of a choice above the break solution, rounded up.
    double cost(const i64 *choice) const {
        double sum = 0.0, size = 0.0;
        for (i64 i = 0; i < p.classes; ++i) {
            if (choice[i] == r.base[i]) continue;
            const double dc = p.cost[choice[i]] - p.cost[r.base[i]];
            sum += dc, size += fabs(dc);
        }
        return sum + SLACK * size * (1.0 + 0x1p-20 * static_cast<double>(p.classes));
    }
    // The gap of a class; true if its item was replaced by one that is better and no heavier.
    bool price(i64 i) {
        const i64 base = r.base[i], w = p.weight[base], end = p.end[i];
        const double c = p.cost[base], slope = r.multiplier;
        double least = HUGE_VAL, raw = 0.0;
        i64 better = base;
        for (i64 j = p.begin[i]; j < end; ++j) {
            const i64 dw = p.weight[j] - w;
            const double dc = p.cost[j] - c, turn = slope * static_cast<double>(dw);
            const double g = dc + turn, safe = g - SLACK * (fabs(dc) + fabs(turn));
            least = ((j != base) & (safe < least)) ? safe : least;
            better = ((g < raw) & (dw <= 0)) ? j : better;
            raw = ((g < raw) & (dw <= 0)) ? g : raw;
            if ((dc < move) & (dw <= r.room)) move = dc, move_cls = i, move_item = j;
        }
        if (better != base) {
            r.room += w - p.weight[better], r.base[i] = better;
            if (move_cls == i) move = 0.0;
            return true;
        }
        gap[i] = least - TINY;
        error += gap[i] < 0.0 ? -gap[i] : 0.0;
        return false;
    }
    // Take the steps behind the break that still fit.
    void complete() {
        i64 room = r.room;
        for (i64 k = r.brk; k < std::min(r.brk + NEAR, r.steps.size); ++k) {
            const Step &s = r.steps[k];
            if (chosen[s.cls] != s.tail || s.weight > room) continue;
            room -= s.weight, chosen[s.cls] = s.head;
        }
    }
    // Find what is left.
    void keep() {
        for (i64 i = 0; i < p.classes; ++i) {
            if (gap[i] > spare) continue;
            const i64 base = r.base[i], w = p.weight[base], start = item.size;
            i64 lightest = 0, heaviest = 0;
            for (i64 j = p.begin[i]; j < p.end[i]; ++j) {
                const i64 dw = p.weight[j] - w;
                const double dc = p.cost[j] - p.cost[base], turn = r.multiplier * static_cast<double>(dw);
                const double safe = dc + turn - SLACK * (fabs(dc) + fabs(turn)) - TINY;
                if (j == base || safe > spare || (dw >= 0 && dc >= 0.0)) continue;
                item.push(static_cast<i32>(j));
                bits.meet(p.cost[j]);
                lightest = std::min(lightest, dw), heaviest = std::max(heaviest, dw);
            }
            if (item.size == start) continue;
            cls.push(i), first.push(start), bits.meet(p.cost[base]);
            reach += static_cast<double>(heaviest - lightest);
        }
        first.push(item.size);
    }
    // Count in the costs of a choice.
    void meet(const i64 *choice) {
        for (i64 i = 0; i < p.classes; ++i)
            if (choice[i] != r.base[i]) bits.meet(p.cost[choice[i]]), bits.meet(p.cost[r.base[i]]);
    }

  private:
    i64 move_cls = -1, move_item = -1;
    double move = 0.0; // what the best single move changes
};
