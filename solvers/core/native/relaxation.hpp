// The linear relaxation: a break solution, the hull steps next to the break, and its multiplier.
//
// Two slopes enclose the break. A class whose best item is the same at both is decided; a slope
// between them, from a sample of the others, takes the place of one of the two (Zemel 1984). When
// few classes are left, their steps are sorted.
//
// Floats are enough here: they choose where the search begins, and a wrong one costs time, never
// the optimum.
#pragma once
#include "memory.hpp"

enum Fault { NONE, EMPTY, NEGATIVE, NOT_FINITE, HEAVY };

struct Problem {
    i64 classes, items;
    const i64 *begin, *end; // class i owns the items begin[i] .. end[i] - 1
    const double *cost;
    const i64 *weight;
    i64 capacity;
};

// From one item of a lower convex hull to the next.
struct Step {
    double slope; // cost saved per unit of weight
    i64 weight, cls, tail, head;
};

// Of each class the lightest item, and a cheapest one.
struct Ends {
    Array<i64> light, cheap;
    i64 least = 0;        // weight of the lightest of all
    double largest = 0.0; // absolute cost
    bool whole = true;    // all costs are integers
    Fault fault = NONE;

    explicit Ends(const Problem &p) : light(p.classes), cheap(p.classes) {
        double heaviest = 0.0;
        bool finite = true;
        for (i64 i = 0; i < p.classes && !fault; ++i) {
            const i64 begin = p.begin[i], end = p.end[i];
            if (begin < 0 || end <= begin || end > p.items) {
                fault = EMPTY;
                return;
            }
            i64 x = begin, y = begin, w = p.weight[x], top = w;
            double c = p.cost[x], beside = c;
            for (i64 j = begin; j < end; ++j) {
                const i64 v = p.weight[j];
                const double d = p.cost[j], size = fabs(d);
                const bool lighter = (v < w) | ((v == w) & (d < beside));
                x = lighter ? j : x, w = lighter ? v : w, beside = lighter ? d : beside;
                top = v > top ? v : top;
                y = d < c ? j : y, c = d < c ? d : c;
                largest = size > largest ? size : largest;
                whole &= d == (d + 0x1.8p52) - 0x1.8p52;
                finite &= size < HUGE_VAL;
            }
            light[i] = x, cheap[i] = y;
            least += w, heaviest += real(top);
            fault = w < 0 ? NEGATIVE : heaviest >= 0x1p62 ? HEAVY : NONE;
        }
        whole &= largest < 0x1p50;
        if (!finite) fault = NOT_FINITE;
    }
};

struct Relaxation {
    static constexpr i64 FEW = 48;
    const Problem &p;
    Array<i64> base;   // the item of each class in the break solution
    Array<Step> steps; // those around the break, by falling slope
    i64 brk = 0;       // the first that does not fit
    i64 room;          // capacity that the break solution leaves
    double multiplier = 0.0;

    Relaxation(const Problem &problem, const Ends &e)
        : p(problem), base(e.light), room(p.capacity - e.least), low(e.cheap) {
        active.reserve(p.classes);
        for (i64 i = 0; i < p.classes; ++i) decide({i, 0, 0, 0});
        const i64 few = max(FEW, static_cast<i64>(sqrt(real(p.classes))));
        while (active.size > few && narrow()) {
        }
        steps.size = 0;
        for (i64 k = 0; k < active.size; ++k) add_steps(active[k].cls);
        by_slope();
        for (; brk < steps.size && steps[brk].weight <= room; ++brk) {
            const Step &s = steps[brk];
            if (base[s.cls] == s.tail) room -= s.weight, base[s.cls] = s.head;
        }
        if (brk < steps.size) multiplier = steps[brk].slope;
    }

  private:
    struct Active { // a class that is not decided: weight between its two items, best items at two slopes
        i64 cls, width, upper, lower;
    };
    Array<i64> low; // best items below the break
    Array<Active> active;
    i64 between = 0; // weight between the items of all active classes

    void decide(Active a) {
        const i64 x = base[a.cls], y = low[a.cls];
        a.width = p.weight[y] - p.weight[x];
        if (a.width > 0 && p.cost[y] < p.cost[x]) active.push(a), between += a.width;
    }
    double slope(i64 from, i64 to) const { return (p.cost[from] - p.cost[to]) / real(p.weight[to] - p.weight[from]); }

