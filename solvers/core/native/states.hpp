// Lists of states, how two are merged, and how each came about.
#pragma once
#include "envelope.hpp"

template <class Cost> struct States {
    Array<i64> w;
    Array<Cost> v;
    Array<i64> node; // of the last move; of a candidate also, above bit 40, the item it takes
    i64 size = 0;

    explicit States(Memory &m) : w(m), v(m), node(m) {}
    void reserve(i64 count) { w.reserve(count), v.reserve(count), node.reserve(count); }
};

// What a list of states is shifted by, and from where to where it is merged.
template <class Cost> struct Run {
    const States<Cost> *list;
    i64 at, end, dw, tag;
    Cost dc;
};

// Append the undominated of two runs; of equals the first stays.
template <class Cost> i64 merge(Run<Cost> a, Run<Cost> b, States<Cost> &out, i64 n) {
    Cost last = 2 * BEYOND<Cost>;
    i64 *w = out.w.at, *node = out.node.at;
    Cost *v = out.v.at;
    auto copy = [&](Run<Cost> &r) {
        v[n] = r.list->v.at[r.at] + r.dc, w[n] = r.list->w.at[r.at] + r.dw;
        node[n] = r.list->node.at[r.at++] + r.tag;
        const bool better = v[n] < last;
        last = better ? v[n] : last;
        n += better;
    };
    while (a.at < a.end && b.at < b.end) {
        const i64 x = a.list->w.at[a.at] + a.dw, y = b.list->w.at[b.at] + b.dw;
        const bool later = y < x || (y == x && b.list->v.at[b.at] + b.dc < a.list->v.at[a.at] + a.dc);
        copy(later ? b : a);
    }
    while (a.at < a.end) copy(a);
    while (b.at < b.end) copy(b);
    return n;
}

// The moves behind states: each the item it takes, and the move before it; 0 stands for none.
struct Pool {
    struct Node {
        i32 parent, item;
    };
    static constexpr i64 LEAST = 1 << 16;
    Array<Node> node;
    i64 many = LEAST; // nodes at which to look for dead ones

    explicit Pool(Memory &memory) : node(memory) { node.push({0, -1}); }

    i32 add(i64 parent, i32 item) {
        if (node.size >= i64(1) << 31) longjmp(node.memory->failed, 1);
        node.push({static_cast<i32>(parent), item});
        return static_cast<i32>(node.size - 1);
    }
    // Throw away the nodes from which neither a state nor the incumbent descends.
    template <class Cost> void forget(States<Cost> &states, i32 &best) {
        Array<i32> name(*node.memory, node.size);
        std::fill(name.begin(), name.end(), -1);
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
        node.size = size, many = std::max<i64>(LEAST, 2 * size);
        Memory::give(name.at);
    }
};
