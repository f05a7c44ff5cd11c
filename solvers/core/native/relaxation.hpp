// The linear relaxation: a break solution, the hull steps next to the break, and its multiplier.
//
// Two slopes enclose the break. A class whose best item is the same at both is decided; a slope
// between them, from a sample of the others, takes the place of one of the two (Zemel 1984). When
// few classes are left, their steps are sorted.
//
// Floats are enough here: they choose where the search begins, and a wrong one costs time, never
// the optimum.
#pragma once
#include "hull.hpp"

enum Fault { NONE, EMPTY, NEGATIVE, NOT_FINITE, HEAVY };

// Of each class the lightest item, and a cheapest one.
struct Ends {
    Array<i64> light, cheap;
    i64 least = 0;        // weight of the lightest of all
    double largest = 0.0; // absolute cost
    bool whole = true;    // all costs are integers
    Fault fault = NONE;

    Ends(const Problem &p, Memory &memory) : light(memory, p.classes), cheap(memory, p.classes) {
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
            least += w, heaviest += static_cast<double>(top);
            fault = w < 0 ? NEGATIVE : heaviest >= 0x1p62 ? HEAVY : NONE;
        }
        whole &= largest < 0x1p50;
        if (!finite) fault = NOT_FINITE;
    }
};

struct Relaxation {
    static constexpr i64 FEW = 24;
    const Problem &p;
    Array<i64> base;           // the item of each class in the break solution
    Array<Step<double>> steps; // those around the break, by falling slope
    i64 brk = 0;               // the first that does not fit
    i64 room;                  // capacity that the break solution leaves
    double multiplier = 0.0;

    Relaxation(const Problem &problem, const Ends &e, Memory &memory)
        : p(problem), base(e.light), steps(memory), room(p.capacity - e.least), low(e.cheap), middle(memory),
          active(memory), item(memory) {
        for (i64 i = 0; i < p.classes; ++i)
            if (width(i) > 0) active.push(i);
        while (active.size > FEW) {
            const double slope = pivot();
            if (!split(slope) && !split(slope * (1.0 - 0x1p-40))) break; // all steps left are as steep
        }
        steps.size = 0;
        for (i64 k = 0; k < active.size; ++k) add_steps(active[k]);
        by_slope(steps);
        for (; brk < steps.size && steps[brk].weight <= room; ++brk) {
            room -= steps[brk].weight;
            base[steps[brk].cls] = steps[brk].head;
        }
        if (brk < steps.size) multiplier = steps[brk].slope;
    }

  private:
    Array<i64> low, middle, active; // best items below the break; classes that are not decided
    Array<Item<double>> item;

    i64 width(i64 i) const { return p.weight[low[i]] - p.weight[base[i]]; }

    // The item of a class with the least cost + slope weight, seen from one of them.
    i64 best(i64 i, i64 from, double slope) const {
        const double c = p.cost[from];
        const i64 w = p.weight[from], end = p.end[i];
        i64 found = from;
        double least = 0.0;
        for (i64 j = p.begin[i]; j < end; ++j) {
            const double g = (p.cost[j] - c) + slope * static_cast<double>(p.weight[j] - w);
            found = g < least ? j : found;
            least = g < least ? g : least;
        }
        return found;
    }
    // The slope at which the steps of a sample, drawn by weight, reach the capacity; somewhat
    // towards the middle, so that both ends move.
    double pivot() {
        double between = 0.0, passed = 0.0;
        for (i64 k = 0; k < active.size; ++k) between += static_cast<double>(width(active[k]));
        const double count = sqrt(static_cast<double>(active.size)), unit = between / count;
        double mark = 0.5 * unit, sampled = 0.0;
        steps.size = 0;
        for (i64 k = 0, from = 0; k < active.size; ++k, from = steps.size) {
            const double own = static_cast<double>(width(active[k]));
            passed += own;
            if (passed <= mark) continue;
            mark = unit * (floor(passed / unit - 0.5) + 1.5);
            add_steps(active[k]);
            for (; from < steps.size; ++from) {
                steps[from].weight = static_cast<i64>(static_cast<double>(steps[from].weight) * max(1.0, unit / own));
                sampled += static_cast<double>(steps[from].weight);
            }
        }
        by_slope(steps);
        const double share = min(1.0, static_cast<double>(room) / between);
        const double goal = (share + (0.5 - share) / sqrt(count)) * sampled;
        i64 k = 0;
        for (passed = 0.0; k + 1 < steps.size; ++k)
            if ((passed += static_cast<double>(steps[k].weight)) > goal) break;
        return steps[k].slope;
    }
    // Find the best items at a slope, which becomes one of the two; false if they come no nearer.
    bool split(double slope) {
        i64 more = 0, size = 0, before = 0, after = 0;
        middle.size = 0;
        for (i64 k = 0; k < active.size; ++k) {
            middle.push(best(active[k], base[active[k]], slope));
            more += p.weight[middle[k]] - p.weight[base[active[k]]];
        }
        for (i64 k = 0; k < active.size; ++k) {
            const i64 i = active[k];
            before += width(i);
            (more <= room ? base : low)[i] = middle[k];
            if (width(i) > 0) active[size++] = i, after += width(i);
        }
        active.size = size;
        if (more <= room) room -= more;
        else multiplier = slope;
        return after < before;
    }
    // Add the hull steps of a class between its two items.
    void add_steps(i64 i) {
        const i64 from = base[i], to = low[i], start = steps.size;
        const double drop = p.cost[from] - p.cost[to], wide = static_cast<double>(width(i));
        item.size = 0;
        item.push({0.0, 0, from}), item.push({-drop, width(i), to});
        for (i64 j = p.begin[i]; j < p.end[i]; ++j) {
            const i64 dw = p.weight[j] - p.weight[from];
            const double dc = p.cost[j] - p.cost[from];
            if ((dw > 0) & (dw < width(i)) & (dc * wide + drop * static_cast<double>(dw) < 0.0)) item.push({dc, dw, j});
        }
        undominated(item, 0);
        chain(item.at, 0, item.size - 1, i, steps);
        for (i64 k = start; k < steps.size; ++k)
            steps[k].tail = item[steps[k].tail].item, steps[k].head = item[steps[k].head].item;
    }
};
