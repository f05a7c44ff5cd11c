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
    i64 bits;
    memcpy(&bits, &x, sizeof bits);
    const int e = static_cast<int>(bits >> 52 & 0x7FF);
    const i64 m = (bits & ((i64(1) << 52) - 1)) | (e ? i64(1) << 52 : 0);
    exponent = (e ? e : 1) - 1075;
    return bits < 0 ? -m : m;
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
    static constexpr double GAIN = 0.9; // what a move must leave of the gap at most
    const Problem &p;
    Relaxation &r;
    const bool whole;       // all costs are integers
    Array<double> gap;      // the least r of each class, rounded down
    Array<i64> chosen;      // the best choice so far
    Array<i64> cls, first;  // what is left: item[first[k]] .. item[first[k + 1] - 1] of class cls[k]
    Array<Item<double>> item; // by its differences from the break item
    Bits bits;              // of all costs that matter
    double reach = 0.0;     // the largest movement of weight that the items can make
    double error = 0.0;     // E
    double bound;           // of all choices, rounded down
    double spare;           // what an item may cost at most

    Reduction(const Problem &problem, Relaxation &relaxation, const i64 *given, bool whole_, Memory &memory)
        : p(problem), r(relaxation), whole(whole_), gap(memory, p.classes), chosen(memory, p.classes), cls(memory), first(memory), item(memory),
          reduced(memory) {
        for (i64 i = 0; i < p.classes; ++i)
            while (price(i)) {
            }
        bound = -(r.multiplier * static_cast<double>(r.room) + error) * (1.0 + SLACK) - TINY;
        chosen.copy(r.base.at);
        complete();
        if (saved < (sum = cost(chosen.at))) {
            chosen.copy(r.base.at);
            chosen[single_cls] = single, sum = cost(chosen.at);
        }
        known = given ? cost(given) : 0.0;
        spare = allowed(min(sum, known));
    }
    // Classes that are left.
    i64 left() const {
        i64 count = 0;
        for (i64 i = 0; i < p.classes; ++i) count += gap[i] <= spare;
        return count;
    }
    // The most that the items of a class that are left can move.
    i64 widest(i64 i) const {
        i64 most = 0;
        for (i64 j = p.begin[i]; j < p.end[i]; ++j) {
            const i64 dw = p.weight[j] - p.weight[r.base[i]];
            const double safe = rounded_down(p.cost[j] - p.cost[r.base[i]], r.multiplier * static_cast<double>(dw));
            if (safe <= spare) most = max<i64>(most, llabs(dw));
        }
        return most;
    }
    // Take a choice if it is cheaper.
    void adopt(const i64 *choice) {
        const double other = cost(choice);
        if (other < sum) chosen.copy(choice), sum = other, spare = allowed(min(sum, known));
    }
    // Find what is left, after moves that make the incumbent cheaper.
    void finish(const i64 *given) {
        double before = HUGE_VAL;
        i64 room = p.capacity;
        for (i64 i = 0; i < p.classes; ++i) room -= p.weight[chosen[i]];
        keep();
        while (spare >= 0.0 && spare < GAIN * before && move(room)) {
            before = spare;
            narrow(min(sum, known));
        }
        measure();
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
    // Drop what is too dear beside a choice that costs so much.
    void narrow(double above) {
        spare = allowed(above);
        i64 size = 0, classes = 0;
        for (i64 k = 0, x = 0; k < cls.size; ++k) {
            const i64 start = size;
            for (; x < first[k + 1]; ++x)
                if (reduced[x] <= spare) item[size] = item[x], reduced[size++] = reduced[x];
            if (size > start) cls[classes] = cls[k], first[classes++] = start;
        }
        first[classes] = item.size = size;
        cls.size = classes, first.size = classes + 1;
    }

  private:
    Array<double> reduced; // costs of the items, rounded down
    double sum, known = 0.0; // costs of the best choice, and of a given one
    double saved = 0.0;    // by the best single move
    i64 single_cls = 0, single = 0;

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
            if ((dc < saved) & (dw <= r.room)) saved = dc, single_cls = i, single = j;
        }
        r.room += w - p.weight[better], r.base[i] = better;
        if (better != base && single_cls == i) saved = 0.0;
        gap[i] = least;
        error += better == base ? max(0.0, -least) : 0.0;
        return better != base;
    }
    // Take the steps behind the break that still fit.
    void complete() {
        i64 room = r.room;
        for (i64 k = r.brk; k < r.steps.size; ++k) {
            const Step<double> &s = r.steps[k];
            if (chosen[s.cls] == s.tail && s.weight <= room) room -= s.weight, chosen[s.cls] = s.head;
        }
    }
    // What an item may cost at most beside a choice that costs so much; less by 1 in whole numbers.
    double allowed(double above) const {
        above -= whole ? 1.0 : 0.0;
        return above - bound + SLACK * (fabs(above) + (whole ? 1.0 : 0.0) + fabs(bound)) + TINY;
    }
    // Find what is left.
    void keep() {
        for (i64 i = 0; i < p.classes; ++i) {
            if (gap[i] > spare) continue;
            const i64 base = r.base[i], w = p.weight[base], start = item.size;
            for (i64 j = p.begin[i]; j < p.end[i]; ++j) {
                const i64 dw = p.weight[j] - w;
                const double dc = p.cost[j] - p.cost[base];
                const double safe = rounded_down(dc, r.multiplier * static_cast<double>(dw));
                if (j == base || safe > spare || (dw >= 0 && dc >= 0.0)) continue;
                item.push({dc, dw, j}), reduced.push(safe);
            }
            if (item.size > start) cls.push(i), first.push(start);
        }
        first.push(item.size);
    }
    // Make the move that fits and saves most.
    bool move(i64 &room) {
        double most = 0.0;
        i64 i = -1, to = -1;
        for (i64 k = 0; k < cls.size; ++k) {
            const i64 from = chosen[cls[k]], base = r.base[cls[k]];
            const i64 most_dw = room + (p.weight[from] - p.weight[base]);
            const double dc = p.cost[from] - p.cost[base];
            for (i64 x = first[k]; x < first[k + 1]; ++x)
                if (item[x].dc - dc < most && item[x].dw <= most_dw) most = item[x].dc - dc, i = cls[k], to = item[x].item;
        }
        if (i < 0) return false;
        sum += p.cost[to] - p.cost[chosen[i]];
        sum += SLACK * fabs(sum);
        room -= p.weight[to] - p.weight[chosen[i]], chosen[i] = to;
        return true;
    }
    // Sizes of what is left.
    void measure() {
        for (i64 k = 0; k < cls.size; ++k) {
            i64 lightest = 0, heaviest = 0;
            bits.meet(p.cost[r.base[cls[k]]]);
            for (i64 x = first[k]; x < first[k + 1]; ++x) {
                bits.meet(p.cost[item[x].item]);
                lightest = min(lightest, item[x].dw), heaviest = max(heaviest, item[x].dw);
            }
            reach += static_cast<double>(heaviest - lightest);
        }
    }
    // Count in the costs of a choice.
    void meet(const i64 *choice) {
        for (i64 i = 0; i < p.classes; ++i)
            if (choice[i] != r.base[i]) bits.meet(p.cost[choice[i]]), bits.meet(p.cost[r.base[i]]);
    }
};
