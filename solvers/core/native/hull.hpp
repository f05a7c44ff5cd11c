// Classes of items: undominated ones, and the steps of their lower convex hulls.
#pragma once
#include "memory.hpp"

struct Problem {
    i64 classes, items;
    const i64 *begin, *end; // class i owns the items begin[i] .. end[i] - 1
    const double *cost;
    const i64 *weight;
    i64 capacity;
};

// An item, counted from another one of its class.
template <class Cost> struct Item {
    Cost dc;
    i64 dw;
    i64 item;
};

// From one item of a hull to the next.
template <class Cost> struct Step {
    Cost slope; // cost saved per unit of weight
    i64 weight;
    i64 cls, tail, head;
};

inline double quotient(double y, i64 x) { return y / static_cast<double>(x); }

// Of integers, the least one that is no less than y / x, x > 0.
template <class Cost> Cost quotient(Cost y, i64 x) {
    const Cost q = y / x;
    return q + (y - q * x > 0);
}

// Sort the items from `begin` on by weight; drop those no cheaper than one before, origins apart.
template <class Cost> void undominated(Array<Item<Cost>> &item, i64 begin) {
    sort(item.at + begin, item.size - begin, [](const Item<Cost> &a, const Item<Cost> &b) {
        return a.dw != b.dw ? a.dw < b.dw : a.dc < b.dc;
    });
    i64 size = begin;
    for (i64 k = begin; k < item.size; ++k)
        if (size == begin || item[k].dc < item[size - 1].dc || item[k].item < 0) item[size++] = item[k];
    item.size = size;
}

// Add the hull steps up (or down) from one undominated item to another. Their slopes fall.
template <class Cost> void chain(const Item<Cost> *item, i64 from, i64 to, i64 cls, Array<Step<Cost>> &steps) {
    const i64 way = to > from ? 1 : -1, begin = steps.size;
    for (i64 k = from; k != to;) {
        i64 tail = k;
        k += way;
        if (steps.size > begin) tail = steps[steps.size - 1].head;
        for (;;) {
            const i64 width = way * (item[k].dw - item[tail].dw);
            const Cost slope = quotient(item[tail].dc - item[k].dc, width);
            if (steps.size == begin || steps[steps.size - 1].slope > slope) {
                steps.push({slope, width, cls, tail, k});
                break;
            }
            tail = steps[--steps.size].tail;
        }
    }
}

template <class Cost> void by_slope(Array<Step<Cost>> &steps) {
    sort(steps.at, steps.size, [](const Step<Cost> &a, const Step<Cost> &b) {
        return a.slope != b.slope ? a.slope > b.slope : a.cls < b.cls;
    });
}
