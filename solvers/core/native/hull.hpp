// Classes of items: their ends, their best items at a slope, the steps of their lower hulls.
#pragma once
#include "memory.hpp"

struct Problem {
    i64 classes, items;
    const i64 *begin, *end; // class i owns the items begin[i] .. end[i] - 1
    const double *cost;
    const i64 *weight;
    i64 capacity;
};

enum Fault { NONE, EMPTY, NEGATIVE, NOT_FINITE, HEAVY };

// Of each class a lightest and a cheapest item, with their total weights.
struct Ends {
    i64 *light, *cheap;
    i64 least = 0, most = 0;
    double largest = 0.0; // absolute cost
    bool whole = true;    // all costs are integers
    Fault fault = NONE;
};

// From one item of the hull of a class to the next heavier one.
struct Step {
    double slope; // cost saved per unit of weight
    i64 weight;
    i32 cls, tail, head;
};

inline Ends survey(const Problem &p, Memory &memory) {
    Ends e{Array<i64>(memory, p.classes).at, Array<i64>(memory, p.classes).at};
    double total = 0.0;
    bool finite = true;
    for (i64 i = 0; i < p.classes; ++i) {
        const i64 a = p.begin[i], b = p.end[i];
        if (a < 0 || b <= a || b > p.items) {
            e.fault = EMPTY;
            return e;
        }
        i64 x = a, y = a, w = p.weight[a], heaviest = w;
        double c = p.cost[a], largest = 0.0;
        for (i64 j = a; j < b; ++j) {
            const i64 v = p.weight[j];
            const double d = p.cost[j], size = fabs(d), rounded = (d + 0x1.8p52) - 0x1.8p52;
            x = v < w ? j : x;
            w = v < w ? v : w;
            heaviest = v > heaviest ? v : heaviest;
            y = d < c ? j : y;
            c = d < c ? d : c;
            largest = size > largest ? size : largest;
            e.whole &= d == rounded;
            finite &= size < HUGE_VAL;
        }
        e.light[i] = x, e.cheap[i] = y;
        e.least += w, e.most += p.weight[y];
        e.largest = std::max(e.largest, largest);
        total += static_cast<double>(heaviest);
        if (w < 0) e.fault = NEGATIVE;
        if (total >= 0x1p62) e.fault = HEAVY;
        if (e.fault) return e;
    }
    e.whole &= e.largest < 0x1p50;
    if (!finite) e.fault = NOT_FINITE;
    return e;
}

// The item of a class with the least cost + slope weight, seen from one of them.
inline i64 best(const Problem &p, i64 cls, i64 from, double slope) {
    const double c = p.cost[from];
    const i64 w = p.weight[from], end = p.end[cls];
    i64 found = from;
    double least = 0.0;
    for (i64 j = p.begin[cls]; j < end; ++j) {
        const double g = (p.cost[j] - c) + slope * static_cast<double>(p.weight[j] - w);
        found = g < least ? j : found;
        least = g < least ? g : least;
    }
    return found;
}

// Add the hull steps of a class from one item of its hull to another.
inline void add_steps(const Problem &p, i64 cls, i64 from, i64 to, Array<i64> &item,
                      Array<Step> &steps) {
    const double *c = p.cost;
    const i64 *w = p.weight;
    const double drop = c[from] - c[to], width = static_cast<double>(w[to] - w[from]);
    item.size = 0;
    item.push(from), item.push(to);
    for (i64 j = p.begin[cls]; j < p.end[cls]; ++j) {
        const double left = (c[j] - c[from]) * width + drop * static_cast<double>(w[j] - w[from]);
        if ((w[j] >= w[from]) & (w[j] <= w[to]) & (left < 0.0)) item.push(j);
    }
    auto lighter = [c, w](i64 a, i64 b) { return w[a] != w[b] ? w[a] < w[b] : c[a] < c[b]; };
    if (!std::is_sorted(item.begin(), item.end(), lighter))
        std::sort(item.begin(), item.end(), lighter);
    const i64 begin = steps.size;
    for (i64 k = 1, tail = item[0]; k < item.size; ++k) {
        const i64 j = item[k];
        if (c[j] >= c[tail]) continue;
        for (;; --steps.size) {
            const double slope = (c[tail] - c[j]) / static_cast<double>(w[j] - w[tail]);
            if (steps.size == begin || steps[steps.size - 1].slope > slope) {
                steps.push({slope, w[j] - w[tail], static_cast<i32>(cls), static_cast<i32>(tail), static_cast<i32>(j)});
                break;
            }
            tail = steps[steps.size - 1].tail;
        }
        tail = j;
    }
}

inline bool steeper(const Step &a, const Step &b) {
    return a.slope != b.slope ? a.slope > b.slope : a.head < b.head;
}
