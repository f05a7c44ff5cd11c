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

// A float as an integer times a power of two.
inline i64 mantissa(double x, int &exponent) {
    const double m = frexp(x, &exponent);
    exponent -= 53;
    return static_cast<i64>(ldexp(m, 53));
}

// The exact integer x / 2**unit.
template <class Cost> Cost integer(double x, int unit) {
    int e;
    const i64 m = mantissa(x, e);
    if (!m) return 0;
    return e >= unit ? m * (static_cast<Cost>(1) << (e - unit)) : static_cast<Cost>(m >> (unit - e));
}

// The exponents of the lowest and of the highest bit of some costs.
struct Bits {
    int low = 4096, top = -4096;

    void meet(double x) {
        int e;
        const i64 m = mantissa(fabs(x), e);
        if (m) low = min(low, e + __builtin_ctzll(static_cast<uint64_t>(m))), top = max(top, e + 53);
    }
    int span() const { return max(0, top - low); }
};

struct Reduction {
    static constexpr i64 NEAR = 48; // steps behind the break that are tried
    const Problem &p;
    Relaxation &r;
    Array<double> gap;      // the least r of each class, rounded down
    Array<i64> chosen;      // the best choice so far
    Array<i64> cls, first;  // what is left: item[first[k]] .. item[first[k + 1] - 1] of class cls[k]
    Array<i64> item;
    Bits bits;              // of all costs that matter
    double reach = 0.0;     // the largest movement of weight that the items can make
    double error = 0.0;     // E
    double bound;           // of all choices, rounded down
    double spare;           // what an item may cost at most

    Reduction(const Problem &problem, Relaxation &relaxation, const i64 *given, bool whole, Memory &memory)
        : p(problem), r(relaxation), gap(memory, p.classes), chosen(r.base), cls(memory), first(memory), item(memory) {
        for (i64 i = 0; i < p.classes; ++i)
            while (price(i)) {
            }
        bound = -(r.multiplier * static_cast<double>(r.room) + error) * (1.0 + SLACK) - TINY;
        chosen = Array<i64>(memory, p.classes);
        chosen.copy(r.base.at);
        complete();
        double above = cost(chosen.at);
        if (given) above = min(above, cost(given));
        above -= whole ? 1.0 : 0.0;
        spare = above - bound + SLACK * (fabs(above) + 1.0 * whole + fabs(bound)) + TINY;
        keep();
        meet(chosen.at);
        if (given) meet(given);
    }
    // The cost of a choice above the break solution, rounded up.
    double cost(const i64 *choice) const {
        double sum = 0.0, size = 0.0;
        for (i64 i = 0; i < p.classes; ++i) {
            const double dc = p.cost[choice[i]] - p.cost[r.base[i]];
            sum += dc, size += fabs(dc);
        }
        return sum + SLACK * size * (1.0 + 0x1p-20 * static_cast<double>(p.classes));
    }

  private:
    double rounded_down(double dc, double turn) const { return dc + turn - SLACK * (fabs(dc) + fabs(turn)) - TINY; }

    // The gap of a class; true if its item was replaced by a cheaper one that is no heavier.
    bool price(i64 i) {
        const i64 base = r.base[i], w = p.weight[base], end = p.end[i];
        const double c = p.cost[base], slope = r.multiplier;
        double least = HUGE_VAL;
        i64 better = base;
        for (i64 j = p.begin[i]; j < end; ++j) {
            const i64 dw = p.weight[j] - w;
            const double dc = p.cost[j] - c, safe = rounded_down(dc, slope * static_cast<double>(dw));
            least = ((j != base) & (safe < least)) ? safe : least;
            better = ((dc < 0.0) & (dw <= 0)) ? j : better;
        }
        r.room += w - p.weight[better], r.base[i] = better;
        gap[i] = least;
        error += better == base ? max(0.0, -least) : 0.0;
        return better != base;
    }
    // Take the steps behind the break that still fit.
    void complete() {
        i64 room = r.room;
        for (i64 k = r.brk; k < min(r.brk + NEAR, r.steps.size); ++k) {
            const Step<double> &s = r.steps[k];
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
                if (j == base || rounded_down(dc, turn) > spare || (dw >= 0 && dc >= 0.0)) continue;
                item.push(j);
                bits.meet(p.cost[j]);
                lightest = min(lightest, dw), heaviest = max(heaviest, dw);
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
};