    void by_slope() {
        sort(steps.at, steps.size, [](const Step &a, const Step &b) {
            return a.slope != b.slope ? a.slope > b.slope : a.cls < b.cls;
        });
    }
    // Draw classes by weight; their steps say between which two slopes the break probably lies. False if
    // no nearer.
    bool narrow() {
        const double count = sqrt(real(active.size)), all = real(between), unit = all / count;
        double mark = 0.5 * unit, passed = 0.0, sampled = 0.0;
        steps.size = 0;
        for (i64 k = 0, from = 0; k < active.size; ++k, from = steps.size) {
            const double own = real(active[k].width);
            passed += own;
            if (passed <= mark) continue;
            mark = unit * (floor(passed / unit - 0.5) + 1.5);
            add_steps(active[k].cls);
            for (; from < steps.size; ++from) {
                steps[from].weight = static_cast<i64>(real(steps[from].weight) * max(1.0, unit / own));
                sampled += real(steps[from].weight);
            }
        }
        by_slope();
        const double goal = real(room) / all, off = 0.15 / sqrt(count) + 1.0 / count;
        return split(reached(sampled * (goal - off)) * (1.0 + 0x1p-40), reached(sampled * (goal + off)) * (1.0 - 0x1p-40));
    }
    // The slope at which the steps of the sample reach a weight.
    double reached(double weight) const {
        i64 k = 0;
        for (; k + 1 < steps.size && (weight -= real(steps[k].weight)) >= 0.0;) ++k;
        return steps[k].slope;
    }
    // Find the best items at two slopes, which take the places of the two; false if they come no nearer.
    bool split(double high, double lower) {
        i64 above = 0, below = 0;
        for (i64 k = 0; k < active.size; ++k) {
            Active &a = active[k];
            find_best(a, high, lower);
            above += p.weight[a.upper] - p.weight[base[a.cls]], below += p.weight[a.lower] - p.weight[base[a.cls]];
        }
        const bool after = below <= room, before = above > room; // where the break is
        const i64 was = between, size = active.size;
        active.size = between = 0;
        for (i64 k = 0; k < size; ++k) {
            const Active a = active[k];
            if (!before) base[a.cls] = after ? a.lower : a.upper;
            if (!after) low[a.cls] = before ? a.upper : a.lower;
            decide(a);
        }
        if (!before) room -= after ? below : above;
        if (!after) multiplier = before ? high : lower;
        return between < was;
    }
    // The items of a class with the least cost + slope weight, at a slope and at a lower one.
    void find_best(Active &a, double high, double low) const {
        const i64 from = base[a.cls], w = p.weight[from], end = p.end[a.cls];
        const double c = p.cost[from];
        double least = 0.0, other = 0.0;
        i64 upper = from, lower = from;
        for (i64 j = p.begin[a.cls]; j < end; ++j) {
            const double dc = p.cost[j] - c, dw = real(p.weight[j] - w);
            const double g = dc + high * dw, h = dc + low * dw;
            upper = g < least ? j : upper, least = g < least ? g : least;
            lower = h < other ? j : lower, other = h < other ? h : other;
        }
        a.upper = upper, a.lower = lower;
    }
    // Add the hull steps of a class between its two items; their slopes fall.
    void add_steps(i64 i) {
        const i64 to = low[i];
        double before = HUGE_VAL;
        for (i64 from = base[i]; from != to;) {
            i64 head = to;
            double steepest = slope(from, to);
            for (i64 j = p.begin[i]; j < p.end[i]; ++j) {
                const i64 dw = p.weight[j] - p.weight[from];
                if (dw <= 0 || p.weight[j] >= p.weight[to] || p.cost[from] - p.cost[j] < steepest * real(dw)) continue;
                if (slope(from, j) > steepest || p.weight[j] > p.weight[head]) head = j, steepest = slope(from, j);
            }
            before = min(steepest, before * (1.0 - 0x1p-53));
            steps.push({before, p.weight[head] - p.weight[from], i, from, head});
            from = head;
        }
    }
};
