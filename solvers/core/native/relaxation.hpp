// The linear relaxation: a break solution, the hull steps next to the break, and its multiplier.
//
// Floats are enough here: they choose where the search begins and in which order classes enter,
// and a wrong one costs time, never the optimum.
#pragma once
#include "hull.hpp"

struct Relaxation {
    Array<Step> steps; // those around the break, by falling slope
    i64 brk = 0;       // the first that does not fit
    i64 room = 0;      // capacity that the break solution leaves
    double multiplier = 0.0;
    Array<i64> base; // the item of each class in the break solution
};

constexpr i64 NEAR = 48;
constexpr i64 FEW = 48; // classes up to which all steps are found

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
