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

// An item, counted from the one of its class in the break solution.
template <class Cost> struct Item {
    Cost dc;
    i64 dw, item;
};

// The exponents of the lowest and of the highest bit of some costs.
struct Bits {
    int low = 4096, top = -4096;

    void meet(double x) {
        int e;
        const i64 m = static_cast<i64>(frexp(fabs(x), &e) * 0x1p53);
        if (m) low = min(low, e - 53 + __builtin_ctzll(static_cast<uint64_t>(m))), top = max(top, e);
    }
    int span() const { return max(0, top - low); }
};

struct Reduction {
    static constexpr double GAIN = 0.9; // what a move must leave of the gap at most
    const Problem &p;
    Relaxation &r;
    Array<double> gap;        // the least r of each class, rounded down
    Array<i64> chosen;        // the best choice so far
    Array<i64> cls, first;    // what is left: item[first[k]] .. item[first[k + 1] - 1] of class cls[k]
    Array<Item<double>> item;
    Bits bits;                // of all costs that matter
    double reach = 0.0;       // the largest movement of weight that the items can make
    double bound;             // of all choices, rounded down
    double spare;             // what an item may cost at most

    Reduction(const Problem &problem, Relaxation &relaxation, const i64 *given_, bool whole)
        : p(problem), r(relaxation), gap(p.classes), chosen(p.classes), least(whole ? 1.0 : 0.0), given(given_) {
        for (i64 i = 0; i < p.classes; ++i)
            while (price(i)) {
            }
        bound = -(r.multiplier * real(r.room) + error) * (1.0 + SLACK) - TINY;
        chosen.copy(r.base.at);
        complete();
        if (saved < cost(chosen.at)) chosen.copy(r.base.at), chosen[single_cls] = single;
        // Find what is left, after moves that make the incumbent cheaper.
        double before = HUGE_VAL;
        i64 left = p.capacity;
        for (i64 i = 0; i < p.classes; ++i) left -= p.weight[chosen[i]];
        for (keep(); spare >= 0.0 && spare < GAIN * before && move(left); keep()) before = spare;
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
        return sum + SLACK * size * (1.0 + 0x1p-20 * real(p.classes));
    }
    // Find what is not too dear beside the incumbent; of whole numbers, less by 1.
    void keep() {
        const double above = min(cost(chosen.at), given ? cost(given) : 0.0) - least;
        spare = above - bound + SLACK * (fabs(above) + least + fabs(bound)) + TINY;
        cls.size = first.size = item.size = 0, reach = 0.0, bits = Bits();
        for (i64 i = 0; i < p.classes; ++i) {
            if (gap[i] > spare) continue;
            const i64 base = r.base[i], w = p.weight[base], start = item.size;
            i64 lightest = 0, heaviest = 0;
            for (i64 j = p.begin[i]; j < p.end[i]; ++j) {
                const i64 dw = p.weight[j] - w;
                const double dc = p.cost[j] - p.cost[base];
                if (j == base || reduced(dc, dw) > spare || (dw >= 0 && dc >= 0.0)) continue;
                item.push({dc, dw, j}), bits.meet(p.cost[j]);
                lightest = min(lightest, dw), heaviest = max(heaviest, dw);
            }
            if (item.size == start) continue;
            cls.push(i), first.push(start), bits.meet(p.cost[base]);
            reach += real(heaviest - lightest);
        }
        first.push(item.size);
    }

  private:
    const double least;    // by how much costs differ at least
    const i64 *const given; // a choice to compare with, or none
    double error = 0.0;    // E
    double saved = 0.0;    // by the best single move
    i64 single_cls = 0, single = 0;

    // r, rounded down.
    double reduced(double dc, i64 dw) const {
        const double turn = r.multiplier * real(dw);
        return dc + turn - SLACK * (fabs(dc) + fabs(turn)) - TINY;
    }
    // The gap of a class; true if its item was replaced by a cheaper one that is no heavier.
    bool price(i64 i) {
        const i64 base = r.base[i], w = p.weight[base], end = p.end[i];
        const double c = p.cost[base];
        double lowest = HUGE_VAL;
        i64 better = base;
        for (i64 j = p.begin[i]; j < end; ++j) {
            const i64 dw = p.weight[j] - w;
            const double dc = p.cost[j] - c, safe = reduced(dc, dw);
            lowest = ((j != base) & (safe < lowest)) ? safe : lowest;
            better = ((dc < 0.0) & (dw <= 0)) ? j : better;
            if ((dc < saved) & (dw <= r.room)) saved = dc, single_cls = i, single = j;
        }
        r.room += w - p.weight[better], r.base[i] = better;
        if (better != base && single_cls == i) saved = 0.0;
        gap[i] = lowest;
        error += better == base ? max(0.0, -lowest) : 0.0;
        return better != base;
    }
    // Count in the costs of a choice.
    void meet(const i64 *choice) {
        for (i64 i = 0; i < p.classes; ++i)
            if (choice[i] != r.base[i]) bits.meet(p.cost[choice[i]]), bits.meet(p.cost[r.base[i]]);
    }

    // Make the move that fits into what is left and saves most.
    bool move(i64 &left) {
        double most = 0.0;
        i64 i = -1, to = -1;
        for (i64 k = 0; k < cls.size; ++k) {
            const i64 from = chosen[cls[k]], base = r.base[cls[k]];
            const i64 most_dw = left + (p.weight[from] - p.weight[base]);
            const double dc = p.cost[from] - p.cost[base];
            for (i64 x = first[k]; x < first[k + 1]; ++x)
                if (item[x].dc - dc < most && item[x].dw <= most_dw) most = item[x].dc - dc, i = cls[k], to = item[x].item;
        }
        if (i < 0) return false;
        left -= p.weight[to] - p.weight[chosen[i]], chosen[i] = to;
        return true;
    }
    // Take the steps behind the break that still fit.
    void complete() {
        i64 room = r.room;
        for (i64 k = r.brk; k < r.steps.size; ++k) {
            const Step &s = r.steps[k];
            if (chosen[s.cls] == s.tail && s.weight <= room) room -= s.weight, chosen[s.cls] = s.head;
        }
    }
};
