// Lists of states, how two are merged, and how each came about.
#pragma once
#include "envelope.hpp"

template <class Cost> struct States {
    Array<i64> w;
    Array<Cost> v;
    Array<i64> node; // of the last move; of a candidate also, above bit 40, the item it takes
    i64 size = 0;

    void reserve(i64 count) { w.reserve(count), v.reserve(count), node.reserve(count); }
};

// A list of states, and what it is shifted by.
template <class Cost> struct Shifted {
    const States<Cost> *list;
    Cost dc;
    i64 dw, tag, at = 0;
};

// The undominated of two lists; of equals the first stays.
template <class Cost> void merge(Shifted<Cost> a, Shifted<Cost> b, States<Cost> &out) {
    Cost least = 2 * BEYOND<Cost>;
    i64 n = 0, *w = out.w.at, *node = out.node.at;
    Cost *v = out.v.at;
    auto copy = [&](Shifted<Cost> &from) {
        v[n] = from.list->v[from.at] + from.dc, w[n] = from.list->w[from.at] + from.dw;
        node[n] = from.list->node[from.at++] + from.tag;
        const bool better = v[n] < least;
        least = better ? v[n] : least;
        n += better;
    };
    while (a.at < a.list->size && b.at < b.list->size) {
        const i64 x = a.list->w[a.at] + a.dw, y = b.list->w[b.at] + b.dw;
        const bool later = y < x || (y == x && b.list->v[b.at] + b.dc < a.list->v[a.at] + a.dc);
        copy(later ? b : a);
    }
    while (a.at < a.list->size) copy(a);
    while (b.at < b.list->size) copy(b);
    out.size = n;
}

// The moves behind states: each the item it takes, and the move before it; 0 stands for none.
struct Moves {
    struct Node {
        i32 parent, item;
    };
    static constexpr i64 LEAST = 1 << 16;
    Array<Node> node;
    Array<i32> name;
    i64 many = LEAST; // nodes at which to look for dead ones

    Moves() { node.push({0, -1}); }

    i32 add(i64 parent, i64 item) {
        if (node.size >= i64(1) << 31) longjmp(memory.failed, 1);
        node.push({static_cast<i32>(parent), static_cast<i32>(item)});
        return static_cast<i32>(node.size - 1);
    }
    // Forget the nodes from which neither a state nor the incumbent descends.
    template <class Cost> void sweep(States<Cost> &states, i32 &best) {
        name.reserve(node.size);
        memset(name.at, -1, static_cast<size_t>(node.size) * sizeof(i32));
        name[0] = name[best] = 0;
        for (i64 s = 0; s < states.size; ++s) name[states.node[s]] = 0;
        for (i64 a = node.size - 1; a > 0; --a)
            if (!name[a]) name[node[a].parent] = 0;
        i32 size = 0;
        for (i64 a = 0; a < node.size; ++a) {
            if (name[a]) continue;
            node[size] = {name[node[a].parent], node[a].item};
            name[a] = size++;
        }
        best = name[best];
        for (i64 s = 0; s < states.size; ++s) states.node[s] = name[states.node[s]];
        node.size = size, many = max<i64>(LEAST, 2 * size);
    }
};
