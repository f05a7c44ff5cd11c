// The linear relaxation: a break solution, the hull steps next to the break, and its multiplier.
//
// Floats are enough here: they choose where the search begins and in which order classes enter,
// and a wrong one costs time, never the optimum.
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

struct Relaxation {
    Array<Step> steps; // those around the break, by falling slope
    i64 brk = 0;       // the first that does not fit
    i64 room = 0;      // capacity that the break solution leaves
    double multiplier = 0.0;
    Array<i64> base; // the item of each class in the break solution
};

constexpr i64 NEAR = 48;
constexpr i64 FEW = 48; // classes up to which all steps are found

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

// The curve of weight against slope, from the hull steps of a sample of classes.
struct Curve {
    Array<Step> steps;
    Array<double> filled, taken; // before each step, as if all classes were there: weight, steps
    double unit, drawn = 0.0;

    Curve(const Problem &p, const Ends &e, Memory &memory)
        : steps(memory), filled(memory), taken(memory),
          unit(static_cast<double>(e.most - e.least) / (2.0 * sqrt(static_cast<double>(p.classes)))) {
        Array<i64> item(memory);
        auto span = [&](i64 i) { return static_cast<double>(p.weight[e.cheap[i]] - p.weight[e.light[i]]); };
        double passed = 0.0, mark = 0.5 * unit;
        for (i64 i = 0; i < p.classes; ++i) {
            passed += span(i);
            if (passed <= mark) continue;
            mark = unit * (floor(passed / unit - 0.5) + 1.5);
            add_steps(p, i, e.light[i], e.cheap[i], item, steps);
            drawn += 1.0;
        }
        std::sort(steps.begin(), steps.end(), steeper);
        double weight = 0.0, count = 0.0;
        for (const Step &s : steps) {
            filled.push(weight), taken.push(count);
            const double stands = std::max(1.0, unit / span(s.cls));
            weight += static_cast<double>(s.weight) * stands, count += stands;
        }
        filled.push(weight), taken.push(count);
    }
    // The slopes that lie so much weight and so many steps above and below a goal.
    void around(double goal, double off, double more, double &high, double &low) const {
        const i64 here = last(filled, std::max(0.0, goal)), n = steps.size;
        const i64 above = std::min({last(filled, goal - off), last(taken, taken[here] - more), here - 2});
        const i64 below = 1 + std::max({last(filled, goal + off), last(taken, taken[here] + more), here + 2});
        high = above < 0 ? HUGE_VAL : steps[above].slope * (1.0 + 0x1p-40);
        low = below >= n ? 0.0 : steps[below].slope * (1.0 - 0x1p-40);
    }
    // The last position at which a sum is at most x.
    static i64 last(const Array<double> &sum, double x) {
        return std::upper_bound(sum.at, sum.at + sum.size, x) - sum.at - 1;
    }
};

// Looks for two slopes with the break between them and few steps inside.
struct Bracket {
    const Problem &p;
    const Ends &e;
    Array<i64> at_high; // best items at the slope above, or at one tried before
    Array<i64> cls, at_low; // classes whose best item below is another one, and that
    i64 filled = 0;
    double high = HUGE_VAL, low = 0.0;

    Bracket(const Problem &problem, const Ends &ends, Memory &memory)
        : p(problem), e(ends), at_high(memory, problem.classes), cls(memory), at_low(memory) {
        memcpy(at_high.at, e.light, static_cast<size_t>(p.classes) * sizeof(i64));
        if (p.classes <= FEW || e.least == e.most) {
            enclose();
            return;
        }
        const Curve curve(p, e, memory);
        if (!curve.steps.size) {
            enclose();
            return;
        }
        double off, goal = place(curve, off), more = 2.0 * NEAR, far_high, far_low;
        curve.around(goal, off, more, high, low);
        for (;;) {
            const i64 below = enclose();
            curve.around(goal, off *= 4.0, more *= 4.0, far_high, far_low);
            if (filled > p.capacity) {
                low = high, high = far_high > high ? far_high : HUGE_VAL;
            } else if (below <= p.capacity && low > 0.0) {
                high = low, low = far_low < low ? far_low : 0.0;
            } else {
                return;
            }
        }
    }
    // Where the curve reaches the capacity, corrected by the weight that all classes have there.
    double place(const Curve &curve, double &off) {
        const i64 n = curve.steps.size;
        const double total = curve.filled[n], enough = 2.0 * NEAR * total / curve.taken[n];
        double goal = total * (static_cast<double>(p.capacity - e.least) / static_cast<double>(e.most - e.least));
        double tried = HUGE_VAL, here = 0.0;
        off = (1.0 + 0.6 * sqrt(curve.drawn)) * curve.unit;
        if (curve.steps[0].slope == curve.steps[n - 1].slope) return goal;
        for (int turns = p.classes < 30000 ? 2 : 3; turns && off > enough; --turns) {
            const i64 k = std::clamp<i64>(Curve::last(curve.filled, goal), 0, n - 1);
            if (curve.steps[k].slope != tried) {
                tried = curve.steps[k].slope, here = 0.0;
                for (i64 i = 0; i < p.classes; ++i) {
                    at_high[i] = best(p, i, at_high[i], tried);
                    here += static_cast<double>(p.weight[at_high[i]]);
                }
            }
            const double miss = static_cast<double>(p.capacity) - here;
            goal = curve.filled[k] + miss, off = 0.25 * off + 0.1 * fabs(miss);
        }
        return goal;
    }
    // Find the best items at both slopes; return their weight below.
    i64 enclose() {
        cls.size = at_low.size = filled = 0;
        i64 below = 0;
        for (i64 i = 0; i < p.classes; ++i) {
            i64 x = high < HUGE_VAL ? best(p, i, at_high[i], high) : e.light[i];
            const i64 y = low > 0.0 ? best(p, i, x, low) : e.cheap[i];
            if (p.weight[y] <= p.weight[x]) x = y;
            at_high[i] = x;
            filled += p.weight[x], below += p.weight[y];
            if (x != y) cls.push(i), at_low.push(y);
        }
        return below;
    }
};

inline Relaxation relax(const Problem &p, const Ends &e, Memory &memory) {
    Bracket bracket(p, e, memory);
    Relaxation r{Array<Step>(memory), 0, p.capacity - bracket.filled, 0.0, bracket.at_high};
    Array<i64> item(memory);
    for (i64 k = 0; k < bracket.cls.size; ++k) {
        const i64 i = bracket.cls[k];
        add_steps(p, i, r.base[i], bracket.at_low[k], item, r.steps);
        r.base[i] = item[0];
    }
    std::sort(r.steps.begin(), r.steps.end(), steeper);
    for (; r.brk < r.steps.size && r.steps[r.brk].weight <= r.room; ++r.brk) {
        r.room -= r.steps[r.brk].weight;
        r.base[r.steps[r.brk].cls] = r.steps[r.brk].head;
    }
    if (r.brk < r.steps.size) r.multiplier = r.steps[r.brk].slope;
    return r;
}
